//! That the suite sees what it says it sees: a plugin with no fault keeps to all rules, and with each of its faults it
//! breaks the one rule that the fault is named after. The plugin has to be built before.
#![expect(clippy::expect_used, reason = "tests")]

mod common;
#[path = "../../../tests/shared/fault_table.rs"]
mod fault_table;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use common::{blocked, failed, for_tests, run, strict};
use conformance::{Concerns, Failure, Golden, Options, Reach, Verdict};
use faulty::{FAULTS, WORDS, rule_of};

/// Rules that no fault of a plugin that can be configured breaks, and why, or where they are tried.
const NOT_BY_A_FAULT: [(&str, &str); 18] = [
    ("L1", "loading.rs: a core module"),
    ("L2", "loading.rs: another world, other types"),
    ("L3", "loading.rs: an import that there is not"),
    ("L4", "loading.rs: traps as it starts"),
    ("L8", "a component without imports has nothing to make the difference of"),
    ("L10", "loading.rs: no name"),
    ("L11", "loading.rs: a scorer with a key version"),
    ("L12", "loading.rs: an import of WASI"),
    ("D4", "only the host's compiler or cache could break it"),
    ("D5", "a component without imports has nothing to make the difference of"),
    ("K1", "the plugin gets the same values whatever the spelling: only the host could break it"),
    ("K6", "the plugin does not get other fields: only the host could break it"),
    ("K8", "forms.rs: no event has a key"),
    ("E1", "forms.rs: what the plugin declares"),
    ("E2", "forms.rs: what the plugin declares"),
    ("E3", "forms.rs: what the plugin declares"),
    ("G1", "golden vectors that are wrong, below"),
    ("G2", "golden vectors that are wrong, below"),
];

/// Rules whose faults show late: they are in what an instance remembers, or in how many keys there can be. With them the
/// rules that ask for long go the whole way; to a plugin with any other fault a call is like the one before.
const SHOW_LATE: [&str; 7] = ["D1", "D2", "D3", "D6", "K13", "R1", "R8"];

/// What is said about each fault, tried on as many threads as there are processors.
fn each<T: Send>(faults: &[&'static str], say: impl Fn(&'static str) -> T + Sync) -> Vec<T> {
    let (next, said) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(fault) = faults.get(at) else { break };
                    let one = say(fault);
                    said.lock().expect("no test panicked").push((at, one));
                }
            });
        }
    });
    let mut said = said.into_inner().expect("no test panicked");
    said.sort_by_key(|(at, _)| *at);
    said.into_iter().map(|(_, one)| one).collect()
}

/// The rules that a fault could break: one of scores leaves keys as they are, and the other way round. What those of the
/// other role say is the same as without any fault.
fn concerned(fault: &str) -> Vec<String> {
    let is_of_scores = FAULTS.iter().any(|(name, one)| *name == fault && one.is_of_scores());
    let other = if is_of_scores { Concerns::Extractor } else { Concerns::Scorer };
    conformance::rules().filter(|rule| rule.concerns != other).map(|rule| rule.id.to_owned()).collect()
}

fn with_fault(cache: &Path, fault: &str) -> Options {
    let config = Some(format!("{{\"fault\":\"{fault}\"}}"));
    let reach = if SHOW_LATE.contains(&rule_of(fault)) { Reach::Whole } else { Reach::Part };
    let rules = concerned(fault);
    Options { extractor_config: config.clone(), scorer_config: config, reach, rules, ..strict(cache) }
}

/// What the rule says that finds the fault; the error is what is wrong about the report.
fn breaks_its_rule_alone(plugin: &Path, cache: &Path, fault: &str) -> Result<Failure, String> {
    let report = run(plugin, &with_fault(cache, fault));
    let rule = rule_of(fault);
    // A rule is blocked by the one that is broken, or by one that is blocked.
    let bad: BTreeSet<&str> = report.bad().map(|outcome| outcome.rule.id).collect();
    let says_why = |id: &&str| match report.outcome(id).map(|outcome| &outcome.verdict) {
        Some(Verdict::Blocked(why)) => {
            bad.iter().any(|bad| bad != id && why.split([' ', ';']).any(|word| word == *bad))
        }
        _ => false,
    };
    let verdict = report.outcome(rule).map(|outcome| outcome.verdict.clone());
    match verdict {
        Some(Verdict::Failed(failure)) if failed(&report) == [rule] && blocked(&report).iter().all(says_why) => {
            meets_in_the_crowd_alone(plugin, cache, fault).map(|()| failure)
        }
        _ => {
            let bad = report.bad().map(|outcome| conformance::outcome_line(outcome, false)).collect::<Vec<_>>();
            Err(format!("failed {:?}, blocked {:?}\n{}", failed(&report), blocked(&report), bad.join("\n")))
        }
    }
}

