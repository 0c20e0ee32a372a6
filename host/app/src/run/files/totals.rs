//! What a run over files adds up over all its parts, for its report: it travels with each commit. On a terminal, how far it
//! is. Not how it is reported.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use file_connector::{ProgressFile, ReadSoFar};
use indicatif::{ProgressBar, ProgressStyle};
use line::Tally;
use reporting::Tallied;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a run was up to its last commit.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) tally: Tally,
    /// Of all parts of an interrupted run.
    pub(super) seconds: f64,
}

impl Totals {
    /// As they are kept; none of a run that has not begun.
    pub(super) fn of(kept: &Value) -> Self {
        serde_json::from_value(kept.clone()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Adds up what is committed.
pub(super) struct Adding {
    /// As of the last commit, without the seconds of this part.
    totals: Mutex<Totals>,
    started: Instant,
    kept: ProgressFile,
    so_far: Arc<ReadSoFar>,
    bar: ProgressBar,
}

impl Adding {
    /// Goes on from what is kept.
    pub(super) fn from(kept: ProgressFile, so_far: Arc<ReadSoFar>) -> Self {
        let totals = Mutex::new(Totals::of(&kept.get().totals));
        Self { totals, started: Instant::now(), kept, so_far, bar: progress_bar() }
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With what is counted and not committed.
    fn with(&self, tally: &Tally) -> Totals {
        let mut totals = *self.lock();
        totals.tally.add(tally);
        totals.seconds += self.started.elapsed().as_secs_f64();
        totals
    }

    /// The run is at its end. What a commit found out about itself is added too; the seconds are those up to the last.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
        let Totals { seconds, .. } = Totals::of(&self.kept.get().totals);
        self.kept.set_totals(Totals { seconds, ..*self.lock() }.json());
    }
}

impl Tallied for Adding {
    fn batch(&self) {
        if let Some((read, total)) = self.so_far.get().filter(|_| !self.bar.is_hidden()) {
            self.bar.set_length(total);
            self.bar.set_position(read);
        }
    }

    fn committing(&self, tally: &Tally) {
        self.kept.set_totals(self.with(tally).json());
    }

    fn committed(&self, tally: &Tally) {
        let mut totals = self.lock();
        totals.tally.add(tally);
        let Tally { consumed, duplicate, .. } = totals.tally;
        self.bar.set_message(format!("{consumed} events, {duplicate} duplicates"));
    }
}

/// On a terminal only; elsewhere nothing is drawn.
fn progress_bar() -> ProgressBar {
    if !terminal::shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed} elapsed, {eta} left") {
        bar.set_style(style);
    }
    bar
}
