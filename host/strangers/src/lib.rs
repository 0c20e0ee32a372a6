//! What strangers may have written, put to those who read it: checks for property tests and for fuzzing alike. Each takes
//! any bytes and panics where a reader breaks its word. For tests alone; readers that nobody outside of their crate can
//! call have their properties beside them, in modules of this name.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a check that does not hold panics: that is how tests and fuzzers are told"
)]
#![warn(clippy::print_stdout, clippy::print_stderr, reason = "a library tells nobody")]

mod encodings;
pub mod json;
mod progress;
mod projection;
mod texts;

/// A reader, and what holds of it whatever it reads.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name, which is that of its fuzz target.
    pub name: &'static str,
    /// Panics where the reader breaks its word on these bytes.
    pub run: fn(&[u8]),
    /// What the reader is meant to read, to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const CHECKS: [Check; 11] = [
    Check { name: "projection", run: projection::projection, seeds: events },
    Check { name: "inside", run: projection::inside, seeds: events_inside },
    Check { name: "clock", run: encodings::clock, seeds: encodings::clocks },
    Check { name: "history", run: encodings::history, seeds: encodings::histories },
    Check { name: "kept", run: encodings::kept, seeds: encodings::originals },
    Check { name: "metadata", run: progress::metadata, seeds: progress::texts },
    Check { name: "sections", run: progress::sections, seeds: progress::framed },
    Check { name: "times", run: texts::times, seeds: times },
    Check { name: "looks", run: texts::looks, seeds: inputs },
    Check { name: "shown", run: texts::shown, seeds: words },
    Check { name: "strings", run: texts::strings, seeds: words },
];

/// The check of this name.
///
/// # Panics
/// There is none.
pub fn check(name: &str, bytes: &[u8]) {
    let check = CHECKS.iter().find(|check| check.name == name).expect("a check of this name");
    (check.run)(bytes);
}

fn all(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const EVENTS: [&str; 9] = [
    r#"{"a":{"b":1,"b":[true,false,null]},"b":{"a":"é€😀"},"data":{"a":-1.50e+3}}"#,
    r#" [ {"a" : [0, 10e400, 0.000001]} , "\ud83d\ude00\ud83d\u0000\/\b\f\n\r\t\"\\" ] "#,
    r#"{"\u0061":1,"a":{},"~/":{"":{}},"0":[[],[[[[]]]]]}"#,
    "\u{feff}{\"a\":1e999999999999999999999999,\"b\":-0,\"\u{85}\u{2028}\":123456789012345678901234567890}",
    r#"{"data":"{\"a\":\"[1,{\\\"b\\\":\\\"\\\\ud83d\\\"}]\"}","a":"[\"\\ude00\"]","0":"7"}"#,
    r#""{\"a\":{\"b\":\"null\"},\"data\":\"\\ud83d\"}""#,
    r#"{"a":"not JSON","a":"{\"b\":\" \\\" \"}","é":"\"\ud83d\""}"#,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123456789\\u00e9\"}x",
];

fn events() -> Vec<Vec<u8>> {
    all(&EVENTS)
}

fn events_inside() -> Vec<Vec<u8>> {
    let with = |chosen: u8| EVENTS.iter().map(move |event| [&[chosen][..], event.as_bytes()].concat());
    [0b1111_1111, 0b0010_0011, 0b0000_0100].into_iter().flat_map(with).collect()
}

fn times() -> Vec<Vec<u8>> {
    all(&[
        "2026-01-01T12:00:00.123456789+05:30",
        "20260101T120000Z",
        "Thu, 01 Jan 2026 12:00:00 GMT",
        "01/Jan/2026:12:00:00 +0000",
        "Thu Jan  1 12:00:00 2026",
        "Thu Jan 01 2026 12:00:00 GMT+0100 (Central European Standard Time)",
        "2026-01-01T12:00:00+01:00[Europe/Paris]",
        "2026-01-01 12:00:00.5 +0000 UTC m=+0.01",
        "1767268800",
        "1767268800000.5",
        "-1e300",
    ])
}

fn inputs() -> Vec<Vec<u8>> {
    let mut all = events();
    for head in [&b"\x1f\x8b\x08"[..], b"\x50\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\xff\xfe{\0"]
    {
        all.push(head.to_vec());
    }
    all.push([&[0; 257][..], b"ustar"].concat());
    all.push(b"\x0a\x03abc\x10\x96\x01\x1a\x02\x08\x01".to_vec());
    all.push(b"\x00\x00\x00\x00\x07\x02\x06abc".to_vec());
    all
}

fn words() -> Vec<Vec<u8>> {
    all(&[
        "\u{1b}[31;1mbad\u{1b}[0m\n\u{1b}[2K\u{1b}]0;title\u{7}",
        "sasl.jaas.config=required username=\"me\" password=\"hun ter\\\"2\";",
        "https://me:hunter2@h/p?password=hunter3&x",
        "a\u{202e}b\u{2028}c\u{85}d\u{e0041}\u{fe0f}\u{0}",
        "{\"a\":\"\u{202e}\u{9b}\u{7f}\"}",
        "urn:uuid:{01890A5D-AC96-774B-BCCE-B302099A8057}",
        "01890a5dac96774bbcceb302099a8057",
        "-120.0500e-7",
        "100000000000000000000000",
    ])
}
