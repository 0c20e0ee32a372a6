//! A run, joined together and driven to its end.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use connectors::{Assignments, CommittingSink, Inquiry, Source};
use engine::state::DurableState;

use crate::assignments::{Assigner, Revoked};
use crate::ends::Ends;
use crate::failure::Failure;
use crate::failures::Failures;
use crate::flow::{Flow, Flows};
use crate::gathering::Gatherer;
use crate::ground::InquiringGround;
use crate::inboxes::{Inboxes, Work};
use crate::layouts::Layouts;
use crate::lineage::Lineage;
use crate::opening::Openings;
use crate::poller::{self, Ending, Poller};
use crate::report::Report;
use crate::setup::{OnPartitionsAdded, Setup};
use crate::states::{Copies, States};
use crate::unreadable::Inspector;
use crate::worker::{self, Taken, Worker};

/// Between two looks at whether workers have ended.
const END_LOOK: Duration = Duration::from_millis(2);

/// What a run needs beside its source and its sinks, from any thread.
pub struct Around<Q, T: States, R> {
    /// Answers about both ends of the run.
    pub inquiry: Arc<Q>,
    /// The states of partitions.
    pub states: Arc<T>,
    /// Whoever copies them.
    pub copies: Arc<dyn Copies<T::State>>,
    /// Whoever listens.
    pub report: Arc<R>,
}

/// Runs until the input is over, a stop is asked for, or it cannot go on. In any case partitions are drained, committed,
/// persisted and released before it returns, as far as that can be.
///
/// `connect` makes the source, which tells those `Assignments`, and [`Setup::workers`] sinks; a sink that has a predecessor
/// must have taken its place by then.
///
/// # Errors
/// Why it could not go on: the first that was told to `failures`, by a thread of the run or by anybody else.
pub fn run<C, K, Q, T, R>(
    setup: Setup,
    around: Around<Q, T, R>,
    failures: &Failures,
    connect: impl FnOnce(Arc<dyn Assignments>) -> Result<(C, Vec<K>), Failure>,
) -> Result<Ending, Failure>
where
    C: Source,
    K: CommittingSink + Send + 'static,
    Q: Inquiry,
    T: States,
    R: Report<T::State>,
{
    let setup = Arc::new(setup);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..setup.workers.max(1)).map(|_| mpsc::channel()).unzip();
    let inboxes = Arc::new(Inboxes::new(senders.clone()));
    let (flows, revoked, report) = (Arc::<Flows>::default(), Arc::<Revoked>::default(), Arc::clone(&around.report));
    let (inquiry, copies) = (Arc::clone(&around.inquiry), Arc::clone(&around.copies));
    let gatherer = gatherer(&setup, &around, failures);
    let ground = ground(&setup, around, &inboxes, failures, gatherer.clone());
    let openings = Arc::new(Openings::start(ground, senders.len(), setup.pauses.opening)?);
    let assigner = Assigner {
        inboxes: Arc::clone(&inboxes),
        flows: Arc::clone(&flows),
        revoked: Arc::clone(&revoked),
        openings: Arc::clone(&openings),
        release_timeout: setup.release_timeout,
        report: Arc::clone(&report),
    };
    let inspector = Inspector::start(Arc::clone(&inquiry), failures.stop().clone())?;
    let ends = Ends::start(inquiry, Arc::downgrade(&flows))?;
    let (source, sinks) = connect(Arc::new(assigner))?;
    let (reading, readings) = mpsc::channel();
    let told = Arc::clone(&openings);
    let taken: Taken = Arc::new(move |partition, flow: &Arc<Flow>| told.taken(partition, flow));
    let ties = || worker::Ties {
        report: Arc::clone(&report),
        copies: Arc::clone(&copies),
        failures: failures.clone(),
        readings: reading.clone(),
        taken: Arc::clone(&taken),
    };
    let threads = start_workers(&setup, ties, sinks, receivers)?;
    let timeout = setup.release_timeout;
    let ties = poller::Ties { inboxes: senders, readings, flows, revoked, ends, inspector, report };
    let mut poller = Poller::new(source, setup, ties);
    let polled = poller.go(failures.stop());
    let deadline = Instant::now() + timeout;
    let source = poller.leave();
    inboxes.hang_up();
    openings.end(deadline);
    gatherer.iter().for_each(|gatherer| gatherer.end(deadline));
    let ended = wait_ended(&threads, deadline, timeout);
    if let Some(failure) = failures.take() {
        return Err(failure);
    }
    let ending = polled?;
    ended?;
    drop(source);
    tracing::info!("drained, committed and closed");
    Ok(ending)
}

