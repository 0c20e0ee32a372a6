//! The clock of one partition: the median time of its latest records. A fold over the log with bounded memory; it knows
//! nothing of windows.
//!
//! Records are taken in blocks of 32; the clock is the median of the last 128 blocks' medians. So it is
//! - deaf to bad clocks: 40 % of all records at random, old or new, reach the median of few blocks, and 1,000 records of
//!   one producer in a row are 33 blocks, where 64 would be needed to move it anywhere;
//! - quick after silence: half of [`CLOCK_RECORDS`] records later it stands at the new time;
//! - able to heal, as nothing older than [`CLOCK_RECORDS`] records has a say: it may go back;
//! - slow by nature: it stands about half of [`CLOCK_RECORDS`] records behind. That only delays lateness and expiry.
//!
//! Before it has seen [`CLOCK_RECORDS`] records it says nothing: a partition's first records may all be one producer's.

use crate::record::{Millis, Offset};
use crate::varint;

/// How a partition's clock is read, and what bounds the times that it is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRules {
    /// The watermark stays this far behind the clock, in milliseconds.
    pub out_of_orderness_max: Millis,
    /// A time that the payload says is taken for wrong if it is further ahead of the record's own timestamp than this,
    /// in milliseconds.
    pub jump_max: Millis,
}

/// Records with a time that decide what the clock says. The clock says nothing before it has seen as many.
pub const CLOCK_RECORDS: usize = BLOCK_RECORDS * BLOCKS;

const BLOCK_RECORDS: usize = 32;
const BLOCKS: usize = 128;

/// A place that no record has taken yet. No event has such a time.
const NEVER: Millis = Millis::MAX;

/// The clock of one partition. It depends on the records before an offset alone, so a replay finds the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// The next offset the clock has not seen. Records before it are being read again and move nothing.
    next_offset: Offset,
    /// Records with a time, since the clock began.
    records: u64,
    /// Times of the block under way; of `records` the last ones of no whole block.
    block: [Millis; BLOCK_RECORDS],
    /// Median of block n at n modulo `BLOCKS`.
    medians: [Millis; BLOCKS],
    /// The same in order.
    sorted: [Millis; BLOCKS],
    /// The highest the clock has stood since it last went back.
    peak: Millis,
    went_back: u64,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            next_offset: 0,
            records: 0,
            block: [0; BLOCK_RECORDS],
            medians: [NEVER; BLOCKS],
            sorted: [NEVER; BLOCKS],
            peak: Millis::MIN,
            went_back: 0,
        }
    }
}

impl Clock {
    /// Takes in the record at `offset`. Offsets already seen change nothing, nor do records without a time.
    pub fn observe(&mut self, offset: Offset, time: Option<Millis>, rules: &ClockRules) {
        if self.has_seen(offset) {
            return;
        }
        self.next_offset = offset.saturating_add(1);
        let Some(time) = time else { return };
        let place = self.filled();
        if let Some(slot) = self.block.get_mut(place) {
            *slot = time.min(NEVER - 1);
        }
        self.records = self.records.wrapping_add(1);
        if place + 1 == BLOCK_RECORDS {
            self.end_block(rules);
        }
    }

    /// Records in the block under way.
    fn filled(&self) -> usize {
        (self.records % BLOCK_RECORDS as u64) as usize
    }

    fn blocks(&self) -> u64 {
        self.records / BLOCK_RECORDS as u64
    }

    fn end_block(&mut self, rules: &ClockRules) {
        let mut block = self.block;
        let (_, median, _) = block.select_nth_unstable(BLOCK_RECORDS / 2 - 1);
        let median = *median;
        let place = (self.blocks().wrapping_sub(1) % BLOCKS as u64) as usize;
        if let Some(slot) = self.medians.get_mut(place) {
            let oldest = std::mem::replace(slot, median);
            replace(&mut self.sorted, oldest, median);
        }
        let Some(now) = self.now() else { return };
        self.peak = self.peak.max(now);
        // Bad clocks let the median sway by a block or two; three quarters of all records they are not.
        let most = self.sorted.get(BLOCKS / 4 * 3 - 1).copied().unwrap_or(now);
        if most < self.peak.saturating_sub(rules.out_of_orderness_max) {
            self.peak = now;
            self.went_back = self.went_back.wrapping_add(1);
        }
    }

