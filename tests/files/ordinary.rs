//! A good day: the right answers, byte for byte, through every kind of file and pipe.

use std::io::{BufReader, Cursor, Read, Write};
use std::process::Stdio;

use dedup_host_tests::Test;

use super::desk::{Counts, Desk, counts, end, reader};

pub(crate) const TESTS: &[Test] = &[
    ("generated_events_get_the_answers_their_truth_knows", generated_events_get_the_answers_their_truth_knows),
    ("two_events_with_different_uuids_are_one", two_events_with_different_uuids_are_one),
    ("gzip_in_and_out", gzip_in_and_out),
    ("zstd_in_and_out", zstd_in_and_out),
    ("compressed_input_is_known_without_its_name", compressed_input_is_known_without_its_name),
    ("a_pipe_in_and_a_pipe_out", a_pipe_in_and_a_pipe_out),
    ("report_and_duplicates_may_go_to_standard_output", report_and_duplicates_may_go_to_standard_output),
    ("windows_line_ends_are_kept", windows_line_ends_are_kept),
    ("a_last_line_without_newline_gets_one", a_last_line_without_newline_gets_one),
    ("an_empty_input_is_a_run_of_nothing", an_empty_input_is_a_run_of_nothing),
    ("an_empty_input_gives_valid_archives", an_empty_input_gives_valid_archives),
    ("without_output_it_only_counts", without_output_it_only_counts),
    ("the_same_events_give_the_same_files", the_same_events_give_the_same_files),
    ("an_event_that_shares_one_of_several_keys_is_a_duplicate", shares_one_of_several_keys),
];

fn generated_events_get_the_answers_their_truth_knows() {
    let desk = Desk::new();
    let truth = desk.generate(50_000, 1);
    assert_eq!(desk.counts("--duplicates duplicates"), truth);
    desk.check_unique(reader(&desk, "out"));

    let input = desk.json_lines("in");
    let facts = desk.json_lines("truth");
    let copies = facts.iter().filter(|fact| fact["duplicate_of"].is_u64());
    let explained = desk.json_lines("duplicates");
    assert_eq!(explained.len() as u64, truth.duplicate);
    for (letter, fact) in explained.iter().zip(copies) {
        let index = usize::try_from(fact["i"].as_u64().unwrap()).unwrap();
        assert_eq!(letter["duplicate"]["offset"], fact["i"]);
        assert_eq!(letter["duplicate"]["event"], input[index]);
        // The original is the first event of its composite.
        assert_eq!(letter["original"]["offset"], fact["duplicate_of"], "{letter}");
        let user = letter["duplicate"]["event"]["distinct_id"].as_str().unwrap();
        assert!(letter["key"].as_str().unwrap().contains(user), "{letter}");
    }
}

fn two_events_with_different_uuids_are_one() {
    let event = |uuid: u8| {
        format!(
            "{{\"uuid\":\"01936f4e-0000-7000-8000-00000000000{uuid}\",\"event\":\"page_view\",\"distinct_id\":\"user123\",\
             \"token\":\"project-a\",\"timestamp\":\"2024-01-01T12:00:00Z\"}}\n"
        )
    };
    let desk = Desk::new();
    desk.write("in", event(1) + &event(2));
    assert_eq!(desk.counts(""), counts(1, 1));
    assert_eq!(desk.text("out"), event(1));
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: Vec<u8>) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(Cursor::new(bytes)).read_to_end(&mut plain).expect("valid gzip");
    plain
}

fn unzstd(bytes: Vec<u8>) -> Vec<u8> {
    zstd::decode_all(Cursor::new(bytes)).expect("valid zstd")
}

fn gzip_in_and_out() {
    let desk = Desk::new();
    let truth = desk.generate(20_000, 2);
    // Two members, as `cat a.gz b.gz` makes them.
    let plain = desk.read("in");
    let (head, tail) = plain.split_at(plain.len() / 3);
    desk.write("events.gz", [gzip(head), gzip(tail)].concat());
    let _ok = desk.run("--input events.gz --output out.gz --duplicates duplicates.gz --report report").ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(Cursor::new(gunzip(desk.read("out.gz"))));
    let duplicates = gunzip(desk.read("duplicates.gz"));
    assert_eq!(duplicates.iter().filter(|byte| **byte == b'\n').count() as u64, truth.duplicate);
}

fn zstd_in_and_out() {
    let desk = Desk::new();
    let truth = desk.generate(20_000, 3);
    desk.write("events.zst", zstd::encode_all(Cursor::new(desk.read("in")), 1).unwrap());
    let _ok = desk.run("--input events.zst --output out.zst --report report").ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(Cursor::new(unzstd(desk.read("out.zst"))));
}

