//! How far a command is, on standard error: a bar where that is a terminal, else now and then a line, so that nobody waits
//! for what seems to hang. Not the answer.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Steps of a command, some of which may take long.
pub(super) struct Steps {
    bar: ProgressBar,
    /// What is done, for the lines.
    state: Arc<Mutex<State>>,
    /// Its end is the end of the lines.
    lines: Option<(Sender<()>, JoinHandle<()>)>,
}

#[derive(Debug)]
struct State {
    what: &'static str,
    done: usize,
    all: usize,
    doing: String,
    since: Instant,
}

impl State {
    fn line(&self) -> String {
        let Self { what, done, all, doing, since } = self;
        format!("{done} of {all} {what}, {} s: {}", since.elapsed().as_secs(), plain_text::line(doing))
    }
}

impl Steps {
    /// So many steps, the first of which is being prepared.
    pub(super) fn new(what: &'static str, all: usize, doing: &str) -> Self {
        let bar = ProgressBar::new(all as u64);
        if let Ok(style) =
            ProgressStyle::with_template(&format!("{{bar:30}} {{pos}} of {{len}} {what}  {{msg}}  {{elapsed}}"))
        {
            bar.set_style(style);
        }
        bar.set_message(doing.to_owned());
        let state = State { what, done: 0, all, doing: doing.to_owned(), since: Instant::now() };
        let state = Arc::new(Mutex::new(state));
        let lines = if bar.is_hidden() {
            let (end, ended) = channel();
            let shown = Arc::clone(&state);
            let lines = move || {
                while ended.recv_timeout(LINE_EVERY) == Err(RecvTimeoutError::Timeout) {
                    let line = shown.lock().unwrap_or_else(PoisonError::into_inner).line();
                    terminal::note(&line);
                }
            };
            Some((end, std::thread::spawn(lines)))
        } else {
            bar.enable_steady_tick(Duration::from_millis(100));
            None
        };
        Self { bar, state, lines }
    }

    /// From here on this is done.
    pub(super) fn next(&self, doing: &str) {
        self.bar.set_message(doing.to_owned());
        doing.clone_into(&mut self.locked().doing);
    }

    /// It is done.
    pub(super) fn done(&self) {
        self.bar.inc(1);
        self.locked().done += 1;
    }

    /// Writes something else while no bar is in its way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Nothing more is told.
    pub(super) fn finish(&mut self) {
        self.bar.finish_and_clear();
        if let Some((end, lines)) = self.lines.take() {
            drop(end);
            // It has nothing to say of how it ended.
            let _ = lines.join();
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.finish();
    }
}
