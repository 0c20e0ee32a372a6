//! The HTTP server: live page, status, readiness, liveness, metrics. It is read-only, except for the addresses under
//! `/admin`, which exist only for callers that know the token.
//!
//! It has a separate thread and a small runtime, so that the line stays synchronous and a busy host still answers; that
//! thread has a lower priority than the line. Anyone who can reach the port may try anything: connections are bounded
//! (`room`), expensive answers are shared (`views`), and liveness waits for neither.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use observe::insights::Insights;
use observe::metrics::Metrics;
use observe::status::{Snapshot, Status};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::admin::Gate;
use self::origin::Names;
use self::room::{ANSWERING_TIME_MAX, ASKING_TIME_MAX, Room, Seat, Times};
use self::seldom::Seldom;
use self::views::{Facts, View, Views};
use crate::descriptors;
use crate::reload::{Asking, Swap};
use crate::settings::config::HttpConfig;

mod admin;
mod as_json;
mod connections;
mod origin;
pub mod page;
mod room;
mod seldom;
mod unhurried;
mod views;

/// A line that has not turned for this long is not alive. Longer than any one step it takes: a transaction may wait for
/// the broker until its timeout, 15 s by default.
pub const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(60);

/// How far the threads of the server stand behind those of the line where there are too few processors for all.
const NICENESS: i32 = 10;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another process listens there.
    #[error("http address {0} is in use: stop the other process, or give another --bind-port (0 takes a free one)")]
    AddressInUse(String),
    /// The address is not one of this machine, or not allowed.
    #[error("http address {address} cannot be bound: {cause}; check --bind-host and --bind-port")]
    Bind {
        /// What was asked for.
        address: String,
        /// What the system says.
        cause: io::Error,
    },
    /// No thread or runtime to be had.
    #[error("http server cannot be started: {0}")]
    Start(io::Error),
}

/// A server that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a server is made of.
struct Parts {
    facts: Facts,
    reload: Asking,
    heartbeat_age_max: Duration,
    places: usize,
    times: Times,
}

/// What every answer may need.
#[derive(Clone)]
struct Shared {
    facts: Facts,
    views: Views,
    reload: Asking,
    heartbeat_age_max: Duration,
    names: Arc<Names>,
    strangers: Arc<Seldom>,
}

/// Binds, then answers on a thread of its own. When it returns, the address is taken and requests are served.
///
/// # Errors
/// If the address cannot be had.
pub fn serve(
    config: &HttpConfig,
    status: Arc<Status>,
    metrics: Metrics,
    insights: Arc<Insights>,
    reload: Asking,
) -> Result<HttpServer, HttpError> {
    let facts = Facts { status, metrics, insights };
    let places = room::places(descriptors::limit());
    let times = Times { asking: ASKING_TIME_MAX, answering: ANSWERING_TIME_MAX };
    serve_with(config, Parts { facts, reload, heartbeat_age_max: HEARTBEAT_AGE_MAX, places, times })
}

