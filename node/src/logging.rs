//! Logs: `tracing` to stderr, as text for people or JSON for machines.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Libraries that are not heard at `info`.
const QUIET: &str = "fjall=warn,lsm_tree=warn,sqlx=warn";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Starts logging to stderr. `filter` is in `tracing`'s syntax, for example
/// `info,mayfly_sequencer=debug`. A second call in one process changes nothing.
///
/// # Errors
/// If the filter cannot be parsed.
pub fn init(filter: &str, format: LogFormat) -> Result<(), String> {
    // The libraries below tell of every file they open; who wants that says so by name.
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|e| format!("log filter {filter:?}: {e}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber is refused: tests start several nodes in one process.
    let _already_set = match format {
        LogFormat::Text => builder.with_ansi(false).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_filter_that_makes_no_sense() {
        assert!(init("mayfly=loudest", LogFormat::Text).is_err());
    }
}
