//! What scorers do wrong in a call, and that it costs only the pairs that made them do it. No shipped plugin is needed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{
    EVIL_SCORER, Random, batch, evil, keys_by_event, plugin_of_both_roles, plugin_of_module, scorer_of_module,
};
use engine::fields::{Extraction, Kind};
use engine::properties::{Comparisons, PairBatch, Score, Verdict};
use plugin::{Calls, Input, Limits, LoadError, PluginFailure, Roles, Runtime, Scorer};

/// Limits under which misbehaviour is quick to show.
fn tight() -> Limits {
    Limits {
        time_per_batch: Duration::from_millis(250),
        memory_bytes_max: 8 << 20,
        result_bytes_max: 128 << 10,
        ..Limits::default()
    }
}

fn evil_scorer(dir: &tempfile::TempDir) -> PathBuf {
    scorer_of_module(dir.path(), "evil.wasm", EVIL_SCORER)
}

fn scorer(limits: Limits) -> Scorer {
    let dir = tempfile::tempdir().unwrap();
    Runtime::new(limits).unwrap().load(&evil_scorer(&dir), None).unwrap().scorer().unwrap()
}

/// Pairs of no, one, two or three rows, and lists of many lengths; those in `poison` have a row that starts with its text.
fn pairs(count: usize, poison: &[(usize, &str)]) -> PairBatch {
    let mut pairs = PairBatch::default();
    for pair in 0..count {
        let word = poison.iter().find(|(at, _)| *at == pair).map(|(_, word)| *word);
        let rows = if word.is_some() { 1 + pair % 3 } else { pair % 4 };
        for row in 0..rows {
            let absent = (pair + row) % 5 == 0;
            pairs.paths.push(format!("/{}", "p".repeat((pair + row) % 60)).as_bytes());
            pairs.originals.push("o".repeat((pair * 7 + row) % 64).as_bytes());
            pairs.original_kinds.push(Kind::Number as u8);
            pairs.duplicates.push(word.unwrap_or(if absent { "" } else { "d" }).as_bytes());
            pairs.duplicate_kinds.push(Kind::Number as u8 + (pair + row) as u8 % 3);
        }
        pairs.ends.push(u32::try_from(pairs.paths.len()).unwrap());
    }
    pairs
}

/// What the plugin says of a pair that it has nothing against.
fn honest(pairs: &PairBatch, pair: usize) -> (Score, Vec<Verdict>) {
    let rows = pairs.rows(pair);
    let length = |text: Option<&[u8]>| text.map_or(1.0, |text| text.len() as f64 / 64.0);
    let first = |column: &engine::fields::Column| length((!rows.is_empty()).then(|| column.get(rows.start).unwrap()));
    let verdicts = [Verdict::Same, Verdict::Changed, Verdict::Ignored];
    let verdict = |row| verdicts[usize::from(pairs.duplicate_kinds[row] - pairs.original_kinds[row])];
    let score = Score { similarity: first(&pairs.originals), property_similarity: first(&pairs.paths) };
    (score, rows.map(verdict).collect())
}

/// Compares, and checks that exactly the pairs `poison` failed, each because of `reason`, and all others are as ever.
fn check(scorer: &mut Scorer, pairs: &PairBatch, poison: &[usize], reason: &str) -> Calls {
    let mut out = Comparisons::default();
    let calls = scorer.compare(pairs, &mut out).unwrap();
    assert_eq!(calls.failed.iter().map(|(pair, _)| *pair as usize).collect::<Vec<_>>(), poison);
    for (_, cause) in &calls.failed {
        assert!(cause.contains(reason), "expected \"{reason}\" in \"{cause}\"");
    }
    assert_eq!((out.scores.len(), out.verdicts.len()), (pairs.pairs(), pairs.paths.len()));
    for pair in 0..pairs.pairs() {
        let (score, verdicts) = honest(pairs, pair);
        let failed = poison.contains(&pair);
        assert_eq!(out.scores[pair], (!failed).then_some(score), "score of pair {pair}");
        let expected = if failed { vec![Verdict::Ignored; verdicts.len()] } else { verdicts };
        assert_eq!(out.verdicts[pairs.rows(pair)], expected, "verdicts of pair {pair}");
    }
    calls
}

