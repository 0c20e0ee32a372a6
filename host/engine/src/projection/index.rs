//! Where the tokens of a text stand: every mark outside strings, and the first byte of every string, number and word.
//! Also what can be said of bytes alone: UTF-8, closed strings, control characters. Not the grammar.

use super::EVENT_BYTES_MAX;
use super::error::{DecodeError, Expected, position, syntax};

/// One bit for each of 64 bytes, the first byte in the lowest bit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) quote: u64,
    pub(super) backslash: u64,
    /// `{ } [ ] : ,` and, by the way they are found, the control bytes 0x0c and 0x1a: the grammar refuses those.
    pub(super) mark: u64,
    pub(super) space: u64,
    pub(super) control: u64,
    pub(super) high: u64,
}

/// Positions of tokens and of escapes. Kept from event to event for its memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    tokens: Vec<u32>,
    firsts: Vec<u8>,
    tokens_len: usize,
    escapes: Vec<u32>,
}

/// What one block leaves to the next.
#[derive(Default)]
pub(super) struct Carry {
    /// All ones inside a string.
    in_string: u64,
    /// Bit 0: the next byte is escaped.
    escaped: u64,
    /// Bit 0: the last byte was part of a number or word.
    scalar: u64,
}

impl Index {
    /// Where each token begins, ascending.
    pub(super) fn tokens(&self) -> &[u32] {
        self.tokens.get(..self.tokens_len).unwrap_or_default()
    }

    /// The first byte of each token itself, so that the grammar seldom looks at the text.
    pub(super) fn firsts(&self) -> &[u8] {
        self.firsts.get(..self.tokens_len).unwrap_or_default()
    }

    /// Each backslash that begins an escape, ascending.
    pub(super) fn escapes(&self) -> &[u32] {
        &self.escapes
    }

    /// Reads the whole text in blocks. `classify` names the bytes, `prefix_xor` turns quotes into insides of strings,
    /// `flatten` turns bits into positions and bytes: they differ by processor, and are inlined here.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        json: &[u8],
        classify: impl Fn(&[u8; 64]) -> Masks,
        prefix_xor: impl Fn(u64) -> u64,
        flatten: impl Fn(&[u8; 64], u64, u32, &mut [u32; 64], &mut [u8; 64]),
    ) -> Result<(), DecodeError> {
        if json.len() > EVENT_BYTES_MAX {
            return Err(DecodeError::TooLong);
        }
        // Room for a token a byte and for the last block being written whole.
        if self.tokens.len() < json.len() + 128 {
            self.tokens.resize(json.len() + 128, 0);
            self.firsts.resize(json.len() + 128, 0);
        }
        self.escapes.clear();
        self.tokens_len = 0;
        let (blocks, tail) = json.as_chunks::<64>();
        let mut last = [b' '; 64];
        if let Some(start) = last.get_mut(..tail.len()) {
            start.copy_from_slice(tail);
        }
        let mut carry = Carry::default();
        let mut base = 0;
        let mut high = (0, 0);
        let (mut room, mut room_firsts) = (self.tokens.as_mut_slice(), self.firsts.as_mut_slice());
        for block in blocks.iter().chain([&last]) {
            let masks = classify(block);
            let escape = carry.escapes(masks.backslash);
            let quote = masks.quote & !escape.escaped;
            let in_string = prefix_xor(quote) ^ carry.in_string;
            carry.in_string = (in_string.cast_signed() >> 63).cast_unsigned();
            let scalar = !(masks.mark | masks.space);
            let plain = scalar & !quote;
            let follows = plain << 1 | carry.scalar;
            carry.scalar = plain >> 63;
            let starts = (masks.mark | scalar & !follows) & !(in_string ^ quote);
            let Some(positions) = room.first_chunk_mut::<64>() else { break };
            let Some(firsts) = room_firsts.first_chunk_mut::<64>() else { break };
            flatten(block, starts, base, positions, firsts);
            let count = starts.count_ones() as usize;
            self.tokens_len += count;
            room = room.get_mut(count..).unwrap_or_default();
            room_firsts = room_firsts.get_mut(count..).unwrap_or_default();
            let control = masks.control & in_string;
            if (control | escape.starts | masks.high) != 0 {
                seldom(base, control, escape.starts, masks.high, &mut self.escapes, &mut high)?;
            }
            base = base.wrapping_add(64);
        }
        check_utf8(json, high.0 as usize, high.1 as usize)?;
        if carry.in_string != 0 {
            return Err(syntax(json.len(), Expected::Quote));
        }
        Ok(())
    }
}

pub(super) struct Escapes {
    /// Backslashes that begin an escape.
    pub(super) starts: u64,
    /// Bytes right after those.
    pub(super) escaped: u64,
}

impl Carry {
    /// Tells backslashes that escape from those that are escaped, by the carries of one subtraction.
    #[inline(always)]
    pub(super) fn escapes(&mut self, backslash: u64) -> Escapes {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        if backslash == 0 {
            return Escapes { starts: 0, escaped: std::mem::take(&mut self.escaped) };
        }
        let candidates = backslash & !self.escaped;
        let series = ((candidates << 1) | ODD).wrapping_sub(candidates) ^ ODD;
        let escaped = series ^ (backslash | self.escaped);
        let starts = series & backslash;
        self.escaped = starts >> 63;
        Escapes { starts, escaped }
    }
}

/// What few blocks have: a control character in a string, escapes, bytes over 0x7f. Apart, to keep the loop small.
#[inline(never)]
fn seldom(
    base: u32,
    control: u64,
    mut escapes: u64,
    over: u64,
    positions: &mut Vec<u32>,
    high: &mut (u32, u32),
) -> Result<(), DecodeError> {
    if control != 0 {
        return Err(syntax(base as usize + control.trailing_zeros() as usize, Expected::NoControl));
    }
    while escapes != 0 {
        positions.push(base + escapes.trailing_zeros());
        escapes &= escapes - 1;
    }
    if over != 0 {
        *high = (if high.1 == 0 { base } else { high.0 }, base + 64);
    }
    Ok(())
}

/// Checks the blocks that have bytes over 0x7f, and those between. A character cut off by a block's end is followed by
/// ASCII or nothing, so it is broken anyway.
fn check_utf8(json: &[u8], start: usize, end: usize) -> Result<(), DecodeError> {
    if start == end {
        return Ok(());
    }
    let Some(range) = json.get(start..end.min(json.len())) else { return Ok(()) };
    match std::str::from_utf8(range) {
        Ok(_) => Ok(()),
        Err(error) => Err(DecodeError::NotUtf8 { at: position(start + error.valid_up_to()) }),
    }
}
