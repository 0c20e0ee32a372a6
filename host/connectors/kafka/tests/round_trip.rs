//! A source, a sink and the questions to both, joined as a host joins them, over a cluster that librdkafka plays. It
//! takes transactions and forgets their offsets, and knows no limits of topics: these are tested against real brokers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connectors::{
    Assignments, Bounds, Committed, CommittingSink, Inquiry, Lane, Origin, Outgoing, Polled, Refusal, RefusedRecord,
    Remedy, Sink, SinkFailure, Source, Unsendable, Word,
};
use engine::record::{Offset, Outline, RecordBatch};
use kafka_connector::{
    Delivery, KafkaFailure, KafkaInquiry, KafkaProducer, KafkaSettings, KafkaSink, KafkaSource, LimitsBook, SinkSetup,
    Topics,
};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

const WAIT: Duration = Duration::from_secs(30);

/// What the source has told of partitions.
#[derive(Default)]
struct Told(Mutex<Vec<(bool, Vec<i32>)>>);

impl Told {
    fn has(&self, come: bool) -> bool {
        self.0.lock().unwrap().contains(&(come, vec![0]))
    }
}

impl Assignments for Told {
    fn assigned(&self, partitions: &[i32]) {
        self.0.lock().unwrap().push((true, partitions.to_vec()));
    }

    fn revoked(&self, partitions: &[i32], _lost: bool) {
        self.0.lock().unwrap().push((false, partitions.to_vec()));
    }
}

/// A host over a topic of one partition with three records.
struct Host {
    _cluster: MockCluster<'static, DefaultProducerContext>,
    told: Arc<Told>,
    source: KafkaSource,
    inquiry: Arc<KafkaInquiry>,
    sink: KafkaSink,
}

impl Host {
    fn new(delivery: Delivery) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("events", 1, 1).unwrap();
        cluster.create_topic("out", 1, 1).unwrap();
        let settings = KafkaSettings {
            hosts: cluster.bootstrap_servers(),
            group: "hosts".to_owned(),
            topic: "events".to_owned(),
            transaction_timeout_ms: 60_000,
            producer: vec![("message.max.bytes".to_owned(), "1000".to_owned())],
            ..KafkaSettings::default()
        };
        let mut producer = KafkaProducer::connect(&settings, &Delivery::AtLeastOnce, WAIT).unwrap();
        for offset in 0..3 {
            producer.send("events", Lane::Output, &record(offset, b"event")).unwrap();
        }
        producer.flush().unwrap();
        let topics = Topics::from_iter([(Lane::Output, Some("out".to_owned()))]);
        // Of no topic: the cluster does not say what its topics take, and to ask takes a quarter of a minute.
        let limits = Arc::new(LimitsBook::ask(&settings, &Topics::default()).unwrap());
        let setup = SinkSetup { settings: settings.clone(), delivery, topics, limits, timeout: WAIT };
        let unjoined = KafkaSink::connect(setup).unwrap();
        let inquiry = Arc::new(KafkaInquiry::new(&settings, None, "host-0".to_owned()).unwrap());
        let told = Arc::new(Told::default());
        let source = KafkaSource::connect(&settings, Arc::clone(&told) as Arc<dyn Assignments>).unwrap();
        let sink = unjoined.join(source.group(), Arc::clone(&inquiry));
        Self { _cluster: cluster, told, source, inquiry, sink }
    }

    fn exactly_once() -> Self {
        Self::new(Delivery::ExactlyOnce { transactional_id: "host-0".to_owned() })
    }

    /// Polls until a poll brings what is wanted.
    fn poll(&mut self, batch: &mut RecordBatch, is_wanted: impl Fn(&Polled, &Told) -> bool) {
        let deadline = Instant::now() + WAIT;
        loop {
            let into = &mut *batch;
            let polled = self.source.poll(Duration::from_millis(50), move |_, _| Some(into)).unwrap();
            if is_wanted(&polled, &self.told) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain");
        }
    }

    /// Reads the partition from its start to its end.
    fn read_all(&mut self) -> RecordBatch {
        let mut batch = RecordBatch::new();
        self.poll(&mut batch, |_, told| told.has(true));
        assert!(batch.is_empty(), "nothing is read before it is begun");
        assert!(self.source.begin(0, 0).unwrap());
        self.poll(&mut batch, |polled, _| *polled == Polled::Records { partition: 0, next: 3 });
        self.poll(&mut batch, |polled, _| *polled == Polled::End { partition: 0 });
        batch
    }

    fn committed(&mut self) -> Option<Committed> {
        let answer = self.sink.committed(&[0], WAIT).unwrap();
        assert_eq!(self.inquiry.committed(&[0], WAIT).unwrap(), answer);
        let [(0, Word::Stable(committed))] = answer.as_slice() else { panic!("{answer:?}") };
        committed.clone()
    }

    fn commit(&mut self, offset: Offset) -> Result<(), SinkFailure> {
        self.sink.flush()?;
        assert!(self.sink.take_membership());
        self.sink.commit(&[(0, at(offset))])
    }
}

fn at(offset: Offset) -> Committed {
    Committed { offset, metadata: format!("until {offset}") }
}

