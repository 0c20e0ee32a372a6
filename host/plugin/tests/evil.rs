//! What plugins do wrong in a call, and that it costs only the events that made them do it. No shipped plugin is needed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use common::{Random, batch, evil, keys_by_event, plugin_of_module};
use engine::fields::{Extraction, KeyStatus};
use plugin::{Calls, Extractor, Limits, PluginFailure, Runtime};

/// Limits under which misbehaviour is quick to show.
fn tight() -> Limits {
    Limits {
        time_per_batch: Duration::from_millis(250),
        memory_bytes_max: 8 << 20,
        result_bytes_max: 128 << 10,
        ..Limits::default()
    }
}

fn extractor(limits: Limits) -> Extractor {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_of_module(dir.path(), "evil.wasm", &evil("", ""));
    Runtime::new(limits).unwrap().load(&path, None).unwrap().extractor().unwrap()
}

/// Events `e0`, `e1`, ... of which some are replaced.
fn events(count: usize, replaced: &[(usize, &str)]) -> Vec<String> {
    let mut events: Vec<String> = (0..count).map(|number| format!("e{number}")).collect();
    replaced.iter().for_each(|(at, event)| (*event).clone_into(&mut events[*at]));
    events
}

/// Extracts, and checks that exactly the events `poison` failed, each because of `reason`, and all others have their key.
fn check(extractor: &mut Extractor, events: &[String], poison: &[u32], reason: &str) -> Calls {
    let texts: Vec<&str> = events.iter().map(String::as_str).collect();
    let mut out = Extraction::default();
    let calls = extractor.extract(&batch(&texts), &mut out).unwrap();
    assert_eq!(calls.failed.iter().map(|(event, _)| *event).collect::<Vec<_>>(), poison);
    for (_, cause) in &calls.failed {
        assert!(cause.contains(reason), "expected \"{reason}\" in \"{cause}\"");
    }
    assert_eq!(out.notes, calls.failed);
    for (number, keys) in keys_by_event(&out).iter().enumerate() {
        let failed = poison.contains(&u32::try_from(number).unwrap());
        let expected = if failed { vec![] } else { vec![events[number].clone()] };
        assert_eq!(*keys, expected, "keys of event {number}");
        assert_eq!(out.status[number], if failed { KeyStatus::Invalid } else { KeyStatus::Keyed });
    }
    calls
}

#[test]
fn honest_batch_takes_one_call() {
    let calls = check(&mut extractor(tight()), &events(1000, &[]), &[], "");
    assert_eq!((calls.calls, calls.traps), (1, 0));
}

#[test]
fn empty_batch_takes_no_call() {
    let calls = check(&mut extractor(tight()), &[], &[], "");
    assert_eq!(calls, Calls::default());
}

#[test]
fn trap_costs_only_its_own_event() {
    let mut extractor = extractor(tight());
    let calls = check(&mut extractor, &events(1000, &[(517, "T")]), &[517], "unreachable");
    assert_eq!((calls.calls, calls.traps), (1 + 32 + 32, 3), "cut twice: 1000, 32, 1");
    check(&mut extractor, &events(10, &[]), &[], "");
}

#[test]
fn after_a_trap_the_next_one_costs_less() {
    let mut extractor = extractor(tight());
    check(&mut extractor, &events(1000, &[(517, "T")]), &[517], "unreachable");
    let calls = check(&mut extractor, &events(1000, &[(3, "T")]), &[3], "unreachable");
    assert_eq!((calls.calls, calls.traps), (32 + 32, 2), "cut before it fails: 32, 1");
}

#[test]
fn after_ten_good_batches_all_is_as_before() {
    let mut extractor = extractor(tight());
    for poison in ["T", "L"] {
        check(&mut extractor, &events(1000, &[(517, poison)]), &[517], "");
        for _ in 0..10 {
            check(&mut extractor, &events(1000, &[]), &[], "");
        }
        let calls = check(&mut extractor, &events(1000, &[]), &[], "");
        assert_eq!((calls.calls, calls.traps), (1, 0));
    }
}

#[test]
fn traps_at_both_ends_and_side_by_side() {
    let poison = [(0, "T"), (1, "T"), (500, "T"), (501, "W"), (999, "T")];
    check(&mut extractor(tight()), &events(1000, &poison), &[0, 1, 500, 501, 999], "unreachable");
}

#[test]
fn every_event_traps() {
    let all: Vec<u32> = (0..1000).collect();
    check(&mut extractor(tight()), &vec!["T".to_owned(); 1000], &all, "unreachable");
}

#[test]
fn endless_loop_is_stopped() {
    let started = Instant::now();
    let mut extractor = extractor(tight());
    let calls = check(&mut extractor, &events(1000, &[(77, "L")]), &[77], "longer than 250 ms");
    assert_eq!(calls.traps, 2, "cut once: 1000, 1");
    let calls = check(&mut extractor, &events(1000, &[(78, "L"), (9, "T")]), &[9, 78], "");
    assert_eq!(calls.traps, 2, "not one call more fails than there are events to fail on");
    assert!(started.elapsed() < Duration::from_secs(10), "took {:?}", started.elapsed());
}

