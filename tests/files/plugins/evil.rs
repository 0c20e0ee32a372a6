//! Plugins that do harm, under the whole host: those that can be loaded run over real records with poison among them,
//! and cost only the poison; those that cannot end the run before it touches anything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dedup_host_tests::Test;
use dedup_host_tests::program::{self, Ended};
use serde_json::Value;

use super::super::desk::{Counts, Desk, counts, end};
use super::{component, evil_text, with_plugin};

pub(crate) const TESTS: &[Test] = &[
    ("every_way_to_fail_costs_only_its_own_record", every_way_to_fail_costs_only_its_own_record),
    ("every_way_to_fail_lets_records_pass_if_so_told", every_way_to_fail_lets_records_pass_if_so_told),
    ("one_record_in_a_hundred_traps", one_record_in_a_hundred_traps),
    ("a_flood_of_log_is_cut", a_flood_of_log_is_cut),
    ("a_flood_of_short_lines_is_cut", a_flood_of_short_lines_is_cut),
    ("a_plugin_that_never_stops_talking_is_not_listened_to", a_plugin_that_never_stops_talking_is_not_listened_to),
    ("a_plugin_that_fails_on_everything_ends_the_run", a_plugin_that_fails_on_everything_ends_the_run),
    ("a_plugin_that_fails_on_everything_buries_everything_if_so_told", a_plugin_that_buries_everything),
    ("scores_that_are_none_cost_only_their_own_pair", scores_that_are_none_cost_only_their_own_pair),
    ("what_plugins_fail_on_is_written_down", what_plugins_fail_on_is_written_down),
    ("an_endless_loop_in_start", an_endless_loop_in_start),
    ("an_endless_loop_in_describe", an_endless_loop_in_describe),
    ("an_endless_loop_in_configure", an_endless_loop_in_configure),
    ("a_plugin_that_traps_before_any_event", a_plugin_that_traps_before_any_event),
    ("a_plugin_that_starts_too_large", a_plugin_that_starts_too_large),
    ("a_plugin_that_floods_the_log_before_any_event", a_plugin_that_floods_the_log_before_any_event),
    ("a_plugin_that_wants_more_than_a_log", a_plugin_that_wants_more_than_a_log),
    ("a_plugin_that_exports_other_types", a_plugin_that_exports_other_types),
];

/// Where in a uuid poison says what it does: real ones have a `-` there.
const LETTER: usize = 8;

/// Every way to fail in a call, by the letter that asks for it, and the reason that is given.
const WAYS: &[(char, &str)] = &[
    ('T', "unreachable"),
    ('W', "last words: no thanks"),
    ('L', "longer than"),
    ('M', "its memory would grow to"),
    ('B', "its table would grow to"),
    ('S', "call stack exhausted"),
    ('G', "more than 67108864 bytes at once"),
    ('E', "the plugin says: no thanks"),
    ('0', "statuses for 1 events"),
    ('1', "the status 7"),
    ('2', "keys end at 65535"),
    ('3', "keys end at"),
    ('4', "owners for 1 keys"),
    ('5', "the owner of the next key is event"),
    ('6', "a note for event 1 of 1"),
    ('7', "out of bounds"),
    ('9', "keys end at 0"),
    ('n', "not keyed, and its key is not empty"),
    ('Y', "300 keys for one event"),
    ('V', "70000 bytes of keys for one event"),
];

/// The evil plugin, with `/uuid` as its key and its letter where no real uuid has one.
fn evil_by_uuid(desk: &Desk) -> PathBuf {
    let text = evil_text("", "");
    let changes = [
        ("(i32.load8_u (i32.add (local.get $data)", "(i32.load8_u offset=8 (i32.add (local.get $data)"),
        (
            "(data (i32.const 64) \"\\17\\00\\00\\00\\02",
            "(data (i32.const 200) \"/uuid\") (data (i32.const 64) \"\\c8\\00\\00\\00\\05",
        ),
    ];
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    });
    component(desk, "evil.wasm", &text, "key-plugin")
}

