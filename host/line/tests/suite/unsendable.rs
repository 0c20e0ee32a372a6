//! Records that a lane does not take, at the end of the line: by which lane they leave instead, what a letter about them
//! says, and what the policy makes of those that no lane takes. Not Kafka's limits, and not replays.

use connectors::memory::{Lanes, Outbox};
use connectors::{ByLane, Lane};
use line::{ExplanationConfig, OnUnsendable, Redaction, Rules, Unread};
use serde_json::Value;

use crate::scene::{self, World};

/// Beyond this there is no time.
const FUTURE: i64 = 1_000_000;

/// Takes what is not too large, by lane, and no time in the future.
fn picky(has: &[Lane], limits: &[(Lane, usize)]) -> Outbox {
    let lanes = Lanes::listening(has).before(FUTURE);
    Outbox::of_lanes(limits.iter().fold(lanes, |lanes, (lane, bytes)| lanes.up_to(*lane, *bytes)))
}

const ALL: &[Lane] = &[Lane::Output, Lane::Duplicates, Lane::DeadLetter];

fn world_with(on_unsendable: OnUnsendable) -> World {
    world_of(Rules { on_unsendable, ..Rules::default() })
}

fn world_of(rules: Rules) -> World {
    World::new(rules, &scene::plugins("/id", Some("")))
}

fn event(id: &str, filling: usize) -> String {
    format!(r#"{{"id":"{id}","uuid":"u","x":"{}"}}"#, "x".repeat(filling))
}

#[test]
fn an_event_that_the_output_does_not_take_leaves_as_a_letter_and_no_key() {
    let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(ALL, &[(Lane::Output, 100)]));
    let (large, small) = (event("a", 200), event("a", 1));
    let tally = world.process(&[&large, &small, &large, &small], &mut sink).expect("processed");
    assert_eq!((tally.dead_letter, tally.unique, tally.duplicate, tally.imbalance()), (1, 1, 2, 0));
    let left_by = ByLane::from_iter([(Lane::Output, 1), (Lane::Duplicates, 2), (Lane::DeadLetter, 1)]);
    assert_eq!((tally.unsendable, tally.left_by), ([1, 0, 0, 0], left_by));
    let letter = &sink.of(Lane::DeadLetter)[0];
    assert_eq!((letter.payload.as_deref(), letter.key.as_deref()), (None, Some(&b"input"[..])));
    let header = |name: &str| letter.headers[name].as_str();
    assert_eq!((header("dedup-host-stage"), header("dedup-host-unsendable")), ("output", "too_large"));
    assert_eq!(
        (header("dedup-host-topic"), header("dedup-host-partition"), header("dedup-host-offset")),
        ("t", "0", "0")
    );
    assert_eq!(header("dedup-host-payload-bytes"), large.len().to_string());
    assert_eq!((header("dedup-host-key-bytes"), header("dedup-host-headers-bytes")), ("5", "0"));
    assert_eq!(header("dedup-host-payload-sha256").len(), 64);
    let why = format!("output: {} bytes where 100 are taken", large.len() + 1);
    assert!(header("dedup-host-reason").contains(&why), "{letter:?}");
}

#[test]
fn a_letter_that_is_too_large_leaves_without_its_payload_and_keeps_its_stage() {
    let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(ALL, &[(Lane::DeadLetter, 900)]));
    let tally = world.process(&["no JSON", &"no JSON".repeat(200)], &mut sink).expect("processed");
    assert_eq!((tally.dead_letter, tally.unsendable), (2, [1, 0, 0, 0]));
    let letters = sink.of(Lane::DeadLetter);
    assert_eq!(letters[0].payload.as_deref(), Some(&b"no JSON"[..]));
    assert_eq!((letters[1].payload.as_deref(), letters[1].headers["dedup-host-stage"].as_str()), (None, "decode"));
    assert!(letters[1].headers["dedup-host-reason"].contains("besides, it cannot be sent to its lane, dead_letter"));
}

