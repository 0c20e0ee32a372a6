//! Clients of the HTTP server that mean harm, and an operator who opens it to more than is meant: the program over a pipe.

use std::io::{PipeWriter, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::abuse::Abuse;
use dedup_host_tests::program::{Running, free_port, get, plugin};
use serde_json::{Value, json};

use super::desk::{Desk, counts, end};

pub(crate) const TESTS: &[Test] = &[
    (
        "half_open_connections_cost_neither_liveness_nor_the_line",
        half_open_connections_cost_neither_liveness_nor_the_line,
    ),
    (
        "a_flood_of_every_kind_costs_neither_liveness_nor_the_line",
        a_flood_of_every_kind_costs_neither_liveness_nor_the_line,
    ),
    ("no_answer_steers_the_terminal_of_who_asks", no_answer_steers_the_terminal_of_who_asks),
    ("open_files_are_as_many_as_the_system_allows", open_files_are_as_many_as_the_system_allows),
    ("values_that_are_open_to_a_network_are_warned_of", values_that_are_open_to_a_network_are_warned_of),
    ("a_foreign_name_reads_nothing_unless_it_is_allowed", a_foreign_name_reads_nothing_unless_it_is_allowed),
    ("names_that_are_no_names_are_refused", names_that_are_no_names_are_refused),
    ("a_token_that_nobody_can_show_is_refused", a_token_that_nobody_can_show_is_refused),
    ("a_wrong_token_is_logged_and_not_repeated", a_wrong_token_is_logged_and_not_repeated),
];

const SOON: Duration = Duration::from_secs(60);

/// A probe gives up after a second, unless told otherwise.
const PROBE: Duration = Duration::from_secs(1);

/// The program over a pipe, on a port of this machine, with so many open files as `ulimit` says.
fn limited(desk: &Desk, ulimit: &str, port: u16, words: &str) -> (Running, PipeWriter) {
    let words = format!("--plugin-config /a --input - --output out --report report --bind-port {port} {words}");
    let program = desk.dedup(&words);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {ulimit} && exec \"$0\" \"$@\"")]).arg(program.get_program());
    command.args(program.get_args()).current_dir(desk.path("")).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let (reader, writer) = std::io::pipe().unwrap();
    let mut running = Running::start_command({
        command.stdin(Stdio::from(reader));
        command
    });
    running.wait_for("http server listens", SOON);
    (running, writer)
}

fn start(desk: &Desk, port: u16, words: &str) -> (Running, PipeWriter) {
    limited(desk, "-c 0", port, words)
}

fn events(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{{\"a\":{number}}}\n")).collect()
}

/// Asks whether the host lives, as a probe does, and returns how long that took.
fn probe(port: u16) -> Duration {
    let begun = Instant::now();
    let answer = get(port, "/_liveness");
    assert!(matches!(answer, Some((200, _))), "{answer:?} after {:?}", begun.elapsed());
    begun.elapsed()
}

fn open_files(running: &Running) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", running.pid())).map_or(0, Iterator::count)
}

