//! Processor time: what work takes, whatever else the machine does meanwhile. Not the clock on the wall.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Processor time of this thread so far.
#[must_use]
pub fn thread_time() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// Processor time of all threads of this process so far.
pub(crate) fn process_time() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

fn duration(time: Timespec) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn work_takes_processor_time_and_waiting_takes_none() {
        let (thread, process) = (thread_time(), process_time());
        std::thread::sleep(Duration::from_millis(50));
        assert!(thread_time() - thread < Duration::from_millis(40));
        let started = Instant::now();
        while thread_time() - thread < Duration::from_millis(50) {
            assert!(started.elapsed() < Duration::from_secs(60), "no time passes");
        }
        assert!(process_time() - process >= Duration::from_millis(50));
    }
}
