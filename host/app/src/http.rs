//! The HTTP server: status, readiness, liveness, metrics. It only reads; nothing about the host can be changed here.
//!
//! It has a thread and a small runtime of its own, so that the line stays synchronous and a busy line still answers.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::settings::config::HttpConfig;
use crate::status::{Snapshot, Status};

/// A line that has not turned for this long is not alive. Longer than any one step it takes: a transaction may wait for
/// the broker until its timeout, 15 s by default.
pub const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(60);

/// How long a stop waits for requests that are under way.
const STOP_WAIT_MAX: Duration = Duration::from_secs(2);

const STYLE: &str = include_str!("http/status.css");

/// Nothing but our own style sheet: no script, no frame, no form, nothing from elsewhere.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

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
    heartbeat_age_max: Duration,
}

/// Binds, then answers on a thread of its own. When it returns, the address is taken and requests are served.
///
/// # Errors
/// If the address cannot be had.
pub fn serve(config: &HttpConfig, status: Arc<Status>, metrics: Metrics) -> Result<HttpServer, HttpError> {
    serve_with(config, Shared { status, metrics, heartbeat_age_max: HEARTBEAT_AGE_MAX })
}

fn serve_with(config: &HttpConfig, shared: Shared) -> Result<HttpServer, HttpError> {
    let listener = bind(config)?;
    let address = listener.local_addr().map_err(HttpError::Start)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HttpError::Start)?;
    let (stop, stopped) = oneshot::channel();
    let serve = move || runtime.block_on(answer(listener, router(shared), stopped));
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

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/_readiness", get(readiness))
        .route("/_liveness", get(liveness))
        .route("/metrics", get(metrics))
        .route("/status.css", get(async || ([(header::CONTENT_TYPE, "text/css")], STYLE)))
        .fallback(async || {
            refuse(StatusCode::NOT_FOUND, "there is no such page: try /, /_readiness, /_liveness or /metrics")
        })
        .method_not_allowed_fallback(async || refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered"))
        .layer(middleware::from_fn_with_state(shared.clone(), counted))
        .with_state(shared)
}

async fn counted(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let path = match request.uri().path() {
        "/" => "/",
        "/_readiness" => "/_readiness",
        "/_liveness" => "/_liveness",
        "/metrics" => "/metrics",
        _ => "other",
    };
    let mut response = next.run(request).await;
    shared.metrics.http_request(path, response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
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
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page(&snapshot)).into_response()
    } else if accept.contains("application/json") {
        Json(snapshot).into_response()
    } else {
        plain(&snapshot).into_response()
    }
}

async fn readiness(State(shared): State<Shared>) -> Response {
    let Snapshot { ready, reasons, partitions, .. } = shared.status.snapshot();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": ready, "reasons": reasons, "partitions": partitions }))).into_response()
}

async fn liveness(State(shared): State<Shared>) -> Response {
    let (age, limit) = (shared.status.heartbeat_age(), shared.heartbeat_age_max);
    let alive = age <= limit;
    let code = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (age, limit) = (millis(age), millis(limit));
    (code, Json(json!({ "alive": alive, "heartbeat_age_ms": age, "heartbeat_age_max_ms": limit }))).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    match shared.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
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
    lines.extend(snapshot.plugins.iter().map(plugin));
    for row in rows(snapshot) {
        let cells = COLUMNS.iter().zip(&row).skip(1).filter(|(_, cell)| !cell.is_empty());
        let cells = cells.map(|(column, cell)| format!(" {column}={cell}")).collect::<String>();
        lines.push(format!("{}{cells}", row.first().map(String::as_str).unwrap_or_default()));
    }
    lines.join("\n") + "\n"
}

fn page(snapshot: &Snapshot) -> String {
    let line = |cells: &[String], tag: &str| {
        let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>();
        format!("<tr>{cells}</tr>\n")
    };
    let plugins = snapshot
        .plugins
        .iter()
        .map(|plugin| line(&[plugin.name.clone(), plugin.version.clone(), format!("sha256:{}", plugin.digest)], "td"));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>dedup-host</title>\
         <meta http-equiv=\"refresh\" content=\"5\"><link rel=\"stylesheet\" href=\"/status.css\"></head>\n\
         <body><h1>dedup-host</h1>\n<p>{}</p>\n<h2>Partitions</h2>\n<table>{}{}</table>\n<h2>Plugins</h2>\n\
         <table>{}{}</table>\n<p><a href=\"/metrics\">metrics</a> <a href=\"/_readiness\">readiness</a> \
         <a href=\"/_liveness\">liveness</a></p></body></html>\n",
        escape(&headline(snapshot)),
        line(&COLUMNS.map(str::to_owned), "th"),
        rows(snapshot).iter().map(|row| line(row, "td")).collect::<String>(),
        line(&["name", "version", "digest"].map(str::to_owned), "th"),
        plugins.collect::<String>(),
    )
}

/// Text that means itself inside an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests;
