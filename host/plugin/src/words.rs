//! Words of somebody else, as they cross into the host: bounded, on one line, and without anything that steers a
//! terminal or turns text around. Not an escaping of what the host shows: who shows it sees to that.

use std::borrow::Cow;

/// A refusal of a configuration, what a call ran into, what a compiler says.
pub(crate) const WORDS_BYTES_MAX: usize = 4 << 10;

/// A name of an import or an export.
pub(crate) const NAME_BYTES_MAX: usize = 256;

/// The first `bytes_max` bytes of a text, or a little less where that would split a character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

/// At most `bytes_max` bytes of a text, fit for a line of a log.
pub(crate) fn clean(text: &str, bytes_max: usize) -> String {
    match one_line(cut(text, bytes_max)) {
        Cow::Borrowed(text) => text.to_owned(),
        // What takes the place of a character may be longer.
        Cow::Owned(text) => cut(&text, bytes_max).to_owned(),
    }
}

/// Line breaks and tabs as spaces; other control characters, and those that turn text around, as U+FFFD.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || text.chars().all(|char| place(char) == char) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(place).collect())
}

fn place(char: char) -> char {
    match char {
        '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        char if char.is_control() => char::REPLACEMENT_CHARACTER,
        // Marks of direction, a byte order mark, tags: they are not seen, and change what is.
        '\u{61c}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => char::REPLACEMENT_CHARACTER,
        char => char,
    }
}

/// Some names in words: each bounded, and no more than a line holds.
pub(crate) fn list(names: &[String]) -> String {
    const NAMES_MAX: usize = 20;
    let some: Vec<String> = names.iter().take(NAMES_MAX).map(|name| clean(name, NAME_BYTES_MAX)).collect();
    match names.len().saturating_sub(NAMES_MAX) {
        0 if names.is_empty() => "nothing".to_owned(),
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_words_stay_as_they_are() {
        for text in ["", "plain words: 1 + 1", "Grüße, 世界, שלום, 👩‍👧", "a\\b\"c"] {
            assert_eq!(clean(text, 100), text);
        }
    }

    #[test]
    fn nothing_steers_a_terminal_or_begins_a_line() {
        assert_eq!(clean("a\nb\r\nc\td\u{2028}e", 100), "a b  c d e");
        let hostile = "\x1b]0;x\x07\x1b[2J\u{9b}31m\0\u{7f}\u{202e}\u{2066}\u{feff}\u{e0041}\u{200f}";
        let cleaned = clean(hostile, 1000);
        assert!(
            cleaned.chars().all(|char| char == char::REPLACEMENT_CHARACTER || (' '..='~').contains(&char)),
            "{cleaned}"
        );
        assert_eq!(cleaned.chars().count(), hostile.chars().count());
    }

    #[test]
    fn words_are_bounded_also_where_cleaning_makes_them_longer() {
        for (text, max) in [("x".repeat(1 << 20), 1000), ("é".repeat(1000), 101), ("\0".repeat(1000), 100)] {
            let cleaned = clean(&text, max);
            assert!(cleaned.len() <= max && cleaned.len() > max - 4, "{} of {max}", cleaned.len());
        }
    }

    proptest::proptest! {
        #![proptest_config(cases::cases(500))]

        #[test]
        fn any_words_of_strangers_are_bounded_on_one_line_and_clean_already(
            text in "(\\PC|[\u{0}-\u{1f}\u{7f}-\u{9f}\u{202a}-\u{202e}\u{2028}é世👩]){0,60}", bytes_max in 0..200_usize,
        ) {
            let cleaned = clean(&text, bytes_max);
            proptest::prop_assert!(cleaned.len() <= bytes_max && cleaned.chars().all(|char| place(char) == char));
            proptest::prop_assert_eq!(clean(&cleaned, bytes_max), cleaned.clone());
            proptest::prop_assert!(text.len() > bytes_max || cleaned.chars().count() <= text.chars().count());
        }
    }

    #[test]
    fn names_are_listed_as_far_as_a_line_goes() {
        assert_eq!(list(&[]), "nothing");
        assert_eq!(list(&["a".to_owned(), "b\n".to_owned()]), "a, b ");
        let many: Vec<String> = (0..5000).map(|number| format!("{number}{}", "x".repeat(1000))).collect();
        let listed = list(&many);
        assert!(
            listed.ends_with(" and 4980 more") && listed.len() < 20 * (NAME_BYTES_MAX + 2) + 20,
            "{}",
            listed.len()
        );
    }
}
