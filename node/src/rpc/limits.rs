//! How much one client may ask for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Addresses that are told apart at once. Beyond it, idle ones are forgotten;
/// if all are busy, new ones share one bucket.
const MAX_BUCKETS: usize = 65_536;
/// Looking through all of them takes a millisecond: not more often than this, however many new addresses come.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Limits on calls and their answers. Everything a client controls has one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcLimits {
    /// Calls in one batch.
    pub max_batch_items: usize,
    /// Bytes of one answer, a batch's answers together.
    pub max_response_bytes: usize,
    /// Calls that may burn CPU at the same time (`eth_call`, `eth_getLogs`, …); 0: one less than there are cores.
    pub max_heavy_calls: usize,
    /// Such calls running or waiting for a turn; more are refused.
    pub max_heavy_waiting: usize,
    /// Those of one address (IPv6: of one /64).
    pub max_heavy_waiting_per_address: usize,
    /// Blocks that one `eth_getLogs` may span which names neither an address nor a topic.
    pub max_log_blocks: u64,
    /// Logs one answer may hold.
    pub max_log_results: usize,
    /// Addresses, and alternatives per topic, in one log filter.
    pub max_filter_values: usize,
    /// Polling filters per rollup.
    pub max_filters: usize,
    /// A filter that is not polled for so long is dropped.
    pub filter_ttl_ms: u64,
    /// Gas one `eth_call` or `eth_estimateGas` may burn.
    pub max_call_gas: u64,
    /// `eth_sendRawTransactionSync` without a timeout of its own waits so long.
    pub sync_timeout_ms: u64,
    /// … and never longer than this.
    pub max_sync_timeout_ms: u64,
    /// Blocks one `eth_feeHistory` may span.
    pub max_fee_history_blocks: u64,
    /// Storage keys in one `eth_getProof`.
    pub max_proof_keys: usize,
    /// Whether `debug_trace*` runs tracers in JavaScript. Nothing bounds the memory of such a program, the depth that its
    /// parser goes to, or how long one of its callbacks runs: whoever may call can stop the node.
    pub js_tracers: bool,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            max_batch_items: 1_000,
            max_response_bytes: 32 * 1024 * 1024,
            max_heavy_calls: 0,
            max_heavy_waiting: 256,
            max_heavy_waiting_per_address: 64,
            max_log_blocks: mayfly_evm::MAX_LOG_RANGE_BLOCKS,
            max_log_results: 20_000,
            max_filter_values: 1_000,
            max_filters: 4_096,
            filter_ttl_ms: 300_000,
            max_call_gas: mayfly_evm::MAX_CALL_GAS,
            sync_timeout_ms: 5_000,
            max_sync_timeout_ms: 30_000,
            max_fee_history_blocks: 1_024,
            max_proof_keys: 256,
            js_tracers: false,
        }
    }
}

impl RpcLimits {
    /// [`RpcLimits::max_heavy_calls`], worked out: a core stays free for building blocks.
    pub(crate) fn heavy_calls(&self) -> usize {
        match self.max_heavy_calls {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1)),
            set => set,
        }
    }
}

/// Token buckets by client address (IPv6 by /64), in compute units.
#[derive(Debug)]
pub struct RateLimiter {
    units_per_s: u64,
    burst_units: u64,
    exempt_loopback: bool,
    max_buckets: usize,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    by_address: HashMap<IpAddr, Bucket>,
    /// When idle addresses were last forgotten.
    swept_at: Option<Instant>,
    /// Shared by every address that found no room.
    crowd: Option<Bucket>,
}

/// Millionths of a unit, so that slow rates do not round to nothing.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    level_micro: u64,
    filled_at: Instant,
}

impl RateLimiter {
    /// `units_per_s` = 0 switches limiting off.
    pub fn new(units_per_s: u64, burst_units: u64, exempt_loopback: bool) -> Self {
        let burst_units = burst_units.max(1);
        let buckets = Mutex::default();
        Self { units_per_s, burst_units, exempt_loopback, max_buckets: MAX_BUCKETS, buckets }
    }

    /// Takes `units` from the address's bucket, or says in how many milliseconds
    /// there will be enough.
    pub fn take(&self, address: IpAddr, units: u64, now: Instant) -> Result<(), u64> {
        if self.units_per_s == 0 || self.exempts(address) {
            return Ok(());
        }
        // A call dearer than the whole bucket empties it instead of never passing.
        let want_micro = units.min(self.burst_units).saturating_mul(1_000_000);
        let mut buckets = self.buckets.lock();
        let bucket = self.bucket(&mut buckets, prefix(address), now);
        self.refill(bucket, now);
        if bucket.level_micro >= want_micro {
            bucket.level_micro -= want_micro;
            return Ok(());
        }
        let missing_micro = want_micro - bucket.level_micro;
        Err((missing_micro / self.units_per_s).div_ceil(1_000).max(1))
    }

