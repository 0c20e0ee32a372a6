//! One instance called one call at a time: what each fault is called and what each call takes. No shipped plugin is needed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{EVIL_SCORER, batch, evil, keys_by_event, plugin_of_module, scorer_of_module};
use engine::fields::{Extraction, FieldBatch};
use engine::properties::{Comparisons, PairBatch};
use plugin::{Candidate, Fault, FaultKind, Input, Limits, Options, Probe, Role, Roles, Runtime, Texts};

/// Limits under which misbehaviour is quick to show.
fn tight() -> Limits {
    Limits {
        time_per_batch: Duration::from_millis(100),
        time_to_start: Duration::from_millis(250),
        memory_bytes_max: 8 << 20,
        result_bytes_max: 128 << 10,
        ..Limits::default()
    }
}

fn candidate(options: Options) -> Candidate {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_of_module(dir.path(), "evil.wasm", &evil("", ""));
    Runtime::with(options).unwrap().open(&path).unwrap()
}

fn probe() -> Probe {
    candidate(Options { limits: tight(), ..Options::default() }).probe().unwrap()
}

fn extract(probe: &mut Probe, events: &[&str]) -> Result<Vec<Vec<String>>, Fault> {
    let mut out = Extraction::default();
    probe.extract(&batch(events), &mut out)?;
    Ok(keys_by_event(&out))
}

#[test]
fn candidate_says_what_it_is_before_anything_of_it_ran() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_of_module(dir.path(), "evil.wasm", &evil("unreachable", "unreachable"));
    let candidate = Runtime::new(Limits::default()).unwrap().open(&path).unwrap();
    assert_eq!((candidate.path(), candidate.bytes()), (path.as_path(), std::fs::metadata(&path).unwrap().len()));
    assert_eq!((candidate.sha256().len(), candidate.contract(), candidate.from_cache()), (64, "1.0.0", false));
    assert_eq!(candidate.imports(), ["dedup:plugin/log@1.0.0"]);
    assert_eq!(candidate.exports(), ["dedup:plugin/key-extractor@1.0.0"]);
    assert_eq!(candidate.roles(), Roles { extracts_keys: true, scores: false });
    let parts = candidate.parts();
    // The tables are those by which a component's modules call each other.
    assert_eq!((parts.memories, parts.largest_memory_bytes), (1, 4 << 16));
    assert!(parts.tables >= 1, "{parts:?}");
    // The module, and what stands between it and its imports.
    assert_eq!(parts.core_instances, 3);
}

#[test]
fn plugin_is_a_candidate_with_a_configuration() {
    let candidate = candidate(Options::default());
    let plugin = candidate.configured(Texts { extractor: Some("any"), scorer: None }).unwrap();
    assert_eq!((plugin.name(), plugin.sha256()), ("evil", candidate.sha256()));
    assert_eq!((plugin.extractor_config(), plugin.candidate().path()), ("any", candidate.path()));
}

#[test]
fn probe_describes_configures_and_extracts() {
    let mut probe = probe();
    let info = probe.describe(Role::KeyExtractor).unwrap();
    assert_eq!((info.name.as_str(), info.version.as_str(), info.key_version), ("evil", "1.0", 3));
    let input = probe.configure(Role::KeyExtractor, "any").unwrap();
    assert_eq!(input, Ok(Input::Fields(vec!["/x".to_owned()])));
    assert_eq!(extract(&mut probe, &["a", "b"]).unwrap(), [["a"], ["b"]]);
    assert_eq!(extract(&mut probe, &[]).unwrap(), Vec::<Vec<String>>::new());
    let fault = probe.describe(Role::SimilarityScorer).unwrap_err();
    assert!(fault.to_string().contains("it exports no similarity-scorer"), "{fault}");
}

#[test]
fn refusal_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_of_module(dir.path(), "evil.wasm", &evil("", "(return (i32.const 160))"));
    let mut probe = Runtime::new(tight()).unwrap().open(&path).unwrap().probe().unwrap();
    assert_eq!(probe.configure(Role::KeyExtractor, "any").unwrap(), Err("no thanks".to_owned()));
    assert_eq!(probe.configure(Role::KeyExtractor, "any").unwrap(), Err("no thanks".to_owned()));
}

#[test]
fn each_kind_of_fault() {
    for (event, kind, words) in [
        ("T", FaultKind::Trap, "unreachable"),
        ("W", FaultKind::Trap, "last words: no thanks"),
        ("L", FaultKind::TimedOut, "longer than 100 ms"),
        ("M", FaultKind::Resources, "memory would grow to"),
        ("S", FaultKind::Resources, "call stack exhausted"),
        ("8", FaultKind::Resources, "more than 131072 bytes"),
        ("7", FaultKind::Lie, "out of bounds"),
        ("1", FaultKind::Lie, "the status 7"),
        ("E", FaultKind::Failure, "the plugin says: no thanks"),
    ] {
        let mut probe = probe();
        let fault = extract(&mut probe, &["a", event]).unwrap_err();
        assert_eq!(fault.kind, kind, "{event}: {fault}");
        assert!(fault.words.contains(words), "expected \"{words}\" in \"{fault}\"");
        let again = extract(&mut probe, &["a"]);
        match kind {
            FaultKind::Failure => assert_eq!(again.unwrap(), [["a"]]),
            FaultKind::Trap | FaultKind::TimedOut => assert!(again.is_err(), "after {event}"),
            FaultKind::Resources | FaultKind::Lie => {}
        }
    }
}

