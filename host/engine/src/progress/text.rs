//! The progress record as text: a name and a version, then base64 of numbered sections and a checksum. Not what is in it.
//!
//! ```text
//! "dedup-host/1:" base64url(section* checksum)      checksum: 4 bytes, SipHash-1-3 of the sections, little-endian
//! section: tag length bytes                         tag: 2 * number + 1 where a reader must know it
//! 1 exceptions (required): next, unknown_below, complete_from, then a run each: 2 * gap + (longer than 1), length - 2
//! 2 dropped (required): number of ranges, start of the first, then each: length, count, digest (8 bytes, little-endian)
//! 4 seed of the lineage (required): 16 bytes
//! 6 layout (required where it has a growth): partitions, then of the growth: before, after, from, to, 1 + zigzag time or 0
//! 3 floor, 5 intent of a sink: reserved
//! ```
//!
//! Numbers are unsigned LEB128. A section that is required and unknown is refused by its number, another is passed over.

use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip::SipHasher13;

use super::ranges::Run;
use super::{Dropped, Progress, Ranges};
use crate::fingerprint::Seed;
use crate::growth::{Growth, Layout};
use crate::record::Offset;

/// Characters of a record at most. Kafka's default for `offset.metadata.max.bytes` is 4096.
pub const TEXT_CHARS_MAX: usize = 3_840;

/// Characters within which any record can be put that says nothing of a layout, its exceptions dropped.
pub const TEXT_CHARS_MIN: usize = 144;

/// Characters that a layout takes at most.
pub const LAYOUT_CHARS_MAX: usize = 80;

const NAME: &str = "dedup-host/";
const VERSION: &str = "1";
const CHECKSUM_BYTES: usize = 4;

/// Sections by number.
const EXCEPTIONS: u64 = 1;
const DROPPED: u64 = 2;
const SEED: u64 = 4;
const LAYOUT: u64 = 6;

/// Why a record cannot be used. Text of somebody else is no error, see [`Progress::read`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgressError {
    /// A later version of the host wrote it.
    #[error(
        "the record has version {0}, and this host reads version {VERSION}: run the version that wrote it, or a later one"
    )]
    Version(String),
    /// A later version of the host wrote what this one must not pass over.
    #[error("the record has section {0}, which this host does not know and may not pass over: run a later version")]
    Section(u64),
    /// It is not what was written.
    #[error("the record is damaged: {0}")]
    Damaged(&'static str),
    /// It cannot be made as short as that.
    #[error("the shortest record has {chars} characters, and {chars_max} are allowed")]
    NoRoom {
        /// What it takes.
        chars: usize,
        /// What there is.
        chars_max: usize,
    },
}

impl Progress {
    /// The record that goes with a commit up to `next`.
    #[must_use]
    pub fn text(&self, next: Offset) -> String {
        let mut frame = Vec::new();
        put_section(&mut frame, EXCEPTIONS, &self.exceptions_section(next));
        if !self.dropped.is_empty() {
            put_section(&mut frame, DROPPED, &self.dropped_section());
        }
        if let Some(Seed(seed)) = &self.seed {
            put_section(&mut frame, SEED, seed);
        }
        if let Some(layout) = &self.layout {
            let is_required = layout.growth.is_some();
            put_section_as(&mut frame, LAYOUT << 1 | u64::from(is_required), &layout_section(layout));
        }
        seal(frame)
    }

    /// The record beside a committed offset. `None`: there is none, or the text is somebody else's. Where the offset is
    /// not the one that it was written with, somebody has moved it: what is above it then is decided anew, and of what
    /// was skipped nothing is known.
    ///
    /// # Errors
    /// The text is a record, and cannot be used.
    pub fn read(text: &str, committed: Offset) -> Result<Option<Self>, ProgressError> {
        let Some((version, body)) = text.strip_prefix(NAME).and_then(|text| text.split_once(':')) else {
            return Ok(None);
        };
        if version != VERSION {
            return Err(ProgressError::Version(version.chars().take(16).collect()));
        }
        let frame = URL_SAFE_NO_PAD.decode(body).map_err(|_| ProgressError::Damaged("it is no base64"))?;
        let (next, mut progress) = parse(&frame)?;
        if committed < next {
            progress.forget_from(committed);
        } else if committed > next {
            progress.skip_to(committed);
        }
        Ok(Some(progress))
    }

