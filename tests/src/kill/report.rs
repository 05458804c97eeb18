//! What a run found.

use super::{Batches, Plan};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that must never be.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// What was found.
    pub what: String,
    /// Which cycle found it.
    pub cycle: u64,
    /// A command that runs the same cycles again.
    pub replay: String,
}

/// Everything a run counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Decides every plan.
    pub seed: u64,
    /// How often a node was killed, or died by itself at a crash point.
    pub kill_cycles: u64,
    /// Of these, at a random moment.
    pub random_kills: u64,
    /// Of these, after the disk was full.
    pub full_disks: u64,
    /// Of these, at a crash point, by its name.
    pub points_hit: BTreeMap<String, u64>,
    /// Crash points that were not reached in time, by name; the node was killed instead.
    pub points_missed: BTreeMap<String, u64>,
    /// Transactions whose receipt a client got.
    pub answered: u64,
    /// Batches on L1.
    pub batches: u64,
    /// Posts that L1 included without effect: an L1 reorganisation may cause them, or a slow machine, nothing else.
    pub reverted_posts: u64,
    /// Of these, because a queue item became overdue on their way to L1: the machine was slow.
    pub late_posts: u64,
    /// Derivations from L1 alone, from the creation on.
    pub derivations: u64,
    /// Blocks compared with one.
    pub blocks_compared: u64,
    /// Seconds from a node's start until it answers, on average.
    pub mean_start_seconds: f64,
    /// Seconds of the whole run.
    pub seconds: f64,
    /// What must never be.
    pub violations: Vec<Violation>,
    #[serde(skip)]
    command: String,
    #[serde(skip)]
    starts: (u64, Duration),
}

impl Report {
    /// Of a run with these settings.
    pub(super) fn new(batches: Batches, seed: u64, points: &[String], between: u32) -> Self {
        let mut command = format!("mayfly-kill --seed {seed} --between {between}");
        if batches == Batches::Blobs {
            command.push_str(" --blobs");
        }
        if !points.is_empty() {
            command.push_str(&format!(" --points {}", points.join(",")));
        }
        Self { seed, command, ..Self::default() }
    }

    pub(super) fn died(&mut self, plan: &Plan, hit: bool) {
        self.kill_cycles += 1;
        match plan.point() {
            Some(point) if hit => *self.points_hit.entry(point.to_owned()).or_default() += 1,
            Some(point) => *self.points_missed.entry(point.to_owned()).or_default() += 1,
            None if matches!(plan, Plan::FullDisk(_)) => self.full_disks += 1,
            None => self.random_kills += 1,
        }
    }

    pub(super) fn started(&mut self, after: Duration) {
        self.starts.0 += 1;
        self.starts.1 += after;
        self.mean_start_seconds = self.starts.1.as_secs_f64() / self.starts.0 as f64;
    }

    pub(super) fn violate(&mut self, cycle: u64, what: String) {
        eprintln!("VIOLATION in cycle {cycle}: {what}");
        let replay = format!("{} --cycles {cycle}", self.command);
        self.violations.push(Violation { what, cycle, replay });
    }
}
