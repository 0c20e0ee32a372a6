//! Parts of an input that cannot be read, as a source tells of them. Not how they are noticed, nor what is done about them.

use engine::record::Offset;

/// Why a part of an input cannot be read, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnreadableReason {
    /// It cannot be decompressed, or comes to more than the client takes.
    Compression,
    /// Its checksum or its form is wrong.
    Damaged,
    /// An answer with it is larger than the client takes.
    TooLarge,
    /// Its form or its compression is none that the client knows.
    Unsupported,
}

impl UnreadableReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Compression, Self::Damaged, Self::TooLarge, Self::Unsupported];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compression => "compression",
            Self::Damaged => "damaged",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Something was wrong with what was read, as the client says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadComplaint {
    /// In one word.
    pub reason: UnreadableReason,
    /// First offset of the part, where the client says it. It does not say of which partition.
    pub offset: Option<Offset>,
    /// The client's words.
    pub cause: String,
}

/// A part of an input that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// First offset that cannot be read.
    pub from: Offset,
    /// The first after it that can be, or is another part.
    pub next: Offset,
    /// In one word.
    pub reason: UnreadableReason,
    /// The client's words.
    pub cause: String,
}

/// What there is at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// A record, or the end of the partition.
    Readable,
    /// Something that cannot be read.
    Unreadable(Unreadable),
}
