//! `dedup-host verify` over files: it finds nothing wrong with what runs leave, and finds and names every way in which that
//! can be changed.

use dedup_host_tests::Test;
use dedup_host_tests::program::{Ended, plugin};
use serde_json::Value;

use super::desk::{Desk, end};

pub(crate) const TESTS: &[Test] = &[
    ("what_a_run_leaves_is_right_with_any_lanes", what_a_run_leaves_is_right_with_any_lanes),
    ("every_change_of_an_output_is_found_and_named", every_change_of_an_output_is_found_and_named),
    ("without_the_duplicates_it_is_known_who_may_be_missing", without_the_duplicates_it_is_known_who_may_be_missing),
    ("memory_bounds_the_sorting_and_not_the_verdict", memory_bounds_the_sorting_and_not_the_verdict),
    ("what_cannot_be_checked_is_not_right", what_cannot_be_checked_is_not_right),
    ("a_run_behind_others_is_judged_from_its_own_offsets_on", a_run_behind_others_is_judged_from_its_own_offsets_on),
    ("several_keys_an_event_are_verified", several_keys_an_event_are_verified),
    ("generated_events_are_right_and_the_rate_is_shown", generated_events_are_right_and_the_rate_is_shown),
    ("a_run_that_was_killed_and_resumed_is_right", a_run_that_was_killed_and_resumed_is_right),
    ("what_is_shown_is_bounded_and_all_is_counted", what_is_shown_is_bounded_and_all_is_counted),
];

const NOON: i64 = 1_767_268_800_000;

const RULES: &str = "--plugin-config /id --event-time /t --window 10m --allowed-lateness 1m --max-out-of-orderness 10s \
                     --on-missing-key dead-letter";

const LANES: [&str; 4] = ["out", "duplicates", "late", "dead"];

const FLAGS: &str = "--output out --duplicates duplicates --late late --dead-letter dead";

/// Records that a clock has to see before it says anything.
const STARTED: i64 = 4_096;

fn event(id: impl std::fmt::Display, second: i64, more: &str) -> Vec<u8> {
    format!("{{\"id\":\"{id}\",\"t\":{}{more}}}", NOON + second * 1_000).into_bytes()
}

/// Lines of every kind. Those that are not plain stand behind so many that the clock goes.
fn lines() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = (0..STARTED).map(|number| event(format!("start-{number}"), number / 8, "")).collect();
    let now = STARTED / 8;
    lines.extend([
        event("twice", now, ",\"uuid\":\"a\""),
        event("between", now, ""),
        event("twice", now + 1, ",\"uuid\":\"b\""),
        event("same", now, ""),
        event("same", now, ""),
        event("same", now, ""),
        event("after its window", now - 590, ""),
        event("late", now - 400, ""),
        b"not json".to_vec(),
        b"{\"id\":\"\xff\"}".to_vec(),
        b"{\"no\":\"key\"}".to_vec(),
        b"\xef\xbb\xbf{\"id\":\"marked\"}\r".to_vec(),
        "{\"id\":\"odd \u{2028}\u{85}\\ud83d\"}".into(),
        "{\"id\":\"odd \u{2028}\u{85}\\ud83d\",\"again\":\"\u{2029}\"} ".into(),
        format!("{{\"deep\":{}1{},\"id\":\"deep\"}}", "[".repeat(50_000), "]".repeat(50_000)).into_bytes(),
        format!("{{\"id\":\"deep\",\"deep\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000)).into_bytes(),
    ]);
    for number in 0..2_000 {
        let second = now + number / 4;
        lines.push(event(number * 7 % 900, second, ",\"uuid\":17"));
        if number % 50 == 0 {
            lines.push(event("again and again", second, ""));
        }
    }
    lines
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap().to_vec()).collect()
}

/// A run over all kinds of lines, and what it left.
struct Left {
    desk: Desk,
    lanes: [Vec<Vec<u8>>; 4],
}