/// Faults of keys may make events meet of which there have to be many, so that rule K13 goes the whole way.
fn meets_in_the_crowd_alone(plugin: &Path, cache: &Path, fault: &str) -> Result<(), String> {
    let rule = rule_of(fault);
    if !rule.starts_with('K') || rule == "K13" {
        return Ok(());
    }
    let options = Options { rules: vec!["K13".to_owned()], reach: Reach::Whole, ..with_fault(cache, fault) };
    let report = run(plugin, &options);
    if report.passed() { Ok(()) } else { Err(format!("among many\n{}", report.to_human(false))) }
}

/// The title of the table with these faults.
const TITLE: &str = "In any language";

/// `DEDUP_FAULTS=K` tries those alone whose names begin so; `FAULTS_DOCUMENT=write` rewrites the table.
#[test]
fn each_fault_breaks_the_rule_it_is_named_after_and_no_other() {
    let (plugin, cache) = (for_tests("faulty"), tempfile::tempdir().expect("a directory"));
    // Compiled once, and not by each.
    run(&plugin, &Options { rules: vec!["L1".to_owned()], ..strict(cache.path()) });
    let only = std::env::var("DEDUP_FAULTS").unwrap_or_default();
    let faults: Vec<&str> = FAULTS.iter().map(|(name, _)| *name).filter(|name| name.starts_with(&only)).collect();
    let said = each(&faults, |fault| {
        let started = Instant::now();
        let found = breaks_its_rule_alone(&plugin, cache.path(), fault);
        println!("{fault}: {:.1} s{}", started.elapsed().as_secs_f64(), if found.is_err() { ", WRONG" } else { "" });
        found
    });
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (fault, found) in faults.iter().zip(said) {
        match found {
            Ok(failure) => rows.push(fault_table::row(fault, words_of(fault), &failure.input, &failure.got)),
            Err(what) => wrong.push(format!("{fault}: {what}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} faults:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
    fault_table::check(TITLE, &rows, faults.len() == FAULTS.len());
}

fn words_of(fault: &str) -> &'static str {
    FAULTS.iter().zip(WORDS).find(|((name, _), _)| *name == fault).map_or("", |(_, words)| words)
}

#[test]
fn without_a_fault_every_rule_holds() {
    let (plugin, cache) = (for_tests("faulty"), tempfile::tempdir().expect("a directory"));
    for input in ["fields", "payload"] {
        let config = Some(format!("{{\"input\":\"{input}\"}}"));
        let options = Options { extractor_config: config.clone(), scorer_config: config, ..strict(cache.path()) };
        let report = run(&plugin, &options);
        assert!(report.passed(), "{}", report.to_human(false));
    }
}

#[test]
fn golden_vectors_that_are_wrong_break_their_rule_alone() {
    let (plugin, cache) = (for_tests("faulty"), tempfile::tempdir().expect("a directory"));
    let vectors = |key: &str, similarity: f64| {
        let text = format!(
            r#"[{{"name": "key", "event": {{"id": "a", "user": {{"name": 1}}}}, "keys": ["{key}"]}},
                {{"name": "score", "original": {{"a": 1}}, "duplicate": {{"a": 2}}, "similarity": {similarity},
                  "property_similarity": 0, "changed": ["/a"], "same": []}}]"#
        );
        vec![Golden::parse(Path::new("golden.json"), text.as_bytes()).expect("golden vectors")]
    };
    let key = r"a:\\n1:\\a";
    for (golden, rules) in
        [(vectors(key, 0.0), vec![]), (vectors("a:1", 0.0), vec!["G1"]), (vectors(key, 0.5), vec!["G2"])]
    {
        let report = run(&plugin, &Options { golden, reach: Reach::Part, ..strict(cache.path()) });
        assert_eq!((failed(&report), blocked(&report)), (rules, vec![]), "{}", report.to_human(false));
    }
}

#[test]
fn every_rule_is_broken_by_a_fault_or_tried_elsewhere() {
    let faults = FAULTS.iter().map(|(name, _)| rule_of(name)).chain(NOT_BY_A_FAULT.map(|(rule, _)| rule));
    let tried: BTreeSet<&str> = faults.collect();
    let rules: BTreeSet<&str> = conformance::rules().map(|rule| rule.id).collect();
    assert_eq!(tried, rules);
}
