//! JSON-RPC over one connection, HTTP or WebSocket, that is kept open: one request at a time, as little work as possible, because the
//! client takes its time from the same cores as the server.

use bytes::Bytes;
use eyre::{WrapErr, bail, ensure, eyre};
use futures::{SinkExt, StreamExt};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// One open connection.
#[derive(Debug)]
pub(crate) struct Client(Wire);

#[derive(Debug)]
enum Wire {
    Http { sender: SendRequest<Full<Bytes>>, host: String, path: String },
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

impl Client {
    /// Connects to `http://host:port/path`.
    pub(crate) async fn connect(url: &str) -> eyre::Result<Self> {
        let rest = url.strip_prefix("http://").ok_or_else(|| eyre!("{url}: not http"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let stream = TcpStream::connect(host).await.wrap_err_with(|| format!("connecting to {url}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is dropped; its error is the sender's, too.
        tokio::spawn(connection);
        Ok(Self(Wire::Http { sender, host: host.to_owned(), path: format!("/{path}") }))
    }

    /// The same server by WebSocket.
    pub(crate) async fn connect_ws(url: &str) -> eyre::Result<Self> {
        let rest = url.strip_prefix("http").ok_or_else(|| eyre!("{url}: not http"))?;
        let (socket, _) = connect_async(format!("ws{rest}")).await.wrap_err_with(|| format!("connecting to {url}"))?;
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_nodelay(true)?;
        }
        Ok(Self(Wire::WebSocket(Box::new(socket))))
    }

    /// Sends one body and returns the answer's.
    pub(crate) async fn post(&mut self, body: Bytes) -> eyre::Result<Bytes> {
        let (sender, host, path) = match &mut self.0 {
            Wire::Http { sender, host, path } => (sender, host, path),
            Wire::WebSocket(socket) => {
                socket.send(Message::Text(body.try_into()?)).await?;
                loop {
                    match socket.next().await.ok_or_else(|| eyre!("the server closed the connection"))?? {
                        Message::Text(text) => return Ok(text.into()),
                        Message::Ping(_) | Message::Pong(_) => {}
                        other => bail!("the server sent {other:?}"),
                    }
                }
            }
        };
        let request = Request::post(&*path)
            .header(header::HOST, &*host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status == StatusCode::OK, "the server answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    /// One call.
    pub(crate) async fn call<T: DeserializeOwned>(&mut self, method: &str, params: Value) -> eyre::Result<T> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let answer = self.post(body.into()).await?;
        result(&answer).wrap_err_with(|| method.to_owned())
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The result of one answer; its error as an error.
pub(crate) fn result<T: DeserializeOwned>(answer: &[u8]) -> eyre::Result<T> {
    let parsed: Answer<'_> = serde_json::from_slice(answer)?;
    if let Some(error) = parsed.error {
        bail!("{error}");
    }
    // A null is read as none.
    let result = parsed.result.map_or("null", RawValue::get);
    Ok(serde_json::from_str(result)?)
}

/// Checks that every one of `count` submissions was accepted.
pub(crate) fn accepted(answer: &[u8], count: usize) -> eyre::Result<()> {
    let is_batch = answer.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let answers: Vec<Answer<'_>> =
        if is_batch { serde_json::from_slice(answer)? } else { vec![serde_json::from_slice(answer)?] };
    ensure!(answers.len() == count, "{} answers to {count} transactions", answers.len());
    for answer in answers {
        if let Some(error) = answer.error {
            bail!("a transaction was refused: {error}");
        }
        ensure!(answer.result.is_some(), "an answer without a hash");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_refusal_is_no_acceptance() {
        let good = r#"{"jsonrpc":"2.0","id":0,"result":"0x01"}"#;
        let bad = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"nonce too low"}}"#;
        accepted(good.as_bytes(), 1).unwrap();
        accepted(format!("[{good},{good}]").as_bytes(), 2).unwrap();
        assert!(format!("{:#}", accepted(bad.as_bytes(), 1).unwrap_err()).contains("nonce too low"));
        assert!(accepted(format!("[{good},{bad}]").as_bytes(), 2).is_err());
        assert!(accepted(format!("[{good}]").as_bytes(), 2).is_err());
        assert!(accepted(br#"{"jsonrpc":"2.0","id":0}"#, 1).is_err());
    }

    #[test]
    fn null_is_no_block() {
        assert_eq!(result::<Option<u64>>(br#"{"id":1,"result":null}"#).unwrap(), None);
        assert_eq!(result::<Option<u64>>(br#"{"id":1,"result":7}"#).unwrap(), Some(7));
        assert!(result::<Option<u64>>(br#"{"id":1,"error":{"code":1,"message":"x"}}"#).is_err());
    }
}
