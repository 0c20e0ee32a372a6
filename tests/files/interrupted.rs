//! Runs that are killed, stopped or cut off, and what it takes to end them well.

use std::io::{BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::program::{Running, get};

use super::desk::{Counts, Desk, Random, end, first_seed, reader};

pub(crate) const TESTS: &[Test] = &[
    ("killed_again_and_again_in_a_million_events", killed_again_and_again_in_a_million_events),
    ("killed_again_and_again_with_gzip_in_and_out", killed_again_and_again_with_gzip_in_and_out),
    ("after_a_kill_a_rerun_without_resume_is_refused", after_a_kill_a_rerun_without_resume_is_refused),
    ("after_a_kill_other_files_are_refused", after_a_kill_other_files_are_refused),
    ("an_output_that_was_cut_is_not_resumed", an_output_that_was_cut_is_not_resumed),
    ("an_input_that_was_cut_is_not_resumed", an_input_that_was_cut_is_not_resumed),
    ("a_finished_run_has_nothing_to_resume", a_finished_run_has_nothing_to_resume),
    ("resume_without_a_run_before_starts_one", resume_without_a_run_before_starts_one),
    ("a_stop_commits_and_says_how_to_go_on", a_stop_commits_and_says_how_to_go_on),
    ("a_stop_is_heard_while_a_pipe_is_silent", a_stop_is_heard_while_a_pipe_is_silent),
    ("a_stop_is_heard_before_a_pipe_says_anything", a_stop_is_heard_before_a_pipe_says_anything),
    ("a_silent_pipe_holds_nothing_back", a_silent_pipe_holds_nothing_back),
    ("a_run_that_committed_no_event_needs_no_resume", a_run_that_committed_no_event_needs_no_resume),
    ("a_run_that_was_disturbed_writes_what_another_does", a_run_that_was_disturbed_writes_what_another_does),
    ("standard_input_is_given_again_after_a_kill", standard_input_is_given_again_after_a_kill),
    ("a_state_that_is_gone_is_made_again_from_the_input", a_state_that_is_gone_is_made_again_from_the_input),
    ("a_state_without_its_progress_is_refused", a_state_without_its_progress_is_refused),
    ("an_input_that_was_changed_is_not_resumed", an_input_that_was_changed_is_not_resumed),
];

const SOON: Duration = Duration::from_secs(60);

/// Longer than the time between two commits.
const UNTIL_COMMIT: Duration = Duration::from_millis(1_100);

/// Waits until the file has this many bytes. False: the run ended before.
fn wait_for_bytes(running: &mut Running, desk: &Desk, name: &str, bytes: u64) -> bool {
    let deadline = Instant::now() + SOON;
    while desk.size(name) < bytes {
        if !running.is_running() {
            return false;
        }
        assert!(
            Instant::now() < deadline,
            "{name} has {} bytes and not {bytes}:\n{}",
            desk.size(name),
            running.stderr()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Starts a run and kills it somewhere after a commit. False: it ended before.
fn start_and_kill(desk: &Desk, words: &str, output: &str, bytes: u64, random: &mut Random) -> bool {
    let mut running = Running::start_command(desk.dedup(words));
    if !wait_for_bytes(&mut running, desk, output, bytes) {
        assert_eq!(running.wait(SOON).code, Some(0));
        return false;
    }
    // Time passes for a process that is stopped too: it commits as soon as it goes on.
    running.signal("STOP");
    std::thread::sleep(UNTIL_COMMIT);
    running.signal("CONT");
    std::thread::sleep(Duration::from_millis(random.below(150)));
    let ended = !running.is_running();
    drop(running.kill());
    !ended
}

/// Kills a run again and again at places the seed chooses, and lets it end. Returns how often it was killed.
fn chaos(desk: &Desk, words: &str, output: &str, step_bytes: u64, seed: u64) -> u32 {
    let seed = first_seed(seed);
    let mut random = Random::new(seed);
    let mut kills = 0;
    while kills < 5 {
        let bytes = desk.size(output) + random.below(step_bytes);
        let resume = if kills == 0 { "" } else { " --resume" };
        if !start_and_kill(desk, &format!("{words}{resume}"), output, bytes, &mut random) {
            break;
        }
        kills += 1;
    }
    println!("killed {kills} times, seed {seed} (another: CHAOS_SEED)");
    let _ok = desk.run(&format!("{words} --resume --report report")).ok();
    kills
}

fn killed_again_and_again_in_a_million_events() {
    let desk = Desk::new();
    let truth = desk.generate(1_000_000, 21);
    let kills = chaos(&desk, "--input in --output out --duplicates duplicates", "out", 60 << 20, 22);
    assert!(kills >= 3, "only {kills} kills: the run is too quick for this test");
    assert_eq!(desk.report(), truth);
    desk.check_unique(reader(&desk, "out"));
    let duplicates = reader(&desk, "duplicates");
    assert_eq!(std::io::BufRead::lines(duplicates).count() as u64, truth.duplicate);
}

fn killed_again_and_again_with_gzip_in_and_out() {
    let desk = Desk::new();
    let truth = desk.generate(200_000, 23);
    let input = std::fs::File::open(desk.path("in")).unwrap();
    let mut encoder = flate2::read::GzEncoder::new(BufReader::new(input), flate2::Compression::fast());
    std::io::copy(&mut encoder, &mut std::fs::File::create(desk.path("in.gz")).unwrap()).unwrap();
    let kills = chaos(&desk, "--input in.gz --output out.gz --duplicates duplicates.zst", "out.gz", 5 << 20, 24);
    assert!(kills >= 3, "only {kills} kills: the run is too quick for this test");
    assert_eq!(desk.report(), truth);
    desk.check_unique(BufReader::new(flate2::read::MultiGzDecoder::new(reader(&desk, "out.gz"))));
    let mut duplicates = String::new();
    zstd::Decoder::new(reader(&desk, "duplicates.zst")).unwrap().read_to_string(&mut duplicates).unwrap();
    assert_eq!(duplicates.lines().count() as u64, truth.duplicate);
}

/// A run over `in` to `out` that was killed after it had committed events.
fn killed(desk: &Desk) -> Counts {
    // Many, so that none of these runs ends before it is killed.
    let truth = desk.generate(1_000_000, 25);
    desk.write("other", "{}\n");
    let mut random = Random::new(26);
    loop {
        let bytes = desk.size("out") + (1 << 20);
        let killed = start_and_kill(desk, "--input in --output out --resume", "out", bytes, &mut random);
        assert!(killed, "the run ended before it was killed");
        // How far it came it says to those who come with another input.
        let refusal = desk.run("--input other");
        refusal.refused(9, &["interrupted after"]);
        if !refusal.stderr.contains("interrupted after 0 events") {
            return truth;
        }
    }
}

fn after_a_kill_a_rerun_without_resume_is_refused() {
    let desk = Desk::new();
    let truth = killed(&desk);
    let before = desk.size("out");
    desk.run("--input in --output out").refused(9, &["interrupted", "--resume", "--store-path", "in"]);
    assert_eq!(desk.size("out"), before, "a refused run touches nothing");
    let _ok = desk.run("--input in --output out --resume --report report").ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(reader(&desk, "out"));
}

fn after_a_kill_other_files_are_refused() {
    let desk = Desk::new();
    let truth = killed(&desk);
    let ways_out = ["/in", "/out", "--store-path"];
    desk.run("--resume --input other --output out").refused(9, &ways_out);
    desk.run("--resume --input in --output other").refused(9, &ways_out);
    desk.run("--resume --input in").refused(9, &ways_out);
    desk.run("--resume --input in --output out --duplicates more").refused(9, &ways_out);
    assert_eq!(desk.text("other"), "{}\n", "a refused run touches nothing");
    let _ok = desk.run("--resume --input ./in --output ./out --report report").ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(reader(&desk, "out"));
}

fn an_output_that_was_cut_is_not_resumed() {
    let desk = Desk::new();
    let _truth = killed(&desk);
    desk.write("out", "");
    desk.run("--resume --input in --output out").refused(6, &["out", "committed", "restore it"]);
}

fn an_input_that_was_cut_is_not_resumed() {
    let desk = Desk::new();
    let _truth = killed(&desk);
    desk.write("in", "{}\n");
    desk.run("--resume --input in --output out").refused(4, &["in", "cut or replaced"]);
}

fn a_finished_run_has_nothing_to_resume() {
    let desk = Desk::new();
    let truth = desk.generate(2_000, 27);
    assert_eq!(desk.counts(""), truth);
    let output = desk.read("out");
    let ended = desk.run("--resume --input in --output out --report again").ok();
    assert!(ended.stderr.contains("nothing to resume"), "{}", ended.stderr);
    assert_eq!(desk.text("again"), desk.text("report"));
    assert!(desk.read("out") == output, "the output is as it was");
}

fn resume_without_a_run_before_starts_one() {
    let desk = Desk::new();
    let truth = desk.generate(2_000, 28);
    assert_eq!(desk.counts("--resume"), truth);
    desk.check_unique(reader(&desk, "out"));
}

fn a_stop_commits_and_says_how_to_go_on() {
    let desk = Desk::new();
    let truth = desk.generate(300_000, 29);
    for signal in ["TERM", "INT"] {
        let resume = if signal == "TERM" { "" } else { "--resume" };
        let words = format!("--input in --output out --report report {resume}");
        let mut running = Running::start_command(desk.dedup(&words));
        assert!(wait_for_bytes(&mut running, &desk, "out", desk.size("out") + (1 << 20)), "it ended too early");
        running.signal(signal);
        let ended = running.wait(SOON);
        ended.refused(9, &["interrupted after", "committed", "--resume"]);
        assert!(!desk.path("report").exists(), "half a run has no report");
    }
    let _ok = desk.run("--input in --output out --report report --resume").ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(reader(&desk, "out"));
}

fn a_stop_is_heard_while_a_pipe_is_silent() {
    let desk = Desk::new();
    let (mut running, mut writer) = over_a_pipe(&desk, "--output out");
    std::io::Write::write_all(&mut writer, b"{\"a\":1}\n").unwrap();
    assert!(wait_for_bytes(&mut running, &desk, "out", 8), "it ended");
    running.stop(Duration::from_secs(5)).refused(9, &["interrupted after 1 event"]);
    assert_eq!(desk.text("out"), "{\"a\":1}\n");
}

fn a_stop_is_heard_before_a_pipe_says_anything() {
    let desk = Desk::new();
    let (mut running, _writer) = over_a_pipe(&desk, "--output out");
    running.wait_for("plugin loaded", SOON);
    running.stop(Duration::from_secs(5)).refused(9, &["interrupted after 0 events"]);
    assert!(!desk.path("out").exists());
}

/// A run that reads what is written here.
fn over_a_pipe(desk: &Desk, words: &str) -> (Running, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = desk.dedup(&format!("--plugin-config /a --input - {words}"));
    command.stdin(Stdio::from(reader));
    (Running::start_command(command), writer)
}

fn a_silent_pipe_holds_nothing_back() {
    let desk = Desk::new();
    let port = dedup_host_tests::program::free_port();
    let (mut running, mut writer) = over_a_pipe(&desk, &format!("--output out --bind-port {port}"));
    std::io::Write::write_all(&mut writer, b"{\"a\":1}\n{\"a\":1}\n{\"a\":2}\n").unwrap();
    assert!(wait_for_bytes(&mut running, &desk, "out", 16), "it ended");
    assert_eq!(desk.text("out"), "{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(get(port, "/_readiness").map(|(code, _)| code), Some(200));
    let (code, liveness) = get(port, "/_liveness").expect("an answer");
    let liveness: serde_json::Value = serde_json::from_str(&liveness).expect("JSON");
    assert_eq!(code, 200);
    assert!(
        liveness["heartbeat_age_ms"].as_u64().is_some_and(|age| age < 900),
        "a silent pipe is no standstill: {liveness}"
    );
    drop(writer);
    assert_eq!(running.wait(SOON).code, Some(0));
}

fn a_run_that_committed_no_event_needs_no_resume() {
    let desk = Desk::new();
    let truth = desk.generate(5_000, 30);
    // What there is of the archive holds no whole event.
    let mut whole = Vec::new();
    let input = std::io::Cursor::new(desk.read("in"));
    flate2::read::GzEncoder::new(input, flate2::Compression::fast()).read_to_end(&mut whole).unwrap();
    desk.write("in.gz", &whole[..40]);
    let words = "--input in.gz --output out --report report";
    desk.run(words).refused(4, &["in.gz", "ends too early", "copy or download the file again"]);
    desk.write("in.gz", &whole);
    let _ok = end(desk.dedup(words)).ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(reader(&desk, "out"));
}

/// Events, some without a key, some that are none: what is not in the state though it was passed on.
fn mixed(desk: &Desk) {
    let _truth = desk.generate(300_000, 31);
    let mut text = String::new();
    for (number, line) in std::io::BufRead::lines(reader(desk, "in")).enumerate() {
        text += &line.unwrap();
        text.push('\n');
        match number % 100 {
            7 => text += &format!("{{\"no_key\":{number}}}\n"),
            42 => text += &format!("nope {number}\n"),
            77 => text.push('\n'),
            _ => {}
        }
    }
    desk.write("in", text);
}

/// The names of a run's outputs, which begin alike.
fn outputs(run: &str) -> [String; 3] {
    ["out", "duplicates", "dead"].map(|name| format!("{run}-{name}"))
}

/// Arguments of a run with such outputs.
fn to(run: &str) -> String {
    let [output, duplicates, dead] = outputs(run);
    format!(
        "--output {output} --duplicates {duplicates} --dead-letter {dead} --on-missing-key pass --report {run}-report"
    )
}

#[track_caller]
fn wrote_the_same(desk: &Desk, one: &str, other: &str) {
    for (one, other) in outputs(one).iter().zip(outputs(other)) {
        assert!(desk.read(one) == desk.read(&other), "{one} is not {other}");
    }
    let report = |run: &str| {
        let mut report: serde_json::Value = serde_json::from_str(&desk.text(&format!("{run}-report"))).unwrap();
        report["seconds"] = 0.into();
        report["events_per_second"] = 0.into();
        report
    };
    assert_eq!(report(one), report(other));
}

fn a_run_that_was_disturbed_writes_what_another_does() {
    let desk = Desk::new();
    mixed(&desk);
    let _ok = end(desk.dedup_in("calm", &format!("--input in {}", to("calm")))).ok();
    let mut random = Random::new(first_seed(32));
    let words = format!("--input in {} --resume", to("wild"));
    // A stop has the state written, so that the next run reads again from there and not from the start.
    for signal in ["KILL", "KILL", "TERM", "KILL", "KILL"] {
        let bytes = desk.size("wild-out") + (1 << 20);
        if signal == "KILL" {
            let killed = start_and_kill(&desk, &words, "wild-out", bytes, &mut random);
            assert!(killed, "the run ended before it was killed");
        } else {
            let mut running = Running::start_command(desk.dedup(&words));
            assert!(wait_for_bytes(&mut running, &desk, "wild-out", bytes), "it ended");
            running.stop(SOON).refused(9, &["interrupted after"]);
        }
    }
    let _ok = desk.run(&words).ok();
    wrote_the_same(&desk, "calm", "wild");
}

fn standard_input_is_given_again_after_a_kill() {
    let desk = Desk::new();
    mixed(&desk);
    let _ok = end(desk.dedup_in("calm", &format!("--input in {}", to("calm")))).ok();
    let start = || {
        let mut command = desk.dedup(&format!("--input - {} --resume", to("wild")));
        command.stdin(Stdio::from(std::fs::File::open(desk.path("in")).unwrap()));
        Running::start_command(command)
    };
    for _ in 0..2 {
        let mut running = start();
        let bytes = desk.size("wild-out") + (2 << 20);
        assert!(wait_for_bytes(&mut running, &desk, "wild-out", bytes), "it ended");
        running.signal("STOP");
        std::thread::sleep(UNTIL_COMMIT);
        running.signal("CONT");
        std::thread::sleep(Duration::from_millis(100));
        drop(running.kill());
    }
    assert_eq!(start().wait(SOON).code, Some(0));
    wrote_the_same(&desk, "calm", "wild");
}

fn a_state_that_is_gone_is_made_again_from_the_input() {
    let desk = Desk::new();
    let truth = killed(&desk);
    std::fs::remove_dir_all(desk.path("store/(files)/0")).unwrap();
    let _ok = desk.run("--input in --output out --resume --report report").ok();
    assert_eq!(desk.report(), truth);
    desk.check_unique(reader(&desk, "out"));
    // The run is over: without its state nothing is left of it.
    std::fs::remove_dir_all(desk.path("store/(files)/0")).unwrap();
    assert_eq!(desk.counts(""), truth);
}

fn a_state_without_its_progress_is_refused() {
    let desk = Desk::new();
    let _truth = desk.generate(2_000, 33);
    let _counts = desk.counts("");
    let progress = desk.read("store/(files)/progress");
    std::fs::remove_file(desk.path("store/(files)/progress")).unwrap();
    let run = "--input in --output out --overwrite";
    desk.run(run).refused(5, &["(files)/progress", "is gone", "another --store-path"]);
    desk.write("store/(files)/progress", &progress[..progress.len() / 2]);
    desk.run(run).refused(5, &["(files)/progress", "cannot be used", "another --store-path"]);
    desk.write("store/(files)/progress", progress);
    let _ok = desk.run(run).ok();
}

fn an_input_that_was_changed_is_not_resumed() {
    let desk = Desk::new();
    let _truth = killed(&desk);
    let (text, before) = (desk.text("in"), desk.read("out"));
    // The state was never written: all of it is read again, up to where the run was.
    desk.write("in", text.replacen('\n', " \n", 1));
    let refused = desk.run("--input in --output out --resume");
    refused.refused(4, &["in", "cannot resume", "has been changed", "start over"]);
    assert!(before.starts_with(&desk.read("out")), "nothing was added");
    desk.write("in", text);
    let _ok = desk.run("--input in --output out --resume").ok();
    desk.check_unique(reader(&desk, "out"));
}