#[test]
fn a_record_about_a_duplicate_is_cut_until_it_is_taken_and_says_what_is_left_out() {
    let (one, other) = (event("a", 2_000), event("a", 2_001));
    let said = |limit| {
        let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(ALL, &[(Lane::Duplicates, limit)]));
        let tally = world.process(&[&one, &other], &mut sink).expect("processed");
        assert_eq!(tally.duplicate, 1);
        let sent = sink.of(Lane::Duplicates);
        sent.first().map(|sent| serde_json::from_slice::<Value>(sent.payload.as_deref().expect("told")).expect("JSON"))
    };
    let whole = said(usize::MAX).expect("sent");
    assert_eq!(whole.get("cut"), None);
    let whole_bytes = whole.to_string().len();
    let mut shortest = whole_bytes;
    let mut cuts = Vec::new();
    while let Some(told) = said(shortest - 1) {
        shortest = told.to_string().len();
        let cut: Vec<String> =
            told["cut"].as_array().expect("said").iter().map(|name| name.as_str().expect("text").to_owned()).collect();
        assert_eq!((&told["duplicate"]["offset"], &told["original"]["offset"]), (&1.into(), &0.into()));
        assert_eq!(told["duplicate"].get("event").is_some(), !cut.contains(&"duplicate".to_owned()), "{told}");
        assert_eq!(told["outcome"], whole["outcome"]);
        cuts.push(cut.len());
    }
    assert!(cuts.is_sorted() && cuts.first() == Some(&1) && cuts.last() >= Some(&3), "{cuts:?}");
}

#[test]
fn a_duplicate_of_which_nothing_can_be_told_is_a_letter_and_a_duplicate_all_the_same() {
    let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(ALL, &[(Lane::Duplicates, 10)]));
    let tally = world.process(&[&event("a", 1), &event("a", 1)], &mut sink).expect("processed");
    assert_eq!((tally.unique, tally.duplicate, tally.unsendable[0], tally.imbalance()), (1, 1, 1, 0));
    assert_eq!(sink.of(Lane::DeadLetter)[0].headers["dedup-host-stage"], "duplicates");
}

#[test]
fn keys_that_the_host_gives_are_of_bounded_length() {
    let long = format!(r#"{{"id":"a","uuid":"{}"}}"#, "u".repeat(300));
    let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(ALL, &[]));
    world.process(&[&long, &long, &event("b", 1)], &mut sink).expect("processed");
    let keys: Vec<&[u8]> = sink.sent.iter().map(|sent| sent.key.as_deref().expect("a key")).collect();
    assert!(keys[0].starts_with(b"sha256:") && keys[0].len() == 71);
    assert_eq!((keys[0], keys[2]), (keys[1], &b"u"[..]), "the same uuid, the same key");
}

fn redacted() -> Rules {
    let explain = ExplanationConfig { keep_originals: true, forward_below: None, redact: true };
    let redaction = Some(Redaction::under(b"0123456789abcdef"));
    Rules { explain, redaction, ..Rules::default() }
}

