//! Blocks of 64 bytes classified by the processor: one bit a byte. The only unsafe code of the crate; not the grammar.
//!
//! The method is that of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", VLDB Journal 28, 2019).
#![expect(unsafe_code, reason = "vector loads and calls behind feature detection; checked equal to the portable code")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::error::DecodeError;
use super::index::{Index, Masks};
use super::strip::{Backslashes, Stripped, strip};

/// What the processor can do. Only [`Level::detect`] makes the vector levels outside tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Eight bytes at a time, on any processor.
    Portable,
    /// 32 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 64 bytes at a time, positions written by compression.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// Every level this processor has, best last.
    pub(super) fn all() -> Vec<Self> {
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("popcnt")
                && is_x86_feature_detected!("pclmulqdq");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vbmi2");
            levels.extend(avx2.then_some(Self::Avx2));
            levels.extend(avx512.then_some(Self::Avx512));
        }
        levels
    }

    /// The best level this processor has.
    pub(super) fn detect() -> Self {
        Self::all().pop().unwrap_or(Self::Portable)
    }

    /// Leaves out backslashes; see [`strip`].
    pub(super) fn strip(self, raw: &[u8], out: &mut [u8]) -> Stripped {
        match self {
            Self::Portable => strip(raw, out, portable_backslashes, compress),
            // SAFETY: this level is made only where the processor has the features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2_strip(raw, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512_strip(raw, out) },
        }
    }

    /// Fills the index; see [`Index::fill`].
    pub(super) fn index(self, json: &[u8], index: &mut Index) -> Result<(), DecodeError> {
        match self {
            Self::Portable => index.fill(json, portable, prefix_xor, flatten),
            // SAFETY: this level is made only where the processor has the features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2(json, index) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512(json, index) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,pclmulqdq")]
fn avx2(json: &[u8], index: &mut Index) -> Result<(), DecodeError> {
    let eq = |a: __m256i, b: __m256i| u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)).cast_unsigned());
    let classify = |block: &[u8; 64]| {
        // SAFETY: both loads are within the 64 bytes, and may be unaligned.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(block.as_ptr().cast()), _mm256_loadu_si256(block.as_ptr().add(32).cast())) };
        let both = |test: &dyn Fn(__m256i) -> u64| test(low) | test(high) << 32;
        let spaces = _mm256_broadcastsi128_si256(table(SPACES));
        let marks = _mm256_broadcastsi128_si256(table(MARKS));
        Masks {
            quote: both(&|half| eq(half, _mm256_set1_epi8(b'"'.cast_signed()))),
            backslash: both(&|half| eq(half, _mm256_set1_epi8(b'\\'.cast_signed()))),
            mark: both(&|half| eq(_mm256_or_si256(half, _mm256_set1_epi8(0x20)), _mm256_shuffle_epi8(marks, half))),
            space: both(&|half| eq(half, _mm256_shuffle_epi8(spaces, half))),
            control: both(&|half| eq(_mm256_max_epu8(half, _mm256_set1_epi8(0x1f)), _mm256_set1_epi8(0x1f))),
            high: both(&|half| u64::from(_mm256_movemask_epi8(half).cast_unsigned())),
        }
    };
    index.fill(json, classify, |quotes| carryless(quotes), flatten)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,pclmulqdq,avx512f,avx512bw,avx512vbmi,avx512vbmi2")]
