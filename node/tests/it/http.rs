//! Paths, limits, CORS, health.

use std::time::Duration;

use mayfly_node::http::HttpConfig;
use mayfly_proto::{Commodity, MeterKey, Payer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::chain::CHAIN_ID;
use crate::server::{Server, config};

#[tokio::test]
async fn answers_at_the_root_by_name_and_by_chain_id() {
    let server = Server::start(config()).await;
    let call = r#"{"jsonrpc":"2.0","id":"a","method":"eth_chainId"}"#;
    for path in ["/".to_owned(), "/night".to_owned(), format!("/{CHAIN_ID}")] {
        let (status, answer) = server.post(&path, call).await;
        assert_eq!((status, &answer["result"], &answer["id"]), (200, &json!("0x2329"), &json!("a")), "{path}");
    }
    let (status, answer) = server.post("/other", call).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!(-32001)));
    assert_eq!(answer["error"]["message"], "no rollup here is named other");
    server.directory.remove(CHAIN_ID);
    let (status, _) = server.post("/", call).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn answers_batches_in_order_without_notifications() {
    let server = Server::start(config()).await;
    let batch = r#"[
        {"jsonrpc":"2.0","id":1,"method":"net_version"},
        {"jsonrpc":"2.0","method":"eth_chainId"},
        7,
        {"jsonrpc":"2.0","id":2,"method":"nope"},
        {"jsonrpc":"2.0","id":3,"method":"web3_sha3","params":["0x"]}
    ]"#;
    let (status, answer) = server.post("/", batch).await;
    assert_eq!(status, 200);
    let entries = answer.as_array().unwrap();
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[0]["result"], "9001");
    assert_eq!((&entries[1]["id"], &entries[1]["error"]["code"]), (&Value::Null, &json!(-32600)));
    assert_eq!(entries[2]["error"]["code"], -32601);
    assert!(entries[3]["result"].as_str().unwrap().starts_with("0xc5d24601"));
    let (status, answer) = server.post("/", r#"[{"jsonrpc":"2.0","method":"eth_chainId"}]"#).await;
    assert_eq!((status, answer), (204, Value::Null));
}

