//! One cycle of the main node: started, looked at, used, killed.

use super::audit;
use super::node::{Death, NodeProcess};
use super::plan::Plan;
use super::rpc::Rpc;
use super::torture::Torture;
use super::wallets::Answered;
use super::world::{NAME, World, quick, send};
use alloy_primitives::{Bytes, U256};
use eyre::{WrapErr, ensure, eyre};
use mayfly_contracts::inbox::Inbox;
use mayfly_fail::Reach;
use mayfly_l1::BlockTag;
use rand::Rng;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A crash point that is not reached so long after the node answers is given up.
const POINT_PATIENCE: Duration = Duration::from_secs(15);
/// The same where the way to it takes some time.
const LONG_PATIENCE: Duration = Duration::from_secs(20);
/// Until a node that serves takes transactions.
const SYNC_PATIENCE: Duration = Duration::from_secs(45);
/// From a connection that broke to the end of the process.
const DYING: Duration = Duration::from_secs(3);
/// One cycle in so many deposits.
const DEPOSIT: u32 = 5;
const POLL: Duration = Duration::from_millis(20);
/// L1 takes back so many blocks where a crash point needs it.
const REORG_DEPTH: u64 = 4;
/// So long the node works before L1 takes something back.
const BEFORE_REORG: Duration = Duration::from_millis(1_200);

impl Torture {
    /// Runs the node through one plan; it is dead afterwards.
    pub(super) async fn cycle(&mut self, plan: &Plan) -> eyre::Result<()> {
        let forced = matches!(plan, Plan::At(point, _) if point.reach == Reach::Forced);
        let mut node = match plan {
            Plan::FullDisk(kib) => self.world.spawn_with_little_room(*kib)?,
            _ => self.world.spawn(&plan.fail_at(), forced)?,
        };
        if let Plan::WhileStarting(after) = plan {
            node.dies_within(*after).await?;
            return self.bury(plan, node.kill().await?);
        }
        if !node.serves().await? {
            return self.bury(plan, node.kill().await?);
        }
        let rpc = Rpc::new(node.rollup_url(NAME))?;
        if !self.is_created {
            self.create_main(&node).await?;
        }
        // Without room it may not even open the rollup.
        let looked = if matches!(plan, Plan::FullDisk(_)) { Ok(true) } else { self.look(&mut node, &rpc, plan).await };
        match looked {
            // What it says is worth nothing if it died meanwhile.
            // A process that is ending looks alive for a moment.
            Err(error) if node.dies_within(DYING).await?.is_none() => return Err(error.wrap_err(node.log_tail())),
            Err(_) => return self.bury(plan, node.kill().await?),
            Ok(false) => return self.bury(plan, node.kill().await?),
            Ok(true) => {}
        }
        let answered = self.work(&mut node, &rpc, plan).await?;
        self.report.answered += answered.len() as u64;
        self.fresh.extend(answered);
        self.bury(plan, node.death().await?)
    }

    /// The first start: the rollup is handed to the node.
    async fn create_main(&mut self, node: &NodeProcess) -> eyre::Result<()> {
        let body = serde_json::json!({ "name": NAME, "rollup": self.world.info.rollup });
        node.admin("/admin/rollups", Some(&body)).await?;
        self.is_created = true;
        Ok(())
    }

    /// Waits until the node takes transactions, and checks what was answered before. `false`: it died.
    pub(super) async fn look(&mut self, node: &mut NodeProcess, rpc: &Rpc, plan: &Plan) -> eyre::Result<bool> {
        let (mut deadline, mut mend) = (Instant::now() + SYNC_PATIENCE, Some(Instant::now() + SYNC_PATIENCE / 4));
        loop {
            if !node.is_alive()? {
                return Ok(false);
            }
            let status = node.status(NAME).await?.ok_or_else(|| eyre!("the node does not run the rollup"))?;
            if let Some(failure) = status["failure"].as_str() {
                return Err(eyre!("the sequencer failed: {failure}"));
            }
            let lost = status["lost_count"].as_u64().unwrap_or_default();
            ensure!(lost == 0, "{lost} answered transactions were lost: {}", status["lost"]);
            if status["synced"] == true && audit::is_whole(rpc, &status).await? {
                break;
            }
            if mend.is_some_and(|at| Instant::now() > at) {
                mend = None;
                if self.world.mend_l1().await? {
                    self.reorged = true;
                    deadline = Instant::now() + SYNC_PATIENCE;
                }
            }
            if Instant::now() > deadline {
                let l1 = self.world.anvil.client().head(BlockTag::Latest).await;
                return Err(eyre!("no step with L1 within {SYNC_PATIENCE:?}, L1's head is {l1:?}: {status}"));
            }
            tokio::time::sleep(POLL).await;
        }
        self.report.started(node.age());
        // Remembered until all was found again: the node may die while it is asked.
        self.reorged |= self.is_forced_anew().await?;
        let moved = self.reorged;
        let mut wrong = self.compare(rpc, moved).await?;
        // A forced batch may come at any moment, this one too.
        if !wrong.is_empty() && !moved && self.is_forced_anew().await? {
            self.reorged = true;
            audit::wait_whole(node, NAME, rpc).await?;
            wrong = self.compare(rpc, true).await?;
        }
        wrong.extend(audit::ledger(&self.world).await?);
        self.answered.append(&mut self.fresh);
        // What a reorganisation may move is where it was put once everything is found again.
        self.reorged = plan.reorgs();
        wrong.into_iter().for_each(|what| self.violate(what));
        Ok(true)
    }

