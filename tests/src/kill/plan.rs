//! What is done to the node in one cycle, from a seed.

use mayfly_fail::{POINTS, Point, Reach};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Passed many times a second under load.
const OFTEN: [&str; 6] = ["sealed", "log-append", "log-torn", "log-written", "log-synced", "after-answer"];
/// One kill in so many comes while the node starts.
const STARTING: u32 = 4;
/// One random cycle in so many reorganises L1 first.
const REORG: u32 = 12;
/// One random cycle in so many fills the disk.
const FULL_DISK: u32 = 25;
const MAX_ROOM_KIB: u64 = 64;
const MAX_RUN_MS: u64 = 1_000;
const MAX_START_MS: u64 = 400;

/// One cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Killed so long after it was spawned.
    WhileStarting(Duration),
    /// Killed so long after it began to answer.
    UnderLoad(Duration),
    /// The same, L1 having taken back so many blocks meanwhile.
    AfterReorg(u64, Duration),
    /// No file may grow by more than so many KiB: the disk is full soon, then it is killed.
    FullDisk(u64),
    /// Dies by itself, the so manieth time it comes by.
    At(&'static Point, u64),
}

impl Plan {
    /// The crash point's name.
    pub fn point(&self) -> Option<&'static str> {
        match self {
            Self::At(point, _) => Some(point.name),
            _ => None,
        }
    }

    /// What `MAYFLY_FAIL_AT` says.
    pub fn fail_at(&self) -> String {
        match self {
            Self::At(point, count) => format!("{}:{count}", point.name),
            _ => String::new(),
        }
    }

    /// Whether it ends in order, but for the crash point.
    pub fn stops(&self) -> bool {
        matches!(self, Self::At(point, _) if point.reach == Reach::Stop)
    }

    /// Whether posts may be included in vain: L1 changed under them.
    pub fn excuses_reverts(&self) -> bool {
        self.reorgs() || matches!(self, Self::At(point, _) if matches!(point.reach, Reach::Forced | Reach::Stall))
    }

    /// Whether L1 takes blocks back in this cycle.
    pub fn reorgs(&self) -> bool {
        matches!(self, Self::AfterReorg(..)) || matches!(self, Self::At(point, _) if point.reach == Reach::Reorg)
    }
}

/// The plans of a run: crash points in turn, and between them kills at random.
#[derive(Debug)]
pub struct Schedule {
    rng: StdRng,
    points: Vec<&'static Point>,
    next_point: usize,
    /// Random kills between two points.
    between: u32,
    left: u32,
}

impl Schedule {
    /// Goes through the named points, or all of them if none is named, with so many random kills between two.
    ///
    /// # Errors
    /// A name that is no crash point.
    pub fn new(seed: u64, names: &[String], between: u32) -> eyre::Result<Self> {
        let find = |name: &String| {
            POINTS.iter().find(|point| point.name == name).ok_or_else(|| eyre::eyre!("{name} is no crash point"))
        };
        let points = if names.is_empty() {
            POINTS.iter().collect()
        } else {
            names.iter().map(find).collect::<Result<_, _>>()?
        };
        Ok(Self { rng: StdRng::seed_from_u64(seed), points, next_point: 0, between, left: between })
    }

    /// The next cycle's.
    pub fn next_plan(&mut self) -> Plan {
        if self.left > 0 {
            self.left -= 1;
            return self.random();
        }
        self.left = self.between;
        let point = self.points[self.next_point % self.points.len()];
        self.next_point += 1;
        let most = if OFTEN.contains(&point.name) { 30 } else { 2 };
        // What comes once in a cycle comes once only.
        let once = point.reach != Reach::Load;
        Plan::At(point, if once { 1 } else { self.rng.random_range(1..=most) })
    }

    fn random(&mut self) -> Plan {
        let run = Duration::from_millis(self.rng.random_range(0..=MAX_RUN_MS));
        if self.rng.random_range(0..STARTING) == 0 {
            return Plan::WhileStarting(Duration::from_millis(self.rng.random_range(0..=MAX_START_MS)));
        }
        if self.rng.random_range(0..REORG) == 0 {
            return Plan::AfterReorg(self.rng.random_range(1..=5), run);
        }
        if self.rng.random_range(0..FULL_DISK) == 0 {
            return Plan::FullDisk(self.rng.random_range(1..=MAX_ROOM_KIB));
        }
        Plan::UnderLoad(run)
    }

    /// For the load: decided by the seed, too.
    pub(super) fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_cycles_and_every_point_has_its_turn() {
        let plans = |seed| {
            let mut schedule = Schedule::new(seed, &[], 1).unwrap();
            (0..2 * POINTS.len()).map(|_| schedule.next_plan()).collect::<Vec<_>>()
        };
        assert_eq!(plans(7), plans(7));
        assert_ne!(plans(7), plans(8));
        let named: Vec<_> = plans(7).iter().filter_map(Plan::point).collect();
        assert_eq!(named, POINTS.iter().map(|point| point.name).collect::<Vec<_>>());
        assert!(Schedule::new(1, &["no-such-point".to_owned()], 1).is_err());
    }
}
