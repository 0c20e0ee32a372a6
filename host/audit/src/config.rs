//! What is to be verified, and by which rules the run decided: plain values. Not the settings that they come from.

use std::path::PathBuf;

use connectors::{ByLane, Lane};
use engine::projection::{JsonIn, Numbers};
use kafka_connector::{KafkaSettings, Topics};
use plugin::Plugin;

/// What becomes of late events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateEvents {
    /// They are forwarded.
    Pass,
    /// They leave by no lane.
    Drop,
    /// They have a lane.
    Divert,
}

/// What becomes of events without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeylessEvents {
    /// They are forwarded.
    Pass,
    /// They are dead letters.
    DeadLetter,
    /// They leave by no lane.
    Drop,
}

/// The rules of the run.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long a key is remembered, in milliseconds; `None`: for ever.
    pub window: Option<i64>,
    /// How far an event may be behind the clock and still be decided: lateness and out-of-orderness together.
    pub late_after: i64,
    /// How far ahead of the record's timestamp a time in the payload may be.
    pub time_jump_max: i64,
    /// Where the payload has the event's time; `None`: the record's timestamp.
    pub event_time: Option<String>,
    /// Where the event has its uuid.
    pub uuid_field: String,
    /// What text a number is to the plugin.
    pub numbers: Numbers,
    /// Members whose strings are JSON text.
    pub json_in: JsonIn,
    /// What becomes of late events.
    pub late: LateEvents,
    /// What becomes of events without a key.
    pub keyless: KeylessEvents,
    /// Whether records that a plugin fails on are forwarded.
    pub passes_failures: bool,
    /// Whether records that no lane takes are dropped.
    pub skips_unsendable: bool,
    /// Whether duplicates that are not similar are forwarded.
    pub forwards_dissimilar: bool,
    /// Whether values are hidden in records about duplicates.
    pub hides_values: bool,
    /// Whether an output may be repeated.
    pub at_least_once: bool,
}

/// A topic of input, and one for each lane that there is.
#[derive(Debug, Clone)]
pub struct KafkaPlaces {
    /// The cluster, the group and the input.
    pub settings: KafkaSettings,
    /// The lanes.
    pub topics: Topics,
}

/// A file of input, and one for each lane that there is.
#[derive(Debug, Clone)]
pub struct FilePlaces {
    /// The input.
    pub input: PathBuf,
    /// The lanes.
    pub lanes: ByLane<Option<PathBuf>>,
    /// The offset of the input's first record: those below were in inputs before.
    pub first_offset: i64,
    /// Longest line of the input.
    pub line_bytes_max: usize,
    /// How many times its size compressed input may expand to.
    pub expansion_max: Option<u64>,
}

/// Where input and lanes are.
#[derive(Debug, Clone)]
pub enum Places {
    /// At a broker.
    Kafka(Box<KafkaPlaces>),
    /// In files.
    Files(FilePlaces),
}

impl Places {
    /// Whether there is this lane.
    #[must_use]
    pub fn has(&self, lane: Lane) -> bool {
        self.name(lane).is_some()
    }

    /// The topic or the file of a lane.
    #[must_use]
    pub fn name(&self, lane: Lane) -> Option<String> {
        match self {
            Self::Kafka(kafka) => kafka.topics[lane].clone(),
            Self::Files(files) => files.lanes[lane].as_ref().map(|path| path.display().to_string()),
        }
    }

    /// The topic or the file of the input.
    #[must_use]
    pub fn input(&self) -> String {
        match self {
            Self::Kafka(kafka) => kafka.settings.topic.clone(),
            Self::Files(files) => files.input.display().to_string(),
        }
    }

    /// What records about others call the input.
    pub(crate) fn source(&self) -> &str {
        match self {
            Self::Kafka(kafka) => &kafka.settings.topic,
            Self::Files(_) => "(files)",
        }
    }
}

/// A place in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// This offset.
    Offset(i64),
    /// The first record of this time or later, in milliseconds.
    Time(i64),
}

/// An end of the span that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// For this partition only; `None`: for all that have none of their own.
    pub partition: Option<i32>,
    /// Where.
    pub at: At,
}

/// A request.
#[derive(Debug, Clone)]
pub struct VerifyConfig {
    /// Where input and lanes are.
    pub places: Places,
    /// Says what makes two events the same.
    pub extractor: Plugin,
    /// The rules of the run.
    pub rules: Rules,
    /// Records before these are read, and not judged.
    pub from: Vec<Bound>,
    /// Records from these on are not judged.
    pub to: Vec<Bound>,
    /// Bytes of memory for sorting.
    pub memory_bytes: usize,
    /// Where sorted rows go that do not fit.
    pub temp_dir: PathBuf,
    /// Violations of each kind that are shown.
    pub shown_max: usize,
}