    /// What is not where it was answered, or not as L1 gives it. Where blocks `moved` it may take a while.
    async fn compare(&mut self, rpc: &Rpc, moved: bool) -> eyre::Result<Vec<String>> {
        let mut wrong = audit::find_answers(rpc, &mut self.fresh, moved).await?;
        wrong.extend(self.wallets.align(rpc).await?);
        wrong.extend(audit::agrees(rpc, &self.world.verifier, moved).await?);
        Ok(wrong)
    }

    /// Whether somebody, the sequencer or anybody, put overdue queue items before blocks since this was last asked.
    async fn is_forced_anew(&mut self) -> eyre::Result<bool> {
        let before = self.forced;
        self.forced = self.world.book.forced(&self.world.anvil.client()).await?;
        Ok(self.forced != before)
    }

    /// Uses the node until it is to die, or died.
    async fn work(&mut self, node: &mut NodeProcess, rpc: &Rpc, plan: &Plan) -> eyre::Result<Vec<Answered>> {
        let seed = self.schedule.rng().random();
        if self.schedule.rng().random_range(0..DEPOSIT) == 0 {
            self.world.deposit().await.wrap_err("a deposit")?;
        }
        let stop = CancellationToken::new();
        let (world, wallets) = (&self.world, &mut self.wallets);
        let used = wallets.use_node(rpc, seed, &stop);
        let lives = async {
            // Whatever comes of it, the load ends.
            let lived = live(world, node, plan).await;
            // The node is killed with requests under way, not after the last one.
            let ended = if plan.stops() { node.ask_to_stop() } else { node.start_kill() };
            stop.cancel();
            lived.and(ended)
        };
        let (answered, lived) = tokio::join!(used, lives);
        lived?;
        Ok(answered)
    }

    fn bury(&mut self, plan: &Plan, death: Death) -> eyre::Result<()> {
        let hit = match (&death, plan.point()) {
            (Death::Point(name), Some(point)) if name == point => true,
            (Death::Killed, _) => false,
            (Death::Ended(status), Some(_)) if status.success() => false,
            _ => return Err(eyre!("it died otherwise than planned: {death:?}")),
        };
        self.report.died(plan, hit);
        Ok(())
    }
}

/// What happens to a node that is used.
async fn live(world: &World, node: &mut NodeProcess, plan: &Plan) -> eyre::Result<()> {
    match plan {
        Plan::WhileStarting(_) => Ok(()),
        Plan::UnderLoad(run) => node.dies_within(*run).await.map(drop),
        Plan::FullDisk(_) => fails(node).await,
        Plan::AfterReorg(depth, run) => {
            node.dies_within(*run).await?;
            world.reorg(*depth).await?;
            node.dies_within(*run).await.map(drop)
        }
        Plan::At(point, _) => match point.reach {
            Reach::Reorg => {
                node.dies_within(BEFORE_REORG).await?;
                world.reorg(REORG_DEPTH).await?;
                node.dies_within(LONG_PATIENCE).await.map(drop)
            }
            Reach::Stall => {
                world.mine_every(0).await?;
                let died = node.dies_within(LONG_PATIENCE).await;
                world.mine_every(1).await?;
                died.map(drop)
            }
            Reach::Forced => {
                force(world).await?;
                node.dies_within(LONG_PATIENCE).await.map(drop)
            }
            Reach::Stop => node.dies_within(Duration::from_millis(300)).await.map(drop),
            _ => node.dies_within(POINT_PATIENCE).await.map(drop),
        },
    }
}

/// Waits until the sequencer says that it failed, if it does.
async fn fails(node: &mut NodeProcess) -> eyre::Result<()> {
    let deadline = Instant::now() + POINT_PATIENCE;
    while Instant::now() < deadline && node.is_alive()? {
        match node.status(NAME).await {
            Ok(Some(status)) if status["failure"].is_null() => {}
            _ => return Ok(()),
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Somebody forces a transaction, waits until it is overdue, and posts a batch with it.
async fn force(world: &World) -> eyre::Result<()> {
    let raw: Bytes = alloy_primitives::keccak256("nothing that decodes").to_vec().into();
    let fee = U256::from(10).pow(U256::from(17));
    let call = Inbox::forceTransactionCall { raw, gasLimit: 21_000 };
    let receipt = world.anybody.transact(world.info.rollup, &call, fee, &quick()).await?;
    let client = world.anvil.client();
    let number = receipt.block_number.ok_or_else(|| eyre!("a receipt without a block"))?;
    let item = client.head(BlockTag::Number(number)).await?.timestamp;
    let due = item + world.info.config.windows.forceWindow;
    let deadline = Instant::now() + LONG_PATIENCE;
    while client.head(BlockTag::Latest).await?.timestamp <= due {
        ensure!(Instant::now() < deadline, "L1's clock stands still");
        tokio::time::sleep(POLL).await;
    }
    // As new as can be: batches may have named later origins than the item's block meanwhile.
    let number = client.head(BlockTag::Latest).await?.number - 1;
    let queued = client.call(world.info.rollup, &Inbox::queueLengthCall {}, BlockTag::Number(number)).await?;
    let batch = Inbox::postForcedBatchCall { originNumber: number, queueUpTo: queued };
    send(&world.anybody, world.info.rollup, &batch, U256::ZERO).await?;
    Ok(())
}
