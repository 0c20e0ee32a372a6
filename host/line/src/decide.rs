//! The stage that decides: the rule of the engine, over what the state knows, by the partition's clock. The clock is this
//! stage's, and goes back with a rollback.

use engine::decide::{Batch, Decider, Outcome};
use engine::record::Millis;
use engine::state::PartitionState;
use engine::time::{Clock, ClockRules};

use crate::duplicate::Duplicate;
use crate::rules::Rules;
use crate::scratch::Scratch;
use crate::warnings::Warnings;

/// The clock of a line, now and as of its last commit.
pub(crate) struct LineClock {
    pub(crate) now: Clock,
    committed: Clock,
    rules: ClockRules,
}

impl LineClock {
    pub(crate) fn new(committed: Clock, rules: &Rules) -> Self {
        Self { now: committed.clone(), committed, rules: rules.window.clock }
    }

    pub(crate) fn watermark(&self) -> Option<Millis> {
        self.now.watermark(&self.rules)
    }

    /// What it is now is committed. Returns how often it went back since the last commit.
    pub(crate) fn commit(&mut self, warnings: &Warnings) -> u64 {
        let went_back = self.now.went_back().saturating_sub(self.committed.went_back());
        if went_back > 0 {
            warnings.clock_went_back(&self.committed, &self.now);
        }
        self.committed.clone_from(&self.now);
        went_back
    }

    pub(crate) fn rollback(&mut self) {
        self.now.clone_from(&self.committed);
    }
}

/// Decides which events of the batch are first of their keys, and stages those that are.
pub(crate) fn decide<S: PartitionState>(
    decider: &mut Decider,
    clock: &mut LineClock,
    scratch: &mut Scratch,
    state: &mut S,
) {
    let batch = Batch {
        candidates: &scratch.candidates,
        owners: &scratch.owners,
        keys: &scratch.keys,
        found: &scratch.found,
        elders: &scratch.elders,
        gone: state.gone(),
    };
    decider.decide(&batch, &mut clock.now, &mut scratch.decisions);
    state.stage(&scratch.decisions.writes);
}

/// The duplicates among the decisions; of some it is decided that they pass all the same.
pub(crate) fn list_duplicates(scratch: &mut Scratch, is_forwarded: impl Fn(u32) -> bool) {
    scratch.duplicates.clear();
    let mut event = 0;
    for (record, outcome) in (0_u32..).zip(&scratch.decisions.outcomes) {
        if let Outcome::Duplicate { key, original, elder } = *outcome {
            let forwarded = is_forwarded(record);
            scratch.duplicates.push(Duplicate { record, event, key, original, elder, forwarded });
        }
        event += u32::from(scratch.decoded.get(event as usize) == Some(&record));
    }
}
