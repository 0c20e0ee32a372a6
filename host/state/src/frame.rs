//! The frame of everything that a state says about itself: what it is, in which format, and numbered sections that are
//! checked one by one. Later versions add sections and kinds; nothing is ever renumbered. Not what is in the sections.
//!
//! ```text
//! magic (8 bytes) what (1 byte) format (LEB128) section*
//! section: tag length checksum bytes     tag: 2 * number + 1 where a reader must know it
//! ```
//!
//! The checksum is the CRC-32 of what, tag and bytes, in 4 bytes, little-endian. A whole frame ends with section 0, which is
//! empty, so that one that is cut between two sections is seen to be. A frame that grows (a filter) has no such end: how
//! much of it counts is said elsewhere.
//!
//! An unknown section is refused by its number where it is required, and passed over where it is not.

use crc32fast::Hasher;
use engine::varint::{push, take};

/// The format of the state that this version writes, and the only one that it reads. Raise it when a frame or a table
/// would be misread; a new section or a new kind of entry is none of that.
pub const FORMAT_VERSION: u32 = 2;

const MAGIC: [u8; 8] = *b"dedupsta";

const CHECKSUM_BYTES: usize = 4;

/// The section that ends a whole frame.
const END: u64 = 0;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// What a store belongs to, and how far it reaches.
    Manifest = 1,
    /// The clock of an earlier offset.
    Clock = 2,
    /// A segment of a filter.
    Filter = 3,
    /// What a snapshot consists of.
    Snapshot = 4,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Manifest => "the manifest",
            Self::Clock => "a note of the clock",
            Self::Filter => "a filter",
            Self::Snapshot => "the list of a snapshot's files",
        }
    }
}

/// Why a frame cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// It is of a format that this version does not read.
    Format(u32),
    /// It has a part, in words, that this version does not know and may not pass over.
    Unknown(String),
    /// It is not what was written.
    Damaged(String),
}

/// A frame under construction.
pub(crate) struct Writer {
    what: What,
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(what: What) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.push(what as u8);
        push(u64::from(FORMAT_VERSION), &mut bytes);
        Self { what, bytes }
    }

    /// Appends a section that a reader must know.
    pub(crate) fn section(&mut self, number: u64, bytes: &[u8]) {
        push_section(self.what, number << 1 | 1, bytes, &mut self.bytes);
    }

    /// The frame as far as it has come; it may grow.
    pub(crate) fn open(self) -> Vec<u8> {
        self.bytes
    }

    /// The whole frame.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.section(END, &[]);
        self.bytes
    }
}

/// What a growing frame grows by.
pub(crate) fn growth(what: What, number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut section = Vec::with_capacity(bytes.len() + 32);
    push_section(what, number << 1 | 1, bytes, &mut section);
    section
}

fn push_section(what: What, tag: u64, bytes: &[u8], out: &mut Vec<u8>) {
    push(tag, out);
    push(bytes.len() as u64, out);
    out.extend_from_slice(&checksum(what, tag, bytes));
    out.extend_from_slice(bytes);
}

fn checksum(what: What, tag: u64, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = Hasher::new();
    hasher.update(&[what as u8]);
    hasher.update(&tag.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize().to_le_bytes()
}

/// One section of a frame.
pub(crate) struct Section<'a> {
    pub(crate) number: u64,
    /// Whether a reader must know it.
    pub(crate) is_required: bool,
    pub(crate) bytes: &'a [u8],
}

/// The sections of a frame, in their order, checked one by one.
pub(crate) struct Reader<'a> {
    what: What,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks what comes before the sections.
    pub(crate) fn new(what: What, bytes: &'a [u8]) -> Result<Self, FrameError> {
        let damaged = |cause: &str| FrameError::Damaged(format!("{} {cause}", what.name()));
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or_else(|| damaged("does not begin as one"))?;
        let found = split(&mut rest, 1).and_then(<[u8]>::first).copied();
        let format = take(&mut rest).ok_or_else(|| damaged("is cut short"))?;
        if format != u64::from(FORMAT_VERSION) {
            return Err(FrameError::Format(u32::try_from(format).unwrap_or(u32::MAX)));
        }
        if found != Some(what as u8) {
            return Err(damaged("is something else"));
        }
        Ok(Self { what, rest })
    }

    /// The next section; `None` at the end of what there is.
    pub(crate) fn next(&mut self) -> Result<Option<Section<'a>>, FrameError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let short = || FrameError::Damaged(format!("{} is cut short", self.what.name()));
        let mut rest = self.rest;
        let tag = take(&mut rest).ok_or_else(short)?;
        let length = take(&mut rest).and_then(|length| usize::try_from(length).ok()).ok_or_else(short)?;
        let sum = split(&mut rest, CHECKSUM_BYTES).ok_or_else(short)?;
        let bytes = split(&mut rest, length).ok_or_else(short)?;
        if checksum(self.what, tag, bytes) != sum {
            return Err(FrameError::Damaged(format!(
                "the checksum of section {} of {} is another",
                tag >> 1,
                self.name()
            )));
        }
        self.rest = rest;
        Ok(Some(Section { number: tag >> 1, is_required: tag & 1 == 1, bytes }))
    }

    /// What to do about a section that this version does not know.
    pub(crate) fn unknown(&self, number: u64, is_required: bool) -> Result<(), FrameError> {
        match is_required {
            true => Err(FrameError::Unknown(format!("section {number} of {}", self.name()))),
            false => Ok(()),
        }
    }

    fn name(&self) -> &'static str {
        self.what.name()
    }
}

