//! Rules of the group `keys`.

use crate::rule::Rule;

pub(super) const RULES: &[Rule] = &[];
