//! Where the log ends, asked from time to time on a separate thread: a slow broker costs nobody else's time. The
//! polling thread decides what to do with it, such as computing the lag.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use connectors::{Bounds, Inquiry};
use engine::record::Offset;

use crate::failure::Failure;
use crate::flow::Flows;

/// Time between two questions.
const INTERVAL: Duration = Duration::from_secs(5);

/// What does not answer within this time is asked again next time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon the thread notices that the run is over.
const LOOK: Duration = Duration::from_millis(200);

/// The last answers, by partition.
#[derive(Clone, Default)]
pub(crate) struct Ends(Arc<Mutex<BTreeMap<i32, Bounds>>>);

impl Ends {
    /// Asks for as long as the flows live.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(inquiry: Arc<impl Inquiry>, flows: Weak<Flows>) -> Result<Self, Failure> {
        let ends = Self::default();
        let answers = ends.clone();
        let thread = std::thread::Builder::new().name("log-ends".to_owned());
        thread.spawn(move || answers.ask_on(&*inquiry, &flows)).map_err(Failure::Thread)?;
        Ok(ends)
    }

    /// What was last heard of a partition, if anybody knows where it ends.
    pub(crate) fn of(&self, partition: i32) -> Option<Bounds> {
        let bounds = self.0.lock().ok().and_then(|answers| answers.get(&partition).copied());
        bounds.filter(|bounds| bounds.log_end != Offset::MAX)
    }

    fn ask_on(&self, inquiry: &impl Inquiry, flows: &Weak<Flows>) {
        let mut asked = Instant::now();
        loop {
            std::thread::sleep(LOOK);
            let Some(partitions) = flows.upgrade().map(|flows| flows.partitions()) else { return };
            if asked.elapsed() < INTERVAL || partitions.is_empty() {
                continue;
            }
            if let Ok(bounds) = inquiry.bounds(&partitions, ANSWER_TIMEOUT)
                && let Ok(mut answers) = self.0.lock()
            {
                *answers = bounds.into_iter().collect();
            }
            asked = Instant::now();
        }
    }
}
