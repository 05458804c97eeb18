//! A proxy before L1's endpoint that answers one method itself while it is told to.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Whether a request is refused, and with which message.
pub(crate) type Refuses = fn(&Value) -> Option<&'static str>;

pub(crate) struct Proxy {
    pub(crate) url: String,
    refuses: Arc<Mutex<Option<Refuses>>>,
}

impl Proxy {
    pub(crate) async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let refuses = Arc::new(Mutex::new(None));
        let (shared, target) = (Arc::clone(&refuses), target.trim_start_matches("http://").to_owned());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, target.clone(), Arc::clone(&shared)));
            }
        });
        Self { url, refuses }
    }

    pub(crate) fn set(&self, refuses: Option<Refuses>) {
        *self.refuses.lock().unwrap() = refuses;
    }
}

async fn serve(mut stream: TcpStream, target: String, refuses: Arc<Mutex<Option<Refuses>>>) -> Option<()> {
    let (head, body) = Box::pin(read(&mut stream)).await?;
    let refuses = *refuses.lock().unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(message) = refuses.and_then(|refuses| refuses(&request)) {
        let answer = json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": message}});
        let answer = answer.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
        return stream.write_all(format!("{head}{}\r\n\r\n{answer}", answer.len()).as_bytes()).await.ok();
    }
    let mut anvil = TcpStream::connect(target).await.ok()?;
    let (first, rest) = head.split_once("\r\n")?;
    anvil.write_all(format!("{first}\r\nconnection: close\r\n{rest}").as_bytes()).await.ok()?;
    anvil.write_all(&body).await.ok()?;
    let mut answer = Vec::new();
    anvil.read_to_end(&mut answer).await.ok()?;
    stream.write_all(&answer).await.ok()
}

/// A request's head, up to the empty line, and its body.
async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 16_384]);
    loop {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length:").map(|length| length.trim().parse::<usize>().unwrap())
        });
        if bytes.len() >= end + length.unwrap_or(0) {
            return Some((head, bytes[end..].to_vec()));
        }
    }
}