fn compressed_input_is_known_without_its_name() {
    let desk = Desk::new();
    let truth = desk.generate(1_000, 4);
    desk.write("events", gzip(&desk.read("in")));
    let mut command = desk.dedup("--input - --output out --report report");
    command.stdin(std::fs::File::open(desk.path("events")).unwrap());
    let _ok = end(command).ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(reader(&desk, "out"));
}

fn a_pipe_in_and_a_pipe_out() {
    let desk = Desk::new();
    let truth = desk.generate(30_000, 5);
    let mut command = desk.dedup("--input - --output - --report report");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), desk.read("in"));
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    desk.check_unique(BufReader::new(child.stdout.take().unwrap()));
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(desk.report(), truth);
}

fn report_and_duplicates_may_go_to_standard_output() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n{\"a\":1}\n");
    let ended = desk.run("--plugin-config /a --input in --duplicates - --report report").ok();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()["original"]["offset"], 0);
    let ended = desk.run("--plugin-config /a --input in --report -").ok();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()["duplicate"], 2);
}

fn windows_line_ends_are_kept() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\r\n{\"a\":2}\r\n{\"a\":1}\r\n{\"a\":3}\n");
    assert_eq!(desk.counts("--plugin-config /a --duplicates duplicates"), counts(3, 1));
    assert_eq!(desk.text("out"), "{\"a\":1}\r\n{\"a\":2}\r\n{\"a\":3}\n");
    assert_eq!(desk.json_lines("duplicates")[0]["duplicate"]["event"]["a"], 1);
}

fn a_last_line_without_newline_gets_one() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1}\n{\"a\":2}");
    assert_eq!(desk.counts("--plugin-config /a"), counts(2, 0));
    assert_eq!(desk.text("out"), "{\"a\":1}\n{\"a\":2}\n");
}

fn an_empty_input_is_a_run_of_nothing() {
    let desk = Desk::new();
    desk.write("in", "");
    assert_eq!(desk.counts("--duplicates duplicates"), Counts::default());
    assert_eq!((desk.text("out"), desk.text("duplicates")), (String::new(), String::new()));
}

fn an_empty_input_gives_valid_archives() {
    let desk = Desk::new();
    desk.write("in", "");
    let _ok = desk.run("--input in --output out.gz --duplicates duplicates.zst").ok();
    assert_eq!(gunzip(desk.read("out.gz")), b"");
    assert_eq!(unzstd(desk.read("duplicates.zst")), b"");
}

fn without_output_it_only_counts() {
    let desk = Desk::new();
    let truth = desk.generate(1_000, 6);
    let ended = desk.run("--input in --report report").ok();
    assert_eq!(desk.report(), truth);
    assert!(ended.stderr.contains("no --output"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

fn the_same_events_give_the_same_files() {
    let desk = Desk::new();
    let truth = desk.generate(20_000, 7);
    let run = |name: &str| {
        let words = format!("--store-path store-{name} --input in --output {name} --duplicates {name}-d");
        let mut command = desk.command(&words);
        command.arg("--plugin").arg(dedup_host_tests::program::plugin("composite_key"));
        let _ok = end(command).ok();
        (desk.read(name), desk.read(&format!("{name}-d")))
    };
    let (first, second) = (run("first"), run("second"));
    assert!(first == second, "two runs over the same events differ");
    assert_eq!(first.1.iter().filter(|byte| **byte == b'\n').count() as u64, truth.duplicate);
}

fn shares_one_of_several_keys() {
    let desk = Desk::new();
    let lines = [
        r#"{"uuid":"u1","user":"a","time":1}"#,
        r#"{"uuid":"u1","user":"b","time":2}"#,
        r#"{"uuid":"u2","user":"b","time":2}"#,
        r#"{"uuid":"u3","user":"c","time":1}"#,
        r#"{"user":"c","time":1}"#,
        r#"{"user":"d"}"#,
    ];
    desk.write("in", lines.join("\n"));
    let mut command =
        desk.command("--store-path store --input in --output out --duplicates duplicates --report report");
    command.arg("--plugin").arg(dedup_host_tests::program::plugin("multi_key"));
    command.arg("--plugin-config").arg(r#"[["/uuid"],["/user","/time"]]"#);
    let _ok = end(command).ok();
    assert_eq!(desk.report(), Counts { consumed: 6, keyless: 1, ..counts(2, 3) });
    let originals: Vec<u64> =
        desk.json_lines("duplicates").iter().map(|letter| letter["original"]["offset"].as_u64().unwrap()).collect();
    // The third meets the second by user and time: a duplicate's own keys are remembered too.
    assert_eq!(originals, [0, 1, 3]);
    assert_eq!(desk.text("out"), format!("{}\n{}\n{}\n", lines[0], lines[3], lines[5]));
}
