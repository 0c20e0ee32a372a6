//! What is not accepted as a plugin, and in which words. No shipped plugin is needed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{component, evil, plugin_of_module};
use plugin::{FaultKind, Input, Limits, LoadError, Roles, Runtime};

/// Loads `path` and checks that it is refused in words that have all of `words` in them.
fn refused(path: &Path, config: Option<&str>, words: &[&str]) -> LoadError {
    let limits = Limits { time_to_start: Duration::from_millis(250), ..Limits::default() };
    let error = Runtime::new(limits).unwrap().load(path, config).unwrap_err();
    for word in words {
        assert!(error.to_string().contains(word), "expected \"{word}\" in \"{error}\"");
    }
    error
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    std::fs::write(dir.join(name), bytes).unwrap();
    dir.join(name)
}

#[test]
fn plugin_that_keeps_to_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_of_module(dir.path(), "evil.wasm", &evil("", ""));
    let plugin = Runtime::new(Limits::default()).unwrap().load(&path, Some("any")).unwrap();
    assert_eq!((plugin.name(), plugin.version(), plugin.key_version()), ("evil", "1.0", 3));
    assert_eq!(plugin.roles(), Roles { extracts_keys: true, scores: false });
    assert_eq!((plugin.input(), plugin.scorer_input()), (&Input::Fields(vec!["/x".to_owned()]), None));
    assert_eq!((plugin.extractor_config(), plugin.sha256().len()), ("any", 64));
}

#[test]
fn files_that_are_no_component() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let error = refused(&dir.join("absent.wasm"), None, &["cannot read plugin", "absent.wasm", "No such file"]);
    assert!(matches!(error, LoadError::Unreadable { .. }));
    let error = refused(&file(dir, "text.wasm", b"hello, world"), None, &["text.wasm is no wasm file"]);
    assert!(matches!(error, LoadError::NotWasm { .. }));
    assert!(matches!(refused(&file(dir, "empty.wasm", b""), None, &[]), LoadError::NotWasm { .. }));
    let error = refused(
        &component(dir, "core.wasm", "(module)"),
        None,
        &["core module", "run `dedup-host plugin componentize "],
    );
    assert!(matches!(error, LoadError::CoreModule { .. }));
}

#[test]
fn broken_component() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(plugin_of_module(dir.path(), "evil.wasm", &evil("", ""))).unwrap();
    let half = file(dir.path(), "half.wasm", &whole[..whole.len() / 2]);
    assert!(matches!(refused(&half, None, &["no valid component"]), LoadError::Invalid { .. }));
}

#[test]
fn component_that_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_of_module(dir.path(), "evil.wasm", &evil("", ""));
    let limits = Limits { plugin_bytes_max: 100, ..Limits::default() };
    let error = Runtime::new(limits).unwrap().load(&path, None).unwrap_err();
    assert!(matches!(error, LoadError::TooLarge { max: 100, .. }), "{error}");
}

#[test]
fn every_import_that_is_refused_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"(component
        (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func))))
        (import "dedup:plugin/log@1.0.0" (instance (export "write" (func (param "level" u8) (param "message" string)))))
        (import "wasi:cli/exit@0.2.0" (instance (export "exit" (func)))))"#;
    let words = ["wasi:clocks/wall-clock@0.2.0, wasi:cli/exit@0.2.0;", "wasm32-wasip2"];
    let error = refused(&component(dir.path(), "wasi.wasm", text), None, &words);
    assert!(matches!(&error, LoadError::ImportsRefused { imports, .. } if imports.len() == 2), "{error}");
}

#[test]
fn wrong_world() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"(component (instance $i) (export "acme:tool/run@2.0.0" (instance $i)))"#;
    let words = ["exports neither dedup:plugin/key-extractor@1.0.0", "it exports acme:tool/run@2.0.0"];
    let error = refused(&component(dir.path(), "world.wasm", text), None, &words);
    assert!(matches!(error, LoadError::WrongWorld { .. }));
    refused(&component(dir.path(), "nothing.wasm", "(component)"), None, &["it exports nothing"]);
}

#[test]
fn right_names_with_wrong_types() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"(component (instance $i) (export "dedup:plugin/key-extractor@1.0.0" (instance $i)))"#;
    let error = refused(&component(dir.path(), "hollow.wasm", text), None, &["wit/plugin.wit", "describe"]);
    assert!(matches!(error, LoadError::Mismatch { .. }));
    let text = r#"(component
        (import "dedup:plugin/log@1.0.0" (instance (export "write" (func (param "level" string)))))
        (instance $i) (export "dedup:plugin/key-extractor@1.0.0" (instance $i)))"#;
    let error = refused(&component(dir.path(), "log.wasm", text), None, &["dedup:plugin/log@1.0.0"]);
    assert!(matches!(error, LoadError::Mismatch { .. }));
}

