//! What is answered at which address: who is let in, which answer they get, and with which headers. Neither how expensive
//! answers are made nor how connections are managed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::json;

use crate::admin::Gate;
use crate::as_json::{self, refuse};
use crate::origin::{self, Names};
use crate::page;
use crate::reload::{ReloadClient, Swap};
use crate::room::Seat;
use crate::seldom::Seldom;
use crate::views::{Facts, Made, View, Views};

/// What every answer may need.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) facts: Facts,
    pub(crate) views: Views,
    pub(crate) reload: ReloadClient,
    pub(crate) heartbeat_age_max: Duration,
    pub(crate) names: Arc<Names>,
    pub(crate) strangers: Arc<Seldom>,
}

/// The answers at all addresses; those under `/admin` only behind a gate.
pub(crate) fn router(shared: Shared, gate: Option<Gate>) -> Router {
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
pub(crate) const LIVENESS: &str = "/_liveness";
pub(crate) const READINESS: &str = "/_readiness";

/// Where plugins are reloaded.
pub(crate) const RELOAD: &str = "/admin/plugins/reload";

/// No page of another site may embed or run these answers.
const CROSS_ORIGIN_RESOURCE_POLICY: header::HeaderName =
    header::HeaderName::from_static("cross-origin-resource-policy");

/// The paths that have a series of their own; all others are counted as `other`, so that no client can create series.
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

/// Refuses requests that were not meant for this server, and commands from foreign pages. Probes use whatever name they were
/// given and must not fail because of it: all that they learn is yes or no.
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

/// The first bytes of a header that may contain anything.
fn shown(host: &[u8]) -> String {
    String::from_utf8_lossy(host.get(..HOST_BYTES_SHOWN).unwrap_or(host)).into_owned()
}

async fn index(State(shared): State<Shared>, headers: HeaderMap) -> Result<Made, Response> {
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

/// Reloads the plugins, for callers who send the token. Others learn nothing.
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
