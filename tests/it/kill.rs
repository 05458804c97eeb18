//! A short share of `scripts/torture.sh`: some kills at random, and some crash points.

use mayfly_e2e::kill::{Batches, Report, Torture, World};
use mayfly_e2e::program;

async fn run(seed: u64, cycles: u64, points: &[&str], between: u32) -> Report {
    let world = World::start(&program::mayfly(), Batches::Calldata).await.unwrap();
    let points: Vec<String> = points.iter().map(|point| (*point).to_owned()).collect();
    let report = Torture::new(world, seed, &points, between).unwrap().run(cycles, None).await.unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.kill_cycles == cycles && report.derivations == 1, "{report:#?}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_lose_nothing() {
    let report = run(11, 3, &["log-torn"], 3).await;
    assert_eq!(report.random_kills, 3);
    assert!(report.answered > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_crash_points_lose_nothing() {
    let points = ["log-torn", "store-save", "post-recorded", "stands-written"];
    let report = run(12, 4, &points, 0).await;
    assert_eq!(report.points_hit.keys().collect::<Vec<_>>().len(), 4, "{report:#?}");
    assert!(report.answered > 0 && report.batches > 0);
}
