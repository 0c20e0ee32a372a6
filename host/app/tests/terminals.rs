//! What reaches a person of what others wrote: a plugin's name and words, events, dumps, names of files, arguments. Each
//! tries to erase the screen, to ring, to turn the order of reading round, and to begin a line of its own.
#![expect(clippy::unwrap_used, reason = "tests")]
#![cfg(unix)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The plugin whose key is the value of `/x` and whose letters are ways to misbehave, with an attack for its last words:
/// as `e.wasm`, and as `n.wasm` with one for its name and its version too.
const EXTRACTOR: &str = include_str!("../../plugin/tests/common/evil.wat");
const NAME: &str = r#"(data (i32.const 32) "n\1b[2J\07\0aFORGED name\e2\80\ae") (data (i32.const 96) "\20\00\00\00\15\00\00\00\20\00\00\00\15"#;
const WORDS: &str = r"\0aFORGED\1b\07";

/// What names of files, events and arguments try. No `/`, and no `"` or `\`, so that it can stand in JSON as it is once
/// its control characters are escapes.
const ATTACK: &str =
    "x\u{1b}[2J\u{1b}]0;title\u{7}\r\nFORGED\u{9b}1m\u{85}\u{202e}\u{2066}\u{2028}\u{200b}\u{7f}\u{e0041}";

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let named = r#"(data (i32.const 96) "\10\00\00\00\04\00\00\00\14\00\00\00\03"#;
        let words = EXTRACTOR.replace("no thanks", WORDS);
        let name = words.replace(named, NAME);
        assert!(name.contains(NAME) && name.contains(WORDS), "the plugin's text is another by now");
        for (file, text) in [("e", words), ("n", name)] {
            desk.write(&format!("{file}.core"), wat::parse_str(text).unwrap());
            let line = format!("plugin componentize {file}.core -o {file}.wasm --world key-plugin");
            assert_eq!(desk.run(&line, &[]).0, 0);
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs the words and `more`, checks what is said, and returns the exit code and both texts.
    fn run(&self, line: &str, more: &[&str]) -> (i32, String, String) {
        self.run_with(line, more, &[])
    }

    fn run_with(&self, line: &str, more: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dedup-host"));
        command.args(line.split_whitespace()).args(more).current_dir(self.0.path());
        command.env_clear().env("XDG_CACHE_HOME", self.path("cache")).env("STORE_PATH", self.path("state"));
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        for said in [&out, &err] {
            let unseen: String = said.chars().filter(|char| *char != '\n' && plain_text::is_unseen(*char)).collect();
            assert_eq!(unseen, "", "{line} {more:?}:\n{said:?}");
            let forged = said.lines().any(|line| line.trim_start().starts_with("FORGED"));
            assert!(!forged, "{line} {more:?}:\n{said}");
        }
        (output.status.code().unwrap(), out, err)
    }
}

/// Something of the attack was said: without it a test would show nothing.
#[track_caller]
fn said(ended: &(i32, String, String)) {
    assert!(ended.1.contains("FORGED") || ended.2.contains("FORGED"), "{ended:?}");
}

#[test]
fn a_plugins_name_and_words() {
    let desk = Desk::new();
    for line in [
        "plugin test e.wasm --event {\"x\":\"W\"}",
        "plugin test e.wasm --event {\"x\":\"E\"} --json",
        "plugin test e.wasm --event {\"x\":\"E\"}",
    ] {
        said(&desk.run(line, &[]));
    }
    // A name may be refused without being repeated.
    for line in ["plugin inspect", "plugin inspect --json", "plugin bench --events 10", "plugin conformance"] {
        desk.run(line, &["n.wasm"]);
    }
    for format in ["human", "tap", "junit", "json"] {
        desk.run("plugin conformance n.wasm L1 C1 --format", &[format]);
    }
    desk.write("in", "{\"x\":\"W\",\"uuid\":\"1\"}\n{\"x\":\"E\",\"uuid\":\"2\"}\n");
    for format in ["human", "json"] {
        let run =
            format!("--input in --output out --plugin-breaker off --on-plugin-failure stop --log-format {format}");
        said(&desk.run(&format!("{run} --store-path store-{format} --plugin e.wasm"), &[]));
        desk.run(&format!("{run} --store-path store-n-{format} --plugin n.wasm"), &[]);
    }
}