impl Left {
    fn new() -> Self {
        let desk = Desk::new();
        desk.write("in", joined(&lines()));
        let _ok = desk.run(&format!("--input in {FLAGS} {RULES}")).ok();
        let lanes = LANES.map(|lane| split(&desk.read(lane)));
        assert!(
            lanes.iter().all(|lane| !lane.is_empty()),
            "the scene shows something: {:?}",
            lanes.map(|lane| lane.len())
        );
        Self { desk, lanes }
    }

    fn put(&self, lanes: &[Vec<Vec<u8>>; 4]) {
        LANES.iter().zip(lanes).for_each(|(name, lines)| self.desk.write(name, joined(lines)));
    }

    /// The number of the line of a lane with this text.
    fn find(&self, lane: usize, text: &str) -> usize {
        let is_it = |line: &Vec<u8>| String::from_utf8_lossy(line).contains(text);
        self.lanes[lane].iter().position(is_it).unwrap_or_else(|| panic!("{text} is not in {}", LANES[lane]))
    }
}

fn verify(desk: &Desk, words: &str) -> Ended {
    let mut command = desk.command("verify --store-path store --plugin-cache-dir cache --plugin");
    command.arg(plugin("composite_key")).args(words.split_whitespace());
    end(command)
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
}

/// That the answer is `right`, and its JSON.
fn right(desk: &Desk, words: &str) -> Value {
    let ended = verify(desk, &format!("{words} --json"));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let report = report(&ended);
    assert_eq!(report["verdict"], "right");
    report
}

/// That these kinds of violations are found, and no others.
fn violated(desk: &Desk, words: &str, kinds: &[&str], scene: &str) -> Value {
    let ended = verify(desk, &format!("{words} --json"));
    assert_eq!(ended.code, Some(11), "{scene}: {}{}", ended.stdout, ended.stderr);
    let report = report(&ended);
    let mut found: Vec<&String> = report["violations"].as_object().unwrap().keys().collect();
    found.sort_unstable();
    assert_eq!(found, kinds, "{scene}: {report:#}");
    report
}

fn what_a_run_leaves_is_right_with_any_lanes() {
    let left = Left::new();
    let report = right(&left.desk, &format!("--input in {FLAGS} {RULES}"));
    let [out, duplicates, late, dead] = left.lanes.each_ref().map(|lane| lane.len() as u64);
    assert_eq!(report["judged"].as_u64(), Some(lines().len() as u64));
    let outcomes = &report["outcomes"];
    assert_eq!(
        ["unique", "duplicate", "late", "dead_letter"].map(|name| outcomes[name].as_u64()),
        [out, duplicates, late, dead].map(Some)
    );
    let text = verify(&left.desk, &format!("--input in {FLAGS} {RULES}")).ok().stdout;
    assert!(text.ends_with("verdict      right\n") && text.contains("judged       "), "{text}");
    for rules in ["", "--dead-letter dead", "--late drop --duplicates duplicates", "--late late --dead-letter dead"] {
        let desk = Desk::new();
        desk.write("in", joined(&lines()));
        let missing = if rules.contains("--dead-letter") { "" } else { "--on-missing-key drop" };
        let rules =
            format!("--input in --output out {rules} {} {missing}", RULES.replace("--on-missing-key dead-letter", ""));
        let _ok = desk.run(&rules).ok();
        right(&desk, &rules);
    }
}

