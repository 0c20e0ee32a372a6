//! Event time: how long keys are remembered, and what becomes of events that come too late. Edges to the millisecond.

use std::fmt::Write;

use dedup_host_tests::Test;

use super::desk::{Counts, Desk, counts};

pub(crate) const TESTS: &[Test] = &[
    ("a_key_is_remembered_exactly_the_window", a_key_is_remembered_exactly_the_window),
    ("a_key_starts_anew_after_the_window", a_key_starts_anew_after_the_window),
    ("an_unlimited_window_forgets_nothing", an_unlimited_window_forgets_nothing),
    ("without_event_time_nothing_is_forgotten_or_late", without_event_time_nothing_is_forgotten_or_late),
    ("an_event_is_late_one_millisecond_after_the_lateness", late_one_millisecond_after_the_lateness),
    ("late_events_pass", late_events_pass),
    ("late_events_are_dropped", late_events_are_dropped),
    ("late_events_go_to_their_file", late_events_go_to_their_file),
    ("late_by_default_pass_and_are_counted", late_by_default_pass_and_are_counted),
    ("late_topic_makes_no_sense_without_kafka", late_topic_makes_no_sense_without_kafka),
    ("one_clock_that_is_wrong_makes_nobody_late", one_clock_that_is_wrong_makes_nobody_late),
    ("times_are_understood_as_people_write_them", times_are_understood_as_people_write_them),
    ("time_goes_on_over_two_files", time_goes_on_over_two_files),
    ("a_few_records_a_day_ahead_make_nobody_late", a_few_records_a_day_ahead_make_nobody_late),
    ("a_run_of_records_ten_years_ahead_makes_nobody_late", a_run_of_records_ten_years_ahead_makes_nobody_late),
    ("old_times_among_the_others_stop_nothing", old_times_among_the_others_stop_nothing),
    ("events_without_a_time_are_not_of_1970", events_without_a_time_are_not_of_1970),
    ("times_of_no_use_are_counted_and_said_once", times_of_no_use_are_counted_and_said_once),
    ("examples_of_times_are_hidden_with_values", examples_of_times_are_hidden_with_values),
    ("the_capacity_holds_without_a_window", the_capacity_holds_without_a_window),
];

const TEN_SECONDS: &str = "--plugin-config /a --event-time /t --window 10s --allowed-lateness 10s";
/// Late is more than 15 s behind the newest event.
const FIFTEEN_SECONDS_LATE: &str =
    "--plugin-config /a --event-time /t --window 1h --allowed-lateness 10s --max-out-of-orderness 5s";
const NOON: i64 = 1_767_268_800_000;

fn line(key: &str, time: i64) -> String {
    format!("{{\"a\":\"{key}\",\"t\":{time}}}\n")
}

/// As many events as a clock must have seen before it says anything.
const STARTED: u64 = 4_096;

/// Enough events at noon that the clock stands there.
fn events_at_noon() -> String {
    (0..STARTED).fold(String::new(), |mut text, number| {
        let _infallible = write!(text, "{}", line(&format!("noon{number}"), NOON));
        text
    })
}

fn a_key_is_remembered_exactly_the_window() {
    let desk = Desk::new();
    desk.write("in", line("x", NOON) + &line("x", NOON + 10_000) + &line("y", NOON) + &line("y", NOON + 10_001));
    assert_eq!(desk.counts(TEN_SECONDS), counts(3, 1));
    assert_eq!(desk.text("out"), line("x", NOON) + &line("y", NOON) + &line("y", NOON + 10_001));
}

fn a_key_starts_anew_after_the_window() {
    let desk = Desk::new();
    let times = [0, 9_000, 10_001, 20_001, 20_002, 30_003];
    desk.write("in", times.map(|time| line("x", NOON + time)).concat());
    // A duplicate does not prolong the memory of its original.
    assert_eq!(desk.counts(&format!("{TEN_SECONDS} --duplicates duplicates")), counts(4, 2));
    let letters = desk.json_lines("duplicates");
    let originals: Vec<_> = letters.iter().map(|letter| letter["original"]["time"].as_i64()).collect();
    assert_eq!(originals, [Some(NOON), Some(NOON + 10_001)]);
}

fn an_unlimited_window_forgets_nothing() {
    for unlimited in ["none", "unlimited"] {
        let desk = Desk::new();
        let ten_years = 315_360_000_000;
        desk.write(
            "in",
            events_at_noon() + &line("x", NOON) + &line("x", NOON + ten_years) + &line("x", NOON - ten_years),
        );
        assert_eq!(
            desk.counts(&format!("--plugin-config /a --event-time /t --window {unlimited}")),
            counts(STARTED + 1, 2)
        );
    }
}

