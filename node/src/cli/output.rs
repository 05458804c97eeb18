//! Results on stdout, progress on stderr.

use std::io::Write;

use serde::Serialize;

/// What a command found: data for machines, text for people.
pub(crate) trait Report: Serialize {
    /// The text form, without a last newline.
    fn text(&self) -> String;
}

/// Prints the result.
pub(crate) fn print(report: &impl Report, json: bool) -> eyre::Result<()> {
    let text = if json { serde_json::to_string_pretty(report)? } else { report.text() };
    write_out(&text)
}

fn write_out(text: &str) -> eyre::Result<()> {
    let mut out = std::io::stdout().lock();
    // A reader that left (`| head`) is no failure of ours.
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints one of several results on a line of its own: JSON Lines, or text.
pub(crate) fn print_line(report: &impl Report, json: bool) -> eyre::Result<()> {
    let text = if json { serde_json::to_string(report)? } else { report.text() };
    write_out(&text)
}

/// Says what is going on, on stderr.
pub(crate) fn progress(text: impl AsRef<str>) {
    let mut err = std::io::stderr().lock();
    let _nobody_reads = writeln!(err, "{}", text.as_ref());
}

/// Wei as ETH with every digit that counts.
pub(crate) fn ether(wei: alloy_primitives::U256) -> String {
    let text = alloy_primitives::utils::format_ether(wei);
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    format!("{trimmed} ETH")
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    #[test]
    fn ether_keeps_every_digit_that_counts() {
        assert_eq!(ether(U256::from(1_500_000_000_000_000_000u64)), "1.5 ETH");
        assert_eq!(ether(U256::from(1)), "0.000000000000000001 ETH");
        assert_eq!(ether(U256::ZERO), "0 ETH");
    }
}