/// Real records, some of them poison.
struct Scene {
    lines: Vec<String>,
    /// Index and letter of each, ascending.
    poison: Vec<(usize, char)>,
}

impl Scene {
    /// Generates records, and makes poison of those that `letter` gives one.
    fn new(desk: &Desk, records: u64, letter: impl Fn(usize) -> Option<char>) -> Self {
        let _truth = desk.generate(records, 71);
        let mut lines: Vec<String> = desk.text("in").lines().map(|line| format!("{line}\n")).collect();
        let poison: Vec<(usize, char)> = (0..lines.len()).filter_map(|at| Some((at, letter(at)?))).collect();
        for (at, letter) in &poison {
            let uuid = uuid(&lines[*at]);
            let bitter = format!("{}{letter}{at:05}", &uuid[..LETTER]);
            lines[*at] = lines[*at].replacen(&uuid, &bitter, 1);
        }
        desk.write("in", lines.concat());
        Self { lines, poison }
    }

    /// One of each way to fail, a thousand records apart from one another or next to one another.
    fn of_every_way(desk: &Desk) -> Self {
        let places = [
            0, 1, 2, 3, 700, 701, 1_000, 1_500, 1_501, 2_000, 2_600, 2_601, 3_000, 3_333, 3_998, 3_999, 1_023, 1_024,
            2_047, 2_048,
        ];
        Self::new(desk, 4_000, |at| Some(WAYS[places.iter().position(|place| *place == at)?].0))
    }

    /// What a run must say of it: everything is unique, but for what has the uuid of a record before it.
    fn counts(&self) -> Counts {
        let (consumed, dead_letter) = (self.lines.len() as u64, self.poison.len() as u64);
        let duplicate = consumed - dead_letter - self.unique(false).len() as u64;
        Counts { consumed, unique: consumed - duplicate - dead_letter, duplicate, dead_letter, ..Counts::default() }
    }

    /// The lines that must come out.
    fn unique(&self, with_poison: bool) -> Vec<&str> {
        let poison: BTreeSet<usize> = self.poison.iter().map(|(at, _)| *at).collect();
        let mut seen = BTreeSet::new();
        let comes_out = |(at, line): &(usize, &String)| {
            if poison.contains(at) { with_poison } else { seen.insert(uuid(line)) }
        };
        self.lines.iter().enumerate().filter(comes_out).map(|(_, line)| line.as_str()).collect()
    }

    /// Checks that the poison, and nothing else, is in `dead`, byte for byte and with its reason.
    fn check_dead(&self, desk: &Desk) {
        let letters = desk.json_lines("dead");
        assert_eq!(letters.len(), self.poison.len());
        for (letter, (at, way)) in letters.iter().zip(&self.poison) {
            assert_eq!(letter["offset"], at.to_string(), "{letter}");
            assert_eq!(letter["stage"], "plugin", "{letter}");
            assert_eq!(letter["payload"], self.lines[*at].trim_end(), "{letter}");
            let (_, reason) = WAYS.iter().find(|(known, _)| known == way).unwrap();
            assert!(letter["reason"].as_str().unwrap().contains(reason), "{way}: {reason}: {letter}");
        }
    }
}

fn uuid(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap();
    event["uuid"].as_str().unwrap().to_owned()
}

/// A second at least for an honest call, however busy the machine; as much memory as the largest result needs.
const LIMITS: &str = "--plugin-time-limit-ms 1000 --plugin-memory-mib 128";

fn run(desk: &Desk, plugin: &Path, words: &str) -> Ended {
    end(with_plugin(desk, plugin, words)).ok()
}

fn every_way_to_fail_costs_only_its_own_record() {
    let desk = Desk::new();
    let scene = Scene::of_every_way(&desk);
    assert_eq!(scene.poison.len(), WAYS.len());
    let _ok = run(&desk, &evil_by_uuid(&desk), &format!("--dead-letter dead {LIMITS}"));
    assert_eq!(desk.report(), scene.counts());
    assert!(desk.text("out") == scene.unique(false).concat(), "all others come out once, in order, byte for byte");
    scene.check_dead(&desk);
}

