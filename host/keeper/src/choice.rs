//! Which checkpoints of a partition can be used, and in what order they are tried. A pure function of what they say.

use std::cmp::Reverse;

use engine::record::Offset;

/// What a checkpoint says of itself, as far as the choice goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Says {
    /// It contains what is before this.
    pub(crate) offset: Offset,
    /// The claim that it was published under.
    pub(crate) epoch: u64,
    /// Where the owner of that claim began.
    pub(crate) from: Offset,
}

/// The places of those that can be used for a partition that continues at `committed`, the best first. Those that reach beyond
/// it are the last resort, of which the least is best: a start takes them back as far as it can. Where the log has all
/// there ever was, they are not needed.
pub(crate) fn order(all: &[Says], committed: Offset, log_start: Offset) -> Vec<usize> {
    let usable = |says: &&(usize, &Says)| {
        let is_superseded = all.iter().any(|other| other.epoch > says.1.epoch && other.from < says.1.offset);
        !is_superseded && (says.1.offset <= committed || log_start > 0)
    };
    let numbered: Vec<(usize, &Says)> = all.iter().enumerate().collect();
    let mut usable: Vec<&(usize, &Says)> = numbered.iter().filter(usable).collect();
    usable.sort_by_key(|(_, says)| rank(says.offset, committed, says.epoch));
    usable.into_iter().map(|(place, _)| *place).collect()
}

/// What comes first is best.
pub(crate) fn rank(offset: Offset, committed: Offset, epoch: u64) -> (bool, Offset, Reverse<u64>) {
    let is_beyond = offset > committed;
    (is_beyond, if is_beyond { offset } else { -offset }, Reverse(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says((offset, epoch, from): (Offset, u64, Offset)) -> Says {
        Says { offset, epoch, from }
    }

    /// The offsets of those that can be used, with C at 500.
    fn usable<const N: usize>(all: [(Offset, u64, Offset); N], log_start: Offset) -> Vec<Offset> {
        let all = all.map(says);
        order(&all, 500, log_start).into_iter().map(|place| all[place].offset).collect()
    }

    #[test]
    fn the_one_that_reaches_furthest_comes_first_whoever_made_it() {
        assert_eq!(usable([(100, 1, 0), (500, 2, 300), (300, 1, 0)], 0), [500, 300, 100]);
        // Costs a longer replay: it cannot be told from an owner that began where the group's offset was set back to.
        assert_eq!(usable([(100, 3, 100), (300, 2, 100)], 0), [100], "a zombie claimed late");
    }

    #[test]
    fn those_beyond_the_groups_offset_are_the_last_resort() {
        assert_eq!(usable([(700, 1, 0), (600, 1, 0), (400, 1, 0)], 50), [400, 600, 700]);
        assert_eq!(usable([(700, 1, 0), (400, 1, 0)], 0), [400], "the log has all of it");
    }

    #[test]
    fn what_a_later_owner_began_before_is_superseded_for_ever() {
        // The group's offset was set back to 200, and has come to 500 again.
        assert_eq!(usable([(400, 1, 0), (150, 1, 0), (450, 2, 200)], 50), [450, 150]);
        assert_eq!(usable([(200, 1, 0), (450, 2, 200)], 50), [450, 200], "it ends where that owner began");
        assert_eq!(usable([(400, 1, 0), (350, 2, 200)], 50), [350]);
    }
}
