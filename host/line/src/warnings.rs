//! Logs unusable times and clocks that go back: once per reason and partition, because such events come by the million.
//! Not the counting: see `tally`.

use std::borrow::Cow;
use std::cell::Cell;

use engine::record::{Millis, Offset, TopicPartition};
use engine::time::{Clock, Unusable};

use crate::rules::Rules;

/// Characters of a value that are shown as an example.
const EXAMPLE_CHARS_MAX: usize = 64;

/// Warnings of one partition.
pub(crate) struct Warnings {
    source: TopicPartition,
    pointer: String,
    redact: bool,
    /// By [`Unusable`], whether it was said.
    said: [Cell<bool>; Unusable::ALL.len()],
    clock_warnings: Cell<u64>,
}

impl Warnings {
    pub(crate) fn new(source: TopicPartition, rules: &Rules) -> Self {
        Self {
            source,
            pointer: rules.event_time.clone().unwrap_or_default(),
            redact: rules.explain.redact,
            said: std::array::from_fn(|_| Cell::new(false)),
            clock_warnings: Cell::new(0),
        }
    }

    /// An event's own time is of no use; `instead` is the time that it goes by.
    pub(crate) fn unusable_time(&self, offset: Offset, why: Unusable, value: &[u8], instead: Option<Millis>) {
        if self.said.get(why as usize).is_none_or(|said| said.replace(true)) {
            return;
        }
        tracing::warn!(
            source = %self.source,
            offset,
            pointer = %self.pointer,
            value = %self.example(value),
            reason = why.as_str(),
            "the time of an event is unusable: {}; {}. logged once per reason; dedup_host_event_times_unusable_total \
             counts",
            why.words(),
            match instead {
                Some(_) => "the record's timestamp is used instead",
                None => "the record has no timestamp either, so the partition's clock is used, once it runs",
            },
        );
    }

    fn example<'a>(&self, value: &'a [u8]) -> Cow<'a, str> {
        if self.redact {
            return "(hidden)".into();
        }
        let text = String::from_utf8_lossy(value);
        match text.char_indices().nth(EXAMPLE_CHARS_MAX) {
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()).into(),
            None => text,
        }
    }

    /// The clock stands earlier than it did; said less often the oftener it happens.
    pub(crate) fn clock_went_back(&self, before: &Clock, after: &Clock) {
        self.clock_warnings.set(self.clock_warnings.get() + 1);
        if !self.clock_warnings.get().is_power_of_two() {
            return;
        }
        tracing::warn!(
            source = %self.source,
            before_ms = before.now(),
            after_ms = after.now(),
            times = after.went_back(),
            "the partition's clock went back: most of its latest records are older than it was. either the clocks of \
             their producers are wrong, or those of the earlier records were; events that were late in the meantime \
             were treated as --late says, and keys that had expired by then are forgotten"
        );
    }
}
