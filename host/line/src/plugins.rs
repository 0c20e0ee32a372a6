//! The components of a run by their roles. Does not load them, and does not call them.

use plugin::Plugin;

/// The components of a run; one component may play both roles.
#[derive(Debug, Clone)]
pub struct Plugins {
    /// Says what makes two events the same.
    pub extractor: Plugin,
    /// Says how alike two events are.
    pub scorer: Option<Plugin>,
}

impl Plugins {
    /// The extractor and the scorer.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        std::iter::once(&self.extractor).chain(&self.scorer)
    }
}
