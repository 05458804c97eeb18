//! A settlement of many holders, a short share of `scripts/settle.sh`: leaves, tree and file are made, and a claimant with
//! nothing but the file and L1 is paid for less than 60,000 gas a leaf, whatever the kind.

use serde_json::Value;
use std::process::Command;

fn settle(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_mayfly-settle")).args(args).output().unwrap()
}

#[test]
fn twenty_thousand_holders_settle_and_no_leaf_of_a_batch_costs_over_60_000_gas() {
    let output = settle(&["--holders", "20000", "--json", "--check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number in {report}"));
    let kinds = report["leaves_by_kind"].as_object().unwrap();
    assert_eq!((kinds.len(), number(&kinds["native"])), (7, 20_000));
    assert_eq!(number(&report["leaves"]), kinds.values().map(number).sum::<u64>());
    let gas = report["gas_per_leaf"].as_object().unwrap();
    assert_eq!(gas.len(), 6);
    for (kind, gas) in gas {
        let (range, single) = (number(&gas["range"]), number(&gas["single"]));
        assert!(range <= 60_000 && range + 8_000 < single, "{kind}: {range}, {single}");
    }
    let (state, peak) = (number(&report["state_rss_mib"]), number(&report["settle_peak_rss_mib"]));
    assert!(state > 10 && peak < state + 100, "settling took {state} MiB to {peak} MiB");
}

#[test]
fn too_few_holders_to_measure_anything_are_refused() {
    let output = settle(&["--holders", "100"]);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("too few holders"));
}