fn avx512(json: &[u8], index: &mut Index) -> Result<(), DecodeError> {
    let classify = |block: &[u8; 64]| {
        // SAFETY: the load is the 64 bytes, and may be unaligned.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let spaces = _mm512_broadcast_i32x4(table(SPACES));
        let marks = _mm512_broadcast_i32x4(table(MARKS));
        let folded = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
        Masks {
            quote: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'"'.cast_signed())),
            backslash: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'\\'.cast_signed())),
            mark: _mm512_cmpeq_epi8_mask(folded, _mm512_shuffle_epi8(marks, bytes)),
            space: _mm512_cmpeq_epi8_mask(bytes, _mm512_shuffle_epi8(spaces, bytes)),
            control: _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20)),
            high: _mm512_movepi8_mask(bytes),
        }
    };
    let flatten = |block: &[u8; 64], bits: u64, base: u32, positions: &mut [u32; 64], firsts: &mut [u8; 64]| {
        let packed = _mm512_maskz_compress_epi8(bits, numbers());
        let base = _mm512_set1_epi32(base.cast_signed());
        let wide = |sixteen: __m128i| _mm512_add_epi32(_mm512_cvtepu8_epi32(sixteen), base);
        let to = positions.as_mut_ptr();
        let count = bits.count_ones();
        // SAFETY: the load and the first store are the 64 bytes, the other stores the 64 positions; all may be
        // unaligned.
        unsafe {
            let bytes = _mm512_loadu_si512(block.as_ptr().cast());
            _mm512_storeu_si512(firsts.as_mut_ptr().cast(), _mm512_maskz_compress_epi8(bits, bytes));
            _mm512_storeu_si512(to.cast(), wide(_mm512_castsi512_si128(packed)));
            if count > 16 {
                _mm512_storeu_si512(to.add(16).cast(), wide(_mm512_extracti32x4_epi32::<1>(packed)));
            }
            if count > 32 {
                _mm512_storeu_si512(to.add(32).cast(), wide(_mm512_extracti32x4_epi32::<2>(packed)));
                _mm512_storeu_si512(to.add(48).cast(), wide(_mm512_extracti32x4_epi32::<3>(packed)));
            }
        }
    };
    index.fill(json, classify, |quotes| carryless(quotes), flatten)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn avx2_strip(raw: &[u8], out: &mut [u8]) -> Stripped {
    let classify = |block: &[u8; 64]| {
        // SAFETY: both loads are within the 64 bytes, and may be unaligned.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(block.as_ptr().cast()), _mm256_loadu_si256(block.as_ptr().add(32).cast())) };
        let eq = |half: __m256i, byte: u8| {
            u64::from(
                _mm256_movemask_epi8(_mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte.cast_signed()))).cast_unsigned(),
            )
        };
        let both = |byte: u8| eq(low, byte) | eq(high, byte) << 32;
        let backslash = both(b'\\');
        Backslashes { backslash, simple: backslash | both(b'"') | both(b'/') }
    };
    let compress = |block: &[u8; 64], keep: u64, to: &mut [u8; 64]| {
        let mut written = 0;
        for (at, eight) in block.as_chunks::<8>().0.iter().enumerate() {
            let bits = keep >> (8 * at) & 0xff;
            let bytes = _pdep_u64(bits, 0x0101_0101_0101_0101) * 0xff;
            let packed = _pext_u64(u64::from_le_bytes(*eight), bytes).to_le_bytes();
            if let Some(to) = to.get_mut(written..written + 8) {
                to.copy_from_slice(&packed);
            }
            written += bits.count_ones() as usize;
        }
    };
    strip(raw, out, classify, compress)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,avx512f,avx512bw,avx512vbmi,avx512vbmi2")]
fn avx512_strip(raw: &[u8], out: &mut [u8]) -> Stripped {
    // SAFETY: the load is the 64 bytes, and may be unaligned.
    let load = |block: &[u8; 64]| unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
    let classify = |block: &[u8; 64]| {
        let bytes = load(block);
        let eq = |byte: u8| _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()));
        let backslash = eq(b'\\');
        Backslashes { backslash, simple: backslash | eq(b'"') | eq(b'/') }
    };
    let compress = |block: &[u8; 64], keep: u64, to: &mut [u8; 64]| {
        // SAFETY: the store is the 64 bytes, and may be unaligned.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_maskz_compress_epi8(keep, load(block))) };
    };
    strip(raw, out, classify, compress)
}

/// For each low nibble the whitespace that ends in it; `0xff` is in no byte whose high bit is clear with that nibble.
const SPACES: [u8; 16] =
    [b' ', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'\t', b'\n', 0xff, 0xff, b'\r', 0xff, 0xff];

/// For each low nibble the mark that ends in it, with bit 0x20 set; no byte has that bit and equals 0.
const MARKS: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b':', b'{', b',', b'}', 0, 0];

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn table(bytes: [u8; 16]) -> __m128i {
    let word = i128::from_le_bytes(bytes);
    _mm_set_epi64x((word >> 64) as i64, word as i64)
}

/// The bytes 0 to 63.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn numbers() -> __m512i {
    const NUMBERS: &[u8; 64] = b"\
        \x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\
        \x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\
        \x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f\
        \x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f";
    // SAFETY: the load is the 64 bytes of the constant.
    unsafe { _mm512_loadu_si512(NUMBERS.as_ptr().cast()) }
}

/// [`prefix_xor`] as a carry-less product with all ones.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "pclmulqdq")]
fn carryless(bits: u64) -> u64 {
    let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits.cast_signed()), _mm_set1_epi8(-1));
    _mm_cvtsi128_si64(product).cast_unsigned()
}

/// Bit i of the result is the parity of bits 0 to i.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// Writes the positions of the set bits, from `base`, in order, and the bytes there; what stands after them has no
/// meaning.
#[inline(always)]
fn flatten(block: &[u8; 64], mut bits: u64, base: u32, positions: &mut [u32; 64], firsts: &mut [u8; 64]) {
    let count = bits.count_ones() as usize;
    let eights = std::iter::zip(positions.as_chunks_mut::<8>().0, firsts.as_chunks_mut::<8>().0);
    // Writing eight at once, needed or not, costs less than guessing how many there are.
    for (positions, firsts) in eights.take(count.div_ceil(8)) {
        for (position, first) in std::iter::zip(positions, firsts) {
            let at = bits.trailing_zeros();
            *position = base + at;
            *first = block.get(at as usize % 64).copied().unwrap_or_default();
            bits &= bits.wrapping_sub(1);
        }
    }
}

