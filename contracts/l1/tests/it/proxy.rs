//! A TCP proxy in front of an endpoint that fails or lies on command.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What happens to a request.
#[derive(Clone)]
pub(crate) enum Fault {
    None,
    /// The connection closes without an answer.
    Hangup,
    /// Nobody answers.
    Silence,
    Status(u16),
    /// Answers with these bytes.
    Garbage(&'static str),
    /// Changes the answer to this method.
    Lie(&'static str, fn(&mut Value)),
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    fault: Arc<Mutex<Fault>>,
    requests: Arc<Mutex<u64>>,
}

impl Proxy {
    pub(crate) async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fault = Arc::new(Mutex::new(Fault::None));
        let requests = Arc::new(Mutex::new(0));
        let (shared, counter, target) = (fault.clone(), requests.clone(), target.to_owned());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, target.clone(), shared.clone(), counter.clone()));
            }
        });
        Self { url, fault, requests }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    pub(crate) fn requests(&self) -> u64 {
        *self.requests.lock().unwrap()
    }
}

async fn serve(mut stream: TcpStream, target: String, fault: Arc<Mutex<Fault>>, counter: Arc<Mutex<u64>>) {
    let Some((path, body)) = read_request(&mut stream).await else { return };
    *counter.lock().unwrap() += 1;
    let fault = fault.lock().unwrap().clone();
    let (status, answer) = match &fault {
        Fault::Hangup => return,
        Fault::Silence => {
            // Holds the connection until the client gives up.
            let mut rest = [0; 1];
            let _ = stream.read(&mut rest).await;
            return;
        }
        Fault::Status(status) => (*status, Vec::new()),
        Fault::Garbage(text) => (200, text.as_bytes().to_vec()),
        Fault::None | Fault::Lie(..) => forward(&target, &path, &body).await,
    };
    let answer = match fault {
        Fault::Lie(method, lie) if lies_to(&body, method) => {
            let mut value: Value = serde_json::from_slice(&answer).unwrap();
            match &mut value {
                Value::Array(answers) => answers.iter_mut().for_each(lie),
                single => lie(single),
            }
            serde_json::to_vec(&value).unwrap()
        }
        _ => answer,
    };
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&answer).await;
}

fn lies_to(body: &[u8], method: &str) -> bool {
    // A GET has no body: the fault is meant for it.
    body.is_empty() || String::from_utf8_lossy(body).contains(&format!("\"{method}\""))
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |length| length.trim().parse::<usize>().unwrap());
        if bytes.len() >= end + 4 + length {
            let path = String::from_utf8_lossy(&bytes[..end]).split(' ').nth(1)?.to_owned();
            return Some((path, bytes[end + 4..end + 4 + length].to_vec()));
        }
    }
}

async fn forward(target: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let client = reqwest::Client::new();
    let url = format!("{target}{path}");
    let request = if body.is_empty() {
        client.get(url)
    } else {
        client.post(url).header("content-type", "application/json").body(body.to_vec())
    };
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}