#[test]
fn more_bytes_have_more_time() {
    let limits = Limits { time_per_byte: Duration::from_millis(1), ..tight() };
    check(&mut extractor(limits), &events(2, &[(1, "Labcdefghi")]), &[1], "longer than 260 ms");
}

#[test]
fn endless_loops_everywhere_give_the_batch_up() {
    let limits = Limits { isolation_time_max: Duration::from_millis(500), ..tight() };
    let mut extractor = extractor(limits);
    let mut out = Extraction::default();
    for _ in 0..2 {
        let failure = extractor.extract(&batch(&["L"; 300]), &mut out).unwrap_err();
        assert!(matches!(failure, PluginFailure::TooSlow { failed: 2..=3, .. }), "{failure}");
        assert!(failure.to_string().contains("longer than 250 ms"), "{failure}");
        assert_eq!(out, Extraction::default());
    }
    check(&mut extractor, &events(10, &[]), &[], "");
}

#[test]
fn memory_is_bounded() {
    check(&mut extractor(tight()), &events(100, &[(9, "M")]), &[9], "memory would grow to 8650752 bytes");
}

#[test]
fn tables_are_bounded() {
    check(&mut extractor(tight()), &events(100, &[(9, "B")]), &[9], "table would grow to 100001 elements");
}

#[test]
fn an_instance_that_loses_memory_is_replaced_before_it_fails() {
    let mut extractor = extractor(tight());
    for _ in 0..100 {
        let calls = check(&mut extractor, &events(10, &[(3, "K")]), &[], "");
        assert_eq!((calls.calls, calls.traps), (1, 0), "no call meets the limit of 8 MiB");
    }
}

#[test]
fn stack_is_bounded() {
    check(&mut extractor(tight()), &events(100, &[(9, "S")]), &[9], "call stack exhausted");
}

#[test]
fn last_words_are_kept() {
    check(&mut extractor(tight()), &events(100, &[(9, "W")]), &[9], "last words: no thanks");
}

#[test]
fn flood_of_log_is_cut_and_costs_nothing_else() {
    let limits = Limits { time_per_batch: Duration::from_secs(20), ..tight() };
    check(&mut extractor(limits), &events(10, &[(3, "F"), (4, "Q")]), &[], "");
}

#[test]
fn failure_of_the_whole_batch_is_pinned_on_its_event() {
    check(&mut extractor(tight()), &events(100, &[(9, "E")]), &[9], "the plugin says: no thanks");
}

#[test]
fn lies_are_found_and_pinned_on_their_event() {
    let lies = [
        ("0", "statuses for 1 events"),
        ("1", "status 7"),
        ("2", "keys end at 65535"),
        ("3", "keys end at"),
        ("4", "owners for 1 keys"),
        ("5", "the owner of the next key is event 2139062143"),
        ("6", "a note for event 1 of 1"),
        ("7", "out of bounds"),
        ("8", "more than 131072 bytes"),
        ("9", "keys end at 0"),
        ("nx", "not keyed, and its key is not empty"),
    ];
    let mut extractor = extractor(tight());
    for (lie, reason) in lies {
        for at in [0, 40, 99] {
            let number = u32::try_from(at).unwrap();
            check(&mut extractor, &events(100, &[(at, lie)]), &[number], reason);
        }
    }
}

#[test]
fn keys_without_end_cost_only_their_own_event() {
    let mut extractor = extractor(tight());
    for at in [0, 40, 99] {
        let number = u32::try_from(at).unwrap();
        check(
            &mut extractor,
            &events(100, &[(at, "Y")]),
            &[number],
            "it gave 300 keys for one event, and the limit is 256",
        );
        check(&mut extractor, &events(100, &[(at, "V")]), &[number], "70000 bytes of keys for one event");
    }
}

#[test]
fn a_long_event_may_have_long_keys() {
    let limits = Limits { result_bytes_max: 1 << 20, ..tight() };
    let long = format!("e{}", "x".repeat(100_000));
    check(&mut extractor(limits), &events(3, &[(1, &long)]), &[], "");
}

#[test]
fn notes_are_words_and_nothing_that_a_terminal_obeys() {
    let (mut extractor, mut out) = (extractor(tight()), Extraction::default());
    extractor.extract(&batch(&["a", "N", "b"]), &mut out).unwrap();
    assert_eq!(out.status, [KeyStatus::Keyed, KeyStatus::Invalid, KeyStatus::Keyed]);
    assert_eq!(out.notes, [(1, "\u{fffd}[31mred next\u{fffd}".to_owned())]);
}

#[test]
fn poison_of_every_kind_anywhere_costs_only_itself() {
    let words = ["T", "W", "S", "M", "B", "E", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "nx", "Y", "V"];
    let (mut extractor, mut traps) = (extractor(tight()), 0);
    for seed in 0..150 {
        let mut random = Random(seed);
        let count = 1 + random.below(1500);
        let poison: Vec<(usize, &str)> =
            random.some_of(count).into_iter().map(|at| (at, words[random.below(words.len())])).collect();
        let expected: Vec<u32> = poison.iter().map(|(at, _)| u32::try_from(*at).unwrap()).collect();
        println!("seed {seed}: {} of {count}", poison.len());
        traps += check(&mut extractor, &events(count, &poison), &expected, "").traps;
    }
    assert!(traps > 1000, "{traps}");
}
