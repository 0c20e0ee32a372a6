//! What the output topics and the client accept of a single record: how large it may be, which timestamps it may have,
//! whether it needs a key. The broker is asked before anything is sent, so that no transaction has to fail first. Not
//! what happens to a record that is not accepted, and not the broker's last word: that is in its answer, see
//! `refused`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use connectors::{ByLane, KEY_BYTES_MAX, Lane, Outgoing, Refusal, RefusedRecord, Unsendable};
use engine::record::{Millis, Outline};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::failure::KafkaFailure;
use crate::settings::KafkaSettings;
use crate::size::{self, Codec};
use crate::topics::{Topics, names};

/// Time for the broker to say what topics take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Clocks differ, and a record takes a while to get there: a time this near to a bound is beyond it.
const CLOCK_MARGIN: Millis = 5_000;

/// What one topic takes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TopicLimits {
    topic: String,
    /// Bytes of a batch of records, as it is stored; the lower of `max.message.bytes` and `segment.bytes`.
    bytes: usize,
    /// Codec that the broker stores with where it is not the producer's.
    stored: Option<Codec>,
    /// How far before and after the broker's now a record's own time may lie.
    before: Millis,
    after: Millis,
    /// Whether every record needs a key.
    keyed: bool,
    /// Whether the broker has said all this.
    asked: bool,
}

impl TopicLimits {
    fn unknown(topic: &str) -> Self {
        let (before, after) = (Millis::MAX, Millis::MAX);
        Self { topic: topic.to_owned(), bytes: usize::MAX, stored: None, before, after, keyed: false, asked: false }
    }

    fn read(resource: &ConfigResource) -> Option<Self> {
        let OwnedResourceSpecifier::Topic(topic) = &resource.specifier else { return None };
        let value = |name: &str| resource.get(name).and_then(|entry| entry.value.as_deref());
        let number = |name: &str| value(name).and_then(|text| text.parse::<Millis>().ok());
        let bytes = |name: &str| number(name).and_then(|bytes| usize::try_from(bytes).ok());
        let bounds_times = value("message.timestamp.type") == Some("CreateTime");
        // One bound for both sides before Kafka 3.6.
        let bound = |name| number(name).or(number("message.timestamp.difference.max.ms")).filter(|_| bounds_times);
        Some(Self {
            topic: topic.clone(),
            bytes: bytes("max.message.bytes")?.min(bytes("segment.bytes").unwrap_or(usize::MAX)),
            stored: value("compression.type").and_then(Codec::stored),
            before: bound("message.timestamp.before.max.ms").unwrap_or(Millis::MAX),
            after: bound("message.timestamp.after.max.ms").unwrap_or(Millis::MAX),
            keyed: value("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
            asked: true,
        })
    }

    fn is_out_of_bounds(&self, time: Millis, now: Millis) -> bool {
        let past = |from: Millis, to: Millis, bound: Millis| {
            bound != Millis::MAX && from.saturating_sub(to) > bound.saturating_sub(CLOCK_MARGIN)
        };
        past(now, time, self.before) || past(time, now, self.after)
    }
}

/// What every lane takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `message.max.bytes` of the producer.
    client: usize,
    codec: Codec,
    /// A lane without a topic takes everything.
    lanes: ByLane<Option<TopicLimits>>,
}

impl Limits {
    /// Bytes that a batch of records may have for every topic to take it; `None`: nothing is known that bounds it.
    #[must_use]
    pub fn batch_bytes(&self) -> Option<usize> {
        self.lanes.iter().flatten().map(|limits| limits.bytes).filter(|bytes| *bytes < usize::MAX).min()
    }

    /// Whether every lane takes records like these, whatever key of the host's own they get.
    pub(crate) fn takes_all(&self, records: &Outline) -> bool {
        let bytes = size::at_most(records.bytes + KEY_BYTES_MAX, records.headers);
        let now = now();
        bytes <= self.client
            && self.lanes.iter().flatten().all(|limits| {
                let is_timely = |time| !limits.is_out_of_bounds(time, now);
                bytes <= limits.bytes
                    && records.times.is_none_or(|(from, to)| is_timely(from) && is_timely(to))
                    && !(limits.keyed && records.keyless)
            })
    }

