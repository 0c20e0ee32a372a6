//! Plugins that change while files are read, and one that is broken.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::program::{Ended, Running};

use super::desk::{Desk, counts, end};
use crate::made::{another_build, brittle, put, shipped};

pub(crate) const TESTS: &[Test] = &[
    (
        "a_broken_plugin_ends_the_run_and_a_mended_one_resumes_it",
        a_broken_plugin_ends_the_run_and_a_mended_one_resumes_it,
    ),
    ("a_broken_plugin_that_nobody_minds_buries_every_event", a_broken_plugin_that_nobody_minds_buries_every_event),
    ("a_plugin_is_swapped_while_a_pipe_is_read", a_plugin_is_swapped_while_a_pipe_is_read),
    ("a_plugin_that_is_not_pinned_is_refused", a_plugin_that_is_not_pinned_is_refused),
    ("hostile_files_at_the_plugins_path_leave_the_old_one_at_work", hostile_files_leave_the_old_plugin_at_work),
    ("a_plugin_is_compiled_behind_the_line_and_at_the_start_at_once", a_plugin_is_compiled_behind_the_line),
    (
        "plugins_are_swapped_after_the_program_was_replaced_on_the_disk",
        plugins_are_swapped_after_the_program_was_replaced,
    ),
];

const PATIENCE: Duration = Duration::from_secs(60);

fn event(value: &str) -> String {
    format!("{{\"x\":\"{value}\"}}\n")
}

/// The program with `key.wasm` and `/x` as its key.
fn command(desk: &Desk, words: &str) -> Command {
    desk.command(&format!("--plugin key.wasm --plugin-config /x --store-path store --report report {words}"))
}

/// Two batches of good events, then as many on which the brittle plugin traps as follow, one in ten twice.
fn fragile(desk: &Desk) {
    let good = (0..2_048).map(|number| event(&format!("a{number}")));
    let bad = (0..1_000).map(|number| event(&format!("T{}", number % 900)));
    let more = (0..1_000).map(|number| event(&format!("b{}", number % 900)));
    desk.write("in", good.chain(bad).chain(more).collect::<String>());
}

fn a_broken_plugin_ends_the_run_and_a_mended_one_resumes_it() {
    let desk = Desk::new();
    fragile(&desk);
    put(&desk.path("key.wasm"), &brittle(1));
    let run =
        |words: &str| -> Ended { end(command(&desk, &format!("--input in --output out --dead-letter dead {words}"))) };
    run("").refused(7, &["(files)", "from offset 2048", "--plugin-breaker", "unreachable", "--resume"]);
    assert_eq!(desk.text("out").lines().count(), 2_048, "what was decided before is there");
    assert_eq!(desk.text("dead"), "", "its events are no dead letters");
    run("--resume").refused(7, &["from offset 2048"]);
    put(&desk.path("key.wasm"), &shipped());
    let _ok = run("--resume").ok();
    assert_eq!(desk.report(), counts(2_048 + 900 + 900, 200));
    assert_eq!(desk.text("out").lines().count(), 2_048 + 900 + 900);
}

fn a_broken_plugin_that_nobody_minds_buries_every_event() {
    let desk = Desk::new();
    fragile(&desk);
    put(&desk.path("key.wasm"), &brittle(1));
    let _ok = end(command(&desk, "--input in --output out --dead-letter dead --plugin-breaker off")).ok();
    assert_eq!(desk.report().dead_letter, 1_000);
}

