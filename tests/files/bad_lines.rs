//! Lines that are no events, or odd ones. Each is a decision that is counted; none stops a run or is lost.

use dedup_host_tests::Test;
use serde_json::Value;

use super::desk::{Counts, Desk, counts};

pub(crate) const TESTS: &[Test] = &[
    ("what_is_no_json_is_a_dead_letter_with_its_reason", what_is_no_json_is_a_dead_letter_with_its_reason),
    ("a_payload_that_is_no_text_is_kept_in_hexadecimal", a_payload_that_is_no_text_is_kept_in_hexadecimal),
    ("without_a_dead_letter_file_bad_lines_pass_unchanged", without_a_dead_letter_file_bad_lines_pass_unchanged),
    ("bad_lines_do_not_disturb_their_neighbours", bad_lines_do_not_disturb_their_neighbours),
    ("json_that_is_no_object_has_no_key", json_that_is_no_object_has_no_key),
    ("a_hundred_thousand_levels", a_hundred_thousand_levels),
    ("a_record_of_ten_megabytes", a_record_of_ten_megabytes),
    ("the_last_of_repeated_members_counts", the_last_of_repeated_members_counts),
    ("numbers_as_written_and_by_value", numbers_as_written_and_by_value),
    ("kinds_of_values_never_meet", kinds_of_values_never_meet),
    ("escapes_are_the_same_as_what_they_stand_for", escapes_are_the_same_as_what_they_stand_for),
    ("missing_keys_pass", missing_keys_pass),
    ("missing_keys_go_to_the_dead_letters", missing_keys_go_to_the_dead_letters),
    ("missing_keys_are_dropped", missing_keys_are_dropped),
    ("the_uuid_may_be_anywhere_or_nowhere", the_uuid_may_be_anywhere_or_nowhere),
];

/// Lines that are no JSON, and a word of the reason.
const BROKEN: [(&[u8], &str); 15] = [
    (b"nope", "byte 0"),
    (b"{\"a\":\"\xff\"}", "not UTF-8"),
    (b"\xef\xbb\xbf\xef\xbb\xbf{\"a\":1}", "byte 3"),
    (b"{\"a\":\"\\ud80\"}", "four hexadecimal digits"),
    (b"{\"a\":\"x\0y\"}", "control character"),
    (b"\0", "byte 0"),
    (b"{\"a\":1", "byte 6"),
    (b"{\"a\":1}}", "byte 7"),
    (b"{\"a\":1} {\"a\":2}", "byte 8"),
    (b"{'a':1}", "byte 1"),
    (b"{a:1}", "byte 1"),
    (b"{\"a\":01}", "byte"),
    (b"{\"a\":NaN}", "byte 5"),
    (b"{\"a\":1,}", "byte 7"),
    (b"\x1f\x8b\x08 half a gzip", "looks like gzip data"),
];

fn broken() -> Vec<u8> {
    // A first line, so that the file is not taken for an archive.
    [b"{\"a\":0}".as_slice()]
        .into_iter()
        .chain(BROKEN.map(|(line, _)| line))
        .flat_map(|line| [line, b"\n"].concat())
        .collect()
}

fn all_broken() -> Counts {
    let dead_letter = BROKEN.len() as u64;
    Counts { consumed: dead_letter + 1, unique: 1, dead_letter, ..Counts::default() }
}

fn what_is_no_json_is_a_dead_letter_with_its_reason() {
    let desk = Desk::new();
    desk.write("in", broken());
    assert_eq!(desk.counts("--plugin-config /a --dead-letter dead"), all_broken());
    assert_eq!(desk.text("out"), "{\"a\":0}\n");
    let letters = desk.json_lines("dead");
    assert_eq!(letters.len(), BROKEN.len());
    for (number, ((line, reason), letter)) in BROKEN.iter().zip(&letters).enumerate() {
        assert_eq!(letter["offset"], (number + 1).to_string(), "{letter}");
        assert_eq!(letter["stage"], "decode");
        assert!(letter["reason"].as_str().unwrap().contains(reason), "{reason} is not in {letter}");
        if let Ok(text) = std::str::from_utf8(line) {
            assert_eq!(letter["payload"], text);
        }
    }
}