/// Writes the bytes whose bit is set; what stands after them has no meaning.
fn compress(block: &[u8; 64], keep: u64, to: &mut [u8; 64]) {
    if keep == u64::MAX {
        *to = *block;
        return;
    }
    let mut written = 0;
    for (at, byte) in block.iter().enumerate() {
        // Never past the end: no more are written than were read.
        if let Some(to) = to.get_mut(written) {
            *to = *byte;
        }
        written += (keep >> at & 1) as usize;
    }
}

/// The masks of [`strip`] for any processor.
fn portable_backslashes(block: &[u8; 64]) -> Backslashes {
    let bits = |test: &dyn Fn(u8) -> bool| {
        block.iter().enumerate().fold(0_u64, |bits, (at, byte)| bits | u64::from(test(*byte)) << at)
    };
    let backslash = bits(&|byte| byte == b'\\');
    Backslashes { backslash, simple: backslash | bits(&|byte| matches!(byte, b'"' | b'/')) }
}

/// The same six masks for any processor, eight bytes at a time.
fn portable(block: &[u8; 64]) -> Masks {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = ONES * 0x7f;
    const HIGH: u64 = ONES * 0x80;
    // The high bit of each byte that is zero; exact for each byte, as nothing carries over.
    let zero = |word: u64| !(((word & LOW) + LOW) | word) & HIGH;
    // The eight high bits side by side.
    let gather = |high: u64| ((high >> 7).wrapping_mul(0x0102_0408_1020_4080)) >> 56;
    let mut masks = Masks::default();
    for (at, eight) in block.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        let is = |byte: u8| zero(word ^ (ONES * u64::from(byte)));
        let folded = word | (ONES * 0x20);
        let is_folded = |byte: u8| zero(folded ^ (ONES * u64::from(byte)));
        let place = |high: u64| gather(high) << (8 * at);
        masks.quote |= place(is(b'"'));
        masks.backslash |= place(is(b'\\'));
        masks.mark |= place(is_folded(b':') | is_folded(b',') | is_folded(b'{') | is_folded(b'}'));
        masks.space |= place(is(b' ') | is(b'\t') | is(b'\n') | is(b'\r'));
        masks.control |= place(zero(word & (ONES * 0xe0)));
        masks.high |= place(word & HIGH);
    }
    masks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Indexed = (Result<(), DecodeError>, Vec<u32>, Vec<u8>, Vec<u32>);

    fn indexed(level: Level, json: &[u8]) -> Indexed {
        let mut index = Index::default();
        let result = level.index(json, &mut index);
        (result, index.tokens().to_vec(), index.firsts().to_vec(), index.escapes().to_vec())
    }

    /// The portable code against the rule said plainly, a byte at a time.
    #[test]
    fn portable_masks_of_every_byte() {
        for base in (0..=255u8).step_by(64) {
            let block: [u8; 64] = std::array::from_fn(|at| base + at as u8);
            let masks = portable(&block);
            let bits = |test: &dyn Fn(u8) -> bool| {
                block.iter().enumerate().fold(0u64, |bits, (at, byte)| bits | u64::from(test(*byte)) << at)
            };
            assert_eq!(masks.quote, bits(&|byte| byte == b'"'));
            assert_eq!(masks.backslash, bits(&|byte| byte == b'\\'));
            assert_eq!(masks.mark, bits(&|byte| b":,{}".contains(&(byte | 0x20))));
            assert_eq!(masks.space, bits(&|byte| b" \t\n\r".contains(&byte)));
            assert_eq!(masks.control, bits(&|byte| byte < 0x20));
            assert_eq!(masks.high, bits(&|byte| byte >= 0x80));
        }
    }

    #[test]
    fn every_level_indexes_every_byte_alike() {
        let levels = Level::all();
        eprintln!("levels compared: {levels:?}");
        for byte in 0..=255u8 {
            for at in [0, 1, 31, 32, 63, 64, 100] {
                let mut json = vec![b' '; 130];
                json[at] = byte;
                for level in &levels {
                    assert_eq!(indexed(*level, &json), indexed(Level::Portable, &json), "{level:?} {byte} {at}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(cases::cases(256))]

        #[test]
        fn every_level_indexes_alike(json in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'), Just(b' '), Just(b','), Just(b'1'), any::<u8>()], 0..400))
        {
            for level in Level::all() {
                prop_assert_eq!(indexed(level, &json), indexed(Level::Portable, &json));
            }
        }
    }
}
