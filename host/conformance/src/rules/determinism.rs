//! Rules of the group `determinism`.

use crate::rule::Rule;

pub(super) const RULES: &[Rule] = &[];
