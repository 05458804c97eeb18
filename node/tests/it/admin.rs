//! The admin listener.

use std::sync::Arc;

use mayfly_node::http::{Admin, AdminToken, serve_admin};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::server::{Server, config};

const TOKEN: &str = "a token for this test only";

#[tokio::test]
async fn every_route_needs_the_token() {
    let server = Server::start(config()).await;
    let admin = Admin {
        directory: Arc::clone(&server.directory),
        readiness: Arc::clone(&server.readiness),
        token: AdminToken::new(TOKEN).unwrap(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let extra = axum::Router::new().route("/admin/extra", axum::routing::post(|| async { "extra" }));
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve_admin(listener, Arc::new(admin), extra, shutdown.clone()));
    server.call("eth_chainId", serde_json::json!([])).await.unwrap();

    for (method, path) in [("GET", "/metrics"), ("GET", "/admin/status"), ("POST", "/admin/extra"), ("GET", "/none")] {
        let ask = |token: Option<&str>| {
            let request = server.client.request(method.parse().unwrap(), format!("http://{address}{path}"));
            let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
            async move { request.send().await.unwrap() }
        };
        assert_eq!(ask(None).await.status(), 401, "{path}");
        assert_eq!(ask(Some("a token for this test onlx")).await.status(), 401, "{path}");
        let response = ask(Some(TOKEN)).await;
        let expected = if path == "/none" { 404 } else { 200 };
        assert_eq!(response.status(), expected, "{path}");
        let text = response.text().await.unwrap();
        match path {
            "/metrics" => assert!(text.contains("mayfly_node_rpc_requests_count"), "{text}"),
            "/admin/status" => assert!(text.contains("\"night\""), "{text}"),
            _ => {}
        }
    }
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_public_listener_has_no_admin_routes() {
    let server = Server::start(config()).await;
    for path in ["/metrics", "/admin/status"] {
        let response = server.client.get(server.url(path)).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
}
