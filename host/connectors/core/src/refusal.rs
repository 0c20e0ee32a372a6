//! Why a lane does not take one record, whatever becomes of others. Not a failure of the lane.

/// Why a lane does not take one record, whatever becomes of others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Unsendable {
    /// In one word.
    pub reason: Refusal,
    /// In words: what is refused, what the limit is, and whose.
    pub cause: String,
}

/// Why a lane does not take a record, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is larger than the topic or the client allows.
    TooLarge,
    /// Its timestamp is further from now than the topic allows.
    Timestamp,
    /// It has no key, and the topic is compacted.
    NoKey,
    /// The broker refused it for a reason that was not foreseen.
    Broker,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TooLarge, Self::Timestamp, Self::NoKey, Self::Broker];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Timestamp => "timestamp",
            Self::NoKey => "no_key",
            Self::Broker => "broker",
        }
    }
}