#[test]
fn plugins_that_fail_while_they_are_started() {
    let dir = tempfile::tempdir().unwrap();
    let make =
        |name: &str, describe: &str, configure: &str| plugin_of_module(dir.path(), name, &evil(describe, configure));
    let error = refused(&make("a.wasm", "unreachable", ""), None, &["a.wasm failed to describe", "unreachable"]);
    assert!(matches!(error, LoadError::Trapped { step: "describe", .. }));
    refused(&make("b.wasm", "(loop $ever (br $ever))", ""), None, &["failed to describe: it took longer than 250 ms"]);
    let error = refused(&make("c.wasm", "", "unreachable"), None, &["failed to configure"]);
    assert!(matches!(error, LoadError::Trapped { step: "configure", .. }));
    refused(&make("d.wasm", &starting_with("unreachable"), ""), None, &["failed to instantiate", "unreachable"]);
}

/// What makes a start function of these instructions, put where `describe` begins.
fn starting_with(instructions: &str) -> String {
    format!("unreachable) (func $start {instructions}) (start $start) (func (result i32)")
}

#[test]
fn endless_loops_while_it_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let endless = "(loop $ever (br $ever))";
    for (step, describe, configure) in [
        ("instantiate", starting_with(endless), ""),
        ("describe", endless.to_owned(), ""),
        ("configure", String::new(), endless),
    ] {
        let path = plugin_of_module(dir.path(), "endless.wasm", &evil(&describe, configure));
        let words = format!("endless.wasm failed to {step}: it took longer than 250 ms");
        let error = refused(&path, None, &[&words]);
        let LoadError::Trapped { cause, .. } = &error else { panic!("{error}") };
        assert_eq!(cause.kind, FaultKind::TimedOut);
    }
}

#[test]
fn floods_and_bombs_while_it_is_started() {
    let dir = tempfile::tempdir().unwrap();
    for (instructions, reason) in [
        ("(loop $more (drop (memory.grow (i32.const 16))) (br $more))", "its memory would grow to 268697600 bytes"),
        ("(drop (call $deeper (i32.const 0)))", "call stack exhausted"),
    ] {
        let path = plugin_of_module(dir.path(), "bomb.wasm", &evil(&starting_with(instructions), ""));
        let error = refused(&path, None, &["bomb.wasm failed to instantiate", reason]);
        let LoadError::Trapped { cause, .. } = &error else { panic!("{error}") };
        assert_eq!(cause.kind, FaultKind::Resources);
    }
}

#[test]
fn parts_that_are_too_many_or_too_large_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let memory = evil("", "").replace(r#"(memory (export "memory") 4)"#, r#"(memory (export "memory") 5000)"#);
    let tables = |count: usize, elements: usize| {
        let tables = format!("(memory (export \"memory\") 4) {}", format!("(table {elements} funcref) ").repeat(count));
        evil("", "").replace(r#"(memory (export "memory") 4)"#, &tables)
    };
    for (module, reason) in [
        (memory, "its memory would grow to 327680000 bytes, and the limit is 268435456"),
        (tables(1, 200_000), "its table would grow to 200000 elements, and the limit is 100000"),
        (tables(11, 100_000), "elements together, and the limit is 1000000"),
    ] {
        let path = plugin_of_module(dir.path(), "large.wasm", &module);
        let error = refused(&path, None, &["large.wasm failed to instantiate", reason]);
        let LoadError::Trapped { cause, .. } = &error else { panic!("{error}") };
        assert_eq!(cause.kind, FaultKind::Resources, "{error}");
    }
}

#[test]
fn parts_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_of_module(dir.path(), "parts.wasm", &evil("", ""));
    // The module, and what stands between it and its imports.
    let limits = |parts_max| Limits { parts_max, ..Limits::default() };
    Runtime::new(limits(3)).unwrap().load(&path, None).unwrap();
    let error = Runtime::new(limits(2)).unwrap().load(&path, None).unwrap_err();
    let LoadError::Trapped { cause, .. } = &error else { panic!("{error}") };
    assert_eq!(cause.kind, FaultKind::Resources);
    assert!(cause.words.contains("more than 2 core instances, memories or tables"), "{error}");
}

#[test]
fn configuration_that_the_plugin_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let refuses_any = "(if (local.get 1) (then (return (i32.const 160))))";
    let path = plugin_of_module(dir.path(), "evil.wasm", &evil("", refuses_any));
    let error = refused(&path, Some("{}"), &["plugin evil refuses its configuration: no thanks"]);
    assert!(matches!(error, LoadError::Refused { .. }));
    Runtime::new(Limits::default()).unwrap().load(&path, None).unwrap();
}

#[test]
fn input_that_cannot_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let no_fields = "(i32.store (i32.const 140) (i32.const 0))";
    let path = plugin_of_module(dir.path(), "none.wasm", &evil("", no_fields));
    assert!(matches!(refused(&path, None, &["0 fields"]), LoadError::BadInput { .. }));
    let no_pointer = "(i32.store (i32.const 64) (i32.const 16))";
    let path = plugin_of_module(dir.path(), "pointer.wasm", &evil("", no_pointer));
    assert!(matches!(refused(&path, None, &["\"ev\" is no JSON pointer"]), LoadError::BadInput { .. }));
}
