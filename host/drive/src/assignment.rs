//! A partition that is assigned, and what both ends say of it.

use connectors::{Bounds, Committed};
use engine::progress::{Progress, ProgressError};
use engine::record::Offset;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) partition: i32,
    /// C, and the text beside it; `None`: nothing was ever committed.
    pub(crate) committed: Option<Committed>,
    pub(crate) bounds: Bounds,
}

impl Assignment {
    /// C.
    pub(crate) fn committed(&self) -> Option<Offset> {
        self.committed.as_ref().map(|committed| committed.offset)
    }
}

/// The progress record beside a committed offset.
pub(crate) fn record_beside(committed: &Committed) -> Result<Option<Progress>, ProgressError> {
    Progress::read(&committed.metadata, committed.offset)
}
