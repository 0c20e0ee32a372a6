//! Has the input topic looked at from time to time, on a separate thread, and the output topics asked what they take. What
//! follows from a look is the connector's business.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drive::{Failure, Failures, Input};
use engine::record::Offset;
use kafka_connector::{InputStatus, InputTopic, LimitsBook};
use reporting::Observed;

/// Time between two looks. New partitions are read once the group's leader has seen them, within half a minute.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Time between two questions for what the output topics take: an operator may change that.
const LIMITS_INTERVAL: Duration = Duration::from_secs(60);

/// How soon a stop is noticed.
const STOP_LOOK: Duration = Duration::from_millis(200);

/// The input, and who is told of it.
pub(super) struct Watched {
    topic: InputTopic,
    observed: Observed,
}

impl Watched {
    pub(super) fn new(topic: InputTopic, observed: &Observed) -> Self {
        let watched = Self { topic, observed: observed.clone() };
        watched.show();
        watched
    }

    pub(super) fn topic(&self) -> &InputTopic {
        &self.topic
    }

    /// Looks until the run ends.
    fn watch(&self, limits: &LimitsBook, failures: &Failures) {
        let (mut looked, mut asked) = (Instant::now(), Instant::now());
        while !failures.stop().is_requested() {
            std::thread::sleep(STOP_LOOK);
            if asked.elapsed() >= LIMITS_INTERVAL {
                limits.ask_again();
                asked = Instant::now();
            }
            if looked.elapsed() < LOOK_INTERVAL {
                continue;
            }
            if let Err(failure) = self.topic.look() {
                failures.fail(Failure::Source(failure.into()));
                return;
            }
            self.show();
            looked = Instant::now();
        }
    }

    /// The metric and the note of the status.
    fn show(&self) {
        let InputStatus { topic, partitions_at_first, partitions, note } = self.topic.status();
        self.observed.metrics.input_partitions(&topic, partitions_at_first, partitions);
        self.observed.status.set_notes(note.into_iter().collect());
    }
}

impl Input for Watched {
    fn partitions(&self) -> i32 {
        self.topic.partitions()
    }

    fn partitions_now(&self) -> Result<i32, String> {
        self.topic.partitions_now().map_err(|failure| failure.to_string())
    }

    fn latest_from(&self, partition: i32) -> Option<Offset> {
        self.topic.latest_from(partition)
    }
}

/// Starts the thread; it ends with the run.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn spawn(watched: Arc<Watched>, limits: Arc<LimitsBook>, failures: Failures) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name("topic".to_owned());
    thread.spawn(move || watched.watch(&limits, &failures)).map(drop).map_err(Failure::Thread)
}
