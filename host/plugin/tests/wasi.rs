//! Components that were built with WASI: refused, stubbed, or run with nothing behind it. No shipped plugin is needed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{batch, evil};
use engine::fields::Extraction;
use plugin::{Fault, FaultKind, Limits, LoadError, Options, Probe, Runtime, Wasi};
use wit_component::{ComponentEncoder, StringEncoding};

/// A plugin that calls WASI if the first letter of a value tells it to; see the comments in its text. `more` are imports
/// besides those.
fn plugin_with_wasi(dir: &Path, world: &str, more: &str) -> PathBuf {
    let imports = format!("(module\n{more}\n{}", include_str!("wasi/imports.wat"));
    let calls = format!(";; T: traps.\n{}", include_str!("wasi/calls.wat"));
    let module = evil("", "").replacen("(module\n", &imports, 1).replacen(";; T: traps.\n", &calls, 1);
    let mut module = wat::parse_str(module).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let package = resolve.push_str("wasi.wit", include_str!("wasi/wasi.wit")).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let component = ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap();
    let path = dir.join("wasi.wasm");
    std::fs::write(&path, component).unwrap();
    path
}

fn runtime(wasi: Wasi, limits: Limits) -> Runtime {
    Runtime::with(Options { wasi, limits, ..Options::default() }).unwrap()
}

fn probe(wasi: Wasi) -> Probe {
    let dir = tempfile::tempdir().unwrap();
    runtime(wasi, Limits::default()).open(&plugin_with_wasi(dir.path(), "wasi-plugin", "")).unwrap().probe().unwrap()
}

/// The key of one event, as the number in its first eight bytes.
fn number(probe: &mut Probe, event: &[u8]) -> Result<u64, Fault> {
    let (mut events, mut out) = (batch(&[]), Extraction::default());
    events.push(engine::fields::Kind::String, event);
    probe.extract(&events, &mut out)?;
    Ok(u64::from_le_bytes(out.keys.get(0).unwrap()[..8].try_into().unwrap()))
}

#[test]
fn without_wasi_every_import_is_listed_with_its_cures() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_with_wasi(dir.path(), "wasi-plugin", "");
    let error = runtime(Wasi::None, Limits::default()).open(&path).unwrap_err();
    let LoadError::ImportsRefused { imports, .. } = &error else { panic!("{error}") };
    let text = error.to_string();
    for interface in [
        "io/poll",
        "io/streams",
        "clocks/wall-clock",
        "clocks/monotonic-clock",
        "random/random",
        "cli/environment",
        "cli/exit",
        "cli/stdin",
        "cli/stdout",
        "cli/stderr",
        "filesystem/preopens",
        "http/handler",
    ] {
        let import = format!("wasi:{interface}@0.2.0");
        assert!(imports.contains(&import) && text.contains(&import), "{import} is not in {error}");
    }
    assert!(!imports.contains(&"dedup:plugin/log@1.0.0".to_owned()));
    for cure in [
        "wasm32-unknown-unknown instead of wasm32-wasip2",
        "--stub-wasi",
        "disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event']",
        "--plugin-wasi stub",
        "or inert",
    ] {
        assert!(text.contains(cure), "\"{cure}\" is not in \"{text}\"");
    }
}

#[test]
fn import_of_neither_wasi_nor_the_contract_is_refused_in_every_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = plugin_with_wasi(dir.path(), "acme-plugin", r#"(import "acme:tool/run@2.0.0" "go" (func))"#);
    for wasi in [Wasi::None, Wasi::Stub, Wasi::Inert] {
        let error = runtime(wasi, Limits::default()).open(&path).unwrap_err();
        let LoadError::ImportsRefused { imports, .. } = &error else { panic!("{error}") };
        assert!(imports.contains(&"acme:tool/run@2.0.0".to_owned()), "{imports:?}");
        assert_eq!(imports.len() == 1, wasi != Wasi::None, "only what is refused: {imports:?}");
        assert!(error.to_string().contains("refused whatever --plugin-wasi says"), "{error}");
    }
}

