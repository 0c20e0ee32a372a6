//! Plugins that cannot be loaded, and plugins that fail at work.

pub(crate) mod evil;

use std::path::{Path, PathBuf};
use std::process::Command;

use dedup_host_tests::Test;
use dedup_host_tests::program;

use super::desk::{Counts, Desk, counts, end};

pub(crate) const TESTS: &[Test] = &[
    ("no_plugin_at_all", no_plugin_at_all),
    ("a_plugin_that_is_not_there", a_plugin_that_is_not_there),
    ("a_plugin_that_is_a_directory", a_plugin_that_is_a_directory),
    ("a_plugin_that_is_a_text", a_plugin_that_is_a_text),
    ("a_plugin_that_is_empty", a_plugin_that_is_empty),
    ("a_plugin_that_is_cut_short", a_plugin_that_is_cut_short),
    ("a_plugin_that_is_a_core_module", a_plugin_that_is_a_core_module),
    ("a_plugin_of_another_world", a_plugin_of_another_world),
    ("two_plugins_that_extract_keys", two_plugins_that_extract_keys),
    ("a_configuration_the_plugin_refuses", a_configuration_the_plugin_refuses),
    ("a_configuration_from_a_file", a_configuration_from_a_file),
    ("a_refused_plugin_touches_nothing", a_refused_plugin_touches_nothing),
    ("a_record_the_plugin_fails_on_is_a_dead_letter", a_record_the_plugin_fails_on_is_a_dead_letter),
    ("a_record_the_plugin_fails_on_passes", a_record_the_plugin_fails_on_passes),
    ("a_record_the_plugin_fails_on_stops_the_run", a_record_the_plugin_fails_on_stops_the_run),
    ("a_stopped_run_goes_on_with_another_policy", a_stopped_run_goes_on_with_another_policy),
    ("a_plugin_that_never_comes_back", a_plugin_that_never_comes_back),
    ("a_plugin_that_wants_all_memory", a_plugin_that_wants_all_memory),
];

fn with_plugin(desk: &Desk, plugin: &Path, words: &str) -> Command {
    let mut command = desk.command(&format!("--store-path store --input in --output out --report report {words}"));
    command.arg("--plugin").arg(plugin);
    command
}

/// Checks that a file is refused as a plugin, and that the message says all of this.
fn refused(name: &str, bytes: &[u8], words: &[&str]) {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    desk.write(name, bytes);
    let ended = end(with_plugin(&desk, &desk.path(name), ""));
    ended.refused(3, words);
    ended.refused(3, &[name]);
}

fn no_plugin_at_all() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    end(desk.command("--input in")).refused(2, &["--plugin", "composite_key.wasm"]);
}

fn a_plugin_that_is_not_there() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    end(with_plugin(&desk, Path::new("nowhere.wasm"), ""))
        .refused(3, &["nowhere.wasm", "No such file", "check --plugin"]);
}

fn a_plugin_that_is_a_directory() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    end(with_plugin(&desk, &desk.path("."), "")).refused(3, &["directory", "check --plugin"]);
}

fn a_plugin_that_is_a_text() {
    refused("text.wasm", b"hello\n", &["is not a wasm file"]);
}

fn a_plugin_that_is_empty() {
    refused("empty.wasm", b"", &["is not a wasm file"]);
}

fn a_plugin_that_is_cut_short() {
    let whole = std::fs::read(program::plugin("composite_key")).unwrap();
    for part in [whole.len() - 1, whole.len() / 2, 100, 8] {
        refused("cut.wasm", &whole[..part], &["cut.wasm"]);
    }
    refused("cut.wasm", &whole[..whole.len() / 2], &["cut short or damaged"]);
}

fn a_plugin_that_is_a_core_module() {
    refused("core.wasm", &wat::parse_str("(module)").unwrap(), &["core module", "componentize"]);
}

fn a_plugin_of_another_world() {
    refused("empty_component.wasm", &wat::parse_str("(component)").unwrap(), &["exports", "key-extractor"]);
}

fn two_plugins_that_extract_keys() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    let mut command = desk.dedup("--input in --plugin");
    command.arg(program::plugin("multi_key"));
    end(command).refused(3, &["composite_key.wasm", "multi_key.wasm", "give one of them"]);
}

fn a_configuration_the_plugin_refuses() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    let wrong = [("{\"feilds\":[]}", "feilds"), ("a,b", "\"/a\""), ("{", "EOF"), ("[]", "empty")];
    for (configuration, word) in wrong {
        let mut command = desk.dedup("--input in --plugin-config");
        command.arg(configuration);
        end(command).refused(3, &["composite_key", "refuses", "configuration", word]);
    }
}

fn a_configuration_from_a_file() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n{\"a\":1,\"b\":2}\n");
    desk.write("keys.json", "{\"fields\": [\"/a\"]}\n");
    assert_eq!(desk.counts("--plugin-config @keys.json"), counts(1, 1));
    desk.run("--input in --plugin-config @nowhere.json").refused(2, &["--plugin-config", "nowhere.json"]);
}