#[test]
fn a_redacted_record_has_the_key_that_it_tells_of() {
    let (mut world, mut sink) = (world_of(redacted()), picky(ALL, &[]));
    let [a, b] = ["a", "b"].map(|id| format!(r#"{{"id":"{id}"}}"#));
    world.process(&[&a, &a, &b, &a, &b, &event("a", 1)], &mut sink).expect("processed");
    let told: Vec<(String, String)> = sink
        .of(Lane::Duplicates)
        .iter()
        .map(|sent| {
            let body: Value = serde_json::from_slice(sent.payload.as_deref().expect("told")).expect("JSON");
            let key = String::from_utf8(sent.key.clone().expect("a key")).expect("text");
            (key, body["key"].as_str().expect("text").to_owned())
        })
        .collect();
    let [first, second, other, with_uuid] = told.as_slice() else { panic!("{told:?}") };
    for (key, body) in [first, second, other] {
        assert!(key == body && key.starts_with("hmac-sha256:"), "{told:?}");
    }
    assert_eq!(first, second, "the same key, the same text");
    assert_ne!(first, other);
    assert_eq!((with_uuid.0.as_str(), &with_uuid.1), ("u", &first.1), "a uuid stays what it is");
    let keys = sink.of(Lane::Output).into_iter().map(|sent| sent.key.as_deref());
    assert!(keys.eq([Some(&b"input"[..]); 2]), "events pass as they came");
}

#[test]
fn a_letter_without_a_payload_has_no_key_to_read_where_values_are_hidden() {
    let limits = &[(Lane::Output, 100), (Lane::Duplicates, 10)];
    let (mut world, mut sink) = (world_of(redacted()), picky(ALL, limits));
    let small = r#"{"id":"a"}"#;
    world.process(&[&event("a", 200), small, small, "no JSON"], &mut sink).expect("processed");
    let letters = sink.of(Lane::DeadLetter);
    let key = |nth: usize| String::from_utf8(letters[nth].key.clone().expect("a key")).expect("text");
    assert_eq!(letters.len(), 3);
    assert!(key(0).starts_with("hmac-sha256:") && key(0) == key(1), "{letters:?}");
    assert_eq!(
        (key(2).as_str(), letters[2].payload.as_deref()),
        ("input", Some(&b"no JSON"[..])),
        "a whole one has all"
    );
}

#[test]
fn a_time_that_a_topic_does_not_take_is_replaced_in_what_the_host_writes_and_nowhere_else() {
    let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(ALL, &[]));
    world.process_at(&[&event("a", 1)], Some(5), &mut sink).expect("processed");
    let tally = world.process_at(&[&event("a", 1), &event("b", 1), "no JSON"], Some(FUTURE), &mut sink);
    let tally = tally.expect("processed");
    assert_eq!((tally.duplicate, tally.dead_letter, tally.unsendable), (1, 2, [0, 1, 0, 0]));
    assert_eq!(sink.of(Lane::Duplicates)[0].timestamp, None, "it gets the time of its sending");
    let letters = sink.of(Lane::DeadLetter);
    assert_eq!(letters[0].headers["dedup-host-unsendable"], "timestamp");
    assert_eq!((letters[1].timestamp, letters[1].payload.as_deref()), (None, Some(&b"no JSON"[..])));
}

#[test]
fn where_no_lane_takes_a_record_the_policy_decides() {
    let limits = &[(Lane::Output, 100), (Lane::DeadLetter, 10)];
    let (large, small) = (event("a", 200), event("a", 1));
    for has in [&[Lane::Output][..], ALL] {
        let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(has, limits));
        let error = world.process(&[&small, &event("b", 200)], &mut sink).expect_err("stopped").to_string();
        for word in ["t[0] offset 1", "output", "bytes where 100 are taken", "--on-unsendable skip"] {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
        let (mut world, mut sink) = (world_with(OnUnsendable::Skip), picky(has, limits));
        let tally = world.process(&[&large, &small], &mut sink).expect("processed");
        assert_eq!((tally.dead_letter, tally.unique, tally.dropped, tally.unsendable[0]), (1, 1, 1, 1));
        assert_eq!((sink.of(Lane::Output).len(), tally.imbalance()), (1, 0));
    }
}

#[test]
fn what_is_unforwardable_and_not_forwarded_anyway_is_no_matter() {
    // Without an output there is nothing to refuse.
    let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(&[], &[(Lane::Output, 1)]));
    let tally = world.process(&[&event("a", 200), &event("a", 200)], &mut sink).expect("processed");
    assert_eq!((tally.unique, tally.duplicate, tally.unsendable), (1, 1, [0; 4]));
}

#[test]
fn offsets_that_cannot_be_read_are_told_by_their_place() {
    let (mut world, mut sink) = (world_with(OnUnsendable::Stop), picky(ALL, &[]));
    let unread = Unread { from: 7, next: 12, cause: "damaged ".repeat(1_000) };
    world.line.skip(&unread, true, &mut sink).expect("told");
    world.line.skip(&unread, false, &mut sink).expect("nothing is told of what was told");
    let letters = sink.of(Lane::DeadLetter);
    assert_eq!((letters.len(), world.line.tally().unread), (1, 5));
    let headers = &letters[0].headers;
    assert_eq!((headers["dedup-host-offset"].as_str(), headers["dedup-host-next-offset"].as_str()), ("7", "12"));
    assert!(headers["dedup-host-stage"] == "read" && headers["dedup-host-reason"].len() <= 1_024);
}
