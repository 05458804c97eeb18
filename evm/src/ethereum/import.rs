//! Taking in a block that another chain's consensus made. Whatever its header says has to follow from its execution; the
//! proof of work itself, and where uncles come from, is not looked at: who exports a chain vouches for that.

use super::{ForeignBlock, blocks::MAX_BLOCK_BYTES};
use crate::{BlockAttributes, Chain, EvmError, RecoveredTx, SealedBlock, Transaction};
use alloy_consensus::{Header, TxEnvelope, transaction::SignerRecoverable};
use alloy_primitives::B256;
use revm::primitives::hardfork::SpecId;
use std::sync::Arc;

/// A block's gas limit may differ from its parent's by less than this part of it.
const GAS_LIMIT_PART: u64 = 1_024;
const MIN_GAS_LIMIT: u64 = 5_000;
/// Wei. A block's fee follows from its parent's in 64 bits: before it could overflow, the chain ends.
const MAX_BASE_FEE: u64 = 1 << 60;
const MAX_OMMERS: usize = 2;
/// An uncle is at most so many blocks older than who names it.
const MAX_OMMER_DEPTH: u64 = 6;

impl Chain {
    /// Executes a block on the head and takes it in, if it is what its header says.
    ///
    /// # Errors
    /// [`EvmError::Import`] with what does not follow; the chain is then as before.
    pub fn import(&mut self, foreign: ForeignBlock) -> Result<Arc<SealedBlock>, EvmError> {
        let ForeignBlock { block, bytes } = foreign;
        let (header, body) = (block.header, block.body);
        let place = format!("block {}", header.number);
        let refuse = |reason: String| EvmError::Import { place: place.clone(), reason };
        let fork = self.spec().spec_id(header.number, header.timestamp);
        if fork.is_enabled_in(SpecId::OSAKA) && bytes > MAX_BLOCK_BYTES {
            return Err(refuse(format!("{bytes} bytes, at most {MAX_BLOCK_BYTES} are allowed")));
        }
        check_header(&self.head().header, self.head().hash, &header, fork).map_err(refuse)?;
        check_ommers(&header, &body.ommers).map_err(refuse)?;
        let recover = |tx| recover(tx, fork).map(Arc::new);
        let transactions: Vec<Arc<RecoveredTx>> =
            body.transactions.into_iter().map(recover).collect::<Result<_, _>>().map_err(refuse)?;
        let withdrawals = body.withdrawals.unwrap_or_default().into_inner();
        let attributes = BlockAttributes::of(&header, body.ommers, withdrawals);
        let mut builder = self.begin(attributes)?;
        for (index, tx) in transactions.iter().enumerate() {
            builder.execute(tx).map_err(|refusal| refuse(format!("transaction {index}: {refusal}")))?;
        }
        builder.seal_if(|found| if *found == header { Ok(()) } else { Err(refuse(difference(found, &header))) })
    }
}

/// The sender of a transaction, as the fork recovers it.
fn recover(tx: TxEnvelope, fork: SpecId) -> Result<RecoveredTx, String> {
    if matches!(&tx, TxEnvelope::Eip4844(signed) if signed.tx().sidecar().is_some()) {
        return Err(format!("transaction {}: blobs are no part of a block", tx.tx_hash()));
    }
    let too_early = |what: &str| Err(format!("transaction {}: {what} before their fork", tx.tx_hash()));
    if tx.is_legacy() && !fork.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
        use alloy_consensus::Transaction as _;
        if tx.chain_id().is_some() {
            return too_early("chain ids");
        }
    }
    let sender = match fork.is_enabled_in(SpecId::HOMESTEAD) {
        true => tx.recover_signer(),
        false => tx.recover_signer_unchecked(),
    };
    let sender = sender.map_err(|_| format!("transaction {}: invalid signature", tx.tx_hash()))?;
    Ok(RecoveredTx { tx: Transaction::Signed(tx), sender })
}

fn check_header(parent: &Header, parent_hash: B256, header: &Header, fork: SpecId) -> Result<(), String> {
    let (number, found) = (parent.number + 1, header.number);
    if found != number || header.parent_hash != parent_hash {
        return Err(format!("follows {}, the head is block {} {parent_hash}", header.parent_hash, parent.number));
    }
    if header.difficulty.is_zero() != fork.is_enabled_in(SpecId::MERGE) {
        return Err(format!("difficulty {} under {fork:?}", header.difficulty));
    }
    if parent.base_fee_per_gas.is_some_and(|fee| fee > MAX_BASE_FEE) {
        return Err(format!("the base fee of its parent is above {MAX_BASE_FEE}"));
    }
    let is_first_london = fork.is_enabled_in(SpecId::LONDON) && parent.base_fee_per_gas.is_none();
    let before = parent.gas_limit.saturating_mul(if is_first_london { 2 } else { 1 });
    let limit = header.gas_limit;
    if limit.abs_diff(before) >= before / GAS_LIMIT_PART || limit < MIN_GAS_LIMIT {
        return Err(format!("gas limit {limit} after {before}"));
    }
    Ok(())
}

fn check_ommers(header: &Header, ommers: &[Header]) -> Result<(), String> {
    if ommers.is_empty() {
        return Ok(());
    }
    if header.difficulty.is_zero() || ommers.len() > MAX_OMMERS {
        return Err(format!("{} uncles", ommers.len()));
    }
    for (index, ommer) in ommers.iter().enumerate() {
        let age = header.number.saturating_sub(ommer.number);
        if !(1..=MAX_OMMER_DEPTH).contains(&age) {
            return Err(format!("uncle {} at block {}", ommer.number, header.number));
        }
        if ommers[..index].contains(ommer) {
            return Err(format!("uncle {} is there twice", ommer.hash_slow()));
        }
    }
    Ok(())
}

/// What of a header does not follow from execution.
fn difference(found: &Header, said: &Header) -> String {
    let fields: [(&str, String, String); 13] = [
        ("state root", found.state_root.to_string(), said.state_root.to_string()),
        ("receipts root", found.receipts_root.to_string(), said.receipts_root.to_string()),
        ("transactions root", found.transactions_root.to_string(), said.transactions_root.to_string()),
        ("gas used", found.gas_used.to_string(), said.gas_used.to_string()),
        ("base fee", format!("{:?}", found.base_fee_per_gas), format!("{:?}", said.base_fee_per_gas)),
        ("logs bloom", found.logs_bloom.to_string(), said.logs_bloom.to_string()),
        ("uncles hash", found.ommers_hash.to_string(), said.ommers_hash.to_string()),
        ("withdrawals root", format!("{:?}", found.withdrawals_root), format!("{:?}", said.withdrawals_root)),
        ("blob gas used", format!("{:?}", found.blob_gas_used), format!("{:?}", said.blob_gas_used)),
        ("excess blob gas", format!("{:?}", found.excess_blob_gas), format!("{:?}", said.excess_blob_gas)),
        (
            "beacon root",
            format!("{:?}", found.parent_beacon_block_root),
            format!("{:?}", said.parent_beacon_block_root),
        ),
        ("requests hash", format!("{:?}", found.requests_hash), format!("{:?}", said.requests_hash)),
        ("hash", found.hash_slow().to_string(), said.hash_slow().to_string()),
    ];
    let differs = |(name, found, said): &(&str, String, String)| {
        (found != said).then(|| format!("{name} is {found}, the header says {said}"))
    };
    fields.iter().find_map(differs).unwrap_or_else(|| "the header is another".into())
}
