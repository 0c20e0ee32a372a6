//! Questions to the system, as a host asks them beside the run.

use std::ops::Range;
use std::time::Duration;

use engine::progress::Ranges;
use engine::record::{Offset, RecordBatch, TopicPartition};

use super::outbox::Sent;
use super::system::MemorySystem;
use super::trouble::{Call, Trouble};
use crate::headers::{NEXT_HEADER, OFFSET_HEADER, STAGE_HEADER};
use crate::inquiry::{Bounds, Inquiry, LettersFound, NoAnswer, Word};
use crate::lane::Lane;
use crate::source::SourceFailure;
use crate::unreadable::Sight;

/// Stages of letters whose records were decided all the same: only a record about them was not taken.
const DECIDED_STAGES: [&str; 2] = ["duplicates", "late"];

/// See the module.
pub struct MemoryInquiry {
    system: MemorySystem,
    host: String,
}

impl MemoryInquiry {
    /// Asks as a host.
    #[must_use]
    pub fn new(system: &MemorySystem, host: &str) -> Self {
        Self { system: system.clone(), host: host.to_owned() }
    }

    fn asks(&self, call: Call) -> Result<(), NoAnswer> {
        let no_answer =
            |trouble| NoAnswer { cause: format!("{call:?}: no answer"), hopeless: trouble == Trouble::Hopeless };
        self.system.called(&self.host, call).map_or(Ok(()), |trouble| Err(no_answer(trouble)))
    }

    fn reads(&self) -> Result<(), SourceFailure> {
        self.asks(Call::Read).map_err(SourceFailure::new)
    }
}

impl Inquiry for MemoryInquiry {
    fn committed(&self, partitions: &[i32], _wait: Duration) -> Result<Vec<(i32, Word)>, NoAnswer> {
        self.asks(Call::Committed)?;
        Ok(self.system.world().producers.words(partitions))
    }

    fn why_pending(&self, partition: i32) -> String {
        format!("a transaction that commits partition {partition} has not ended")
    }

    fn bounds(&self, partitions: &[i32], _wait: Duration) -> Result<Vec<(i32, Bounds)>, NoAnswer> {
        self.asks(Call::Bounds)?;
        let world = self.system.world();
        Ok(partitions.iter().filter_map(|partition| Some((*partition, world.log(*partition)?.bounds()))).collect())
    }

    fn inspect(
        &self,
        partition: i32,
        span: Range<Offset>,
        _is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Sight, SourceFailure> {
        self.reads()?;
        Ok(self.system.world().log(partition).map_or(Sight::Readable, |log| log.inspect(span)))
    }

    fn peek(&self, partition: i32, span: Range<Offset>, records_max: usize) -> Result<RecordBatch, SourceFailure> {
        self.reads()?;
        Ok(self.system.world().log(partition).map(|log| log.peek(span, records_max)).unwrap_or_default())
    }

    fn letters(
        &self,
        source: &TopicPartition,
        span: Range<Offset>,
        _is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<LettersFound>, SourceFailure> {
        self.reads()?;
        let world = self.system.world();
        if !world.lanes.has(Lane::DeadLetter) {
            return Ok(None);
        }
        let mut found = LettersFound { offsets: Ranges::default(), is_whole: !world.letters_were_deleted };
        for letter in world.producers.visible.iter().filter(|sent| sent.origin.partition == source.partition) {
            let of = undecided(letter).unwrap_or_default();
            found.offsets.insert_range(of.start.max(span.start), of.end.min(span.end));
        }
        Ok(Some(found))
    }
}

/// The offsets that a letter stands for, if they were not decided.
fn undecided(letter: &Sent) -> Option<Range<Offset>> {
    let header = |name| letter.headers.get(name).map(String::as_str);
    let is_decided = header(STAGE_HEADER).is_some_and(|stage| DECIDED_STAGES.contains(&stage));
    let from: Offset =
        header(OFFSET_HEADER)?.parse().ok().filter(|_| letter.lane == Lane::DeadLetter && !is_decided)?;
    let next = header(NEXT_HEADER).and_then(|next| next.parse().ok());
    Some(from..next.unwrap_or(from + 1))
}
