//! One rollup's life under one seed, from its creation to the last claim.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{B256, U256, keccak256};
use mayfly_contracts::settlement::Settlement;
use mayfly_rollup::RollupInfo;
use mayfly_verifier::{ClaimStatus, ProposedClaim, Verdict};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use time::OffsetDateTime;

use super::l1::{BASE_FEE, ETHER, L1, view};
use super::nodes::{Duties, SequencerNode, VerifierNode};
use super::plan::{Conduct, Plan, Resolver, SLOT, Sabotage, draw_fault};
use super::rollup::{Keys, START, Tokens, launch};
use super::users::Users;
use super::wire::Wire;

/// Time between two looks at everything.
pub(crate) const TICK: Duration = Duration::from_millis(500);
const TICKS_A_SLOT: u64 = SLOT * 2;
/// Who starts may hold the world up for so long, as if L1 missed its slots; then it is tried again.
const START_LIMIT: Duration = Duration::from_secs(SLOT);
/// Blocks after the close in which everything must be settled and claimed, whatever anybody does.
const PATIENCE_SLOTS: u64 = 480;
/// How often what L1 holds is counted, in L1 blocks.
const COUNT_EVERY: u64 = 6;
/// What an honest verifier stakes on a right claim at most.
const BUDGET: u128 = 200 * ETHER;

/// What came of a seed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Looks at everything.
    pub steps: u64,
    /// Blocks of L1.
    pub l1_blocks: u64,
    /// Blocks of the rollup.
    pub blocks: u64,
    /// Transactions that were answered.
    pub answered: u64,
    /// Reorganisations, crashes, faults of endpoints.
    pub disturbances: u64,
    /// Leaves claimed.
    pub leaves: u64,
    /// What must not be.
    pub violations: Vec<String>,
    /// The same for the same seed.
    pub trace: B256,
}

/// See the module.
pub(crate) struct Life {
    pub(crate) rng: StdRng,
    pub(crate) plan: Plan,
    pub(crate) keys: Keys,
    pub(crate) l1: Arc<L1>,
    pub(crate) info: Arc<RollupInfo>,
    pub(crate) tokens: Tokens,
    started: tokio::time::Instant,
    /// L1's time at `started`.
    epoch: u64,
    pub(crate) sequencer: SequencerNode,
    back_at: u64,
    /// Two honest ones with money, the resolver's, and one that only looks, through a faultless endpoint.
    pub(crate) verifiers: Vec<VerifierNode>,
    pub(crate) users: Users,
    /// Endpoints in trouble, until which L1 block.
    trouble: Vec<(usize, u64)>,
    spike_until: u64,
    sabotage: Option<Sabotage>,
    pub(crate) outcome: Outcome,
}

/// The verifier that only looks.
pub(crate) const JUDGE: usize = 3;

/// Lives the life of a seed.
pub fn live(seed: u64, loud: bool) -> Outcome {
    live_with(seed, loud, None)
}

/// The same with something broken in it, which has to be found.
pub fn live_with(seed: u64, loud: bool, sabotage: Option<Sabotage>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { Box::pin(Life::new(seed, sabotage).run(loud)).await })
}

async fn in_time(start: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::time::timeout(START_LIMIT, start).await.unwrap_or_else(|_| Err("l1 does not answer in time".to_owned()))
}

