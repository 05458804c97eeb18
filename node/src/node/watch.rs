//! Keeps what RPC shows of a rollup in step with L1: its stage, its final claims, and its leaves once it is closed.

use std::{sync::Arc, time::Duration};

use alloy_sol_types::SolEvent;
use eyre::WrapErr;
use mayfly_contracts::{inbox::Inbox, settlement::Settlement::ClaimFinal, types};
use mayfly_l1::{BlockTag, L1Client, LogSearch};
use mayfly_sequencer::{SequencerHandle, Stage as SequencerStage};

use crate::rpc;

/// One rollup's task.
pub(super) struct Watch {
    pub(super) l1: L1Client,
    pub(super) handle: SequencerHandle,
    pub(super) served: Arc<rpc::Rollup>,
    /// Claims in L1 blocks before this one are known.
    pub(super) claims_from: u64,
    /// Final L1 blocks up to here were searched.
    pub(super) searched: u64,
}

impl Watch {
    pub(super) fn new(l1: L1Client, handle: SequencerHandle, served: Arc<rpc::Rollup>) -> Watch {
        let claims_from = served.info.l1_number;
        Watch { l1, handle, served, claims_from, searched: 0 }
    }

    /// Looks for as long as it is let.
    pub(super) async fn run(mut self, poll: Duration) {
        loop {
            for error in
                [self.leaves().await, self.stage().await, self.claims().await].into_iter().filter_map(Result::err)
            {
                tracing::debug!(error = format!("{error:#}"), rollup = %self.served.info.rollup, "L1 could not be read");
            }
            tokio::time::sleep(poll).await;
        }
    }

    async fn stage(&self) -> eyre::Result<()> {
        let stage: u8 = self.l1.call(self.served.info.rollup, &Inbox::stageCall {}, BlockTag::Latest).await?;
        self.served.set_stage(match types::Stage::try_from(stage)? {
            types::Stage::Created => rpc::Stage::Created,
            types::Stage::Active => rpc::Stage::Active,
            types::Stage::Draining => rpc::Stage::Draining,
            types::Stage::Frozen => rpc::Stage::Frozen,
            types::Stage::Closing => rpc::Stage::Closing,
            types::Stage::Settling => rpc::Stage::Settling,
            types::Stage::Settled => rpc::Stage::Settled,
        });
        Ok(())
    }

    /// A closed chain has its leaves shown, one whose close L1 took back has not.
    async fn leaves(&self) -> eyre::Result<()> {
        let (status, shown) = (self.handle.status(), self.served.closed_with());
        if status.stage != SequencerStage::Closed {
            if shown.is_some() {
                self.served.reopen();
            }
            return Ok(());
        }
        // Only what is durable is shown.
        if shown == Some(status.latest.hash) || status.durable < status.latest.number {
            return Ok(());
        }
        let Some((close_block, found)) = self.handle.leaves().await.wrap_err("computing the leaves")? else {
            return Ok(());
        };
        let (served, count) = (Arc::clone(&self.served), found.leaves.len());
        tokio::task::spawn_blocking(move || served.close(close_block.hash, found.leaves)).await??;
        tracing::info!(name = %self.served.name, block = close_block.number, leaves = count, "closed");
        Ok(())
    }

    /// The newest claim that is final in a final L1 block: nothing undoes it.
    async fn claims(&mut self) -> eyre::Result<()> {
        let Some(finalized) = self.l1.try_header(BlockTag::Finalized).await? else { return Ok(()) };
        if finalized.number <= self.searched || finalized.number < self.claims_from {
            return Ok(());
        }
        let info = &self.served.info;
        let search = LogSearch {
            address: Some(info.settlement),
            topics: vec![Some(ClaimFinal::SIGNATURE_HASH)],
            from: self.claims_from,
            to: finalized.number,
        };
        if let Some(found) = self.l1.find_log(&search).await? {
            let claim = ClaimFinal::decode_log_data(&found.log.data)?.claim;
            let (reader, number) = (self.served.reader.clone(), claim.blockNumber);
            let block = tokio::task::spawn_blocking(move || reader.block_by_number(number)).await??;
            match block {
                Some(block) if block.hash == claim.blockHash => {
                    self.served.marks.claimed(number, claim.closeNumber != 0);
                    self.claims_from = found.header.number + 1;
                    tracing::info!(name = %self.served.name, block = number, "a claim is final");
                }
                Some(block) => {
                    tracing::error!(name = %self.served.name, number, ours = %block.hash, final_ = %claim.blockHash,
                        "a final claim contradicts this chain");
                }
                // The chain is still being rebuilt: looked at again.
                None => return Ok(()),
            }
        }
        self.searched = finalized.number;
        Ok(())
    }
}
