//! A plain reading of a partition's log: what leaves by which lane where nothing ever goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use connectors::Lane;
use connectors::headers::OFFSET_HEADER;
use connectors::memory::Sent;
use engine::record::Offset;
use serde_json::Value;

/// What stands at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slot {
    /// An event with this key.
    Event(String),
    /// A record that is no event.
    NoEvent,
    /// Nothing, or nothing that can be read.
    Nothing,
}

/// What leaves of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) output: Vec<Offset>,
    /// The duplicate, its original, and how many there were of it, this one included.
    pub(crate) duplicates: Vec<(Offset, Offset, u64)>,
    /// First offsets of dead letters.
    pub(crate) letters: Vec<Offset>,
}

impl Left {
    /// Of this log, where these offsets went out undecided.
    pub(crate) fn of_log(log: &[Slot], undecided: &BTreeSet<Offset>) -> Self {
        let (mut left, mut keys) = (Self::default(), BTreeMap::<&str, (Offset, u64)>::new());
        for (offset, slot) in (0..).zip(log) {
            match slot {
                _ if undecided.contains(&offset) => left.letters.push(offset),
                Slot::Nothing => {}
                Slot::NoEvent => left.letters.push(offset),
                Slot::Event(key) => match keys.get_mut(key.as_str()) {
                    None => {
                        keys.insert(key, (offset, 0));
                        left.output.push(offset);
                    }
                    Some((original, count)) => {
                        *count += 1;
                        left.duplicates.push((offset, *original, *count));
                    }
                },
            }
        }
        left
    }

    /// Of a partition, of all that is committed.
    pub(crate) fn of_sent(sent: &[Sent], partition: i32) -> Self {
        let mut left = Self::default();
        for sent in sent.iter().filter(|sent| sent.origin.partition == partition) {
            match sent.lane {
                Lane::Output => left.output.push(sent.origin.offset),
                Lane::DeadLetter => left.letters.push(sent.headers[OFFSET_HEADER].parse().expect("a number")),
                Lane::Duplicates => left.duplicates.push(duplicate(sent)),
                Lane::Late => panic!("nobody listens"),
            }
        }
        left
    }

    /// What of this comes of offsets from here on.
    pub(crate) fn from(&self, offset: Offset) -> Self {
        let keep = |offsets: &Vec<Offset>| offsets.iter().copied().filter(|of| *of >= offset).collect();
        let duplicates = self.duplicates.iter().copied().filter(|(of, ..)| *of >= offset).collect();
        Self { output: keep(&self.output), duplicates, letters: keep(&self.letters) }
    }

    /// First this, then the other.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.output.extend(other.output);
        self.duplicates.extend(other.duplicates);
        self.letters.extend(other.letters);
        self
    }

    /// The same without how many there were.
    pub(crate) fn uncounted(mut self) -> Self {
        self.duplicates.iter_mut().for_each(|(.., count)| *count = 0);
        self
    }
}

fn duplicate(sent: &Sent) -> (Offset, Offset, u64) {
    let json: Value = serde_json::from_slice(sent.payload.as_deref().expect("a payload")).expect("JSON");
    let offset = |pointer| json.pointer(pointer).and_then(Value::as_i64).expect("an offset");
    let count = json["count"].as_u64().unwrap_or(0);
    (offset("/duplicate/offset"), offset("/original/offset"), count)
}
