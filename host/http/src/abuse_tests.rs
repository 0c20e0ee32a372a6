//! Hostile or broken clients: whatever they do, the next one is answered.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use observe::status::{Phase, Status};
use plain_text::Secret;

use crate::room::Times;
use crate::routes::{LIVENESS, READINESS, RELOAD};
use crate::server::serve_with;
use crate::tests::{TIMES, ask, config, own, parts};
use crate::{HttpConfig, HttpServer};

/// What the server does at once is done by then, even beside other tests; what it waits for takes longer.
const SOON: Duration = Duration::from_secs(2);

/// Too long for a client, short enough for a test.
const HASTY: Times = Times { asking: Duration::from_millis(200), answering: Duration::from_millis(400) };

fn start(places: usize, times: Times) -> HttpServer {
    serve_with(&config(0), parts(&Arc::new(Status::new()), places, times)).unwrap()
}

/// A server whose status is megabytes long, so that no client receives all of it without reading.
fn start_large(places: usize, times: Times) -> HttpServer {
    let status = Arc::new(Status::new());
    for number in 0..20_000 {
        own(&status, &format!("a-topic-with-a-name-that-is-quite-long-{number}"), Phase::Live);
    }
    serve_with(&config(0), parts(&status, places, times)).unwrap()
}

fn connect(server: &HttpServer, words: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _maybe_closed = stream.write_all(words.as_bytes());
    stream
}

fn is_alive(server: &HttpServer) {
    let begun = Instant::now();
    let (code, answer) = ask(server, "GET", LIVENESS, "");
    assert!(code == 200 && begun.elapsed() < SOON, "{:?}: {answer}", begun.elapsed());
}

