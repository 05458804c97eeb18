//! Cycle after cycle.

use super::audit;
use super::plan::{Plan, Schedule};
use super::report::Report;
use super::rpc::Rpc;
use super::wallets::{Answered, Wallets};
use super::world::{NAME, World};
use eyre::{WrapErr, ensure};
use mayfly_fail::Reach;
use std::time::{Duration, Instant};

/// Who uses the node.
const WALLETS: u64 = 6;
/// Cycles between two thorough looks.
const AUDIT_EVERY: u64 = 25;
/// One of these looks in so many derives everything from the creation on.
const DERIVE_EVERY: u64 = 4;

/// A run.
pub struct Torture {
    pub(super) world: World,
    pub(super) schedule: Schedule,
    pub(super) wallets: Wallets,
    /// Answered since they were last looked for.
    pub(super) fresh: Vec<Answered>,
    /// Found where they were answered.
    pub(super) answered: Vec<Answered>,
    pub(super) report: Report,
    pub(super) is_created: bool,
    /// Whether L1 took something back since the node was last looked at.
    pub(super) reorged: bool,
    /// Forced batches when the node was last looked at.
    pub(super) forced: usize,
    /// Posts that were included in vain, with reason.
    excused: u64,
    excuse: bool,
    cycle: u64,
    audits: u64,
    begun: Instant,
}

impl Torture {
    /// A run over `world`.
    ///
    /// # Errors
    /// A name that is no crash point.
    pub fn new(world: World, seed: u64, points: &[String], between: u32) -> eyre::Result<Self> {
        let report = Report::new(world.batches, seed, points, between);
        let wallets = Wallets::new(seed, WALLETS, world.info.chain_id);
        Ok(Self {
            schedule: Schedule::new(seed, points, between)?,
            wallets,
            world,
            fresh: Vec::new(),
            answered: Vec::new(),
            report,
            is_created: false,
            reorged: false,
            forced: 0,
            excused: 0,
            excuse: false,
            cycle: 0,
            audits: 0,
            begun: Instant::now(),
        })
    }

    /// Runs cycles until there were so many or the time is up, then looks at everything. Whatever goes wrong is a
    /// violation in the report.
    pub async fn run(mut self, cycles: u64, limit: Option<Duration>) -> eyre::Result<Report> {
        let mut lived = false;
        let over = |begun: Instant| limit.is_some_and(|limit| begun.elapsed() >= limit);
        while self.report.kill_cycles < cycles && !over(self.begun) && self.report.violations.is_empty() {
            self.cycle += 1;
            let plan = match self.schedule.next_plan() {
                // The first start makes what a full disk is to be found with.
                Plan::FullDisk(_) if !lived => Plan::UnderLoad(Duration::ZERO),
                plan => plan,
            };
            let started = Instant::now();
            self.excuse |= plan.excuses_reverts();
            let done = match &plan {
                Plan::At(point, _) if matches!(point.reach, Reach::Create | Reach::Close) => self.side(&plan).await,
                _ => {
                    lived = true;
                    self.cycle(&plan).await
                }
            };
            if let Err(error) = done {
                self.violate(format!("{plan:?}: {error:#}"));
            }
            let (seconds, answered) = (started.elapsed().as_secs_f64(), self.report.answered);
            eprintln!("cycle {}: {plan:?}, {seconds:.1} s, {answered} answered", self.cycle);
            if self.cycle.is_multiple_of(AUDIT_EVERY) && lived && self.report.violations.is_empty() {
                self.audit(false).await;
            }
        }
        if lived && self.report.violations.is_empty() {
            self.audit(true).await;
        }
        self.report.seconds = self.begun.elapsed().as_secs_f64();
        if self.report.violations.is_empty() {
            self.world.stop().await?;
        } else {
            self.world.keep();
            eprintln!("what is left is in {}", self.world.dir().display());
        }
        Ok(self.report)
    }

    pub(super) fn violate(&mut self, what: String) {
        self.report.violate(self.cycle, what);
    }

    async fn audit(&mut self, last: bool) {
        self.audits += 1;
        let whole = last || self.audits.is_multiple_of(DERIVE_EVERY);
        if let Err(error) = self.try_audit(whole).await {
            self.violate(format!("audit: {error:#}"));
        }
    }

    /// A start without a kill: everything gets to L1, then everything is compared with everything.
    async fn try_audit(&mut self, whole: bool) -> eyre::Result<()> {
        let started = Instant::now();
        let mut node = self.world.spawn("", false)?;
        ensure!(node.serves().await?, "the node does not start\n{}", node.log_tail());
        let rpc = Rpc::new(node.rollup_url(NAME))?;
        let plan = Plan::UnderLoad(Duration::ZERO);
        let looked = self.look(&mut node, &rpc, &plan).await.wrap_err_with(|| node.log_tail())?;
        ensure!(looked, "the node died\n{}", node.log_tail());
        let converged = audit::converge(&node, NAME, &rpc, &self.world.verifier).await?;
        let reader_wrong = audit::once_each(&rpc, &self.world.verifier, &self.answered).await?;
        let books = self.world.book.check(&self.world.anvil.client()).await?;
        (self.report.batches, self.report.reverted_posts) = (books.batches, books.reverted);
        self.report.late_posts = books.late;
        let in_vain = books.reverted - books.late;
        if !self.excuse && in_vain > self.excused {
            self.violate(format!("{} posts were included in vain", in_vain - self.excused));
        }
        (self.excused, self.excuse) = (in_vain, false);
        converged.into_iter().chain(reader_wrong).chain(books.wrong).for_each(|what| self.violate(what));
        if whole {
            let (blocks, wrong) = audit::compare_alone(&self.world, &rpc).await?;
            self.report.derivations += 1;
            self.report.blocks_compared += blocks;
            wrong.into_iter().for_each(|what| self.violate(what));
        }
        let death = node.stop().await?;
        ensure!(
            matches!(&death, super::Death::Ended(status) if status.success()),
            "an orderly stop ended in {death:?}"
        );
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("audit {}: {} batches, {seconds:.1} s", self.audits, self.report.batches);
        Ok(())
    }
}
