//! `plugin` from the outside: what is typed, and what comes of it or how it is refused.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use engine::projection::JsonIn;
use file_connector::{Existing, Stream};
use plugin::Wasi;
use workbench::plugins::{
    ComponentizeConfig, ConformanceConfig, Events, InspectConfig, Language, NewConfig, NewRole, PluginCommand,
    ReplayConfig, ReportFormat, RuleLevel, SandboxConfig, TestConfig, World,
};

use crate::exit::{ConformanceExit, ExitCode};
use crate::settings::{Invocation, UsageError, read};

fn invoke(line: &str, variables: &[(&str, &str)]) -> Result<PluginCommand, UsageError> {
    let words = ["dedup-host", "plugin"].into_iter().chain(line.split_whitespace()).map(OsString::from);
    let find =
        |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, text)| OsString::from(*text));
    let Invocation::Plugin(command) = read(words, &find)? else { panic!("{line} is of another command") };
    Ok(*command)
}

fn command(line: &str) -> PluginCommand {
    invoke(line, &[]).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn inspect(line: &str, variables: &[(&str, &str)]) -> InspectConfig {
    let PluginCommand::Inspect(config) = invoke(&format!("inspect p.wasm {line}"), variables).unwrap() else {
        panic!("{line}")
    };
    config
}

fn test(line: &str) -> TestConfig {
    let PluginCommand::Test(config) = command(&format!("test p.wasm {line}")) else { panic!("{line}") };
    *config
}

fn conformance(line: &str) -> ConformanceConfig {
    let PluginCommand::Conformance(config) = command(&format!("conformance {line}")) else { panic!("{line}") };
    *config
}

fn replay(line: &str, variables: &[(&str, &str)]) -> ReplayConfig {
    let PluginCommand::Replay(config) = invoke(&format!("replay d.json {line}"), variables).unwrap() else {
        panic!("{line}")
    };
    config
}

#[track_caller]
fn refused(line: &str, parts: &[&str]) {
    let error = invoke(line, &[]).unwrap_err();
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{line}: `{part}` is not in: {text}");
    }
    assert_eq!(error.report(), ExitCode::Usage);
}

#[test]
fn a_sandbox_is_that_of_a_run_by_default() {
    let config = inspect("", &[]);
    assert_eq!((config.component, config.json), (PathBuf::from("p.wasm"), false));
    let sandbox = config.sandbox;
    let limits = plugin::Limits::default();
    assert_eq!(sandbox.memory_bytes, limits.memory_bytes_max as u64);
    assert_eq!(sandbox.time_limit, limits.time_per_batch);
    assert_eq!(sandbox.compile_memory_bytes, limits.compile_memory_bytes_max);
    assert_eq!(sandbox.compile_time, limits.compile_time_max);
    assert_eq!((sandbox.wasi, sandbox.canonical_numbers), (Wasi::None, false));
    assert_eq!((sandbox.extractor_configuration, sandbox.scorer_configuration), (None, None));
}

#[test]
fn a_sandbox_by_the_flags_and_variables_of_a_run() {
    let line = "--plugin-config /a --plugin-memory-mib 8 --plugin-cache-dir off --plugin-compile-memory-mib 9 \
                --plugin-compile-timeout-secs 3 --json";
    let config = inspect(line, &[("SCORER_CONFIG", "{}"), ("PLUGIN_WASI", "inert"), ("PLUGIN_TIME_LIMIT_MS", "7")]);
    let expected = SandboxConfig {
        extractor_configuration: Some("/a".to_owned()),
        scorer_configuration: Some("{}".to_owned()),
        wasi: Wasi::Inert,
        memory_bytes: 8 << 20,
        time_limit: Duration::from_millis(7),
        cache_dir: None,
        compile_memory_bytes: 9 << 20,
        compile_time: Duration::from_secs(3),
        canonical_numbers: false,
        json_in: JsonIn::default(),
    };
    assert_eq!((config.sandbox, config.json), (expected, true));
    refused("inspect p.wasm --plugin-memory-mib 5000", &["--plugin-memory-mib", "4096 MiB"]);
    refused("inspect p.wasm --plugin-config @nowhere", &["--plugin-config", "nowhere"]);
    refused("inspect", &["P.wasm"]);
}

#[test]
fn a_configuration_file_is_read_here_too() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "plugin_memory_mib = 32\nkafka_hosts = \"elsewhere:9092\"").unwrap();
    let sandbox = inspect(&format!("--config {}", file.path().display()), &[]).sandbox;
    assert_eq!(sandbox.memory_bytes, 32 << 20);
}

