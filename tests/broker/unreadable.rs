//! What stands in a log and the client cannot take in: it is noticed, named and passed over, or its partition waits, and
//! nothing that can be read is lost with it. Not what an output does not take: that is in `records`.

use std::time::{Duration, Instant};

use dedup_host_tests::Test;
use dedup_host_tests::broker::{Seen, record, send_record};
use dedup_host_tests::program::get;
use dedup_host_tests::scene::{Host, LANES, PATIENCE, Scene};
use rdkafka::producer::Producer;

pub(crate) const TESTS: &[Test] = &[
    ("a_batch_that_expands_too_far_stops_its_partition_and_is_named", a_batch_that_expands_too_far_stops_its_partition),
    ("a_batch_that_expands_too_far_is_passed_over_exactly_once", a_batch_that_expands_too_far_is_passed_over),
    ("a_damaged_batch_is_noticed_and_nothing_beside_it_is_lost", a_damaged_batch_is_noticed),
    ("a_batch_larger_than_the_client_takes_costs_no_other_partition", a_batch_larger_than_the_client_takes),
    ("a_place_that_can_be_read_again_is", a_place_that_can_be_read_again_is),
];

const BY_ID: &[&str] = &["--plugin-config", "/id"];

/// Limits of the client that a test can exceed with little.
const SMALL: &[&str] = &[
    "--kafka-property",
    "consumer.fetch.max.bytes=1000000",
    "--kafka-property",
    "consumer.receive.message.max.bytes=1100000",
];

const SKIP: &[&str] = &["--on-unreadable", "skip"];

/// How soon it has to be noticed.
const NOTICED: Duration = Duration::from_secs(20);

