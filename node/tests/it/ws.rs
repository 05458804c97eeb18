//! JSON-RPC over WebSocket.

use futures::{SinkExt, StreamExt};
use mayfly_node::http::HttpConfig;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::server::{Server, config};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

pub(crate) async fn connect<C>(server: &Server<C>, path: &str) -> Socket {
    let url = format!("ws://{}{path}", server.address);
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

pub(crate) async fn next_json(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn answers_calls_and_batches() {
    let server = Server::start(config()).await;
    let mut socket = connect(&server, "/night").await;
    let call = r#"{"jsonrpc":"2.0","id":5,"method":"eth_chainId"}"#;
    socket.send(Message::text(call)).await.unwrap();
    assert_eq!(next_json(&mut socket).await, json!({ "jsonrpc": "2.0", "id": 5, "result": "0x2329" }));
    socket.send(Message::text(format!("[{call},{call}]"))).await.unwrap();
    assert_eq!(next_json(&mut socket).await.as_array().unwrap().len(), 2);
    socket.send(Message::text("{")).await.unwrap();
    assert_eq!(next_json(&mut socket).await["error"]["code"], -32700);
}

#[tokio::test]
async fn refuses_origins_that_are_not_listed() {
    let server = Server::start(HttpConfig { cors_origins: vec!["https://a.example".into()], ..config() }).await;
    for (origin, admitted) in [("https://a.example", true), ("https://b.example", false)] {
        let mut request = format!("ws://{}/", server.address).into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let outcome = tokio_tungstenite::connect_async(request).await;
        assert_eq!(outcome.is_ok(), admitted, "{origin}");
        if let Err(error) = outcome {
            assert!(matches!(error, Error::Http(response) if response.status() == 403));
        }
    }
}

#[tokio::test]
async fn too_large_a_message_closes_with_a_reason() {
    let server = Server::start(HttpConfig { max_body_bytes: 1_000, ..config() }).await;
    let mut socket = connect(&server, "/").await;
    socket.send(Message::text(" ".repeat(2_000))).await.unwrap();
    let frame = close_frame(&mut socket).await;
    assert_eq!((frame.0, frame.1.as_str()), (1009, "message too large"));
}

#[tokio::test]
async fn shutdown_says_goodbye() {
    let server = Server::start(config()).await;
    let mut socket = connect(&server, "/").await;
    server.shutdown.cancel();
    let frame = close_frame(&mut socket).await;
    assert_eq!((frame.0, frame.1.as_str()), (1001, "node is stopping"));
}

pub(crate) async fn close_frame(socket: &mut Socket) -> (u16, String) {
    let wait = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.unwrap()
}

pub(crate) async fn ask(socket: &mut Socket, method: &str, params: Value) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    socket.send(Message::text(call.to_string())).await.unwrap();
    next_json(socket).await
}

#[tokio::test]
async fn a_thousand_subscribers_get_each_head_once_and_in_order_and_a_slow_one_is_closed() {
    rlimit::increase_nofile_limit(4_096).unwrap();
    let server =
        Server::start(HttpConfig { max_ws_queue_messages: 100, max_ws_queue_bytes: 150_000, ..config() }).await;
    // It never reads, and is sent more than the queue and what sockets take.
    let mut slow = connect(&server, "/").await;
    for _ in 0..60 {
        slow.send(Message::text(r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#))
            .await
            .unwrap();
    }
    let mut sockets = Vec::new();
    for _ in 0..1_000 {
        let mut socket = connect(&server, "/").await;
        let answer = ask(&mut socket, "eth_subscribe", json!(["newHeads"])).await;
        sockets.push((socket, answer["result"].clone()));
    }
    let mut at = 0;
    for _ in 0..6 {
        let hashes: Vec<_> = (0..10).map(|_| server.chain.lock().block(&[]).hash).collect();
        for (socket, id) in &mut sockets {
            for (number, hash) in (at + 1..).zip(&hashes) {
                let told = next_json(socket).await;
                assert_eq!(told["method"], "eth_subscription");
                assert_eq!(told["params"]["subscription"], *id);
                assert_eq!(told["params"]["result"]["hash"], json!(hash));
                assert_eq!(told["params"]["result"]["number"], json!(format!("{number:#x}")));
            }
        }
        at += 10;
    }
    for (socket, id) in &mut sockets {
        let answer = ask(socket, "eth_unsubscribe", json!([id])).await;
        assert_eq!(answer["result"], true);
    }
    while server.rollup.heads.subscriber_count() > 0 {
        server.chain.lock().block(&[]);
        tokio::task::yield_now().await;
    }
    for (socket, id) in &mut sockets {
        // Nothing but the answer comes.
        let answer = ask(socket, "eth_unsubscribe", json!([id])).await;
        assert_eq!(answer["result"], false);
    }
    let (code, reason) = close_frame(&mut slow).await;
    assert_eq!(code, 1008);
    assert!(reason.starts_with("too slow: "), "{reason}");
}

#[tokio::test]
async fn log_subscriptions_filter_and_tell_removals() {
    let server = Server::start(config()).await;
    let mut socket = connect(&server, "/").await;
    let filter = json!({ "address": crate::chain::LOGGER });
    let id = ask(&mut socket, "eth_subscribe", json!(["logs", filter])).await["result"].clone();
    server.chain.lock().call(alloy_primitives::Address::repeat_byte(5), 1, b"");
    let sealed = server.chain.lock().call(crate::chain::LOGGER, 0, b"a");
    let told = next_json(&mut socket).await;
    assert_eq!(told["params"]["subscription"], id);
    assert_eq!(told["params"]["result"]["blockHash"], json!(sealed.hash));
    assert_eq!(told["params"]["result"]["removed"], false);
    server.chain.lock().chain.revert_to(1).unwrap();
    server.chain.lock().block(&[]);
    let told = next_json(&mut socket).await;
    assert_eq!(told["params"]["result"]["blockHash"], json!(sealed.hash));
    assert_eq!(told["params"]["result"]["removed"], true);
}

#[tokio::test]
async fn unknown_subscriptions_and_too_many_are_errors() {
    let server = Server::start(HttpConfig { max_subscriptions: 2, ..config() }).await;
    let mut socket = connect(&server, "/").await;
    let answer = ask(&mut socket, "eth_subscribe", json!(["nope"])).await;
    assert_eq!(answer["error"]["code"], -32601);
    assert_eq!(answer["error"]["message"], "no \"nope\" subscription in eth namespace");
    let answer = ask(&mut socket, "eth_subscribe", json!(["newPendingTransactions"])).await;
    assert_eq!(answer["error"]["message"], "this node takes no transactions: it only follows");
    let answer = ask(&mut socket, "eth_subscribe", json!(["logs", { "address": 5 }])).await;
    assert_eq!(answer["error"]["code"], -32602);
    for _ in 0..2 {
        assert!(ask(&mut socket, "eth_subscribe", json!(["newHeads"])).await["result"].is_string());
    }
    let answer = ask(&mut socket, "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(answer["error"]["code"], -32005);
}

#[tokio::test]
async fn a_slow_client_is_closed_with_the_reason() {
    let slow = HttpConfig { max_ws_queue_messages: 8, max_ws_queue_bytes: 100_000, ..config() };
    let server = Server::start(slow).await;
    let mut socket = connect(&server, "/").await;
    ask(&mut socket, "eth_subscribe", json!(["logs"])).await;
    // The client does not read; socket buffers fill up, then the queue.
    let big = vec![7; 40_000];
    let mut sent = 0;
    while server.rollup.heads.subscriber_count() > 0 && sent < 2_000 {
        server.chain.lock().call(crate::chain::LOGGER, 0, &big);
        sent += 1;
        tokio::task::yield_now().await;
    }
    let (code, reason) = close_frame(&mut socket).await;
    assert_eq!(code, 1008);
    assert!(reason.starts_with("too slow: "), "{reason}");
}