#[test]
fn honest_batch_takes_one_call() {
    let calls = check(&mut scorer(tight()), &pairs(1000, &[]), &[], "");
    assert_eq!((calls.calls, calls.traps), (1, 0));
}

#[test]
fn empty_batch_takes_no_call() {
    assert_eq!(check(&mut scorer(tight()), &pairs(0, &[]), &[], ""), Calls::default());
}

#[test]
fn pairs_without_rows() {
    let calls = check(&mut scorer(tight()), &pairs(1, &[]), &[], "");
    assert_eq!((calls.calls, calls.traps), (1, 0));
}

#[test]
fn trap_costs_only_its_own_pair() {
    let mut scorer = scorer(tight());
    let calls = check(&mut scorer, &pairs(1000, &[(517, "T")]), &[517], "unreachable");
    assert_eq!((calls.calls, calls.traps), (1 + 32 + 32, 3), "cut twice: 1000, 32, 1");
    check(&mut scorer, &pairs(10, &[]), &[], "");
}

#[test]
fn traps_at_both_ends_and_side_by_side() {
    let poison = [(0, "T"), (1, "T"), (500, "T"), (501, "W"), (999, "T")];
    check(&mut scorer(tight()), &pairs(1000, &poison), &[0, 1, 500, 501, 999], "unreachable");
}

#[test]
fn every_pair_traps() {
    let poison: Vec<(usize, &str)> = (0..300).map(|pair| (pair, "T")).collect();
    check(&mut scorer(tight()), &pairs(300, &poison), &(0..300).collect::<Vec<_>>(), "unreachable");
}

#[test]
fn endless_loop_is_stopped() {
    let started = Instant::now();
    let limits = Limits { time_per_byte: Duration::ZERO, ..tight() };
    let calls = check(&mut scorer(limits), &pairs(1000, &[(77, "L")]), &[77], "longer than 250 ms");
    assert_eq!(calls.traps, 2, "cut once: 1000, 1");
    assert!(started.elapsed() < Duration::from_secs(10), "took {:?}", started.elapsed());
}

#[test]
fn more_bytes_have_more_time() {
    let limits = Limits { time_per_byte: Duration::from_millis(1), ..tight() };
    let mut pairs = PairBatch::default();
    for (column, text) in
        [(&mut pairs.paths, "/abc"), (&mut pairs.originals, "defghi"), (&mut pairs.duplicates, "L123456789")]
    {
        column.push(text.as_bytes());
    }
    (pairs.original_kinds, pairs.duplicate_kinds, pairs.ends) = (vec![4], vec![4], vec![1]);
    check(&mut scorer(limits), &pairs, &[0], "longer than 270 ms");
}

#[test]
fn endless_loops_everywhere_give_the_batch_up() {
    let limits = Limits { isolation_time_max: Duration::from_millis(500), ..tight() };
    let mut scorer = scorer(limits);
    let poison: Vec<(usize, &str)> = (0..300).map(|pair| (pair, "L")).collect();
    let mut out = Comparisons::default();
    let failure = scorer.compare(&pairs(300, &poison), &mut out).unwrap_err();
    assert!(matches!(failure, PluginFailure::TooSlow { .. }), "{failure}");
    assert_eq!(out, Comparisons::default());
    check(&mut scorer, &pairs(10, &[]), &[], "");
}

#[test]
fn limits_are_those_of_an_extractor() {
    let mut scorer = scorer(tight());
    for (word, reason) in [
        ("M", "memory would grow to"),
        ("S", "call stack exhausted"),
        ("W", "last words: no thanks"),
        ("E", "the plugin says: no thanks"),
    ] {
        check(&mut scorer, &pairs(100, &[(9, word)]), &[9], reason);
    }
}

#[test]
fn lies_are_found_and_pinned_on_their_pair() {
    let lies = [
        ("0", "similarities for 1 pairs"),
        ("1", "0 property similarities for 1 pairs"),
        ("2", "verdicts for"),
        ("3", "the verdict 7"),
        ("4", "NaN is among its similarities"),
        ("5", "-0.5 is among its property similarities"),
        ("6", "1.0000001 is among its similarities"),
        ("7", "inf is among its property similarities"),
        ("8", "more than 131072 bytes"),
        ("9", "out of bounds"),
    ];
    let mut scorer = scorer(tight());
    for (lie, reason) in lies {
        for at in [0, 40, 99] {
            check(&mut scorer, &pairs(100, &[(at, lie)]), &[at], reason);
        }
    }
}

