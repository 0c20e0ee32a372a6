//! What operators meet: readiness, liveness, metrics, the status page, and connections that are encrypted.

use std::collections::BTreeMap;

use dedup_host_tests::Test;
use dedup_host_tests::generated::generate;
use dedup_host_tests::program::{Running, get};
use dedup_host_tests::scene::{LANES, PATIENCE, Scene};
use serde_json::Value;

use crate::github::events;

pub(crate) const TESTS: &[Test] = &[
    ("readiness_liveness_metrics_and_status", readiness_liveness_metrics_and_status),
    ("what_a_host_may_take_is_said_at_its_start_and_holds", what_a_host_may_take_is_said_and_holds),
];

/// These need a broker that encrypts.
pub(crate) const TLS_TESTS: &[Test] = &[
    ("sasl_over_tls_with_the_right_authority_and_password", sasl_over_tls),
    ("a_wrong_authority_is_refused", a_wrong_authority_is_refused),
    ("a_wrong_password_is_refused", a_wrong_password_is_refused),
];

fn readiness_liveness_metrics_and_status() {
    let scene = Scene::new("http", 2);
    let mut host = scene.start(&["--plugin-config", "/id"]);
    host.running.wait_for("starting", PATIENCE);
    let (code, body) = get(host.port, "/_readiness").expect("it answers before it is ready");
    // The group takes a moment to assign partitions; whoever is quicker, the code and the words agree.
    assert_eq!(code == 200, body.contains("\"ready\":true"), "{code} {body}");
    host.ready();
    let records: Vec<_> = events(41, 100).into_iter().map(|made| made.record).collect();
    scene.broker.produce_records(&scene.input, &records);
    scene.drain(&mut [&mut host]);
    let metrics = host.settled();
    for name in ["consumed_total", "decisions_total", "forwarded_total", "committed_offset", "transactions_total"] {
        assert!(metrics.text.contains(&format!("# TYPE dedup_host_{name} ")), "{name} is not in\n{}", metrics.text);
    }
    assert_eq!(metrics.count("dedup_host_committed_offset", &[]), 100);
    assert_eq!(metrics.count("dedup_host_consumed_total", &["partition=\"1\""]), 0);
    let (code, body) = get(host.port, "/_liveness").expect("it answers");
    assert_eq!(code, 200, "{body}");
    let (code, body) = get(host.port, "/").expect("it answers");
    assert_eq!(code, 200, "{body}");
    assert!(body.contains(&format!("{}[0] phase=live", scene.input)), "{body}");
    let (_, body) = get(host.port, "/_readiness").expect("it answers");
    let value: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(value["partitions"].as_array().map(Vec::len), Some(2), "{body}");
    let (code, _) = get(host.port, "/nowhere").expect("it answers");
    assert_eq!(code, 404);
    host.stop();
}

/// What the program takes whatever it does: its code, threads, clients and buffers, in MiB.
const ITSELF_MIB: f64 = 150.0;

fn what_a_host_may_take_is_said_and_holds() {
    let scene = Scene::new("bounds", 2);
    let _expected = generate(&scene, 400_000, 3);
    let limits = ["--max-memory-bytes", "64MiB", "--max-store-capacity", "16MiB", "--plugin-memory-mib", "32"];
    let mut host = scene.start(&limits);
    scene.drain(&mut [&mut host]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.running.pid())).expect("it runs");
    let said = host.stop().stderr;
    let line = said.lines().find(|line| line.contains("takes at most")).unwrap_or_else(|| panic!("{said}"));
    for words in
        ["partitions=2", "records_in_flight=64.0 MiB", "plugin_instances=2 of 32.0 MiB", "block_cache=32.0 MiB"]
    {
        assert!(line.contains(words), "{words} is not in: {line}");
    }
    let mib = |name: &str| -> f64 {
        let rest = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {line}")).1;
        let mut words = rest.split(' ');
        let number: f64 = words.next().and_then(|number| number.parse().ok()).expect("a number");
        number * if words.next() == Some("KiB") { 1.0 / 1_024.0 } else { 1.0 }
    };
    let parts =
        ["records_in_flight", "records_fetched", "keys_in_memory", "filters", "originals", "histories", "block_cache"];
    let bound = parts.map(mib).iter().sum::<f64>() + 2.0 * 32.0 + ITSELF_MIB;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("on Linux");
    let most: f64 = most.trim().trim_end_matches(" kB").parse().expect("KiB");
    println!("  {:.0} MiB of {bound:.0}", most / 1_024.0);
    assert!(most / 1_024.0 <= bound, "{most} KiB are more than {bound} MiB: {line}");
}

const BY_ID: &[&str] = &["--plugin-config", "/id"];

/// What `scripts/kafka.sh` says of its encrypted listener.
pub(crate) fn sasl() -> Option<BTreeMap<String, String>> {
    let path = std::env::var("KAFKA_SASL_ENV").ok()?;
    let text = std::fs::read_to_string(path).expect("the file of KAFKA_SASL_ENV");
    Some(text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

/// Runs over TLS and SASL with these changes to what is right.
fn over_tls(scene: &Scene, mechanism: &str, changes: &[(&str, &str)]) -> Running {
    let mut sasl = sasl().expect("these tests are ignored without KAFKA_SASL_ENV");
    sasl.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let value = |name: &str| sasl.get(name).map(String::as_str).unwrap_or_default();
    let hosts = value("KAFKA_SASL_HOSTS");
    let username = value("KAFKA_SASL_USERNAME");
    let arguments: &[&str] =
        &["--kafka-hosts", hosts, "--kafka-sasl-mechanism", mechanism, "--kafka-sasl-username", username];
    let authority = ["--kafka-ssl-ca-location", value("KAFKA_SASL_CA")];
    let authority: &[&str] = if value("KAFKA_SASL_CA").is_empty() { &[] } else { &authority };
    let (mut command, _) = scene.command("", LANES, &[arguments, BY_ID, authority].concat());
    command.env("KAFKA_SASL_PASSWORD", value("KAFKA_SASL_PASSWORD"));
    Running::start_command(command)
}

fn sasl_over_tls() {
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        let scene = Scene::new("tls", 1);
        scene.broker.produce(&scene.input, [r#"{"id":1}"#, r#"{"id":1}"#]);
        let mut running = over_tls(&scene, mechanism, &[]);
        let alive = || assert!(running.is_running(), "it has ended:\n{}", running.stderr());
        scene.broker.wait_committed(&scene.group, &scene.input, &[2], PATIENCE, alive);
        let ended = running.stop(PATIENCE).ok();
        let password = sasl().and_then(|sasl| sasl.get("KAFKA_SASL_PASSWORD").cloned()).expect("a password");
        assert!(!ended.stderr.contains(&password), "the password is in the log");
        assert_eq!(scene.read("output").len(), 1);
    }
}

fn a_wrong_authority_is_refused() {
    let scene = Scene::new("wrong-authority", 1);
    // None given: those of the system, which do not know the broker's.
    let running = over_tls(&scene, "PLAIN", &[("KAFKA_SASL_CA", "")]);
    running.wait(PATIENCE).refused(4, &["certificate", "TLS"]);
}

fn a_wrong_password_is_refused() {
    let scene = Scene::new("wrong-password", 1);
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        let running = over_tls(&scene, mechanism, &[("KAFKA_SASL_PASSWORD", "guess")]);
        let ended = running.wait(PATIENCE);
        ended.refused(4, &["uthentication", "SASL"]);
        assert!(!ended.stderr.contains("guess"), "the password is in the log");
    }
}
