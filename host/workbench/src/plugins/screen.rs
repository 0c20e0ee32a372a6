//! How answers look on a terminal: colours if wanted, aligned columns, readable numbers and sizes. Not their content.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use plain_text::{is_unseen, scaled};

/// Characters of a value that are shown of a long one.
const SHOWN_CHARS_MAX: usize = 160;

/// Colours, or none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ink {
    colour: bool,
}

impl Ink {
    /// Colours if standard output is a terminal and `NO_COLOR` is not set.
    pub(super) fn of_standard_output() -> Self {
        Self { colour: terminal::answers_have_colour() }
    }

    pub(super) fn has_colour(self) -> bool {
        self.colour
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        let text = plain_text::line(&text.to_string()).into_owned();
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    }

    /// What the line is about.
    pub(super) fn title(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    /// What is good to know.
    pub(super) fn quiet(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    /// As it should be.
    pub(super) fn good(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    /// Neither good nor bad, but to be noticed.
    pub(super) fn odd(self, text: impl Display) -> String {
        self.paint("33", text)
    }

    /// Wrong.
    pub(super) fn bad(self, text: impl Display) -> String {
        self.paint("31;1", text)
    }

    /// A value of an event, a key.
    pub(super) fn value(self, text: impl Display) -> String {
        self.paint("36", text)
    }
}

/// Lines of a name and what is said of it, the names in a column.
#[derive(Debug)]
pub(super) struct Facts {
    ink: Ink,
    name_chars: usize,
    text: String,
}

impl Facts {
    /// Names of at most `name_chars` characters.
    pub(super) fn new(ink: Ink, name_chars: usize) -> Self {
        Self { ink, name_chars, text: String::new() }
    }

    /// A name and what is said of it, on one line.
    pub(super) fn add(&mut self, name: &str, said: impl Display) {
        let padding = " ".repeat(self.name_chars.saturating_sub(name.chars().count()));
        let said = said.to_string();
        let said = if self.ink.colour { plain_text::styled_line(&said) } else { plain_text::line(&said) };
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "  {}{padding}  {said}", self.ink.quiet(name));
    }

    /// A name and a list, one a line.
    pub(super) fn list<T: Display>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return self.add(name, self.ink.quiet("none"));
        }
        for (name, item) in std::iter::once(name).chain(std::iter::repeat("")).zip(items) {
            self.add(name, item);
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Rows of cells, the first column to the left and the others to the right; the first row is a heading.
pub(super) fn table(ink: Ink, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let chars = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| chars(row, column)).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 { write!(line, " {cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        let line = line.trim_end();
        let _ = writeln!(text, "{}", if number == 0 { ink.quiet(line) } else { line.to_owned() });
    }
    text
}

/// Bytes as text: as they are where they are plain UTF-8; else between `b"` and `"`, what is unseen, backslashes and
/// bytes that are not UTF-8 as escapes, so that two values never look the same.
pub(super) fn text_of(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(is_unseen)
    {
        return text.to_owned();
    }
    let mut text = String::from("b\"");
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' | '"' => text.extend(['\\', char]),
                char if is_unseen(char) => text.push_str(&plain_text::line(char.encode_utf8(&mut [0; 4]))),
                char => text.push(char),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text.push('"');
    text
}

/// Words of a plugin on one line, so that they cannot look like the host's.
pub(super) fn words(text: &str) -> String {
    clipped(text)
}

/// A text on one line, or its beginning and how much there is.
pub(super) fn clipped(text: &str) -> String {
    let shown = plain_text::line(text);
    match shown.char_indices().nth(SHOWN_CHARS_MAX) {
        None => shown.into_owned(),
        Some((at, _)) => format!("{}… ({})", shown.get(..at).unwrap_or_default(), bytes(text.len() as u64)),
    }
}

/// `91.2 KiB`.
pub(super) fn bytes(bytes: u64) -> String {
    match scaled(bytes as f64, 1024.0, &["bytes", "KiB", "MiB", "GiB"]) {
        (_, "bytes") => format!("{bytes} bytes"),
        (value, unit) => format!("{} {unit}", digits(value)),
    }
}

/// `812 ns`, `1.24 µs`, `31.0 ms`.
pub(super) fn nanos(nanos: f64) -> String {
    let (value, unit) = scaled(nanos, 1000.0, &["ns", "µs", "ms", "s"]);
    format!("{} {unit}", digits(value))
}

/// As [`nanos`].
pub(super) fn time(time: Duration) -> String {
    nanos(time.as_nanos() as f64)
}

/// Three digits, or all before the point where there are more.
fn digits(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `2 events`.
pub(super) fn counted(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", grouped(number as u64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_plain_text_are_escaped() {
        assert_eq!(text_of("a:b\\:é".as_bytes()), "a:b\\:é");
        assert_eq!(text_of(b""), "");
        assert_eq!(text_of(b"\x1b[31m"), "b\"\\u{1b}[31m\"");
        assert_eq!(text_of(b"a\nb\\\"\xff\xfe"), "b\"a\\nb\\\\\\\"\\xff\\xfe\"");
    }

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(1536), "1.50 KiB");
        assert_eq!(bytes(93_388), "91.2 KiB");
        assert_eq!(bytes(5 << 40), "5120 GiB");
        assert_eq!(nanos(3.21), "3.21 ns");
        assert_eq!(nanos(1_240.0), "1.24 µs");
        assert_eq!(time(Duration::from_millis(31)), "31.0 ms");
        assert_eq!((grouped(7), grouped(1_000), grouped(1_234_567)), ("7".into(), "1,000".into(), "1,234,567".into()));
        assert_eq!((counted(1, "event"), counted(2, "event")), ("1 event".into(), "2 events".into()));
    }

    #[test]
    fn columns_line_up_with_and_without_colours() {
        let rows = [vec!["plugin".to_owned(), "ns".to_owned()], vec!["é".to_owned(), "1,000".to_owned()]];
        assert_eq!(table(Ink::default(), &rows), "  plugin     ns\n  é       1,000\n");
        assert!(table(Ink { colour: true }, &rows).starts_with("\x1b[2m  plugin     ns\x1b[0m\n"));
        let mut facts = Facts::new(Ink::default(), 5);
        facts.list("list", ["a", "b"]);
        facts.list("no", [""; 0]);
        assert_eq!(facts.into_text(), "  list   a\n         b\n  no     none\n");
    }

    #[test]
    fn what_is_long_is_clipped_between_characters() {
        let long = "é".repeat(SHOWN_CHARS_MAX + 1);
        assert_eq!(clipped(&long), format!("{}… (322 bytes)", "é".repeat(SHOWN_CHARS_MAX)));
        assert_eq!(words("one\ntwo\x1b"), "one\\ntwo\\u{1b}");
    }
}
