//! Escaping: characters that a terminal obeys, or that nobody sees, are spelled as Rust spells them.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// Characters beside control characters that are not drawn, or that change how others are: those of Unicode's property
/// `Default_Ignorable_Code_Point`, separators of lines and paragraphs, annotations. Among them are the bidirectional
/// controls, what has no width, and tags.
const UNSEEN: [(char, char); 16] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
];

/// Tags and further variation selectors, a plane of their own.
const UNSEEN_PLANE: std::ops::RangeInclusive<char> = '\u{e0000}'..='\u{e0fff}';

/// Whether a character must not reach a person as it is.
#[must_use]
pub fn is_unseen(char: char) -> bool {
    // Nearly all text is within these, and asked about first.
    if (' '..='~').contains(&char) {
        return false;
    }
    let listed = || UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&char));
    char.is_control() || listed() || UNSEEN_PLANE.contains(&char)
}

/// A text on one line.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen, spell)
}

/// A text whose line breaks are the host's own; all else as [`line`].
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |char| char != '\n' && is_unseen(char), spell)
}

/// A text whose line breaks and colours are the host's own; all else as [`line`].
#[must_use]
pub fn styled(text: &str) -> Cow<'_, str> {
    between_colours(text, lines)
}

/// A text on one line whose colours are the host's own; all else as [`line`].
#[must_use]
pub fn styled_line(text: &str) -> Cow<'_, str> {
    between_colours(text, line)
}

/// JSON, which says the same in characters that can be seen. Escapes stand for those of strings; between the members there
/// can be no others than white space, of which line breaks stay.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |char| char != '\n' && is_unseen(char),
        |char, out| {
            // No string of JSON has them as they are.
            if matches!(char, '\t' | '\r') {
                return out.write_char(' ');
            }
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            Ok(())
        },
    )
}

/// Bytes on one line: as [`line`] where they are UTF-8, the others in hexadecimal.
#[must_use]
pub fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&line(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a String does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Bytes in hexadecimal, two digits each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What is displayed, on one line.
#[derive(Debug, Clone, Copy)]
pub struct Line<T>(
    /// What others may have a part in.
    pub T,
);

impl<T: Display> Display for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes what is written, as it comes.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&line(text))
    }
}

fn escaped(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    spell: impl Fn(char, &mut String) -> fmt::Result,
) -> Cow<'_, str> {
    let Some(first) = text.find(&is_escaped) else { return Cow::Borrowed(text) };
    let (plain, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(plain);
    for char in rest.chars() {
        if is_escaped(char) {
            // Writing to a String does not fail.
            let _ = spell(char, &mut out);
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out)
}

fn spell(char: char, out: &mut String) -> fmt::Result {
    match char {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        other => write!(out, "\\u{{{:x}}}", u32::from(other)),
    }
}

/// Escapes what stands between the sequences that set a colour.
fn between_colours(text: &str, escape: fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, colour, after)) = next_colour(rest) {
        out.push_str(&escape(before));
        out.push_str(colour);
        rest = after;
    }
    if out.is_empty() {
        return escape(text);
    }
    out.push_str(&escape(rest));
    Cow::Owned(out)
}

