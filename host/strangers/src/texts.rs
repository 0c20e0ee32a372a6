//! Texts put to those who read a time in them, tell what they look like, or show them to people.

use std::time::Duration;

use engine::fields::Kind;
use engine::identity;
use engine::looks::{Looks, after_skippable};
use engine::projection::{one_line, quote};
use engine::record::Millis;
use engine::time::{ClockRules, event_time, parse_event_time};

use crate::json;

/// Times are taken for such to the year 287,396.
const MILLIS_MAX: i64 = 9_000_000_000_000_000;

/// The time of an event, in any notation.
pub(crate) fn times(bytes: &[u8]) {
    let jump_max = Duration::from_secs(3_600).as_millis() as Millis;
    let rules = ClockRules { out_of_orderness_max: 0, jump_max };
    for kind in [Kind::String, Kind::Number, Kind::Json, Kind::Absent] {
        let parsed = parse_event_time(kind, bytes);
        assert!(parsed.is_err() || matches!(kind, Kind::String | Kind::Number));
        assert!(parsed.is_ok_and(|time| time.abs() < MILLIS_MAX) || parsed.is_err());
        for timestamp in [None, Some(-1), Some(1_700_000_000_000), Some(Millis::MAX)] {
            let time = event_time(kind, bytes, timestamp, &rules);
            assert_eq!(time.unusable.is_none(), parsed.is_ok_and(|parsed| time.time == Some(parsed)));
            let bound = timestamp.filter(|at| (1..MILLIS_MAX).contains(at)).map_or(Millis::MAX, |at| at + jump_max);
            assert!(time.time.is_none_or(|time| time <= bound));
        }
    }
    if let Some(seconds) = whole(bytes).filter(|number| *number < 100_000_000_000) {
        assert_eq!(parse_event_time(Kind::Number, bytes), Ok(seconds * 1_000));
    }
}

/// A number of few digits and nothing else.
fn whole(bytes: &[u8]) -> Option<i64> {
    let is_number = (1..=11).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(bytes).ok().filter(|_| is_number)?.parse().ok()
}

/// What an input looks like.
pub(crate) fn looks(bytes: &[u8]) {
    let looks = Looks::of(bytes);
    assert!(looks.is_none_or(|looks| !looks.to_string().is_empty()));
    assert!(after_skippable(bytes) == 0 || bytes.len() >= 4);
    // JSON in UTF-8 is lines of text, whatever stands in it.
    if json::read(bytes).is_ok() && bytes.first().is_some_and(|first| matches!(first, b'{' | b'[')) {
        assert_eq!(looks, None);
    }
    let settled = Looks::is_settled(bytes);
    assert!(!settled || bytes.len() >= 4_096 || bytes.contains(&b'\n'));
}

/// What people are shown.
pub(crate) fn shown(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let is_seen =
        |shown: &str, kept: &[char]| shown.chars().all(|char| kept.contains(&char) || !plain_text::is_unseen(char));
    assert!(is_seen(&plain_text::line(&text), &[]));
    assert!(is_seen(&plain_text::lines(&text), &['\n']));
    assert!(is_seen(&plain_text::bytes(bytes), &[]));
    assert!(is_seen(&plain_text::Line(&text).to_string(), &[]));
    for (shown, kept) in [(plain_text::styled(&text), &['\n'][..]), (plain_text::styled_line(&text), &[][..])] {
        assert!(is_seen(&without_colours(&shown), kept), "{shown:?}");
    }
    let shown = plain_text::json(&text);
    assert!(is_seen(&shown, &['\n']));
    // A tab between tokens is the one thing that JSON has and people do not see.
    if let (Ok(value), false) = (json::read(text.as_bytes()), text.contains(['\t', '\r'])) {
        assert_eq!(json::read(shown.as_bytes()), Ok(value), "{shown}");
    }
    let secret = format!("password={}", text.replace(|char: char| char.is_whitespace() || "\"'`".contains(char), ""));
    let hidden = plain_text::secrets::hidden(&secret);
    assert!(hidden == "password=***" || hidden == "password=", "{hidden}");
    let _anything = plain_text::secrets::hidden(&text);
}

/// A text without the sequences that set a colour.
fn without_colours(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let end = after.trim_start_matches(|char: char| char.is_ascii_digit() || char == ';');
        rest = end.strip_prefix('m').expect("a colour, and no other sequence");
    }
    out + rest
}

/// Strings as the host writes them into its own records, and identities.
pub(crate) fn strings(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let mut quoted = b"{ \"x\":\n".to_vec();
        quote(bytes, &mut quoted);
        quoted.push(b'}');
        one_line(&mut quoted, 0);
        let written = std::str::from_utf8(&quoted).expect("UTF-8");
        assert!(!written.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']), "{written:?}");
        let expected = json::Value::Text(text.encode_utf16().collect());
        let name: Vec<u16> = "x".encode_utf16().collect();
        assert_eq!(json::read(&quoted).expect("JSON").child(&name), Some(&expected));
    }
    if let Some(uuid) = identity::uuid(bytes) {
        assert_eq!(identity::uuid(&uuid), Some(uuid), "its own spelling");
        assert!(identity::is_same(bytes, &uuid) && identity::is_same(&bytes.to_ascii_uppercase(), &uuid));
    }
    assert!(identity::is_same(bytes, bytes));
    if let Ok(json::Value::Number(number)) = json::read(bytes)
        && number.as_bytes() == bytes
        && json::is_reckoned(&number)
    {
        let identity = identity::identity(Kind::Number as u8, bytes).expect("a number is an identity");
        assert_eq!(identity, json::number_text(&number).as_bytes());
        assert!(identity::is_bare(&identity));
    }
}