impl Life {
    fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let plan = Plan::draw(&mut rng).sabotaged(sabotage);
        let keys = Keys::new(plan.attesters.0);
        let l1 = L1::new(START, &keys.funded(), plan.final_depth);
        let (info, tokens) = launch(&l1, &plan, &keys);
        let info = Arc::new(info);
        let (started, epoch) = (tokio::time::Instant::now(), l1.head().timestamp());
        let mut wire = || Wire::new(&l1, rng.random());
        let now = Arc::new(move || {
            let unix = epoch + started.elapsed().as_secs();
            OffsetDateTime::from_unix_timestamp(unix as i64).unwrap()
        });
        let ignores = plan.conduct == Conduct::IgnoresForced;
        let sequencer = SequencerNode::new(info.clone(), keys.sequencer.clone(), wire(), now, plan.disk, ignores);
        let honest = keys.attesters[plan.attesters.2..].to_vec();
        let budget = Some(U256::from(BUDGET));
        let first = Duties {
            key: Some(keys.honest[0].clone()),
            attesters: honest,
            propose: true,
            rival: budget,
            vote: false,
            housekeeping: true,
        };
        let second = Duties {
            key: Some(keys.honest[1].clone()),
            propose: true,
            rival: budget,
            housekeeping: true,
            ..Duties::default()
        };
        let votes = plan.resolver == Resolver::Honest;
        let third = Duties { key: votes.then(|| keys.resolver.clone()), vote: votes, ..Duties::default() };
        let all = [first, second, third, Duties::default()];
        let all = if sabotage == Some(Sabotage::NobodyWatches) { all.map(|_| Duties::default()) } else { all };
        let mut others = (*info).clone();
        if sabotage == Some(Sabotage::OtherRules) {
            others.config.blockGasLimit += 1;
        }
        let infos = [Arc::new(others), info.clone(), info.clone(), info.clone()];
        let verifiers =
            infos.into_iter().zip(all).map(|(info, duties)| VerifierNode::new(info, wire(), duties)).collect();
        let users = Users::new(&keys, &info, tokens);
        let outcome = Outcome { seed, ..Outcome::default() };
        Self {
            rng,
            plan,
            keys,
            l1,
            info,
            tokens,
            started,
            epoch,
            sequencer,
            back_at: 0,
            verifiers,
            users,
            trouble: Vec::new(),
            spike_until: 0,
            sabotage,
            outcome,
        }
    }

    /// L1's time, which is the true one.
    pub(crate) fn now(&self) -> u64 {
        self.epoch + self.started.elapsed().as_secs()
    }

    pub(crate) fn violation(&mut self, what: String) {
        if self.outcome.violations.len() < 20 {
            let at = self.l1.head().number() - self.info.l1_number;
            self.outcome.violations.push(format!("l1 block {at}: {what}"));
        }
    }

    async fn run(mut self, loud: bool) -> Outcome {
        if loud {
            eprintln!("{:#?}", self.plan);
        }
        let planned = self.plan.slots.0 + self.plan.slots.1 + PATIENCE_SLOTS + 28 * self.plan.reorgs.1;
        loop {
            self.tick().await;
            if self.outcome.steps.is_multiple_of(TICKS_A_SLOT) {
                self.slot().await;
                if loud {
                    self.show();
                }
                if self.is_over() {
                    break;
                }
                let age = self.l1.head().number() - self.info.l1_number;
                if age > planned {
                    let why = self.what_is_open();
                    self.violation(format!("not settled and claimed {PATIENCE_SLOTS} blocks after its close: {why}"));
                    break;
                }
            }
            if !self.outcome.violations.is_empty() {
                break;
            }
        }
        self.check_the_end().await;
        self.outcome.l1_blocks = self.l1.head().number() - self.info.l1_number;
        self.outcome.answered = self.sequencer.answered.len() as u64;
        if let Some(judge) = &self.verifiers[JUDGE].running {
            self.outcome.blocks = judge.view().head.number;
        }
        self.outcome
    }

    /// Half a second: everybody's tasks run, users submit, the sequencer takes its turn, somebody crashes.
    async fn tick(&mut self) {
        self.outcome.steps += 1;
        self.restart().await;
        if let Some(sequencer) = &mut self.sequencer.running {
            self.users.submit(&mut self.rng, sequencer);
        }
        if let Err(error) = self.sequencer.turn() {
            self.violation(format!("the sequencer stopped: {error}"));
        }
        self.crash();
        tokio::time::sleep(TICK).await;
    }

    async fn restart(&mut self) {
        let age = self.l1.head().number() - self.info.l1_number;
        let vanished = matches!(self.plan.conduct, Conduct::Vanishes(at) if age >= at);
        if vanished {
            let reader = self.verifiers[JUDGE].running.as_ref().map(|judge| judge.reader());
            self.sequencer.crash(|hash| reader.as_ref().is_some_and(|r| r.tx_location(hash).unwrap().is_some()));
        } else if self.sequencer.running.is_none() && self.outcome.steps >= self.back_at {
            let unix = Duration::from_secs(self.now().saturating_add_signed(self.plan.skew));
            if let Err(error) = in_time(self.sequencer.start(unix)).await {
                if self.sequencer.wire.fault().is_none() && !error.contains("l1") {
                    self.violation(format!("the sequencer does not start: {error}"));
                }
                self.back_at = self.outcome.steps + TICKS_A_SLOT;
            }
        }
        for at in 0..self.verifiers.len() {
            let verifier = &mut self.verifiers[at];
            if verifier.running.is_some() || self.outcome.steps < verifier.back_at {
                continue;
            }
            if let Err(error) = in_time(verifier.start()).await {
                verifier.back_at = self.outcome.steps + TICKS_A_SLOT;
                if verifier.wire.fault().is_none() {
                    self.violation(format!("verifier {at} does not start: {error}"));
                }
            }
        }
    }

    fn crash(&mut self) {
        let (sequencer, verifier) = self.plan.crashes;
        if self.sequencer.running.is_some() && self.rng.random_range(0..1_000) < sequencer {
            let reader = self.verifiers[JUDGE].running.as_ref().map(|judge| judge.reader());
            self.sequencer.crash(|hash| reader.as_ref().is_some_and(|r| r.tx_location(hash).unwrap().is_some()));
            if self.sabotage == Some(Sabotage::EmptyDisk) {
                self.sequencer.wipe();
            }
            self.back_at = self.outcome.steps + self.rng.random_range(1..120);
            self.outcome.disturbances += 1;
        }
        if self.rng.random_range(0..1_000) < verifier {
            self.verifiers[0].crash();
            self.outcome.disturbances += 1;
        }
    }

    /// A block of L1, and what goes wrong with it.
    async fn slot(&mut self) {
        let now = self.now();
        let gap = now.saturating_sub(self.l1.head().timestamp());
        if gap > 6 * SLOT {
            self.violation(format!("the harness held l1 up for {gap} s"));
        }
        let (chance, deepest) = self.plan.reorgs;
        if self.rng.random_range(0..100) < chance {
            // What is final stays, and so does the creation.
            let room = (self.l1.head().number() - self.info.l1_number).min(self.plan.final_depth - 1);
            let depth = self.rng.random_range(1..=deepest).min(room);
            if depth > 0 {
                let shift = self.rng.random_range(-4..5);
                let (rng, loses) = (&mut self.rng, [0, 5, 30][depth as usize % 3]);
                self.l1.reorganise(depth, shift, now, || rng.random_range(0..100) >= loses);
                self.outcome.disturbances += 1;
            }
        } else {
            self.l1.mine(now);
        }
        self.weather();
        self.top_up();
        self.act();
        self.check();
        let head = self.l1.head();
        if head.number().is_multiple_of(COUNT_EVERY) {
            self.check_custody();
        }
        let block = self.sequencer.running.as_ref().map(|s| s.status().latest.hash).unwrap_or_default();
        self.outcome.trace =
            keccak256([self.outcome.trace.as_slice(), head.hash.as_slice(), block.as_slice()].concat());
    }

    /// Endpoints fail and recover, fees rise and fall.
    fn weather(&mut self) {
        let number = self.l1.head().number();
        for (at, _) in self.trouble.extract_if(.., |(_, until)| *until <= number) {
            wire(&self.sequencer, &self.verifiers, at).set(None);
        }
        if self.rng.random_range(0..100) < self.plan.faults {
            let at = self.rng.random_range(0..3);
            let (fault, blocks) = draw_fault(&mut self.rng);
            // The second verifier's endpoint is the better one: somebody honest must see L1 in time.
            if self.trouble.iter().all(|(taken, _)| *taken != at) {
                wire(&self.sequencer, &self.verifiers, at).set(Some(fault));
                self.trouble.push((at, number + blocks));
                self.outcome.disturbances += 1;
            }
        }
        if self.rng.random_range(0..400) < self.plan.faults {
            self.l1.lose_pool();
            self.outcome.disturbances += 1;
        }
        if self.rng.random_range(0..100) < self.plan.spikes {
            self.spike_until = number + self.rng.random_range(2..15);
            self.outcome.disturbances += 1;
        }
        self.l1.set_price(if number < self.spike_until { 100 * BASE_FEE } else { BASE_FEE });
    }

    /// Whoever runs the poster fills its wallet up again.
    fn top_up(&mut self) {
        let address = self.keys.sequencer.address();
        let balance = self.l1.reader().account(&address).map_or(U256::ZERO, |account| account.balance);
        if balance < U256::from(ETHER / 20) && self.rng.random_range(0..20) == 0 {
            let value = U256::from(20 * ETHER);
            let _ = self.l1.send(&self.keys.anybody, Some(address), value, Default::default(), 21_000);
        }
    }

    fn show(&self) {
        let (head, judge) = (self.l1.head(), self.verifiers[JUDGE].running.as_ref().map(|judge| judge.view()));
        let sequencer = self.sequencer.running.as_ref().map(|sequencer| sequencer.status());
        eprintln!(
            "l1 {} pool {} | sequencer {} | judge {}",
            head.number() - self.info.l1_number,
            self.l1.pooled(),
            sequencer.map_or("down".to_owned(), |s| format!(
                "{:?} head {} posted {} pause {:?} trouble {:?} fault {:?}",
                s.stage,
                s.latest.number,
                s.posted.number,
                s.pause,
                s.poster.trouble,
                self.sequencer.wire.fault()
            )),
            judge.map_or("down".to_owned(), |v| format!(
                "l1 {} head {} batches {} closed {} claims {}",
                v.l1.number - self.info.l1_number,
                v.head.number,
                v.batches(),
                v.closing().is_some(),
                v.claims.iter().map(|claim| self.shown(claim)).collect::<Vec<_>>().join(" ")
            )),
        );
    }
}

