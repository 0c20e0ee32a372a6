//! Integers of variable length: unsigned LEB128, and zigzag on top of it for signed ones.

/// Appends a number.
pub fn push(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front; `None` where there is none. Each number has one encoding.
#[must_use]
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // A last byte of zero, or bits beyond the 64th, are no number's own encoding.
            let is_its_own = (*byte != 0 || shift == 0) && (shift < 63 || *byte <= 1);
            return is_its_own.then_some(number);
        }
    }
    None
}

/// Appends a signed number.
pub fn push_signed(number: i64, out: &mut Vec<u8>) {
    push((number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned(), out);
}

/// Takes a signed number off the front; `None` where there is none.
#[must_use]
pub fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let zigzag = take(bytes)?;
    Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn any_number_comes_back(number: u64, signed: i64, shift in 0..64_u32) {
            let mut bytes = Vec::new();
            push(number >> shift, &mut bytes);
            push_signed(signed >> shift, &mut bytes);
            let mut rest = bytes.as_slice();
            prop_assert_eq!((take(&mut rest), take_signed(&mut rest)), (Some(number >> shift), Some(signed >> shift)));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_the_one_encoding_of_a_number_or_none(bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(0x80), Just(0xff), Just(0)], 0..12))
        {
            let mut rest = bytes.as_slice();
            if let Some(number) = take(&mut rest) {
                let mut again = Vec::new();
                push(number, &mut again);
                prop_assert_eq!(&again, &bytes[..bytes.len() - rest.len()]);
            }
        }
    }
}
