//! Settings of the public listener: the `[rpc]` table of the node's configuration.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::cors::Origins;
use crate::rpc::RpcLimits;

/// Settings of the public listener. The default serves one developer on this machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// What clients are told to call, if not `listen`: behind a proxy, or listening on all addresses.
    pub public_url: String,
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
            public_url: String::new(),
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

impl HttpConfig {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        Origins::read(&self.cors_origins).map_err(|e| format!("rpc.cors_origins: {e}"))?;
        if !self.public_url.is_empty() {
            let url = &self.public_url;
            let parsed = reqwest::Url::parse(url).map_err(|e| format!("rpc.public_url: {url:?}: {e}"))?;
            if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() || parsed.fragment().is_some() {
                return Err(format!("rpc.public_url: {url:?}: not a plain http or https URL"));
            }
        }
        Ok(())
    }

    /// Where clients reach a listener that is bound to `bound`. All addresses are no place to go to: then it is this
    /// machine's own.
    #[must_use]
    pub fn url(&self, bound: SocketAddr) -> String {
        if !self.public_url.is_empty() {
            return self.public_url.trim_end_matches('/').to_owned();
        }
        match (bound.ip().is_unspecified(), bound) {
            (false, _) => format!("http://{bound}"),
            (true, SocketAddr::V4(_)) => format!("http://{}:{}", Ipv4Addr::LOCALHOST, bound.port()),
            (true, SocketAddr::V6(_)) => format!("http://[{}]:{}", Ipv6Addr::LOCALHOST, bound.port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_where_to_go() {
        let url = |public: &str, bound: &str| {
            let config = HttpConfig { public_url: public.to_owned(), ..HttpConfig::default() };
            bound.parse().map(|bound| config.url(bound))
        };
        assert_eq!(url("", "127.0.0.1:80").as_deref(), Ok("http://127.0.0.1:80"));
        assert_eq!(url("", "0.0.0.0:80").as_deref(), Ok("http://127.0.0.1:80"));
        assert_eq!(url("", "[::]:80").as_deref(), Ok("http://[::1]:80"));
        assert_eq!(url("https://rpc.example/m/", "0.0.0.0:80").as_deref(), Ok("https://rpc.example/m"));
    }
}