impl Life {
    /// A claim in a word: `hash<parent`, the batch, `c` for a closing one, where it stands, whether it is right, and in a
    /// dispute its bond in ether, `*` if it leads, and the seconds left.
    fn shown(&self, claim: &ProposedClaim) -> String {
        let short = |hash: B256| hash.to_string()[2..6].to_owned();
        let right = match claim.verdict {
            Verdict::Right => "right",
            Verdict::Open => "open",
            _ => "wrong",
        };
        let (closing, late) = (if claim.is_closing() { "c" } else { "" }, if claim.late { " late" } else { "" });
        let mut dispute = String::new();
        if claim.disputed && claim.status == ClaimStatus::Pending {
            let settlement = self.info.settlement;
            let contest = view(&self.l1, settlement, &Settlement::contestCall { contest_: claim.contest });
            let schedule = view(&self.l1, settlement, &Settlement::scheduleCall { contest_: claim.contest });
            let record = view(&self.l1, settlement, &Settlement::recordCall { claimHash_: claim.hash });
            let leads = if contest.leader == claim.hash { "*" } else { "" };
            let left = schedule.end as i64 - self.l1.head().timestamp() as i64;
            dispute = format!(" {}{leads} {left}s", record.bond / U256::from(ETHER));
        }
        let (hash, parent, seq) = (short(claim.hash), short(claim.claim.parent), claim.claim.batchSeq);
        format!("[{hash}<{parent} {seq}{closing} {:?}{late} {right}{dispute}]", claim.status)
    }
}

/// 0: the sequencer's, 1 and 2: those of the first verifier and of the resolver's.
fn wire<'a>(sequencer: &'a SequencerNode, verifiers: &'a [VerifierNode], at: usize) -> &'a Wire {
    match at {
        0 => &sequencer.wire,
        1 => &verifiers[0].wire,
        _ => &verifiers[2].wire,
    }
}
