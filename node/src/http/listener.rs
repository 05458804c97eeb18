//! A TCP listener with limits: connections in all, per address, and idle time.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::metrics::Gauge;

/// Pause after an error of `accept`, such as no file handles left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

type PerAddress = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Accepts connections within limits.
pub(crate) struct LimitedListener {
    inner: TcpListener,
    slots: Arc<Semaphore>,
    per_address: PerAddress,
    max_per_address: usize,
    idle: Duration,
    open: Gauge,
}

impl LimitedListener {
    pub(crate) fn new(
        inner: TcpListener,
        max_connections: usize,
        max_per_address: usize,
        idle: Duration,
        open: Gauge,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let per_address = PerAddress::default();
        Self { inner, slots, per_address, max_per_address: max_per_address.max(1), idle, open }
    }

    /// Counts the address in, unless it has enough connections.
    fn enter(&self, address: IpAddr, slot: OwnedSemaphorePermit) -> Option<Held> {
        let mut counts = self.per_address.lock();
        let count = counts.entry(address).or_insert(0);
        if *count >= self.max_per_address {
            return None;
        }
        *count += 1;
        self.open.inc();
        let per_address = Arc::clone(&self.per_address);
        Some(Held { address, per_address, open: self.open.clone(), _slot: slot })
    }
}

impl Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            // The backlog waits while every slot is taken; idle connections free theirs.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                // The semaphore is never closed; if it were, accept nothing.
                std::future::pending::<()>().await;
                continue;
            };
            match self.inner.accept().await {
                Ok((stream, address)) => {
                    if let Some(held) = self.enter(address.ip().to_canonical(), slot) {
                        // Only costs latency if it fails.
                        let _ = stream.set_nodelay(true);
                        return (LimitedStream::new(stream, held, self.idle), address);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// The place a connection takes; given back on drop.
struct Held {
    address: IpAddr,
    per_address: PerAddress,
    open: Gauge,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.dec();
        let mut counts = self.per_address.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// A connection that ends itself when nothing moves.
pub(crate) struct LimitedStream {
    inner: TcpStream,
    idle: Duration,
    moved_at: Instant,
    alarm: Pin<Box<Sleep>>,
    _held: Held,
}

impl LimitedStream {
    fn new(inner: TcpStream, held: Held, idle: Duration) -> Self {
        let moved_at = Instant::now();
        let alarm = Box::pin(sleep_until(moved_at + idle));
        Self { inner, idle, moved_at, alarm, _held: held }
    }

    /// Ready once nothing moved for the idle time. The alarm is only set anew
    /// when it rings, so that traffic does not touch the timer.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let due = self.moved_at + self.idle;
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(due);
        }
    }

    fn idle_or<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Pending => {
                ready!(self.poll_idle(cx));
                Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
            }
            moved => {
                self.moved_at = Instant::now();
                moved
            }
        }
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.idle_or(cx, outcome)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.idle_or(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.idle_or(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The peer's address, for handlers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Connected<IncomingStream<'_, LimitedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        Self(stream.remote_addr().ip().to_canonical())
    }
}
