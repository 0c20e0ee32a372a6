//! Bytes as people can read them: escaped, and cut with their length. Not for anything that is read back.

use plain_text::bytes as escaped;

/// Bytes of an input that are shown.
const SHOWN_BYTES_MAX: usize = 320;

/// Bytes in quotes: printable text as it is, all else escaped, and what is too long cut in the middle, its length said.
pub(crate) fn shown(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN_BYTES_MAX {
        return format!("\"{}\"", escaped(bytes));
    }
    let (head, tail) = (floor(bytes, SHOWN_BYTES_MAX * 3 / 4), ceiling(bytes, bytes.len() - SHOWN_BYTES_MAX / 4));
    let (head, tail) = (bytes.get(..head).unwrap_or_default(), bytes.get(tail..).unwrap_or_default());
    format!("\"{}\" … \"{}\" ({} bytes)", escaped(head), escaped(tail), bytes.len())
}

/// Text as it is, cut at its end where it is long.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let head = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
    format!("{head}… ({} bytes)", text.len())
}

/// The last start of a character at or before `at`.
fn floor(bytes: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at).rev().find(|at| !continues(bytes, *at)).unwrap_or(at)
}

/// The first start of a character at or after `at`.
fn ceiling(bytes: &[u8], at: usize) -> usize {
    (at..at + 4).find(|at| !continues(bytes, *at)).unwrap_or(at)
}

fn continues(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(shown(b"{\"a\":\"x\"}"), r#""{"a":"x"}""#);
        assert_eq!(shown(b"\x00\n\xff\xc3\xa9\xef\xbb\xbf"), r#""\u{0}\n\xffé\u{feff}""#);
    }

    #[test]
    fn what_is_long_is_cut_between_characters_and_its_length_said() {
        for length in 100..400 {
            let text = "é".repeat(length);
            let shown = shown(text.as_bytes());
            assert!(!shown.contains("\\x"), "{shown}");
            assert_eq!(shown.contains(&format!("({} bytes)", 2 * length)), 2 * length > SHOWN_BYTES_MAX);
        }
        assert_eq!(cut("abcdef", 3), "abc… (6 bytes)");
    }
}
