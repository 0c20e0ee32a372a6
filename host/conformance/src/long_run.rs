//! What came out of asking one instance for long: kept, because several rules look at it and it takes time. Not the
//! asking: see `rules`.

use std::cell::RefCell;
use std::rc::Rc;

use plugin::Role;

use crate::verdict::Failure;

/// What came out for one role.
#[derive(Debug, Clone)]
pub(crate) struct LongRun {
    /// Calls that were made.
    pub(crate) calls: usize,
    /// Events or pairs of all calls, and those of them that had not been seen before.
    pub(crate) items: usize,
    pub(crate) new_items: usize,
    /// Bytes of what they asked and of what was answered.
    pub(crate) crossed_bytes: usize,
    /// Memory after the first call, and after each quarter of them.
    pub(crate) memory_bytes: [usize; 5],
    /// Whether fewer calls were made than intended, as they cost too much.
    pub(crate) is_short: bool,
    /// The first answer that a fresh instance does not give.
    pub(crate) wrong: Option<Failure>,
    /// What ended it early, if anything did.
    pub(crate) ended: Option<Failure>,
}

/// What came out for each role that was asked for long.
#[derive(Debug, Default)]
pub(crate) struct LongRuns(RefCell<Vec<(Role, Rc<LongRun>)>>);

impl LongRuns {
    /// What came out for a role, if it was asked before.
    pub(crate) fn of(&self, role: Role) -> Option<Rc<LongRun>> {
        self.0.borrow().iter().find(|(other, _)| *other == role).map(|(_, run)| Rc::clone(run))
    }

    /// Keeps what came out for a role.
    pub(crate) fn keep(&self, role: Role, run: LongRun) -> Rc<LongRun> {
        let run = Rc::new(run);
        self.0.borrow_mut().push((role, Rc::clone(&run)));
        run
    }
}
