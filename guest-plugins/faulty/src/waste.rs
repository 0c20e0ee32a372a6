//! Work and memory for nothing.

use std::hint::black_box;

/// About so many instructions, eight a turn.
pub fn instructions(count: u64) {
    let mut state = 1_u64;
    for turn in 0..count / 8 {
        state = black_box(state.wrapping_mul(31).wrapping_add(turn));
    }
    black_box(state);
}

/// So many bytes that nobody gives back.
pub fn memory(bytes: usize) {
    black_box(Vec::<u8>::with_capacity(bytes)).leak();
}
