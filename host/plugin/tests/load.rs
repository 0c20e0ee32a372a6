//! What is not accepted as a plugin, and in which words. No shipped plugin is needed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{component, evil, plugin_of_module};
use plugin::{FaultKind, Input, Limits, LoadError, Options, Roles, Runtime};

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
    let error = refused(&file(dir, "text.wasm", b"hello, world"), None, &["text.wasm is not a wasm file"]);
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
    assert!(matches!(refused(&half, None, &["not a valid component"]), LoadError::Invalid { .. }));
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
fn what_is_no_regular_file_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (pipe, socket) = (dir.path().join("pipe.wasm"), dir.path().join("socket.wasm"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, what) in
        [(&*pipe, "a pipe"), (&socket, "a socket"), (dir.path(), "a directory"), (Path::new("/dev/zero"), "a device")]
    {
        let error =
            refused(path, None, &["cannot read plugin", &format!("it is {what}, and only a regular file is read")]);
        assert!(matches!(error, LoadError::Unreadable { .. }));
    }
}

#[test]
fn the_pin_is_checked_before_anything_else() {
    let dir = tempfile::tempdir().unwrap();
    let whole = plugin_of_module(dir.path(), "evil.wasm", &evil("", ""));
    let open = |pins: &[String], path: &Path| {
        Runtime::with(Options { sha256: pins.to_vec(), ..Options::default() }).unwrap().open(path)
    };
    let pin = Runtime::new(Limits::default()).unwrap().read(&whole).unwrap().sha256().to_owned();
    open(&["0".repeat(64), pin.clone()], &whole).unwrap();
    // Neither of them is even looked at.
    for other in [file(dir.path(), "text.wasm", b"no wasm"), bomb(dir.path())] {
        let error = open(std::slice::from_ref(&pin), &other).unwrap_err();
        assert!(matches!(error, LoadError::NotPinned { .. }), "{error}");
    }
}

/// Each level makes two instances of the one before it: 1.4 KB that would be compiled to two to the power of thirty.
fn bomb(dir: &Path) -> std::path::PathBuf {
    let level = |level: usize| {
        let before = level - 1;
        let twice = "(instance (instantiate $c))".repeat(2);
        format!("(component $c{level} (alias outer 1 {before} (component $c)) {twice})")
    };
    let levels: String = (1..=30).map(level).collect();
    component(dir, "bomb.wasm", &format!("(component (component $c0) {levels} (instance (instantiate $c30)))"))
}

#[test]
fn components_that_multiply_are_not_compiled() {
    let dir = tempfile::tempdir().unwrap();
    let started = std::time::Instant::now();
    let words = ["bomb.wasm is not compiled", "instances, those included", "the limit is 2000"];
    assert!(matches!(refused(&bomb(dir.path()), None, &words), LoadError::TooComplex { .. }));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn features_that_are_off_are_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let text = "(component (core module (memory 1 1 shared)))";
    let error = refused(&component(dir.path(), "threads.wasm", text), None, &["uses unsupported features: threads"]);
    assert!(matches!(error, LoadError::NotSupported { .. }));
    assert!(!error.to_string().contains("damaged"), "{error}");
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
fn names_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let named = |name: &str, (pointer, bytes): (u32, u32)| {
        let store = format!(
            "(i32.store (i32.const {name}) (i32.const {pointer})) (i32.store offset=4 (i32.const {name}) (i32.const {bytes}))"
        );
        plugin_of_module(dir.path(), "named.wasm", &evil(&store, ""))
    };
    let right = "1 to 64 of ASCII letters, digits";
    for (what, at) in [("name", "96"), ("version", "104")] {
        // Nothing; what a terminal would obey; more than a name may have.
        refused(&named(at, (16, 0)), None, &[&format!("its {what} is \"\""), right, "describe"]);
        let error = refused(&named(at, (224, 16)), None, &[&format!("its {what} is \"\u{fffd}[31mred next"), right]);
        assert!(!error.to_string().contains(char::is_control), "{error}");
        refused(&named(at, (96, 65)), None, &[right]);
        // More than anybody keeps.
        assert!(refused(&named(at, (16, 200_000)), None, &[]).to_string().len() < 1_000);
    }
}

#[test]
fn words_of_a_plugin_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    // A refusal: result<input, failure> at 160, its words from 65536 on.
    let refusing = |bytes: u32, pages: u32| {
        let text = format!(
            "(drop (memory.grow (i32.const {pages}))) (memory.fill (i32.const 65536) (i32.const 120) (i32.const {bytes}))
             (i32.store (i32.const 164) (i32.const 65536)) (i32.store (i32.const 168) (i32.const {bytes}))
             (return (i32.const 160))"
        );
        plugin_of_module(dir.path(), "talks.wasm", &evil("", &text))
    };
    let error = refused(&refusing(1_000_000, 16), None, &["plugin evil refuses its configuration: xxx"]);
    assert!(error.to_string().len() < 5_000, "{} bytes", error.to_string().len());
    let error = refused(&refusing(60_000_000, 1000), None, &["failed to configure", "more than 1048576 bytes at once"]);
    assert!(matches!(error, LoadError::Trapped { .. }));
    let steering = "(i32.store (i32.const 164) (i32.const 224)) (i32.store (i32.const 168) (i32.const 16)) (return (i32.const 160))";
    let path = plugin_of_module(dir.path(), "steers.wasm", &evil("", steering));
    let error = refused(&path, None, &["refuses its configuration: \u{fffd}[31mred next\u{fffd}"]);
    assert!(!error.to_string().contains(char::is_control));
}

#[test]
fn names_of_imports_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let imports: String = (0..1_000)
        .map(|number| {
            format!("(import \"acme:tool/i{number}{}@1.0.0\" (instance (export \"f\" (func))))", "-x".repeat(500))
        })
        .collect();
    let error =
        refused(&component(dir.path(), "many.wasm", &format!("(component {imports})")), None, &["and 980 more"]);
    assert!(error.to_string().len() < 10_000, "{} bytes", error.to_string().len());
}

#[test]
fn input_that_cannot_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let no_fields = "(i32.store (i32.const 140) (i32.const 0))";
    let path = plugin_of_module(dir.path(), "none.wasm", &evil("", no_fields));
    assert!(matches!(refused(&path, None, &["0 fields"]), LoadError::BadInput { .. }));
    let no_pointer = "(i32.store (i32.const 64) (i32.const 16))";
    let path = plugin_of_module(dir.path(), "pointer.wasm", &evil("", no_pointer));
    assert!(matches!(refused(&path, None, &["\"ev\" is not a JSON pointer"]), LoadError::BadInput { .. }));
}
