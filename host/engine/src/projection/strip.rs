//! Leaves the backslashes out of a string's text 64 bytes at a time, where they escape a byte that stands for itself. Not the
//! other escapes: see `unescape`; and not which instructions find them: see `simd`.

use super::index::Carry;

/// Which of 64 bytes are backslashes, and which may stand after one that is simply left out: `"`, `\` and `/`.
pub(super) struct Backslashes {
    pub(super) backslash: u64,
    pub(super) simple: u64,
}

/// How far [`strip`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stripped {
    /// Bytes read: all, or those before a backslash that is not simply left out.
    pub(super) read: usize,
    /// Bytes written.
    pub(super) written: usize,
}

/// Copies to `out`, which is 64 bytes longer than `raw`, leaving out each backslash that escapes a byte that stands for
/// itself. `classify` names the bytes, `compress` writes those whose bit is set: they differ by processor, and are inlined
/// here.
#[inline(always)]
pub(super) fn strip(
    raw: &[u8],
    out: &mut [u8],
    classify: impl Fn(&[u8; 64]) -> Backslashes,
    compress: impl Fn(&[u8; 64], u64, &mut [u8; 64]),
) -> Stripped {
    let (blocks, tail) = raw.as_chunks::<64>();
    let mut last = [b' '; 64];
    if let Some(start) = last.get_mut(..tail.len()) {
        start.copy_from_slice(tail);
    }
    let mut carry = Carry::default();
    let (mut read, mut written) = (0, 0);
    for block in blocks.iter().chain([&last]) {
        let length = (raw.len() - read).min(64);
        let inside = if length == 64 { u64::MAX } else { (1 << length) - 1 };
        let Backslashes { backslash, simple } = classify(block);
        let escapes = carry.escapes(backslash);
        let other = escapes.escaped & !simple & inside;
        let before = if other == 0 { inside } else { (1 << other.trailing_zeros()) - 1 };
        let keep = before & !escapes.starts;
        let Some(to) = out.get_mut(written..).and_then(|rest| rest.first_chunk_mut::<64>()) else { break };
        compress(block, keep, to);
        written += keep.count_ones() as usize;
        if other != 0 {
            // Its backslash is the byte before, which may be the last of the block before.
            return Stripped { read: read + other.trailing_zeros() as usize - 1, written };
        }
        read += length;
    }
    Stripped { read, written }
}