#[tokio::test]
async fn oversized_batches_and_bodies_are_refused_with_the_limit() {
    let mut config = config();
    config.max_body_bytes = 10_000;
    config.limits.max_batch_items = 5;
    let server = Server::start(config).await;
    let batch = format!("[{}]", [r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#; 6].join(","));
    let (_, answer) = server.post("/", batch).await;
    assert_eq!(answer["error"]["message"], "invalid request: batch too large: 6 calls, at most 5");
    let (status, answer) = server.post("/", vec![b' '; 10_001]).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!(-32600)));
    assert_eq!(answer["error"]["message"], "request body too large: limit 10000 bytes");
    // Chunked, so that no length is declared.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..11 {
        stream.write_all(format!("3e8\r\n{}\r\n", " ".repeat(1_000)).as_bytes()).await.unwrap();
    }
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_page_cannot_send_a_simple_request() {
    let server = Server::start(config()).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let post = server.client.post(server.url("/")).header("content-type", "text/plain").body(body);
    assert_eq!(post.send().await.unwrap().status(), 415);
    let post = server.client.post(server.url("/")).header("content-type", "application/json; charset=utf-8").body(body);
    assert_eq!(post.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn cors_names_only_configured_origins() {
    let allowed = |server: &Server, origin: &'static str| {
        let preflight = server
            .client
            .request(reqwest::Method::OPTIONS, server.url("/night"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send();
        async move {
            let response = preflight.await.unwrap();
            response.headers().get("access-control-allow-origin").map(|v| v.to_str().unwrap().to_owned())
        }
    };
    let listed = HttpConfig { cors_origins: vec!["https://a.example".into()], ..config() };
    let server = Server::start(listed).await;
    assert_eq!(allowed(&server, "https://a.example").await.as_deref(), Some("https://a.example"));
    assert_eq!(allowed(&server, "https://b.example").await, None);
    let server = Server::start(HttpConfig { cors_origins: vec!["*".into()], ..config() }).await;
    assert_eq!(allowed(&server, "https://b.example").await.as_deref(), Some("*"));
    let server = Server::start(config()).await;
    assert_eq!(allowed(&server, "https://a.example").await, None);
}

#[tokio::test]
async fn the_rate_limit_says_no_and_when_to_come_back() {
    let limited =
        HttpConfig { exempt_loopback: false, rate_limit_units_per_s: 1, rate_limit_burst_units: 3, ..config() };
    let server = Server::start(limited).await;
    for _ in 0..3 {
        server.call("eth_chainId", json!([])).await.unwrap();
    }
    let error = server.call("eth_chainId", json!([])).await.unwrap_err();
    assert_eq!(error["code"], -32005);
    assert!(error["message"].as_str().unwrap().starts_with("rate limit exceeded: try again in "));
    // Broken bodies are no way around it.
    let (_, answer) = server.post("/", "{").await;
    assert_eq!(answer["error"]["code"], -32005);
}

#[tokio::test]
async fn the_forwarded_address_counts_only_behind_a_proxy() {
    for (trusted, answers) in [(true, [-32700, -32700]), (false, [-32700, -32005])] {
        let limited = HttpConfig {
            exempt_loopback: false,
            trust_forwarded_for: trusted,
            rate_limit_units_per_s: 1,
            rate_limit_burst_units: 1,
            ..config()
        };
        let server = Server::start(limited).await;
        for (address, code) in ["192.0.2.1", "192.0.2.2"].iter().zip(answers) {
            let response = server
                .client
                .post(server.url("/"))
                .header("content-type", "application/json")
                .header("x-forwarded-for", format!("198.51.100.9, {address}"))
                .body("{")
                .send()
                .await
                .unwrap();
            let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(answer["error"]["code"], code, "trusted {trusted}");
        }
    }
}

#[tokio::test]
async fn an_address_has_a_limited_number_of_connections() {
    let server = Server::start(HttpConfig { max_connections_per_address: 2, ..config() }).await;
    let ask = async || {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut start = [0; 12];
        let read = stream.read_exact(&mut start).await;
        (stream, read.is_ok())
    };
    let (first, second) = (ask().await, ask().await);
    assert!(first.1 && second.1);
    assert!(!ask().await.1, "a third connection was served");
    drop(first);
    tokio::time::timeout(Duration::from_secs(5), async { while !ask().await.1 {} }).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start(HttpConfig { idle_timeout_ms: 100, ..config() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection stayed open");
}

#[tokio::test]
async fn health_and_readiness() {
    let server = Server::start(config()).await;
    let get = async |path: &str| {
        let response = server.client.get(server.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await, (200, r#"{"ready":true,"reasons":{}}"#.to_owned()));
    server.readiness.hold("postgres", "connection refused");
    let (status, text) = get("/readyz").await;
    assert_eq!((status, text.contains("connection refused")), (503, true));
    server.readiness.clear("postgres");
    assert_eq!(get("/readyz").await.0, 200);
    assert_eq!(get("/").await.0, 405);
}

#[tokio::test]
async fn shutdown_ends_the_listener_with_connections_open() {
    let server = Server::start(config()).await;
    server.call("eth_chainId", json!([])).await.unwrap();
    let _idle = TcpStream::connect(server.address).await.unwrap();
    server.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), server.task).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn usage_is_metered_for_the_organiser() {
    let server = Server::start(config()).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let (_, answer) = server.post("/", body).await;
    server.post("/", format!("[{body},{body}]")).await;
    let rows = server.meter.drain();
    assert_eq!(rows.len(), 1);
    let payer = Payer(server.rollup.info.config.organiser);
    assert_eq!(rows[0].key, MeterKey::Payer { payer, lane: None });
    let used = |commodity| rows[0].usage.get(commodity);
    assert_eq!(used(Commodity::ComputeUnits), 3);
    assert_eq!(used(Commodity::IngressBytes), 3 * body.len() as u128 + 3);
    assert_eq!(used(Commodity::EgressBytes), 3 * answer.to_string().len() as u128 + 3);
}
