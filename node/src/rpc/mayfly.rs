//! `mayfly_*`: what the rollup is, how far each block has come, and what binds the sequencer.

use alloy_primitives::{Address, B256, Bytes, U64};
use serde::Serialize;
use serde_json::json;

use super::backend::Rollup;
use super::dispatch::{Call, Caller, Pending, Reply, Service, null, reply};
use super::errors::{NOT_FOUND, RpcError};
use super::params::{Param, Params};
use super::transactions;

/// `mayfly_rollup`: everything that creation fixed, and the stage now.
pub(crate) fn rollup(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    let info = &rollup.info;
    reply(&json!({
        "name": rollup.name,
        "rollup": info.rollup,
        "settlement": info.settlement,
        "vault": info.vault,
        "chainId": U64::from(info.chain_id),
        "l1ChainId": U64::from(info.l1_chain_id),
        "createdIn": { "number": U64::from(info.l1_number), "hash": info.l1_hash, "time": U64::from(info.l1_time) },
        "genesisClaim": info.genesis_claim(),
        "config": info.config,
        "genesis": info.genesis,
        "stage": rollup.stage(),
        "sequenced": rollup.sequencer.is_some(),
    }))
}

/// `mayfly_status`: how the chain and its posting are doing.
pub(crate) fn status(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&rollup.status())
}

/// How far a block has come; the later, the harder to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Tier {
    /// Durable at the sequencer.
    Latest,
    /// In a batch on L1.
    Safe,
    /// That batch is in a final L1 block.
    Finalized,
    /// A final claim covers it.
    Attested,
    /// The closing claim is final.
    Settled,
}

/// A block or a transaction: a number, a tag, or 32 bytes that name either.
enum Subject {
    Block(alloy_eips::BlockId),
    Hash(B256),
}

impl Param for Subject {
    fn from_json(text: &str) -> Result<Self, String> {
        match alloy_eips::BlockId::from_json(text)? {
            alloy_eips::BlockId::Hash(hash) if !text.starts_with('{') => Ok(Self::Hash(hash.block_hash)),
            id => Ok(Self::Block(id)),
        }
    }
}

/// `mayfly_finality`: the tier of a block, or of a transaction's block.
pub(crate) fn finality(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let subject: Subject = params.required("block or transaction hash")?;
    params.end()?;
    let block = match subject {
        Subject::Block(id) => rollup.block(id)?,
        Subject::Hash(hash) => match rollup.block(hash.into())? {
            Some(block) => Some(block),
            None => transactions::locate(rollup, hash)?.map(|(block, _)| block),
        },
    };
    let Some(block) = block else { return null() };
    let (number, marks) = (block.header.number, &rollup.marks);
    // Genesis is final from the start; 0 attested or settled means no claim yet.
    let tier = match number {
        number if number <= marks.settled() && marks.settled() > 0 => Tier::Settled,
        number if number <= marks.attested() && marks.attested() > 0 => Tier::Attested,
        number if number <= marks.finalized() => Tier::Finalized,
        number if number <= marks.safe() => Tier::Safe,
        _ => Tier::Latest,
    };
    reply(&json!({ "blockNumber": U64::from(number), "blockHash": block.hash, "tier": tier }))
}

/// `mayfly_receipt`: the sequencer's signed promise about an included transaction.
pub(crate) fn receipt<'a>(_: &'a Service, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let mut params = Params::read(call.params)?;
        let hash: B256 = params.required("transaction hash")?;
        params.end()?;
        let sequencer = caller.rollup.sequencer.as_ref().ok_or_else(super::submit::read_only)?;
        match sequencer.signed_receipt(hash).await.map_err(RpcError::internal)? {
            None => null(),
            Some(signed) => {
                let bytes = Bytes::from(signed.encode().to_vec());
                let signature = Bytes::from(signed.signature.as_bytes().to_vec());
                reply(&json!({ "receipt": signed.receipt, "signature": signature, "encoded": bytes }))
            }
        }
    })
}

/// Leaves one answer holds.
const MAX_LEAVES: u64 = 1_000;

/// `mayfly_leaves`: settlement leaves from an index on, with the root, once the chain is closed.
pub(crate) fn leaves(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let first: u64 = params.optional("first index")?.unwrap_or(0);
    let count: u64 = params.optional("count")?.unwrap_or(MAX_LEAVES);
    params.end()?;
    if count > MAX_LEAVES {
        return Err(RpcError::limit(format!("{count} leaves asked for, at most {MAX_LEAVES} at once")));
    }
    let settled = rollup.settlement()?;
    let indexes = (first..first.saturating_add(count)).map_while(|index| settled.leaf(index, false));
    let leaves = indexes.collect::<Vec<_>>();
    reply(&json!({ "root": settled.root(), "count": U64::from(settled.len()), "leaves": leaves }))
}

/// `mayfly_settlementProof`: what an address is paid on L1, with proofs for `Vault.claim`.
pub(crate) fn settlement_proof(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let recipient: Address = params.required("address")?;
    let first: u64 = params.optional("first index")?.unwrap_or(0);
    params.end()?;
    let settled = rollup.settlement()?;
    let indexes = settled.of(recipient).filter(|index| *index >= first).take(MAX_LEAVES as usize);
    let leaves: Vec<_> = indexes.filter_map(|index| settled.leaf(index, true)).collect();
    reply(&json!({ "root": settled.root(), "leaves": leaves }))
}

/// `mayfly_withdrawalProof`: a message to L1 and its proof at a block, for `Vault.withdraw`.
///
/// The block is that of the final claim the withdrawal will name; without one,
/// the last block that a final claim covers.
pub(crate) fn withdrawal_proof(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let index: u64 = params.required("message index")?;
    let id = params.optional::<alloy_eips::BlockId>("block")?;
    params.end()?;
    let id = id.unwrap_or_else(|| rollup.marks.attested().into());
    let block = rollup.block(id)?.ok_or_else(|| RpcError::unknown_block(id))?;
    let proven = rollup.messages.prove(rollup, index, block.header.number)?;
    let Some(proven) = proven else {
        let (number, count) = (block.header.number, rollup.messages.count_at(block.header.number));
        let message = format!("message {index} is not in block {number}, which has {count} messages");
        return Err(RpcError::new(NOT_FOUND, message));
    };
    reply(&json!({
        "message": proven.message,
        "leaf": proven.leaf,
        "root": proven.root,
        "proof": proven.proof,
        "blockNumber": U64::from(block.header.number),
        "blockHash": block.hash,
    }))
}
