//! Rules of the group `contract`.

use crate::rule::Rule;

pub(super) const RULES: &[Rule] = &[];
