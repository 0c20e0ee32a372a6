//! Values too long to be kept: their beginning, their length and a digest, so that equal values stay equal and different
//! ones different. It knows bytes only.

use siphasher::sip128::{Hasher128, SipHasher13};

/// The digest is SipHash-1-3 with 128 bits of output under this key, as 32 hexadecimal digits. The key is no secret:
/// the digest is to tell values apart that nobody forges, and stores must agree on it.
const DIGEST_KEY: [u8; 16] = *b"dedup-host/cut/1";

/// How long a value may be, and how much of one that is longer stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) value_bytes_max: usize,
    /// At most so many bytes, on the boundary of a character.
    pub(super) head_bytes: usize,
}

/// Cuts what stands in `out` from `start`, if it is too long; says whether it was.
#[inline]
pub(super) fn cut(out: &mut Vec<u8>, start: usize, bound: Bound) -> bool {
    let long = out.len() - start > bound.value_bytes_max;
    if long {
        cut_long(out, start, bound.head_bytes);
    }
    long
}

#[cold]
fn cut_long(out: &mut Vec<u8>, start: usize, head_bytes: usize) {
    let value = out.get(start..).unwrap_or_default();
    let mark = format!("… (cut: {} bytes, digest {:032x})", value.len(), digest(value));
    // A character has at most four bytes; what has more continuations is no UTF-8, and has no characters.
    let continues = |at: &usize| value.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let head = (head_bytes.saturating_sub(3)..=head_bytes).rev().find(|at| !continues(at)).unwrap_or(head_bytes);
    out.truncate(start + head);
    out.extend_from_slice(mark.as_bytes());
}

fn digest(value: &[u8]) -> u128 {
    SipHasher13::new_with_key(&DIGEST_KEY).hash(value).as_u128()
}

/// A digest of a list of pointers, in their order; never 0.
pub(super) fn digest_of_list(pointers: &[String]) -> u32 {
    let mut hasher = SipHasher13::new_with_key(&DIGEST_KEY);
    for pointer in pointers {
        std::hash::Hasher::write(&mut hasher, &(pointer.len() as u64).to_le_bytes());
        std::hash::Hasher::write(&mut hasher, pointer.as_bytes());
    }
    (hasher.finish128().as_u128() as u32).max(1)
}

/// A value as it stands in a row.
#[cfg(test)]
pub(super) fn cut_text(value: &mut String) {
    let mut bytes = std::mem::take(value).into_bytes();
    cut(&mut bytes, 0, super::LEVELS[0].values);
    *value = String::from_utf8(bytes).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str, value_bytes_max: usize, head_bytes: usize) -> String {
        let mut out = b"before".to_vec();
        out.extend_from_slice(value.as_bytes());
        cut(&mut out, 6, Bound { value_bytes_max, head_bytes });
        String::from_utf8(out).unwrap().split_off(6)
    }

    #[test]
    fn only_what_is_too_long_is_cut() {
        assert_eq!(text("abcdef", 6, 2), "abcdef");
        let cut = text("abcdefg", 6, 2);
        assert!(cut.starts_with("ab… (cut: 7 bytes, digest "), "{cut}");
        assert_eq!(cut.len(), 2 + "… (cut: 7 bytes, digest )".len() + 32);
    }

    #[test]
    fn characters_stay_whole() {
        for head in 0..9 {
            assert!("é€😀".starts_with(text("é€😀é", 3, head).split('…').next().unwrap()));
        }
    }

    #[test]
    fn equal_values_stay_equal_and_different_ones_different() {
        let long = "x".repeat(100);
        assert_eq!(text(&long, 50, 10), text(&long, 50, 10));
        assert_ne!(text(&(long.clone() + "a"), 50, 10), text(&(long + "b"), 50, 10));
    }

    #[test]
    fn bytes_that_are_no_text() {
        let mut out = vec![0x80; 100];
        assert!(cut(&mut out, 0, Bound { value_bytes_max: 10, head_bytes: 4 }));
        assert!(out.starts_with(&[0x80; 4]) && !out.starts_with(&[0x80; 5]));
    }

    #[test]
    fn digests_of_lists_tell_where_pointers_end() {
        let digest = |list: &[&str]| digest_of_list(&list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_ne!(digest(&["/a", "/b"]), digest(&["/a/b"]));
        assert_ne!(digest(&["/a", "/b"]), digest(&["/b", "/a"]));
        assert_ne!(digest(&[]), digest(&[""]));
    }
}
