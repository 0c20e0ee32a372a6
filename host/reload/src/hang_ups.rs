//! Hang-up signals: an operator asks for the plugins to be loaded anew, or the terminal is gone. Not the reload itself.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGHUP;

/// Hang-ups. Somebody asks for the plugins to be loaded anew; or the terminal, that the process was started at, is gone.
#[derive(Debug)]
pub struct HangUps {
    came: Arc<AtomicBool>,
    /// Whether the end of a terminal would have ended the process.
    ends_with_terminal: bool,
}

impl HangUps {
    /// From now on a hang-up no longer ends the process by itself.
    ///
    /// # Errors
    /// Signals cannot be handled.
    pub fn listen() -> std::io::Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        let ends_with_terminal = has_terminal() && !ignores_hang_ups();
        signal_hook::flag::register(SIGHUP, Arc::clone(&came))?;
        Ok(Self { came, ends_with_terminal })
    }

    pub(crate) fn take(&self) -> bool {
        self.came.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn is_terminal_gone(&self) -> bool {
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