#[test]
fn events_are_given_or_read() {
    let config = test(r#"--event {"a":1} --original x"#);
    assert_eq!((config.events, config.original), (Events::One(br#"{"a":1}"#.to_vec()), Some(b"x".to_vec())));
    let config = test("--input - --limit 5 --numbers canonical");
    assert_eq!((config.events, config.limit), (Events::Lines(Stream::Standard), 5));
    assert!(config.sandbox.canonical_numbers);
    let config = test("--input f --json-in /data --json-in /data/p");
    assert_eq!(config.sandbox.json_in, JsonIn::new(&["/data", "/data/p"]).unwrap());
    refused("test p.wasm --input f --json-in data", &["--json-in", "does not begin with '/'"]);
    assert_eq!(test("--input f").limit, 1000);
    refused("test p.wasm", &["--event"]);
    refused("test p.wasm --event x --input f", &["--event", "--input"]);
    refused("test p.wasm --input f --limit 0", &["--limit", "at least 1"]);
}

#[test]
fn an_event_of_a_file_is_that_without_the_newline_at_its_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"\xff one\n\n").unwrap();
    let config = test(&format!("--event @{}", file.path().display()));
    assert_eq!(config.events, Events::One(b"\xff one\n".to_vec()));
    refused("test p.wasm --event @nowhere", &["nowhere", "cannot read"]);
}

#[test]
fn rules_formats_and_golden_cases() {
    let config = conformance("p.wasm C2 totality --level strict --format junit --seed 7 --expect a --expect b");
    assert_eq!(config.component, Some(PathBuf::from("p.wasm")));
    assert_eq!(config.rules, ["C2", "totality"]);
    assert_eq!((config.level, config.format, config.seed), (RuleLevel::Strict, ReportFormat::Junit, 7));
    assert_eq!(config.expect, [PathBuf::from("a"), PathBuf::from("b")]);
    assert_eq!((config.declarations, config.time_budget), (None, Duration::from_secs(600)));
    let config = conformance("p.wasm --declarations d.toml --time-budget-secs 7");
    assert_eq!((config.declarations, config.time_budget), (Some(PathBuf::from("d.toml")), Duration::from_secs(7)));
    let config = conformance("--list");
    assert_eq!((config.component, config.list), (None, true));
    assert_eq!((config.level, config.format), (RuleLevel::Required, ReportFormat::Human));
    refused("conformance", &["P.wasm"]);
    refused("conformance p.wasm --format yaml", &["yaml", "tap"]);
}

#[test]
fn several_components_are_measured() {
    let PluginCommand::Bench(config) = command("bench a.wasm b.wasm --events 10") else { panic!("no bench") };
    assert_eq!(config.components, [PathBuf::from("a.wasm"), PathBuf::from("b.wasm")]);
    assert_eq!((config.events, config.input, config.json), (10, None, false));
    assert_eq!(config.time_budget, Duration::from_secs(20));
    refused("bench a.wasm --time-budget-secs soon", &["--time-budget-secs", "soon"]);
    refused("bench", &["P.wasm"]);
    refused("bench a.wasm --events 0", &["--events"]);
}

#[test]
fn a_replay_has_the_limits_of_its_dump_unless_others_are_given() {
    let config = replay("", &[]);
    assert_eq!((config.memory_bytes, config.time_limit, config.component), (None, None, None));
    let config = replay("--plugin p.wasm --plugin-memory-mib 1", &[("PLUGIN_TIME_LIMIT_MS", "9")]);
    assert_eq!((config.memory_bytes, config.time_limit), (Some(1 << 20), Some(Duration::from_millis(9))));
    assert_eq!(config.component, Some(PathBuf::from("p.wasm")));
}

#[test]
fn a_module_and_its_world() {
    let PluginCommand::Componentize(config) = command("componentize c.wasm -o o.wasm --world dedup-plugin") else {
        panic!("no componentize")
    };
    let (module, output) = (PathBuf::from("c.wasm"), PathBuf::from("o.wasm"));
    assert_eq!(
        config,
        ComponentizeConfig { module, output, existing: Existing::Refused, world: Some(World::DedupPlugin) }
    );
    refused("componentize c.wasm", &["--output"]);
    refused("componentize c.wasm -o ./c.wasm --overwrite", &["--output", "the module itself"]);
    refused("componentize c.wasm -o o.wasm --world other", &["key-plugin, similarity-plugin, dedup-plugin"]);
}

#[test]
fn a_new_project_has_a_plain_name() {
    let new = |line: &str| {
        let PluginCommand::New(config) = command(&format!("new {line}")) else { panic!("{line}") };
        config
    };
    let expected = NewConfig { language: Language::Rust, role: NewRole::Key, name: "order_id".to_owned() };
    assert_eq!(new("--language rust order_id"), expected);
    let config = new("-l js a1 --role scorer");
    assert_eq!((config.language, config.role), (Language::Javascript, NewRole::Scorer));
    let long = "a".repeat(65);
    for name in ["Order", "1a", "_a", "a-b", "a/b", "..", "é", long.as_str()] {
        refused(&format!("new --language c {name}"), &["lower-case letter"]);
    }
    refused("new order_id", &["--language"]);
    refused("new --language go order_id", &["go", "rust, python, javascript, c"]);
}

#[test]
fn settings_that_a_command_has_no_use_for_are_refused() {
    refused("inspect p.wasm --kafka-hosts x", &["--kafka-hosts"]);
    refused("inspect p.wasm --numbers canonical", &["--numbers"]);
    refused("componentize c.wasm -o o --plugin-config x", &["--plugin-config"]);
    refused("", &["Usage: dedup-host plugin"]);
}

#[test]
fn every_command_shows_an_example_and_conformance_its_exit_codes() {
    for name in ["new", "componentize", "inspect", "test", "conformance", "bench", "replay"] {
        let error = invoke(&format!("{name} --help"), &[]).unwrap_err();
        let help = error.to_string();
        assert!(help.contains("Example") && help.contains(&format!("dedup-host plugin {name} ")), "{help}");
        assert_eq!(error.report(), ExitCode::Ok);
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        for code in ConformanceExit::ALL {
            assert_eq!(help.contains(code.meaning()), name == "conformance", "{name}: {}", code.meaning());
        }
    }
}
