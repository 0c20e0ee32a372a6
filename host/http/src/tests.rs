//! The HTTP server over a real socket, with a minimal client.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use engine::record::TopicPartition;
use observe::insights::Insights;
use observe::metrics::Metrics;
use observe::status::{HEARTBEAT_AGE_MAX, PartitionStatus, Phase, PluginStatus, PluginUse, Status};
use plain_text::Secret;

use crate::connections::STOP_WAIT_MAX;
use crate::room::{ANSWERING_TIME_MAX, ASKING_TIME_MAX, Times};
use crate::routes::RELOAD;
use crate::server::{Parts, serve_with};
use crate::{Facts, HttpConfig, HttpError, HttpServer, ReloadClient, ReloadRequests, Swap, page, reload_channel};

pub(super) fn config(port: u16) -> HttpConfig {
    HttpConfig { host: "127.0.0.1".into(), port, allowed_hosts: Vec::new(), admin_token: None }
}

/// More connections than any test needs.
const OPEN_FILES_MAX: u64 = 1_024;

fn facts(status: &Arc<Status>, insights: Insights) -> Facts {
    Facts { status: Arc::clone(status), metrics: Metrics::new().unwrap(), insights: Arc::new(insights) }
}

fn serve(config: &HttpConfig, status: &Arc<Status>, reload: ReloadClient) -> Result<HttpServer, HttpError> {
    crate::serve(config, facts(status, Insights::new(false)), reload, OPEN_FILES_MAX)
}

/// A server with few places and short time limits.
pub(super) fn parts(status: &Arc<Status>, places: usize, times: Times) -> Parts {
    let facts = facts(status, Insights::new(false));
    Parts { facts, reload: nobody(), heartbeat_age_max: HEARTBEAT_AGE_MAX, places, times }
}

pub(super) const TIMES: Times = Times { asking: ASKING_TIME_MAX, answering: ANSWERING_TIME_MAX };

/// Nobody takes requests to reload plugins.
fn nobody() -> ReloadClient {
    reload_channel().0
}

/// Answers as many requests as there are answers, then none.
fn answer(requests: &ReloadRequests, swaps: impl IntoIterator<Item = Swap>) {
    for swap in swaps {
        requests.next(Duration::from_secs(60)).unwrap().unwrap().answer(swap);
    }
}

fn start(status: &Arc<Status>) -> HttpServer {
    serve(&config(0), status, nobody()).unwrap()
}

