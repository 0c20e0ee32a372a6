//! What is said of checkpoints: in metrics and in the status. It decides nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use checkpoint::Published;
use engine::record::TopicPartition;
use observe::metrics::{CheckpointPlace, Metrics, PartitionMetrics, RestoreOrigin};
use observe::status::{CheckpointStatus, Status};

use crate::board::OnShelf;

/// See the module.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) metrics: Metrics,
    pub(crate) status: Arc<Status>,
}

impl Told {
    pub(crate) fn captured(&self, took: Duration) {
        self.metrics.process.checkpoint_capture_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, place: CheckpointPlace) {
        self.metrics.process.checkpoint_failures.inc(place);
    }

    pub(crate) fn published(&self, place: CheckpointPlace, published: &Published, took: Duration) {
        let process = &self.metrics.process;
        process.checkpoints.inc(place);
        process.checkpoint_sent_objects.inc_by(place, published.sent_objects as u64);
        process.checkpoint_sent_bytes.inc_by(place, published.sent_bytes);
        process.checkpoint_publish_seconds.observe(place, took.as_secs_f64());
    }

    pub(crate) fn opened(&self, origin: RestoreOrigin, took: Duration) {
        self.metrics.process.states_opened.inc(origin);
        if matches!(origin, RestoreOrigin::Local | RestoreOrigin::S3) {
            self.metrics.process.restore_seconds.observe(took.as_secs_f64());
        }
    }

    pub(crate) fn damaged(&self) {
        self.metrics.process.checkpoints_damaged.inc();
    }

    /// What is on the shelves of a partition that a worker has.
    pub(crate) fn standing(
        &self,
        source: &TopicPartition,
        metrics: &PartitionMetrics,
        shelves: &[(CheckpointPlace, &OnShelf)],
        now: Instant,
    ) {
        for (place, on_shelf) in shelves {
            let age = on_shelf.age(now).as_secs();
            metrics.checkpoint_age_seconds.set(*place, age.try_into().unwrap_or(i64::MAX));
            if let Some(newest) = &on_shelf.newest {
                metrics.checkpoint_offset.set(*place, newest.offset);
                metrics.checkpoint_bytes.set(*place, newest.bytes.try_into().unwrap_or(i64::MAX));
            }
        }
        let status = |(place, on_shelf): &(CheckpointPlace, &OnShelf)| CheckpointStatus {
            place: place.as_str(),
            offset: on_shelf.newest.map(|newest| newest.offset),
            bytes: on_shelf.newest.map(|newest| newest.bytes),
            age_seconds: on_shelf.age(now).as_secs(),
            failing: on_shelf.failing.clone(),
        };
        let checkpoints: Vec<CheckpointStatus> = shelves.iter().map(status).collect();
        self.status.update_partition(source, |status| status.checkpoints = checkpoints);
    }
}
