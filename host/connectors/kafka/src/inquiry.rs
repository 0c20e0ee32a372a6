//! All that is asked of a cluster beside the run: what the group has committed, where the log begins and ends, what stands
//! at an offset, and which dead letters there are. Each kind of question has a file of its own.

use std::ops::Range;
use std::time::Duration;

use connectors::{Bounds, Inquiry, LettersFound, NoAnswer, Sight, SourceFailure, Word};
use engine::record::{Offset, RecordBatch, TopicPartition};

use crate::dead_letters::read_dead_letters;
use crate::failure::KafkaFailure;
use crate::inspect::inspect;
use crate::peek::{peek, scan};
use crate::questions::Questions;
use crate::settings::KafkaSettings;

/// See the module.
pub struct KafkaInquiry {
    questions: Questions,
    settings: KafkaSettings,
    dead_letter_topic: Option<String>,
    own_ids: String,
}

impl KafkaInquiry {
    /// Connects when it is asked something. `own_ids` are the transactional ids of this host, in words; empty without
    /// transactions.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(
        settings: &KafkaSettings,
        dead_letter_topic: Option<String>,
        own_ids: String,
    ) -> Result<Self, KafkaFailure> {
        let questions = Questions::new(settings)?;
        Ok(Self { questions, settings: settings.clone(), dead_letter_topic, own_ids })
    }

    /// The failure of whoever needs the group's offsets and has not got them.
    pub(crate) fn offsets_failure(&self, cause: String) -> KafkaFailure {
        KafkaFailure::Offsets { group: self.settings.group.clone(), cause }
    }

    /// What the group has committed for each partition, or why that is not known.
    pub(crate) fn ask_committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<(i32, Word)>, KafkaFailure> {
        self.questions.committed(partitions, wait).map_err(|answer| self.offsets_failure(answer.cause))
    }

    /// A refusal ends the run, which then says of what.
    fn told<T>(&self, answer: Result<T, NoAnswer>) -> Result<T, NoAnswer> {
        answer.map_err(|NoAnswer { cause, hopeless }| match hopeless {
            true => NoAnswer { cause: self.offsets_failure(cause).to_string(), hopeless },
            false => NoAnswer { cause, hopeless },
        })
    }
}

impl Inquiry for KafkaInquiry {
    /// In one request.
    fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<(i32, Word)>, NoAnswer> {
        self.told(self.questions.committed(partitions, wait))
    }

    fn why_pending(&self, partition: i32) -> String {
        pending(partition, &self.own_ids)
    }

    fn bounds(&self, partitions: &[i32], wait: Duration) -> Result<Vec<(i32, Bounds)>, NoAnswer> {
        self.told(self.questions.bounds(partitions, wait))
    }

    fn inspect(
        &self,
        partition: i32,
        span: Range<Offset>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Sight, SourceFailure> {
        Ok(inspect(&self.settings, partition, span, is_cancelled)?)
    }

    fn peek(&self, partition: i32, span: Range<Offset>, records_max: usize) -> Result<RecordBatch, SourceFailure> {
        Ok(peek(&self.settings, partition, span, records_max)?)
    }

    fn scan(
        &self,
        partition: i32,
        span: Range<Offset>,
        each: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<(), SourceFailure> {
        Ok(scan(&self.settings, partition, span, each)?)
    }

    fn letters(
        &self,
        source: &TopicPartition,
        span: Range<Offset>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<LettersFound>, SourceFailure> {
        let Some(topic) = &self.dead_letter_topic else { return Ok(None) };
        tracing::info!(%source, topic, "reading back from the dead-letter topic which records went out undecided");
        Ok(Some(read_dead_letters(&self.settings, topic, source, span, is_cancelled)?))
    }
}

/// Why the group's offset of a partition is not known for now.
fn pending(partition: i32, own_ids: &str) -> String {
    let ids = if own_ids.is_empty() { String::new() } else { format!("; this host's own ids: {own_ids}") };
    format!(
        "the offset of partition {partition} is pending: a transaction that commits it, of another transactional id \
         or of an earlier run, has not ended. if it is open, it ends by itself within its transaction timeout plus \
         10 s; if it lasts longer, look for it with kafka-transactions.sh find-hanging. a broker that was killed may \
         have lost its end (Apache Kafka 4.3.1 does): then the next commit of the same transactional id for another \
         partition of the group frees the offset{ids}"
    )
}