/// Waits until the server has closed the connection without an answer.
fn is_closed(mut stream: TcpStream) -> bool {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => answer.is_empty(),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// How many connections were cut off for this reason.
fn cut_off(server: &HttpServer, reason: &str) -> usize {
    let (_, text) = ask(server, "GET", "/metrics", "");
    let name = format!("dedup_host_http_cut_off_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

#[test]
fn connections_that_ask_nothing_give_way_to_those_that_ask() {
    let server = start(16, TIMES);
    let mut held = Vec::new();
    for words in ["", "G", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ", "GET / HTTP/1.1\r\nHost"] {
        held.extend((0..100).map(|_| connect(&server, words)));
        is_alive(&server);
    }
    assert!(cut_off(&server, "room") >= 400 - 16);
    is_alive(&server);
}

#[test]
fn answers_that_nobody_takes_give_way_too() {
    let server = start_large(16, TIMES);
    let asking = "GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let _held: Vec<_> = (0..100).map(|_| connect(&server, asking)).collect();
    is_alive(&server);
    let (code, answer) = ask(&server, "GET", "/api/status", "");
    assert!(code == 200 && answer.len() > 2 << 20 && answer.ends_with('}'), "{} bytes", answer.len());
    is_alive(&server);
}

#[test]
fn a_request_has_to_come_in_time_however_it_trickles() {
    let server = start(16, HASTY);
    let (begun, mut slow) = (Instant::now(), connect(&server, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"));
    let silent = connect(&server, "");
    while slow.write_all(b"X-Y: z\r\n").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(5), "it goes on for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() >= HASTY.asking && is_closed(silent));
    assert_eq!(cut_off(&server, "slow"), 2);
}

#[test]
fn an_answer_has_to_be_taken_in_time_however_it_trickles() {
    let server = start_large(16, HASTY);
    let (begun, mut slow) = (Instant::now(), connect(&server, "GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let mut some = [0; 1_000];
    while slow.read(&mut some).is_ok_and(|bytes| bytes > 0) {
        assert!(begun.elapsed() < Duration::from_secs(5), "it goes on for ever");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(cut_off(&server, "slow"), 1);
}

#[test]
fn a_body_is_not_waited_for() {
    let server = start(16, TIMES);
    for length in ["Content-Length: 1000000000", "Transfer-Encoding: chunked"] {
        let words = format!("POST /metrics HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n5\r\nhello\r\n");
        let (begun, mut stream) = (Instant::now(), connect(&server, &words));
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert!(&answer == b"HTTP/1.1 405" && begun.elapsed() < SOON, "{length}");
    }
}

#[test]
fn a_head_without_end_is_refused() {
    let server = start(16, TIMES);
    let padding = "x".repeat(1 << 20);
    let many = "A: b\r\n".repeat(1_000);
    let heads = [format!("X: {padding}\r\n"), many, format!("Cookie: {padding}")];
    for head in heads {
        let stream = connect(&server, &format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{head}\r\n"));
        let mut answer = [0; 9];
        // The refusal may be lost together with the bytes that the server left unread.
        let refused = (&stream).read_exact(&mut answer).is_err() || &answer == b"HTTP/1.1 ";
        assert!(refused);
        is_alive(&server);
    }
    let path = connect(&server, &format!("GET /{padding} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    drop(path);
    is_alive(&server);
}

#[test]
fn one_connection_gets_one_answer() {
    let server = start(16, TIMES);
    let request = "GET /_liveness HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stream = connect(&server, &request.repeat(50));
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{answer}");
    // Read to the end: the server closes it.
    let (code, answer) = ask_as(&server, LIVENESS, "Host: localhost\r\nConnection: keep-alive\r\n");
    assert!(code == 200 && answer.contains("connection: close"), "{answer}");
}

#[test]
fn what_is_no_request_ends_nothing() {
    let server = start(16, TIMES);
    let tls = "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}";
    let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for words in [
        tls,
        http2,
        upgrade,
        "\0\0\0\0",
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "CONNECT x:1 HTTP/1.1\r\n\r\n",
    ] {
        let stream = connect(&server, words);
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _reset = (&stream).read_to_end(&mut answer);
        is_alive(&server);
    }
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn a_flood_of_costly_questions_keeps_no_probe_waiting() {
    let server = start_large(64, TIMES);
    let (address, on) = (server.address(), AtomicBool::new(true));
    std::thread::scope(|scope| {
        for path in ["/api/status", "/metrics", "/", "/_readiness"] {
            let on = &on;
            scope.spawn(move || {
                while on.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(address) else { continue };
                    let _closed = write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
                    // Any faster, and this machine runs out of ports.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        // The flood ends however this thread ends.
        let stops = Stops(&on);
        let waited = (0..21).map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            let begun = Instant::now();
            assert_eq!(ask(&server, "GET", LIVENESS, "").0, 200);
            begun.elapsed()
        });
        let mut waited: Vec<_> = waited.collect();
        drop(stops);
        // The median: the server has a lower priority than the other tests, which use the same processors.
        waited.sort_unstable();
        assert!(waited[10] < SOON && waited[20] < 4 * SOON, "{waited:?}");
    });
}

#[test]
fn a_stop_does_not_wait_for_those_who_have_not_asked() {
    let server = start(16, TIMES);
    let held: Vec<_> = (0..10).map(|_| connect(&server, "GET / HTTP/1.1\r\n")).collect();
    is_alive(&server);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(held.into_iter().all(is_closed));
}

/// Asks with this `Host` header, or another form of it.
fn ask_as(server: &HttpServer, path: &str, host: &str) -> (u16, String) {
    let mut stream = connect(server, &format!("GET {path} HTTP/1.1\r\n{host}Accept: text/html\r\n\r\n"));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn a_name_that_is_not_ours_learns_nothing_but_that_we_live() {
    let status = Arc::new(Status::new());
    own(&status, "secret-topic", Phase::Replaying);
    let config = HttpConfig { allowed_hosts: vec!["dedup.example.com".into()], ..config(0) };
    let server = serve_with(&config, parts(&status, 16, TIMES)).unwrap();
    let paths =
        ["/", "/metrics", "/api/status", "/api/duplicates", "/api/keys", "/api/latest", "/page/main.js", "/nowhere"];
    for host in [
        "Host: evil.example\r\n",
        "Host: evil.example:8080\r\n",
        "Host:\r\n",
        "",
        "Host: localhost\r\nHost: evil.example\r\n",
    ] {
        for path in paths {
            let (code, answer) = ask_as(&server, path, host);
            assert!(code == 421 && !answer.contains("secret-topic"), "{host} {path}: {answer}");
            assert!(answer.contains("--http-allowed-hosts"), "{answer}");
        }
        let (code, answer) = ask_as(&server, LIVENESS, host);
        assert!(code == 200 && answer.contains("\"alive\":true"), "{answer}");
        let (code, answer) = ask_as(&server, READINESS, host);
        assert!(code == 503 && answer.ends_with("\r\n\r\n{\"ready\":false}"), "{answer}");
    }
    for host in ["127.0.0.1", "[::1]:8080", "10.0.0.7:8080", "LOCALHOST.", "dedup.example.com"] {
        for path in ["/", "/metrics", "/api/status"] {
            assert_eq!(ask_as(&server, path, &format!("Host: {host}\r\n")).0, 200, "{host} {path}");
        }
        assert!(ask_as(&server, READINESS, &format!("Host: {host}\r\n")).1.contains("secret-topic"));
    }
    own(&status, "secret-topic", Phase::Live);
    assert_eq!(ask_as(&server, READINESS, "Host: evil.example\r\n").0, 200);
}

fn start_guarded() -> HttpServer {
    let config = HttpConfig { admin_token: Some(Secret::new("let-me".into())), ..config(0) };
    serve_with(&config, parts(&Arc::new(Status::new()), 64, TIMES)).unwrap()
}

#[test]
fn a_page_from_elsewhere_gives_no_orders_even_with_the_token() {
    let server = start_guarded();
    let token = "Authorization: Bearer let-me\r\n";
    for from in
        ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]
    {
        let (code, answer) = ask(&server, "POST", RELOAD, &format!("{token}{from}\r\n"));
        assert!(code == 403 && answer.contains("origin"), "{from}: {answer}");
    }
    // Nobody reloads plugins in this test: 503 is the answer to a caller who was let in.
    let own = format!("{token}Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!((ask(&server, "POST", RELOAD, &own).0, ask(&server, "POST", RELOAD, token).0), (503, 503));
}

#[test]
fn tokens_cannot_be_guessed_side_by_side() {
    let server = start_guarded();
    let guess = |number: usize| ask(&server, "POST", RELOAD, &format!("Authorization: Bearer guess-{number}\r\n"));
    let begun = Instant::now();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..20).map(|number| scope.spawn(move || guess(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let looked_at = answers.iter().filter(|(code, _)| *code == 403).count();
    let not = answers.iter().filter(|(code, answer)| *code == 429 && answer.contains("retry-after: 1\r\n")).count();
    assert!(looked_at + not == 20 && (1..=4).contains(&looked_at), "{looked_at} were looked at, {not} were not");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    is_alive(&server);
}
