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
];

const TEN_SECONDS: &str = "--plugin-config /a --event-time /t --window 10s --allowed-lateness 10s";
/// Late is more than 15 s behind the newest event.
const FIFTEEN_SECONDS_LATE: &str =
    "--plugin-config /a --event-time /t --window 1h --allowed-lateness 10s --max-out-of-orderness 5s";
const NOON: i64 = 1_767_268_800_000;

fn line(key: &str, time: i64) -> String {
    format!("{{\"a\":\"{key}\",\"t\":{time}}}\n")
}

/// Enough events at noon that the clock believes them.
fn events_at_noon() -> String {
    (0..64).fold(String::new(), |mut text, number| {
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
        assert_eq!(desk.counts(&format!("--plugin-config /a --event-time /t --window {unlimited}")), counts(65, 2));
    }
}

fn without_event_time_nothing_is_forgotten_or_late() {
    let desk = Desk::new();
    desk.write("in", events_at_noon() + &line("x", NOON) + &line("x", NOON - 1_000_000_000));
    assert_eq!(desk.counts("--plugin-config /a --window 10s"), counts(65, 1));
}

fn late_one_millisecond_after_the_lateness() {
    let desk = Desk::new();
    desk.write("in", events_at_noon() + &line("x", NOON - 15_000) + &line("y", NOON - 15_001));
    assert_eq!(desk.counts(&format!("{FIFTEEN_SECONDS_LATE} --late late")), one_late());
    assert_eq!(desk.text("late"), line("y", NOON - 15_001));
}

fn one_late() -> Counts {
    Counts { consumed: 66, late: 1, ..counts(65, 0) }
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
    assert_eq!(desk.counts(FIFTEEN_SECONDS_LATE), counts(66, 1));
}

fn times_are_understood_as_people_write_them() {
    let noon = [
        "1767268800000",
        "1767268800",
        "\"2026-01-01T12:00:00Z\"",
        "\"2026-01-01T13:00:00.000+01:00\"",
        "1767268800000000",
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
    assert_eq!(desk.counts(FIFTEEN_SECONDS_LATE), counts(64, 0));
    desk.write("in", line("y", NOON - 15_001) + &line("noon7", NOON));
    let expected = Counts { consumed: 2, late: 1, ..counts(0, 1) };
    assert_eq!(desk.counts(FIFTEEN_SECONDS_LATE), expected);
}
