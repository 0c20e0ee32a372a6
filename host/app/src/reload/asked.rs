//! Who asks for a reload: an operator over HTTP, who waits for the result, or a hang-up signal. Not the reload itself.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde::Serialize;
use signal_hook::consts::SIGHUP;
use tokio::sync::oneshot;

/// Requests that wait for their turn.
const WAITING_MAX: usize = 8;

/// How long one of them waits for its answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);

/// What became of a swap that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum Swap {
    /// Other plugins are in force.
    Swapped {
        /// Their number.
        generation: u64,
        /// Name, version and digest of each.
        plugins: Vec<String>,
    },
    /// The files are those of the plugins in force.
    Unchanged {
        /// The number of the plugins in force.
        generation: u64,
    },
    /// The plugins in force stay.
    Refused {
        /// Their number.
        generation: u64,
        /// Why, and what can be done.
        reason: String,
    },
    /// It takes longer than anybody waits for it. It goes on, and the status says how it ended.
    Pending,
}

/// Asks for a swap from another thread. Clones ask the same.
#[derive(Debug, Clone)]
pub struct Asking(SyncSender<oneshot::Sender<Swap>>);

/// Where requests arrive.
#[derive(Debug)]
pub struct Asked(pub(super) Receiver<oneshot::Sender<Swap>>);

/// The two ends of a line of requests.
#[must_use]
pub fn requests() -> (Asking, Asked) {
    let (ask, asked) = sync_channel(WAITING_MAX);
    (Asking(ask), Asked(asked))
}

#[cfg(test)]
impl Asked {
    /// Answers as many requests as there are answers, then none.
    pub(crate) fn answer(self, swaps: impl IntoIterator<Item = Swap>) {
        for swap in swaps {
            drop(self.0.recv().unwrap().send(swap));
        }
    }
}

impl Asking {
    /// Waits until the swap is done or refused, or takes too long. `None`: nobody takes requests now, or too many are
    /// waiting.
    pub async fn ask(&self) -> Option<Swap> {
        self.ask_for(ANSWER_TIME_MAX).await
    }

    async fn ask_for(&self, time_max: Duration) -> Option<Swap> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(reply).ok()?;
        match tokio::time::timeout(time_max, answer).await {
            Ok(answer) => answer.ok(),
            Err(_) => Some(Swap::Pending),
        }
    }
}

/// Hang-ups. Somebody asks for the plugins to be loaded anew; or the terminal, that the process was started at, is gone.
#[derive(Debug)]
pub(crate) struct HangUps {
    came: Arc<AtomicBool>,
    /// Whether the end of a terminal would have ended the process.
    ends_with_terminal: bool,
}

impl HangUps {
    /// From now on a hang-up no longer ends the process by itself.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        let ends_with_terminal = has_terminal() && !ignores_hang_ups();
        signal_hook::flag::register(SIGHUP, Arc::clone(&came))?;
        Ok(Self { came, ends_with_terminal })
    }

    pub(super) fn take(&self) -> bool {
        self.came.swap(false, Ordering::Relaxed)
    }

    pub(super) fn is_terminal_gone(&self) -> bool {
        self.ends_with_terminal && !has_terminal()
    }
}

fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// As `nohup` has it: the first signal is the lowest bit of the mask.
fn ignores_hang_ups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_ever_and_who_gave_up_is_not_answered() {
        let (asking, asked) = requests();
        assert_eq!(asking.ask_for(Duration::from_millis(20)).await, Some(Swap::Pending));
        assert!(asked.0.recv().unwrap().is_closed());
        drop(asked);
        assert_eq!(asking.ask_for(Duration::from_secs(60)).await, None);
    }
}
