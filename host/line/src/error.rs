//! Why a line cannot go on, each with its way out. Not what is wrong with a record: that is a decision.

use std::error::Error;

use connectors::{Lane, SinkFailure};
use engine::projection::PointerError;
use engine::properties::TooManyRoots;
use engine::record::{Offset, TopicPartition};
use plugin::PluginFailure;

/// Why a line cannot go on. Bad records are never the reason, unless the operator wants to stop at them.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A pointer that is none.
    #[error("{0}")]
    Pointer(#[from] PointerError),
    /// The scorer asks for more than there can be.
    #[error("the scorer: {0}")]
    Roots(#[from] TooManyRoots),
    /// The plugin cannot be instantiated.
    #[error(transparent)]
    Load(#[from] plugin::LoadError),
    /// The plugin cannot be used at all any more.
    #[error(transparent)]
    Plugin(#[from] PluginFailure),
    /// The plugin failed on a record, and the policy is to stop.
    #[error(
        "the plugin failed on {partition} offset {offset}: {reason}; fix the plugin, or set --on-plugin-failure to \
         dead-letter or pass"
    )]
    PoisonRecord {
        /// Where the record is.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// What the plugin did.
        reason: String,
    },
    /// The plugin fails on so many events that it is to blame and not they. Nothing of the batch was sent or staged: what
    /// was processed before may be committed, and the batch may be tried again.
    #[error(
        "{partition} from offset {offset}: {reason}; fix the plugin and continue with --resume, or raise \
         --plugin-breaker, or set it to off"
    )]
    Breaker {
        /// Where the batch is.
        partition: TopicPartition,
        /// The offset of its first record.
        offset: Offset,
        /// What the plugin did.
        reason: String,
    },
    /// A record that was decided before cannot be decided as it was. Nothing of the batch was staged: it may be tried
    /// again.
    #[error(
        "{partition} offset {offset}, which was decided before the last commit, cannot be decided in the same way: \
         {reason}. to fix this: repair the plugin, or put back the one that decided it; or start with \
         --on-incomplete-progress accept, which replays the record as undecided, so that a later duplicate of it may \
         pass"
    )]
    Replay {
        /// Where the record is.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// What the plugin did.
        reason: String,
    },
    /// Keys of other partitions, from before the input grew, are not there yet. Nothing of the batch was looked at: it may be
    /// tried again.
    #[error("the topic has grown: {words}")]
    Elders {
        /// What is waited for.
        words: String,
    },
    /// A record can leave neither by its lane nor as a dead letter, and the policy is to stop.
    #[error(
        "{partition} offset {offset} cannot be sent to its lane, {}: {cause}. nothing of it was sent or committed. \
         to fix this: raise the limits of the topic or the producer (max.message.bytes, \
         message.timestamp.after.max.ms and the like; --kafka-property producer.message.max.bytes); set a \
         --dead-letter-topic, where it goes without its payload; or set --on-unsendable skip, which drops and counts \
         such records",
        lane.name()
    )]
    Unsendable {
        /// Where the record is.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// The lane.
        lane: Lane,
        /// What does not take it, and why.
        cause: String,
    },
    /// The state cannot be read or written.
    #[error("{0}")]
    State(Box<dyn Error + Send + Sync>),
    /// An output cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkFailure),
}

impl LineError {
    /// Of a state, whose own error goes along.
    pub(crate) fn state(failure: impl Error + Send + Sync + 'static) -> Self {
        Self::State(Box::new(failure))
    }
}
