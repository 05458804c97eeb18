//! JSON-RPC over WebSocket.
//!
//! One task reads, answers and watches the chain; one task writes. Between them
//! is a queue bounded in messages and bytes: a client that does not keep up is
//! closed with a reason instead of growing the node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{IntoResponse, Response};
use futures::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures::{FutureExt, SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::server::Public;
use crate::rpc::{Caller, Lagged, Subscriptions};

/// Requests of one connection that are answered at the same time.
const MAX_IN_FLIGHT: usize = 64;
/// How often the server pings.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client that sends nothing, not even pongs, for so long is gone.
const SILENCE: Duration = Duration::from_secs(65);
/// Time for the last frame to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Upgrades the connection, unless the page that asks may not.
pub(super) fn accept(public: Arc<Public>, caller: Caller, upgrade: WebSocketUpgrade, headers: &HeaderMap) -> Response {
    if !public.origins.admit(headers) {
        return (StatusCode::FORBIDDEN, "this web origin may not connect\n").into_response();
    }
    let limit = public.config.max_body_bytes;
    let tracker = public.sockets.clone();
    upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| tracker.track_future(serve(public, caller, socket)))
}

/// Why the server ends a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Goodbye {
    code: u16,
    reason: String,
}

impl Goodbye {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

async fn serve(public: Arc<Public>, caller: Caller, socket: WebSocket) {
    let (sink, stream) = socket.split();
    let (sender, receiver) = mpsc::channel(public.config.max_ws_queue_messages.max(1));
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let (close, closed) = oneshot::channel();
    let outbox =
        Outbox { sender, queued_bytes: Arc::clone(&queued_bytes), max_bytes: public.config.max_ws_queue_bytes };
    let writer = tokio::spawn(write_out(sink, receiver, queued_bytes, closed));
    let goodbye = read_in(&public, &caller, stream, &outbox).await;
    drop(outbox);
    if let Some(goodbye) = goodbye {
        // The writer is gone if the client is: nothing left to say then.
        let _ = close.send(goodbye);
    }
    let _ = writer.await;
}

/// Runs until the client leaves (`None`) or has to.
async fn read_in(
    public: &Public,
    caller: &Caller,
    mut stream: SplitStream<WebSocket>,
    outbox: &Outbox,
) -> Option<Goodbye> {
    let mut answers = FuturesUnordered::new();
    let mut subscriptions = Subscriptions::new(Arc::clone(&caller.rollup), public.config.max_subscriptions);
    let mut ping = tokio::time::interval(PING_EVERY);
    let mut seen_at = Instant::now();
    loop {
        tokio::select! {
            () = public.shutdown.cancelled() => return Some(Goodbye::new(close_code::AWAY, "node is stopping")),
            () = caller.rollup.gone.cancelled() => return Some(Goodbye::new(close_code::AWAY, "the rollup starts again")),
            message = stream.next(), if answers.len() < MAX_IN_FLIGHT => {
                seen_at = Instant::now();
                let body: bytes::Bytes = match message? {
                    Ok(Message::Text(text)) => text.into(),
                    Ok(Message::Binary(bytes)) => bytes,
                    Ok(Message::Close(_)) => return None,
                    Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                    Err(error) => return broken(&error),
                };
                match public.service.subscription(caller, &mut subscriptions, &body) {
                    // Queued before any notification of it can be.
                    Some(answer) => {
                        if let Some(goodbye) = text(answer).and_then(|text| outbox.push(text).err()) {
                            return Some(goodbye);
                        }
                    }
                    None => answers.push(answer(public, caller, body).boxed()),
                }
            }
            told = subscriptions.next() => match told {
                Ok(told) => {
                    for text in told {
                        public.sent(caller, text.len());
                        if let Err(goodbye) = outbox.push(text.into()) {
                            return Some(goodbye);
                        }
                    }
                }
                Err(Lagged(events)) => {
                    return Some(Goodbye::new(close_code::POLICY, format!("too slow: {events} events were missed")));
                }
            },
            Some(body) = answers.next() => {
                if let Some(goodbye) = body.and_then(|body| outbox.push(body).err()) {
                    return Some(goodbye);
                }
            }
            _ = ping.tick() => {
                if seen_at.elapsed() > SILENCE {
                    return Some(Goodbye::new(close_code::POLICY, "no answer to pings"));
                }
                if let Err(goodbye) = outbox.ping() {
                    return Some(goodbye);
                }
            }
        }
    }
}

async fn answer(public: &Public, caller: &Caller, body: bytes::Bytes) -> Option<Utf8Bytes> {
    public.answer(caller, &body).await.body.and_then(text)
}

/// Answers are built from JSON texts, so they are UTF-8. An empty one answers a notification.
fn text(body: Vec<u8>) -> Option<Utf8Bytes> {
    Utf8Bytes::try_from(body).ok().filter(|text| !text.as_str().is_empty())
}

/// Oversized and malformed frames get a reason; a vanished client nothing.
fn broken(error: &axum::Error) -> Option<Goodbye> {
    let text = error.to_string();
    let too_long = text.contains("too long") || text.contains("too large");
    too_long.then(|| Goodbye::new(close_code::SIZE, "message too large"))
}

/// The queue towards the client.
struct Outbox {
    sender: mpsc::Sender<Message>,
    queued_bytes: Arc<AtomicUsize>,
    max_bytes: usize,
}

impl Outbox {
    /// Queues a text. `Err` if the client is too slow.
    fn push(&self, text: Utf8Bytes) -> Result<(), Goodbye> {
        let length = text.as_str().len();
        let queued = self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        if queued > 0 && queued.saturating_add(length) > self.max_bytes {
            return Err(Goodbye::new(close_code::POLICY, format!("too slow: {queued} bytes wait to be read")));
        }
        self.queue(Message::Text(text))
    }

    fn ping(&self) -> Result<(), Goodbye> {
        self.queue(Message::Ping(bytes::Bytes::new()))
    }

    fn queue(&self, message: Message) -> Result<(), Goodbye> {
        let most = self.sender.max_capacity();
        self.sender.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Goodbye::new(close_code::POLICY, format!("too slow: {most} messages wait to be read"))
            }
            mpsc::error::TrySendError::Closed(_) => Goodbye::new(close_code::AWAY, "connection lost"),
        })
    }
}

async fn write_out(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Message>,
    queued_bytes: Arc<AtomicUsize>,
    mut closed: oneshot::Receiver<Goodbye>,
) {
    let goodbye = loop {
        let message = tokio::select! {
            biased;
            goodbye = &mut closed => break goodbye.ok(),
            message = queue.recv() => match message {
                Some(message) => message,
                // The reader ended; it may have left a reason.
                None => break (&mut closed).await.ok(),
            },
        };
        let length = if let Message::Text(text) = &message { text.as_str().len() } else { 0 };
        tokio::select! {
            biased;
            sent = sink.send(message) => if sent.is_err() { return },
            goodbye = &mut closed => break goodbye.ok(),
        }
        queued_bytes.fetch_sub(length, Ordering::Relaxed);
    };
    let frame = goodbye.map(|goodbye| CloseFrame { code: goodbye.code, reason: goodbye.reason.into() });
    let last = async {
        // Failing means that the client is gone, which is what closing is for.
        let _ = sink.send(Message::Close(frame)).await;
        let _ = sink.close().await;
    };
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, last).await;
}