fn record(offset: Offset, payload: &[u8]) -> Outgoing<'_> {
    let origin = Origin { partition: 0, offset };
    Outgoing {
        origin,
        key: Some(b"key"),
        payload: Some(payload),
        timestamp: None,
        headers_of: None,
        extra_headers: &[],
    }
}

fn offsets(batch: &RecordBatch) -> Vec<Offset> {
    batch.iter().map(|record| record.offset()).collect()
}

#[test]
fn what_was_read_is_sent_and_committed_and_the_owner_of_c_says_so() {
    let mut host = Host::new(Delivery::AtLeastOnce);
    assert!(!host.sink.take_membership(), "nobody has joined yet");
    let batch = host.read_all();
    assert_eq!((offsets(&batch), host.committed()), (vec![0, 1, 2], None));
    for read in batch.iter() {
        host.sink.send(Lane::Output, &record(read.offset(), b"unique")).unwrap();
        host.sink.send(Lane::Late, &record(read.offset(), b"nobody listens")).unwrap();
    }
    host.commit(3).unwrap();
    assert_eq!(host.committed(), Some(at(3)));
    let bounds = Bounds { log_start: 0, log_end: 3, stable_end: 3 };
    assert_eq!(host.inquiry.bounds(&[0], WAIT).unwrap(), [(0, bounds)]);
    assert_eq!(offsets(&host.inquiry.peek(0, 1..3, 1).unwrap()), [1]);
    host.source.leave(WAIT);
    assert!(host.told.has(false), "it was revoked on the way out");
}

#[test]
fn a_source_that_is_renewed_or_sought_delivers_the_same_records_at_the_same_offsets() {
    let mut host = Host::exactly_once();
    assert_eq!(offsets(&host.read_all()), [0, 1, 2]);
    let mut batch = RecordBatch::new();
    while !host.source.seek(0, 1) {}
    host.poll(&mut batch, |polled, _| *polled == Polled::Records { partition: 0, next: 3 });
    assert_eq!(offsets(&batch), [1, 2]);
    host.source.renew(WAIT).unwrap();
    assert!(host.told.has(false), "it lets go of what it had");
    host.told.0.lock().unwrap().clear();
    assert_eq!(offsets(&host.read_all()), [0, 1, 2]);
    host.sink.send(Lane::Output, &record(0, b"unique")).unwrap();
    host.commit(3).unwrap();
}

#[test]
fn after_a_failure_nothing_is_committed_before_there_is_a_new_connection() {
    let mut host = Host::new(Delivery::AtLeastOnce);
    host.read_all();
    host.sink.send(Lane::Output, &record(0, b"unique")).unwrap();
    let failure = host.sink.send(Lane::Output, &record(1, &[0; 2_000])).unwrap_err();
    let Remedy::SetAside(refused) = &failure.remedy else { panic!("{failure}") };
    let of = |refused: &RefusedRecord| (refused.partition, refused.offset_near(2), refused.lane, refused.is_alone);
    assert_eq!(refused.iter().map(of).collect::<Vec<_>>(), [(0, 1, Lane::Output, true)]);
    let failure = host.commit(3).unwrap_err();
    assert_eq!((&failure.remedy, failure.to_string().contains("failed before")), (&Remedy::Retry, true), "{failure}");
    host.sink.reconnect(true).unwrap();
    let failure = host.sink.commit(&[(0, at(3))]).unwrap_err();
    assert!(failure.to_string().contains("out of the group"), "{failure}");
    assert_eq!(host.committed(), None);
    host.sink.reconnect(false).unwrap();
    host.sink.send(Lane::Output, &record(0, b"unique")).unwrap();
    host.commit(3).unwrap();
    assert_eq!(host.committed(), Some(at(3)));
}

#[test]
fn a_record_that_was_set_aside_is_refused_until_it_is_settled() {
    let mut sink = Host::exactly_once().sink;
    let outline = Outline { bytes: 10, headers: 0, times: None, keyless: false };
    let why = Unsendable { reason: Refusal::Broker, cause: "no".to_owned() };
    let (lane, origin) = (Lane::Output, Origin { partition: 0, offset: 5 });
    let refused = RefusedRecord { partition: 0, offset: 5, lane, why: why.clone(), bytes: 10, is_alone: true };
    assert_eq!((sink.has(lane), sink.has(Lane::Duplicates), sink.takes_all(&outline)), (true, false, true));
    sink.set_aside(origin, &refused);
    assert_eq!((sink.takes_all(&outline), sink.refusal(lane, &record(5, b"x"))), (false, Some(why)));
    assert_eq!((sink.refusal(lane, &record(6, b"x")), sink.refusal(Lane::Late, &record(5, b"x"))), (None, None));
    sink.settle(0, 6);
    assert_eq!((sink.takes_all(&outline), sink.refusal(lane, &record(5, b"x"))), (true, None));
}

#[test]
fn a_pending_partition_is_told_of_with_its_ways_out() {
    let host = Host::exactly_once();
    let failure = host.sink.pending(7);
    let words = failure.to_string();
    for part in ["group hosts", "partition 7 is pending", "find-hanging", "own ids: host-0"] {
        assert!(words.contains(part), "{words}");
    }
    assert!(words.ends_with(&host.inquiry.why_pending(7)));
    assert_eq!(failure.remedy, Remedy::Retry);
    assert!(matches!(failure.into_cause(), Ok(KafkaFailure::Offsets { .. })));
}
