//! Compiled components that are kept: found again, never trusted blindly. No shipped plugin is needed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use common::{batch, evil, keys_by_event, plugin_of_module};
use engine::fields::Extraction;
use plugin::{Candidate, Options, Role, Runtime};

fn runtime(cache: &Path) -> Runtime {
    Runtime::with(Options { cache_dir: Some(cache.to_owned()), ..Options::default() }).unwrap()
}

fn with_fuel(cache: &Path) -> Runtime {
    Runtime::with(Options { cache_dir: Some(cache.to_owned()), fuel: true, ..Options::default() }).unwrap()
}

fn plugin(dir: &Path) -> PathBuf {
    plugin_of_module(dir, "evil.wasm", &evil("", ""))
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// What a component says of itself and of some events: all that may not depend on where its code came from.
fn answers(candidate: &Candidate) -> (String, Vec<Vec<String>>, Option<u64>, String) {
    let mut probe = candidate.probe().unwrap();
    let info = probe.describe(Role::KeyExtractor).unwrap();
    let mut out = Extraction::default();
    probe.extract(&batch(&["a", "b", "", "longer"]), &mut out).unwrap();
    let (keys, fuel) = (keys_by_event(&out), probe.cost().fuel);
    let fault = probe.extract(&batch(&["a", "T"]), &mut out).unwrap_err();
    (format!("{info:?}"), keys, fuel, fault.to_string())
}

#[test]
fn second_time_it_is_not_compiled_and_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (plugin(dir.path()), dir.path().join("a/new/cache"));
    let compiled = runtime(&cache).open(&path).unwrap();
    let cached = runtime(&cache).open(&path).unwrap();
    assert_eq!((compiled.from_cache(), cached.from_cache()), (false, true));
    assert_eq!(answers(&compiled), answers(&cached));
    assert_eq!(compiled.sha256(), cached.sha256());
    assert_eq!(entries(&cache).len(), 1, "{:?}", entries(&cache));
    for (path, mode) in [(&cache, 0o700), (&entries(&cache)[0], 0o600)] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

#[test]
fn other_settings_and_other_components_have_entries_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (plugin(dir.path()), dir.path().join("cache"));
    assert!(!runtime(&cache).open(&path).unwrap().from_cache());
    let counting = with_fuel(&cache).open(&path).unwrap();
    assert!(!counting.from_cache());
    assert_eq!(entries(&cache).len(), 2);
    let cached = with_fuel(&cache).open(&path).unwrap();
    assert!(cached.from_cache() && answers(&cached).2.is_some());
    assert_eq!(answers(&counting), answers(&cached), "fuel as well");
    let other = plugin_of_module(dir.path(), "other.wasm", &evil("(drop (i32.const 1))", ""));
    assert!(!runtime(&cache).open(&other).unwrap().from_cache());
    assert_eq!(entries(&cache).len(), 3);
}

#[test]
fn damaged_entries_are_compiled_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (plugin(dir.path()), dir.path().join("cache"));
    runtime(&cache).open(&path).unwrap();
    let entry = entries(&cache)[0].clone();
    let whole = std::fs::read(&entry).unwrap();
    let mut flipped = whole.clone();
    flipped[5000] ^= 1;
    let damages = [
        vec![],
        whole[..whole.len() / 2].to_vec(),
        [&whole[..], b"more"].concat(),
        flipped,
        // Compiled by wasmtime, and not by us.
        whole[32..].to_vec(),
    ];
    for (number, damaged) in damages.iter().enumerate() {
        std::fs::write(&entry, damaged).unwrap();
        assert!(!runtime(&cache).open(&path).unwrap().from_cache(), "damage {number}");
        assert_eq!(std::fs::read(&entry).unwrap(), whole, "it was written anew after damage {number}");
        assert!(runtime(&cache).open(&path).unwrap().from_cache());
    }
}

