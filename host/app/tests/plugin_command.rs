//! `dedup-host plugin` as its users know it: what is typed, what is printed, the exit code. Components are made of
//! text, so that no compiler for wasm is needed. The rules of the suite and the templates of `plugin new` have tests of
//! their own.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Its key is the value of `/x`, unless the first letter tells it to misbehave.
const EXTRACTOR: &str = include_str!("../../plugin/tests/common/evil.wat");
/// Its scores are lengths in 64ths, unless the first letter of the duplicate tells it to misbehave.
const SCORER: &str = include_str!("../../plugin/tests/common/evil_scorer.wat");

/// A directory to work in.
struct Desk(tempfile::TempDir);

struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With the extractor as `e.wasm` and the scorer as `s.wasm`.
    fn with_plugins() -> Self {
        let desk = Self::new();
        for (name, text, world) in [("e", EXTRACTOR, "key-plugin"), ("s", SCORER, "similarity-plugin")] {
            desk.write(&format!("{name}.core"), wat::parse_str(text).unwrap());
            desk.plugin(&format!("componentize {name}.core -o {name}.wasm --world {world}")).is(0, &["a component of"]);
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// The words are separated by white space.
    fn plugin(&self, line: &str) -> Ended {
        self.run(&format!("plugin {line}"))
    }

    fn run(&self, line: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dedup-host"));
        command.args(line.split_whitespace()).current_dir(self.0.path());
        command.env_clear().env("XDG_CACHE_HOME", self.path("cache"));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    /// The code, and words that are said on either stream; nothing in colour, as nobody looks at a terminal.
    #[track_caller]
    fn is(&self, code: i32, words: &[&str]) -> &Self {
        let said = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, code, "{said}");
        assert!(!said.contains('\x1b'), "{said}");
        for word in words {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

fn shipped(name: &str) -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/plugins");
    let dir = std::env::var_os("DEDUP_PLUGINS_DIR").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = dir.join(name).with_extension("wasm").canonicalize();
    path.unwrap_or_else(|error| panic!("{name}: {error}: run `make build` first, or set DEDUP_PLUGINS_DIR"))
}

/// A component that calls WASI only if a value tells it to.
fn with_wasi(path: &Path) {
    let imports = format!("(module\n{}", include_str!("../../plugin/tests/wasi/imports.wat"));
    let mut module = wat::parse_str(EXTRACTOR.replacen("(module\n", &imports, 1)).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let package = resolve.push_str("wasi.wit", include_str!("../../plugin/tests/wasi/wasi.wit")).unwrap();
    let world = resolve.select_world(&[package], Some("wasi-plugin")).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    let encoder = wit_component::ComponentEncoder::default();
    std::fs::write(path, encoder.validate(true).module(&module).unwrap().encode().unwrap()).unwrap();
}

#[test]
fn a_module_that_does_not_say_its_world_is_told_which() {
    let desk = Desk::new();
    desk.write("e.core", wat::parse_str(EXTRACTOR).unwrap());
    desk.plugin("componentize e.core -o e.wasm").is(3, &["wit-bindgen", "give --world key-plugin"]);
    assert!(!desk.path("e.wasm").exists());
    desk.plugin("componentize e.core -o e.wasm --world similarity-plugin").is(3, &["similarity-scorer"]);
    desk.plugin("componentize e.core -o e.wasm --world key-plugin").is(0, &["e.wasm: a component of"]);
    desk.plugin("inspect e.wasm").is(0, &["evil 1.0", "key-extractor"]);
}

#[test]
fn a_module_that_says_its_world_needs_none() {
    let desk = Desk::new();
    let mut module = wat::parse_str(EXTRACTOR).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let world = resolve.select_world(&[package], Some("key-plugin")).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    desk.write("e.core", module);
    desk.plugin("componentize e.core -o e.wasm --world key-plugin").is(3, &["omit --world"]);
    desk.plugin("componentize e.core -o e.wasm").is(0, &["a component of"]);
    desk.plugin("componentize e.wasm -o f.wasm").is(3, &["already a component"]);
}

#[test]
fn a_component_replaces_nothing_unless_told_and_never_its_module() {
    let desk = Desk::new();
    let core = wat::parse_str(EXTRACTOR).unwrap();
    desk.write("e.core", &core);
    desk.write("mine", "mine");
    std::fs::hard_link(desk.path("e.core"), desk.path("hard")).unwrap();
    std::os::unix::fs::symlink("e.core", desk.path("soft")).unwrap();
    let make = |words: &str| desk.plugin(&format!("componentize e.core --world key-plugin {words}"));
    make("-o mine").is(6, &["mine: the output already exists and holds 4 bytes", "--overwrite"]);
    assert_eq!(std::fs::read(desk.path("mine")).unwrap(), b"mine");
    for name in ["e.core", "./e.core", "hard", "soft"] {
        make(&format!("-o {name} --overwrite")).is(2, &["--output", "the module itself"]);
    }
    assert!(std::fs::read(desk.path("e.core")).unwrap() == core, "it is what it was");
    make("-o mine --overwrite").is(0, &["mine: a component of"]);
    desk.write("empty", "");
    make("-o empty").is(0, &["empty: a component of"]);
    assert_eq!(std::fs::read(desk.path("mine")).unwrap(), std::fs::read(desk.path("empty")).unwrap());
}

#[test]
fn what_no_component_can_be_made_of() {
    let desk = Desk::new();
    desk.write("text", "no wasm");
    desk.plugin("componentize text -o o.wasm").is(3, &["text is not a wasm module", "wasm32-unknown-unknown"]);
    desk.plugin("componentize nowhere -o o.wasm").is(4, &["cannot read nowhere"]);
    desk.write("cut", b"\0asm\x01\0\0\0\x01");
    desk.plugin("componentize cut -o o.wasm").is(3, &["cut is not a usable wasm module"]);
    desk.write("wasi", wat::parse_str(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#).unwrap());
    desk.plugin("componentize wasi -o o.wasm --world key-plugin").is(3, &["wasi"]);
    let browser = r#"(module (import "__wbindgen_placeholder__" "__wbindgen_describe" (func (param i32))))"#;
    desk.write("browser", wat::parse_str(browser).unwrap());
    let cure = ["browser needs JavaScript", "wasm-bindgen", "cargo tree", "cargo add chrono --no-default-features"];
    desk.plugin("componentize browser -o o.wasm").is(3, &cure);
    desk.plugin("componentize browser -o o.wasm --world key-plugin").is(3, &cure);
    desk.write("e.core", wat::parse_str(EXTRACTOR).unwrap());
    desk.plugin("componentize e.core -o no/o.wasm --world key-plugin").is(6, &["no/o.wasm"]);
}

#[test]
fn what_a_component_is() {
    let desk = Desk::with_plugins();
    let facts = desk.plugin("inspect e.wasm --json").is(0, &[]).json();
    assert_eq!((&facts["name"], &facts["version"], &facts["key_version"]), (&json!("evil"), &json!("1.0"), &json!(3)));
    assert_eq!(facts["roles"], json!([{"role": "key-extractor", "fields": ["/x"], "payload": false, "error": null}]));
    assert_eq!(facts["contract"], "1.0.0");
    assert_eq!(facts["imports"], json!(["dedup:plugin/log@1.0.0"]));
    assert_eq!(facts["exports"], json!(["dedup:plugin/key-extractor@1.0.0"]));
    assert_eq!(facts["bytes"], std::fs::metadata(desk.path("e.wasm")).unwrap().len());
    assert_eq!(facts["start"]["memory_bytes"], 4 << 16);
    assert_eq!((&facts["needs"], &facts["error"]), (&json!([]), &Value::Null));
    assert_eq!(facts["compile"]["from_cache"], false);
    let again = desk.plugin("inspect e.wasm --json").json();
    assert_eq!(again["compile"]["from_cache"], true);
    assert_eq!(again["sha256"], facts["sha256"]);
    desk.plugin("inspect s.wasm").is(0, &["similarity-scorer", "score by", "/x"]);
}

#[test]
fn a_cache_that_others_can_write_to_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::with_plugins();
    std::fs::create_dir(desk.path("cache")).unwrap();
    std::fs::set_permissions(desk.path("cache"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let ended = desk.plugin("inspect e.wasm --plugin-cache-dir cache");
    ended.is(0, &["WARN", "cache", "compiled in"]);
}

#[test]
fn what_a_component_asks_for_depends_on_its_configuration() {
    let (desk, path) = (Desk::new(), shipped("composite_key"));
    let inspect = |more: &str| desk.plugin(&format!("inspect {} --json {more}", path.display()));
    let facts = inspect("--plugin-config /actor/login,/type").is(0, &[]).json();
    assert_eq!(facts["roles"][0]["fields"], json!(["/actor/login", "/type"]));
    let refused = inspect(r#"--plugin-config {"field":1}"#);
    refused.is(3, &["error: plugin composite_key refuses its configuration"]);
    let facts = refused.json();
    assert_eq!((&facts["name"], &facts["contract"]), (&json!("composite_key"), &json!("1.0.0")));
    assert!(facts["roles"][0]["error"].as_str().unwrap().contains("refuses its configuration"));
    assert!(facts["error"].as_str().unwrap().contains("refuses its configuration"));
}

#[test]
fn what_can_be_said_of_a_file_that_is_no_plugin() {
    let desk = Desk::new();
    desk.write("text", "no wasm");
    desk.plugin("inspect text").is(3, &["7 bytes (neither a component nor a module)", "sha256", "not a wasm file"]);
    desk.write("core", wat::parse_str(EXTRACTOR).unwrap());
    let command = "dedup-host plugin componentize core -o core.component.wasm --world key-plugin";
    desk.plugin("inspect core").is(3, &["core module", command]);
    desk.plugin("inspect nowhere").is(3, &["cannot read", "nowhere"]);
    let text = r#"(component (import "acme:tool/clock@2.0.0" (instance (export "now" (func))))
        (instance $i) (export "acme:tool/run@2.0.0" (instance $i)))"#;
    desk.write("other", wat::parse_str(text).unwrap());
    let other = desk.plugin("inspect other --json");
    other.is(3, &["acme:tool/clock@2.0.0"]);
    let facts = other.json();
    assert_eq!((&facts["kind"], &facts["name"]), (&json!("component"), &Value::Null));
    assert_eq!(facts["imports"], json!(["acme:tool/clock@2.0.0"]));
    assert_eq!(facts["exports"], json!(["acme:tool/run@2.0.0"]));
}

#[test]
fn a_component_with_wasi_is_told_what_it_needs() {
    let desk = Desk::new();
    with_wasi(&desk.path("wasi.wasm"));
    let ended = desk.plugin("inspect wasi.wasm --json");
    ended.is(3, &["wasi:clocks/wall-clock@0.2.0", "--plugin-wasi"]);
    let facts = ended.json();
    assert_eq!((&facts["name"], &facts["needs"]), (&json!("evil"), &json!(["--plugin-wasi stub"])));
    assert!(facts["imports"].as_array().unwrap().len() > 10, "{facts}");
    desk.plugin("inspect wasi.wasm --plugin-wasi inert").is(0, &["evil 1.0", "wasi:random/random@0.2.0"]);
}

#[test]
fn a_component_that_starts_with_more_memory_than_it_may_have() {
    let desk = Desk::new();
    let large = EXTRACTOR.replace("(memory (export \"memory\") 4)", "(memory (export \"memory\") 1600)");
    desk.write("core", wat::parse_str(large).unwrap());
    desk.plugin("componentize core -o large.wasm --world key-plugin").is(0, &[]);
    let ended = desk.plugin("inspect large.wasm --json --plugin-memory-mib 16");
    ended.is(3, &["memory"]);
    assert_eq!(ended.json()["needs"], json!(["--plugin-memory-mib 128"]));
    desk.plugin("inspect large.wasm --plugin-memory-mib 128").is(0, &["100 MiB once configured; it may have 128 MiB"]);
}

#[test]
fn one_event_in_full() {
    let desk = Desk::with_plugins();
    let words = ["evil 1.0", "is given", "/x", "string", "keyed", "key", "hello", "fuel", "256 KiB of memory"];
    desk.plugin(r#"test e.wasm --event {"x":"hello"}"#).is(0, &words);
    let tried = desk.plugin(r#"test e.wasm --json --event {"x":"hello"}"#).is(0, &[]).json();
    let extraction = &tried["events"][0]["extraction"];
    assert_eq!((&extraction["status"], &extraction["keys"]), (&json!("keyed"), &json!(["hello"])));
    assert_eq!(extraction["values"], json!([{"field": "/x", "kind": "string", "value": "hello"}]));
    assert!(extraction["cost"]["fuel"].as_u64().unwrap() > 0);
    assert_eq!(extraction["cost"]["memory_bytes"], 4 << 16);
}

#[test]
fn the_same_work_costs_the_same_fuel() {
    let desk = Desk::with_plugins();
    let fuel = || {
        let tried = desk.plugin(r#"test e.wasm --json --event {"x":"hello"}"#).json();
        tried["events"][0]["extraction"]["cost"]["fuel"].clone()
    };
    assert_eq!(fuel(), fuel());
}

#[test]
fn numbers_reach_a_plugin_as_the_run_was_told() {
    let desk = Desk::with_plugins();
    desk.plugin(r#"test e.wasm --event {"x":-1.0}"#).is(0, &["number -1.0"]);
    let tried = desk.plugin(r#"test e.wasm --json --numbers canonical --event {"x":-1.0}"#).json();
    assert_eq!(tried["events"][0]["extraction"]["keys"], json!(["-1"]));
}

#[test]
fn events_inside_a_string_are_tried_and_measured() {
    let (desk, path) = (Desk::new(), shipped("composite_key"));
    let path = path.display();
    desk.write("in", "{\"data\":\"{\\\"x\\\":\\\"a\\\"}\"}\n{\"data\":{\"x\":\"a\"}}\n{\"data\":\"no JSON\"}\n");
    let tried = desk.plugin(&format!("test {path} --plugin-config /data/x --json-in /data --input in --json")).json();
    let of = |number: usize, member: &str| tried["events"][number - 1]["extraction"][member].clone();
    assert_eq!((of(1, "keys"), of(2, "duplicate_of"), of(3, "status")), (json!(["a"]), json!(1), json!("undecodable")));
    desk.plugin(&format!("test {path} --plugin-config /data/x --json-in /data --input in"))
        .is(0, &["json-in /data: the string is not JSON at byte 0"]);
    desk.plugin(&format!("bench {path} --plugin-config /data/x --json-in /data --input in")).is(0, &["composite_key"]);
    let scorer = shipped("property_similarity");
    desk.write("one", r#"{"data":"{\"x\":\"a\",\"y\":1}"}"#);
    desk.write("other", r#"{"data":"{\"x\":\"a\",\"y\":2}"}"#);
    let config = r#"{"properties":"/data"}"#;
    for fields in ["", "/data/y"] {
        let config = config.replace('}', &format!(r#","fields":["{fields}"]}}"#));
        let words = format!(
            "test {} --scorer-config {config} --json-in /data --original @one --event @other",
            scorer.display()
        );
        desk.plugin(&words).is(0, &["/data/y"]);
    }
}

#[test]
fn events_of_a_file_and_the_duplicates_among_them() {
    let (desk, path) = (Desk::new(), shipped("composite_key"));
    desk.write("in", "{\"x\":\"a\"}\n{\"x\":\"b\"}\n{\"x\":\"a\"}\nno JSON\n{\"x\":\"a\"}\n{\"y\":\"a\"}\n");
    let test = |more: &str| desk.plugin(&format!("test {} --plugin-config /x {more}", path.display()));
    let ended = test("--input in");
    ended.is(0, &["3  keyed    a  duplicate of 1", "4  no JSON  not JSON at byte", "duplicates     2 (33.3 %)"]);
    let tried = test("--input in --json").json();
    let of = |number: usize, member: &str| tried["events"][number - 1]["extraction"][member].clone();
    assert_eq!((of(5, "duplicate_of"), of(2, "duplicate_of")), (json!(1), Value::Null));
    assert_eq!((of(4, "status"), of(6, "status")), (json!("undecodable"), json!("no-key")));
    let summary = &tried["summary"];
    assert_eq!((&summary["events"], &summary["keyed"], &summary["no_key"]), (&json!(6), &json!(4), &json!(1)));
    assert_eq!((&summary["undecodable"], &summary["duplicates"]), (&json!(1), &json!(2)));
    let tried = test("--input in --json --limit 2").json();
    assert_eq!((&tried["summary"]["events"], &tried["summary"]["more"]), (&json!(2), &json!(true)));
    test("--input in --limit 2").is(0, &["the input has more, see --limit"]);
    test("--input nowhere").is(4, &["nowhere"]);
}

#[test]
fn an_event_with_several_keys_is_a_duplicate_by_any_of_them() {
    let (desk, path) = (Desk::new(), shipped("multi_key"));
    desk.write("in", "{\"a\":1,\"b\":1}\n{\"a\":2,\"b\":1}\n{\"a\":2,\"b\":3}\n");
    let line = format!(r#"test {} --input in --json --plugin-config [["/a"],["/b"]]"#, path.display());
    let tried = desk.plugin(&line).is(0, &[]).json();
    // The second adds a key to what is known although it is a duplicate, as in a run.
    let firsts: Vec<&Value> = (0..3).map(|event| &tried["events"][event]["extraction"]["duplicate_of"]).collect();
    assert_eq!(firsts, [&Value::Null, &json!(1), &json!(2)]);
    assert_eq!(tried["events"][0]["extraction"]["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn events_after_one_on_which_the_plugin_fails() {
    let desk = Desk::with_plugins();
    desk.write("in", "{\"x\":\"a\"}\n{\"x\":\"T\"}\n{\"x\":\"W\"}\n{\"x\":\"E\"}\n{\"x\":\"0\"}\n{\"x\":\"a\"}\n");
    let ended = desk.plugin("test e.wasm --input in");
    ended.is(
        7,
        &[
            "2  FAILED   wasm trap: wasm `unreachable`",
            "error no thanks",
            "6  keyed    a  duplicate of 1",
            "failed         4",
        ],
    );
    let tried = desk.plugin("test e.wasm --input in --json").is(7, &[]).json();
    let of = |number: usize| &tried["events"][number - 1]["extraction"];
    assert_eq!(of(3)["log"], json!([{"level": "error", "message": "no thanks"}]));
    assert_eq!(of(4)["reason"], "the plugin says: no thanks");
    assert_eq!((&of(5)["status"], &of(6)["status"]), (&json!("failed"), &json!("keyed")));
    assert_eq!(tried["summary"]["failed"], 4);
}

#[test]
fn a_call_that_does_not_end_and_one_that_wants_all_memory() {
    let desk = Desk::with_plugins();
    desk.plugin(r#"test e.wasm --plugin-time-limit-ms 50 --event {"x":"L"}"#).is(7, &["took longer than 50 ms"]);
    desk.plugin(r#"test e.wasm --plugin-memory-mib 8 --event {"x":"M"}"#).is(7, &["the limit is 8388608"]);
}

#[test]
fn a_key_that_is_no_text() {
    let (desk, path) = (Desk::new(), shipped("composite_key"));
    desk.write("event", b"{\"x\":\"a\\u0007b\"}\n");
    let line = format!("test {} --plugin-config /x --event @event", path.display());
    desk.plugin(&line).is(0, &[r#"b"a\u{7}b""#]);
    let tried = desk.plugin(&format!("{line} --json")).json();
    assert_eq!(tried["events"][0]["extraction"]["keys"], json!(["a\u{7}b"]));
}

#[test]
fn a_pair_of_events() {
    let desk = Desk::with_plugins();
    let ended = desk.plugin(r#"test s.wasm --original {"x":"abc"} --event {"x":"de"}"#);
    ended.is(0, &["similarity     0.046875", "of properties  0.03125", "same           /x", "fuel"]);
    let pair = desk.plugin(r#"test s.wasm --json --original {"x":"abc"} --event {"x":"de"}"#).json();
    let comparison = &pair["events"][0]["comparison"];
    assert_eq!(
        (&comparison["similarity"], &comparison["property_similarity"]),
        (&json!(3.0 / 64.0), &json!(2.0 / 64.0))
    );
    assert_eq!((&comparison["same"], &comparison["changed"]), (&json!(["/x"]), &json!([])));
    desk.plugin(r#"test s.wasm --original {"x":"abc"} --event {"x":"T"}"#)
        .is(7, &["the plugin failed: wasm trap: wasm `unreach"]);
    desk.plugin(r#"test s.wasm --original no --event {"x":"a"}"#).is(0, &["not compared: the original: not JSON"]);
}

#[test]
fn an_original_where_there_is_nothing_to_compare_and_none_where_there_is() {
    let desk = Desk::with_plugins();
    desk.plugin(r#"test s.wasm --event {"x":"a"}"#).is(2, &["give --original"]);
    desk.plugin(r#"test e.wasm --original {} --event {"x":"a"}"#).is(2, &["leave --original out"]);
}

#[test]
fn components_side_by_side() {
    let desk = Desk::with_plugins();
    let ended = desk.plugin("bench e.wasm s.wasm e.wasm --events 300 --json").is(0, &[]).json();
    let measured = ended["measured"].as_array().unwrap();
    let roles: Vec<&Value> = measured.iter().map(|measured| &measured["role"]).collect();
    assert_eq!(roles, ["key-extractor", "similarity-scorer", "key-extractor"]);
    assert_eq!((&measured[0]["ratio"], &measured[1]["ratio"]), (&json!(1.0), &json!(1.0)));
    for measured in measured {
        assert!(measured["nanoseconds"].as_f64().unwrap() > 0.0 && measured["passes"].as_u64().unwrap() >= 5);
        assert_eq!((&measured["events"], &measured["failed"]), (&json!(300), &json!(0)));
        assert!(measured["cached_nanoseconds"].is_u64() && measured["memory_bytes"].as_u64().unwrap() >= 4 << 16);
    }
    let words = ["key-extractor: 300 events made up", "similarity-scorer: 300 pairs made up", "e 1.0", "s 1.0", "1.00"];
    desk.plugin("bench e.wasm s.wasm --events 300 --plugin-cache-dir off").is(0, &words);
}

#[test]
fn events_of_ones_own_to_measure_with() {
    let desk = Desk::with_plugins();
    desk.write("in", "{\"x\":\"a\"}\nno JSON\n{\"x\":\"T\"}\n");
    let ended = desk.plugin("bench e.wasm --input in --json");
    let measured = ended.is(7, &[]).json()["measured"][0].clone();
    assert_eq!((&measured["events"], &measured["left_out"], &measured["failed"]), (&json!(2), &json!(1), &json!(1)));
    desk.plugin("bench e.wasm --input in").is(7, &["1 event left out", "failed on 1 event per pass"]);
    desk.write("empty", "");
    desk.plugin("bench e.wasm --input empty").is(4, &["no events to measure with"]);
    desk.write("opaque", "no JSON\n");
    desk.plugin("bench e.wasm --input opaque").is(4, &["none of 1 events can be laid out"]);
}

#[test]
fn measuring_ends_with_its_time_and_shows_what_there_is() {
    let desk = Desk::with_plugins();
    desk.write("in", "{\"x\":\"L\"}\n".repeat(400));
    let started = std::time::Instant::now();
    let line = "bench e.wasm --input in --plugin-time-limit-ms 300 --time-budget-secs 1";
    let words = ["400 events of --input", "not at all: the time was up", "--time-budget-secs", "failed on"];
    desk.plugin(line).is(7, &words);
    let measured = desk.plugin(&format!("{line} --json")).is(7, &[]).json()["measured"][0].clone();
    let (events, unmeasured) = (measured["events"].as_u64().unwrap(), measured["unmeasured"].as_u64().unwrap());
    assert!(events > 0 && unmeasured > 300 && events + unmeasured == 400, "{events} and {unmeasured}");
    assert!(started.elapsed().as_secs() < 60, "it took {:?}", started.elapsed());
}

#[test]
fn what_is_declared_the_same_is_read_from_beside_the_component_or_from_where_it_is_said() {
    let desk = Desk::with_plugins();
    let declare = |name: &str, examples: &str| {
        desk.write(name, format!("[[equal]]\nat = \"/x\"\nby = \"case\"\nexamples = [{examples}]\n"));
    };
    declare("other.toml", "\"a\", \"A\"");
    let ended = desk.plugin("conformance e.wasm E1 --declarations other.toml");
    ended.is(1, &["declared equalities: other.toml", "example 1", "one key for both", "--declarations other.toml"]);
    desk.plugin("conformance e.wasm E1").is(0, &["conforms to E1", "no equality is declared"]);
    declare("conformance.toml", "\"a\", \"b\"");
    let words = ["conformance.toml: [[equal]] 1: example 2", "is not the same as", "by case"];
    desk.plugin("conformance e.wasm E1").is(3, &words);
    declare("e.conformance.toml", "\"a\", \"A\"");
    desk.plugin("conformance e.wasm E1").is(1, &["declared equalities: e.conformance.toml"]);
    desk.plugin("conformance e.wasm E1 --declarations nowhere.toml").is(3, &["nowhere.toml"]);
}

#[test]
fn an_event_that_costs_all_its_time_does_not_keep_the_suite() {
    let desk = Desk::with_plugins();
    desk.write("in", "{\"x\":\"L\"}\n");
    let line = "conformance e.wasm contract --input in --plugin-time-limit-ms 500 --time-budget-secs 5";
    let started = std::time::Instant::now();
    let ended = desk.plugin(line);
    ended.is(1, &["C1", "does not conform"]);
    assert!(started.elapsed().as_secs() < 60, "it took {:?}", started.elapsed());
}

#[test]
fn conformance_by_its_exit_codes() {
    let (desk, path) = (Desk::with_plugins(), shipped("composite_key"));
    let path = path.display();
    desk.plugin(&format!("conformance {path} L1 C2")).is(0, &["L1", "C2", "2 passed"]);
    // It traps on what begins with T, which some odd text does.
    desk.plugin("conformance e.wasm totality").is(1, &["T1", "again:", "dedup-host plugin conformance e.wasm T"]);
    desk.plugin("conformance e.core").is(2, &["core module"]);
    desk.plugin(&format!("conformance {path} Z9")).is(2, &["Z9", "--list"]);
    desk.plugin(&format!("conformance {path} --level lax")).is(2, &["lax"]);
    desk.plugin(&format!("conformance {path} --expect nowhere.json")).is(3, &["nowhere.json"]);
    desk.plugin(&format!("conformance {path} --input nowhere")).is(3, &["nowhere"]);
}

#[test]
fn conformance_in_every_format() {
    let desk = Desk::with_plugins();
    let report =
        |format: &str| desk.plugin(&format!("conformance e.wasm L1 L4 --format {format}")).is(0, &[]).out.clone();
    assert!(report("tap").starts_with("TAP version 14\n"));
    assert!(report("junit").starts_with("<?xml"));
    let json: Value = serde_json::from_str(&report("json")).unwrap();
    assert!(json.is_object());
    assert!(report("human").contains("2 passed"));
}

#[test]
fn rules_are_listed_without_a_component() {
    let desk = Desk::new();
    desk.plugin("conformance --list").is(0, &["L1", "strict", "required", "T1", "S3"]);
    let some = desk.plugin("conformance --list totality");
    assert!(some.is(0, &["T1"]).out.lines().all(|line| !line.contains("S3")), "{}", some.out);
}

#[test]
fn a_rule_that_failed_is_repeated_by_the_line_that_it_prints() {
    let desk = Desk::with_plugins();
    let line = "conformance e.wasm totality --seed 5 --plugin-memory-mib 8 --plugin-config {}";
    let ended = desk.plugin(line);
    let again = ended.out.lines().find_map(|line| line.split_once("dedup-host plugin ")).unwrap().1;
    for words in ["--seed 5", "--plugin-memory-mib 8", "--plugin-config"] {
        assert!(again.contains(words), "{again}");
    }
    desk.plugin(&again.replace('\'', "")).is(1, &["0 passed, 1 failed"]);
}

/// A run over one event of each letter, and the dumps that it left.
fn dumps(desk: &Desk, letters: &str, more: &str) -> Vec<PathBuf> {
    let lines: String = letters.chars().map(|letter| format!("{{\"x\":\"{letter}\",\"uuid\":\"u\"}}\n")).collect();
    desk.write("in", lines);
    let line = format!(
        "--plugin e.wasm --plugin-config {{}} --input in --output out --dead-letter dead --store-path store \
         --plugin-breaker off --plugin-dump-dir dumps {more}"
    );
    desk.run(&line).is(0, &[]);
    let files = std::fs::read_dir(desk.path("dumps")).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn a_failing_record_is_tried_again() {
    let desk = Desk::with_plugins();
    let dumps = dumps(&desk, "aTb", "--plugin-dump-values");
    assert_eq!(dumps.len(), 1, "{dumps:?}");
    let dump = dumps[0].display();
    let ended = desk.plugin(&format!("replay {dump}"));
    ended.is(7, &["offset 1", "the same component", "it fails in the same way", "/x", "string T"]);
    // A component that was mended.
    let mended = EXTRACTOR.replace("(then unreachable)", "(then nop)");
    desk.write("m.core", wat::parse_str(mended).unwrap());
    desk.plugin("componentize m.core -o m.wasm --world key-plugin").is(0, &[]);
    let ended = desk.plugin(&format!("replay {dump} --plugin m.wasm"));
    ended.is(0, &["a different component", "it does not fail", "keyed"]);
    // One that fails otherwise.
    let other = EXTRACTOR.replace("(then unreachable)", "(then (loop $ever (br $ever)))");
    desk.write("o.core", wat::parse_str(other).unwrap());
    desk.plugin("componentize o.core -o o.wasm --world key-plugin").is(0, &[]);
    let ended = desk.plugin(&format!("replay {dump} --plugin o.wasm --plugin-time-limit-ms 50 --json"));
    let replayed = ended.is(7, &[]).json();
    assert_eq!((&replayed["same_failure"], &replayed["same_component"]), (&json!(false), &json!(false)));
    assert_eq!(replayed["now"], "it took longer than 50 ms");
    assert!(replayed["then"].as_str().unwrap().contains("unreachable"));
}

#[test]
fn a_dump_that_cannot_be_tried_again() {
    let desk = Desk::with_plugins();
    let dumps = dumps(&desk, "T", "");
    let dump = dumps[0].display();
    desk.plugin(&format!("replay {dump}")).is(4, &["has no values", "--plugin-dump-values", "offset 0", "unreachable"]);
    desk.plugin("replay nowhere").is(4, &["cannot read nowhere", "--plugin-dump-dir"]);
    desk.plugin("replay in").is(4, &["in is not a dump"]);
}

#[test]
fn a_dump_that_does_not_fit_the_component() {
    let desk = Desk::with_plugins();
    let dumps = dumps(&desk, "T", "--plugin-dump-values");
    let dump = dumps[0].display();
    desk.plugin(&format!("replay {dump} --plugin s.wasm")).is(3, &["no key-extractor"]);
    let line = format!("replay {dump} --plugin {} --plugin-config /a,/b", shipped("composite_key").display());
    desk.plugin(&line).is(3, &["reads /a /b, but the dump has /x", "--plugin-config"]);
    std::fs::remove_file(desk.path("e.wasm")).unwrap();
    desk.plugin(&format!("replay {dump}")).is(3, &["cannot read", "e.wasm", "--plugin"]);
}
