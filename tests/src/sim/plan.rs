//! What one seed stands for: who takes part, what they are like, and what goes wrong when.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::wire::Fault;

/// Seconds between L1's blocks.
pub(crate) const SLOT: u64 = 12;

/// What the sequencer is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// As it should be.
    Honest,
    /// Leaves forced transactions alone.
    IgnoresForced,
    /// Its key also posts what no node of ours would: junk, and batches that say something else than was answered.
    Equivocates,
    /// Stops for good at this L1 block of the life.
    Vanishes(u64),
}

/// What the resolver is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolver {
    /// Decides for what it derived.
    Honest,
    /// Never answers: bonds decide.
    Silent,
}

/// Something broken on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// No verifier does its duties, and somebody lies.
    NobodyWatches,
    /// The sequencer's disk is empty after a crash.
    EmptyDisk,
    /// A verifier has another block gas limit in mind than L1 says.
    OtherRules,
}

/// A life.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The sequencer.
    pub(crate) conduct: Conduct,
    /// The resolver.
    pub(crate) resolver: Resolver,
    /// Attesters, how many it takes, and how many of them lie.
    pub(crate) attesters: (usize, u8, usize),
    /// Whether somebody proposes wrong claims.
    pub(crate) liar: bool,
    /// Whether somebody asks for freezes without a reason.
    pub(crate) freezer: bool,
    /// Whether the sequencer's files outlive a crash.
    pub(crate) disk: bool,
    /// L1 blocks until the planned end, and after it to unwind.
    pub(crate) slots: (u64, u64),
    /// Whether the organiser ends it early, and at which block.
    pub(crate) early: Option<u64>,
    /// Blocks until L1 is final.
    pub(crate) final_depth: u64,
    /// How deep an origin must be.
    pub(crate) conf_depth: u64,
    /// Seconds by which the sequencer's clock is off.
    pub(crate) skew: i64,
    /// Of a hundred L1 blocks, after how many L1 reorganises; and how deep at most.
    pub(crate) reorgs: (u32, u64),
    /// Of a thousand ticks, at how many the sequencer crashes, and a verifier.
    pub(crate) crashes: (u32, u32),
    /// Of a hundred L1 blocks, after how many something is wrong with somebody's endpoint for a while.
    pub(crate) faults: u32,
    /// Of a hundred L1 blocks, after how many fees rise a hundredfold for a while.
    pub(crate) spikes: u32,
    /// What the poster starts with, in ether; topped up when it runs out.
    pub(crate) poster_ether: u128,
}

impl Plan {
    /// The same life with something broken in it.
    pub(crate) fn sabotaged(self, sabotage: Option<Sabotage>) -> Self {
        match sabotage {
            None => self,
            Some(Sabotage::NobodyWatches) => Self { liar: true, resolver: Resolver::Silent, ..self },
            Some(Sabotage::EmptyDisk) => Self { disk: true, conduct: Conduct::Honest, crashes: (20, 0), ..self },
            Some(Sabotage::OtherRules) => Self { conduct: Conduct::Honest, ..self },
        }
    }

    /// The life of a seed.
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        let slots = (rng.random_range(25..60), rng.random_range(12..20));
        let conduct = match rng.random_range(0..10) {
            0 => Conduct::IgnoresForced,
            1 => Conduct::Equivocates,
            2 | 3 => Conduct::Vanishes(rng.random_range(2..slots.0)),
            _ => Conduct::Honest,
        };
        let count: usize = rng.random_range(0..4);
        let quorum = count / 2 + 1;
        let lying = if count > 0 && rng.random_bool(0.3) { rng.random_range(1..=count) } else { 0 };
        let calm = rng.random_bool(0.3);
        Self {
            conduct,
            resolver: if rng.random_bool(0.7) { Resolver::Honest } else { Resolver::Silent },
            attesters: (count, if count == 0 { 0 } else { quorum as u8 }, lying),
            liar: rng.random_bool(0.5),
            freezer: rng.random_bool(0.25),
            disk: rng.random_bool(0.35),
            slots,
            early: rng.random_bool(0.2).then(|| rng.random_range(5..slots.0)),
            final_depth: [4, 12, 32, 64][rng.random_range(0..4)],
            conf_depth: rng.random_range(0..3),
            skew: rng.random_range(-8..9),
            reorgs: if calm { (0, 0) } else { (rng.random_range(0..25), rng.random_range(1..21)) },
            crashes: if calm { (0, 0) } else { (rng.random_range(0..6), rng.random_range(0..4)) },
            faults: if calm { 0 } else { rng.random_range(0..30) },
            spikes: if calm { 0 } else { rng.random_range(0..6) },
            poster_ether: if rng.random_bool(0.15) { 1 } else { 100 },
        }
    }
}

/// Something that can be wrong with an endpoint, and for how many L1 blocks.
pub(crate) fn draw_fault(rng: &mut StdRng) -> (Fault, u64) {
    let fault = match rng.random_range(0..6) {
        0 => Fault::Errors(rng.random_range(10..100)),
        1 => Fault::Silence(rng.random_range(10..100)),
        2 => Fault::Lag(rng.random_range(1..8)),
        3 => Fault::Lies,
        4 => Fault::Forgets(rng.random_range(20..101)),
        _ => match rng.random_range(100..4_000) {
            100..1_500 => Fault::Forges,
            millis => Fault::Slow(Duration::from_millis(millis)),
        },
    };
    (fault, rng.random_range(1..8))
}
