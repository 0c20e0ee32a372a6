//! What the state keeps, put to its readers: a value that is read is one that can have been written, and works as one.

use engine::history::{HISTORY_BYTES_MAX, History};
use engine::projection::{Numbers, Projection};
use engine::properties::{KEPT_BYTES_MAX, Kept, PairBatch, Pairer, fields_text};
use engine::record::{Millis, Offset};
use engine::time::{CLOCK_RECORDS, Clock, ClockRules};

const RULES: ClockRules = ClockRules { out_of_orderness_max: 10_000, jump_max: 3_600_000 };

/// A time of today.
const NOW: Millis = 1_767_268_800_000;

/// A clock. Whatever it was, it says what honest records say once it has seen enough of them.
pub(crate) fn clock(bytes: &[u8]) {
    let Some(mut clock) = Clock::decode(bytes) else { return };
    let written = clock.encode();
    assert!(written.len() < 1_800, "{} bytes", written.len());
    assert_eq!(written, bytes, "one encoding");
    assert_eq!(clock.now().is_some(), clock.records() >= CLOCK_RECORDS as u64);
    assert!(clock.watermark(&RULES) <= clock.now());
    // Records with offsets that no log reaches.
    let records = CLOCK_RECORDS as Offset + 32;
    let from = Offset::MAX - 2 * records;
    if clock.has_seen(from) {
        return;
    }
    let before = clock.clone();
    clock.observe(0, None, &RULES);
    assert!(before.has_seen(0) || before.records() == clock.records());
    (0..records).for_each(|n| clock.observe(from + n, Some(NOW + n), &RULES));
    assert!(clock.now().is_some_and(|now| (NOW..NOW + records).contains(&now)), "{:?}", clock.now());
    assert_eq!(clock.records(), before.records() + records as u64);
    let again = Clock::decode(&clock.encode()).expect("its own bytes");
    assert_eq!((again.encode(), again.now()), (clock.encode(), clock.now()));
}

/// The history of an original. Every one has one encoding.
pub(crate) fn history(bytes: &[u8]) {
    let Some(history) = History::decode(bytes) else { return };
    let mut written = Vec::new();
    history.encode(&mut written);
    assert_eq!(written, bytes, "one encoding");
    assert!(bytes.len() <= HISTORY_BYTES_MAX);
    assert_eq!(history.duplicates() == 0, history.last_offset().is_none());
    if let Some((distinct, true)) = history.distinct_uuids() {
        assert!(distinct <= history.duplicates().saturating_add(1), "{distinct} uuids of {}", history.duplicates());
    }
    let mut more = history.clone();
    let next = history.last_offset().map_or(0, |last| last.saturating_add(1));
    let is_counted = more.count(next, Some(7));
    assert_eq!(is_counted, history.last_offset() != Some(Offset::MAX));
    assert_eq!(more.duplicates(), history.duplicates().saturating_add(u64::from(is_counted)));
    assert!(!more.count(next, Some(8)), "nothing is counted twice");
}

/// What is kept of an original, for a scorer that reads the whole event and for others.
pub(crate) fn kept(bytes: &[u8]) {
    let Some(kept) = Kept::decode(bytes) else { return };
    assert!(bytes.len() <= KEPT_BYTES_MAX && kept.uuid().is_none_or(|uuid| uuid.len() < bytes.len()));
    assert_eq!(kept.has_uuid(None), kept.uuid().is_none());
    let event = br#"{"a":1,"b":[2,{"c":"x"}]}"#;
    for roots in [&[""][..], &["/a", "/b"]] {
        let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
        let mut projection =
            Projection::compile_with_spans::<&str, _>(&[], &roots, Numbers::Canonical).expect("pointers");
        projection.project(event, &mut []).expect("an event");
        pairs_or_is_refused(Some(&roots), &kept, event, projection.spans());
        let mut text = b"before".to_vec();
        let is_there = fields_text(&kept, &roots, &mut text);
        assert!(is_there || text == b"before", "nothing is appended");
        assert!(text.len() <= 16 * KEPT_BYTES_MAX, "{} bytes of {}", text.len(), bytes.len());
    }
    pairs_or_is_refused(None, &kept, event, &[]);
}

fn pairs_or_is_refused(roots: Option<&[String]>, kept: &Kept<'_>, event: &[u8], spans: &[std::ops::Range<u32>]) {
    let mut pairer = Pairer::new(roots).expect("few roots");
    let mut out = PairBatch::default();
    if pairer.pair(kept, event, spans, &mut out).is_err() {
        assert_eq!(out, PairBatch::default(), "nothing is appended");
        return;
    }
    let rows = out.rows(0).len();
    let counts = [out.paths.len(), out.originals.len(), out.duplicates.len()];
    assert!(out.pairs() == 1 && counts.iter().all(|count| *count == rows));
    assert_eq!((out.original_kinds.len(), out.duplicate_kinds.len()), (rows, rows));
    let paths: Vec<_> = (0..rows).map(|row| out.paths.get(row)).collect();
    assert!(paths.windows(2).all(|pair| pair[0] < pair[1]), "rows ascend: {paths:?}");
}

/// Encodings of clocks.
pub(crate) fn clocks() -> Vec<Vec<u8>> {
    let after = |records: i64, step: i64| {
        let mut clock = Clock::default();
        (0..records).for_each(|n| clock.observe(n * 3, (n % 7 != 0).then_some(NOW + n * step), &RULES));
        clock.encode()
    };
    vec![after(0, 1), after(20, 1), after(1_000, -5_000), after(6_000, 700), after(20_000, -90_000)]
}

/// Encodings of histories.
pub(crate) fn histories() -> Vec<Vec<u8>> {
    let of = |original, duplicates: u64| {
        let mut history = History::of(original);
        for n in 0..duplicates {
            history.count(n.cast_signed() * 5, Some(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        }
        let mut bytes = Vec::new();
        history.encode(&mut bytes);
        bytes
    };
    vec![of(None, 0), of(Some(None), 3), of(Some(Some(7)), 15), of(Some(Some(7)), 16), of(None, 200)]
}

/// Encodings of what is kept.
pub(crate) fn originals() -> Vec<Vec<u8>> {
    let long = format!(r#"{{"a":"{}","b":{{"c":null,"d":[1,2]}}}}"#, "é".repeat(40_000));
    let events = [r#"{"a":1,"b":[2,{"c":"x"}]}"#, r#"{"b":{},"a":"y"}"#, "{}", long.as_str()];
    let mut all = Vec::new();
    for roots in [Some(&[""][..]), Some(&["/a", "/b"]), None] {
        let roots: Option<Vec<String>> = roots.map(|roots| roots.iter().map(|root| (*root).to_owned()).collect());
        let mut pairer = Pairer::new(roots.as_deref()).expect("few roots");
        let spans = roots.unwrap_or_default();
        let mut projection =
            Projection::compile_with_spans::<&str, _>(&[], &spans, Numbers::Canonical).expect("pointers");
        for event in events {
            projection.project(event.as_bytes(), &mut []).expect("an event");
            let mut kept = Vec::new();
            pairer.keep(Some(b"a uuid"), event.as_bytes(), projection.spans(), &mut kept);
            all.push(kept);
        }
    }
    all
}
