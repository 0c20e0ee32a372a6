//! The events with the most duplicates, of all lines of the process.

use std::sync::Arc;

use engine::findings::{HeavyKey, KEYS_MAX};
use engine::record::{Millis, Offset, TopicPartition};

/// Where and when an original got its latest duplicate.
#[derive(Debug, Clone)]
pub(super) struct SeenKey {
    pub(super) source: Arc<TopicPartition>,
    pub(super) key: HeavyKey,
    pub(super) last_seen_ms: Millis,
}

impl SeenKey {
    fn place(&self) -> (&TopicPartition, Offset) {
        (&self.source, self.key.original_offset)
    }
}

/// The heaviest originals of the process, heaviest first.
#[derive(Debug, Default)]
pub(super) struct Heaviest {
    keys: Vec<SeenKey>,
}

impl Heaviest {
    /// Adds what a line found. If an original is reported twice, the greater count holds.
    pub(super) fn merge(&mut self, found: impl Iterator<Item = SeenKey>) {
        self.keys.extend(found);
        self.keys.sort_by(|a, b| a.place().cmp(&b.place()).then(b.key.duplicates.cmp(&a.key.duplicates)));
        self.keys.dedup_by(|later, kept| later.place() == kept.place());
        self.keys.sort_by(|a, b| b.key.duplicates.cmp(&a.key.duplicates).then_with(|| a.place().cmp(&b.place())));
        self.keys.truncate(KEYS_MAX);
    }

    /// Another host shows the partition from now on.
    pub(super) fn forget(&mut self, source: &TopicPartition) {
        self.keys.retain(|key| *key.source != *source);
    }

    pub(super) fn keys(&self) -> &[SeenKey] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_twice_of_an_original_counts_once() {
        let source = Arc::new(TopicPartition { topic: "events".into(), partition: 0 });
        let seen = |duplicates| SeenKey {
            source: Arc::clone(&source),
            key: HeavyKey {
                key: Box::from(*b"key"),
                original_offset: 7,
                duplicates,
                distinct_uuids: None,
                last_offset: 9,
            },
            last_seen_ms: 1,
        };
        let mut heaviest = Heaviest::default();
        heaviest.merge([seen(3)].into_iter());
        heaviest.merge([seen(2), seen(5)].into_iter());
        assert_eq!(heaviest.keys().iter().map(|seen| seen.key.duplicates).collect::<Vec<_>>(), [5]);
    }
}