#[test]
fn names_of_files() {
    let desk = Desk::new();
    let component = format!("{ATTACK}.wasm");
    std::fs::copy(desk.path("e.wasm"), desk.path(&component)).unwrap();
    std::fs::copy(desk.path("e.core"), desk.path(ATTACK)).unwrap();
    for line in ["plugin inspect", "plugin inspect --json", "plugin conformance", "plugin conformance --format tap"] {
        said(&desk.run(line, &[&component]));
        said(&desk.run(line, &[ATTACK]));
        said(&desk.run(line, &[&format!("{ATTACK}.none")]));
    }
    said(&desk.run("plugin componentize -o", &[&format!("{ATTACK}.made"), ATTACK, "--world", "key-plugin"]));
    desk.write("in", "{\"x\":\"a\",\"uuid\":\"1\"}\n");
    let run = |more: &[&str]| desk.run("--store-path store --plugin e.wasm", more);
    said(&run(&["--input", ATTACK, "--output", "out"]));
    said(&run(&["--input", "in", "--output", &format!("{ATTACK}/none")]));
    said(&run(&["--input", "in", "--output", "out", "--config", ATTACK]));
    said(&run(&["--input", "in", "--output", "out", "--plugin-config", &format!("@{ATTACK}.none")]));
    said(&desk.run("config --config", &[&format!("{ATTACK}.none")]));
    desk.write(&format!("{ATTACK}.toml"), "output = \"out\"\n");
    said(&desk.run("config --input in --config", &[&format!("{ATTACK}.toml")]));
    said(&desk.run("generate --events 3 --output", &[&format!("{ATTACK}/none")]));
}

#[test]
fn arguments_and_variables() {
    let desk = Desk::new();
    for line in [
        "",
        "--plugin e.wasm --output o --input",
        "run",
        "plugin",
        "plugin inspect e.wasm",
        "plugin conformance e.wasm",
        "--bind-port",
    ] {
        said(&desk.run(line, &[ATTACK]));
    }
    for argument in [format!("--{ATTACK}"), format!("--window={ATTACK}"), format!("--plugin-sha256={ATTACK}")] {
        said(&desk.run("--plugin e.wasm --input in", &[&argument]));
    }
    for name in ["DEDUP_WINDOW", "OUTPUT_TOPIC", "LOG_LEVEL", "KAFKA_HOSTS", "STORE_PATH"] {
        said(&desk.run_with("config", &[], &[(name, ATTACK)]));
    }
    let broken = OsString::from_vec(b"\x1b[2J\xff".to_vec());
    let mut command = Command::new(env!("CARGO_BIN_EXE_dedup-host"));
    let output = command.arg("config").env_clear().env("OUTPUT_TOPIC", broken).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("environment variable OUTPUT_TOPIC is not UTF-8 text"));
}

#[test]
fn events_and_what_is_made_of_them() {
    let desk = Desk::new();
    let event = |x: &str| serde_json::json!({ "x": x, "uuid": ATTACK, ATTACK: ATTACK }).to_string();
    for format in ["", "--json"] {
        said(&desk.run(&format!("plugin test e.wasm {format} --event"), &[&event(ATTACK)]));
        said(&desk.run(&format!("plugin test e.wasm {format} --event"), &[&event(&format!("T{ATTACK}"))]));
    }
    desk.write("in", format!("{}\n{}\n", event("a"), event("W")));
    let line = "--plugin e.wasm --input in --output out --store-path store --plugin-breaker off --plugin-dump-dir dumps \
                --plugin-dump-values --dead-letter dead";
    assert_eq!(desk.run(line, &[]).0, 0);
    let dump = std::fs::read_dir(desk.path("dumps")).unwrap().next().unwrap().unwrap().path();
    let mut json: Value = serde_json::from_slice(&std::fs::read(&dump).unwrap()).unwrap();
    for pointer in ["/topic", "/cause", "/plugin/name", "/plugin/version"] {
        if let Some(member) = json.pointer_mut(pointer) {
            *member = ATTACK.into();
        }
    }
    desk.write("dump.json", json.to_string());
    said(&desk.run("plugin replay dump.json", &[]));
    said(&desk.run("plugin replay dump.json --json", &[]));
    json["role"] = ATTACK.into();
    desk.write("dump.json", json.to_string());
    desk.run("plugin replay dump.json", &[]);
    *json.pointer_mut("/plugin/path").unwrap() = format!("{ATTACK}.wasm").into();
    json["role"] = "key-extractor".into();
    desk.write("dump.json", json.to_string());
    said(&desk.run("plugin replay dump.json", &[]));
}
