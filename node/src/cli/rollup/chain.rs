//! What L1's contracts say about one rollup, read at one block.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolEvent;
use eyre::{WrapErr, ensure};
use mayfly_contracts::{
    factory::RollupFactory,
    inbox::Inbox,
    types::{Config, Stage},
};
use mayfly_l1::{BlockTag, FoundLog, L1Client, L1Header, LogSearch};
use serde::Serialize;

/// The most rollups that are listed.
const MAX_LISTED: usize = 10_000;

/// A rollup as its Inbox describes it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OnL1 {
    pub(crate) rollup: Address,
    pub(crate) settlement: Address,
    pub(crate) vault: Address,
    pub(crate) chain_id: u64,
    pub(crate) stage: Stage,
    pub(crate) end_time: u64,
    pub(crate) close_time: u64,
    pub(crate) batches: u64,
    pub(crate) queue_length: u64,
    pub(crate) custody_wei: U256,
    pub(crate) l1_number: u64,
    pub(crate) l1_time: u64,
    #[serde(skip)]
    pub(crate) config: Config,
}

impl OnL1 {
    /// Reads it at L1's head.
    pub(crate) async fn read(l1: &L1Client, rollup: Address) -> eyre::Result<OnL1> {
        ensure!(!l1.code(rollup).await?.is_empty(), "{rollup} has no code on this L1: not a rollup");
        let head = l1.head(BlockTag::Latest).await?;
        let at = BlockTag::Number(head.number);
        let stage: u8 = l1.call(rollup, &Inbox::stageCall {}, at).await.wrap_err("not a rollup's Inbox")?;
        let config: Config = l1.call(rollup, &Inbox::configCall {}, at).await?.into();
        let vault = l1.call(rollup, &Inbox::vaultCall {}, at).await?;
        Ok(OnL1 {
            rollup,
            settlement: l1.call(rollup, &Inbox::settlementCall {}, at).await?,
            vault,
            chain_id: config.chainId,
            stage: Stage::try_from(stage)?,
            end_time: l1.call(rollup, &Inbox::endTimeCall {}, at).await?,
            close_time: l1.call(rollup, &Inbox::closeTimeCall {}, at).await?,
            batches: l1.call(rollup, &Inbox::batchCountCall {}, at).await?,
            queue_length: l1.call(rollup, &Inbox::queueLengthCall {}, at).await?,
            custody_wei: l1.balance(vault).await?,
            l1_number: head.number,
            l1_time: head.timestamp,
            config,
        })
    }
}

/// The factory's creation logs, oldest first. Each is proven by its block's receipts root.
pub(crate) async fn creations(l1: &L1Client, factory: Address) -> eyre::Result<Vec<FoundLog>> {
    let mut found = Vec::new();
    let mut search = LogSearch {
        address: Some(factory),
        topics: vec![Some(RollupFactory::RollupCreated::SIGNATURE_HASH)],
        from: 0,
        to: head(l1).await?.number,
    };
    while let Some(newest) = l1.find_log(&search).await? {
        let header = newest.header;
        let block = l1.block_with_logs(&header, &[factory], &[RollupFactory::RollupCreated::SIGNATURE_HASH]).await?;
        found.extend(block.logs.into_iter().rev().map(|log| FoundLog { header: header.clone(), log }));
        ensure!(found.len() <= MAX_LISTED, "more than {MAX_LISTED} rollups");
        match header.number.checked_sub(1) {
            Some(before) => search.to = before,
            None => break,
        }
    }
    found.reverse();
    Ok(found)
}

/// L1's newest block.
pub(crate) async fn head(l1: &L1Client) -> eyre::Result<L1Header> {
    Ok(l1.head(BlockTag::Latest).await?)
}
