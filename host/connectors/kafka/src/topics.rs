//! Which topic each lane leads to. Not whether it exists: see `check`.

use connectors::Lane;

/// Where each lane goes; a lane without a topic is not written.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    /// First-seen events; `None` is metrics only.
    pub output: Option<String>,
    /// Duplicates, each explained.
    pub duplicates: Option<String>,
    /// Events too late to be decided.
    pub late: Option<String>,
    /// Records that could not be processed.
    pub dead_letter: Option<String>,
}

impl Topics {
    /// Each topic, once.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Lane::ALL.into_iter().filter_map(|lane| self.of(lane)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(crate) fn of(&self, lane: Lane) -> Option<&str> {
        match lane {
            Lane::Output => self.output.as_deref(),
            Lane::Duplicates => self.duplicates.as_deref(),
            Lane::Late => self.late.as_deref(),
            Lane::DeadLetter => self.dead_letter.as_deref(),
        }
    }
}
