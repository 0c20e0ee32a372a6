//! What a run is like: what the operator says, and in what one system differs from another. Values only.

use std::sync::Arc;
use std::time::Duration;

use engine::protocol::start::OnLogGap;
use engine::record::Offset;
use line::Rules;

use crate::in_force::InForce;

/// What a run is like.
#[derive(Clone)]
pub struct Setup {
    /// The input's name: with the number of a partition, what it is called.
    pub topic: String,
    /// What is known of the input as a whole.
    pub input: Arc<dyn Input>,
    /// The plugins, now and later.
    pub plugins: Arc<InForce>,
    /// The rules of every line.
    pub rules: Arc<Rules>,
    /// Threads that decide: one for each sink.
    pub workers: usize,
    /// Longest wait of one poll.
    pub poll_wait: Duration,
    /// What may be read and not yet decided.
    pub in_flight: InFlightLimits,
    /// When what is decided is committed.
    pub commits: Commits,
    /// State in memory is written at least this often, so that a crash replays little.
    pub persist_interval: Duration,
    /// How long workers may take to let go of partitions.
    pub release_timeout: Duration,
    /// What becomes of what goes wrong.
    pub policies: Policies,
    /// How long to wait before something is tried again.
    pub pauses: Pauses,
}

/// What may be read and not yet decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlightLimits {
    /// Records of all partitions.
    pub records: usize,
    /// Records of one of them.
    pub records_per_partition: usize,
    /// Bytes of all partitions.
    pub bytes: u64,
}

/// When what is decided is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commits {
    /// So long after the first record that is not.
    pub interval: Duration,
    /// Or when there are so many, however young they are: they are all read again if the commit fails.
    pub records_max: usize,
    /// Commits that fail in a row before a worker gives up.
    pub failures_max: u32,
    /// Characters of the progress record beside an offset, until the sink takes no text as long.
    pub text_chars_max: usize,
}

/// How long to wait before something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// To reach a sink that cannot be reached, or does not know yet how far the input is done.
    pub reconnect: Duration,
    /// To open a partition of which that is not known, or whose state is in use.
    pub opening: Duration,
    /// From when the input is seen to have grown until all that is sent by the layout of before is taken to be in the log.
    pub grown: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { reconnect: Duration::from_millis(500), opening: Duration::from_millis(250), grown: Duration::ZERO }
    }
}

/// What becomes of what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    /// The plugin is to blame for a batch that cannot be decided.
    pub on_stuck: OnStuck,
    /// A part of the input cannot be read.
    pub on_unreadable: OnUnreadable,
    /// The log does not have all any more that a start needs.
    pub on_log_gap: OnLogGap,
    /// A replay would have to guess.
    pub on_incomplete_progress: OnIncompleteProgress,
    /// The input has more partitions than before.
    pub on_partitions_added: OnPartitionsAdded,
}

/// The plugin is to blame for a batch that cannot be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStuck {
    /// The partition waits for a plugin that works, and is tried now and then. The others go on.
    Hold,
    /// The run ends, when what was decided before is committed.
    End,
}

/// What becomes of a part of the input that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnreadable {
    /// Its partition stops there, and is not ready; the others go on.
    Stop,
    /// It is passed over: a dead letter says where.
    Skip,
}

/// What becomes of keys that move to another partition because the input has more of them than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPartitionsAdded {
    /// They are new there: duplicates pass.
    Pass,
    /// Partitions are held until the keys from before are known to all of them.
    Hold,
}

/// What becomes of a replay that would have to guess which records went out undecided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnIncompleteProgress {
    /// Refuse to start, or wait for a plugin that works.
    Stop,
    /// Decide by what the plugin says now.
    Accept,
}

/// What is known of an input as a whole, and may change while it is read.
pub trait Input: Send + Sync {
    /// How many partitions it has, whoever reads them.
    fn partitions(&self) -> i32;

    /// The same, asked anew.
    ///
    /// # Errors
    /// There is no answer, in words.
    fn partitions_now(&self) -> Result<i32, String> {
        Ok(self.partitions())
    }

    /// Where a partition starts of which nothing is committed, if not at the start of its log.
    fn latest_from(&self, _partition: i32) -> Option<Offset> {
        None
    }
}

/// An input whose number of partitions never changes, and whose records are all read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions(pub i32);

impl Input for Partitions {
    fn partitions(&self) -> i32 {
        self.0
    }
}
