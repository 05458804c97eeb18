//! A short share of what `scripts/torture.sh` does for hours: simulated lives of rollups. What they would not notice
//! proves nothing, so some are broken on purpose.

use mayfly_e2e::sim::{Sabotage, live, live_with};

/// Seeds of the short share.
const SEEDS: std::ops::Range<u64> = 0..16;

fn live_all(seeds: impl Iterator<Item = u64>) {
    let lives: Vec<_> = seeds.map(|seed| live(seed, false)).collect();
    for life in &lives {
        assert!(life.violations.is_empty(), "mayfly-sim --seed {} --loud: {:#?}", life.seed, life.violations);
    }
    let sum = |of: fn(&mayfly_e2e::sim::Outcome) -> u64| lives.iter().map(of).sum::<u64>();
    // A simulation in which nothing happens would be content, too.
    assert!(sum(|life| life.answered) > 100 && sum(|life| life.disturbances) > 10 && sum(|life| life.leaves) > 10);
}

#[test]
fn whole_lives_with_faults_keep_every_promise() {
    live_all(SEEDS.filter(|seed| seed % 2 == 0));
}

#[test]
fn other_whole_lives_with_faults_keep_every_promise() {
    live_all(SEEDS.filter(|seed| seed % 2 == 1));
}

/// Seeds that once found something.
#[test]
fn what_was_found_is_not_found_again() {
    // L1 put our batch into an earlier block, whose time made it invalid: its blocks were read before what took their
    // numbers was durable.
    // A start read L1 again while L1 changed under what derivation had stood on.
    // A batch named L1's head as its origin, which no estimate takes, and a forced batch went before it.
    // The last block was left out of the last batch but one, since its origin was the head, and L1 closed before its own.
    // A rival waited for a transaction that L1 had forgotten, until what it opposes was final.
    // A batch that left for its age shortly before the end was mined late, and the last one after the close.
    // A payload was invalid at its first block, and the block before, derived a moment ago, passed for durable: a race,
    // which one life of twenty shows.
    // An endpoint made a block up, with another time and the hash to it, and a batch was in that block.
    // A stake waited a block of L1 for each nonce that a reorganisation had taken.
    for seed in
        [200_110, 200_280, 300_191, 300_004, 501_466, 500_733, 502_038, 1_000_947, 1_006_420, 1_023_531, 1_042_833]
    {
        let life = live(seed, false);
        assert!(life.violations.is_empty() && life.answered > 0, "{seed}: {:#?}", life.violations);
    }
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let (one, again) = (live(3, false), live(3, false));
    assert_eq!((one.trace, one.steps, one.answered), (again.trace, again.steps, again.answered));
    assert_ne!(one.trace, live(4, false).trace);
}

/// Whether some life of the first few seeds, broken in this way, is found out with these words.
fn is_found(sabotage: Sabotage, words: &str) -> bool {
    let found = |seed| live_with(seed, false, Some(sabotage)).violations.iter().any(|what| what.contains(words));
    (0..8).any(found)
}

#[test]
fn a_lie_that_nobody_rivals_is_found() {
    assert!(is_found(Sabotage::NobodyWatches, "a wrong claim of batch"));
}

#[test]
fn answers_that_an_honest_disk_forgot_are_found() {
    assert!(is_found(Sabotage::EmptyDisk, "answered and lost without a word"));
}

#[test]
fn a_verifier_that_derives_something_else_is_found() {
    assert!(is_found(Sabotage::OtherRules, "verifier 0 has"));
}
