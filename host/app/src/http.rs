//! The HTTP server: live page, status, readiness, liveness, metrics. It only reads, but for the addresses under `/admin`,
//! which are there only for those who know the token.
//!
//! It has a thread and a small runtime of its own, so that the line stays synchronous and a busy line still answers.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::insights::Insights;
use crate::metrics::Metrics;
use crate::reload::{Asking, Swap};
use crate::settings::config::{HttpConfig, Secret};
use crate::status::{Snapshot, Status};

pub mod page;

/// A line that has not turned for this long is not alive. Longer than any one step it takes: a transaction may wait for
/// the broker until its timeout, 15 s by default.
pub const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(60);

/// How long a stop waits for requests that are under way.
const STOP_WAIT_MAX: Duration = Duration::from_secs(2);

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

#[derive(Clone)]
struct Shared {
    status: Arc<Status>,
    metrics: Metrics,
    insights: Arc<Insights>,
    reload: Asking,
    heartbeat_age_max: Duration,
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
    serve_with(config, Shared { status, metrics, insights, reload, heartbeat_age_max: HEARTBEAT_AGE_MAX })
}

fn serve_with(config: &HttpConfig, shared: Shared) -> Result<HttpServer, HttpError> {
    let listener = bind(config)?;
    let address = listener.local_addr().map_err(HttpError::Start)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HttpError::Start)?;
    let (stop, stopped) = oneshot::channel();
    let router = router(shared, config.admin_token.as_ref());
    let serve = move || runtime.block_on(answer(listener, router, stopped));
    let thread = std::thread::Builder::new().name("http".into()).spawn(serve).map_err(HttpError::Start)?;
    Ok(HttpServer { address, stop: Some(stop), thread: Some(thread) })
}

fn bind(config: &HttpConfig) -> Result<TcpListener, HttpError> {
    let address = format!("{}:{}", config.host, config.port);
    let refused = |cause: io::Error| {
        if cause.kind() == io::ErrorKind::AddrInUse {
            return HttpError::AddressInUse(address.clone());
        }
        HttpError::Bind { address: address.clone(), cause }
    };
    let addresses = (config.host.as_str(), config.port).to_socket_addrs().map_err(refused)?.collect::<Vec<_>>();
    let listener = TcpListener::bind(addresses.as_slice()).map_err(refused)?;
    listener.set_nonblocking(true).map_err(HttpError::Start)?;
    Ok(listener)
}

async fn answer(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "http server ended"),
    };
    let (begin, begun) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async {
        // A dropped sender is a stop as well.
        let _ = begun.await;
    });
    let deadline = async {
        let _ = stopped.await;
        drop(begin);
        tokio::time::sleep(STOP_WAIT_MAX).await;
    };
    tokio::select! {
        ended = serving => if let Err(error) = ended { tracing::error!(%error, "http server ended") },
        () = deadline => tracing::warn!("http requests still open at the stop were cut off"),
    }
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

fn router(shared: Shared, admin_token: Option<&Secret>) -> Router {
    let mut router = Router::new()
        .route("/", get(index))
        .route("/_readiness", get(readiness))
        .route("/_liveness", get(liveness))
        .route("/metrics", get(metrics))
        .route("/api/status", get(async |State(shared): State<Shared>| Json(shared.status.snapshot())))
        .route("/api/duplicates", get(async |State(shared): State<Shared>| Json(shared.insights.duplicates(now_ms()))))
        .route("/api/keys", get(async |State(shared): State<Shared>| Json(shared.insights.keys())))
        .route("/api/latest", get(async |State(shared): State<Shared>| Json(shared.insights.latest())));
    for file in page::FILES {
        router = router.route(file.path, get(async || page_file(file)));
    }
    if let Some(token) = admin_token {
        let token = digest(token.expose());
        let reload = async move |State(shared): State<Shared>, method: Method, headers: HeaderMap| {
            reload(&shared, &token, &method, &headers).await
        };
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
        .layer(middleware::from_fn_with_state(shared.clone(), counted))
        .with_state(shared)
}

fn page_file(file: &'static page::PageFile) -> Response {
    let headers = [(header::CONTENT_TYPE, file.content_type), (header::CACHE_CONTROL, page::CACHE_CONTROL)];
    (headers, file.text).into_response()
}

/// Where plugins are reloaded.
const RELOAD: &str = "/admin/plugins/reload";

/// The paths that have a series of their own; everything else is `other`, so that nobody can make series.
const COUNTED: [&str; 9] = [
    "/",
    "/_readiness",
    "/_liveness",
    "/metrics",
    "/api/status",
    "/api/duplicates",
    "/api/keys",
    "/api/latest",
    RELOAD,
];

async fn counted(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let path = COUNTED.into_iter().find(|path| *path == request.uri().path()).unwrap_or("other");
    let mut response = next.run(request).await;
    shared.metrics.http_request(path, response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(header::HeaderValue::from_static(value));
    }
    response
}

fn refuse(code: StatusCode, reason: &str) -> Response {
    (code, Json(json!({ "error": reason }))).into_response()
}

async fn index(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let snapshot = shared.status.snapshot();
    if accept.contains("text/html") {
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page::index(&snapshot)).into_response()
    } else if accept.contains("application/json") {
        Json(snapshot).into_response()
    } else {
        plain(&snapshot).into_response()
    }
}

async fn readiness(State(shared): State<Shared>) -> Response {
    let Snapshot { ready, reasons, notes, partitions, .. } = shared.status.snapshot();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": ready, "reasons": reasons, "notes": notes, "partitions": partitions })))
        .into_response()
}

async fn liveness(State(shared): State<Shared>) -> Response {
    let (age, limit) = (shared.status.heartbeat_age(), shared.heartbeat_age_max);
    let alive = age <= limit;
    let code = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (age, limit) = (millis(age), millis(limit));
    (code, Json(json!({ "alive": alive, "heartbeat_age_ms": age, "heartbeat_age_max_ms": limit }))).into_response()
}

/// Loads the plugins' files anew, for who shows the token. Who does not is told nothing.
async fn reload(shared: &Shared, token: &[u8; 32], method: &Method, headers: &HeaderMap) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(shown) = shown.and_then(|shown| shown.strip_prefix("Bearer ")) else {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    };
    if !is_same(&digest(shown.trim()), token) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if method != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "only POST is answered");
    }
    match shared.reload.ask().await {
        Some(swap @ (Swap::Swapped { .. } | Swap::Unchanged { .. })) => Json(swap).into_response(),
        Some(swap @ Swap::Refused { .. }) => (StatusCode::CONFLICT, Json(swap)).into_response(),
        Some(swap @ Swap::Pending) => (StatusCode::ACCEPTED, Json(swap)).into_response(),
        None => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "no plugins are loaded yet, the host is stopping, or others are asking: ask again",
        ),
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// In the same time wherever they differ; of digests, so that the length of what is compared shows nothing either.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differing, (one, other)| std::hint::black_box(differing | (one ^ other))) == 0
}

async fn metrics(State(shared): State<Shared>) -> Response {
    match shared.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
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
    let row = |owned: &crate::status::OwnedPartition| {
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
    let plugin = |plugin: &crate::status::PluginStatus| {
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
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
