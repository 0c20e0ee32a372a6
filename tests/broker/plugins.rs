//! Plugins that change while a host runs: swapped by file, by signal and by an operator's call, refused where they must
//! not take over, and one that breaks and is mended. Not the rules of plugins: those are the suite's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::broker::Seen;
use dedup_host_tests::generated::{feed, wait_progress};
use dedup_host_tests::program::{get, plugin};
use dedup_host_tests::scene::{Host, LANES, PATIENCE, Scene};
use serde_json::Value;

use crate::made::{another_build, brittle, put, shipped};

pub(crate) const TESTS: &[Test] = &[
    ("swaps_under_traffic_lose_and_double_nothing", swaps_under_traffic_lose_and_double_nothing),
    ("a_broken_file_keeps_the_old_plugin", a_broken_file_keeps_the_old_plugin),
    ("keys_that_cannot_be_compared_are_refused_with_the_choices", keys_that_cannot_be_compared_are_refused),
    ("a_file_that_is_not_pinned_is_refused", a_file_that_is_not_pinned_is_refused),
    ("another_build_goes_on_with_the_same_state", another_build_goes_on_with_the_same_state),
    ("a_broken_plugin_holds_its_partition_until_it_is_mended", a_broken_plugin_holds_its_partition_until_it_is_mended),
    ("a_held_partition_can_be_stopped_and_goes_on_later", a_held_partition_can_be_stopped_and_goes_on_later),
    ("a_held_partition_outlives_a_transaction_that_is_lost", a_held_partition_outlives_a_transaction_that_is_lost),
    ("a_held_partition_moves_to_another_host", a_held_partition_moves_to_another_host),
];

const PLUGIN: i32 = 3;
const STATE: i32 = 5;

/// A scene's own copy of a plugin.
fn placed(scene: &Scene, component: &[u8]) -> PathBuf {
    let path = scene.path("key.wasm");
    put(&path, component);
    path
}