/// The sections of a whole frame that have these numbers, in the order of the numbers; `None` for those it lacks.
pub(crate) fn read<const N: usize>(
    what: What,
    bytes: &[u8],
    numbers: [u64; N],
) -> Result<[Option<&[u8]>; N], FrameError> {
    let mut reader = Reader::new(what, bytes)?;
    let mut found = [None; N];
    let mut is_whole = false;
    while let Some(Section { number, is_required, bytes }) = reader.next()? {
        let known = numbers.iter().zip(&mut found).find(|(known, _)| **known == number);
        match known {
            _ if is_whole => return Err(FrameError::Damaged(format!("{} goes on behind its end", what.name()))),
            _ if number == END => is_whole = true,
            Some((_, place)) => *place = Some(bytes),
            None => reader.unknown(number, is_required)?,
        }
    }
    if is_whole { Ok(found) } else { Err(FrameError::Damaged(format!("{} is cut short", what.name()))) }
}

/// Takes so many bytes off the front.
fn split<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(sections: &[(u64, bool, Vec<u8>)]) -> Vec<u8> {
        let mut writer = Writer::new(What::Manifest);
        for (number, is_required, bytes) in sections {
            push_section(What::Manifest, number << 1 | u64::from(*is_required), bytes, &mut writer.bytes);
        }
        writer.end()
    }

    #[test]
    fn unknown_sections_are_refused_by_number_where_required_and_passed_over_where_not() {
        let known = (5, true, vec![1, 2]);
        let bytes = frame(&[known.clone(), (900, false, vec![9; 300])]);
        assert_eq!(read(What::Manifest, &bytes, [5, 6]), Ok([Some(&[1, 2][..]), None]));
        let bytes = frame(&[(900, true, vec![9; 300]), known]);
        let unknown = FrameError::Unknown("section 900 of the manifest".into());
        assert_eq!(read(What::Manifest, &bytes, [5, 6]), Err(unknown));
    }

    #[test]
    fn another_format_is_told_before_anything_else() {
        let mut bytes = frame(&[]);
        bytes[9] = 3;
        bytes.truncate(10);
        assert_eq!(read(What::Manifest, &bytes, [1]), Err(FrameError::Format(3)));
    }

    #[test]
    fn a_frame_of_something_else_is_damage() {
        assert!(matches!(read(What::Clock, &frame(&[]), [1]), Err(FrameError::Damaged(_))));
    }

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn a_frame_comes_back_and_no_damage_passes(
            sections in prop::collection::vec((1..4_u64, any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..5),
            at: prop::sample::Index, bit in 0..8_u32, cut: prop::sample::Index,
        ) {
            let bytes = frame(&sections);
            let found = read(What::Manifest, &bytes, [1, 2, 3]).unwrap();
            for (number, _, bytes) in &sections {
                let last = sections.iter().rev().find(|(other, _, _)| other == number).unwrap();
                prop_assert!(found[*number as usize - 1] == Some(&last.2[..]), "{bytes:?}");
            }
            let mut damaged = bytes.clone();
            damaged[at.index(bytes.len())] ^= 1 << bit;
            prop_assert!(read(What::Manifest, &damaged, [1, 2, 3]).is_err());
            prop_assert!(read(What::Manifest, &bytes[..cut.index(bytes.len())], [1, 2, 3]).is_err());
        }

        #[test]
        fn any_bytes_of_strangers_are_a_frame_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let behind = [&frame(&[])[..10], &bytes].concat();
            let _refused = read(What::Manifest, &bytes, [1, 2]);
            let _refused = read(What::Manifest, &behind, [1, 2]);
        }
    }
}
