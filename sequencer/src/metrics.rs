//! The sequencer's Prometheus metrics, one set per rollup.

use std::collections::HashMap;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Opts, Registry};

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
    pub(crate) paused: IntGauge,
    pub(crate) balance_gwei: IntGauge,
    pub(crate) runway_seconds: IntGauge,
    pub(crate) post_attempts: IntCounter,
    pub(crate) build_seconds: Histogram,
}

impl Metrics {
    /// Registers the metrics of one rollup.
    pub(crate) fn new(registry: &Registry, rollup: &str) -> Result<Self, SequencerError> {
        let error = |e: prometheus::Error| SequencerError::Config(format!("metrics: {e}"));
        let labels = HashMap::from([("rollup".to_owned(), rollup.to_owned())]);
        let opts =
            |name: &str, help: &str| Opts::new(format!("mayfly_sequencer_{name}"), help).const_labels(labels.clone());
        let counter = |name: &str, help: &str| {
            let metric = IntCounter::with_opts(opts(name, help)).map_err(error)?;
            registry.register(Box::new(metric.clone())).map_err(error)?;
            Ok::<_, SequencerError>(metric)
        };
        let gauge = |name: &str, help: &str| {
            let metric = IntGauge::with_opts(opts(name, help)).map_err(error)?;
            registry.register(Box::new(metric.clone())).map_err(error)?;
            Ok::<_, SequencerError>(metric)
        };
        let build = HistogramOpts::from(opts("build_seconds", "time to execute and seal a block"))
            .buckets(vec![0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5]);
        let build_seconds = Histogram::with_opts(build).map_err(error)?;
        registry.register(Box::new(build_seconds.clone())).map_err(error)?;
        Ok(Self {
            transactions: counter("transactions_total", "transactions put into blocks")?,
            blocks: counter("blocks_total", "blocks sealed")?,
            gas: counter("gas_total", "gas used")?,
            dropped: counter("dropped_total", "transactions that left the pool unincluded")?,
            refused: counter("refused_total", "submissions refused")?,
            lost: counter("lost_total", "answered transactions that a rebase could not restore")?,
            rebases: counter("rebases_total", "times the chain gave way to l1")?,
            batches: counter("batches_total", "batches of ours seen on l1")?,
            batch_bytes: counter("batch_bytes_total", "bytes of input and blobs in batches on l1")?,
            pool: gauge("pool_transactions", "transactions waiting")?,
            head: gauge("head_block", "newest executed block")?,
            safe: gauge("safe_block", "newest block in a batch on l1")?,
            finalized: gauge("finalized_block", "newest block in a final batch")?,
            unposted_seconds: gauge("unposted_seconds", "age of the oldest unposted block")?,
            unposted_bytes: gauge("unposted_bytes", "encoded transactions not on l1")?,
            paused: gauge("paused_state", "1 while no blocks are built although there may be work")?,
            balance_gwei: gauge("poster_balance_gwei", "what the posting key holds")?,
            runway_seconds: gauge("poster_runway_seconds", "how long the balance lasts at the recent rate")?,
            post_attempts: counter("post_attempts_total", "transactions signed for l1")?,
            build_seconds,
        })
    }
}
