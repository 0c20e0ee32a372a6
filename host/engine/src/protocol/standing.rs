//! Whose a partition is, between the thread that polls and the worker. Not what the worker does with it.

/// Whose a partition is. It only moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Standing {
    /// Given by the group; its state is being opened.
    Opening,
    /// A worker has it.
    Owned,
    /// The group takes it back and waits: the worker may still commit.
    Leaving,
    /// It may be another's already: nothing of it may be committed any more.
    Lost,
    /// No worker has it.
    Released,
}

/// What moves a partition from one standing to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// A worker takes it.
    Adopt,
    /// The group takes it back and waits for the worker.
    Leave,
    /// The group does not wait any longer.
    Expire,
    /// It is another's already.
    Lose,
    /// The worker has let go of it: its state is closed.
    Release,
}

impl Standing {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Opening, Self::Owned, Self::Leaving, Self::Lost, Self::Released];

    /// Where a handover leads; `None` where it changes nothing.
    #[must_use]
    pub fn after(self, handover: Handover) -> Option<Self> {
        match (self, handover) {
            (Self::Opening, Handover::Adopt) => Some(Self::Owned),
            // No worker has it, so there is nothing to wait for.
            (Self::Opening, Handover::Leave | Handover::Lose) => Some(Self::Released),
            (Self::Owned, Handover::Leave) => Some(Self::Leaving),
            (Self::Owned, Handover::Lose) | (Self::Leaving, Handover::Expire) => Some(Self::Lost),
            (Self::Opening | Self::Owned | Self::Leaving | Self::Lost, Handover::Release) => Some(Self::Released),
            (Self::Opening | Self::Owned | Self::Lost, Handover::Expire)
            | (Self::Owned | Self::Leaving | Self::Lost, Handover::Adopt)
            | (Self::Leaving | Self::Lost, Handover::Leave | Handover::Lose)
            | (Self::Released, _) => None,
        }
    }

    /// Whether the worker has to let go of it.
    #[must_use]
    pub fn is_going(self) -> bool {
        matches!(self, Self::Leaving | Self::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_only_moves_on() {
        let all = [Handover::Adopt, Handover::Leave, Handover::Expire, Handover::Lose, Handover::Release];
        for from in Standing::ALL {
            for handover in all {
                assert!(from.after(handover).is_none_or(|to| to > from), "{from:?} {handover:?}");
            }
        }
    }

    #[test]
    fn what_left_late_is_lost_and_what_left_in_time_is_not() {
        let left = Standing::Owned.after(Handover::Leave);
        assert_eq!(left.and_then(|left| left.after(Handover::Expire)), Some(Standing::Lost));
        let released = left.and_then(|left| left.after(Handover::Release));
        assert_eq!(released.and_then(|released| released.after(Handover::Expire)), None);
    }
}