fn event(id: &str) -> String {
    format!(r#"{{"id":"{id}"}}"#)
}

/// Sends each as a batch of its own.
fn send_apart(scene: &Scene, codec: &str, records: &[Seen]) {
    let producer = scene.broker.producer(&[("compression.codec", codec), ("message.max.bytes", "400000000")]);
    for record in records {
        send_record(&producer, &scene.input, record);
        producer.flush(PATIENCE).expect("the topic takes it");
    }
}

/// A few kilobytes that are many megabytes when they are decompressed.
fn bomb(bytes: usize) -> Seen {
    record(format!(r#"{{"id":"bomb","x":"{}"}}"#, "x".repeat(bytes)))
}

fn wait_unready(host: &mut Host, words: &[&str]) -> String {
    let deadline = Instant::now() + NOTICED;
    loop {
        let body = get(host.port, "/_readiness").filter(|(code, _)| *code != 200).map(|(_, body)| body);
        let body = body.unwrap_or_default();
        if words.iter().all(|word| body.contains(word)) {
            return body;
        }
        let running = host.running.is_running();
        assert!(running && Instant::now() < deadline, "not said: {body}\n{}", host.running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn texts(records: &[Seen]) -> Vec<String> {
    records.iter().map(Seen::text).collect()
}

fn unreadable(host: &Host, reason: &str) -> u64 {
    host.metrics().count("dedup_host_unreadable", &[&format!("reason=\"{reason}\"")])
}

/// With the limits that there are by default, and more than they allow.
fn a_batch_that_expands_too_far_stops_its_partition() {
    let scene = Scene::new("bomb", 2);
    let mut host = scene.start(BY_ID);
    send_apart(&scene, "zstd", &[record(event("before")), bomb(300 << 20), record(event("after"))]);
    wait_unready(&mut host, &["[0] is stuck", "offsets 1 to 1", "compression"]);
    assert_eq!(unreadable(&host, "compression"), 1);
    scene.broker.produce_records(&scene.input, &[Seen { partition: 1, ..record(event("beside")) }]);
    scene.drain_to(&[1, 1], &mut [&mut host]);
    std::thread::sleep(Duration::from_secs(5));
    let log = host.stop().stderr;
    let complaints = log.lines().filter(|line| line.contains("Invalid compressed data")).count();
    assert!(complaints <= 10, "the log is flooded: {complaints} lines\n{log}");
    assert!(log.contains("--on-unreadable skip"), "{log}");
    assert_eq!(scene.read("output").len(), 2, "{log}");
    assert_eq!(scene.broker.committed(&scene.group, &scene.input, 2), [Some(1), Some(1)], "nothing is passed over");
}

fn check_skipped(scene: &Scene, stage_offsets: &[(&str, &str)]) {
    let letters = scene.read("dead-letter");
    let offsets: Vec<_> = letters
        .iter()
        .map(|letter| {
            assert_eq!(letter.header("dedup-host-stage").as_deref(), Some("read"), "{letter:?}");
            assert_eq!(letter.payload, None);
            let header = |name: &str| letter.header(name).expect("coordinates");
            (header("dedup-host-offset"), header("dedup-host-next-offset"))
        })
        .collect();
    let wanted: Vec<_> = stage_offsets.iter().map(|(from, next)| ((*from).to_owned(), (*next).to_owned())).collect();
    assert_eq!(offsets, wanted);
}

fn a_batch_that_expands_too_far_is_passed_over() {
    let scene = Scene::new("bomb-skip", 1);
    let settings = [BY_ID, SMALL, SKIP].concat();
    let mut host = scene.start(&settings);
    send_apart(&scene, "zstd", &[record(event("a")), bomb(3_000_000), record(event("b")), bomb(3_000_001)]);
    // One batch of many records is one place, and the batch behind it is not lost with it.
    let producer =
        scene.broker.producer(&[("compression.codec", "zstd"), ("linger.ms", "1000"), ("batch.size", "10000000")]);
    for n in 0..40 {
        send_record(&producer, &scene.input, &record(format!(r#"{{"id":"m{n}","x":"{}"}}"#, "x".repeat(100_000))));
    }
    producer.flush(PATIENCE).expect("the topic takes it");
    send_apart(&scene, "none", &[record(event("c")), record(event("a"))]);
    scene.drain(&mut [&mut host]);
    host.ready();
    let metrics = host.settled();
    metrics.check([3, 1, 0, 0, 0]);
    assert_eq!(metrics.count("dedup_host_unreadable_skipped_offsets_total", &[]), 42);
    drop(host.running.kill());
    assert_eq!(texts(&scene.read("output")), [event("a"), event("b"), event("c")]);
    let check = || {
        let letters = scene.read("dead-letter");
        let places: Vec<_> = letters.iter().filter_map(|letter| letter.header("dedup-host-offset")).collect();
        assert_eq!(places[..2], ["1", "3"], "{places:?}");
        let covered: i64 = letters
            .iter()
            .map(|letter| {
                let of = |name: &str| letter.header(name).and_then(|text| text.parse::<i64>().ok()).expect("a number");
                of("dedup-host-next-offset") - of("dedup-host-offset")
            })
            .sum();
        assert_eq!(covered, 42, "each offset once: {places:?}");
    };
    check();

    // All is read again, by a client that could take it in: it is passed over all the same, and says nothing twice.
    std::fs::remove_dir_all(scene.store()).expect("wiped");
    let mut host = scene.start(BY_ID);
    host.ready();
    scene.broker.produce(&scene.input, [event("bomb"), event("b"), event("m7")]);
    scene.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    check();
    assert_eq!(texts(&scene.read("output"))[3..], [event("bomb"), event("m7")], "none of them had gone on\n{log}");

    // And by one that cannot, and would stop at it if it were new.
    std::fs::remove_dir_all(scene.store()).expect("wiped");
    let mut host = scene.start(&[BY_ID, SMALL].concat());
    scene.broker.produce(&scene.input, [event("d")]);
    scene.drain(&mut [&mut host]);
    drop(host.stop());
    check();
}

fn a_damaged_batch_is_noticed() {
    let scene = Scene::new("damaged", 1);
    let records: Vec<Seen> = ["a", "b", "damaged", "c", "d"].iter().map(|id| record(event(id))).collect();
    send_apart(&scene, "none", &records);
    scene.broker.damage(&scene.input, r#"{"id":"damage"#);
    let mut host = scene.start(BY_ID);
    wait_unready(&mut host, &["offsets 2 to 2", "damaged", "CRC"]);
    assert_eq!(unreadable(&host, "damaged"), 1);
    assert_eq!(texts(&scene.read("output")), [event("a"), event("b")], "not a record beyond it");
    drop(host.stop());
    let (metrics, log) = scene.run(LANES, &[BY_ID, SKIP].concat());
    metrics.check([2, 0, 0, 0, 0]);
    assert_eq!(texts(&scene.read("output")), ["a", "b", "c", "d"].map(event), "{log}");
    check_skipped(&scene, &[("2", "3")]);
}

fn a_batch_larger_than_the_client_takes() {
    let scene = Scene::new("too-large", 2);
    let mut host = scene.start(&[BY_ID, SMALL, SKIP].concat());
    let large = format!(r#"{{"id":"large","x":"{}"}}"#, "x".repeat(2_000_000));
    send_apart(&scene, "none", &[record(event("a")), record(large), record(event("b"))]);
    scene.broker.produce_records(&scene.input, &[Seen { partition: 1, ..record(event("beside")) }]);
    scene.drain(&mut [&mut host]);
    let log = host.stop().stderr;
    let mut output = texts(&scene.read("output"));
    output.sort_unstable();
    assert_eq!(output, ["a", "b", "beside"].map(event), "{log}");
    check_skipped(&scene, &[("1", "2")]);
}

fn a_place_that_can_be_read_again_is() {
    let scene = Scene::new("again", 1);
    let records: Vec<Seen> = ["a", "damaged", "b"].iter().map(|id| record(event(id))).collect();
    send_apart(&scene, "none", &records);
    scene.broker.damage(&scene.input, r#"{"id":"damage"#);
    let mut host = scene.start(BY_ID);
    wait_unready(&mut host, &["offsets 1 to 1"]);
    // The same byte once more: as it was.
    scene.broker.damage(&scene.input, r#"{"id":"damage"#);
    scene.drain(&mut [&mut host]);
    host.ready();
    let log = host.stop().stderr;
    assert_eq!(texts(&scene.read("output")), ["a", "damaged", "b"].map(event), "{log}");
    assert!(scene.read("dead-letter").is_empty());
}