fn without_event_time_nothing_is_forgotten_or_late() {
    let desk = Desk::new();
    desk.write("in", events_at_noon() + &line("x", NOON) + &line("x", NOON - 1_000_000_000));
    assert_eq!(desk.counts("--plugin-config /a --window 10s"), counts(STARTED + 1, 1));
}

fn late_one_millisecond_after_the_lateness() {
    let desk = Desk::new();
    desk.write("in", events_at_noon() + &line("x", NOON - 15_000) + &line("y", NOON - 15_001));
    assert_eq!(desk.counts(&format!("{FIFTEEN_SECONDS_LATE} --late late")), one_late());
    assert_eq!(desk.text("late"), line("y", NOON - 15_001));
}

fn one_late() -> Counts {
    Counts { consumed: STARTED + 2, late: 1, ..counts(STARTED + 1, 0) }
}

/// Runs over one event in time and the same one late; returns what came out after the events of noon.
fn with_a_late_event(desk: &Desk, policy: &str) -> String {
    desk.write("in", events_at_noon() + &line("x", NOON) + &line("x", NOON - 60_000));
    assert_eq!(desk.counts(&format!("{FIFTEEN_SECONDS_LATE} {policy}")), one_late());
    let text = desk.text("out");
    text.strip_prefix(&events_at_noon()).expect("the events of noon").to_owned()
}

fn late_events_pass() {
    let out = with_a_late_event(&Desk::new(), "--late pass");
    assert_eq!(out, line("x", NOON) + &line("x", NOON - 60_000));
}

fn late_by_default_pass_and_are_counted() {
    let out = with_a_late_event(&Desk::new(), "");
    assert_eq!(out, line("x", NOON) + &line("x", NOON - 60_000));
}

fn late_events_are_dropped() {
    assert_eq!(with_a_late_event(&Desk::new(), "--late drop"), line("x", NOON));
}

fn late_events_go_to_their_file() {
    let desk = Desk::new();
    assert_eq!(with_a_late_event(&desk, "--late late.ndjson"), line("x", NOON));
    assert_eq!(desk.text("late.ndjson"), line("x", NOON - 60_000));
}

fn late_topic_makes_no_sense_without_kafka() {
    let desk = Desk::new();
    desk.write("in", "");
    desk.run("--input in --late topic").refused(2, &["--late", "--input", "file"]);
}

fn one_clock_that_is_wrong_makes_nobody_late() {
    let desk = Desk::new();
    let year_2100 = 4_102_444_800_000;
    desk.write("in", events_at_noon() + &line("bad", year_2100) + &line("x", NOON) + &line("x", NOON));
    assert_eq!(desk.counts(FIFTEEN_SECONDS_LATE), counts(STARTED + 2, 1));
}

fn times_are_understood_as_people_write_them() {
    let noon = [
        "1767268800000",
        "1767268800",
        "\"2026-01-01T12:00:00Z\"",
        "\"2026-01-01T13:00:00.000+01:00\"",
        "1767268800000000",
        "\"2026-01-01 12:00:00+00\"",
        "\"2026-01-01 12:00:00 UTC\"",
        "\"2026-01-01 12:00:00 +0000 UTC m=+0.1\"",
        "\"20260101T120000Z\"",
        "\"2026-01-01T13:00+01:00[Europe/Paris]\"",
        "\"Thu, 01 Jan 2026 12:00:00 GMT\"",
        "\"Thu Jan 01 2026 13:00:00 GMT+0100 (Central European Standard Time)\"",
        "\"Thu Jan  1 12:00:00 2026\"",
    ];
    for time in noon {
        let desk = Desk::new();
        let first = format!("{{\"a\":\"x\",\"t\":{time}}}\n");
        desk.write("in", first + &line("x", NOON + 10_000) + &line("x", NOON + 10_001));
        assert_eq!(desk.counts(TEN_SECONDS), counts(2, 1), "{time}");
    }
}

fn time_goes_on_over_two_files() {
    let desk = Desk::new();
    desk.write("in", events_at_noon());
    assert_eq!(desk.counts(FIFTEEN_SECONDS_LATE), counts(STARTED, 0));
    desk.write("in", line("y", NOON - 15_001) + &line("noon7", NOON));
    let expected = Counts { consumed: 2, late: 1, ..counts(0, 1) };
    assert_eq!(desk.counts(FIFTEEN_SECONDS_LATE), expected);
}

