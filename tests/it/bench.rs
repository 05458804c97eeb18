//! The benchmark measures what it says it does. Only anvil here: `scripts/bench.sh` runs the node too.

use serde_json::Value;
use std::process::Command;

fn bench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mayfly-bench"))
}

#[test]
fn the_benchmark_reports_what_a_server_did() {
    // Any file will do for a node that is not started.
    let output = bench()
        .args(["--json", "--targets", "anvil-hashes", "--workloads", "mint", "--modes", "batch100,ws", "--mayfly"])
        .arg(env!("CARGO_BIN_EXE_mayfly-bench"))
        .args(["--transactions", "1000", "--steady-transactions", "500", "--memory-transactions", "0"])
        .args(["--backlog-transactions", "2000"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [run, by_websocket] = &report["runs"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!(by_websocket["mode"], "ws");
    assert!(by_websocket["included_tx_per_s"].as_f64().unwrap() > 10.0, "{by_websocket}");
    assert_eq!(
        (&run["target"], &run["workload"], &run["mode"]),
        (&"anvil-hashes".into(), &"mint".into(), &"batch100".into())
    );
    let number = |key: &str| run[key].as_f64().unwrap_or_else(|| panic!("no {key} in {run}"));
    // A block a second: the median transaction waits for most of a half one, none is answered at once.
    assert!(number("receipt_p50_ms") > 20.0 && number("receipt_p99_ms") >= number("receipt_p50_ms"), "{run}");
    assert!(number("included_tx_per_s") > 10.0 && number("server_cpu_us_per_tx") > 1.0, "{run}");
    assert!(number("server_rss_mib") > 10.0, "{run}");
    let backlog = &report["backlogs"][0];
    assert_eq!((&backlog["target"], &backlog["transactions"]), (&"anvil-hashes".into(), &2_000.into()), "{backlog}");
    assert!(backlog["peak_rss_mib"].as_f64().unwrap() > 10.0, "{backlog}");
    assert!(report["criteria"].as_array().unwrap().is_empty(), "nothing is said of a node that did not run");
}

#[test]
fn the_benchmark_refuses_to_measure_what_is_not_there() {
    let output = bench().args(["--mayfly", "/nonexistent/mayfly"]).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/mayfly"));
}