fn a_payload_that_is_no_text_is_kept_in_hexadecimal() {
    let desk = Desk::new();
    desk.write("in", b"{\"a\":\"\xff\"}\n");
    let _counts = desk.counts("--plugin-config /a --dead-letter dead");
    assert_eq!(desk.json_lines("dead")[0]["payload_hex"], "7b2261223a22ff227d");
}

fn without_a_dead_letter_file_bad_lines_pass_unchanged() {
    let desk = Desk::new();
    desk.write("in", broken());
    assert_eq!(desk.counts("--plugin-config /a"), all_broken());
    assert!(desk.read("out") == broken(), "byte for byte");
}

fn bad_lines_do_not_disturb_their_neighbours() {
    let desk = Desk::new();
    // More lines than a batch has, and bad ones at its edges.
    let line = |number: u32| match number % 1024 {
        0 | 1 | 511 | 1022 | 1023 => "nope\n".to_owned(),
        _ => format!("{{\"a\":{}}}\n", number / 2),
    };
    let lines: Vec<String> = (0..5_000).map(line).collect();
    desk.write("in", lines.concat());
    let good: Vec<&String> = lines.iter().filter(|line| !line.starts_with('n')).collect();
    let first: Vec<&String> =
        good.iter().enumerate().filter(|(at, line)| !good[..*at].contains(line)).map(|(_, line)| *line).collect();
    let dead_letter = (lines.len() - good.len()) as u64;
    let decided = counts(first.len() as u64, (good.len() - first.len()) as u64);
    let expected = Counts { consumed: 5_000, dead_letter, ..decided };
    assert_eq!(desk.counts("--plugin-config /a --dead-letter dead"), expected);
    assert_eq!(desk.text("out"), first.into_iter().map(String::as_str).collect::<String>());
    assert_eq!(desk.json_lines("dead").len() as u64, dead_letter);
}

fn json_that_is_no_object_has_no_key() {
    let desk = Desk::new();
    let lines = "[1,2]\n3\n\"text\"\ntrue\nnull\n{}\n[]\n{\"b\":1}\n{\"a\":null}\n";
    desk.write("in", lines);
    assert_eq!(desk.counts("--plugin-config /a"), Counts { consumed: 9, keyless: 9, ..Counts::default() });
    assert_eq!(desk.text("out"), lines);
}

fn a_hundred_thousand_levels() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let desk = Desk::new();
    let lines = [
        format!("{{\"a\":1,\"deep\":{deep}}}\n"),
        format!("{{\"deep\":{deep},\"a\":1}}\n"),
        format!("{{\"a\":{deep}}}\n"),
        deep.clone() + "\n",
        "[".repeat(100_000) + "\n",
        format!("{}1{}\n", "{\"a\":".repeat(100_000), "}".repeat(100_000)),
        "{\"a\":2}\n".to_owned(),
    ];
    desk.write("in", lines.concat());
    let report = desk.counts("--plugin-config /a --dead-letter dead");
    assert_eq!(report.consumed, 7);
    assert!(desk.text("out").ends_with("{\"a\":2}\n"), "the run goes on after them");
    let passed = report.unique + report.keyless;
    assert_eq!(desk.text("out").lines().count() as u64, passed);
    let letters = String::from_utf8(desk.read("dead")).unwrap();
    assert_eq!(letters.lines().count() as u64, report.dead_letter);
    assert!(report.dead_letter >= 1, "an array that never ends is no JSON: {report:?}");
}

fn a_record_of_ten_megabytes() {
    let desk = Desk::new();
    let long = "x".repeat(10 << 20);
    let (filler, key) = (format!("{{\"b\":\"{long}\",\"a\":1}}\n"), format!("{{\"a\":\"{long}\"}}\n"));
    desk.write("in", [filler.as_str(), "{\"a\":1}\n", &key, "{\"a\":2}\n", &filler, &key].concat());
    assert_eq!(desk.counts("--plugin-config /a --duplicates duplicates"), counts(3, 3));
    assert!(desk.text("out") == filler + &key + "{\"a\":2}\n", "byte for byte");
    assert_eq!(desk.json_lines("duplicates").len(), 3);
}

