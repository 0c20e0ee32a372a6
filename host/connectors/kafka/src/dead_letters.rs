//! Reads back from a dead-letter topic for which offsets of a partition it has dead letters, by the headers that the
//! host gave them. Not what the letters say, and not whether they are complete: the caller knows how many there must
//! be.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use connectors::LettersFound;
use connectors::headers::{NEXT_HEADER, OFFSET_HEADER, PARTITION_HEADER, STAGE_HEADER, TOPIC_HEADER};
use engine::progress::Ranges;
use engine::record::{Offset, TopicPartition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use crate::failure::KafkaFailure;
use crate::settings::KafkaSettings;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a broker takes to end a transaction whose time is up.
const TRANSACTION_END: Duration = Duration::from_secs(10);

/// Stages of letters whose records were decided all the same: only a record about them was not taken.
const DECIDED_STAGES: [&str; 2] = ["duplicates", "late"];

/// Reads the topic from its start to its end. What is committed may still be behind a transaction of somebody else that is
/// open: it waits until none is, for as long as a transaction may take.
///
/// # Errors
/// The topic cannot be read, or `is_cancelled`.
pub(crate) fn read_dead_letters(
    settings: &KafkaSettings,
    topic: &str,
    source: &TopicPartition,
    span: Range<Offset>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<LettersFound, KafkaFailure> {
    let failed = |cause: String| KafkaFailure::Read { topic: topic.to_owned(), cause };
    let consumer = consumer(settings, "read_committed")?;
    let partitions = bounds(&consumer, topic).map_err(|error| failed(error.to_string()))?;
    wait_stable(settings, &consumer, topic, is_cancelled)?;
    let mut list = TopicPartitionList::new();
    for (partition, (start, _)) in &partitions {
        let added = list.add_partition_offset(topic, *partition, KafkaOffset::Offset(*start));
        added.map_err(|error| failed(error.to_string()))?;
    }
    consumer.assign(&list).map_err(|error| failed(error.to_string()))?;
    let is_whole = partitions.values().all(|(start, _)| *start == 0);
    let mut found = LettersFound { offsets: Ranges::default(), is_whole };
    let mut open: BTreeSet<i32> = partitions.into_keys().collect();
    let mut heard = Instant::now();
    while !open.is_empty() {
        if is_cancelled() {
            return Err(failed("the host is stopping".to_owned()));
        }
        match consumer.poll(Duration::from_millis(100)) {
            None if heard.elapsed() > REQUEST_TIMEOUT => return Err(failed("no answer".to_owned())),
            None => continue,
            Some(Ok(message)) => {
                let offsets = message.headers().and_then(|headers| source_offsets(headers, source)).unwrap_or_default();
                found.offsets.insert_range(offsets.start.max(span.start), offsets.end.min(span.end));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            Some(Err(error)) if heard.elapsed() > REQUEST_TIMEOUT => return Err(failed(error.to_string())),
            Some(Err(error)) => {
                tracing::warn!(%error, topic, "reading dead letters");
                continue;
            }
        }
        heard = Instant::now();
    }
    Ok(found)
}

/// It joins no group and commits nothing: the group's name is there because a consumer has to have one.
pub(crate) fn consumer(settings: &KafkaSettings, isolation: &str) -> Result<BaseConsumer, KafkaFailure> {
    let mut config = settings.consumer_config();
    config.set("enable.partition.eof", "true").set("enable.auto.commit", "false").set("isolation.level", isolation);
    config.create().map_err(KafkaFailure::of_settings)
}

/// First offset and end of each partition, as this consumer may read it.
pub(crate) fn bounds(consumer: &BaseConsumer, topic: &str) -> Result<BTreeMap<i32, (Offset, Offset)>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let of = |partition| Ok((partition, consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)?));
    partitions.map(|partition| of(partition.id())).collect()
}

/// Waits until what is the end now can be read. A broker that loses the end of a transaction does not keep us for ever:
/// whether a letter is missing is found out later.
fn wait_stable(
    settings: &KafkaSettings,
    committed: &BaseConsumer,
    topic: &str,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(), KafkaFailure> {
    let failed = |error: KafkaError| KafkaFailure::Read { topic: topic.to_owned(), cause: error.to_string() };
    let ends = bounds(&consumer(settings, "read_uncommitted")?, topic).map_err(failed)?;
    let deadline = Instant::now() + Duration::from_millis(settings.transaction_timeout_ms) + TRANSACTION_END;
    loop {
        let stable = bounds(committed, topic).map_err(failed)?;
        let is_behind = |(partition, (_, end)): &(&i32, &(Offset, Offset))| {
            stable.get(partition).is_none_or(|(_, stable)| stable < end)
        };
        let Some((partition, _)) = ends.iter().find(is_behind) else { return Ok(()) };
        if is_cancelled() || Instant::now() > deadline {
            tracing::warn!(topic, partition, "a transaction stays open; dead letters after it are not read");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The offsets that a letter stands for by its headers, if they were of `source` and not decided. A record that was sent
/// again carries the headers of each time it was a dead letter: the last ones are those of this time.
fn source_offsets(headers: &impl Headers, source: &TopicPartition) -> Option<Range<Offset>> {
    let last = |name: &str| {
        let of_name = headers.iter().filter(|header| header.key == name).last();
        of_name.and_then(|header| header.value).and_then(|value| std::str::from_utf8(value).ok())
    };
    let is_ours = last(TOPIC_HEADER)? == source.topic && last(PARTITION_HEADER)?.parse() == Ok(source.partition);
    let is_decided = last(STAGE_HEADER).is_some_and(|stage| DECIDED_STAGES.contains(&stage));
    let from = last(OFFSET_HEADER)?.parse().ok().filter(|_| is_ours && !is_decided)?;
    // A letter of one record that was sent on may carry this header of an earlier time, of other offsets.
    let next = last(NEXT_HEADER).filter(|_| last(STAGE_HEADER) == Some("read"));
    Some(from..next.and_then(|next| next.parse().ok()).unwrap_or(from.saturating_add(1)))
}

#[cfg(test)]
mod strangers {
    use proptest::prelude::*;
    use rdkafka::message::{Header, OwnedHeaders};

    use super::*;

    const SPAN: Range<Offset> = 100..1 << 50;

    fn source() -> TopicPartition {
        TopicPartition { topic: "events".to_owned(), partition: 3 }
    }

    fn letter(headers: &[(&str, &[u8])]) -> OwnedHeaders {
        headers.iter().fold(OwnedHeaders::new(), |all, &(key, value)| all.insert(Header { key, value: Some(value) }))
    }

    fn ours<'a>(offset: &'a [u8], stage: &'a [u8], next: &'a [u8]) -> [(&'static str, &'a [u8]); 5] {
        [
            (TOPIC_HEADER, b"events"),
            (PARTITION_HEADER, b"3"),
            (OFFSET_HEADER, offset),
            (STAGE_HEADER, stage),
            (NEXT_HEADER, next),
        ]
    }

    /// What is taken of a letter that somebody has written into the topic.
    fn taken(found: &mut Ranges, headers: &OwnedHeaders) -> Option<Range<Offset>> {
        let offsets = source_offsets(headers, &source())?;
        found.insert_range(offsets.start.max(SPAN.start), offsets.end.min(SPAN.end));
        Some(offsets)
    }

    #[test]
    fn letters_that_claim_all_offsets_cost_no_more_than_others() {
        let mut found = Ranges::default();
        for offset in 0..1_000 {
            let offset = (offset * 7_i64).to_string();
            taken(&mut found, &letter(&ours(offset.as_bytes(), b"read", b"9223372036854775807")));
            taken(&mut found, &letter(&ours(offset.as_bytes(), b"plugin", b"")));
        }
        assert_eq!((found.runs(), found.count()), (1, (SPAN.end - SPAN.start).unsigned_abs()));
    }

    #[test]
    fn the_last_offset_there_is_stands_for_itself_and_no_other() {
        let last = letter(&ours(b"9223372036854775807", b"plugin", b""));
        assert_eq!(source_offsets(&last, &source()), Some(Offset::MAX..Offset::MAX));
        let backwards = letter(&ours(b"9", b"read", b"-5"));
        let mut found = Ranges::default();
        assert_eq!(taken(&mut found, &backwards).map(|range| (range.start, range.end)), Some((9, -5)));
        assert!(found.is_empty());
    }

    proptest! {
        #![proptest_config(cases::cases(1_000))]

        #[test]
        fn any_headers_name_offsets_of_the_span_or_none(
            headers in prop::collection::vec((
                prop_oneof![
                    prop::sample::select(
                        vec![TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER, NEXT_HEADER, STAGE_HEADER]
                    ).prop_map(str::to_owned),
                    "[a-z-]{0,8}",
                ],
                prop_oneof![
                    prop::sample::select(
                        vec!["events", "3", "read", "late", "duplicates", "+7", " 7", "-0", "9223372036854775808"]
                    ).prop_map(|text| text.as_bytes().to_vec()),
                    any::<i64>().prop_map(|number| number.to_string().into_bytes()),
                    (0..1_000_i64).prop_map(|number| number.to_string().into_bytes()),
                    prop::collection::vec(any::<u8>(), 0..12),
                ],
            ), 0..12),
        ) {
            let mut headers: Vec<(&str, &[u8])> = headers.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
            for ours in [false, true] {
                if ours {
                    headers.extend([(TOPIC_HEADER, &b"events"[..]), (PARTITION_HEADER, b"3")]);
                }
                let mut found = Ranges::default();
                let offsets = taken(&mut found, &letter(&headers));
                let last = |name: &str| {
                    headers.iter().rev().find(|(key, _)| *key == name).and_then(|(_, value)| std::str::from_utf8(value).ok())
                };
                let is_decided = last(STAGE_HEADER).is_some_and(|stage| stage == "late" || stage == "duplicates");
                let from = last(OFFSET_HEADER).and_then(|text| text.parse::<i64>().ok());
                let is_source = last(TOPIC_HEADER) == Some("events")
                    && last(PARTITION_HEADER).and_then(|text| text.parse().ok()) == Some(3);
                prop_assert_eq!(offsets.as_ref().map(|offsets| offsets.start), from.filter(|_| is_source && !is_decided));
                prop_assert!(found.runs() <= 1 && found.last().is_none_or(|last| SPAN.contains(&last)));
                let is_many = last(STAGE_HEADER) == Some("read");
                prop_assert!(is_many || found.count() <= 1);
            }
        }
    }
}