    /// Why a lane does not take a record.
    pub(crate) fn refusal(&self, lane: Lane, record: &Outgoing<'_>) -> Option<Unsendable> {
        let limits = self.lanes[lane].as_ref()?;
        let unsendable = |reason, cause| Some(Unsendable { reason, cause });
        if limits.keyed && record.key.is_none() {
            let cause = format!("topic {} is compacted, and accepts no record without a key", limits.topic);
            return unsendable(Refusal::NoKey, cause);
        }
        if let Some(time) = record.timestamp.filter(|time| limits.is_out_of_bounds(*time, now())) {
            let cause = format!(
                "topic {} accepts no record with the timestamp {time} now: message.timestamp.before.max.ms is {}, \
                 message.timestamp.after.max.ms is {}",
                limits.topic, limits.before, limits.after
            );
            return unsendable(Refusal::Timestamp, cause);
        }
        self.too_large(limits, record).and_then(|cause| unsendable(Refusal::TooLarge, cause))
    }

    fn too_large(&self, limits: &TopicLimits, record: &Outgoing<'_>) -> Option<String> {
        let said = |bytes: usize, whose: String| {
            let (key, payload) = (record.key.map_or(0, <[u8]>::len), record.payload.map_or(0, <[u8]>::len));
            format!(
                "{bytes} bytes (key {key}, payload {payload}, headers {}) are too many: {whose}",
                size::headers(record)
            )
        };
        let of_client = size::of_client(record);
        if of_client > self.client {
            return Some(said(of_client, format!("message.max.bytes of the producer is {}", self.client)));
        }
        let plain = size::of_batch(record);
        if plain <= limits.bytes {
            return None;
        }
        // As it is sent, and as it is stored: each has to fit.
        let codecs = [Some(self.codec), limits.stored];
        let bytes = codecs.into_iter().flatten().map(|codec| size::compressed(record, codec, plain)).max();
        let bytes = bytes.unwrap_or(plain);
        (bytes > limits.bytes).then(|| said(bytes, format!("topic {} accepts {}", limits.topic, limits.bytes)))
    }
}

fn now() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}

/// What the broker says of topics.
#[derive(Default)]
struct Answers {
    topics: Vec<TopicLimits>,
    /// Why it does not say it of all of them; it may be of one that nobody lets us ask about.
    refused: Option<String>,
}

/// The limits as they were last asked for; shared by all workers.
pub struct LimitsBook {
    settings: KafkaSettings,
    topics: Topics,
    current: Mutex<Arc<Limits>>,
}

impl LimitsBook {
    /// Asks the broker. What it does not say is not bounded here, which is said once: then the broker's refusals decide.
    ///
    /// # Errors
    /// Producer properties that are no numbers, or settings that librdkafka refuses.
    pub fn ask(settings: &KafkaSettings, topics: &Topics) -> Result<Self, KafkaFailure> {
        let lanes = topics.map(|topic| topic.as_deref().map(TopicLimits::unknown));
        let (client, codec) = of_producer(settings)?;
        let limits = Limits { client, codec, lanes };
        let book =
            Self { settings: settings.clone(), topics: topics.clone(), current: Mutex::new(Arc::new(limits.clone())) };
        let refused = match book.answers() {
            Ok(answers) => {
                book.put(&limits, &answers.topics);
                answers.refused
            }
            Err(cause) => Some(cause),
        };
        let cause = refused.unwrap_or_else(|| "the broker does not say".to_owned());
        let unknown: Vec<String> =
            book.get().lanes.iter().flatten().filter(|l| !l.asked).map(|l| l.topic.clone()).collect();
        if !unknown.is_empty() {
            tracing::warn!(
                topics = ?unknown,
                cause,
                assumed = format!(
                    "records of up to {client} bytes (message.max.bytes of the producer), of any timestamp, with or without a key"
                ),
                "cannot ask how large the records of these topics may be: allow DescribeConfigs on them. until then, \
                 a record that one of them refuses costs several transactions before it is set aside"
            );
        }
        Ok(book)
    }

    /// As last heard.
    #[must_use]
    pub fn get(&self) -> Arc<Limits> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks once more: an operator may have changed a topic. Without an answer all stays as it is.
    pub fn ask_again(&self) {
        let before = self.get();
        match self.answers() {
            Ok(answers) => self.put(&before, &answers.topics),
            Err(cause) => tracing::debug!(cause, "cannot ask what the output topics accept"),
        }
    }

