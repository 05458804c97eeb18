//! Metrics in Prometheus' text form.
//!
//! Every crate registers its own, beside the code that moves them, in the
//! process-wide registry; this module encodes them. Names are
//! `mayfly_<crate>_<noun>_<unit>`.

use prometheus::{Encoder, IntCounter, IntGauge, TextEncoder};

/// A number that goes up and down.
pub type Gauge = IntGauge;

/// The content type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of the process.
pub fn encode() -> Result<Vec<u8>, prometheus::Error> {
    process::refresh();
    let mut text = Vec::with_capacity(16 * 1024);
    TextEncoder::new().encode(&prometheus::gather(), &mut text)?;
    Ok(text)
}

/// Registers `metric` with the process, or hands back an unregistered one if the
/// name is taken: counting goes on, and the log says what is missing.
pub fn registered<M: prometheus::core::Collector + Clone + 'static>(metric: M) -> M {
    if let Err(error) = prometheus::default_registry().register(Box::new(metric.clone())) {
        tracing::error!(%error, "a metric could not be registered");
    }
    metric
}

/// A registered counter. The name must be a valid one: it stands in the code.
pub fn counter(name: &'static str, help: &'static str) -> IntCounter {
    registered(IntCounter::new(name, help).expect("a metric name written in the code is valid"))
}

/// A registered gauge, likewise.
pub fn gauge(name: &'static str, help: &'static str) -> Gauge {
    registered(IntGauge::new(name, help).expect("a metric name written in the code is valid"))
}

/// What the operating system knows about the process.
mod process {
    use std::sync::LazyLock;

    use prometheus::IntGauge;

    struct Process {
        resident_bytes: IntGauge,
        threads_count: IntGauge,
        open_files_count: IntGauge,
    }

    static PROCESS: LazyLock<Process> = LazyLock::new(|| Process {
        resident_bytes: super::gauge("mayfly_node_resident_bytes", "Resident memory of the process"),
        threads_count: super::gauge("mayfly_node_threads_count", "Threads of the process"),
        open_files_count: super::gauge("mayfly_node_open_files_count", "Open file handles"),
    });

    /// Reads `/proc`; where there is none the gauges stay 0.
    pub(super) fn refresh() {
        let process = &*PROCESS;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_ascii_whitespace().nth(1)?.parse::<i64>().ok()
        };
        process.resident_bytes.set(field("VmRSS:").unwrap_or(0).saturating_mul(1_024));
        process.threads_count.set(field("Threads:").unwrap_or(0));
        let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        process.open_files_count.set(i64::try_from(files).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn encodes_the_process_and_registers_a_name_once() {
        let gauge = || prometheus::IntGauge::new("mayfly_node_test_count", "a test").unwrap();
        let first = super::registered(gauge());
        let second = super::registered(gauge());
        first.set(7);
        second.set(9);
        let text = String::from_utf8(super::encode().unwrap()).unwrap();
        assert!(text.contains("mayfly_node_test_count 7"), "{text}");
        assert!(text.contains("mayfly_node_resident_bytes"));
        #[cfg(target_os = "linux")]
        assert!(!text.contains("mayfly_node_resident_bytes 0\n"));
    }
}
