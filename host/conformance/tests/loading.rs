//! Components that cannot be loaded, or break a rule before anything is asked of them. They are made of text here, so
//! no plugin has to be built.
#![expect(clippy::expect_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};

use common::{blocked, failed, run};
use conformance::{Level, Options, SuiteError};
use plugin::{LoadError, Wasi};

fn component(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, wat::parse_str(text).expect("valid text")).expect("a file");
    path
}

/// Why the suite does not begin.
fn refusal(path: &Path) -> LoadError {
    match conformance::run(path, &Options::default(), &mut |_| {}) {
        Err(SuiteError::CannotLoad(error)) => error,
        Err(error) => panic!("not refused as a component: {error}"),
        Ok(report) => panic!("{}", report.to_human(false)),
    }
}

/// A scorer of the payload that says that all is alike, made of a core module. `describe` and `configure` are
/// instructions that run first in those functions; `name` and `version` are what it calls itself.
fn scorer(name: &str, version: &str, describe: &str, configure: &str) -> String {
    let (name_bytes, version_bytes) = (name.len(), version.len());
    format!(
        r#"(module
  (memory (export "memory") 4)
  ;; Arguments are put from 65536 on, and never given back.
  (global $next (mut i32) (i32.const 65536))
  (data (i32.const 16) "{name}{version}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "dedup:plugin/similarity-scorer@1.0.0#describe") (result i32)
    {describe}
    (i32.store (i32.const 256) (i32.const 16))
    (i32.store (i32.const 260) (i32.const {name_bytes}))
    (i32.store (i32.const 264) (i32.add (i32.const 16) (i32.const {name_bytes})))
    (i32.store (i32.const 268) (i32.const {version_bytes}))
    (i32.store (i32.const 272) (i32.const 1))
    (i32.const 256))
  (func (export "dedup:plugin/similarity-scorer@1.0.0#configure") (param i32 i32) (result i32)
    {configure}
    ;; ok(payload)
    (i32.store (i32.const 320) (i32.const 0))
    (i32.store (i32.const 324) (i32.const 0))
    (i32.const 320))
  (func (export "dedup:plugin/similarity-scorer@1.0.0#compare") (param $pairs i32) (result i32)
    (local $count i32) (local $pair i32)
    (local.set $count (i32.load offset=4 (local.get $pairs)))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $pair) (local.get $count)))
        (f64.store (i32.add (i32.const 8192) (i32.shl (local.get $pair) (i32.const 3))) (f64.const 1))
        (local.set $pair (i32.add (local.get $pair) (i32.const 1)))
        (br $each)))
    ;; ok: both scores from 8192 on, verdicts where nothing but 0 stands; there is a row a pair.
    (i32.store (i32.const 400) (i32.const 0))
    (i32.store (i32.const 404) (i32.const 8192))
    (i32.store (i32.const 408) (local.get $count))
    (i32.store (i32.const 412) (i32.const 8192))
    (i32.store (i32.const 416) (local.get $count))
    (i32.store (i32.const 420) (i32.const 32768))
    (i32.store (i32.const 424) (local.get $count))
    (i32.const 400)))"#
    )
}

/// A component of the world `similarity-plugin`, or of another that `worlds` adds to it.
fn component_of(dir: &Path, file: &str, module: &str, worlds: Option<(&str, &str)>) -> PathBuf {
    let mut module = wat::parse_str(module).expect("valid text");
    let mut resolve = wit_parser::Resolve::default();
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
    let (package, _) = resolve.push_path(contract).expect("the contract");
    let world = match worlds {
        None => resolve.select_world(&[package], Some("similarity-plugin")).expect("the world"),
        Some((text, world)) => {
            let package = resolve.push_str("other.wit", text).expect("valid WIT");
            resolve.select_world(&[package], Some(world)).expect("the world")
        }
    };
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).expect("metadata");
    let encoder = wit_component::ComponentEncoder::default();
    let component =
        encoder.validate(true).module(&module).and_then(|mut encoder| encoder.encode()).expect("a component");
    let path = dir.join(file);
    std::fs::write(&path, component).expect("a file");
    path
}

/// The rules of the group `loading` that fail, and those blocked by them.
fn loading(path: &Path, wasi: Wasi) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut options = Options { level: Level::Strict, rules: vec!["loading".to_owned()], wasi, ..Options::default() };
    options.limits.time_to_start = std::time::Duration::from_millis(250);
    let report = run(path, &options);
    (failed(&report), blocked(&report))
}

const REFUSES_ALL: &str = r#"
    ;; error(""), in the same words for every text.
    (i32.store (i32.const 320) (i32.const 1))
    (i32.store (i32.const 324) (i32.const 16))
    (i32.store (i32.const 328) (i32.const 4))
    (if (i32.ne (local.get 1) (i32.const 0)) (then (return (i32.const 320))))"#;

