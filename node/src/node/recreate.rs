//! A rollup whose creation L1 took back and holds again in another block: the same rollup, but its chain begins with
//! another block 0. What was answered is put on the new chain.

use std::sync::Arc;

use eyre::WrapErr;
use mayfly_l1::{BlockTag, L1Error};
use mayfly_ledger::{BatchState, L1Log, Rollup as StoredRollup};
use mayfly_rollup::RollupInfo;
use mayfly_sequencer::forget_stands;
use mayfly_verifier::{CREATION_LOOKBACK_BLOCKS, rollup_info};

use super::{
    admin::log_index,
    rollup::{SEQUENCER_DIR, put_aside},
    start::Inner,
};

/// Where L1 holds a creation.
pub(super) enum Creation {
    /// Where the ledger says, or nowhere: it may come back.
    Stays,
    /// In another block.
    Moved(Box<StoredRollup>),
    /// In another block, and it is not gone on from there.
    Refused(&'static str),
}

/// Looks where L1 holds a rollup's creation now.
pub(super) async fn look(inner: &Inner, stored: &StoredRollup) -> eyre::Result<Creation> {
    let header = inner.l1.try_header(BlockTag::Number(stored.created.number)).await?;
    if header.is_some_and(|header| header.hash() == stored.created.hash) {
        return Ok(Creation::Stays);
    }
    let factory = inner.config.l1.factory;
    let creation = match inner.l1.find_creation(stored.address, factory, CREATION_LOOKBACK_BLOCKS).await {
        Err(L1Error::NoRollup(_)) => return Ok(Creation::Stays),
        creation => creation?,
    };
    let (known, info) = (RollupInfo::from_json(&stored.config)?, rollup_info(&creation));
    if info == known {
        return Ok(Creation::Stays);
    }
    if !info.is_created_again(&known) {
        return Ok(Creation::Refused("L1 created it again with other rules or balances: it is another rollup"));
    }
    let first = inner.ledger.batches(stored.address, 1).await?;
    if first.first().is_some_and(|batch| batch.state == BatchState::Final) {
        return Ok(Creation::Refused("L1 shows its creation in another block, and its batches were final"));
    }
    let created = L1Log { number: info.l1_number, hash: info.l1_hash, index: log_index(inner, &creation).await? };
    Ok(Creation::Moved(Box::new(StoredRollup { config: info.to_json()?, created, ..stored.clone() })))
}

/// Makes room for the chain of a rollup that was created again; nothing of the rollup may run. A crash or a database
/// that is away in between: the next one does the rest.
pub(super) async fn move_to(inner: &Arc<Inner>, moved: &StoredRollup) -> eyre::Result<()> {
    let dir = inner.chain_dir(moved.address);
    let (kept, transactions) = tokio::task::spawn_blocking(move || {
        let aside = put_aside(&dir.join("chain"), &dir)?;
        forget_stands(&dir.join(SEQUENCER_DIR))?;
        eyre::Ok(aside)
    })
    .await?
    .wrap_err("putting the chain of the old creation aside")?;
    inner.ledger.move_rollup(moved).await.wrap_err("recording the new creation")?;
    let (name, created) = (&moved.name, moved.created.number);
    tracing::warn!(%name, created, kept = %kept.display(), transactions, "L1 created the rollup again in another block");
    Ok(())
}
