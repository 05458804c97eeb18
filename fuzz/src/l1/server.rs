//! An HTTP server that answers what the input says.

use super::forge;
use crate::input::Input;
use alloy_primitives::B256;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a request that are read.
const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Answers of one input.
const MAX_ANSWERS: usize = 12;

/// What the next requests are answered.
#[derive(Debug, Default)]
struct Script {
    /// How: see [`Script::respond`].
    mode: u8,
    answers: VecDeque<Vec<u8>>,
}

pub(super) struct Server {
    pub(super) url: String,
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let script: Arc<Mutex<Script>> = Arc::default();
        let shared = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { url, script }
    }

    /// Takes the answers of an input. With mode 0 they are results, made to fit each other: hashes and roots are right.
    pub(super) fn set(&self, input: &mut Input<'_>) {
        let mode = input.u8();
        let parts = input.rest().split(|byte| *byte == 0).take(MAX_ANSWERS);
        let mut answers: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
        if mode == 0 {
            forge::fit(&mut answers);
        }
        *self.script.lock().expect("nobody panics with it") = Script { mode, answers: answers.into() };
    }

    /// The hash that the first answer says it has.
    pub(super) fn block_hash(&self) -> B256 {
        self.said().unwrap_or_default()
    }

    /// The hash that the first answer says it has.
    pub(super) fn transaction_hash(&self) -> B256 {
        self.said().unwrap_or_default()
    }

    fn said(&self) -> Option<B256> {
        let script = self.script.lock().expect("nobody panics with it");
        let first: Value = serde_json::from_slice(script.answers.front()?).ok()?;
        first.get("hash")?.as_str()?.parse().ok()
    }
}

impl Script {
    /// Status and body of the answer to a request, or `None` to send the bytes as they are and hang up.
    ///
    /// | mode | the answer is |
    /// |---|---|
    /// | 0, 1 | the result of each call |
    /// | 2 | an error object |
    /// | 3 | the body, with status 200 |
    /// | 4 | the whole response, HTTP and all |
    /// | more | the body, with a status of that kind |
    fn respond(&mut self, request: &[u8]) -> (Option<u16>, Vec<u8>) {
        let calls: Value = serde_json::from_slice(request).unwrap_or(Value::Null);
        match self.mode {
            0..=2 => (Some(200), self.envelope(&calls)),
            3 => (Some(200), self.next()),
            4 => (None, self.next()),
            mode => (Some([400, 404, 429, 500, 301][usize::from(mode) % 5]), self.next()),
        }
    }

    fn envelope(&mut self, calls: &Value) -> Vec<u8> {
        let member = if self.mode == 2 { "error" } else { "result" };
        let mut answer = |id: &Value| {
            let head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{member}\":");
            [head.as_bytes(), &self.next(), b"}"].concat()
        };
        match calls {
            Value::Array(calls) => {
                let answers: Vec<Vec<u8>> = calls.iter().map(|call| answer(&call["id"])).collect();
                [&b"["[..], &answers.join(&b','), b"]"].concat()
            }
            Value::Object(call) => answer(&call["id"]),
            // The beacon API has no envelope.
            _ => self.next(),
        }
    }

    fn next(&mut self) -> Vec<u8> {
        self.answers.pop_front().unwrap_or_else(|| b"null".to_vec())
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) {
    while let Some(body) = read_request(&mut stream).await {
        let (status, answer) = script.lock().expect("nobody panics with it").respond(&body);
        let Some(status) = status else {
            drop(stream.write_all(&answer).await);
            return;
        };
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", answer.len());
        let written = stream.write_all(&[head.as_bytes(), &answer].concat()).await;
        if written.is_err() {
            return;
        }
    }
}

/// A request's body.
async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_REQUEST_BYTES {
        let mut chunk = [0; 8_192];
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(Some(0), |length| length.trim().parse().ok())?;
        if bytes.len() >= end + 4 + length {
            return Some(bytes[end + 4..end + 4 + length].to_vec());
        }
    }
    None
}