/// Where partitions are held until the keys from before the input grew are known to all of them.
fn gatherer<Q: Inquiry, T: States, R>(
    setup: &Setup,
    around: &Around<Q, T, R>,
    failures: &Failures,
) -> Option<Arc<Gatherer<Q, T>>> {
    let gathers = setup.policies.on_partitions_added == OnPartitionsAdded::Hold;
    gathers.then(|| {
        Arc::new(Gatherer {
            topic: setup.topic.clone(),
            inquiry: Arc::clone(&around.inquiry),
            states: Arc::clone(&around.states),
            rules: Arc::clone(&setup.rules),
            plugins: Arc::clone(&setup.plugins),
            on_incomplete_progress: setup.policies.on_incomplete_progress,
            pause: setup.pauses.opening,
            failures: failures.clone(),
            latest: Mutex::default(),
            threads: Mutex::default(),
        })
    })
}

fn ground<Q: Inquiry, T: States, R: Report<T::State>>(
    setup: &Setup,
    around: Around<Q, T, R>,
    inboxes: &Arc<Inboxes<T::State>>,
    failures: &Failures,
    gatherer: Option<Arc<Gatherer<Q, T>>>,
) -> InquiringGround<Q, T, R> {
    let Around { inquiry, states, report, .. } = around;
    InquiringGround {
        topic: setup.topic.clone(),
        inquiry,
        states,
        report,
        input: Arc::clone(&setup.input),
        rules: Arc::clone(&setup.rules),
        lineage: Lineage::default(),
        layouts: Layouts::default(),
        gatherer,
        grown: Mutex::default(),
        grown_wait: setup.pauses.grown,
        on_log_gap: setup.policies.on_log_gap,
        on_incomplete_progress: setup.policies.on_incomplete_progress,
        inboxes: Arc::clone(inboxes),
        failures: failures.clone(),
    }
}

/// A thread for each worker.
fn start_workers<K, S, R>(
    setup: &Arc<Setup>,
    ties: impl Fn() -> worker::Ties<S, R>,
    sinks: Vec<K>,
    inboxes: Vec<Receiver<Work<S>>>,
) -> Result<Vec<JoinHandle<()>>, Failure>
where
    K: CommittingSink + Send + 'static,
    S: DurableState + Send + 'static,
    R: Report<S>,
{
    if sinks.len() != inboxes.len() {
        return Err(Failure::bug(format!("{} sinks for {} workers", sinks.len(), inboxes.len())));
    }
    let start = |(index, (sink, inbox)): (usize, (K, Receiver<Work<S>>))| {
        let (setup, ties) = (Arc::clone(setup), ties());
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        thread.spawn(move || Worker::new(setup, ties, sink).run(&inbox)).map_err(Failure::Thread)
    };
    sinks.into_iter().zip(inboxes).enumerate().map(start).collect()
}

fn wait_ended(threads: &[JoinHandle<()>], deadline: Instant, timeout: Duration) -> Result<(), Failure> {
    while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
        std::thread::sleep(END_LOOK);
    }
    match threads.iter().filter(|thread| !thread.is_finished()).count() {
        0 => Ok(()),
        workers => Err(Failure::NotDrained { workers, timeout }),
    }
}
