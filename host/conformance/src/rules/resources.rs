//! Rules of the group `resources`.

use crate::rule::Rule;

pub(super) const RULES: &[Rule] = &[];