/// Writes events while something goes on, until that has been seen enough.
fn check_line(desk: &Desk, running: &mut Running, writer: &mut PipeWriter, port: u16) {
    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        let from = round * 1_000;
        writer.write_all(events(from..from + 1_000).as_bytes()).expect("it is read");
        writer.write_all(events(from..from + 100).as_bytes()).expect("it is read");
        slowest = slowest.max(probe(port));
        assert!(running.is_running(), "it ended:\n{}", running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(slowest < PROBE, "the slowest answer took {slowest:?}");
    let deadline = Instant::now() + SOON;
    while desk.text("out").lines().count() < 20_000 {
        assert!(running.is_running() && Instant::now() < deadline, "the line stands:\n{}", running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn half_open_connections_cost_neither_liveness_nor_the_line() {
    let (desk, port) = (Desk::new(), free_port());
    let (mut running, mut writer) = limited(&desk, "-n 128", port, "--bind-host 127.0.0.1");
    let connect = |number: usize| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it is accepted");
        let words = ["", "GET /metrics HTTP/1.1\r\n", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"][number % 3];
        let _maybe_closed = stream.write_all(words.as_bytes());
        stream
    };
    let held: Vec<TcpStream> = (0..500).map(connect).collect();
    assert!(open_files(&running) < 100, "{} of 128 files are open", open_files(&running));
    check_line(&desk, &mut running, &mut writer, port);
    drop((held, writer));
    let ended = running.wait(SOON).ok();
    assert_eq!(desk.report(), counts(20_000, 2_000), "{}", ended.stderr);
    assert!(ended.stderr.contains("the limit of open files is low"), "{}", ended.stderr);
}

fn a_flood_of_every_kind_costs_neither_liveness_nor_the_line() {
    let (desk, port) = (Desk::new(), free_port());
    let (mut running, mut writer) =
        limited(&desk, "-n 256", port, "--bind-host 127.0.0.1 --admin-token let-me-in-0123456789");
    let abuse = Abuse::start(port);
    check_line(&desk, &mut running, &mut writer, port);
    assert!(open_files(&running) < 200, "{} of 256 files are open", open_files(&running));
    assert!(abuse.connections() > 500, "the flood was none: {} connections", abuse.connections());
    drop((abuse, writer));
    let ended = running.wait(SOON).ok();
    assert_eq!(desk.report(), counts(20_000, 2_000), "{}", ended.stderr);
    let lines = ended.stderr.lines().count();
    assert!(lines < 100, "the flood fills the log with {lines} lines");
}

/// What the values and names of an event try on whoever reads answers by `curl`.
const STEERING: &str = "x\u{1b}[2J\u{7}\r\n\u{9b}1m\u{85}\u{202e}\u{2066}\u{2028}\u{200b}\u{7f}\u{feff}\u{e0041}";

fn steers(char: char) -> bool {
    let unseen =
        matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    char.is_control() && char != '\n' || unseen || ('\u{e0000}'..='\u{e0fff}').contains(&char)
}

fn no_answer_steers_the_terminal_of_who_asks() {
    let (desk, port) = (Desk::new(), free_port());
    let words = format!("--bind-host 127.0.0.1 --plugin {}", plugin("property_similarity").display());
    let (running, mut writer) = start(&desk, port, &words);
    let event = |value: u8| json!({ "a": STEERING, "uuid": STEERING, "properties": { STEERING: value } }).to_string();
    writer.write_all(format!("{}\n{}\n", event(1), event(2)).as_bytes()).expect("it is read");
    let deadline = Instant::now() + SOON;
    let keys = loop {
        let (code, keys) = get(port, "/api/keys").expect("an answer");
        let parsed: Value = serde_json::from_str(&keys).expect("JSON");
        assert!(code == 200 && Instant::now() < deadline, "{keys}\n{}", running.stderr());
        if parsed["keys"][0]["duplicates"] == 1 {
            break parsed;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(keys["keys"][0]["key"], STEERING, "programs read what it is");
    for path in
        ["/api/keys", "/api/latest", "/api/duplicates", "/api/status", "/_readiness", "/_liveness", "/metrics", "/"]
    {
        let (_, body) = get(port, path).expect("an answer");
        let found: String = body.chars().filter(|char| steers(*char)).collect();
        assert_eq!(found, "", "{path}: {body:?}");
    }
    let (_, latest) = get(port, "/api/latest").expect("an answer");
    assert!(latest.contains("[2J"), "it is shown: {latest}");
    drop(writer);
    let _ok = running.wait(SOON).ok();
}

fn open_files_are_as_many_as_the_system_allows() {
    let desk = Desk::new();
    let (running, writer) = limited(&desk, "-Sn 64", free_port(), "--bind-host 127.0.0.1");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let (soft, hard) = (words[3], words[4]);
    assert!(soft == hard || soft.parse::<u64>().unwrap() >= 1 << 20, "{line}");
    drop(writer);
    let _ended = running.wait(SOON).ok();
}

fn values_that_are_open_to_a_network_are_warned_of() {
    for (words, warned) in [
        ("--bind-host 0.0.0.0", true),
        ("", true),
        ("--bind-host 0.0.0.0 --redact-values", false),
        ("--bind-host 127.0.0.1", false),
        ("--bind-host localhost", false),
    ] {
        let desk = Desk::new();
        let (running, writer) = start(&desk, 0, words);
        drop(writer);
        let stderr = running.wait(SOON).ok().stderr;
        let port = stderr.split("http server listens address=").nth(1).expect("the address is said");
        let port = port.split_whitespace().next().and_then(|address| address.rsplit(':').next()).expect("a port");
        assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{stderr}");
        assert_eq!(stderr.contains("can read the values of events"), warned, "{words}: {stderr}");
        assert!(
            !warned || (stderr.contains("--redact-values") && stderr.contains("--bind-host 127.0.0.1")),
            "{stderr}"
        );
    }
}

/// Sends a request as it is written, and returns the whole answer.
fn send(port: u16, head: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a time-out");
    write!(stream, "{head}\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn a_foreign_name_reads_nothing_unless_it_is_allowed() {
    let (desk, port) = (Desk::new(), free_port());
    let (running, writer) =
        start(&desk, port, "--bind-host 127.0.0.1 --http-allowed-hosts dedup.example.com,*.svc.local");
    for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "svc.local"] {
        for path in ["/api/latest", "/api/keys", "/", "/metrics"] {
            let answer = send(port, &format!("GET {path} HTTP/1.1\r\nHost: {host}"));
            assert!(answer.starts_with("HTTP/1.1 421"), "{host} {path}: {answer}");
        }
        assert!(send(port, &format!("GET /_liveness HTTP/1.1\r\nHost: {host}")).starts_with("HTTP/1.1 200"));
    }
    for host in ["localhost", "127.0.0.1", "[::1]", "192.0.2.7:9", "Dedup.Example.com:80", "pod-1.svc.local"] {
        let answer = send(port, &format!("GET /api/latest HTTP/1.1\r\nHost: {host}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    drop(writer);
    let stderr = running.wait(SOON).ok().stderr;
    let said = stderr.matches("unknown Host").count();
    assert!(said == 1 && stderr.contains("evil.example") && stderr.contains("--http-allowed-hosts"), "{stderr}");
}

fn names_that_are_no_names_are_refused() {
    let desk = Desk::new();
    desk.write("in", "{}\n");
    for name in ["http://a", "a:8080", "a/b", "*", "a,,b"] {
        desk.run(&format!("--input in --http-allowed-hosts {name}"))
            .refused(2, &["--http-allowed-hosts", "example.com"]);
    }
}

fn a_token_that_nobody_can_show_is_refused() {
    let desk = Desk::new();
    desk.write("in", "{}\n");
    for token in [" ", "hunter2 hunter2", "hunter2\n", "hunter2\t", "hünter2", "hunter2\u{1b}[31m"] {
        let mut command = desk.dedup("--input in");
        command.env("ADMIN_TOKEN", token);
        let ended = end(command);
        ended.refused(2, &["admin-token", "openssl rand"]);
        assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    }
    let mut command = desk.dedup("--input in --admin-token");
    command.arg("");
    end(command).refused(2, &["admin-token"]);
}

fn a_wrong_token_is_logged_and_not_repeated() {
    let (desk, port) = (Desk::new(), free_port());
    let (running, writer) = start(&desk, port, "--bind-host 127.0.0.1 --admin-token let-me");
    let show = |token: &str, more: &str| {
        let begun = Instant::now();
        let head =
            format!("POST /admin/plugins/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}{more}");
        let answer = send(port, &head);
        (answer.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok()).expect("a code"), begun.elapsed())
    };
    let took = ["hunter1", "hunter2", "hunter3", "hunter4"].map(|token| {
        let (code, took) = show(token, "");
        assert_eq!(code, 403);
        took
    });
    assert!(took[3] > Duration::from_millis(700), "the fourth wrong token costs no more than the first: {took:?}");
    assert_eq!(show("let-me", "\r\nOrigin: http://evil.example").0, 403);
    assert_eq!(show("let-me", "").0, 200);
    drop(writer);
    let stderr = running.wait(SOON).ok().stderr;
    assert!(stderr.contains("a client sent a wrong admin token") && stderr.contains("peer=127.0.0.1"), "{stderr}");
    assert!(stderr.contains("fewer than 16 characters"), "{stderr}");
    assert!(!stderr.contains("hunter") && !stderr.contains("let-me"), "{stderr}");
}
