//! An output that is a terminal: what the host says of records there means what it means in a file, and steers nothing.
//! Events themselves are bytes that nobody changes.

use std::process::Command;

use dedup_host_tests::Test;
use serde_json::{Value, json};

use super::desk::{Desk, end};

pub(crate) const TESTS: &[Test] = &[
    ("what_is_said_of_records_steers_no_terminal", what_is_said_of_records_steers_no_terminal),
    ("a_file_has_events_to_the_byte", a_file_has_events_to_the_byte),
];

/// Characters that JSON allows in a string as they are, and a terminal obeys or does not show.
const STEERING: &str = "x\u{9b}2J\u{202e}\u{2066}\u{200b}\u{7f}\u{feff}\u{e0041}";

const RUN: &str = "--plugin-config /a --input in";
const TO_FILES: &str = "--plugin-config /a --input in --output out --duplicates duplicates --dead-letter dead";

/// Two events that are one, with white space that moves a cursor, and a line that is none.
fn desk() -> (Desk, String) {
    let desk = Desk::new();
    let event = json!({ "a": STEERING, "uuid": STEERING, "b\u{202e}": 1 }).to_string().replacen(',', "\t,", 1);
    assert!(event.contains(STEERING), "it is there as it is: {event}");
    desk.write("in", format!("{event}\n{event}\n{STEERING}\n"));
    (desk, event)
}

/// Runs at a terminal of its own, which util-linux's `script` makes, and returns what is seen there. What goes to standard
/// error, progress and colours among it, is seen elsewhere.
fn at_a_terminal(desk: &Desk, store: &str, words: &str) -> String {
    let program = desk.dedup_in(store, &format!("{RUN} --overwrite {words}"));
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_string_lossy());
    let line: Vec<String> = std::iter::once(program.get_program()).chain(program.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["-qec", &format!("{} 2>err", line.join(" ")), "/dev/null"]).current_dir(desk.path(""));
    script.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("SHELL", "/bin/sh");
    script.stdin(std::process::Stdio::null());
    end(script).ok().stdout
}

fn what_is_said_of_records_steers_no_terminal() {
    let (desk, _) = desk();
    let _ok = desk.run(TO_FILES).ok();
    for (store, flag, file) in [("one", "--duplicates", "duplicates"), ("other", "--dead-letter", "dead")] {
        let seen = at_a_terminal(&desk, store, &format!("--output out {flag} -"));
        let lines: Vec<&str> = seen.split("\r\n").filter(|line| !line.is_empty()).collect();
        let [line] = lines.as_slice() else { panic!("{flag} is one line: {seen:?}") };
        let shown = |char: char| (' '..='~').contains(&char);
        assert!(line.chars().all(shown) && line.contains("\\u202e"), "{flag}: {line:?}");
        let mut said: Value = serde_json::from_str(line).expect("JSON");
        let mut written = desk.json_lines(file).remove(0);
        for record in [&mut said, &mut written] {
            // Its time is that of the run.
            record.as_object_mut().expect("an object").remove("time");
        }
        assert_eq!(said, written, "{flag}");
    }
}

fn a_file_has_events_to_the_byte() {
    let (desk, event) = desk();
    let _ok = desk.run(TO_FILES).ok();
    assert_eq!(desk.text("out"), format!("{event}\n"));
    assert!(desk.text("duplicates").contains(&event), "{}", desk.text("duplicates"));
    let seen = at_a_terminal(&desk, "another", "--output - --dead-letter dead");
    assert_eq!(seen.trim_end_matches("\r\n"), event, "an event is shown as it is");
}
