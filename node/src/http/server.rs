//! The public listener: JSON-RPC over HTTP and WebSocket, health, readiness.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mayfly_proto::{Commodity, Meter, Payer, Usage};
use prometheus::{IntCounter, IntGauge};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::HttpConfig;
use super::cors::Origins;
use super::listener::{LimitedListener, Peer};
use super::readiness::Readiness;
use super::ws;
use crate::metrics;
use crate::rpc::dispatch::{Answer, error_body, too_large};
use crate::rpc::errors::{INVALID_REQUEST, NOT_FOUND, RpcError};
use crate::rpc::{Caller, Directory, RateLimiter, Service};

/// How long open requests and connections may take to end when the node stops.
pub(super) const DRAIN: Duration = Duration::from_secs(5);
/// Content types that a web page cannot send without a preflight.
const JSON_TYPES: [&str; 3] = ["application/json", "application/json-rpc", "application/jsonrequest"];

/// What the public listener serves from.
pub struct Public {
    pub(super) config: HttpConfig,
    pub(super) service: Service,
    pub(super) origins: Origins,
    pub(super) shutdown: CancellationToken,
    pub(super) sockets: TaskTracker,
    directory: Arc<Directory>,
    readiness: Arc<Readiness>,
    meter: Arc<Meter>,
}

impl std::fmt::Debug for Public {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Public").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Public {
    /// `Err` says which setting cannot work. Usage goes into `meter`; cancelling `shutdown` ends the listener.
    pub fn new(
        config: HttpConfig,
        directory: Arc<Directory>,
        readiness: Arc<Readiness>,
        meter: Arc<Meter>,
        shutdown: CancellationToken,
    ) -> Result<Arc<Self>, String> {
        let origins = Origins::read(&config.cors_origins)?;
        let limiter =
            RateLimiter::new(config.rate_limit_units_per_s, config.rate_limit_burst_units, config.exempt_loopback);
        let service = Service::new(config.limits.clone(), limiter);
        let sockets = TaskTracker::new();
        Ok(Arc::new(Self { config, service, origins, shutdown, sockets, directory, readiness, meter }))
    }

    /// Cancelled, it ends the listener.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Who asks for what.
    fn caller(&self, peer: Peer, headers: &HeaderMap, key: Option<&str>) -> Result<Caller, RpcError> {
        let address = self.client_address(peer, headers);
        let rollup = self.directory.get(key).ok_or_else(|| match key {
            Some(key) => {
                let key = crate::rpc::errors::echo(key);
                RpcError::new(NOT_FOUND, format!("no rollup here is named {key}"))
            }
            None => RpcError::new(NOT_FOUND, "no rollup is served here yet"),
        })?;
        Ok(Caller { rollup, address })
    }

    fn client_address(&self, peer: Peer, headers: &HeaderMap) -> IpAddr {
        if !self.config.trust_forwarded_for {
            return peer.0;
        }
        let last = headers.get_all("x-forwarded-for").iter().next_back();
        let named = last.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        named.unwrap_or(peer.0)
    }

    /// Answers one body, within the time a request may take.
    pub(super) async fn answer(&self, caller: &Caller, body: &[u8]) -> Answer {
        let limits = &self.config.limits;
        let most_ms = self.config.request_timeout_ms.saturating_add(limits.max_sync_timeout_ms);
        let work = self.service.handle(caller, body);
        let answer = match tokio::time::timeout(Duration::from_millis(most_ms), work).await {
            Ok(answer) => answer,
            Err(_) => {
                let error = RpcError::timed_out(u128::from(most_ms));
                Answer { body: Some(error_body(&error)), units: 1 }
            }
        };
        let sent = answer.body.as_ref().map_or(0, Vec::len);
        METRICS.requests.inc();
        METRICS.units.inc_by(answer.units);
        METRICS.ingress_bytes.inc_by(body.len() as u64);
        let usage = Usage::of(Commodity::ComputeUnits, u128::from(answer.units))
            .with(Commodity::IngressBytes, body.len() as u128);
        self.record(caller, usage);
        self.sent(caller, sent);
        answer
    }

    /// Counts bytes that went to a client: answers and notifications.
    pub(super) fn sent(&self, caller: &Caller, bytes: usize) {
        METRICS.egress_bytes.inc_by(bytes as u64);
        self.record(caller, Usage::of(Commodity::EgressBytes, bytes as u128));
    }

    /// Whoever calls without a lane uses what the organiser pays for, who also pays for the rollup's gas.
    fn record(&self, caller: &Caller, usage: Usage) {
        self.meter.record(Payer(caller.rollup.info.config.organiser), None, usage);
    }
}