    /// Whether the record at `offset` was taken in before: it is being replayed.
    #[must_use]
    pub fn has_seen(&self, offset: Offset) -> bool {
        offset < self.next_offset
    }

    /// No event is expected to be older than this; `None` until the clock says anything.
    #[must_use]
    pub fn watermark(&self, rules: &ClockRules) -> Option<Millis> {
        self.now().map(|now| now.saturating_sub(rules.out_of_orderness_max))
    }

    /// What the clock says; `None` before it has seen enough records.
    #[must_use]
    pub fn now(&self) -> Option<Millis> {
        self.sorted.get(BLOCKS / 2 - 1).copied().filter(|_| self.blocks() >= BLOCKS as u64)
    }

    /// Records with a time that it has taken in.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How often three quarters of the latest records were older than the clock had stood, by more than the watermark
    /// stays behind: most records had been wrong, or are now.
    #[must_use]
    pub fn went_back(&self) -> u64 {
        self.went_back
    }

    /// The clock as bytes, to be stored with the state it belongs to: about 500 where times are close to each other, 1,700
    /// at most.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENCODED_BYTES);
        varint::push_signed(self.next_offset, &mut bytes);
        varint::push(self.records, &mut bytes);
        varint::push(self.went_back, &mut bytes);
        varint::push_signed(self.peak, &mut bytes);
        let mut before = 0_i64;
        for time in self.known_medians().chain(self.block.iter().copied().take(self.filled())) {
            varint::push_signed(time.wrapping_sub(before), &mut bytes);
            before = time;
        }
        bytes
    }

    /// Medians of whole blocks, the oldest first.
    fn known_medians(&self) -> impl Iterator<Item = Millis> {
        let oldest = self.blocks().saturating_sub(BLOCKS as u64);
        (oldest..self.blocks()).filter_map(|block| self.medians.get((block % BLOCKS as u64) as usize).copied())
    }

    /// The clock from [`Clock::encode`]; `None` if the bytes are not such.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let mut clock = Self {
            next_offset: varint::take_signed(bytes)?,
            records: varint::take(bytes)?,
            went_back: varint::take(bytes)?,
            peak: varint::take_signed(bytes)?,
            ..Self::default()
        };
        let mut time = 0_i64;
        for block in clock.blocks().saturating_sub(BLOCKS as u64)..clock.blocks() {
            time = time.wrapping_add(varint::take_signed(bytes)?);
            *clock.medians.get_mut((block % BLOCKS as u64) as usize)? = time;
        }
        let filled = clock.filled();
        for slot in clock.block.iter_mut().take(filled) {
            time = time.wrapping_add(varint::take_signed(bytes)?);
            *slot = time;
        }
        clock.sorted = clock.medians;
        clock.sorted.sort_unstable();
        (bytes.is_empty() && clock.is_sound()).then_some(clock)
    }

    /// What holds of every clock that records have made.
    fn is_sound(&self) -> bool {
        let is_counted = i64::try_from(self.records).is_ok_and(|records| records <= self.next_offset);
        let mut times = self.known_medians().chain(self.block.iter().copied());
        let stands = match self.now() {
            Some(now) => self.peak >= now && self.went_back <= self.blocks(),
            None => self.peak == Millis::MIN && self.went_back == 0,
        };
        is_counted && stands && times.all(|time| time < NEVER)
    }
}

/// Room for times that are days apart.
const ENCODED_BYTES: usize = 40 + (BLOCKS + BLOCK_RECORDS) * 5;

/// Puts `new` in the place of one `old` and keeps the order.
fn replace(sorted: &mut [Millis], old: Millis, new: Millis) {
    let from = sorted.partition_point(|time| *time < old);
    let to = sorted.partition_point(|time| *time < new);
    if to > from {
        let Some(span) = sorted.get_mut(from..to) else { return };
        span.rotate_left(1);
        if let Some(last) = span.last_mut() {
            *last = new;
        }
    } else {
        let Some(span) = sorted.get_mut(to..=from) else { return };
        span.rotate_right(1);
        if let Some(first) = span.first_mut() {
            *first = new;
        }
    }
}

#[cfg(test)]
mod tests;