fn the_last_of_repeated_members_counts() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1,\"a\":2}\n{\"a\":2}\n{\"a\":1}\n{\"a\":2,\"a\":null}\n");
    assert_eq!(desk.counts("--plugin-config /a"), Counts { consumed: 4, keyless: 1, ..counts(2, 1) });
}

fn numbers_as_written_and_by_value() {
    let lines = "{\"a\":1}\n{\"a\":1.0}\n{\"a\":1e0}\n{\"a\":10E-1}\n{\"a\":1}\n";
    let desk = Desk::new();
    desk.write("in", lines);
    assert_eq!(desk.counts("--plugin-config /a"), counts(4, 1));
    let desk = Desk::new();
    desk.write("in", lines);
    assert_eq!(desk.counts("--plugin-config /a --numbers canonical"), counts(1, 4));
    assert_eq!(desk.text("out"), "{\"a\":1}\n");
}

fn kinds_of_values_never_meet() {
    let lines =
        "{\"a\":1}\n{\"a\":\"1\"}\n{\"a\":true}\n{\"a\":\"true\"}\n{\"a\":[1]}\n{\"a\":\"[1]\"}\n{\"a\":\"\"}\n";
    let desk = Desk::new();
    desk.write("in", lines.repeat(2));
    assert_eq!(desk.counts("--plugin-config /a"), counts(7, 7));
}

fn escapes_are_the_same_as_what_they_stand_for() {
    let lines = "{\"a\":\"\u{e9}\"}\n{\"a\":\"\\u00e9\"}\n{\"a\":\"\\uD83D\\uDE00\"}\n{\"a\":\"\u{1f600}\"}\n{\"\\u0061\":\"\u{e9}\"}\n{\"a\":\"a\\/b\"}\n{\"a\":\"a/b\"}\n";
    let desk = Desk::new();
    desk.write("in", lines);
    assert_eq!(desk.counts("--plugin-config /a"), counts(3, 4));
}

/// Two events with a key, two without; what came out.
fn with_missing_keys(desk: &Desk, words: &str) -> Vec<String> {
    desk.write("in", "{\"a\":1}\n{\"b\":1}\n{\"a\":2}\n{\"b\":1}\n");
    assert_eq!(desk.counts(&format!("--plugin-config /a {words}")), Counts { consumed: 4, keyless: 2, ..counts(2, 0) });
    desk.text("out").lines().map(str::to_owned).collect()
}

fn missing_keys_pass() {
    for words in ["", "--on-missing-key pass", "--on-missing-key pass --dead-letter dead"] {
        assert_eq!(
            with_missing_keys(&Desk::new(), words),
            ["{\"a\":1}", "{\"b\":1}", "{\"a\":2}", "{\"b\":1}"],
            "{words}"
        );
    }
}

fn missing_keys_go_to_the_dead_letters() {
    let desk = Desk::new();
    desk.write("in", "");
    desk.run("--input in --on-missing-key dead-letter").refused(2, &["--on-missing-key", "--dead-letter FILE"]);
    assert_eq!(with_missing_keys(&desk, "--on-missing-key dead-letter --dead-letter dead"), ["{\"a\":1}", "{\"a\":2}"]);
    for letter in desk.json_lines("dead") {
        assert_eq!((&letter["payload"], &letter["stage"]), (&Value::from("{\"b\":1}"), &Value::from("key")));
        assert_eq!(letter["reason"], "/a is absent or null");
    }
}

fn missing_keys_are_dropped() {
    assert_eq!(with_missing_keys(&Desk::new(), "--on-missing-key drop"), ["{\"a\":1}", "{\"a\":2}"]);
}

fn the_uuid_may_be_anywhere_or_nowhere() {
    let lines = "{\"a\":1,\"id\":{\"u\":\"x\"}}\n{\"a\":2,\"id\":7}\n{\"a\":3}\n{\"a\":1,\"id\":{\"u\":\"y\"}}\n";
    for words in ["", "--uuid-field /id/u", "--uuid-field /nowhere"] {
        let desk = Desk::new();
        desk.write("in", lines);
        assert_eq!(desk.counts(&format!("--plugin-config /a {words}")), counts(3, 1), "{words}");
    }
    let desk = Desk::new();
    desk.write("in", lines);
    desk.run("--input in --uuid-field id").refused(2, &["--uuid-field", "`id`", "/"]);
}