/// The status code and everything after it.
pub(super) fn ask(server: &HttpServer, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

pub(super) fn own(status: &Status, topic: &str, phase: Phase) {
    status.assigned();
    let partition = TopicPartition { topic: topic.into(), partition: 0 };
    status.set_partition(partition, PartitionStatus { lag: Some(7), ..PartitionStatus::new(phase) });
}

#[test]
fn readiness_follows_the_partitions_and_says_why_not() {
    let status = Arc::new(Status::new());
    let server = start(&status);
    let (code, answer) = ask(&server, "GET", "/_readiness", "");
    assert!(code == 503 && answer.contains("no partitions have been assigned yet"), "{answer}");
    own(&status, "events", Phase::Replaying);
    let (code, answer) = ask(&server, "GET", "/_readiness", "");
    assert!(code == 503 && answer.contains("events[0] is replaying"), "{answer}");
    own(&status, "events", Phase::Live);
    let (code, answer) = ask(&server, "GET", "/_readiness", "");
    assert!(code == 200 && answer.contains("\"ready\":true") && answer.contains("\"phase\":\"live\""), "{answer}");
}

#[test]
fn liveness_is_the_heartbeat_and_nothing_else() {
    let status = Arc::new(Status::new());
    let parts = Parts { heartbeat_age_max: Duration::from_millis(300), ..parts(&status, 16, TIMES) };
    let server = serve_with(&config(0), parts).unwrap();
    status.beat();
    assert_eq!(ask(&server, "GET", "/_liveness", "").0, 200, "not ready, and alive");
    std::thread::sleep(Duration::from_millis(350));
    let (code, answer) = ask(&server, "GET", "/_liveness", "");
    assert!(code == 503 && answer.contains("\"alive\":false"), "{answer}");
    status.beat();
    assert_eq!(ask(&server, "GET", "/_liveness", "").0, 200);
}

#[test]
fn the_status_is_a_page_json_or_text_as_the_client_accepts() {
    let status = Arc::new(Status::new());
    own(&status, "events", Phase::Live);
    let name = "<script>alert(1)</script>&\"";
    status.set_plugins(
        vec![PluginStatus {
            name: name.into(),
            version: "1.0.0".into(),
            digest: "ab".into(),
            roles: vec!["key-extractor"],
            since: 0,
            used: PluginUse::default(),
        }],
        1,
    );
    let server = start(&status);
    let (_, page) = ask(&server, "GET", "/", "Accept: text/html,application/xhtml+xml\r\n");
    assert!(page.contains("text/html") && page.contains("<td>events[0]</td><td>live</td>"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;") && !page.contains("<script>"), "{page}");
    assert!(
        page.contains("content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'"),
        "{page}"
    );
    let (_, json) = ask(&server, "GET", "/", "Accept: application/json\r\n");
    let body: serde_json::Value = serde_json::from_str(json.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((&body["partitions"][0]["lag"], &body["plugins"][0]["name"]), (&7.into(), &name.into()));
    let (_, text) = ask(&server, "GET", "/", "Accept: */*\r\n");
    assert!(text.contains("events[0] phase=live lag=7\n") && text.contains("plugin <script>"), "{text}");
    let (code, status) = ask(&server, "GET", "/api/status", "");
    assert!(code == 200 && status.contains("\"lag\":7"), "{status}");
}

#[test]
fn the_page_asks_for_nothing_that_is_not_served_and_everything_is_what_it_says() {
    let server = start(&Arc::new(Status::new()));
    let (_, index) = ask(&server, "GET", "/", "Accept: text/html\r\n");
    let asked = |text: &str, before: &str| {
        text.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut paths = [asked(&index, "src=\""), asked(&index, "rel=\"stylesheet\" href=\"")].concat();
    for file in page::FILES {
        paths.extend(asked(file.text, "from \"./").iter().map(|name| format!("page/{name}")));
        let text = file.text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://") && !text.contains("innerHTML"), "{}", file.path);
    }
    assert!(paths.len() >= page::FILES.len(), "{paths:?}");
    for path in paths {
        let (code, answer) = ask(&server, "GET", &format!("/{path}"), "");
        let kind = if path.ends_with(".js") { "text/javascript" } else { "text/css" };
        assert!(code == 200 && answer.contains(&format!("content-type: {kind}; charset=utf-8")), "{path}: {answer}");
        assert!(answer.contains("cache-control: no-cache\r\n"), "{path}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{path}: {answer}");
        let (code, answer) = ask(&server, "HEAD", &format!("/{path}"), "");
        assert!(code == 200 && answer.ends_with("\r\n\r\n"), "{path}: {answer}");
    }
}

#[test]
fn what_is_known_of_duplicates_is_json() {
    let facts = facts(&Arc::new(Status::new()), Insights::new(true));
    let server = crate::serve(&config(0), facts, nobody(), OPEN_FILES_MAX).unwrap();
    for (path, member) in [("/api/duplicates", "outcomes"), ("/api/keys", "keys"), ("/api/latest", "duplicates")] {
        let (code, answer) = ask(&server, "GET", path, "");
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert!(code == 200 && !body[member].is_null() && answer.contains("cache-control: no-store"), "{answer}");
    }
    assert!(ask(&server, "GET", "/api/latest", "").1.contains("\"redacted\":true"));
}

#[test]
fn nothing_that_is_answered_steers_a_terminal() {
    let attack = "x\u{1b}[2J\u{9b}1m\u{85}\u{202e}\u{2066}\u{2028}\u{200b}\u{7f}\u{e0041}";
    let status = Arc::new(Status::new());
    let partition = TopicPartition { topic: attack.into(), partition: 0 };
    status.set_partition(partition, PartitionStatus { reason: attack.into(), ..PartitionStatus::new(Phase::Held) });
    let config = HttpConfig { admin_token: Some(Secret::new("secret".into())), ..config(0) };
    let (client, requests) = reload_channel();
    let server = serve(&config, &status, client).unwrap();
    let answers =
        std::thread::spawn(move || answer(&requests, [Swap::Refused { generation: 2, reason: attack.into() }]));
    let token = "Authorization: Bearer secret\r\n";
    for (method, path, headers) in [
        ("GET", "/api/status", ""),
        ("GET", "/_readiness", ""),
        ("GET", "/", "Accept: application/json\r\n"),
        ("GET", "/", "Accept: text/html\r\n"),
        ("GET", "/", ""),
        ("POST", RELOAD, token),
    ] {
        let (_, answer) = ask(&server, method, path, headers);
        assert!(answer.contains("[2J"), "{path} shows nothing of it: {answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let unseen: String = body.chars().filter(|char| *char != '\n' && plain_text::is_unseen(*char)).collect();
        assert_eq!(unseen, "", "{path} {headers}");
        if answer.contains("application/json") {
            let said: serde_json::Value = serde_json::from_str(body).unwrap();
            let reason = said.pointer("/partitions/0/reason").unwrap_or(&said["reason"]);
            assert_eq!(reason, attack, "{path} says what it is");
        }
    }
    answers.join().unwrap();
}

#[test]
fn metrics_are_text_and_count_the_requests() {
    let server = start(&Arc::new(Status::new()));
    assert_eq!(ask(&server, "GET", "/secret", "").0, 404);
    let (code, text) = ask(&server, "GET", "/metrics", "");
    assert!(code == 200 && text.contains("text/plain; version=0.0.4"), "{text}");
    assert!(text.contains("dedup_host_http_requests_total{code=\"404\",path=\"other\"} 1"), "{text}");
}

#[test]
fn only_get_and_head_of_known_pages_are_answered() {
    let server = start(&Arc::new(Status::new()));
    let (code, answer) = ask(&server, "GET", "/nowhere", "");
    assert!(code == 404 && answer.contains("application/json") && answer.contains("no such page"), "{answer}");
    let (code, answer) = ask(&server, "POST", "/metrics", "Content-Length: 0\r\n");
    assert!(code == 405 && answer.contains("only GET and HEAD"), "{answer}");
    let (code, answer) = ask(&server, "HEAD", "/metrics", "");
    assert!(code == 200 && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn without_a_token_of_the_operator_there_is_nothing_to_reload_by() {
    let server = start(&Arc::new(Status::new()));
    for headers in ["", "Authorization: Bearer \r\n", "Authorization: Bearer secret\r\n"] {
        assert_eq!(ask(&server, "POST", RELOAD, headers).0, 404);
    }
}

#[test]
fn only_who_shows_the_token_reloads_plugins_and_nobody_else_is_told_anything() {
    let token = Some(Secret::new("secret".into()));
    let config = HttpConfig { admin_token: token, ..config(0) };
    let (client, requests) = reload_channel();
    let server = serve(&config, &Arc::new(Status::new()), client).unwrap();
    let swaps = [
        Swap::Swapped { generation: 2, plugins: vec!["key 1.0.0 sha256:ab".into()] },
        Swap::Unchanged { generation: 2 },
        Swap::Refused { generation: 2, reason: "not wasm".into() },
    ];
    let answers = std::thread::spawn(move || answer(&requests, swaps));
    for headers in ["", "Authorization: Basic secret\r\n", "Authorization: Bearer\r\n"] {
        for method in ["POST", "GET"] {
            let (code, answer) = ask(&server, method, RELOAD, headers);
            assert!(code == 401 && answer.ends_with("\r\n\r\n"), "{headers}: {answer}");
        }
    }
    for (method, shown) in [("POST", "secre"), ("GET", "secrets"), ("POST", "Secret")] {
        let headers = format!("Authorization: Bearer {shown}\r\n");
        let (code, answer) = ask(&server, method, RELOAD, &headers);
        assert!(code == 403 && answer.ends_with("\r\n\r\n"), "{headers}: {answer}");
    }
    let with = "Authorization: Bearer secret\r\n";
    assert_eq!(ask(&server, "GET", RELOAD, with).0, 405);
    for (code, words) in [
        (200, "{\"result\":\"swapped\",\"generation\":2,\"plugins\":[\"key 1.0.0 sha256:ab\"]}"),
        (200, "{\"result\":\"unchanged\",\"generation\":2}"),
        (409, "{\"result\":\"refused\",\"generation\":2,\"reason\":\"not wasm\"}"),
    ] {
        let (answered, answer) = ask(&server, "POST", RELOAD, with);
        assert!(answered == code && answer.ends_with(words), "{answer}");
    }
    answers.join().unwrap();
    let (code, answer) = ask(&server, "POST", RELOAD, with);
    assert!(code == 503 && answer.contains("try again"), "{answer}");
}

#[test]
fn an_address_in_use_is_said_before_anything_runs() {
    let server = start(&Arc::new(Status::new()));
    let again = serve(&config(server.address().port()), &Arc::new(Status::new()), nobody());
    let error = again.unwrap_err();
    assert!(matches!(error, HttpError::AddressInUse(_)), "{error}");
    assert!(error.to_string().contains("--bind-port"), "{error}");
    let nowhere = HttpConfig { host: "192.0.2.1".into(), ..config(0) };
    let error = serve(&nowhere, &Arc::new(Status::new()), nobody()).unwrap_err();
    assert!(matches!(error, HttpError::Bind { .. }), "{error}");
}

#[test]
fn a_stop_ends_though_a_client_holds_its_connection_open() {
    let server = start(&Arc::new(Status::new()));
    let address = server.address();
    let mut idle = TcpStream::connect(address).unwrap();
    write!(idle, "GET /").unwrap();
    let begun = std::time::Instant::now();
    server.stop();
    assert!(begun.elapsed() < STOP_WAIT_MAX + Duration::from_secs(3));
    assert!(TcpStream::connect(address).is_err(), "the port is free again");
}