const A_DAY: i64 = 86_400_000;

fn lines(prefix: &str, count: i64, time: impl Fn(i64) -> i64) -> String {
    (0..count).map(|number| line(&format!("{prefix}{number}"), time(number))).collect()
}

fn a_few_records_a_day_ahead_make_nobody_late() {
    let desk = Desk::new();
    desk.write("in", lines("a", 64, |_| NOON) + &lines("b", 64, |_| NOON + A_DAY) + &line("x", NOON));
    assert_eq!(desk.counts("--plugin-config /a --event-time /t --late drop"), counts(129, 0));
}

fn a_run_of_records_ten_years_ahead_makes_nobody_late() {
    let desk = Desk::new();
    let ahead = lines("wrong", 1_000, |_| NOON + 3_650 * A_DAY);
    let honest = |prefix| lines(prefix, 5_000, |number| NOON + number);
    desk.write("in", honest("a") + &ahead + &honest("b") + &ahead + &honest("c"));
    assert_eq!(desk.counts("--plugin-config /a --event-time /t --late drop"), counts(16_000, 1_000));
}

fn old_times_among_the_others_stop_nothing() {
    let desk = Desk::new();
    let time = |number: i64| if number % 50 == 0 { NOON - 30 * A_DAY } else { NOON + number * 1_000 };
    desk.write("in", lines("a", 10_000, time) + &line("late", NOON));
    let report = desk.counts(&format!("{FIFTEEN_SECONDS_LATE} --late late"));
    assert!(report.late > 50, "{report:?}");
    assert!(desk.text("late").ends_with(&line("late", NOON)), "the clock follows those that are right");
}

fn events_without_a_time_are_not_of_1970() {
    let desk = Desk::new();
    let untimed = "{\"a\":\"x\"}\n";
    desk.write("in", untimed.to_owned() + &lines("a", 64, |_| NOON) + untimed);
    assert_eq!(desk.counts("--plugin-config /a --event-time /t"), counts(65, 1));
}

fn times_of_no_use_are_counted_and_said_once() {
    let desk = Desk::new();
    let with = |time: &str| format!("{{\"a\":\"{}\",\"t\":{time}}}\n", time.replace('"', ""));
    let times = ["null", "true", "\"soon\"", "\"later\"", "\"2026-02-30\"", "\"2026-01-01T00:00:00+99:00\"", "1e30"];
    desk.write("in", times.map(with).concat() + "{\"a\":\"none\"}\n");
    let said = desk.run("--input in --report report --plugin-config /a --event-time /t").ok().stderr;
    let report = dedup_host_tests::program::report(&desk.path("report"));
    let wanted = serde_json::json!({
        "absent": 2, "not_text": 1, "unreadable": 2, "impossible_date": 1, "impossible_zone": 1, "out_of_range": 1
    });
    assert_eq!(report["event_times_unusable"], wanted);
    assert!(said.contains("soon") && !said.contains("later"), "one example a reason: {said}");
    assert!(said.contains("2 unusable event times: unreadable"), "{said}");
}

fn examples_of_times_are_hidden_with_values() {
    let desk = Desk::new();
    desk.write("in", "{\"a\":1,\"t\":\"a secret\"}\n");
    let said = desk.run("--input in --plugin-config /a --event-time /t --redact-values=true").ok().stderr;
    assert!(said.contains("unreadable") && !said.contains("a secret"), "{said}");
}

fn the_capacity_holds_without_a_window() {
    let desk = Desk::new();
    desk.write("in", lines("key", 400_000, |number| NOON + number));
    let report = desk.counts("--plugin-config /a --event-time /t --window none --max-store-capacity 2MiB");
    assert_eq!(report, counts(400_000, 0));
    let files = std::fs::read_dir(desk.path("store/(files)/0")).unwrap().map(|file| file.unwrap().metadata().unwrap());
    let bytes: u64 = files.filter(std::fs::Metadata::is_file).map(|file| file.len()).sum();
    // RocksDB's log, manifest and options come on top of the tables.
    assert!(bytes < (2 << 20) + (2 << 20), "{bytes} bytes");
    let told = dedup_host_tests::program::report(&desk.path("report"));
    assert!(told["decided_without_memory"].as_u64() > Some(200_000), "{told}");
    desk.write("in", lines("key", 1, |_| NOON) + &line("key399999", NOON));
    assert_eq!(desk.counts("--plugin-config /a --event-time /t --window none --max-store-capacity 2MiB"), counts(1, 1));
}