fn serve_with(config: &HttpConfig, parts: Parts) -> Result<HttpServer, HttpError> {
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

/// Says where the server listens, and what that opens to whom.
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

/// Lets the line go first. On Linux this concerns the calling thread and those it starts, elsewhere it would be the process.
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
    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers what is under way, at most two seconds long, and ends.
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

fn router(shared: Shared, gate: Option<Gate>) -> Router {
    let view = |view: View| get(async move |State(shared): State<Shared>| shared.views.get(view).await);
    let mut router = Router::new()
        .route("/", get(index))
        .route(READINESS, view(View::Readiness))
        .route(LIVENESS, get(liveness))
        .route("/metrics", view(View::Metrics))
        .route("/api/status", view(View::Status))
        .route("/api/duplicates", view(View::Duplicates))
        .route("/api/keys", view(View::Keys))
        .route("/api/latest", view(View::Latest));
    for file in page::FILES {
        router = router.route(file.path, get(async || page_file(file)));
    }
    if let Some(gate) = gate {
        let gate = Arc::new(gate);
        let reload =
            async move |State(shared): State<Shared>,
                        Extension(seat): Extension<Arc<Seat>>,
                        method: Method,
                        headers: HeaderMap| { reload(&shared, &gate, &seat, &method, &headers).await };
        router = router.route(RELOAD, any(reload));
    }
    router
        .fallback(async || {
            refuse(
                StatusCode::NOT_FOUND,
                "there is no such page: try /, /_readiness, /_liveness, /metrics or /api/status",
            )
        })
        .method_not_allowed_fallback(async || refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered"))
        .layer(middleware::from_fn_with_state(shared.clone(), meant))
        .layer(middleware::from_fn_with_state(shared.clone(), counted))
        .with_state(shared)
}

fn page_file(file: &'static page::PageFile) -> Response {
    let headers = [(header::CONTENT_TYPE, file.content_type), (header::CACHE_CONTROL, page::CACHE_CONTROL)];
    (headers, file.text).into_response()
}

/// Bytes of an unknown Host that are logged.
const HOST_BYTES_SHOWN: usize = 100;

/// What orchestrators ask.
const LIVENESS: &str = "/_liveness";
const READINESS: &str = "/_readiness";

/// Where plugins are reloaded.
const RELOAD: &str = "/admin/plugins/reload";

/// No page of another site may show or run what is answered here.
const CROSS_ORIGIN_RESOURCE_POLICY: header::HeaderName =
    header::HeaderName::from_static("cross-origin-resource-policy");

/// The paths that have a series of their own; everything else is `other`, so that nobody can make series.
const COUNTED: [&str; 9] =
    ["/", READINESS, LIVENESS, "/metrics", "/api/status", "/api/duplicates", "/api/keys", "/api/latest", RELOAD];

async fn counted(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let path = COUNTED.into_iter().find(|path| *path == request.uri().path()).unwrap_or("other");
    let mut response = next.run(request).await;
    shared.facts.metrics.http_request(path, response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(header::HeaderValue::from_static(value));
    }
    response
}

/// Refuses what was not meant for this server, and orders of foreign pages. Probes ask by whatever name they were given, and
/// must not fail by it: they learn yes or no.
async fn meant(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if !shared.names.are_meant(request.uri(), request.headers()) {
        return match request.uri().path() {
            LIVENESS => next.run(request).await,
            READINESS => only_whether_ready(&shared).await,
            _ => stranger(&shared, request.headers()),
        };
    }
    if origin::is_foreign_order(request.method(), request.headers()) {
        return refuse(StatusCode::FORBIDDEN, "a page from another origin cannot send commands here");
    }
    next.run(request).await
}

async fn only_whether_ready(shared: &Shared) -> Response {
    match shared.views.get(View::Readiness).await {
        Ok(made) => as_json::response(made.code, &json!({ "ready": made.code == StatusCode::OK })),
        Err(failed) => failed,
    }
}

fn stranger(shared: &Shared, headers: &HeaderMap) -> Response {
    if let Some(times) = shared.strangers.happened() {
        let host = headers.get(header::HOST).map(|host| shown(host.as_bytes())).unwrap_or_default();
        tracing::warn!(
            ?host,
            times,
            "http requests with an unknown Host were refused; --http-allowed-hosts allows more names"
        );
    }
    refuse(
        StatusCode::MISDIRECTED_REQUEST,
        "the Host header is neither an address, nor localhost, nor an allowed name: use an address, or add the name \
         to --http-allowed-hosts",
    )
}

/// The beginning of what may be anything.
fn shown(host: &[u8]) -> String {
    String::from_utf8_lossy(host.get(..HOST_BYTES_SHOWN).unwrap_or(host)).into_owned()
}

fn refuse(code: StatusCode, reason: &str) -> Response {
    as_json::response(code, &json!({ "error": reason }))
}

async fn index(State(shared): State<Shared>, headers: HeaderMap) -> Result<views::Made, Response> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let view = if accept.contains("text/html") {
        View::Page
    } else if accept.contains("application/json") {
        View::Status
    } else {
        View::Text
    };
    shared.views.get(view).await
}

async fn liveness(State(shared): State<Shared>) -> Response {
    let (age, limit) = (shared.facts.status.heartbeat_age(), shared.heartbeat_age_max);
    let alive = age <= limit;
    let code = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (age, limit) = (millis(age), millis(limit));
    as_json::response(code, &json!({ "alive": alive, "heartbeat_age_ms": age, "heartbeat_age_max_ms": limit }))
}

/// Loads the plugins' files anew, for who shows the token. Who does not is told nothing.
async fn reload(
    shared: &Shared,
    gate: &Gate,
    seat: &Seat,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Response> {
    gate.pass(seat.peer, headers).await?;
    if method != Method::POST {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "only POST is answered"));
    }
    seat.keep();
    Ok(match shared.reload.ask().await {
        Some(swap @ (Swap::Swapped { .. } | Swap::Unchanged { .. })) => as_json::response(StatusCode::OK, &swap),
        Some(swap @ Swap::Refused { .. }) => as_json::response(StatusCode::CONFLICT, &swap),
        Some(swap @ Swap::Pending) => as_json::response(StatusCode::ACCEPTED, &swap),
        None => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "no plugins are loaded yet, the host is stopping, or other reload requests are waiting: try again",
        ),
    })
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The columns of the partition table, for the page and for text.
const COLUMNS: [&str; 7] = ["partition", "phase", "position", "committed", "applied", "lag", "reason"];

