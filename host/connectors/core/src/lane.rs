//! The ways out of the line, by name. Not where they lead to: a sink knows that.

/// The ways out of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Events that go on.
    Output,
    /// Duplicates, each explained.
    Duplicates,
    /// Events too late to be decided.
    Late,
    /// Records that could not be processed.
    DeadLetter,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 4] = [Self::Output, Self::Duplicates, Self::Late, Self::DeadLetter];

    /// The lane's name in metrics and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Duplicates => "duplicates",
            Self::Late => "late",
            Self::DeadLetter => "dead_letter",
        }
    }
}
