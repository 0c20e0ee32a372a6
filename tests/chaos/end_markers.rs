//! A broker with a known fault: Apache Kafka 4.3.1, killed while a transaction is prepared and started again within its
//! session, may take leaders that are not known yet for deleted partitions, and never write the transaction's end markers.
//! Then the group's offsets stay pending and the lanes' stable ends stay where they are; neither time-outs nor a new
//! `init_transactions` help, a commit of the same transactional id over the same partitions does. Whether a kill hits such a
//! moment is a matter of chance: the test says what it saw, and holds the host to its promises either way.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dedup_host_tests::broker::{Broker, Headers, record, send_record};
use dedup_host_tests::generated::OPERATOR;
use dedup_host_tests::program::get;
use dedup_host_tests::scene::{Host, LANES, Scene};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::Producer as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::own_broker::OwnBroker;
use crate::{Chaos, PARTITIONS, SETTINGS, assert_runs};

/// The version with the fault.
const VERSION: &str = "4.3.1";

const KILLS: usize = 5;

/// Nearly always a transaction is about to end.
const OFTEN: &[&str] = &["--commit-interval-ms", "5"];

/// A broker takes some seconds to start, and transactions of five seconds end within fifteen: who has got no further by
/// now is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(90);

/// How long the host is watched while it is stuck.
const WATCHED: Duration = Duration::from_secs(60);

const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What became of the host after a kill.
enum After {
    /// It went on by itself.
    WentOn,
    /// The broker keeps these offsets pending for ever, whatever is stuck besides.
    Stuck(Vec<i32>),
}

pub(crate) fn a_broker_that_may_lose_end_markers_is_outlived() {
    let mut broker = OwnBroker::start_version(VERSION);
    let mut chaos = Chaos::at(Broker::connect_to(&broker.hosts, "end-markers"), "end-markers");
    let mut host = chaos.scene.start(&[SETTINGS, OFTEN].concat());
    let mut stuck = 0;
    for kill in 1..=KILLS {
        chaos.some_progress(KILLS, &mut [&mut host]);
        broker.kill();
        broker.start_again();
        match after_the_kill(&chaos, &mut host) {
            After::WentOn => println!("  kill {kill} at {}: the host went on", chaos.at),
            After::Stuck(partitions) => {
                println!("  kill {kill} at {}: the broker lost end markers; pending: {partitions:?}", chaos.at);
                stuck += 1;
                check_what_it_says(&broker, &chaos.scene, &mut host);
                commit_as_an_operator(&broker, &chaos.scene);
            }
        }
    }
    println!("  Kafka {VERSION} lost end markers in {stuck} of {KILLS} kills");
    finish(chaos, host, stuck > 0);
}

/// Waits until the host has committed more of every partition than it had, or is stuck with some.
fn after_the_kill(chaos: &Chaos, host: &mut Host) -> After {
    let scene = &chaos.scene;
    let progress = scene.broker.progress(&scene.group, &scene.input, scene.partitions);
    let ends = scene.broker.ends(&scene.input, PARTITIONS);
    let deadline = Instant::now() + STUCK_AFTER;
    let from = progress.committed();
    let standing = |now: &[Option<i64>]| -> Vec<i32> {
        let stands = now.iter().zip(&from).zip(&ends).map(|((now, from), end)| now == from && *now < Some(*end));
        (0..PARTITIONS).zip(stands).filter(|(_, stands)| *stands).map(|(partition, _)| partition).collect()
    };
    while Instant::now() < deadline {
        assert_runs(host);
        if standing(&progress.committed()).is_empty() {
            return After::WentOn;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let pending = scene.broker.undecided(&scene.group, &scene.input, PARTITIONS);
    let standing = standing(&progress.committed());
    let without_reason: Vec<_> = standing.iter().filter(|p| !pending.contains(p)).collect();
    let log = host.running.stderr();
    assert!(without_reason.is_empty(), "{without_reason:?} stand still, and no offset of them is pending:\n{log}");
    if pending.is_empty() { After::WentOn } else { After::Stuck(pending) }
}

/// It lives, is not ready, and names a transactional id that an operator has to look at.
fn check_what_it_says(broker: &OwnBroker, scene: &Scene, host: &mut Host) {
    let ids: BTreeSet<String> = own_ids(broker, scene).into_iter().collect();
    let (deadline, mut said) = (Instant::now() + WATCHED, String::new());
    while Instant::now() < deadline {
        assert!(host.running.is_running(), "the host has ended of waiting:\n{}", host.running.stderr());
        let (code, body) = get(host.port, "/_liveness").expect("it answers");
        assert_eq!(code, 200, "waiting is not being dead: {body}");
        let (code, body) = get(host.port, "/_readiness").expect("it answers");
        assert_eq!(code, 503, "it says it is ready while nothing goes on: {body}");
        said = body;
        std::thread::sleep(Duration::from_secs(1));
    }
    println!("  /_readiness says: {said}");
    said.push_str(&host.running.stderr());
    assert!(said.to_lowercase().contains("pending"), "it does not say what it waits for:\n{said}");
    assert!(ids.iter().any(|id| said.contains(id)), "none of {ids:?} is named:\n{said}");
}

/// The transactional ids of the host, in Kafka's own words.
fn own_ids(broker: &OwnBroker, scene: &Scene) -> Vec<String> {
    let all = broker.transactions();
    println!("  transactions at the broker: {all:?}");
    all.into_iter().map(|(id, _)| id).filter(|id| id.starts_with(&scene.group)).collect()
}

/// The way out: a transaction of each of the ids that touches the lanes and the group's offsets is committed; a record of
/// the operator's goes to each lane, and an offset that nobody uses to the group.
fn commit_as_an_operator(broker: &OwnBroker, scene: &Scene) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &broker.hosts)
        .set("group.id", &scene.group)
        .create()
        .expect("a consumer");
    let group = consumer.group_metadata().expect("of a group");
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&scene.lane("late"), 0, Offset::Offset(0)).expect("an offset");
    for id in own_ids(broker, scene) {
        let producer = scene.broker.producer(&[("transactional.id", &id)]);
        producer.init_transactions(ANSWER_MAX).expect("initialised");
        producer.begin_transaction().expect("begun");
        let headers: Headers = vec![(OPERATOR.to_owned(), None)];
        for lane in LANES {
            let mut record = record("{}");
            record.headers.clone_from(&headers);
            send_record(&producer, &scene.lane(lane), &record);
        }
        producer.send_offsets_to_transaction(&offsets, &group, ANSWER_MAX).expect("offsets");
        producer.commit_transaction(ANSWER_MAX).expect("committed");
    }
}

/// Nothing is lost, whatever happened; and where no operator had to write, everything is there exactly once.
fn finish(mut chaos: Chaos, mut host: Host, was_stuck: bool) {
    if !was_stuck {
        return chaos.finish(vec![host]);
    }
    chaos.scene.drain(&mut [&mut host]);
    host.stop();
    chaos.scene.check_stable();
    let repeated = chaos.expected.check_at_least_once(&chaos.scene);
    println!("  nothing is lost; {repeated} unique events are there more than once");
}
