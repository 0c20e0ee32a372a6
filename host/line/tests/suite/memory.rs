//! A state in memory, as simple as it can be: every entry there ever was, and a copy of everything as of the last commit.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use engine::decide::Gone;
use engine::entry::{Entry, Found, Write};
use engine::fingerprint::{Fingerprint, Seed};
use engine::history::History;
use engine::record::{Offset, RecordBatch};
use engine::state::{Frontier, Originals, PartitionState};
use engine::time::Clock;

#[derive(Debug, Clone, Default)]
struct Contents {
    entries: HashMap<Fingerprint, Vec<Entry>>,
    originals: BTreeMap<Offset, Vec<u8>>,
    histories: BTreeMap<Offset, History>,
    clock: Option<Clock>,
}

#[derive(Debug, Default)]
pub(crate) struct MemoryState {
    now: Contents,
    committed: Contents,
}

impl PartitionState for MemoryState {
    type Failure = Infallible;

    fn seed(&self) -> Seed {
        Seed([7; 16])
    }

    fn clock(&self) -> Option<Clock> {
        self.committed.clock.clone()
    }

    fn gone(&self) -> Gone {
        Gone::default()
    }

    fn lookup(
        &mut self,
        keys: &[Fingerprint],
        _before_offset: Offset,
        found: &mut Vec<Found>,
    ) -> Result<(), Infallible> {
        found.clear();
        for (key, fingerprint) in (0..).zip(keys) {
            let mut entries = self.now.entries.get(fingerprint).cloned().unwrap_or_default();
            entries.sort_by_key(|entry| entry.offset);
            found.extend(entries.into_iter().map(|entry| Found { key, entry }));
        }
        Ok(())
    }

    fn stage(&mut self, writes: &[Write]) {
        for write in writes {
            self.now.entries.entry(write.fingerprint).or_default().push(write.entry);
        }
    }

    fn keep(&mut self, offset: Offset, bytes: &[u8]) -> Result<(), Infallible> {
        self.now.originals.entry(offset).or_insert_with(|| bytes.to_vec());
        Ok(())
    }

    fn keep_shared(
        &mut self,
        offset: Offset,
        head: &[u8],
        _batch: &Arc<RecordBatch>,
        body: &[u8],
        tail: &[u8],
    ) -> Result<(), Infallible> {
        self.keep(offset, &[head, body, tail].concat())
    }

    fn originals(&mut self, offsets: &[Offset], out: &mut Originals) -> Result<(), Infallible> {
        out.clear();
        for offset in offsets {
            let place = self.now.originals.get(offset).map(|original| {
                out.values.push(original);
                u32::try_from(out.values.len() - 1).expect("few")
            });
            out.places.push(place);
        }
        Ok(())
    }

    fn load_histories(&mut self, _originals: &[Offset]) -> Result<(), Infallible> {
        Ok(())
    }

    fn history(
        &mut self,
        original: Offset,
        make: impl FnOnce() -> History,
    ) -> Result<Option<&mut History>, Infallible> {
        Ok(Some(self.now.histories.entry(original).or_insert_with(make)))
    }

    fn commit(&mut self, frontier: Frontier<'_>) {
        self.now.clock = Some(frontier.clock.clone());
        self.committed = self.now.clone();
    }

    fn rollback(&mut self) {
        self.now = self.committed.clone();
    }
}