    /// Whether the address is this machine's, and those are not limited.
    pub(crate) fn exempts(&self, address: IpAddr) -> bool {
        self.exempt_loopback && address.to_canonical().is_loopback()
    }

    fn full(&self, now: Instant) -> Bucket {
        Bucket { level_micro: self.burst_units.saturating_mul(1_000_000), filled_at: now }
    }

    fn bucket<'a>(&self, buckets: &'a mut Buckets, key: IpAddr, now: Instant) -> &'a mut Bucket {
        let known = buckets.by_address.contains_key(&key);
        let swept = buckets.swept_at.is_some_and(|at| now.saturating_duration_since(at) < SWEEP_INTERVAL);
        if !known && !swept && buckets.by_address.len() >= self.max_buckets {
            buckets.swept_at = Some(now);
            let idle = Duration::from_secs(1 + self.burst_units / self.units_per_s);
            buckets.by_address.retain(|_, bucket| now.duration_since(bucket.filled_at) < idle);
        }
        if !known && buckets.by_address.len() >= self.max_buckets {
            return buckets.crowd.get_or_insert_with(|| self.full(now));
        }
        buckets.by_address.entry(key).or_insert_with(|| self.full(now))
    }

    fn refill(&self, bucket: &mut Bucket, now: Instant) {
        let elapsed = now.saturating_duration_since(bucket.filled_at);
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let full = self.burst_units.saturating_mul(1_000_000);
        // One unit a second is one millionth of a unit a microsecond.
        let gained = elapsed_us.saturating_mul(self.units_per_s);
        bucket.level_micro = bucket.level_micro.saturating_add(gained).min(full);
        bucket.filled_at = now;
    }
}

/// What one subscriber of a provider can hand to itself for free counts as one.
pub(crate) fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let bits = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn says_no_when_empty_and_yes_after_the_time_it_names() {
        let limiter = RateLimiter::new(10, 20, false);
        let start = Instant::now();
        for _ in 0..20 {
            limiter.take(ip("192.0.2.1"), 1, start).unwrap();
        }
        let wait_ms = limiter.take(ip("192.0.2.1"), 1, start).unwrap_err();
        assert_eq!(wait_ms, 100);
        limiter.take(ip("192.0.2.2"), 1, start).unwrap();
        let later = start + Duration::from_millis(wait_ms);
        limiter.take(ip("192.0.2.1"), 1, later).unwrap();
        limiter.take(ip("192.0.2.1"), 1, later).unwrap_err();
    }

    #[test]
    fn loopback_is_exempt_only_if_asked() {
        let now = Instant::now();
        let open = RateLimiter::new(1, 1, true);
        assert!((0..100).all(|_| open.take(ip("127.0.0.1"), 5, now).is_ok()));
        assert!((0..100).all(|_| open.take(ip("::ffff:127.0.0.1"), 5, now).is_ok()));
        let strict = RateLimiter::new(1, 1, false);
        assert!(strict.take(ip("127.0.0.1"), 5, now).is_ok());
        assert!(strict.take(ip("127.0.0.1"), 5, now).is_err());
    }

    #[test]
    fn one_v6_network_is_one_client() {
        let limiter = RateLimiter::new(1, 1, false);
        let now = Instant::now();
        limiter.take(ip("2001:db8::1"), 1, now).unwrap();
        limiter.take(ip("2001:db8::2"), 1, now).unwrap_err();
        limiter.take(ip("2001:db8:0:1::1"), 1, now).unwrap();
    }

    #[test]
    fn memory_is_bounded_and_a_crowd_shares_one_bucket() {
        let mut limiter = RateLimiter::new(1, 2, false);
        limiter.max_buckets = 8;
        let now = Instant::now();
        for last in 0..8 {
            limiter.take(ip(&format!("192.0.2.{last}")), 1, now).unwrap();
        }
        limiter.take(ip("198.51.100.1"), 1, now).unwrap();
        limiter.take(ip("198.51.100.2"), 1, now).unwrap();
        limiter.take(ip("198.51.100.3"), 1, now).unwrap_err();
        assert_eq!(limiter.buckets.lock().by_address.len(), 8);
        // Idle ones are looked for once a second at most.
        let idle = now + Duration::from_secs(3);
        limiter.buckets.lock().swept_at = Some(idle - Duration::from_millis(500));
        limiter.take(ip("198.51.100.3"), 1, idle).unwrap();
        assert_eq!(limiter.buckets.lock().by_address.len(), 8);
        // Once they are idle they make room.
        limiter.take(ip("198.51.100.3"), 1, now + Duration::from_secs(60)).unwrap();
        assert_eq!(limiter.buckets.lock().by_address.len(), 1);
    }
}