fn every_way_to_fail_lets_records_pass_if_so_told() {
    let desk = Desk::new();
    let scene = Scene::of_every_way(&desk);
    let _ok = run(&desk, &evil_by_uuid(&desk), &format!("--on-plugin-failure pass --dead-letter dead {LIMITS}"));
    assert_eq!(desk.report(), scene.counts());
    assert!(desk.text("out") == scene.unique(true).concat(), "nothing but duplicates is missing");
    assert_eq!(desk.text("dead"), "");
}

fn one_record_in_a_hundred_traps() {
    let desk = Desk::new();
    let scene = Scene::new(&desk, 20_000, |at| (at % 100 == 99).then_some('T'));
    let _ok = run(&desk, &evil_by_uuid(&desk), "--dead-letter dead");
    assert_eq!(desk.report(), scene.counts());
    assert!(desk.text("out") == scene.unique(false).concat());
    scene.check_dead(&desk);
}

/// Checks that two floods neither cost a record nor fill the log.
fn flooded(letter: char) {
    let desk = Desk::new();
    let scene = Scene::new(&desk, 4_000, |at| [700, 3_100].contains(&at).then_some(letter));
    let ended = run(&desk, &evil_by_uuid(&desk), "--dead-letter dead --plugin-time-limit-ms 60000");
    assert_eq!(desk.report(), Counts { unique: scene.counts().unique + 2, dead_letter: 0, ..scene.counts() });
    assert!(ended.stderr.contains("log was cut") && ended.stderr.contains("evil"), "{}", ended.stderr);
    // 16 KiB a flood, what stands before each line, and what the host says of itself.
    assert!(ended.stderr.len() < 100_000, "{} bytes of log", ended.stderr.len());
}

fn a_flood_of_log_is_cut() {
    flooded('F');
}

fn a_flood_of_short_lines_is_cut() {
    flooded('Q');
}

fn a_plugin_that_never_stops_talking_is_not_listened_to() {
    let desk = Desk::new();
    let scene = Scene::new(&desk, 200_000, |at| (at % 1_000 == 0).then_some('Q'));
    let ended = run(&desk, &evil_by_uuid(&desk), "--dead-letter dead --plugin-time-limit-ms 60000");
    assert_eq!(desk.report().unique, scene.counts().unique + scene.poison.len() as u64);
    assert!(ended.stderr.contains("log was cut"));
    // 16 KiB a call, all of it in short lines, would be 5 MB.
    assert!(ended.stderr.len() < 3_000_000, "{} bytes of log", ended.stderr.len());
}

fn a_plugin_that_fails_on_everything_ends_the_run() {
    let desk = Desk::new();
    let _scene = Scene::new(&desk, 4_000, |_| Some('E'));
    let ended = end(with_plugin(&desk, &evil_by_uuid(&desk), "--dead-letter dead"));
    ended.refused(7, &["offset 0", "the plugin says: no thanks", "--plugin-breaker"]);
    assert!(!desk.path("report").exists(), "half a run has no report");
    assert_eq!(desk.size("dead"), 0, "a broken plugin makes no dead letters");
}

fn a_plugin_that_buries_everything() {
    let desk = Desk::new();
    let scene = Scene::new(&desk, 4_000, |_| Some('E'));
    let _ok = run(&desk, &evil_by_uuid(&desk), "--dead-letter dead --plugin-breaker off");
    assert_eq!(desk.report(), scene.counts());
    assert_eq!(desk.text("out"), "");
    scene.check_dead(&desk);
}