#[test]
fn what_is_no_component_of_the_contract_is_refused_with_its_cure() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    // L1: a core module, and what is no wasm at all.
    let error = refusal(&component(dir, "core.wasm", "(module)"));
    assert!(matches!(error, LoadError::CoreModule { .. }), "{error}");
    std::fs::write(dir.join("text.wasm"), "no wasm").expect("a file");
    assert!(matches!(refusal(&dir.join("text.wasm")), LoadError::NotWasm { .. }));
    // L2: another world, and the right names with other types.
    let other = r#"(component (instance $i) (export "acme:tool/run@2.0.0" (instance $i)))"#;
    assert!(matches!(refusal(&component(dir, "world.wasm", other)), LoadError::WrongWorld { .. }));
    let hollow = r#"(component (instance $i) (export "dedup:plugin/key-extractor@1.0.0" (instance $i)))"#;
    assert!(matches!(refusal(&component(dir, "hollow.wasm", hollow)), LoadError::Mismatch { .. }));
    // L3: imports that there are not, all of them named.
    let imports = r#"(component
        (import "acme:clock/now@1.0.0" (instance (export "now" (func))))
        (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func)))))"#;
    let error = refusal(&component(dir, "imports.wasm", imports));
    assert!(error.to_string().contains("acme:clock/now@1.0.0") && error.to_string().contains("wasi:cli/exit@0.2.0"));
}

#[test]
fn plugin_that_keeps_to_the_rules_of_loading() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = component_of(dir.path(), "good.wasm", &scorer("good", "1.0", "", REFUSES_ALL), None);
    assert_eq!(loading(&path, Wasi::None), (vec![], vec![]));
}

#[test]
fn plugins_that_trap_or_loop_as_they_start_break_l4_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let start = "unreachable) (func $start unreachable) (start $start) (func (result i32)";
    for (name, describe) in [("trap", "unreachable"), ("loop", "(loop $ever (br $ever))"), ("start", start)] {
        let path = component_of(dir.path(), "l4.wasm", &scorer("bad", "1.0", describe, REFUSES_ALL), None);
        let (failed, blocked) = loading(&path, Wasi::None);
        assert_eq!(failed, ["L4"], "{name}");
        assert!(blocked.iter().all(|id| id.starts_with('L')), "{name}: {blocked:?}");
    }
}

#[test]
fn names_that_are_none_break_l10_and_a_scorer_with_a_key_version_l11() {
    let dir = tempfile::tempdir().expect("a directory");
    let long = "x".repeat(65);
    for (name, version) in [("", "1.0"), ("a/b c", "1.0"), ("good", ""), ("good", "1 beta"), (&long, "1.0")] {
        let unnamed = component_of(dir.path(), "l10.wasm", &scorer(name, version, "", REFUSES_ALL), None);
        assert_eq!(loading(&unnamed, Wasi::None), (vec!["L10"], vec!["L11"]), "{name:?} {version:?}");
    }
    let module = scorer("good.name-1_0", "1.0.0-rc.1+build", "", REFUSES_ALL);
    let good = component_of(dir.path(), "good.wasm", &module, None);
    assert_eq!(loading(&good, Wasi::None), (vec![], vec![]));
    let version =
        module.replace("(i32.store (i32.const 272) (i32.const 1))", "(i32.store (i32.const 272) (i32.const 2))");
    let versioned = component_of(dir.path(), "l11.wasm", &version, None);
    assert_eq!(loading(&versioned, Wasi::None), (vec!["L11"], vec![]));
}

#[test]
fn rules_end_with_their_time() {
    let dir = tempfile::tempdir().expect("a directory");
    // Every instance takes its time to say who it is: by far more instances are made than there is time for.
    let slow = "(local $n i32) (loop $more (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $n) (i32.const 30000000))))";
    let path = component_of(dir.path(), "slow.wasm", &scorer("slow", "1.0", slow, slow), None);
    let started = std::time::Instant::now();
    let time_max = Some(std::time::Duration::from_millis(300));
    let report = run(&path, &Options { level: Level::Strict, time_max, ..Options::default() });
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    let text = report.to_human(false);
    assert!(!report.passed() && text.contains("the time for all rules, 0.3 s, is up"), "{text}");
}

#[test]
fn plugin_with_wasi_breaks_l12_alone_where_it_is_let_in() {
    let dir = tempfile::tempdir().expect("a directory");
    let worlds = "package test:other;
        world with-wasi { import wasi:random/insecure-seed@0.2.0; export dedup:plugin/similarity-scorer@1.0.0; }
        package wasi:random@0.2.0 { interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; } }";
    let module = scorer("good", "1.0", "", REFUSES_ALL).replacen(
        "(module",
        r#"(module (import "wasi:random/insecure-seed@0.2.0" "insecure-seed" (func $seed (param i32)))"#,
        1,
    );
    let path = component_of(dir.path(), "l12.wasm", &module, Some((worlds, "with-wasi")));
    assert!(matches!(refusal(&path), LoadError::ImportsRefused { .. }));
    assert_eq!(loading(&path, Wasi::Stub), (vec!["L12"], vec![]));
}