#[test]
fn lie_of_configure() {
    let dir = tempfile::tempdir().unwrap();
    let no_fields = "(i32.store (i32.const 140) (i32.const 0))";
    let path = plugin_of_module(dir.path(), "evil.wasm", &evil("", no_fields));
    let mut probe = Runtime::new(tight()).unwrap().open(&path).unwrap().probe().unwrap();
    let fault = probe.configure(Role::KeyExtractor, "").unwrap_err();
    assert_eq!((fault.kind, fault.to_string().contains("0 fields")), (FaultKind::Lie, true), "{fault}");
}

#[test]
fn fuel_is_the_same_for_the_same_call_and_grows_with_it() {
    let candidate = candidate(Options { fuel: true, limits: tight(), ..Options::default() });
    let fuel_of = |events: &[&str]| {
        let mut probe = candidate.probe().unwrap();
        extract(&mut probe, events).unwrap();
        let first = probe.cost().fuel.unwrap();
        extract(&mut probe, events).unwrap();
        assert_eq!(probe.cost().fuel, Some(first), "the second call of one instance");
        first
    };
    let (one, same, two) = (fuel_of(&["a"]), fuel_of(&["a"]), fuel_of(&["a", "b"]));
    assert_eq!(one, same, "two instances");
    assert!(one > 0 && two > one, "{one}, {two}");
    // Counting does not take the place of the clock.
    let fault = extract(&mut candidate.probe().unwrap(), &["L"]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut, "{fault}");
}

#[test]
fn cost_of_the_last_call() {
    let mut probe = probe();
    assert_eq!((probe.cost().memory_bytes, probe.cost().log_bytes), (4 << 16, 0), "of the start");
    extract(&mut probe, &["a"]).unwrap();
    let cost = probe.cost();
    assert_eq!((cost.fuel, cost.memory_bytes, cost.log_bytes), (None, 4 << 16, 0));
    extract(&mut probe, &["M"]).unwrap_err();
    let cost = probe.cost();
    assert_eq!(cost.memory_bytes, (4 << 16) + (7 << 20), "one more step of 1 MiB, and it would be above 8 MiB");
    assert!(cost.time > Duration::ZERO);
}

#[test]
fn log_is_kept_and_cut() {
    let limits = Limits { time_per_batch: Duration::from_secs(20), log_bytes_per_call_max: 5000, ..tight() };
    let mut probe = candidate(Options { limits, ..Options::default() }).probe().unwrap();
    extract(&mut probe, &["F"]).unwrap();
    assert_eq!(probe.cost().log_bytes, 200_000_000, "what was written, cut or not");
    let lines = probe.take_log();
    let lengths = lines.iter().map(|(_, line)| line.len());
    // What takes the place of a character has three bytes, and none is cut in two.
    let cut =
        lengths.zip([2000, 2000, 5000 - 2 * (2000 + 64)]).map(|(length, most)| (most - 3..=most).contains(&length));
    assert_eq!(cut.collect::<Vec<_>>(), [true; 3], "{lines:?}");
    assert!(lines.iter().all(|(level, _)| *level == 2));
    assert_eq!(probe.take_log(), []);
    extract(&mut probe, &["F"]).unwrap();
    extract(&mut probe, &["a"]).unwrap();
    assert_eq!(probe.take_log(), [], "of the last call, which wrote nothing");
}

#[test]
fn batch_that_is_none_is_never_sent() {
    let mut events: FieldBatch = batch(&["a", "b"]);
    events.kinds.push(4);
    let mut probe = probe();
    let fault = probe.extract(&events, &mut Extraction::default()).unwrap_err();
    assert_eq!((fault.kind, fault.to_string().contains("malformed")), (FaultKind::Lie, true), "{fault}");
    extract(&mut probe, &["a"]).unwrap();
}

#[test]
fn scorer_is_probed_as_an_extractor_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = scorer_of_module(dir.path(), "scorer.wasm", EVIL_SCORER);
    let mut probe = Runtime::new(tight()).unwrap().open(&path).unwrap().probe().unwrap();
    probe.configure(Role::SimilarityScorer, "").unwrap().unwrap();
    let (mut pairs, mut out) = (PairBatch::default(), Comparisons::default());
    probe.compare(&pairs, &mut out).unwrap();
    assert_eq!(out, Comparisons::default());
    for (column, text) in [(&mut pairs.paths, "/a"), (&mut pairs.originals, "o"), (&mut pairs.duplicates, "4")] {
        column.push(text.as_bytes());
    }
    (pairs.original_kinds, pairs.duplicate_kinds, pairs.ends) = (vec![4], vec![4], vec![1]);
    let fault = probe.compare(&pairs, &mut out).unwrap_err();
    assert_eq!((fault.kind, fault.to_string().contains("NaN")), (FaultKind::Lie, true), "{fault}");
    pairs.ends.push(7);
    let fault = probe.compare(&pairs, &mut out).unwrap_err();
    assert!(fault.to_string().contains("malformed"), "{fault}");
}
