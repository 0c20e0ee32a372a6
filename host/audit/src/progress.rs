//! How far a command is, on standard error: a line that moves where that is a terminal, else a line now and then. Not the
//! answer.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

/// Between two lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Records between two looks at the time.
const LOOK_EVERY: u64 = 8_192;

/// See the module.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    doing: String,
    done: u64,
    said: Instant,
    since: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = terminal::shows_progress().then(ProgressBar::new_spinner);
        Self { bar, doing: String::new(), done: 0, said: Instant::now(), since: Instant::now() }
    }

    /// From here on this is done.
    pub(crate) fn next(&mut self, doing: impl Into<String>) {
        (self.doing, self.done) = (doing.into(), 0);
        self.say();
    }

    /// One more.
    pub(crate) fn done(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(LOOK_EVERY) && (self.bar.is_some() || self.said.elapsed() >= LINE_EVERY) {
            self.say();
        }
    }

    fn say(&mut self) {
        self.said = Instant::now();
        let seconds = self.since.elapsed().as_secs();
        let line = format!("{}: {} records, {seconds} s", plain_text::line(&self.doing), self.done);
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            None if seconds > 0 => terminal::note(&line),
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
