//! Detects when a file that is being replaced is complete. It knows what the file system says about a file, and nothing
//! about its content.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// What the file system says of a file; another file at the same path has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    /// A file that is moved to the place keeps its time, and has another number.
    inode: u64,
}

impl Stamp {
    /// `None`: there is no such file, or it may not be looked at.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), bytes: metadata.len(), inode: metadata.ino() })
    }
}

/// What a look at a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is the one that was tried already, or there is none.
    Same,
    /// It is another one, and may still be being written.
    Moving,
    /// It is another one, as it was a look ago.
    Settled,
}

/// A file that is looked at now and then.
#[derive(Debug)]
pub(crate) struct Watched {
    tried: Option<Stamp>,
    seen: Option<Stamp>,
}

impl Watched {
    /// The file that was loaded.
    pub(crate) fn new(loaded: Option<Stamp>) -> Self {
        Self { tried: loaded, seen: loaded }
    }

    pub(crate) fn look(&mut self, now: Option<Stamp>) -> Look {
        let before = std::mem::replace(&mut self.seen, now);
        match now {
            None => Look::Same,
            now if now == self.tried => Look::Same,
            now if now == before => Look::Settled,
            Some(_) => Look::Moving,
        }
    }

    /// The file is tried now: it is not looked at again before it changes.
    pub(crate) fn tried(&mut self, now: Option<Stamp>) {
        (self.tried, self.seen) = (now, now);
    }
}

#[cfg(test)]
mod tests {
    use super::Look::{Moving, Same, Settled};
    use super::*;

    fn stamp(bytes: u64) -> Option<Stamp> {
        Some(Stamp { modified: None, bytes, inode: 7 })
    }

    #[test]
    fn a_file_that_grows_is_left_alone_until_it_stands_still() {
        let mut file = Watched::new(stamp(1));
        let looks = [1, 1, 2, 3, 3].map(|bytes| file.look(stamp(bytes)));
        assert_eq!(looks, [Same, Same, Moving, Moving, Settled]);
    }

    #[test]
    fn a_file_that_was_tried_is_not_tried_again_before_it_changes() {
        let mut file = Watched::new(stamp(1));
        let _settling = [file.look(stamp(2)), file.look(stamp(2))];
        file.tried(stamp(2));
        assert_eq!([2, 2, 3, 3].map(|bytes| file.look(stamp(bytes))), [Same, Same, Moving, Settled]);
    }

    #[test]
    fn a_file_that_is_gone_for_a_while_is_the_same_unless_another_comes_back() {
        let mut file = Watched::new(stamp(1));
        assert_eq!(
            [None, stamp(1), None, stamp(2), stamp(2)].map(|now| file.look(now)),
            [Same, Same, Same, Moving, Settled]
        );
    }

    #[test]
    fn a_file_moved_to_the_place_is_another_though_size_and_time_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        std::fs::write(&one, "x").unwrap();
        let before = Stamp::of(&one);
        assert_eq!(Stamp::of(&one), before);
        std::fs::write(&other, "y").unwrap();
        std::fs::rename(&other, &one).unwrap();
        assert_ne!(Stamp::of(&one), before);
        assert_eq!(Stamp::of(&other), None);
    }
}
