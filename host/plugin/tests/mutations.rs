//! Components that were damaged at random: whatever their bytes, they are refused in words or run in the sandbox, and
//! nothing panics. The same seed makes the same damage; `DEDUP_MUTATIONS=100000` makes more of it. No shipped plugin is
//! needed.

mod common;

use std::time::Duration;

use common::{EVIL_SCORER, Random, batch, component, evil, plugin_of_both_roles, plugin_of_module, scorer_of_module};
use engine::fields::Extraction;
use engine::properties::{Comparisons, PairBatch};
use plugin::{Limits, LoadError, NoResult, Role, Roles, Runtime, Texts};

fn mutations() -> u64 {
    std::env::var("DEDUP_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(3_000)
}

/// Limits under which a component that loops is soon done.
fn limits() -> Limits {
    let quick = Duration::from_millis(100);
    Limits {
        time_per_batch: quick,
        time_to_start: quick,
        isolation_time_max: quick,
        memory_bytes_max: 16 << 20,
        ..Limits::default()
    }
}

/// What ends the use of a component, if anything does.
fn used(runtime: &Runtime, path: &std::path::Path) -> Result<(), LoadError> {
    let plugin = runtime.open(path)?.configured(Texts::default())?;
    let Roles { extracts_keys, scores } = plugin.roles();
    if extracts_keys {
        drop(plugin.extractor()?.extract(&batch(&["a", "bb", ""]), &mut Extraction::default()));
    }
    if scores {
        let mut pairs = PairBatch::default();
        for (column, text) in [(&mut pairs.paths, "/a"), (&mut pairs.originals, "o"), (&mut pairs.duplicates, "d")] {
            column.push(text.as_bytes());
        }
        (pairs.original_kinds, pairs.duplicate_kinds, pairs.ends) = (vec![4], vec![4], vec![1]);
        drop(plugin.scorer()?.compare(&pairs, &mut Comparisons::default()));
    }
    let mut probe = plugin
        .candidate()
        .probe()
        .map_err(|cause| LoadError::Start { name: plugin.name().to_owned(), cause: cause.to_string() })?;
    drop(probe.describe(Role::KeyExtractor));
    Ok(())
}

#[test]
fn damaged_components_are_refused_in_words_or_run() {
    let dir = tempfile::tempdir().unwrap();
    let wholes = [
        plugin_of_module(dir.path(), "key.wasm", &evil("", "")),
        scorer_of_module(dir.path(), "scorer.wasm", EVIL_SCORER),
        plugin_of_both_roles(dir.path(), "both.wasm"),
        component(dir.path(), "nested.wasm", "(component (component $a (component $b (core module)) (instance (instantiate $b))) (instance (instantiate $a)))"),
    ]
    .map(|path| std::fs::read(path).unwrap());
    let (runtime, path) = (Runtime::new(limits()).unwrap(), dir.path().join("damaged.wasm"));
    let (mut refused, mut ran) = (0, 0);
    for seed in 0..mutations() {
        let mut random = Random(seed);
        let whole = &wholes[random.below(wholes.len())];
        std::fs::write(&path, random.damaged(whole)).unwrap();
        match used(&runtime, &path) {
            Ok(()) => ran += 1,
            Err(LoadError::NotCompiled { cause: NoResult::Died(words), .. }) => panic!("seed {seed}: {words}"),
            Err(error) => {
                let words = error.to_string();
                assert!(words.len() < 20_000 && !words.contains(char::is_control), "seed {seed}: {words}");
                refused += 1;
            }
        }
    }
    println!("{refused} refused, {ran} ran");
    assert!(
        refused > mutations() / 4 && ran > mutations() / 200,
        "{refused} refused, {ran} ran: the damage is of one kind"
    );
}