/// Serves until shutdown; then lets open requests finish for a few seconds.
pub async fn serve_public(listener: TcpListener, public: Arc<Public>) -> io::Result<()> {
    let config = &public.config;
    let listener = LimitedListener::new(
        listener,
        config.max_connections,
        config.max_connections_per_address,
        Duration::from_millis(config.idle_timeout_ms.max(1)),
        METRICS.connections.clone(),
    );
    let shutdown = public.shutdown.clone();
    let app = router(Arc::clone(&public)).into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        ended = &mut serving => return ended,
        () = shutdown.cancelled() => {}
    }
    public.sockets.close();
    let drained = async {
        let ended = serving.await;
        public.sockets.wait().await;
        ended
    };
    tokio::time::timeout(DRAIN, drained).await.unwrap_or(Ok(()))
}

fn router(public: Arc<Public>) -> Router {
    let cors = public.origins.layer();
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/", any(default_rollup))
        .route("/{rollup}", any(named_rollup))
        .layer(cors)
        .with_state(public)
}

async fn ready(State(public): State<Arc<Public>>) -> Response {
    let mut reasons = public.readiness.reasons();
    if public.shutdown.is_cancelled() {
        reasons.insert("node".to_owned(), "stopping".to_owned());
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let ready = reasons.is_empty();
    (status, axum::Json(serde_json::json!({ "ready": ready, "reasons": reasons }))).into_response()
}

/// `Err` is an ordinary request.
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;
type Entrance = (State<Arc<Public>>, ConnectInfo<Peer>);

async fn default_rollup(
    (State(public), ConnectInfo(peer)): Entrance,
    upgrade: Upgrade,
    request: http::Request<Body>,
) -> Response {
    enter(public, peer, None, upgrade.ok(), request).await
}

async fn named_rollup(
    (State(public), ConnectInfo(peer)): Entrance,
    Path(key): Path<String>,
    upgrade: Upgrade,
    request: http::Request<Body>,
) -> Response {
    enter(public, peer, Some(&key), upgrade.ok(), request).await
}

async fn enter(
    public: Arc<Public>,
    peer: Peer,
    key: Option<&str>,
    upgrade: Option<WebSocketUpgrade>,
    request: http::Request<Body>,
) -> Response {
    let caller = match public.caller(peer, request.headers(), key) {
        Ok(caller) => caller,
        Err(error) => return json(StatusCode::NOT_FOUND, error_body(&error)),
    };
    if let Some(upgrade) = upgrade {
        return ws::accept(public, caller, upgrade, request.headers());
    }
    if request.method() != http::Method::POST {
        let text = "JSON-RPC: POST a request here, or open a WebSocket.\n";
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST, OPTIONS")], text).into_response();
    }
    match read_body(&public.config, request).await {
        Ok(body) => match public.answer(&caller, &body).await.body {
            Some(body) => json(StatusCode::OK, body),
            None => StatusCode::NO_CONTENT.into_response(),
        },
        Err((status, error)) => json(status, error_body(&error)),
    }
}

async fn read_body(config: &HttpConfig, request: http::Request<Body>) -> Result<bytes::Bytes, (StatusCode, RpcError)> {
    let limit = config.max_body_bytes;
    if !is_json(request.headers()) {
        let error = RpcError::new(INVALID_REQUEST, "content type must be application/json");
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let too_large = || (StatusCode::PAYLOAD_TOO_LARGE, too_large(limit));
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let timeout_ms = config.request_timeout_ms;
    let reading = axum::body::to_bytes(request.into_body(), limit);
    match tokio::time::timeout(Duration::from_millis(timeout_ms), reading).await {
        Ok(Ok(body)) => Ok(body),
        // Over the limit, or the client went away and nobody reads the answer.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, RpcError::timed_out(u128::from(timeout_ms)))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    JSON_TYPES.iter().any(|json| kind.eq_ignore_ascii_case(json))
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let value = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}

/// What the public listener counts.
struct HttpMetrics {
    connections: IntGauge,
    requests: IntCounter,
    units: IntCounter,
    ingress_bytes: IntCounter,
    egress_bytes: IntCounter,
}

static METRICS: LazyLock<HttpMetrics> = LazyLock::new(|| HttpMetrics {
    connections: metrics::gauge("mayfly_node_http_connections_count", "Open public connections"),
    requests: metrics::counter("mayfly_node_rpc_requests_count", "Bodies answered, over HTTP and WebSocket"),
    units: metrics::counter("mayfly_node_rpc_compute_units", "Compute units charged to callers"),
    ingress_bytes: metrics::counter("mayfly_node_rpc_ingress_bytes", "Bytes of requests"),
    egress_bytes: metrics::counter("mayfly_node_rpc_egress_bytes", "Bytes of answers and notifications"),
});
