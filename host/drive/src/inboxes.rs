//! What workers are asked to do, and where that is put.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::growth::Growth;
use engine::protocol::Epoch;
use engine::protocol::start::Start;
use line::{Elders, Past};

use crate::assignment::Assignment;
use crate::dispatch::Delivered;
use crate::failure::Failure;
use crate::flow::Flow;
use crate::unreadable::Obstacle;

/// What a worker is asked to do, in this order and no other.
pub(crate) enum Work<S> {
    /// A partition comes, its state open.
    Opened(Box<Opened<S>>),
    /// Records of a partition.
    Batch(Box<Delivered>),
    /// The end of a partition: all of it that can be read was delivered before.
    End { partition: i32, epoch: Epoch },
    /// Something that cannot be read stands between what was delivered of a partition and what comes next.
    Obstacle(Box<Obstacle>),
    /// The input is over: what is decided is to be committed now, and the flows are to say what is.
    Over,
    /// Some partitions go; their flows say which, and how.
    Close,
}

/// A partition that can be read.
pub(crate) struct Opened<S> {
    pub(crate) assignment: Assignment,
    pub(crate) flow: Arc<Flow>,
    pub(crate) state: S,
    pub(crate) start: Start,
    /// What is known of the records below the committed offset.
    pub(crate) past: Past,
    pub(crate) laid_out: LaidOut,
}

/// How a partition goes on where the input may get more of them; by default it does not look.
#[derive(Default)]
pub(crate) struct LaidOut {
    /// Nothing is committed that may have been read when there were more.
    pub(crate) partitions: Option<i32>,
    /// Whether the others wait to hear of it.
    pub(crate) owes_record: bool,
    /// Where the input has grown, what it was before.
    pub(crate) growth: Option<Growth>,
    pub(crate) elders: Option<Box<dyn Elders>>,
}

/// The inboxes of the workers, for those who seldom ask them for anything.
pub(crate) struct Inboxes<S>(Mutex<Vec<Sender<Work<S>>>>);

impl<S> Inboxes<S> {
    pub(crate) fn new(inboxes: Vec<Sender<Work<S>>>) -> Self {
        Self(Mutex::new(inboxes))
    }

    pub(crate) fn send(&self, worker: usize, work: Work<S>) -> Result<(), Failure> {
        let inbox = self.lock().get(worker).cloned();
        inbox.and_then(|inbox| inbox.send(work).ok()).ok_or_else(|| Failure::bug("a worker is gone"))
    }

    /// How many workers there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Workers end when nobody can ask them for anything more.
    pub(crate) fn hang_up(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sender<Work<S>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