fn a_plugin_is_swapped_while_a_pipe_is_read() {
    let desk = Desk::new();
    put(&desk.path("key.wasm"), &shipped());
    let made = Command::new("mkfifo").arg(desk.path("in")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let mut host = Running::start_command(command(&desk, "--input in --output out --log-level info"));
    let mut pipe = OpenOptions::new().write(true).open(desk.path("in")).expect("the pipe");
    let mut write = |values: std::ops::Range<u32>| {
        let lines: String = values.map(|value| event(&value.to_string())).collect();
        pipe.write_all(lines.as_bytes()).expect("it is read");
    };
    write(0..3_000);
    put(&desk.path("key.wasm"), &another_build(&shipped(), 1));
    host.signal("HUP");
    host.wait_for("plugins swapped", PATIENCE);
    write(2_000..5_000);
    // Nobody asks, and it takes over all the same.
    put(&desk.path("key.wasm"), &another_build(&shipped(), 2));
    host.wait_for("by=\"file\" generation=3", PATIENCE);
    write(4_000..6_000);
    drop(pipe);
    let ended = host.wait(PATIENCE).ok();
    assert_eq!(desk.report(), counts(6_000, 2_000), "{}", ended.stderr);
}

fn a_plugin_that_is_not_pinned_is_refused() {
    let desk = Desk::new();
    desk.write("in", event("a"));
    put(&desk.path("key.wasm"), &shipped());
    let other = "0".repeat(64);
    let run = |digest: &str| end(command(&desk, &format!("--input in --output out --plugin-sha256 {digest}")));
    let refused = run(&other);
    refused.refused(3, &["key.wasm", "SHA-256", "--plugin-sha256"]);
    // The message names the way out.
    let digest = refused.stderr.split("give --plugin-sha256 ").nth(1).expect("the digest").trim().to_owned();
    let _ok = run(&digest).ok();
    assert_eq!(desk.report(), counts(1, 0));
}

/// A run that reads a pipe, which it waits for.
struct Piped {
    host: Running,
    pipe: std::fs::File,
}

impl Piped {
    fn start(desk: &Desk, command: Command) -> Self {
        let made = Command::new("mkfifo").arg(desk.path("in")).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        let host = Running::start_command(command);
        Self { host, pipe: OpenOptions::new().write(true).open(desk.path("in")).expect("the pipe") }
    }

    fn write(&mut self, values: std::ops::Range<u32>) {
        let lines: String = values.map(|value| event(&value.to_string())).collect();
        self.pipe.write_all(lines.as_bytes()).expect("it is read");
    }

    fn end(self) -> Ended {
        drop(self.pipe);
        self.host.wait(PATIENCE).ok()
    }
}

/// Each level makes two instances of the one before it.
fn bomb() -> Vec<u8> {
    let level = |level: usize| {
        let before = level - 1;
        let twice = "(instance (instantiate $c))".repeat(2);
        format!("(component $c{level} (alias outer 1 {before} (component $c)) {twice})")
    };
    let levels: String = (1..=30).map(level).collect();
    let text = format!("(component (component $c0) {levels} (instance (instantiate $c30)))");
    wat::parse_str(text).expect("valid text")
}

fn hostile_files_leave_the_old_plugin_at_work() {
    let desk = Desk::new();
    put(&desk.path("key.wasm"), &shipped());
    let mut run = Piped::start(&desk, command(&desk, "--input in --output out --log-level info --plugin-watch off"));
    run.write(0..3_000);
    let refused = |run: &mut Piped, words: &str| {
        run.host.signal("HUP");
        run.host.wait_for(words, PATIENCE);
    };
    put(&desk.path("key.wasm"), &bomb());
    refused(&mut run, "instances, those included");
    std::fs::remove_file(desk.path("key.wasm")).expect("it is there");
    assert!(Command::new("mkfifo").arg(desk.path("key.wasm")).status().is_ok_and(|status| status.success()));
    refused(&mut run, "it is a pipe, and only a regular file is read");
    std::fs::remove_file(desk.path("key.wasm")).expect("it is there");
    std::os::unix::fs::symlink("/dev/zero", desk.path("key.wasm")).expect("a link");
    refused(&mut run, "it is a device, and only a regular file is read");
    std::fs::remove_file(desk.path("key.wasm")).expect("it is there");
    run.write(2_000..4_000);
    put(&desk.path("key.wasm"), &another_build(&shipped(), 1));
    run.host.signal("HUP");
    run.host.wait_for("plugins swapped", PATIENCE);
    run.write(3_000..5_000);
    let ended = run.end();
    assert_eq!(desk.report(), counts(5_000, 2_000), "{}", ended.stderr);
}

/// The niceness of the processes that a program starts until it has said these words.
fn niceness_of_children(host: &mut Running, words: &str) -> BTreeSet<i32> {
    let (parent, deadline) = (host.pid(), Instant::now() + PATIENCE);
    let stat =
        |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok();
    let niceness = |stat: String| -> Option<i32> {
        // Behind the name: the state, the parent, and the niceness as the 17th.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        (*fields.get(1)? == parent.to_string()).then(|| fields.get(16)?.parse().ok()).flatten()
    };
    let mut found = BTreeSet::new();
    while !host.stderr().contains(words) {
        assert!(host.is_running() && Instant::now() < deadline, "it never said {words:?}:\n{}", host.stderr());
        let processes = std::fs::read_dir("/proc").expect("a list of processes");
        found.extend(processes.filter_map(stat).filter_map(niceness));
    }
    found
}

fn a_plugin_is_compiled_behind_the_line() {
    let desk = Desk::new();
    put(&desk.path("key.wasm"), &shipped());
    let words = "--input in --output out --log-level info --plugin-cache-dir off --plugin-watch off";
    let made = Command::new("mkfifo").arg(desk.path("in")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    let mut host = Running::start_command(command(&desk, words));
    let at_start = niceness_of_children(&mut host, "plugin loaded");
    assert!(!at_start.is_empty() && !at_start.contains(&19), "nobody is waited for at the start: {at_start:?}");
    let mut pipe = OpenOptions::new().write(true).open(desk.path("in")).expect("the pipe");
    put(&desk.path("key.wasm"), &another_build(&shipped(), 1));
    host.signal("HUP");
    let in_a_swap = niceness_of_children(&mut host, "plugins swapped");
    // It is seen from its first instruction on, before it has stepped back.
    assert!(in_a_swap.contains(&19), "{in_a_swap:?}");
    pipe.write_all(event("a").as_bytes()).expect("it is read");
    drop(pipe);
    let _ok = host.wait(PATIENCE).ok();
    assert_eq!(desk.report(), counts(1, 0));
}

fn plugins_are_swapped_after_the_program_was_replaced() {
    let desk = Desk::new();
    put(&desk.path("key.wasm"), &shipped());
    let mut command = command(&desk, "--input in --output out --log-level info --plugin-cache-dir off");
    let program = desk.path("program");
    std::fs::copy(command.get_program(), &program).expect("a copy");
    let arguments: Vec<std::ffi::OsString> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    let mut copy = Command::new(&program);
    copy.args(arguments).env_clear().current_dir(desk.path(".")).stdin(std::process::Stdio::null());
    command = copy;
    let mut run = Piped::start(&desk, command);
    run.write(0..3_000);
    std::fs::remove_file(&program).expect("it is there");
    std::fs::write(&program, "another version").expect("a file");
    put(&desk.path("key.wasm"), &another_build(&shipped(), 1));
    run.host.signal("HUP");
    run.host.wait_for("plugins swapped", PATIENCE);
    run.write(2_000..4_000);
    let ended = run.end();
    assert_eq!(desk.report(), counts(4_000, 1_000), "{}", ended.stderr);
}