    fn exceptions_section(&self, next: Offset) -> Vec<u8> {
        let mut bytes = Vec::new();
        for offset in [next, self.unknown_below, self.complete_from] {
            put(&mut bytes, offset.max(0).cast_unsigned());
        }
        let mut end = 0;
        for Run { first, last } in self.exceptions.iter_runs() {
            let (gap, more) = (first.abs_diff(end), last.abs_diff(first));
            put(&mut bytes, (gap << 1) | u64::from(more > 0));
            if more > 0 {
                put(&mut bytes, more - 1);
            }
            end = last + 1;
        }
        bytes
    }

    fn dropped_section(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, self.dropped.len() as u64);
        put(&mut bytes, self.dropped.first().map_or(0, |first| first.from.max(0).cast_unsigned()));
        for dropped in &self.dropped {
            put(&mut bytes, dropped.to.abs_diff(dropped.from));
            put(&mut bytes, dropped.count);
            bytes.extend_from_slice(&dropped.digest.to_le_bytes());
        }
        bytes
    }
}

/// Sections as text.
pub(super) fn seal(mut frame: Vec<u8>) -> String {
    frame.extend_from_slice(&checksum(&frame));
    format!("{NAME}{VERSION}:{}", URL_SAFE_NO_PAD.encode(frame))
}

fn checksum(frame: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = SipHasher13::new();
    hasher.write(frame);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    [a, b, c, d]
}

fn layout_section(layout: &Layout) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, layout.partitions.max(0).unsigned_abs().into());
    if let Some(Growth { before, after, from, to, time }) = layout.growth {
        for number in [before.into(), after.into(), from, to] {
            put(&mut bytes, number.max(0).cast_unsigned());
        }
        let zigzag = |time: i64| ((time << 1) ^ (time >> 63)).cast_unsigned();
        put(&mut bytes, time.map_or(0, |time| zigzag(time).saturating_add(1)));
    }
    bytes
}

fn put_section(frame: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_section_as(frame, number << 1 | 1, bytes);
}