fn a_refused_plugin_touches_nothing() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n");
    desk.write("out", "kept");
    let _ended = end(with_plugin(&desk, Path::new("nowhere.wasm"), ""));
    assert_eq!(desk.text("out"), "kept");
    assert!(!desk.path("store").exists(), "no store is made");
}

/// The text of a plugin whose key is `/x` and which does harm where a value's first letter says so; see its comments.
/// `describe` and `configure` are instructions that run first in those functions.
fn evil_text(describe: &str, configure: &str) -> String {
    let text = include_str!("../../host/plugin/tests/common/evil.wat");
    text.replace(";; DESCRIBE", describe).replace(";; CONFIGURE", configure)
}

/// Writes a component made of a core module given as text, which keeps to this world.
fn component(desk: &Desk, name: &str, text: &str, world: &str) -> PathBuf {
    let mut module = wat::parse_str(text).expect("valid text");
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).expect("the contract");
    let world = resolve.select_world(&[package], Some(world)).expect("the world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8).unwrap();
    let component = wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    desk.write(name, component);
    desk.path(name)
}

fn evil(desk: &Desk) -> PathBuf {
    component(desk, "evil.wasm", &evil_text("", ""), "key-plugin")
}

/// 3,000 events, one of them twice; events 700 and 2,900 are poison.
fn poisoned(letter: char) -> Vec<String> {
    let mut events: Vec<String> = (0..3_000).map(|number| format!("{{\"x\":\"e{number}\"}}\n")).collect();
    events[2_000] = events[3].clone();
    for poison in [700, 2_900] {
        events[poison] = format!("{{\"x\":\"{letter}{poison}\"}}\n");
    }
    events
}

const POISONED: Counts = Counts { consumed: 3_000, unique: 2_997, duplicate: 1, late: 0, keyless: 0, dead_letter: 2 };

fn without(events: &[String], left_out: &[usize]) -> String {
    events
        .iter()
        .enumerate()
        .filter(|(number, _)| !left_out.contains(number))
        .map(|(_, event)| event.as_str())
        .collect()
}

/// Runs the evil plugin over poison; checks that only the poison is buried, and returns the reasons.
fn buried(letter: char, words: &str) -> Vec<String> {
    let (desk, events) = (Desk::new(), poisoned(letter));
    desk.write("in", events.concat());
    let _ok = end(with_plugin(&desk, &evil(&desk), &format!("--dead-letter dead {words}"))).ok();
    assert_eq!(desk.report(), POISONED);
    assert!(desk.text("out") == without(&events, &[700, 2_000, 2_900]), "all others are decided as ever");
    let letters = desk.json_lines("dead");
    let offsets: Vec<_> = letters.iter().map(|letter| letter["offset"].as_str().unwrap()).collect();
    assert_eq!(offsets, ["700", "2900"]);
    assert!(letters.iter().all(|letter| letter["stage"] == "plugin"), "{letters:?}");
    letters.iter().map(|letter| letter["reason"].as_str().unwrap().to_owned()).collect()
}

fn a_record_the_plugin_fails_on_is_a_dead_letter() {
    for words in ["", "--on-plugin-failure dead-letter"] {
        assert!(buried('T', words).iter().all(|reason| reason.contains("unreachable")));
    }
}

fn a_plugin_that_never_comes_back() {
    assert!(buried('L', "--plugin-time-limit-ms 50").iter().all(|reason| reason.contains("longer than")));
}

fn a_plugin_that_wants_all_memory() {
    assert!(buried('M', "--plugin-memory-mib 16").iter().all(|reason| reason.contains("memory")));
}

fn a_record_the_plugin_fails_on_passes() {
    // Without a file for dead letters they pass by any policy but stop.
    for words in ["--on-plugin-failure pass --dead-letter dead", ""] {
        let (desk, events) = (Desk::new(), poisoned('T'));
        desk.write("in", events.concat());
        let _ok = end(with_plugin(&desk, &evil(&desk), words)).ok();
        assert_eq!(desk.report(), POISONED);
        assert!(desk.text("out") == without(&events, &[2_000]), "nothing but the duplicate is missing: {words}");
    }
}

fn a_record_the_plugin_fails_on_stops_the_run() {
    let (desk, events) = (Desk::new(), poisoned('T'));
    desk.write("in", events.concat());
    let ended = end(with_plugin(&desk, &evil(&desk), "--on-plugin-failure stop"));
    ended.refused(7, &["offset 700", "unreachable", "--on-plugin-failure"]);
    assert!(!desk.path("report").exists(), "half a run has no report");
}

fn a_stopped_run_goes_on_with_another_policy() {
    let (desk, events) = (Desk::new(), poisoned('T'));
    desk.write("in", events.concat());
    end(with_plugin(&desk, &evil(&desk), "--on-plugin-failure stop")).refused(7, &[]);
    let _ok = end(with_plugin(&desk, &evil(&desk), "--on-plugin-failure pass --resume")).ok();
    assert_eq!(desk.report(), POISONED);
    assert!(desk.text("out") == without(&events, &[2_000]));
}
