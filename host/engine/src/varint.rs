//! Integers of variable length: unsigned LEB128, and zigzag on top of it for signed ones.

/// Appends a number.
pub(crate) fn push(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front; `None` where there is none.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Appends a signed number.
pub(crate) fn push_signed(number: i64, out: &mut Vec<u8>) {
    push((number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned(), out);
}

/// Takes a signed number off the front; `None` where there is none.
pub(crate) fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let zigzag = take(bytes)?;
    Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
}
