//! HTTP, as much as a client of an endpoint speaks.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Path and body of a request; none if the connection ended.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
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
            .map_or(0, |length| length.trim().parse::<usize>().unwrap_or(0));
        if bytes.len() >= end + 4 + length {
            let path = String::from_utf8_lossy(&bytes[..end]).split(' ').nth(1)?.to_owned();
            return Some((path, bytes[end + 4..end + 4 + length].to_vec()));
        }
    }
}

/// Answers with so many bytes of `body`, and says that it is whole.
pub(crate) async fn answer(stream: &mut TcpStream, status: u16, body: &[u8], sent: usize) {
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // The client may have given up.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body[..sent.min(body.len())]).await;
}

/// What the endpoint says; a 502 if it says nothing.
pub(crate) async fn forward(http: &reqwest::Client, target: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let url = format!("{target}{path}");
    let request = if body.is_empty() {
        http.get(url)
    } else {
        http.post(url).header("content-type", "application/json").body(body.to_vec())
    };
    let Ok(response) = request.send().await else { return (502, Vec::new()) };
    let status = response.status().as_u16();
    response.bytes().await.map_or((502, Vec::new()), |bytes| (status, bytes.to_vec()))
}
