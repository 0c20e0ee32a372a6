//! What is known about one partition: its phase, the reason, and the size of its state. Not which partitions there are.

use std::collections::BTreeMap;
use std::time::Instant;

use engine::record::Offset;
use engine::time::Unusable;
use serde::Serialize;

/// The phase of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Its state is being opened or fetched.
    Restoring,
    /// The part of the log that the state lacks is re-read.
    Replaying,
    /// Its records are decided and forwarded.
    Live,
    /// It waits for a plugin that works: the current one fails on too many events.
    Held,
    /// It is being released.
    Draining,
}

impl Phase {
    /// Its name, one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restoring => "restoring",
            Self::Replaying => "replaying",
            Self::Live => "live",
            Self::Held => "held",
            Self::Draining => "draining",
        }
    }
}

/// One owned partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// Its phase.
    pub phase: Phase,
    /// Why it is in this phase, in words; empty if the phase says it all.
    pub reason: String,
    /// What the client cannot read in its log, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// The next offset to read.
    pub position: Option<Offset>,
    /// The group's offset.
    pub committed: Option<Offset>,
    /// The offset up to which the state is on disk.
    pub applied: Option<Offset>,
    /// Records between the position and the end of the log.
    pub lag: Option<i64>,
    /// Offset after the last record, whatever transactions are open.
    pub log_end: Option<Offset>,
    /// Offset up to which committed records can be read: an open transaction upstream holds it back.
    pub stable_end: Option<Offset>,
    /// The number of the plugins that decide its records; 0 before it has any.
    pub plugin_generation: u64,
    /// What was wrong with the times of events, since the partition was assigned.
    #[serde(flatten)]
    pub times: TimeStatus,
    /// What is known of its checkpoints, by place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<CheckpointStatus>,
    /// The size of the state; left out of answers if it is not known.
    #[serde(flatten)]
    pub size: Option<StateSize>,
}

/// The checkpoints of a partition in one place, as far as this host made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointStatus {
    /// `local` or `s3`.
    pub place: &'static str,
    /// The offset up to which the newest reaches; `None`: there is none yet.
    pub offset: Option<Offset>,
    /// Its bytes.
    pub bytes: Option<u64>,
    /// How long ago it contained all of the state, or how long there could have been one.
    pub age_seconds: u64,
    /// Why the last attempt failed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}

/// A partition that is assigned and cannot be read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningStatus {
    /// What it waits for, in words.
    pub reason: String,
    /// Since when it is assigned.
    pub since: Instant,
}

impl OpeningStatus {
    pub(super) fn to_partition(&self) -> PartitionStatus {
        let seconds = self.since.elapsed().as_secs();
        PartitionStatus {
            reason: format!("{} ({seconds} s so far)", self.reason),
            ..PartitionStatus::new(Phase::Restoring)
        }
    }
}

/// What was wrong with the times of a partition's events. Counts of 0 are left out of answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TimeStatus {
    /// Events whose own time was of no use, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub event_times_unusable: BTreeMap<&'static str, u64>,
    /// Events called unique although the state has forgotten a part of their window.
    #[serde(skip_serializing_if = "is_zero")]
    pub decided_without_memory: u64,
    /// How often the clock of event time went back.
    #[serde(skip_serializing_if = "is_zero")]
    pub clock_went_back: u64,
}

impl TimeStatus {
    /// Adds what was committed; events whose own time was of no use are in the order of [`Unusable::ALL`].
    pub fn add(&mut self, unusable: &[u64; Unusable::ALL.len()], decided_without_memory: u64, clock_went_back: u64) {
        for (reason, events) in Unusable::ALL.iter().zip(unusable).filter(|(_, events)| **events > 0) {
            *self.event_times_unusable.entry(reason.as_str()).or_default() += events;
        }
        self.decided_without_memory += decided_without_memory;
        self.clock_went_back += clock_went_back;
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How large a partition's state is, and how far back it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StateSize {
    /// Keys remembered.
    pub keys: u64,
    /// Bytes on disk.
    pub state_bytes: u64,
    /// Bytes on disk of the originals that are kept for comparison.
    pub originals_bytes: u64,
    /// The effective window; `None` has no bound.
    pub window_seconds: Option<u64>,
    /// This many of the latest offsets are remembered, whatever their time; left out if nothing was dropped early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_offsets: Option<u64>,
}

impl PartitionStatus {
    /// A partition in this phase, of which nothing else is known.
    #[must_use]
    pub fn new(phase: Phase) -> Self {
        Self {
            phase,
            reason: String::new(),
            unreadable: None,
            position: None,
            committed: None,
            applied: None,
            lag: None,
            log_end: None,
            stable_end: None,
            plugin_generation: 0,
            times: TimeStatus::default(),
            checkpoints: Vec::new(),
            size: None,
        }
    }
}
