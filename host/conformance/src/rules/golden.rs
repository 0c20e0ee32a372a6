//! Rules of the group `golden`.

use crate::rule::Rule;

pub(super) const RULES: &[Rule] = &[];