fn status(host: &Host) -> Value {
    let (code, body) = get(host.port, "/api/status").expect("it answers");
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

/// Waits until a status is as it should be.
fn wait_status(host: &mut Host, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = status(host);
        if is(&status) {
            return status;
        }
        let running = host.running.is_running();
        assert!(running && Instant::now() < deadline, "{what}: {status:#}\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until every partition is decided with the plugins of this number.
fn wait_generation(host: &mut Host, generation: u64) -> Value {
    wait_status(host, "another generation", |status| {
        let partitions = status["partitions"].as_array().expect("partitions");
        status["plugin_generation"] == generation
            && partitions.iter().all(|partition| partition["plugin_generation"] == generation)
    })
}

/// Asks for other plugins, with a token or without.
fn reload(host: &Host, token: Option<&str>) -> (u16, Value) {
    let mut socket = TcpStream::connect(("127.0.0.1", host.port)).expect("it listens");
    let shown = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = "POST /admin/plugins/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n";
    write!(socket, "{head}{shown}\r\n").expect("asked");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (code, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn swaps_under_traffic_lose_and_double_nothing() {
    let scene = Scene::new("swaps", 2);
    let path = placed(&scene, &shipped());
    let feeding = AtomicBool::new(true);
    let (mut expected, mut host) = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(&scene, &feeding, 5_000, 500));
        let path_text = path.display().to_string();
        // Small transactions, so that the swaps meet many of them.
        let mut host = scene.start(&["--plugin", &path_text, "--commit-interval-ms", "20", "--admin-token", "let-me"]);
        host.ready();
        let mut at = wait_progress(&scene, 0, 1, i64::MAX, || assert!(host.running.is_running()));
        for (build, by) in [(1, "file"), (2, "signal"), (3, "admin")] {
            put(&path, &another_build(&shipped(), build));
            match by {
                "signal" => host.running.signal("HUP"),
                "admin" => {
                    assert_eq!((reload(&host, None).0, reload(&host, Some("let-you")).0), (401, 403));
                    let (code, answer) = reload(&host, Some("let-me"));
                    assert_eq!((code, &answer["result"]), (200, &"swapped".into()), "{answer}");
                    assert_eq!(reload(&host, Some("let-me")).1["result"], "unchanged");
                }
                _ => {}
            }
            let status = wait_generation(&mut host, u64::from(build) + 1);
            let swap = &status["last_swap"];
            assert_eq!((&swap["by"], &swap["result"]), (&by.into(), &"swapped".into()), "{swap}");
            at = wait_progress(&scene, at, 10_000, i64::MAX, || assert!(host.running.is_running()));
        }
        feeding.store(false, Ordering::Relaxed);
        (feeder.join().expect("fed"), host)
    });
    scene.drain(&mut [&mut host]);
    let metrics = host.settled();
    assert_eq!(metrics.count("dedup_host_plugin_swaps_total", &["result=\"swapped\""]), 3, "{}", metrics.text);
    assert_eq!(metrics.count("dedup_host_plugin_generation", &[]), 4);
    let info = metrics.text.lines().filter(|line| line.starts_with("dedup_host_plugin_info{")).count();
    assert_eq!(info, 1, "only the one in force is shown:\n{}", metrics.text);
    host.stop();
    expected.check(&scene);
}

/// Events with these values.
fn events(values: impl IntoIterator<Item = String>) -> Vec<String> {
    values.into_iter().map(|value| format!(r#"{{"x":"{value}"}}"#)).collect()
}

fn by_x(path: &Path) -> Vec<String> {
    ["--plugin", &path.display().to_string(), "--plugin-config", "/x", "--admin-token", "let-me"]
        .map(str::to_owned)
        .to_vec()
}

fn start(scene: &Scene, settings: &[String]) -> Host {
    let mut host = scene.start(&settings.iter().map(String::as_str).collect::<Vec<_>>());
    host.ready();
    host
}

fn texts(records: &[Seen]) -> Vec<String> {
    records.iter().map(Seen::text).collect()
}

fn a_broken_file_keeps_the_old_plugin() {
    let scene = Scene::new("broken-file", 1);
    let path = placed(&scene, &shipped());
    let mut host = start(&scene, &by_x(&path));
    scene.broker.produce(&scene.input, events(["a".into(), "b".into(), "a".into()]));
    scene.drain(&mut [&mut host]);
    let broken = [
        (shipped()[..10_000].to_vec(), "not a valid component"),
        (b"hello".to_vec(), "not a wasm file"),
        // Loads, says that it is the same plugin, and fails on values that begin with some letters.
        (brittle(1), "dedup-host plugin conformance"),
    ];
    for (bytes, words) in broken {
        put(&path, &bytes);
        let (code, answer) = reload(&host, Some("let-me"));
        assert_eq!((code, &answer["result"]), (409, &"refused".into()), "{answer}");
        assert!(answer["reason"].as_str().expect("words").contains(words), "{answer}");
        let status = status(&host);
        assert_eq!((&status["plugin_generation"], &status["last_swap"]["result"]), (&1.into(), &"refused".into()));
    }
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(reload(&host, Some("let-me")).0, 409);
    scene.broker.produce(&scene.input, events(["b".into(), "c".into()]));
    scene.drain(&mut [&mut host]);
    // Copied in two halves, with a pause between them: the first half is no component, the whole is.
    let whole = another_build(&shipped(), 1);
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    wait_status(&mut host, "the half is refused", |status| status["last_swap"]["by"] == "file");
    std::fs::write(&path, &whole).expect("written");
    wait_generation(&mut host, 2);
    scene.broker.produce(&scene.input, events(["c".into(), "d".into()]));
    scene.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    assert!(log.contains("plugins not swapped; the old ones stay in force"), "{log}");
    assert_eq!(texts(&scene.read("output")), events(["a", "b", "c", "d"].map(str::to_owned)));
    assert_eq!(scene.read("duplicates").len(), 3);
}

fn keys_that_cannot_be_compared_are_refused() {
    let scene = Scene::new("incomparable", 1);
    let path = placed(&scene, &shipped());
    let mut host = start(&scene, &by_x(&path));
    scene.broker.produce(&scene.input, events(["a".into(), "b".into(), "a".into()]));
    scene.drain(&mut [&mut host]);
    let multi_key = std::fs::read(plugin("multi_key")).expect("the plugin");
    put(&path, &brittle(2));
    let (code, answer) = reload(&host, Some("let-me"));
    let reason = answer["reason"].as_str().expect("words");
    for words in [
        "key-version 2",
        "key-version 1",
        "to fix this",
        "put composite_key",
        "--store-path",
        "nothing is forwarded twice",
    ] {
        assert!(code == 409 && reason.contains(words), "{words}: {answer}");
    }
    let _ended = host.stop();
    let settings = by_x(&path);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    scene.refused(LANES, &settings).refused(STATE, &["keys have version 2", "version 1", "--store-path"]);
    // The choice that the message names: another state, and nothing is forwarded twice.
    let store = scene.path("anew").display().to_string();
    let mut host = scene.start(&[settings.as_slice(), &["--store-path", &store]].concat());
    host.ready();
    assert_eq!(host.settled().count("dedup_host_replayed_total", &[]), 3);
    host.stop();
    assert_eq!(texts(&scene.read("output")), events(["a", "b"].map(str::to_owned)));
    put(&path, &multi_key);
    let by_several = ["--plugin", settings[1], "--plugin-config", r#"[["/x"]]"#];
    scene.refused(LANES, &by_several).refused(STATE, &["another plugin", "multi_key", "composite_key"]);
}

fn a_file_that_is_not_pinned_is_refused() {
    let scene = Scene::new("pinned", 1);
    let path = placed(&scene, &shipped());
    let pinned = sha256(&path);
    let settings = [by_x(&path), vec!["--plugin-sha256".to_owned(), pinned.clone()]].concat();
    let host = start(&scene, &settings);
    put(&path, &another_build(&shipped(), 9));
    let (code, answer) = reload(&host, Some("let-me"));
    let reason = answer["reason"].as_str().expect("words");
    assert!(code == 409 && reason.contains(&sha256(&path)) && reason.contains("--plugin-sha256"), "{answer}");
    let _ended = host.stop();
    let refused = scene.refused(LANES, &settings.iter().map(String::as_str).collect::<Vec<_>>());
    refused.refused(PLUGIN, &["key.wasm", &sha256(&path), "--plugin-sha256"]);
}

fn sha256(path: &Path) -> String {
    let said = std::process::Command::new("sha256sum").arg(path).output().expect("sha256sum");
    String::from_utf8_lossy(&said.stdout).split(' ').next().unwrap_or_default().to_owned()
}

fn another_build_goes_on_with_the_same_state() {
    let scene = Scene::new("build", 1);
    let path = placed(&scene, &shipped());
    let settings = by_x(&path);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    for (build, values) in [(1, ["a", "b"]), (2, ["b", "c"]), (3, ["a", "c"])] {
        put(&path, &another_build(&shipped(), build));
        scene.broker.produce(&scene.input, events(values.map(str::to_owned)));
        let (metrics, log) = scene.run(LANES, &settings);
        assert_eq!(metrics.count("dedup_host_replayed_total", &[]), 0, "{log}");
    }
    assert_eq!(texts(&scene.read("output")), events(["a", "b", "c"].map(str::to_owned)));
    assert_eq!(scene.read("duplicates").len(), 3);
}

/// A thousand good events, then a thousand on which the brittle plugin traps, then some more: what a partition gets.
fn fragile_events() -> Vec<String> {
    let good = (0..1_000).map(|number| format!("a{number}"));
    let bad = (0..1_000).map(|number| format!("T{}", number % 900));
    let more = (0..3_000).map(|number| format!("b{}", number % 2_900));
    events(good.chain(bad).chain(more))
}

const UNIQUE: usize = 1_000 + 900 + 2_900;

fn wait_held(host: &mut Host, partition: usize) -> Value {
    let held = format!("/partitions/{partition}/phase");
    wait_status(host, "the partition is held", |status| status.pointer(&held).is_some_and(|phase| phase == "held"))
}

fn a_broken_plugin_holds_its_partition_until_it_is_mended() {
    let scene = Scene::new("breaker", 2);
    let path = placed(&scene, &brittle(1));
    let mut host = start(&scene, &by_x(&path));
    scene.broker.produce(&scene.input, fragile_events());
    let status = wait_held(&mut host, 0);
    assert_eq!((&status["ready"], &status["partitions"][1]["phase"]), (&false.into(), &"live".into()), "{status:#}");
    let reason = status["reasons"][0].as_str().expect("a reason");
    assert!(
        reason.contains("is held") && reason.contains("from offset") && reason.contains("--plugin-breaker"),
        "{reason}"
    );
    let open = |host: &Host| host.metrics().count("dedup_host_plugin_breaker_open", &["partition=\"0\""]);
    assert_eq!((open(&host), get(host.port, "/_readiness").expect("it answers").0), (1, 503));

    // The other partition continues, and what was decided before is committed.
    let others = events((0..500).map(|number| format!("c{}", number % 400)));
    let others: Vec<Seen> =
        others.into_iter().map(|text| Seen { partition: 1, ..dedup_host_tests::broker::record(text) }).collect();
    scene.broker.produce_records(&scene.input, &others);
    let held_at = status["partitions"][0]["position"].as_i64().unwrap_or(0);
    scene.drain_to(&[held_at, 500], &mut [&mut host]);
    let committed = scene.broker.committed(&scene.group, &scene.input, 2);
    assert!(committed[0].unwrap_or(0) <= 2_000, "the bad events are not passed over: {committed:?}");
    assert_eq!(scene.read("dead-letter").len() as u64, host.metrics().decided("dead_letter"));

    // Asked again and again, it stays held, and says so once.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(open(&host), 1);
    put(&path, &shipped());
    scene.drain(&mut [&mut host]);
    host.ready();
    assert_eq!(open(&host), 0);
    let metrics = host.settled();
    let log = host.stop().stderr;
    assert_eq!(log.matches("partition held").count(), 1, "{log}");
    assert_eq!(log.matches("partition continues").count(), 1, "{log}");
    let dead = scene.read("dead-letter").len();
    let duplicates = scene.read("duplicates").len();
    assert_eq!(scene.read("output").len() + dead + duplicates, 5_500, "{}", metrics.text);
    assert!(dead < 500, "the events on which the breaker opened are no dead letters: {dead}");
    if dead == 0 {
        assert_eq!(scene.read("output").len(), UNIQUE + 400);
    }
}

fn a_held_partition_can_be_stopped_and_goes_on_later() {
    let scene = Scene::new("held-stop", 1);
    let path = placed(&scene, &brittle(1));
    // One batch of a thousand bad events after the good ones: none of them is a dead letter.
    let settings = [by_x(&path), ["--plugin-breaker", "0"].map(str::to_owned).to_vec()].concat();
    let mut host = start(&scene, &settings);
    scene.broker.produce(&scene.input, fragile_events());
    wait_held(&mut host, 0);
    let asked = Instant::now();
    let ended = host.stop();
    assert!(ended.stderr.contains("drained, committed and closed"), "{}", ended.stderr);
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    let committed = scene.broker.committed(&scene.group, &scene.input, 1)[0].unwrap_or(0);
    assert!(committed <= 1_000, "{committed}");
    assert_eq!(scene.read("output").len(), usize::try_from(committed).expect("few"));
    assert_eq!(scene.read("dead-letter").len(), 0);
    put(&path, &shipped());
    let _ran = scene.run(LANES, &settings.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((scene.read("output").len(), scene.read("dead-letter").len()), (UNIQUE, 0));
    assert_eq!(scene.read("duplicates").len(), 5_000 - UNIQUE);
}

/// Records of partition 1: so many, each with a value of its own.
fn of_the_other(from: i64, number: i64) -> Vec<Seen> {
    let record = |text: String| Seen { partition: 1, ..dedup_host_tests::broker::record(text) };
    events((from..from + number).map(|number| format!("c{number}"))).into_iter().map(record).collect()
}

fn a_held_partition_outlives_a_transaction_that_is_lost() {
    use rdkafka::producer::Producer;
    let scene = Scene::new("held-lost", 2);
    let path = placed(&scene, &brittle(1));
    // One worker, so that both partitions share its transactions.
    let one_worker = ["--worker-threads", "1", "--plugin-breaker", "0"].map(str::to_owned).to_vec();
    let mut host = start(&scene, &[by_x(&path), one_worker].concat());
    scene.broker.produce(&scene.input, fragile_events());
    let held = wait_held(&mut host, 0);
    let held_at = held["partitions"][0]["position"].as_i64().unwrap_or(0);
    let lost = |host: &Host| {
        let not_committed = |label| host.metrics().count("dedup_host_transactions_total", &[label]);
        not_committed("result=\"aborted\"") + not_committed("result=\"unknown_aborted\"")
    };
    let mut sent = 0;
    while lost(&host) == 0 {
        assert!(sent < 50_000, "no transaction was lost:\n{}", host.running.stderr());
        scene.broker.produce_records(&scene.input, &of_the_other(sent, 500));
        sent += 500;
        // Another producer of the same name: the host's is fenced, and what it has open is lost.
        let id = format!("{}-0", scene.group);
        let other = scene.broker.producer(&[("transactional.id", &id)]);
        other.init_transactions(PATIENCE).expect("fenced the host's");
    }
    scene.broker.produce_records(&scene.input, &of_the_other(sent, 500));
    sent += 500;
    scene.drain_to(&[held_at, sent], &mut [&mut host]);
    wait_held(&mut host, 0);
    assert_eq!(scene.read("dead-letter").len(), 0);
    put(&path, &shipped());
    scene.drain(&mut [&mut host]);
    host.stop();
    assert_eq!(scene.read("output").len(), UNIQUE + usize::try_from(sent).expect("few"));
    assert_eq!((scene.read("duplicates").len(), scene.read("dead-letter").len()), (5_000 - UNIQUE, 0));
}

fn a_held_partition_moves_to_another_host() {
    let scene = Scene::new("held-moves", 1);
    let path = placed(&scene, &brittle(1));
    let settings = [by_x(&path), ["--plugin-breaker", "0"].map(str::to_owned).to_vec()].concat();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut first = scene.start_member("first", LANES, &settings);
    first.ready();
    scene.broker.produce(&scene.input, fragile_events());
    wait_held(&mut first, 0);
    let mut second = scene.start_member("second", LANES, &settings);
    second.ready();
    first.stop();
    // It has no state: what the first has decided is read together first, and then it meets the same events.
    wait_held(&mut second, 0);
    put(&path, &shipped());
    scene.drain(&mut [&mut second]);
    second.stop();
    assert_eq!((scene.read("output").len(), scene.read("dead-letter").len()), (UNIQUE, 0));
    assert_eq!(scene.read("duplicates").len(), 5_000 - UNIQUE);
}
