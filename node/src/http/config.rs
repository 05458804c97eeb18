//! Settings of the public listener: the `[rpc]` table of the node's configuration.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

use crate::rpc::RpcLimits;

/// Settings of the public listener. The default serves one developer on this machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Web origins that browsers may call from; `*` allows any, an empty list none.
    pub cors_origins: Vec<String>,
    /// Largest request body, and largest WebSocket message.
    pub max_body_bytes: usize,
    /// Open connections, all clients together.
    pub max_connections: usize,
    /// Open connections of one address.
    pub max_connections_per_address: usize,
    /// A connection that moves no byte for so long is closed.
    pub idle_timeout_ms: u64,
    /// Longest time one request may take, waiting for a receipt apart.
    pub request_timeout_ms: u64,
    /// Compute units per second and address; 0 = no limit.
    pub rate_limit_units_per_s: u64,
    /// Compute units an address may spend at once.
    pub rate_limit_burst_units: u64,
    /// Clients on this machine are not limited. Switch it off behind a proxy that does not name its clients.
    pub exempt_loopback: bool,
    /// Take the client's address from the last entry of `X-Forwarded-For`. Only behind a proxy that sets it.
    pub trust_forwarded_for: bool,
    /// Subscriptions of one WebSocket connection.
    pub max_subscriptions: usize,
    /// Messages waiting for a slow WebSocket client before it is closed.
    pub max_ws_queue_messages: usize,
    /// Bytes waiting for a slow WebSocket client before it is closed.
    pub max_ws_queue_bytes: usize,
    /// Limits on calls.
    pub limits: RpcLimits,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8645)),
            cors_origins: Vec::new(),
            max_body_bytes: 5 * 1024 * 1024,
            max_connections: 4_096,
            max_connections_per_address: 1_024,
            idle_timeout_ms: 120_000,
            request_timeout_ms: 30_000,
            rate_limit_units_per_s: 20_000,
            rate_limit_burst_units: 100_000,
            exempt_loopback: true,
            trust_forwarded_for: false,
            max_subscriptions: 64,
            max_ws_queue_messages: 1_024,
            max_ws_queue_bytes: 16 * 1024 * 1024,
            limits: RpcLimits::default(),
        }
    }
}