/// A change of what a run left, and the kinds of violations that it comes to.
type Change = (&'static str, fn(&Left, &mut [Vec<Vec<u8>>; 4]), &'static [&'static str]);

fn text(line: &[u8]) -> String {
    String::from_utf8(line.to_vec()).unwrap()
}

/// Replaces a text that stands in a line of a lane, where it stands last.
fn replace(left: &Left, lanes: &mut [Vec<Vec<u8>>; 4], lane: usize, at: &str, old: &str, new: &str) {
    let line = &mut lanes[lane][left.find(lane, at)];
    let was = text(line);
    let (before, behind) = was.rsplit_once(old).unwrap_or_else(|| panic!("{old} is not in {was}"));
    *line = format!("{before}{new}{behind}").into_bytes();
}

const CHANGES: &[Change] = &[
    ("an event is dropped", |left, lanes| drop(lanes[0].remove(left.find(0, "between"))), &["lost"]),
    ("the last event is dropped", |_, lanes| drop(lanes[0].pop()), &["lost"]),
    (
        "an event is repeated",
        |left, lanes| {
            let at = left.find(0, "between");
            let line = lanes[0][at].clone();
            lanes[0].insert(at + 5, line);
        },
        &["twice"],
    ),
    ("two events change places", |left, lanes| lanes[0].swap(left.find(0, "between"), 0), &["order"]),
    ("two neighbours change places", |_, lanes| lanes[0].swap(1_000, 1_001), &["order"]),
    (
        "a byte of a payload is changed",
        |left, lanes| replace(left, lanes, 0, "between", "between", "betweem"),
        &["changed_payload"],
    ),
    (
        "white space is added to a payload",
        |left, lanes| lanes[0][left.find(0, "between")].push(b' '),
        &["changed_payload"],
    ),
    ("an event is added", |_, lanes| lanes[0].push(event("nobody", 0, "")), &["foreign"]),
    (
        "a duplicate was forwarded as well",
        |_, lanes| lanes[0].push(event("twice", STARTED / 8 + 1, ",\"uuid\":\"b\"")),
        &["twice"],
    ),
    (
        "the duplicate was forwarded in the place of the first",
        |left, lanes| {
            let (first, second) = (STARTED, STARTED + 2);
            let at = left.find(0, "twice");
            lanes[0][at] = event("twice", STARTED / 8 + 1, ",\"uuid\":\"b\"");
            let duplicate = left.find(1, "\"uuid\":\"b\"");
            let line = text(&lanes[1][duplicate]);
            let line = line.replace(&format!("\"offset\":{second},"), "\"offset\":@,");
            let line = line.replace(&format!("\"offset\":{first},"), &format!("\"offset\":{second},"));
            let line = line.replace("\"offset\":@,", &format!("\"offset\":{first},"));
            let (head, _) = line.rsplit_once(",\"event\":").unwrap();
            let original = text(&event("twice", STARTED / 8, ",\"uuid\":\"a\""));
            lanes[1][duplicate] = format!("{head},\"event\":{original}}}}}").into_bytes();
        },
        &["held_back", "wrong_first", "wrong_original"],
    ),
    ("a duplicate's record is dropped", |left, lanes| drop(lanes[1].remove(left.find(1, "\"uuid\":\"b\""))), &["lost"]),
    (
        "a duplicate's record is repeated",
        |_, lanes| {
            let line = lanes[1][10].clone();
            lanes[1].push(line);
        },
        &["order", "twice"],
    ),
    (
        "a duplicate names another original",
        |_, lanes| {
            let line = lanes[1].iter_mut().find(|line| text(line).contains("\"key\":\"again and again\"")).unwrap();
            let was = text(line);
            let (before, behind) =
                was.split_once("\"original\":{\"topic\":\"(files)\",\"partition\":0,\"offset\":").unwrap();
            let (_, behind) = behind.split_once(',').unwrap();
            let original = "\"original\":{\"topic\":\"(files)\",\"partition\":0,\"offset\":17,";
            *line = format!("{before}{original}{behind}").into_bytes();
        },
        &["wrong_original"],
    ),
    (
        "a duplicate names another key",
        |left, lanes| {
            let line = &mut lanes[1][left.find(1, "\"key\":\"twice\"")];
            *line = text(line).replacen("\"key\":\"twice\"", "\"key\":\"thrice\"", 1).into_bytes();
        },
        &["wrong_original"],
    ),
    (
        "the event of a duplicate's record is changed",
        |left, lanes| replace(left, lanes, 1, "\"key\":\"twice\"", "twice", "Twice"),
        &["changed_payload"],
    ),
    ("a duplicate's record is cut", |_, lanes| lanes[1][0].truncate(40), &["lost", "malformed"]),
    (
        "a duplicate's record is about a record that is not there",
        |_, lanes| {
            let line = text(&lanes[1][0]);
            let (head, tail) =
                line.rsplit_once("\"duplicate\":{\"topic\":\"(files)\",\"partition\":0,\"offset\":").unwrap();
            let (_, tail) = tail.split_once(',').unwrap();
            let there = "\"duplicate\":{\"topic\":\"(files)\",\"partition\":0,\"offset\":9999999,";
            lanes[1][0] = format!("{head}{there}{tail}").into_bytes();
        },
        &["foreign", "lost", "order"],
    ),
    ("a late event is dropped", |_, lanes| lanes[2].clear(), &["lost"]),
    (
        "a late event was forwarded",
        |_, lanes| {
            let line = lanes[2].remove(0);
            lanes[0].push(line);
        },
        &["order", "wrong_lane"],
    ),
    (
        "an event in time is among the late ones",
        |left, lanes| {
            let line = lanes[0].remove(left.find(0, "between"));
            lanes[2].insert(0, line);
        },
        &["not_late"],
    ),
    ("a dead letter is dropped", |_, lanes| drop(lanes[3].remove(0)), &["lost"]),
    (
        "the payload of a dead letter is changed",
        |left, lanes| replace(left, lanes, 3, "not json", "not json", "not jsom"),
        &["changed_payload"],
    ),
    (
        "a dead letter is of another stage",
        |left, lanes| replace(left, lanes, 3, "not json", "\"stage\":\"decode\"", "\"stage\":\"plugin\""),
        &["wrong_reason"],
    ),
    (
        "a dead letter of an event that could be decided",
        |left, lanes| {
            let line = lanes[0].remove(left.find(0, "between"));
            let payload = serde_json::to_string(&text(&line)).unwrap();
            let offset = STARTED + 1;
            let letter = format!(
                "{{\"offset\":\"{offset}\",\"partition\":\"0\",\"payload\":{payload},\"reason\":\"so\",\"stage\":\"decode\",\
                 \"topic\":\"(files)\"}}"
            );
            lanes[3].insert(0, letter.into_bytes());
        },
        &["wrong_reason"],
    ),
    (
        "a dead letter without a reason",
        |_, lanes| {
            let mut letter: Value = serde_json::from_slice(&lanes[3][0]).unwrap();
            letter["reason"] = "".into();
            lanes[3][0] = letter.to_string().into_bytes();
        },
        &["lost", "malformed"],
    ),
];

fn every_change_of_an_output_is_found_and_named() {
    let left = Left::new();
    for (scene, change, kinds) in CHANGES {
        let mut lanes = left.lanes.clone();
        change(&left, &mut lanes);
        left.put(&lanes);
        let report = violated(&left.desk, &format!("--input in {FLAGS} {RULES}"), kinds, scene);
        for kind in *kinds {
            let shown = &report["violations"][*kind]["shown"][0];
            let is_named = ["input", "lane"].iter().any(|place| shown[*place]["offset"].is_u64());
            assert!(is_named && !shown["expected"].as_str().unwrap().is_empty(), "{scene}: {report:#}");
        }
    }
    left.put(&left.lanes);
    right(&left.desk, &format!("--input in {FLAGS} {RULES}"));
    let mut lanes = left.lanes.clone();
    lanes[0].remove(left.find(0, "between"));
    left.put(&lanes);
    let text = verify(&left.desk, &format!("--input in {FLAGS} {RULES}")).stdout;
    let line = format!("  in[0] offset {} key between: expected output or dead letters; found no lane\n", STARTED + 1);
    assert!(text.contains(&line) && text.contains("violated     lost: 1 in all"), "{text}");
}

fn without_the_duplicates_it_is_known_who_may_be_missing() {
    let desk = Desk::new();
    desk.write("in", joined(&lines()));
    let words = format!("--input in --output out --late late --dead-letter dead {RULES}");
    let _ok = desk.run(&words).ok();
    right(&desk, &words);
    let out = split(&desk.read("out"));
    let at = out.iter().position(|line| text(line).contains("between")).unwrap();
    let without = [&out[..at], &out[at + 1..]].concat();
    desk.write("out", joined(&without));
    violated(&desk, &words, &["lost"], "an event is dropped");
    let twice = out.iter().position(|line| text(line).contains("twice")).unwrap();
    let mut with = out.clone();
    with.insert(twice + 2, event("twice", STARTED / 8 + 1, ",\"uuid\":\"b\""));
    desk.write("out", joined(&with));
    let report = violated(&desk, &words, &["wrong_first"], "a duplicate passed");
    let shown = &report["violations"]["wrong_first"]["shown"][0];
    assert_eq!((shown["input"]["offset"].as_i64(), shown["key"].as_str()), (Some(STARTED + 2), Some("twice")));
    let mut instead = out.clone();
    instead[twice] = event("twice", STARTED / 8 + 1, ",\"uuid\":\"b\"");
    desk.write("out", joined(&instead));
    violated(&desk, &words, &["lost", "wrong_first"], "the duplicate passed in the place of the first");
}

fn memory_bounds_the_sorting_and_not_the_verdict() {
    let desk = Desk::new();
    let _made = end(desk.command("generate --events 60000 --duplicates 0.3 --seed 5 --output in")).ok();
    let words = "--input in --output out --duplicates duplicates --event-time /timestamp";
    let _ok = desk.run(words).ok();
    let large = right(&desk, words);
    assert_eq!(right(&desk, &format!("{words} --memory 1MiB --temp-dir .")), large);
    let out = split(&desk.read("out"));
    desk.write("out", joined(&[&out[..20_000], &out[20_001..]].concat()));
    let large = violated(&desk, words, &["lost"], "large");
    assert_eq!(violated(&desk, &format!("{words} --memory 1MiB --temp-dir ."), &["lost"], "small"), large);
    let left: Vec<_> = std::fs::read_dir(desk.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.len() <= 6, "nothing is left behind: {left:?}");
}

fn what_cannot_be_checked_is_not_right() {
    let left = Left::new();
    let words = format!("--input in {FLAGS} {RULES}");
    let unchecked = |words: &str, cause: &str| {
        let ended = verify(&left.desk, words);
        assert_eq!(ended.code, Some(12), "{words}: {}{}", ended.stdout, ended.stderr);
        assert!(
            ended.stderr.contains("could not check") || ended.stdout.contains("could not check"),
            "{}",
            ended.stderr
        );
        let said = [ended.stdout, ended.stderr].concat();
        assert!(said.contains(cause), "{cause} is not in {said}");
    };
    unchecked(&words.replace("--output out", "--output none"), "none");
    unchecked(&words.replace("--output out ", ""), "there is no output");
    unchecked(&words.replace("--input in", "--input -"), "standard stream");
    unchecked(&format!("{words} --memory 1MiB --temp-dir /no/such/dir"), "--temp-dir");
    unchecked(&format!("{words} --from 1000000"), "no record of the input");
    let ended = verify(&left.desk, &format!("{words} --from yesterday"));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    // Of the log's beginning nothing more is needed one window behind it.
    right(&left.desk, &format!("{words} --from {STARTED}"));
    let report = right(&left.desk, &format!("{words} --from {STARTED} --to {}", STARTED + 3));
    assert_eq!(report["judged"], 3);
}

fn a_run_behind_others_is_judged_from_its_own_offsets_on() {
    let desk = Desk::new();
    desk.write("in", joined(&[event("a", 0, ""), event("b", 1, "")]));
    let words = "--input in --output out --duplicates duplicates --plugin-config /id --event-time /t --overwrite";
    let _ok = desk.run(words).ok();
    right(&desk, words);
    desk.write("in", joined(&[event("a", 2, ""), event("c", 3, "")]));
    let _ok = desk.run(words).ok();
    let ended = verify(&desk, words);
    assert_eq!(ended.code, Some(11), "its offsets are not those of a first run: {}", ended.stdout);
    let ended = verify(&desk, &format!("{words} --first-offset 2"));
    assert_eq!(ended.code, Some(12), "what came before is not read: {}{}", ended.stdout, ended.stderr);
}

fn several_keys_an_event_are_verified() {
    let desk = Desk::new();
    let lines = [
        r#"{"a":1,"b":1}"#,
        r#"{"a":1,"b":2}"#,
        r#"{"a":2,"b":2}"#,
        r#"{"a":2,"b":3}"#,
        r#"{"a":4}"#,
        r#"{"b":4}"#,
        "{}",
    ];
    desk.write("in", lines.join("\n") + "\n");
    let words = r#"--input in --output out --duplicates duplicates --plugin-config [["/a"],["/b"]]"#;
    let run = |command: &str| {
        let mut command = desk.command(&format!("{command} --store-path store {words} --plugin"));
        command.arg(plugin("multi_key"));
        end(command)
    };
    let _ok = run("run").ok();
    assert_eq!(desk.text("out").lines().count(), 4);
    let _ok = run("verify").ok();
    // The fourth is a duplicate of the third, which was one itself, and not of the first.
    let duplicates = desk.text("duplicates");
    desk.write("duplicates", duplicates.replace("\"offset\":2,", "\"offset\":0,"));
    assert_eq!(run("verify").code, Some(11));
}

fn generated_events_are_right_and_the_rate_is_shown() {
    let desk = Desk::new();
    let _made = end(desk.command("generate --events 100000 --duplicates 0.2 --seed 9 --output in")).ok();
    for (name, words) in [("gz", "--output out.gz --duplicates d.gz"), ("zst", "--output out.zst --duplicates d.zst")] {
        let words = format!("--input in {words} --event-time /timestamp --window 1h");
        let _ok = end(desk.dedup_in(name, &words)).ok();
        let started = std::time::Instant::now();
        right(&desk, &words);
        println!("  100000 events verified in {:?}", started.elapsed());
    }
}

fn a_run_that_was_killed_and_resumed_is_right() {
    let desk = Desk::new();
    let _made = end(desk.command("generate --events 400000 --duplicates 0.2 --seed 3 --output in")).ok();
    let words = "--input in --output out --duplicates duplicates --event-time /timestamp";
    let mut kills = 0;
    for _ in 0..4 {
        let mut running =
            desk.dedup(&format!("{words}{}", if kills > 0 { " --resume" } else { "" })).spawn().expect("started");
        let from = desk.size("out");
        while desk.size("out") < from + 2_000_000 && running.try_wait().expect("a child").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        kills += u32::from(running.kill().is_ok() && !running.wait().expect("ended").success());
    }
    assert!(kills > 1, "most kills came too late to show anything");
    let _ok = desk.run(&format!("{words} --resume")).ok();
    right(&desk, words);
}

fn what_is_shown_is_bounded_and_all_is_counted() {
    let left = Left::new();
    let mut lanes = left.lanes.clone();
    lanes[0].drain(0..100);
    left.put(&lanes);
    let words = format!("--input in {FLAGS} {RULES} --show 3");
    let report = violated(&left.desk, &words, &["lost"], "a hundred are lost");
    let lost = &report["violations"]["lost"];
    assert_eq!((lost["count"].as_u64(), lost["shown"].as_array().unwrap().len()), (Some(100), 3));
}