fn scores_that_are_none_cost_only_their_own_pair() {
    let desk = Desk::new();
    let ways = ['T', 'W', 'S', 'M', 'E', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
    let bad = |number: usize| number.checked_sub(1_000).filter(|at| at % 60 == 7).and_then(|at| ways.get(at / 60));
    let line = |number: usize| {
        let first = bad(number).unwrap_or(&'e');
        format!("{{\"id\":\"{}\",\"x\":\"{first}{number}\"}}\n", number % 1_000)
    };
    desk.write("in", (0..2_000).map(line).collect::<String>());
    let scorer = include_str!("../../../host/plugin/tests/common/evil_scorer.wat");
    let scorer = component(&desk, "scorer.wasm", scorer, "similarity-plugin");
    let words = "--plugin-config /id --duplicates duplicates --plugin-memory-mib 16";
    let mut command = with_plugin(&desk, &program::plugin("composite_key"), words);
    command.arg("--plugin").arg(scorer);
    let _ok = end(command).ok();
    assert_eq!(desk.report(), counts(1_000, 1_000));
    let records = desk.json_lines("duplicates");
    assert_eq!(records.len(), 1_000);
    for (number, record) in (1_000..).zip(&records) {
        assert_eq!(record["duplicate"]["offset"], number, "{record}");
        assert_eq!(record["outcome"] == "unscored", bad(number).is_some(), "{record}");
    }
}

fn what_plugins_fail_on_is_written_down() {
    let desk = Desk::new();
    let scene = Scene::new(&desk, 4_000, |at| (at % 20 == 0).then_some('T'));
    let words = "--dead-letter dead --plugin-dump-dir dumps/new";
    let ended = run(&desk, &evil_by_uuid(&desk), words);
    assert_eq!(desk.report(), scene.counts());
    let dumps = std::fs::read_dir(desk.path("dumps/new")).unwrap();
    let dumps: Vec<String> = dumps.map(|dump| std::fs::read_to_string(dump.unwrap().path()).unwrap()).collect();
    assert_eq!(dumps.len(), 100, "of {}", scene.poison.len());
    assert!(
        ended.stderr.contains("files-0-0-key-extractor-") && ended.stderr.contains("plugin replay"),
        "it says where"
    );
    for dump in dumps {
        let read: Value = serde_json::from_str(&dump).unwrap();
        let line = &scene.lines[usize::try_from(read["offset"].as_u64().unwrap()).unwrap()];
        assert!(!dump.contains(&uuid(line)), "nobody asked for values: {dump}");
        assert_eq!((&read["fields"][0], &read["plugin"]["name"]), (&"/uuid".into(), &"evil".into()));
        assert!(read["cause"].as_str().unwrap().contains("unreachable"), "{dump}");
    }
    let again = format!("{words}/values --plugin-dump-values --store-path again --overwrite");
    let mut command = desk.command(&format!("--input in {again}"));
    command.arg("--plugin").arg(desk.path("evil.wasm"));
    let _ok = end(command).ok();
    let dumps = std::fs::read_dir(desk.path("dumps/new/values")).unwrap();
    for dump in dumps.map(|dump| std::fs::read_to_string(dump.unwrap().path()).unwrap()) {
        let read: Value = serde_json::from_str(&dump).unwrap();
        let line = &scene.lines[usize::try_from(read["offset"].as_u64().unwrap()).unwrap()];
        assert_eq!(read["values"][0]["text"], uuid(line), "{dump}");
    }
}

/// Checks that a component is refused before anything is touched, and that the message says all of this.
fn cannot_start(text: &str, words: &[&str]) -> String {
    let desk = Desk::new();
    desk.write("in", "{\"uuid\":\"1\"}\n");
    desk.write("out", "kept");
    let ended = end(with_plugin(&desk, &component(&desk, "evil.wasm", text, "key-plugin"), "--plugin-memory-mib 16"));
    ended.refused(3, &["evil.wasm"]);
    ended.refused(3, words);
    assert_eq!(desk.text("out"), "kept");
    assert!(!desk.path("store").exists(), "no store is made");
    ended.stderr
}

/// The evil plugin with more at the end of its module.
fn evil_with(more: &str) -> String {
    let text = evil_text("", "");
    format!("{}\n{more})", text.trim_end().strip_suffix(')').unwrap())
}

const ENDLESS: &str = "(loop $ever (br $ever))";
const LATE: &str = "it took longer than 10000 ms";
const WAY_OUT: &str = "plugin conformance";

fn an_endless_loop_in_start() {
    cannot_start(&evil_with(&format!("(func $begin {ENDLESS}) (start $begin)")), &["instantiate", LATE, WAY_OUT]);
}

fn an_endless_loop_in_describe() {
    cannot_start(&evil_text(ENDLESS, ""), &["describe", LATE, WAY_OUT]);
}

fn an_endless_loop_in_configure() {
    cannot_start(&evil_text("", ENDLESS), &["configure", LATE, WAY_OUT]);
}

fn a_plugin_that_traps_before_any_event() {
    cannot_start(&evil_with("(func $begin unreachable) (start $begin)"), &["instantiate", "unreachable", WAY_OUT]);
    cannot_start(&evil_text("unreachable", ""), &["describe", "unreachable", WAY_OUT]);
    cannot_start(&evil_text("", "unreachable"), &["configure", "unreachable", WAY_OUT]);
    let last_words = "(call $log (i32.const 4) (i32.const 25) (i32.const 9)) unreachable";
    cannot_start(&evil_text("", last_words), &["configure", "last words: no thanks"]);
}

fn a_plugin_that_starts_too_large() {
    let grows = "(loop $more (drop (memory.grow (i32.const 16))) (br $more))";
    let begins = |code: &str| format!("(func $begin {code}) (start $begin)");
    cannot_start(&evil_with(&begins(grows)), &["instantiate", "memory would grow to", "16777216"]);
    cannot_start(&evil_text("", grows), &["configure", "memory would grow to"]);
    let large = evil_text("", "").replace("(memory (export \"memory\") 4)", "(memory (export \"memory\") 1000)");
    cannot_start(&large, &["memory would grow to 65536000 bytes", "16777216"]);
    cannot_start(&evil_with("(table 200000 funcref)"), &["table would grow to 200000 elements", "100000"]);
    let deep = "(func $down (call $down)) (func $begin (call $down)) (start $begin)";
    cannot_start(&evil_with(deep), &["instantiate", "call stack exhausted"]);
}

fn a_plugin_that_floods_the_log_before_any_event() {
    let flood = "(loop $flood (call $log (i32.const 2) (i32.const 25) (i32.const 9))
        (global.set $floods (i32.add (global.get $floods) (i32.const 1)))
        (br_if $flood (i32.lt_u (global.get $floods) (i32.const 100000)))) unreachable";
    let counter = "(global $floods (mut i32) (i32.const 0))";
    let text = evil_text("", flood).replace("(table $table", &format!("{counter} (table $table"));
    let log = cannot_start(&text, &["configure", "unreachable", "log was cut"]);
    assert!(log.len() < 100_000, "{} bytes of log", log.len());
}

