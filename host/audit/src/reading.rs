//! Reads topics and files. Not what their records mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use connectors::{Inquiry as _, Lane, SeenRecord, Word};
use engine::record::RecordBatch;
use file_connector::{BatchLimits, FilePosition, FileSource, SourceLimits};
use kafka_connector::{KafkaInquiry, Spans, TopicScan};

use crate::config::{At, Bound, FilePlaces, KafkaPlaces, Places, VerifyConfig};
use crate::error::AuditError;
use crate::facts::Place;
use crate::plan::{PartitionPlan, Plan, bound};

/// How long a transaction may stay open that has written to a lane, or that commits the group's offset.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);

/// One question to the broker.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Lines of lanes are of the host's making, and as long as its records.
const LINE_BYTES_MAX: usize = 4 << 30;

const BATCH: BatchLimits = BatchLimits { records_max: 1_024, bytes_max: 1 << 20 };

/// What is done with each record.
pub(crate) type Each<'a> = &'a mut dyn FnMut(&SeenRecord<'_>) -> Result<(), AuditError>;

/// A lane's number.
pub(crate) fn number(lane: Lane) -> u8 {
    lane as u8
}

/// What is read. The group's offset is asked for first and the input's end last, so that every record in a lane comes of a
/// record that is read, and every record that is judged has left.
pub(crate) fn plan(config: &VerifyConfig) -> Result<Plan, AuditError> {
    match &config.places {
        Places::Kafka(kafka) => kafka_plan(kafka, &config.from, &config.to),
        Places::Files(files) => file_plan(files, &config.from, &config.to),
    }
}

fn file_plan(files: &FilePlaces, from: &[Bound], to: &[Bound]) -> Result<Plan, AuditError> {
    let offset = |bounds: &[Bound], otherwise: i64| match bound(bounds, 0) {
        None => Ok(otherwise),
        Some(At::Offset(offset)) => Ok(offset),
        Some(At::Time(_)) => {
            Err(AuditError::Impossible("lines have no timestamps: give --from and --to as offsets".to_owned()))
        }
    };
    let judged = offset(from, files.first_offset)?.max(files.first_offset)..offset(to, i64::MAX)?;
    let plan = PartitionPlan { read: files.first_offset..i64::MAX, judged, is_whole: files.first_offset == 0 };
    Ok(Plan { input: BTreeMap::from([(0, plan)]), lanes: BTreeMap::new() })
}

fn kafka_plan(kafka: &KafkaPlaces, from: &[Bound], to: &[Bound]) -> Result<Plan, AuditError> {
    let input = TopicScan::open(&kafka.settings, &kafka.settings.topic)?;
    let partitions: Vec<i32> = input.stable_spans()?.into_keys().collect();
    let committed = committed(kafka, &partitions)?;
    let mut lanes = BTreeMap::new();
    for lane in Lane::ALL {
        if let Some(topic) = &kafka.topics[lane] {
            let spans = TopicScan::open(&kafka.settings, topic)?.settled_spans(SETTLE_PATIENCE)?;
            lanes.insert(number(lane), spans);
        }
    }
    let spans = input.stable_spans()?;
    let resolve = |bounds: &[Bound], otherwise: &dyn Fn(i32) -> i64| -> Result<BTreeMap<i32, i64>, AuditError> {
        let mut resolved = BTreeMap::new();
        for partition in &partitions {
            let offset = match bound(bounds, *partition) {
                None => otherwise(*partition),
                Some(At::Offset(offset)) => offset,
                Some(At::Time(time)) => {
                    let found = input.offsets_at(&[*partition], time)?.into_values().next().flatten();
                    found.unwrap_or(i64::MAX)
                }
            };
            resolved.insert(*partition, offset);
        }
        Ok(resolved)
    };
    let (from, to) = (resolve(from, &|_| 0)?, resolve(to, &|_| i64::MAX)?);
    let plan = |(partition, span): (i32, std::ops::Range<i64>)| {
        let of = |offsets: &BTreeMap<i32, i64>, otherwise| offsets.get(&partition).copied().unwrap_or(otherwise);
        let judged = of(&from, 0).max(span.start)..of(&to, i64::MAX).min(of(&committed, 0));
        let is_whole = span.start == 0;
        (partition, PartitionPlan { read: span, judged, is_whole })
    };
    Ok(Plan { input: spans.into_iter().map(plan).collect(), lanes })
}

/// How far the group is done with each partition.
fn committed(kafka: &KafkaPlaces, partitions: &[i32]) -> Result<BTreeMap<i32, i64>, AuditError> {
    let inquiry = KafkaInquiry::new(&kafka.settings, None, String::new())?;
    let deadline = Instant::now() + SETTLE_PATIENCE;
    loop {
        let why = match inquiry.committed(partitions, ANSWER_WAIT) {
            Err(answer) if answer.hopeless => return Err(AuditError::Impossible(answer.cause)),
            Err(answer) => answer.cause,
            Ok(words) => match words.iter().find(|(_, word)| *word == Word::Pending) {
                Some((partition, _)) => inquiry.why_pending(*partition),
                None => return Ok(words.into_iter().map(offset_of).collect()),
            },
        };
        if Instant::now() > deadline {
            let group = &kafka.settings.group;
            return Err(AuditError::Impossible(format!("cannot read how far group {group} is: {why}")));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn offset_of((partition, word): (i32, Word)) -> (i32, i64) {
    let offset = match word {
        Word::Stable(Some(committed)) => committed.offset,
        Word::Stable(None) | Word::Pending => 0,
    };
    (partition, offset)
}

/// Every record of the input that is read.
pub(crate) fn read_input(places: &Places, plan: &Plan, each: Each<'_>) -> Result<(), AuditError> {
    match places {
        Places::Kafka(kafka) => {
            TopicScan::open(&kafka.settings, &kafka.settings.topic)?.read(&plan.input_spans(), each)
        }
        Places::Files(files) => {
            let limits = SourceLimits {
                line_bytes_max: files.line_bytes_max,
                notes_long_lines: true,
                expansion_max: files.expansion_max,
            };
            read_lines(&files.input, files.first_offset, limits, each)
        }
    }
}

/// Every record of a lane that is read; none where there is no such lane.
pub(crate) fn read_lane(places: &Places, lane: Lane, plan: &Plan, each: Each<'_>) -> Result<(), AuditError> {
    match places {
        Places::Kafka(kafka) => {
            let (Some(topic), Some(spans)) = (&kafka.topics[lane], plan.lanes.get(&number(lane))) else {
                return Ok(());
            };
            TopicScan::open(&kafka.settings, topic)?.read(spans, each)
        }
        Places::Files(files) => {
            let Some(path) = &files.lanes[lane] else { return Ok(()) };
            let limits = SourceLimits { line_bytes_max: LINE_BYTES_MAX, ..SourceLimits::default() };
            read_lines(path, 0, limits, each)
        }
    }
}

/// These records of the input, once more.
pub(crate) fn read_again(places: &Places, wanted: &BTreeSet<Place>, each: Each<'_>) -> Result<(), AuditError> {
    match places {
        Places::Kafka(kafka) => {
            let scan = TopicScan::open(&kafka.settings, &kafka.settings.topic)?;
            for place in wanted {
                let span = place.offset..place.offset.saturating_add(1);
                scan.read(&Spans::from([(place.partition, span)]), &mut *each)?;
            }
            Ok(())
        }
        Places::Files(_) if wanted.is_empty() => Ok(()),
        Places::Files(_) => read_input(places, &Plan::default(), &mut |record| {
            let place = Place { partition: record.partition, offset: record.offset };
            if wanted.contains(&place) { each(record) } else { Ok(()) }
        }),
    }
}

fn read_lines(path: &Path, first: i64, limits: SourceLimits, each: Each<'_>) -> Result<(), AuditError> {
    let mut source = FileSource::open(path, FilePosition::default(), limits)?;
    let (mut batch, mut next) = (RecordBatch::new(), first);
    loop {
        batch.clear();
        let count = source.read_batch(next, &mut batch, BATCH)?;
        if count == 0 {
            return Ok(());
        }
        for record in batch.iter() {
            each(&SeenRecord { offset: record.offset(), payload: record.payload(), ..SeenRecord::default() })?;
            next = record.offset().saturating_add(1);
        }
    }
}
