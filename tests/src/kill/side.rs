//! Cycles that need a rollup of their own: its creation, and its end. They run on a node of their own, beside the main
//! one's data.

use super::audit;
use super::node::{Death, NodeProcess};
use super::plan::Plan;
use super::rpc::Rpc;
use super::torture::Torture;
use super::wallets::Wallets;
use super::world::{SIDE_KEYS, verify};
use eyre::{WrapErr, ensure, eyre};
use mayfly_fail::Reach;
use mayfly_rollup::RollupInfo;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const NAME: &str = "side";
const WALLETS: u64 = 2;
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// So long a rollup lives whose end is wanted, and so long it drains.
const LIFE_SECONDS: u64 = 5;
const DRAIN_SECONDS: u64 = 10;

impl Torture {
    /// A rollup is created, used and perhaps closed; the node dies at the point and has to go on.
    pub(super) async fn side(&mut self, plan: &Plan) -> eyre::Result<()> {
        let name = format!("side_{}", self.report.kill_cycles);
        let config = self.world.place(&name, SIDE_KEYS).await?;
        let closes = matches!(plan, Plan::At(point, _) if point.reach == Reach::Close);
        let change = |now: u64, config: &mut mayfly_rollup::Config| {
            if closes {
                (config.endTime, config.drain) = (now + LIFE_SECONDS, DRAIN_SECONDS);
            }
        };
        let info = self.world.create(SIDE_KEYS, change).await?;
        let mut node = NodeProcess::spawn(&self.world.binary, &config, &plan.fail_at())?;
        ensure!(node.serves().await?, "an empty node died");
        let mut wallets =
            Wallets::new(self.report.seed.wrapping_add(self.report.kill_cycles + 1), WALLETS, info.chain_id);
        let body = json!({ "name": NAME, "rollup": info.rollup });
        let added = node.admin("/admin/rollups", Some(&body)).await;
        let mut answered = Vec::new();
        if added.is_ok() {
            let (rpc, stop) = (Rpc::new(node.rollup_url(NAME))?, CancellationToken::new());
            let seed = self.report.kill_cycles;
            let watch = async {
                let died = node.dies_within(PATIENCE).await;
                stop.cancel();
                died
            };
            let (used, died) = tokio::join!(wallets.use_node(&rpc, seed, &stop), watch);
            died?;
            answered = used;
        }
        let death = node.kill().await?;
        let hit = matches!((&death, plan.point()), (Death::Point(name), Some(point)) if name == point);
        ensure!(hit || death == Death::Killed, "it died otherwise than planned: {death:?}");
        self.report.died(plan, hit);
        self.report.answered += answered.len() as u64;
        self.go_on(&config, &info, &mut wallets, answered, closes).await
    }

    /// Starts the node again and brings the rollup to where it was going.
    async fn go_on(
        &mut self,
        config: &Path,
        info: &RollupInfo,
        wallets: &mut Wallets,
        mut answered: Vec<super::Answered>,
        closes: bool,
    ) -> eyre::Result<()> {
        let mut node = NodeProcess::spawn(&self.world.binary, config, "")?;
        ensure!(node.serves().await?, "the node does not start again\n{}", node.log_tail());
        // Asking again changes nothing where it was recorded.
        node.admin("/admin/rollups", Some(&json!({ "name": NAME, "rollup": info.rollup }))).await?;
        let rpc = Rpc::new(node.rollup_url(NAME))?;
        let verifier = verify(&self.world.anvil, info)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = node.status(NAME).await?.ok_or_else(|| eyre!("the rollup is not there"))?;
            ensure!(status["failure"].is_null(), "the sequencer failed: {}", status["failure"]);
            ensure!(status["lost_count"] == 0, "answered transactions were lost: {}", status["lost"]);
            let arrived = if closes { status["stage"] == "closed" } else { status["synced"] == true };
            if arrived && audit::is_whole(&rpc, &status).await? {
                break;
            }
            ensure!(Instant::now() < deadline, "nothing moves: {status}\n{}", node.log_tail());
            tokio::time::sleep(POLL).await;
        }
        let mut wrong = audit::find_answers(&rpc, &mut answered, closes).await?;
        wrong.extend(wallets.align(&rpc).await?);
        if !closes {
            let stop = CancellationToken::new();
            let pause = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                stop.cancel();
            };
            let (more, ()) = tokio::join!(wallets.use_node(&rpc, 1, &stop), pause);
            ensure!(!more.is_empty(), "the rollup takes nothing");
            answered.extend(more);
        }
        wrong.extend(audit::converge(&node, NAME, &rpc, &verifier).await.wrap_err_with(|| node.log_tail())?);
        wrong.extend(audit::once_each(&rpc, &verifier, &answered).await?);
        let view = verifier.view();
        ensure!(view.closing().is_some() == closes, "closed by derivation: {}", view.closing().is_some());
        verifier.stop().await;
        let death = node.stop().await?;
        ensure!(matches!(&death, Death::Ended(status) if status.success()), "an orderly stop ended in {death:?}");
        wrong.into_iter().for_each(|what| self.violate(what));
        Ok(())
    }
}
