//! The beginnings of texts: as many bytes as tell one from another, or as are kept. Not text for people.

/// Bytes of a path that tell properties apart: one more than is shown of it, so that a longer path is known to be longer.
pub const PATH_BYTES_MAX: usize = 129;

/// The part of a path that tells it from others.
#[must_use]
pub fn path_key(path: &[u8]) -> &[u8] {
    path.get(..PATH_BYTES_MAX).unwrap_or(path)
}

/// The first `max` bytes, or up to three fewer so as not to cut a character.
#[must_use]
pub fn head(bytes: &[u8], max: usize) -> &[u8] {
    let continues = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let end = (max.saturating_sub(3)..=max).rev().find(|at| !continues(at)).unwrap_or(max);
    bytes.get(..end).unwrap_or(bytes)
}
