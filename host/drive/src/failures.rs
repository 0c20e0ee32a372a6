//! The first failure of a run, from whichever thread, which asks for its end. Not what the end takes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;
use crate::stop::Stop;

/// Where the threads of a run say that it cannot go on.
#[derive(Debug, Clone)]
pub struct Failures {
    first: Arc<Mutex<Option<Failure>>>,
    stop: Stop,
}

impl Failures {
    /// None so far. `stop` is what a failure asks for.
    #[must_use]
    pub fn new(stop: Stop) -> Self {
        Self { first: Arc::default(), stop }
    }

    /// The run cannot go on: it ends as after a stop, and returns the first failure.
    pub fn fail(&self, failure: Failure) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.stop.request();
    }

    /// What ends the run.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    pub(crate) fn take(&self) -> Option<Failure> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
