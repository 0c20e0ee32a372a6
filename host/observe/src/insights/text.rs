//! Bytes of events as bounded text for people and for labels. Nothing is compared or decided by it.

use engine::findings::{PATH_BYTES_MAX, path_key};
use plain_text::is_unseen;

/// Bytes of a label that names a property: one less than a path may have, so that a cut path is known to be cut.
const LABEL_BYTES_MAX: usize = PATH_BYTES_MAX - 1;
/// The label of properties that have none of their own.
pub(crate) const OTHER: &str = "other";
/// The label of the empty pointer. To Prometheus, an empty label is no label.
const WHOLE: &str = "(the whole event)";
/// Says that something was cut.
const ELLIPSIS: char = '…';

/// The label of a property: UTF-8 without invisible or control characters, at most [`LABEL_BYTES_MAX`] bytes, never empty.
/// Different paths may have the same label.
pub(super) fn label(path: &[u8]) -> String {
    if path.is_empty() {
        return WHOLE.to_owned();
    }
    let visible = |is: char| if is_unseen(is) { char::REPLACEMENT_CHARACTER } else { is };
    let mut label: String = String::from_utf8_lossy(path_key(path)).chars().map(visible).collect();
    if label.len() > LABEL_BYTES_MAX {
        label.truncate(label.floor_char_boundary(LABEL_BYTES_MAX - ELLIPSIS.len_utf8()));
        label.push(ELLIPSIS);
    }
    label
}

/// At most `max` characters of a text; if it has more, the last of them is an ellipsis.
pub(super) fn shown(bytes: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(max) {
        None => text.into_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain([ELLIPSIS]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use engine::findings::head;

    use super::*;

    #[test]
    fn labels_are_short_whole_characters_without_controls() {
        assert_eq!(label(b"/a/b"), "/a/b");
        assert_eq!(label(b""), "(the whole event)");
        assert_eq!(label(b"/a\nb\x07"), "/a\u{fffd}b\u{fffd}");
        assert_eq!(label(b"/\xff"), "/\u{fffd}");
        assert_eq!(label("/a\r\u{85}\u{2028}\u{2029}".as_bytes()), "/a\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(label("/\u{9b}\u{202e}\u{2066}\u{200b}a".as_bytes()), "/\u{fffd}\u{fffd}\u{fffd}\u{fffd}a");
        let full = format!("/{}", "a".repeat(127));
        assert_eq!(label(full.as_bytes()), full);
        for long in ["/é".repeat(60), "/€".repeat(60), "/\u{1}".repeat(120), "x".repeat(5000)] {
            let label = label(long.as_bytes());
            assert!(
                label.len() <= LABEL_BYTES_MAX && label.len() > LABEL_BYTES_MAX - 8 && label.ends_with('…'),
                "{label}"
            );
        }
    }

    #[test]
    fn text_is_cut_between_characters_and_says_so() {
        assert_eq!(shown("äöü".as_bytes(), 3), "äöü");
        assert_eq!(shown("äöüß".as_bytes(), 3), "äö…");
        assert_eq!(
            ["äöü", "aöü", "äö", "𝄞𝄞", ""].map(|text| shown(head(text.as_bytes(), 3), 3)),
            ["ä", "aö", "ä", "", ""]
        );
        assert_eq!(head(&[0x80; 9], 5), [0x80; 5]);
    }
}