#[test]
fn stub_loads_and_traps_on_the_call_by_name() {
    for (event, function) in [
        ("rxxxxxxx", "wasi:random/random@0.2.0#get-random-u64"),
        ("cxxxxxxx", "wasi:clocks/wall-clock@0.2.0#now"),
        ("sxxxxxxx", "wasi:clocks/monotonic-clock@0.2.0#subscribe-duration"),
        ("pxxxxxxx", "wasi:cli/stdout@0.2.0#get-stdout"),
        ("wxxxxxxx", "wasi:http/handler@0.2.0#send"),
    ] {
        let mut probe = probe(Wasi::Stub);
        assert_eq!(number(&mut probe, b"a letter").unwrap(), u64::from_le_bytes(*b"a letter"));
        let fault = number(&mut probe, event.as_bytes()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
        assert!(fault.words.contains(&format!("it called {function}, which nothing implements")), "{fault}");
    }
}

#[test]
fn inert_clocks_stand_still() {
    let mut probe = probe(Wasi::Inert);
    for _ in 0..2 {
        assert_eq!(number(&mut probe, b"c-------").unwrap(), 1_704_067_200, "2024-01-01");
        assert_eq!(number(&mut probe, b"m-------").unwrap(), 1_000_000_000);
    }
}

#[test]
fn inert_random_numbers_differ_in_an_instance_and_not_between_instances() {
    let (mut one, mut other) = (probe(Wasi::Inert), probe(Wasi::Inert));
    let mut seen = Vec::new();
    for _ in 0..100 {
        let drawn = number(&mut one, b"r-------").unwrap();
        assert_eq!(drawn, number(&mut other, b"r-------").unwrap());
        assert!(!seen.contains(&drawn));
        seen.push(drawn);
    }
    // The published first number of SplitMix64 from seed 0.
    assert_eq!(seen[0], 0xe220_a839_7b1d_cdaf);
}

#[test]
fn inert_sleep_takes_no_time() {
    let mut probe = probe(Wasi::Inert);
    let started = Instant::now();
    number(&mut probe, b"s-------").unwrap();
    assert!(started.elapsed() < Duration::from_secs(60), "a century is over after {:?}", started.elapsed());
}

#[test]
fn inert_has_no_variables_arguments_directories_and_input() {
    let mut probe = probe(Wasi::Inert);
    assert_eq!(number(&mut probe, b"v-------").unwrap(), 0);
    // result::err in the first byte, stream-error::closed in the fifth.
    assert_eq!(number(&mut probe, b"i-------").unwrap() & 0x0000_00ff_0000_00ff, 0x0000_0001_0000_0001);
}

#[test]
fn inert_output_is_logged_and_its_last_line_are_the_last_words() {
    let mut probe = probe(Wasi::Inert);
    number(&mut probe, b"p, line one\nline two").unwrap();
    assert_eq!(probe.take_log(), [(2, "p, line one".to_owned()), (2, "line two".to_owned())]);
    assert_eq!(probe.cost().log_bytes, 11 + 8);
    number(&mut probe, b"q, an error").unwrap();
    assert_eq!(probe.take_log(), [(3, "q, an error".to_owned())]);
    let fault = number(&mut probe, b"u Traceback:\n  somewhere\nValueError: 7\n").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.words.contains("unreachable") && fault.words.ends_with("last words: ValueError: 7"), "{fault}");
}

#[test]
fn inert_output_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { log_bytes_per_call_max: 1000, time_per_batch: Duration::from_secs(20), ..Limits::default() };
    let path = plugin_with_wasi(dir.path(), "wasi-plugin", "");
    let mut probe = runtime(Wasi::Inert, limits).open(&path).unwrap().probe().unwrap();
    // Pages of an x would be one line.
    let mut event = vec![b'x'; 4096];
    event[0] = b'f';
    number(&mut probe, &event).unwrap();
    assert_eq!(probe.take_log().iter().map(|(_, line)| line.len()).sum::<usize>(), 1000);
    assert_eq!(probe.cost().log_bytes, 4_096_000, "what was printed, cut or not");
    number(&mut probe, b"p, and it goes on").unwrap();
    assert_eq!(probe.take_log(), [(2, "p, and it goes on".to_owned())]);
}

#[test]
fn inert_exit_is_a_trap() {
    let fault = number(&mut probe(Wasi::Inert), b"x-------").unwrap_err();
    assert_eq!(
        (fault.kind, fault.to_string().contains("it exited, with status 1")),
        (FaultKind::Trap, true),
        "{fault}"
    );
}

#[test]
fn inert_what_wasi_has_not_is_a_trap_by_name() {
    let fault = number(&mut probe(Wasi::Inert), b"w-------").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.words.contains("it called wasi:http/handler@0.2.0#send"), "{fault}");
}

#[test]
fn inert_hands_out_a_bounded_number_of_handles_and_of_random_bytes() {
    let fault = number(&mut probe(Wasi::Inert), b"h-------").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Resources, "{fault}");
    let mut probe = probe(Wasi::Inert);
    assert_eq!(number(&mut probe, b"b\x00\x01\0\0\0\0\0\0").unwrap(), 256);
    let fault = number(&mut probe, b"b\0\0\0\0\0\x01\0\0").unwrap_err();
    let words = "1099511627776 random bytes at once, and the limit is 1048576";
    assert_eq!((fault.kind, fault.words.contains(words)), (FaultKind::Resources, true), "{fault}");
}
