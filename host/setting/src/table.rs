//! All settings of a program, part by part. Not which these are: a program says that.

use crate::row::{AnySetting, Rows};

/// The settings of all parts, in the order of the help text.
#[derive(Clone, Copy)]
pub struct Table(&'static [Rows]);

impl Table {
    /// The table of these parts.
    #[must_use]
    pub const fn new(parts: &'static [Rows]) -> Self {
        Self(parts)
    }

    /// Every setting, in the order of the help text.
    pub fn iter(self) -> impl Iterator<Item = &'static dyn AnySetting> {
        self.0.iter().flat_map(|rows| rows.iter().copied())
    }
}