fn rows(snapshot: &Snapshot) -> Vec<[String; COLUMNS.len()]> {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let row = |owned: &observe::status::OwnedPartition| {
        let status = &owned.status;
        [
            format!("{}[{}]", owned.topic, owned.partition),
            status.phase.as_str().to_owned(),
            number(status.position),
            number(status.committed),
            number(status.applied),
            number(status.lag),
            status.reason.clone(),
        ]
    };
    snapshot.partitions.iter().map(row).collect()
}

/// The last attempt to swap plugins, in words.
fn last_swap(snapshot: &Snapshot) -> Option<String> {
    let swap = snapshot.last_swap.as_ref()?;
    let seconds = (now_ms() - swap.at).max(0) / 1_000;
    Some(format!("plugins {} {seconds} s ago, asked for by {}: {}", swap.result, swap.by, swap.detail))
}

fn headline(snapshot: &Snapshot) -> String {
    let ready = if snapshot.ready { "ready".to_owned() } else { format!("not ready: {}", snapshot.reasons.join("; ")) };
    let (version, seconds) = (snapshot.version, snapshot.uptime_seconds);
    format!("dedup-host {version}, up {seconds} s, heartbeat {} ms ago, {ready}", snapshot.heartbeat_age_ms)
}

fn plain(snapshot: &Snapshot) -> String {
    let mut lines = vec![headline(snapshot)];
    let plugin = |plugin: &observe::status::PluginStatus| {
        format!("plugin {} {} sha256:{}", plugin.name, plugin.version, plugin.digest)
    };
    lines.extend(snapshot.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(snapshot.plugins.iter().map(plugin));
    lines.extend(last_swap(snapshot));
    for row in rows(snapshot) {
        let cells = COLUMNS.iter().zip(&row).skip(1).filter(|(_, cell)| !cell.is_empty());
        let cells = cells.map(|(column, cell)| format!(" {column}={cell}")).collect::<String>();
        lines.push(format!("{}{cells}", row.first().map(String::as_str).unwrap_or_default()));
    }
    lines.iter().map(|line| plain_text::line(line) + "\n").collect()
}

#[cfg(test)]
mod abuse_tests;
#[cfg(test)]
mod tests;