    /// A topic refused a record that came alone for its size, though nothing said that it would.
    pub fn learn(&self, record: &RefusedRecord) {
        if record.why.reason != Refusal::TooLarge {
            return;
        }
        let mut limits = (*self.get()).clone();
        if let Some(limits) = limits.lanes[record.lane].as_mut().filter(|l| !l.asked) {
            limits.bytes = limits.bytes.min(record.bytes.saturating_sub(1));
            tracing::warn!(topic = limits.topic, bytes = limits.bytes, "the topic accepts less than expected");
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    fn put(&self, before: &Limits, answers: &[TopicLimits]) {
        let mut limits = before.clone();
        for lane in limits.lanes.iter_mut().flatten() {
            if let Some(answer) = answers.iter().find(|answer| answer.topic == lane.topic) {
                lane.clone_from(answer);
            }
        }
        if limits != *before {
            for limits in limits.lanes.iter().flatten() {
                tracing::info!(topic = limits.topic, bytes = limits.bytes, "bytes that the topic takes of a record");
            }
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    fn answers(&self) -> Result<Answers, String> {
        let names = names(&self.topics);
        if names.is_empty() {
            return Ok(Answers::default());
        }
        let client: AdminClient<DefaultClientContext> =
            self.settings.client().create().map_err(|error| error.to_string())?;
        let options = AdminOptions::new().request_timeout(Some(ANSWER_TIMEOUT));
        let asked: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answer =
            pollster::block_on(client.describe_configs(&asked, &options)).map_err(|error| error.to_string())?;
        let mut answers = Answers::default();
        for answer in answer {
            match answer {
                Ok(resource) => answers.topics.extend(TopicLimits::read(&resource)),
                Err(code) => answers.refused = Some(code.to_string()),
            }
        }
        Ok(answers)
    }
}

/// `message.max.bytes` and the codec of the producer, as the settings come to.
fn of_producer(settings: &KafkaSettings) -> Result<(usize, Codec), KafkaFailure> {
    let config = settings.producer_config();
    let bytes = config.get("message.max.bytes").unwrap_or_default();
    let wrong = |_| KafkaFailure::Settings(format!("message.max.bytes={bytes} is not a number"));
    let codec = config.get("compression.codec").map_or(Codec::None, Codec::of_name);
    Ok((bytes.parse().map_err(wrong)?, codec))
}

#[cfg(test)]
mod tests {
    use connectors::Origin;

    use super::*;
    use crate::refused::Refused;

    fn limits(change: impl FnOnce(&mut TopicLimits)) -> Limits {
        let mut topic = TopicLimits { bytes: 1_000, ..TopicLimits::unknown("out") };
        change(&mut topic);
        Limits { client: 1_000_000, codec: Codec::Snappy, lanes: ByLane::from_iter([(Lane::Output, Some(topic))]) }
    }

    fn outgoing(payload: &[u8], timestamp: Option<Millis>) -> Outgoing<'_> {
        let (origin, payload) = (Origin { partition: 3, offset: 7 }, Some(payload));
        Outgoing { origin, key: Some(b"key"), payload, timestamp, headers_of: None, extra_headers: &[] }
    }

    fn reason(limits: &Limits, record: &Outgoing<'_>) -> Option<Refusal> {
        limits.refusal(Lane::Output, record).map(|why| why.reason)
    }

    /// Bytes that no codec makes fewer of.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn a_record_may_be_as_large_as_the_topic_says_and_not_a_byte_larger() {
        let limits = limits(|_| ());
        // 61 for the batch; 2 for the length, 1 each for attributes, time, offset, the key's length and number of headers,
        // 2 for the payload's length.
        let room = 1_000 - 61 - 9 - 3;
        assert_eq!(reason(&limits, &outgoing(&noise(room), None)), None);
        assert_eq!(reason(&limits, &outgoing(&noise(room + 1), None)), Some(Refusal::TooLarge));
        let why = limits.refusal(Lane::Output, &outgoing(&noise(room + 1), None)).unwrap().cause;
        assert!(why.contains("topic out accepts 1000") && why.contains("key 3"), "{why}");
        assert_eq!(limits.refusal(Lane::Late, &outgoing(&noise(room + 1), None)), None, "nobody listens");
        let extra = Outgoing { extra_headers: &[("n", "v")], ..outgoing(&[], None) };
        assert_eq!(size::of_batch(&extra), 61 + 1 + 6 + 3 + 4);
    }

    #[test]
    fn what_compresses_may_be_larger_and_what_only_its_input_compressed_may_not() {
        let text = "{\"a\":1}".repeat(1_000);
        assert_eq!(reason(&limits(|_| ()), &outgoing(text.as_bytes(), None)), None);
        let stored_plain = limits(|topic| topic.stored = Some(Codec::None));
        assert_eq!(reason(&stored_plain, &outgoing(text.as_bytes(), None)), Some(Refusal::TooLarge));
        let too_large_for_the_client = "x".repeat(1_000_000);
        let why = limits(|_| ()).refusal(Lane::Output, &outgoing(too_large_for_the_client.as_bytes(), None)).unwrap();
        assert!(why.cause.contains("message.max.bytes of the producer is 1000000"), "{why}");
    }

    /// The mock answers no question for configurations, as a broker that does not let us ask.
    #[test]
    fn what_may_not_be_asked_is_not_bounded_until_a_refusal_teaches_it() {
        let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
        let settings = KafkaSettings { hosts: cluster.bootstrap_servers(), ..Default::default() };
        let topics = Topics::from_iter([(Lane::Output, Some("out".to_owned()))]);
        let book = LimitsBook::ask(&settings, &topics).unwrap();
        let large = noise(2_000_000);
        assert_eq!(reason(&book.get(), &outgoing(&large, Some(0))), None);
        assert_eq!(book.get().batch_bytes(), None);
        let why = |reason| Unsendable { reason, cause: "no".to_owned() };
        let refused = |reason, bytes| RefusedRecord {
            partition: 3,
            offset: 7,
            lane: Lane::Output,
            why: why(reason),
            bytes,
            is_alone: true,
        };
        book.learn(&refused(Refusal::Timestamp, 10));
        assert_eq!(reason(&book.get(), &outgoing(&large, None)), None);
        book.learn(&refused(Refusal::TooLarge, 1_500_000));
        assert_eq!(reason(&book.get(), &outgoing(&large, None)), Some(Refusal::TooLarge));
        assert_eq!(reason(&book.get(), &outgoing(b"x", None)), None);
    }

    #[test]
    fn times_are_bound_on_both_sides_and_only_where_the_topic_says_so() {
        let hour = 3_600_000;
        let bound = limits(|topic| (topic.before, topic.after) = (24 * hour, hour));
        let at = |offset: Millis| reason(&bound, &outgoing(b"x", Some(now() + offset)));
        assert_eq!((at(0), at(-23 * hour), at(hour - 2 * CLOCK_MARGIN)), (None, None, None));
        assert_eq!((at(-25 * hour), at(24 * hour)), (Some(Refusal::Timestamp), Some(Refusal::Timestamp)));
        for extreme in [Millis::MIN, Millis::MAX] {
            assert_eq!(reason(&bound, &outgoing(b"x", Some(extreme))), Some(Refusal::Timestamp));
            assert_eq!(reason(&limits(|_| ()), &outgoing(b"x", Some(extreme))), None);
        }
        assert_eq!(reason(&bound, &outgoing(b"x", None)), None, "it gets the time of its sending");
    }

    #[test]
    fn a_compacted_topic_takes_no_record_without_a_key() {
        let keyed = limits(|topic| topic.keyed = true);
        assert_eq!(reason(&keyed, &outgoing(b"x", None)), None);
        assert_eq!(reason(&keyed, &Outgoing { key: None, ..outgoing(b"x", None) }), Some(Refusal::NoKey));
    }

    #[test]
    fn a_batch_needs_no_further_look_where_its_extremes_fit() {
        let limits = limits(|topic| (topic.after, topic.keyed) = (3_600_000, true));
        let small = Outline { bytes: 600, headers: 1, times: Some((0, now())), keyless: false };
        assert!(limits.takes_all(&small));
        for hard in [
            Outline { bytes: 700, ..small },
            Outline { headers: 30, ..small },
            Outline { times: Some((0, now() + 4_000_000)), ..small },
            Outline { keyless: true, ..small },
        ] {
            assert!(!limits.takes_all(&hard), "{hard:?}");
        }
    }

    #[test]
    fn a_refused_dead_letter_is_tried_once_more_without_its_payload() {
        let (mut refused, record) = (Refused::default(), outgoing(b"x", None));
        let (bare, why) =
            (Outgoing { payload: None, ..record }, Unsendable { reason: Refusal::Broker, cause: "no".into() });
        refused.note(record.origin, Lane::DeadLetter, why.clone());
        assert_eq!(refused.refusal(Lane::DeadLetter, &record), Some(why.clone()));
        assert_eq!((refused.refusal(Lane::DeadLetter, &bare), refused.refusal(Lane::Output, &record)), (None, None));
        let reason = |record: &Outgoing<'_>| refused.refusal(Lane::DeadLetter, record).map(|why| why.reason);
        assert_eq!(reason(&Outgoing { timestamp: Some(5), ..bare }), Some(Refusal::Timestamp));
        assert_eq!(reason(&Outgoing { key: None, ..bare }), Some(Refusal::NoKey));
        refused.note(record.origin, Lane::DeadLetter, why.clone());
        assert_eq!(refused.refusal(Lane::DeadLetter, &bare), Some(why));
        refused.settle(3, 7);
        assert!(!refused.is_empty());
        refused.settle(3, 8);
        assert!(refused.is_empty());
    }
}
