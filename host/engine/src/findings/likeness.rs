//! The outcome of a duplicate in one word. Not how similar the events are: the scorer decides that.

/// How a duplicate stands to its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Likeness {
    /// The same uuid and the same content: the event was sent twice.
    SameEvent,
    /// The same uuid, other content.
    SameUuid,
    /// Another uuid, the same content: somebody made the event twice.
    OnlyUuidDifferent,
    /// Another uuid and other content: two events that share a key.
    ContentDiffers,
    /// Nothing compared them: there is no scorer, it failed, or the original is not kept.
    Unscored,
}

impl Likeness {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::SameEvent, Self::SameUuid, Self::OnlyUuidDifferent, Self::ContentDiffers, Self::Unscored];

    /// Of two events that were compared. Two events without a uuid count as equal there.
    #[must_use]
    pub const fn of(uuids_equal: bool, changed_besides_uuid: bool) -> Self {
        match (uuids_equal, changed_besides_uuid) {
            (true, false) => Self::SameEvent,
            (true, true) => Self::SameUuid,
            (false, false) => Self::OnlyUuidDifferent,
            (false, true) => Self::ContentDiffers,
        }
    }

    /// The word for it in records, metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameEvent => "same_event",
            Self::SameUuid => "same_uuid",
            Self::OnlyUuidDifferent => "only_uuid_different",
            Self::ContentDiffers => "content_differs",
            Self::Unscored => "unscored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_says_what_differs() {
        let words =
            [(true, false), (true, true), (false, false), (false, true)].map(|(u, c)| Likeness::of(u, c).as_str());
        assert_eq!(words, ["same_event", "same_uuid", "only_uuid_different", "content_differs"]);
        assert!(Likeness::ALL.iter().enumerate().all(|(number, likeness)| *likeness as usize == number));
    }
}