#[test]
fn entry_of_another_component_is_not_taken_for_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (plugin(dir.path()), dir.path().join("cache"));
    let other = plugin_of_module(dir.path(), "other.wasm", &evil("(drop (i32.const 1))", ""));
    runtime(&cache).open(&path).unwrap();
    let entry = entries(&cache)[0].clone();
    runtime(&cache).open(&other).unwrap();
    let foreign = entries(&cache).into_iter().find(|path| *path != entry).unwrap();
    std::fs::copy(foreign, &entry).unwrap();
    assert!(!runtime(&cache).open(&path).unwrap().from_cache());
}

#[test]
fn directory_that_others_can_write_to_is_refused_and_plugins_load_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin(dir.path());
    for mode in [0o770, 0o702, 0o777, 0o1777] {
        let cache = dir.path().join(format!("{mode:o}"));
        std::fs::create_dir(&cache).unwrap();
        std::fs::set_permissions(&cache, PermissionsExt::from_mode(mode)).unwrap();
        let runtime = runtime(&cache);
        let problem = runtime.cache_problem().unwrap();
        assert!(problem.contains(&format!("mode {mode:o}")) && problem.contains("chmod 700"), "{problem}");
        assert!(!runtime.open(&path).unwrap().from_cache());
        assert_eq!(entries(&cache), Vec::<PathBuf>::new());
    }
}

#[test]
fn directory_that_is_opened_to_others_later_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (plugin(dir.path()), dir.path().join("cache"));
    let runtime = runtime(&cache);
    runtime.open(&path).unwrap();
    std::fs::set_permissions(&cache, PermissionsExt::from_mode(0o777)).unwrap();
    assert!(!runtime.open(&path).unwrap().from_cache());
    std::fs::set_permissions(&cache, PermissionsExt::from_mode(0o700)).unwrap();
    assert!(runtime.open(&path).unwrap().from_cache());
}

#[test]
fn entries_that_others_can_write_and_links_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (plugin(dir.path()), dir.path().join("cache"));
    let runtime = runtime(&cache);
    runtime.open(&path).unwrap();
    let entry = entries(&cache)[0].clone();
    std::fs::set_permissions(&entry, PermissionsExt::from_mode(0o620)).unwrap();
    assert!(!runtime.open(&path).unwrap().from_cache());
    let elsewhere = dir.path().join("elsewhere");
    std::fs::rename(&entry, &elsewhere).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    assert!(!runtime.open(&path).unwrap().from_cache());
    assert!(entry.symlink_metadata().unwrap().is_file(), "the link gave way to an entry");
}

#[test]
fn directory_of_another_user_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::set_permissions(&cache, PermissionsExt::from_mode(0o700)).unwrap();
    // Only root can give a directory away; others cannot write to one of somebody else, which the next test has.
    if chown(&cache, Some(1), None).is_err() {
        eprintln!("not run: it takes root to give a directory away");
        return;
    }
    let problem = runtime(&cache).cache_problem().unwrap().to_owned();
    assert!(problem.contains("belongs to user 1"), "{problem}");
    assert_eq!(entries(&cache), Vec::<PathBuf>::new());
}

#[test]
fn place_that_is_no_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin(dir.path());
    let runtime = runtime(&path.join("below-a-file"));
    let problem = runtime.cache_problem().unwrap();
    assert!(problem.contains("cannot make the plugin cache"), "{problem}");
    assert!(!runtime.open(&path).unwrap().from_cache());
}

#[test]
fn compiled_file_that_a_user_gives_is_no_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let (path, cache) = (plugin(dir.path()), dir.path().join("cache"));
    runtime(&cache).open(&path).unwrap();
    let entry = std::fs::read(&entries(&cache)[0]).unwrap();
    for (name, contents) in [("entry.wasm", &entry[..]), ("compiled.wasm", &entry[32..])] {
        let given = dir.path().join(name);
        std::fs::write(&given, contents).unwrap();
        let error = runtime(&cache).open(&given).unwrap_err();
        assert!(error.to_string().contains("is not a wasm file"), "{error}");
    }
}
