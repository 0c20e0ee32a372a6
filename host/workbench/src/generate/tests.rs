//! The truth is what a reader of the lines finds, and the lines are the same everywhere.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::*;

fn spec(events: u64) -> Spec {
    Spec { events, ..Spec::default() }
}

fn files(spec: Spec) -> (Vec<u8>, Vec<u8>, Truth) {
    let (mut lines, mut truth) = (Vec::new(), Vec::new());
    let counts = write_files(spec, &mut lines, Some(&mut truth)).unwrap();
    (lines, truth, counts)
}

fn values(lines: &[u8]) -> Vec<Map<String, Value>> {
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| match serde_json::from_slice(line) {
            Ok(Value::Object(object)) => object,
            other => panic!("{other:?}: {}", String::from_utf8_lossy(line)),
        })
        .collect()
}

fn digest(spec: Spec) -> String {
    let (lines, truth, _) = files(spec);
    Sha256::new().chain_update(lines).chain_update(truth).finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_on_every_machine() {
    assert_eq!(digest(spec(10_000)), "915225e46d5737608b40e88ffe894556b595e3573fddd5686cd83c839109f0cd");
    assert_ne!(digest(spec(1_000)), digest(Spec { seed: 1, ..spec(1_000) }));
}

#[test]
fn an_event_does_not_depend_on_those_made_before() {
    let mut generator = Generator::new(spec(5_000)).unwrap();
    let mut in_order = Vec::new();
    let mut line = Vec::new();
    while let Some(event) = generator.next(&mut line) {
        in_order.push((event, std::mem::take(&mut line)));
    }
    assert_eq!(in_order.len(), 5_000);
    let mut other = Generator::new(spec(5_000)).unwrap();
    for (event, expected) in in_order.iter().rev() {
        assert_eq!(other.event(event.index, &mut line).as_ref(), Some(event));
        assert_eq!(&std::mem::take(&mut line), expected);
    }
    other.seek(4_999);
    assert_eq!(other.next(&mut line).as_ref(), in_order.last().map(|(event, _)| event));
    assert_eq!(other.next(&mut line), None);
    assert_eq!(other.event(5_000, &mut line), None);
}

/// Property names whose values differ, in either direction.
fn differences(one: &Value, other: &Value) -> HashSet<String> {
    let (one, other) = (one.as_object().unwrap(), other.as_object().unwrap());
    one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

/// Recounts the truth from the lines alone.
fn check_truth(spec: Spec) -> Truth {
    let distance = spec.distance.clone();
    let (lines, truth, counts) = files(spec.clone());
    let events = values(&lines);
    let mut truth = values(&truth);
    let summary = truth.pop().unwrap();
    assert_eq!(
        summary.get("summary").unwrap(),
        &serde_json::json!({
            "events": counts.events, "unique": counts.unique, "duplicates": counts.duplicates,
            "same_uuid": counts.same_uuid, "altered": counts.altered,
        })
    );
    assert_eq!((events.len(), truth.len()), (spec.events as usize, spec.events as usize));
    let (mut first, mut uuids, mut recount) = (HashMap::new(), HashSet::new(), Truth::default());
    for (index, (event, said)) in events.iter().zip(&truth).enumerate() {
        let composite = ["timestamp", "distinct_id", "token", "event"].map(|name| event[name].as_str().unwrap());
        let original = *first.entry(composite).or_insert(index);
        assert_eq!(said["i"], index);
        recount.events += 1;
        if original == index {
            assert_eq!((&said["duplicate_of"], &said["same_uuid"]), (&Value::Null, &Value::Bool(false)));
            assert_eq!(said["changed"], Value::Array(Vec::new()));
            assert!(uuids.insert(event["uuid"].as_str().unwrap()));
            recount.unique += 1;
            continue;
        }
        assert!(distance.contains(&((index - original) as u64)), "{index} repeats {original}");
        let first_event = &events[original];
        let same_uuid = event["uuid"] == first_event["uuid"];
        let changed: HashSet<String> =
            said["changed"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        assert_eq!((&said["duplicate_of"], &said["same_uuid"]), (&Value::from(original), &Value::Bool(same_uuid)));
        assert_eq!(changed, differences(&event["properties"], &first_event["properties"]), "event {index}");
        assert_eq!(said["partition"], truth[original]["partition"]);
        assert!(same_uuid || uuids.insert(event["uuid"].as_str().unwrap()));
        recount.duplicates += 1;
        recount.same_uuid += u64::from(same_uuid);
        recount.altered += u64::from(!changed.is_empty());
    }
    assert_eq!(recount, counts);
    counts
}

#[track_caller]
fn check_share(count: u64, of: u64, share: f64) {
    let found = count as f64 / of as f64;
    // Four standard deviations of a count of so many independent draws.
    let tolerance = 4.0 * (share * (1.0 - share) / of as f64).sqrt() + 1e-9;
    assert!((found - share).abs() <= tolerance, "{found} is not {share}");
}

#[test]
fn the_truth_is_what_a_recount_by_the_composite_finds() {
    let counts = check_truth(spec(30_000));
    check_share(counts.duplicates, counts.events, 0.2);
    check_share(counts.same_uuid, counts.duplicates, 0.5);
    check_share(counts.altered, counts.duplicates, 0.3);
}

#[test]
fn the_truth_holds_at_the_edges_of_a_spec() {
    let few = spec(4_000);
    assert_eq!(check_truth(spec(1)).unique, 1);
    assert_eq!(check_truth(Spec { duplicates: 0.0, ..few.clone() }).duplicates, 0);
    let most = check_truth(Spec { duplicates: 0.99, same_uuid: 1.0, altered: 1.0, ..few.clone() });
    check_share(most.duplicates, most.events, 0.99);
    assert_eq!((most.same_uuid, most.altered), (most.duplicates, most.duplicates));
    let plain = check_truth(Spec { duplicates: 0.5, same_uuid: 0.0, altered: 0.0, ..few.clone() });
    assert_eq!((plain.same_uuid, plain.altered), (0, 0));
    // Many events of one millisecond, and as few users as such a rate allows.
    check_truth(Spec { events_per_second: 3_000_000, users: 4_096, ..few.clone() });
    check_truth(Spec { events_per_second: 1, users: 1, ..few.clone() });
    assert!(check_truth(Spec { distance: 50..=60, ..few.clone() }).duplicates > 700);
    assert!(check_truth(Spec { distance: 7..=7, ..few.clone() }).duplicates > 500);
    assert_eq!(check_truth(Spec { distance: 5_000..=6_000, ..few }).duplicates, 0);
}

#[test]
fn distances_are_mostly_near_with_a_tail_to_the_end_of_the_range() {
    let mut generator = Generator::new(Spec { events: 300_000, ..Spec::default() }).unwrap();
    generator.seek(200_000);
    let mut out = Vec::new();
    let mut distances = Vec::new();
    while let Some(event) = generator.next(&mut out) {
        distances.extend(event.duplicate_of.map(|original| event.index - original));
        out.clear();
    }
    distances.sort_unstable();
    let median = distances[distances.len() / 2];
    assert!((100..1_000).contains(&median), "{median}");
    assert!(distances[0] == 1 && distances[distances.len() - 1] > 95_000);
}

#[test]
fn events_of_a_user_share_a_partition_and_all_partitions_are_used() {
    let mut generator = Generator::new(Spec { partitions: 12, users: 500, ..spec(20_000) }).unwrap();
    let mut partitions = HashMap::new();
    let mut counts = [0; 12];
    let mut out = Vec::new();
    while let Some(event) = generator.next(&mut out) {
        let user = out[event.distinct_id.clone()].to_vec();
        assert_eq!(*partitions.entry(user).or_insert(event.partition), event.partition);
        counts[event.partition as usize] += 1;
        out.clear();
    }
    assert!(counts.iter().all(|count| *count > 500), "{counts:?}");
}

#[test]
fn an_event_says_what_stands_in_its_line() {
    let mut generator = Generator::new(spec(2_000)).unwrap();
    let mut out = b"before".to_vec();
    while let Some(event) = generator.next(&mut out) {
        let line: Value = serde_json::from_slice(&out[6..]).unwrap();
        assert_eq!(line["uuid"].as_str().unwrap().as_bytes(), event.uuid);
        assert_eq!(line["distinct_id"].as_str().unwrap().as_bytes(), &out[event.distinct_id.clone()]);
        let mut timestamp = Vec::new();
        text::Clock::new().write(&mut timestamp, event.timestamp_ms);
        assert_eq!(line["timestamp"].as_str().unwrap().as_bytes(), timestamp);
        let first = event.duplicate_of.unwrap_or(event.index);
        assert_eq!(event.timestamp_ms, 1_767_225_600_000 + first);
        out.truncate(6);
    }
}

#[test]
fn sizes_are_some_hundred_bytes_with_a_tail_of_kilobytes() {
    let (lines, _, _) = files(spec(20_000));
    let mut sizes: Vec<usize> = lines.split(|byte| *byte == b'\n').map(<[u8]>::len).filter(|size| *size > 0).collect();
    sizes.sort_unstable();
    let at = |share: f64| sizes[(sizes.len() as f64 * share) as usize];
    let found = [at(0.0), at(0.1), at(0.5), at(0.8), at(0.99), sizes[sizes.len() - 1]];
    assert!(found[0] >= 300 && found[2] <= 600 && found[3] <= 700, "{found:?}");
    assert!(found[4] >= 1_500 && (4_000..12_000).contains(&found[5]), "{found:?}");
    assert!(!lines.is_ascii(), "some text is not ASCII");
}

#[test]
fn a_spec_that_cannot_be_met_is_refused() {
    let check = |spec: Spec, words: &[&str]| {
        let said = Generator::new(spec).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(words.iter().all(|word| said.contains(word)), "{said:?} does not say {words:?}");
    };
    check(spec(0), &["events is 0", "at least 1"]);
    for share in [-0.1, 1.0, 2.0, f64::NAN, f64::INFINITY] {
        check(Spec { duplicates: share, ..spec(9) }, &["duplicates is", "from 0 to 0.99"]);
    }
    check(Spec { same_uuid: 1.1, ..spec(9) }, &["same_uuid is 1.1", "from 0 to 1"]);
    check(Spec { altered: -1.0, ..spec(9) }, &["altered is -1"]);
    check(Spec { partitions: 0, ..spec(9) }, &["partitions is 0"]);
    check(Spec { events_per_second: 0, ..spec(9) }, &["events per second is 0"]);
    check(Spec { users: 0, ..spec(9) }, &["users is 0"]);
    check(Spec { distance: 0..=5, ..spec(9) }, &["distance is 0 to 5", "starts at 1 or more"]);
    #[expect(clippy::reversed_empty_ranges, reason = "it is what is refused")]
    check(Spec { distance: 9..=5, ..spec(9) }, &["distance is 9 to 5"]);
    check(Spec { events_per_second: 5_000_000, users: 100, ..spec(9) }, &["8192 users", "there are 100"]);
    check(Spec { start_ms: u64::MAX, ..spec(9) }, &["after the year 9999", "earlier start"]);
    assert!(Generator::new(Spec { events: u64::MAX, events_per_second: u64::MAX, users: u64::MAX, ..spec(9) }).is_ok());
}
