//! JSON-RPC over WebSocket.

use futures::{SinkExt, StreamExt};
use mayfly_node::http::HttpConfig;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::server::{Server, config};

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

pub(crate) async fn connect(server: &Server, path: &str) -> Socket {
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
    assert_eq!((u16::from(frame.0), frame.1.as_str()), (1009, "message too large"));
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