fn a_plugin_that_wants_more_than_a_log() {
    let desk = Desk::new();
    desk.write("in", "{\"uuid\":\"1\"}\n");
    let wants = |name: &str, import: &str| {
        desk.write(
            name,
            wat::parse_str(format!("(component (import \"{import}\" (instance (export \"f\" (func)))))")).unwrap(),
        );
        end(with_plugin(&desk, &desk.path(name), ""))
    };
    wants("clock.wasm", "acme:tools/clock@1.0.0").refused(3, &["clock.wasm", "acme:tools/clock@1.0.0", "may import"]);
    let wasi = wants("files.wasm", "wasi:filesystem/types@0.2.3");
    wasi.refused(3, &["files.wasm", "wasi:filesystem/types@0.2.3", "--plugin-wasi"]);
    assert!(!desk.path("store").exists(), "no store is made");
}

fn a_plugin_that_exports_other_types() {
    let desk = Desk::new();
    desk.write("in", "{\"uuid\":\"1\"}\n");
    let text = "(component (instance $i) (export \"dedup:plugin/key-extractor@1.0.0\" (instance $i)))";
    desk.write("other.wasm", wat::parse_str(text).unwrap());
    end(with_plugin(&desk, &desk.path("other.wasm"), "")).refused(3, &["other.wasm", "wit/plugin.wit", "describe"]);
}
