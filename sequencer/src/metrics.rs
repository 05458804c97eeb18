//! The sequencer's Prometheus metrics, one set per rollup.

use std::collections::HashMap;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::condition::{Mode, REASONS};
use crate::error::SequencerError;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) transactions: IntCounter,
    pub(crate) blocks: IntCounter,
    pub(crate) gas: IntCounter,
    pub(crate) dropped: IntCounter,
    pub(crate) refused: IntCounter,
    pub(crate) lost: IntCounter,
    pub(crate) rebases: IntCounter,
    pub(crate) batches: IntCounter,
    pub(crate) batch_bytes: IntCounter,
    pub(crate) pool: IntGauge,
    pub(crate) head: IntGauge,
    pub(crate) safe: IntGauge,
    pub(crate) finalized: IntGauge,
    pub(crate) unposted_seconds: IntGauge,
    pub(crate) unposted_bytes: IntGauge,
    state: IntGaugeVec,
    pub(crate) balance_gwei: IntGauge,
    pub(crate) runway_seconds: IntGauge,
    pub(crate) post_attempts: IntCounter,
    pub(crate) build_seconds: Histogram,
}

/// What one sequencer registered. Dropped, it takes it off the registry, so that another can start in this process.
pub(crate) struct Registered {
    registry: Registry,
    collectors: Vec<Box<dyn Collector>>,
}

impl Registered {
    fn add<C: Collector + Clone + 'static>(&mut self, metric: prometheus::Result<C>) -> Result<C, SequencerError> {
        let error = |e: prometheus::Error| SequencerError::Config(format!("metrics: {e}"));
        let metric = metric.map_err(error)?;
        self.registry.register(Box::new(metric.clone())).map_err(error)?;
        self.collectors.push(Box::new(metric.clone()));
        Ok(metric)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        for collector in self.collectors.drain(..) {
            let _ = self.registry.unregister(collector);
        }
    }
}

impl Metrics {
    /// Registers the metrics of one rollup until the second value is dropped.
    pub(crate) fn register(registry: &Registry, rollup: &str) -> Result<(Self, Registered), SequencerError> {
        let mut registered = Registered { registry: registry.clone(), collectors: Vec::new() };
        let labels = HashMap::from([("rollup".to_owned(), rollup.to_owned())]);
        let opts =
            |name: &str, help: &str| Opts::new(format!("mayfly_sequencer_{name}"), help).const_labels(labels.clone());
        let build = HistogramOpts::from(opts("build_seconds", "time to execute and seal a block"))
            .buckets(vec![0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5]);
        let build_seconds = registered.add(Histogram::with_opts(build))?;
        let mut counter = |name: &str, help: &str| registered.add(IntCounter::with_opts(opts(name, help)));
        let counters = [
            counter("transactions_total", "transactions put into blocks")?,
            counter("blocks_total", "blocks sealed")?,
            counter("gas_total", "gas used")?,
            counter("dropped_total", "transactions that left the pool unincluded")?,
            counter("refused_total", "submissions refused")?,
            counter("lost_total", "answered transactions that a rebase could not restore")?,
            counter("rebases_total", "times the chain gave way to l1")?,
            counter("batches_total", "batches of ours seen on l1")?,
            counter("batch_bytes_total", "bytes of input and blobs in batches on l1")?,
            counter("post_attempts_total", "transactions signed for l1")?,
        ];
        let [transactions, blocks, gas, dropped, refused, lost, rebases, batches, batch_bytes, post_attempts] =
            counters;
        let state = opts("state", "1 for what the sequencer does, and why");
        let state = registered.add(IntGaugeVec::new(state, &["state", "reason"]))?;
        let mut gauge = |name: &str, help: &str| registered.add(IntGauge::with_opts(opts(name, help)));
        let metrics = Self {
            transactions,
            blocks,
            gas,
            dropped,
            refused,
            lost,
            rebases,
            batches,
            batch_bytes,
            pool: gauge("pool_transactions", "transactions waiting")?,
            head: gauge("head_block", "newest executed block")?,
            safe: gauge("safe_block", "newest block in a batch on l1")?,
            finalized: gauge("finalized_block", "newest block in a final batch")?,
            unposted_seconds: gauge("unposted_seconds", "age of the oldest unposted block")?,
            unposted_bytes: gauge("unposted_bytes", "encoded transactions not on l1")?,
            state,
            balance_gwei: gauge("poster_balance_gwei", "what the posting key holds")?,
            runway_seconds: gauge("poster_runway_seconds", "how long the balance lasts at the recent rate")?,
            post_attempts,
            build_seconds,
        };
        metrics.set_state(Mode::Paused, "syncing");
        Ok((metrics, registered))
    }

    /// Shows one state, and that it is no other.
    pub(crate) fn set_state(&self, state: Mode, reason: &str) {
        for (mode, why) in REASONS {
            self.state.with_label_values(&[mode.name(), why]).set(i64::from((mode, why) == (state, reason)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_state_is_shown_at_a_time() {
        let registry = Registry::new();
        let (metrics, _registered) = Metrics::register(&registry, "0x01").unwrap();
        metrics.set_state(Mode::Paused, "posting-stalled");
        let families = registry.gather();
        let state = families.iter().find(|family| family.name() == "mayfly_sequencer_state").unwrap();
        let shown: Vec<_> = state.get_metric().iter().filter(|metric| metric.get_gauge().get_value() == 1.0).collect();
        let labels: Vec<_> = shown[0].get_label().iter().map(|label| label.value()).collect();
        assert_eq!((state.get_metric().len(), shown.len()), (REASONS.len(), 1));
        assert!(labels.contains(&"paused") && labels.contains(&"posting-stalled"), "{labels:?}");
    }

    #[test]
    fn a_second_sequencer_may_register_once_the_first_is_gone() {
        let registry = Registry::new();
        let first = Metrics::register(&registry, "0x01").unwrap();
        assert!(Metrics::register(&registry, "0x01").is_err());
        let names = registry.gather().len();
        let other = Metrics::register(&registry, "0x02").unwrap();
        drop(first);
        let _again = Metrics::register(&registry, "0x01").unwrap();
        drop(other);
        assert_eq!(registry.gather().len(), names);
    }
}