fn put_section_as(frame: &mut Vec<u8>, tag: u64, bytes: &[u8]) {
    put(frame, tag);
    put(frame, bytes.len() as u64);
    frame.extend_from_slice(bytes);
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The offset that the record was written with, and the record.
fn parse(frame: &[u8]) -> Result<(Offset, Progress), ProgressError> {
    let sections_end = frame.len().checked_sub(CHECKSUM_BYTES).ok_or(ProgressError::Damaged("it is cut short"))?;
    let (sections, sum) = frame.split_at(sections_end);
    if checksum(sections) != sum {
        return Err(ProgressError::Damaged("its checksum is another"));
    }
    let mut reader = Reader(sections);
    let (mut listed, mut dropped, mut seed, mut layout) = (None, Vec::new(), None, None);
    while !reader.0.is_empty() {
        let tag = reader.number()?;
        let length = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
        let section = Reader(reader.take(length)?);
        match (tag >> 1, tag & 1) {
            (EXCEPTIONS, _) => listed = Some(parse_exceptions(section)?),
            (DROPPED, _) => dropped = parse_dropped(section)?,
            (SEED, _) => seed = Some(parse_seed(&section)?),
            (LAYOUT, _) => layout = Some(parse_layout(section)?),
            (number, 1) => return Err(ProgressError::Section(number)),
            (_, _) => {}
        }
    }
    let (next, progress) = listed.ok_or(ProgressError::Damaged("it has no exceptions"))?;
    let progress = Progress { dropped, seed, layout, ..progress };
    check(next, &progress)?;
    Ok((next, progress))
}

fn parse_exceptions(mut section: Reader<'_>) -> Result<(Offset, Progress), ProgressError> {
    let (next, unknown_below, complete_from) = (section.offset()?, section.offset()?, section.offset()?);
    let (mut exceptions, mut end) = (Ranges::default(), 0_i64);
    while !section.0.is_empty() {
        let token = section.number()?;
        let more = if token & 1 == 1 { section.number()?.checked_add(1) } else { Some(0) };
        let run = i64::try_from(token >> 1).ok().and_then(|gap| end.checked_add(gap)).and_then(|first| {
            let last = more.and_then(|more| i64::try_from(more).ok()).and_then(|more| first.checked_add(more))?;
            Some(Run { first, last })
        });
        let run = run.filter(|run| run.last < next).ok_or(ProgressError::Damaged("an exception is out of range"))?;
        if !exceptions.push_run(run) {
            return Err(ProgressError::Damaged("exceptions are out of order"));
        }
        end = run.last + 1;
    }
    Ok((next, Progress { unknown_below, complete_from, exceptions, ..Progress::default() }))
}

fn parse_seed(section: &Reader<'_>) -> Result<Seed, ProgressError> {
    section.0.try_into().map(Seed).map_err(|_| ProgressError::Damaged("its seed is none"))
}

fn parse_layout(mut section: Reader<'_>) -> Result<Layout, ProgressError> {
    let partitions = section.partitions()?;
    if section.0.is_empty() {
        return Ok(Layout { partitions, growth: None });
    }
    let (before, after) = (section.partitions()?, section.partitions()?);
    let (from, to) = (section.offset()?, section.offset()?);
    let unzigzag = |number: u64| (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
    let time = section.number()?.checked_sub(1).map(unzigzag);
    let is_sound = before < after && after <= partitions && from <= to && section.0.is_empty();
    let growth = Some(Growth { before, after, from, to, time }).filter(|_| is_sound);
    growth.map(|growth| Layout { partitions, growth: Some(growth) }).ok_or(ProgressError::Damaged("its layout is none"))
}

fn parse_dropped(mut section: Reader<'_>) -> Result<Vec<Dropped>, ProgressError> {
    let count = section.number()?;
    let mut from = section.offset()?;
    let mut dropped = Vec::new();
    for _ in 0..count {
        let to = from.checked_add(section.offset()?).ok_or(ProgressError::Damaged("a range is out of range"))?;
        let count = section.number()?;
        let digest = section.take(8)?.try_into().map(u64::from_le_bytes);
        let digest = digest.map_err(|_| ProgressError::Damaged("it is cut short"))?;
        dropped.push(Dropped { from, to, count, digest });
        from = to;
    }
    Ok(dropped)
}

/// What holds of every record that was written.
fn check(next: Offset, progress: &Progress) -> Result<(), ProgressError> {
    let ends = progress.dropped.last().is_none_or(|last| last.to == progress.complete_from);
    let begins = progress.dropped.first().is_none_or(|first| first.from >= progress.unknown_below);
    let ordered = progress.unknown_below <= progress.complete_from && progress.complete_from <= next;
    let counts = progress.dropped.iter().all(|dropped| dropped.count <= dropped.to.abs_diff(dropped.from));
    if ends && begins && ordered && counts { Ok(()) } else { Err(ProgressError::Damaged("its parts do not agree")) }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], ProgressError> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(ProgressError::Damaged("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, ProgressError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?.first().copied().unwrap_or(0);
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ProgressError::Damaged("a number is too large"))
    }

    fn partitions(&mut self) -> Result<i32, ProgressError> {
        i32::try_from(self.number()?).map_err(|_| ProgressError::Damaged("a number is too large"))
    }

    fn offset(&mut self) -> Result<Offset, ProgressError> {
        Offset::try_from(self.number()?).map_err(|_| ProgressError::Damaged("an offset is too large"))
    }
}
