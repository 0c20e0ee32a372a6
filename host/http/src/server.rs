//! The server: binds its address, answers on a thread of its own, and ends. Not what is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use observe::status::HEARTBEAT_AGE_MAX;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::admin::Gate;
use crate::config::HttpConfig;
use crate::connections;
use crate::error::HttpError;
use crate::origin::Names;
use crate::reload::ReloadClient;
use crate::room::{self, ANSWERING_TIME_MAX, ASKING_TIME_MAX, Room, Times};
use crate::routes::{Shared, router};
use crate::views::{Facts, Views};

/// How much lower the priority of the server's threads is than that of the line's.
const NICENESS: i32 = 5;

/// A server that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a server is made of.
pub(crate) struct Parts {
    pub(crate) facts: Facts,
    pub(crate) reload: ReloadClient,
    pub(crate) heartbeat_age_max: Duration,
    pub(crate) places: usize,
    pub(crate) times: Times,
}

/// Binds, then answers on a thread of its own. When this returns, requests are served.
/// `open_files_max` is how many files and sockets the process may have open.
///
/// # Errors
/// The address is not available.
pub fn serve(
    config: &HttpConfig,
    facts: Facts,
    reload: ReloadClient,
    open_files_max: u64,
) -> Result<HttpServer, HttpError> {
    let places = room::places(open_files_max);
    let times = Times { asking: ASKING_TIME_MAX, answering: ANSWERING_TIME_MAX };
    serve_with(config, Parts { facts, reload, heartbeat_age_max: HEARTBEAT_AGE_MAX, places, times })
}

pub(crate) fn serve_with(config: &HttpConfig, parts: Parts) -> Result<HttpServer, HttpError> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().thread_name("http-answers").build().map_err(HttpError::Start)?;
    let listener = runtime.block_on(async { connections::bind(config) })?;
    let address = listener.local_addr().map_err(HttpError::Start)?;
    say(address, &parts);
    let (stop, stopped) = oneshot::channel();
    let (names, gate) = (Names::of(config), config.admin_token.as_ref().map(Gate::new));
    let serve = move || {
        step_back();
        runtime.block_on(answer(listener, parts, names, gate, stopped));
    };
    let thread = std::thread::Builder::new().name("http".into()).spawn(serve).map_err(HttpError::Start)?;
    Ok(HttpServer { address, stop: Some(stop), thread: Some(thread) })
}

/// Logs where the server listens, and who can reach it there.
fn say(address: SocketAddr, parts: &Parts) {
    tracing::info!(%address, connections_max = parts.places, "http server listens");
    if !address.ip().to_canonical().is_loopback() && !parts.facts.insights.is_redacted() {
        tracing::warn!(
            %address,
            "everyone who can reach this address can read the values of events over http; to prevent this, use \
             --redact-values or --bind-host 127.0.0.1"
        );
    }
}

/// Gives the line precedence. On Linux this affects the calling thread and those that it starts; elsewhere it would affect
/// the process.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "cannot lower the priority of the http server");
    }
}

async fn answer(listener: TcpListener, parts: Parts, names: Names, gate: Option<Gate>, stopped: oneshot::Receiver<()>) {
    let Parts { facts, reload, heartbeat_age_max, places, times } = parts;
    let room = Arc::new(Room::new(places, times));
    let (views, metrics) = (Views::start(&facts, &room), facts.metrics.clone());
    let (names, strangers) = (Arc::new(names), Arc::default());
    let shared = Shared { facts, views, reload, heartbeat_age_max, names, strangers };
    connections::serve(listener, router(shared, gate), room, metrics, stopped).await;
}

impl HttpServer {
    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes the requests that are under way, within two seconds, and ends.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the http thread panicked");
        }
    }
}
