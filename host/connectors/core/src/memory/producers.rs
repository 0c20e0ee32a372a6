//! Transactions: by whom, up to what end, and what the world sees of them. A name is one producer's at a time; the next one
//! with the same name fences it. Not who may commit which partition: that is the group's.

use std::collections::BTreeMap;

use super::outbox::Sent;
use crate::inquiry::{Committed, Word};

/// How the open transaction of a producer stands.
#[derive(Debug, Default)]
struct Open {
    sent: Vec<Sent>,
    frontier: Vec<(i32, Committed)>,
    ending: Option<Ending>,
}

/// The end is decided, and nobody can see it yet.
#[derive(Debug, Clone, Copy)]
struct Ending {
    is_committed: bool,
    /// So many questions are answered before it shows.
    pending: u32,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: u64,
    open: Open,
}

/// Why a producer cannot do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Another has its name.
    Fenced,
    /// What was begun under its name is still ending.
    Ending,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Producers {
    by_name: BTreeMap<String, Producer>,
    /// What is committed, in the order of commits.
    pub(super) visible: Vec<Sent>,
    /// All that was ever committed of a partition and not lost; the last is C.
    pub(super) history: BTreeMap<i32, Vec<Committed>>,
}

impl Producers {
    /// A producer comes with a name: its predecessor is fenced, and what that had open is dropped.
    pub(super) fn connect(&mut self, name: &str) -> Result<u64, Refused> {
        self.look(|of| of == name);
        let producer = self.by_name.entry(name.to_owned()).or_default();
        if producer.open.ending.is_some() {
            return Err(Refused::Ending);
        }
        producer.open = Open::default();
        producer.epoch += 1;
        Ok(producer.epoch)
    }

    /// Another comes with the name.
    pub(super) fn fence(&mut self, name: &str) {
        if let Some(producer) = self.by_name.get_mut(name) {
            producer.epoch += 1;
            producer.open = Open::default();
        }
    }

    fn current(&mut self, name: &str, epoch: u64) -> Result<&mut Producer, Refused> {
        let producer = self.by_name.get_mut(name).filter(|producer| producer.epoch == epoch);
        producer.ok_or(Refused::Fenced)
    }

    pub(super) fn send(&mut self, name: &str, epoch: u64, sent: Vec<Sent>) -> Result<(), Refused> {
        self.current(name, epoch)?.open.sent.extend(sent);
        Ok(())
    }

    /// Commits, and everybody sees it.
    pub(super) fn commit(&mut self, name: &str, epoch: u64, frontier: &[(i32, Committed)]) -> Result<(), Refused> {
        self.end(name, epoch, frontier, true, 0)
    }

    /// The end of a transaction, which shows after so many questions.
    pub(super) fn end(
        &mut self,
        name: &str,
        epoch: u64,
        frontier: &[(i32, Committed)],
        is_committed: bool,
        pending: u32,
    ) -> Result<(), Refused> {
        let open = &mut self.current(name, epoch)?.open;
        open.frontier = frontier.to_vec();
        open.ending = Some(Ending { is_committed, pending });
        self.show_ended();
        Ok(())
    }

    /// Somebody looks at how far partitions are done.
    pub(super) fn words(&mut self, partitions: &[i32]) -> Vec<(i32, Word)> {
        self.look(|_| true);
        partitions.iter().map(|partition| (*partition, self.word(*partition))).collect()
    }

    fn word(&self, partition: i32) -> Word {
        let is_ending = |producer: &Producer| {
            let open = &producer.open;
            open.ending.is_some() && open.frontier.iter().any(|(of, _)| *of == partition)
        };
        match self.by_name.values().any(is_ending) {
            true => Word::Pending,
            false => Word::Stable(self.history.get(&partition).and_then(|history| history.last()).cloned()),
        }
    }

    /// Somebody looks: what has ended by now shows, and what is ending does one question later.
    fn look(&mut self, at: impl Fn(&str) -> bool) {
        self.show_ended();
        for (_, producer) in self.by_name.iter_mut().filter(|(name, _)| at(name)) {
            if let Some(ending) = &mut producer.open.ending {
                ending.pending = ending.pending.saturating_sub(1);
            }
        }
    }

    /// Whatever is ending has ended.
    pub(super) fn settle(&mut self) {
        self.by_name.values_mut().filter_map(|producer| producer.open.ending.as_mut()).for_each(|end| end.pending = 0);
        self.show_ended();
    }

    fn show_ended(&mut self) {
        for producer in self.by_name.values_mut() {
            let Some(ending) = producer.open.ending.filter(|ending| ending.pending == 0) else { continue };
            let Open { sent, frontier, .. } = std::mem::take(&mut producer.open);
            if ending.is_committed {
                self.visible.extend(sent);
                for (partition, committed) in frontier {
                    self.history.entry(partition).or_default().push(committed);
                }
            }
        }
    }
}