#[test]
fn poison_of_every_kind_anywhere_costs_only_itself() {
    let words = ["T", "W", "S", "M", "E", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let (mut scorer, mut traps) = (scorer(tight()), 0);
    for seed in 0..150 {
        let mut random = Random(seed);
        let count = 1 + random.below(700);
        let poison: Vec<(usize, &str)> =
            random.some_of(count).into_iter().map(|at| (at, words[random.below(words.len())])).collect();
        let expected: Vec<usize> = poison.iter().map(|(at, _)| *at).collect();
        println!("seed {seed}: {} of {count}", poison.len());
        traps += check(&mut scorer, &pairs(count, &poison), &expected, "").traps;
    }
    assert!(traps > 1000, "{traps}");
}

#[test]
fn zero_has_no_sign() {
    let mut out = Comparisons::default();
    let calls = scorer(tight()).compare(&pairs(2, &[(1, "Z")]), &mut out).unwrap();
    let similarity = out.scores[1].unwrap().similarity;
    assert_eq!((calls.traps, similarity.to_bits()), (0, 0));
}

#[test]
fn batch_whose_counts_do_not_agree_is_never_sent() {
    let mut scorer = scorer(tight());
    let spoil: [fn(&mut PairBatch); 6] = [
        |pairs| pairs.ends.swap(3, 6),
        |pairs| pairs.ends.truncate(8),
        |pairs| pairs.paths.push(b"/more"),
        |pairs| pairs.original_kinds.truncate(2),
        |pairs| pairs.duplicates.ends.truncate(2),
        |pairs| pairs.originals.data.clear(),
    ];
    for spoil in spoil {
        let (mut spoiled, mut out) = (pairs(10, &[]), Comparisons::default());
        spoil(&mut spoiled);
        let failure = scorer.compare(&spoiled, &mut out).unwrap_err();
        assert!(matches!(failure, PluginFailure::Malformed { .. }), "{failure}");
        assert_eq!(out, Comparisons::default());
    }
    check(&mut scorer, &pairs(10, &[]), &[], "");
}

#[test]
fn each_role_is_given_only_by_plugins_that_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(Limits::default()).unwrap();
    let scores = runtime.load(&evil_scorer(&dir), None).unwrap();
    assert_eq!(scores.roles(), Roles { extracts_keys: false, scores: true });
    assert_eq!(scores.scorer_input(), Some(&Input::Fields(vec!["/x".to_owned()])));
    let error = scores.extractor().unwrap_err();
    assert!(matches!(error, LoadError::NoRole { role: "key-extractor", .. }), "{error}");
    let extracts = plugin_of_module(dir.path(), "extracts.wasm", &evil("", ""));
    let error = runtime.load(&extracts, None).unwrap().scorer().unwrap_err();
    assert!(matches!(error, LoadError::NoRole { role: "similarity-scorer", .. }), "{error}");
}

#[test]
fn a_plugin_of_both_roles_has_an_instance_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let plugin = Runtime::new(tight()).unwrap().load(&plugin_of_both_roles(dir.path(), "both.wasm"), None).unwrap();
    assert_eq!(plugin.roles(), Roles { extracts_keys: true, scores: true });
    let (mut extractor, mut scorer) = (plugin.extractor().unwrap(), plugin.scorer().unwrap());
    let mut out = Extraction::default();
    check(&mut scorer, &pairs(20, &[(3, "T")]), &[3], "unreachable");
    assert_eq!(extractor.extract(&batch(&["a", "b"]), &mut out).unwrap().traps, 0);
    assert_eq!(keys_by_event(&out), [vec!["a".to_owned()], vec!["b".to_owned()]]);
    assert_eq!(extractor.extract(&batch(&["a", "T"]), &mut out).unwrap().failed.len(), 1);
    check(&mut scorer, &pairs(20, &[]), &[], "");
}