/// The text before the next `ESC [ numbers m`, this sequence, and the text behind it.
fn next_colour(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices("\u{1b}[").find_map(|(start, _)| {
        let (before, sequence) = text.split_at(start);
        let numbers = sequence.get(2..)?;
        let end = numbers.find(|char: char| !char.is_ascii_digit() && char != ';')?;
        let is_colour = numbers.get(end..)?.starts_with('m');
        is_colour.then(|| sequence.split_at(2 + end + 1)).map(|(colour, after)| (before, colour, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the text of others tries on a person.
    const ATTACKS: [(&str, &str); 14] = [
        ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\tb\u{8}\u{0}\u{7f}", "a\\tb\\u{8}\\u{0}\\u{7f}"),
        ("\u{9b}31m\u{85}\u{90}", "\\u{9b}31m\\u{85}\\u{90}"),
        ("\u{202a}\u{202e}\u{2066}\u{2069}", "\\u{202a}\\u{202e}\\u{2066}\\u{2069}"),
        ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
        ("a\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}b", "a\\u{200b}\\u{200c}\\u{200d}\\u{2060}\\u{feff}b"),
        ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
        ("\u{ad}\u{34f}\u{115f}\u{17b4}", "\\u{ad}\\u{34f}\\u{115f}\\u{17b4}"),
        ("\u{180e}\u{3164}\u{ffa0}\u{fe0f}", "\\u{180e}\\u{3164}\\u{ffa0}\\u{fe0f}"),
        ("\u{fff9}\u{fffb}", "\\u{fff9}\\u{fffb}"),
        ("\u{1d173}\u{1bca0}", "\\u{1d173}\\u{1bca0}"),
        ("\u{e0041}\u{e0100}", "\\u{e0041}\\u{e0100}"),
        ("b\\n é … µ 日本 🦀", "b\\n é … µ 日本 🦀"),
    ];

    #[test]
    fn what_a_terminal_obeys_or_nobody_sees_is_spelled() {
        for (text, wanted) in ATTACKS {
            assert_eq!(line(text), wanted);
            assert_eq!(Line(text).to_string(), wanted);
            assert_eq!(bytes(text.as_bytes()), wanted);
        }
        assert_eq!(bytes(b"a\xff\xc3\xa9\xf0\x9f\n"), "a\\xffé\\xf0\\x9f\\n");
    }

    #[test]
    fn bytes_are_two_digits_each() {
        assert_eq!(hex(b"\x00\x0f\xa5\xff"), "000fa5ff");
        assert_eq!(hex(b""), "");
    }

    #[test]
    fn nothing_unseen_is_left_whatever_the_text() {
        let all: String = ('\0'..=char::MAX).collect();
        let seen = |text: &str, kept: &[char]| text.chars().all(|char| kept.contains(&char) || !is_unseen(char));
        assert!(seen(&line(&all), &[]));
        assert!(seen(&lines(&all), &['\n']));
        assert!(seen(&json(&all), &['\n']));
        assert!(seen(&styled_line(&all), &[]));
        assert!(seen(&styled(&all), &['\n']));
    }

    #[test]
    fn line_breaks_and_colours_of_the_host_stay_where_they_may() {
        assert_eq!(lines("a\nb\r\u{1b}[1m"), "a\nb\\r\\u{1b}[1m");
        assert_eq!(
            styled("\u{1b}[31;1mbad\u{1b}[0m\n\u{1b}[2K\u{1b}[m"),
            "\u{1b}[31;1mbad\u{1b}[0m\n\\u{1b}[2K\u{1b}[m"
        );
        assert_eq!(styled_line("\u{1b}[2ma\u{1b}[0m\n"), "\u{1b}[2ma\u{1b}[0m\\n");
        // Neither a sequence that does not end nor one of another kind is a colour.
        assert_eq!(styled("\u{1b}[31"), "\\u{1b}[31");
        assert_eq!(styled("\u{1b}[1;\u{1b}[0mx"), "\\u{1b}[1;\u{1b}[0mx");
        assert_eq!(styled("\u{1b}[?25lx"), "\\u{1b}[?25lx");
    }

    #[test]
    fn json_says_the_same_as_before() {
        let text = "{\n \"a\": \"\u{202e}\u{9b}\u{7f}\u{e0041} é\"\n}";
        let shown = json(text);
        assert_eq!(shown, "{\n \"a\": \"\\u202e\\u009b\\u007f\\udb40\\udc41 é\"\n}");
        assert_eq!(json("{\t\"a\":\r\n1}"), "{ \"a\": \n1}", "white space stays white space");
    }
}
