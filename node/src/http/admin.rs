//! The admin listener: metrics and status, behind a bearer token.

use std::io;
use std::sync::Arc;

use alloy_primitives::keccak256;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::readiness::Readiness;
use super::server::DRAIN;
use crate::metrics;
use crate::rpc::Directory;

/// The secret that opens the admin listener. Never printed.
pub struct AdminToken(String);

/// Shortest token that is accepted.
const MIN_TOKEN_BYTES: usize = 16;

impl AdminToken {
    /// Refuses tokens that can be guessed for their shortness.
    pub fn new(token: impl Into<String>) -> Result<Self, String> {
        let token = token.into();
        if token.len() < MIN_TOKEN_BYTES {
            let length = token.len();
            return Err(format!("admin token of {length} bytes is too short, want at least {MIN_TOKEN_BYTES}"));
        }
        Ok(Self(token))
    }

    /// Compares hashes, every byte of them: the time tells nothing about the token.
    fn opens(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let (given, own) = (keccak256(given), keccak256(&self.0));
        let difference = given.iter().zip(own.iter()).fold(0u8, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AdminToken(..)")
    }
}

/// What the admin listener serves from.
#[derive(Debug)]
pub struct Admin {
    /// The rollups served.
    pub directory: Arc<Directory>,
    /// What holds the node back.
    pub readiness: Arc<Readiness>,
    /// Opens every route.
    pub token: AdminToken,
}

/// Serves `/metrics`, `/admin/status` and `extra` until shutdown. The token guards all of it.
pub async fn serve_admin(
    listener: TcpListener,
    admin: Arc<Admin>,
    extra: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/admin/status", get(status))
        .with_state(Arc::clone(&admin))
        .merge(extra)
        .layer(from_fn_with_state(admin, guard));
    let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        ended = &mut serving => return ended,
        () = shutdown.cancelled() => {}
    }
    // A client that keeps its connection does not keep the node.
    tokio::time::timeout(DRAIN, serving).await.unwrap_or(Ok(()))
}

async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    if admin.token.opens(request.headers()) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, "a bearer token is needed\n").into_response()
}

async fn metrics_text() -> Response {
    match metrics::encode() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            (StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be encoded\n").into_response()
        }
    }
}

async fn status(State(admin): State<Arc<Admin>>) -> Response {
    let reasons = admin.readiness.reasons();
    let rollups: Vec<_> = admin.directory.all().iter().map(|rollup| rollup.status()).collect();
    axum::Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "rollups": rollups,
    }))
    .into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_the_token_opens() {
        let token = AdminToken::new("0123456789abcdef").unwrap();
        let with =
            |value: &'static str| HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
        assert!(token.opens(&with("Bearer 0123456789abcdef")));
        for wrong in [
            "Bearer 0123456789abcdeg",
            "Bearer ",
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcdef0",
        ] {
            assert!(!token.opens(&with(wrong)), "{wrong}");
        }
        assert!(!token.opens(&HeaderMap::new()));
        assert!(AdminToken::new("short").is_err());
        assert_eq!(format!("{token:?}"), "AdminToken(..)");
    }
}
