//! `eth_getProof` (EIP-1186).

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256};
use alloy_serde::JsonStorageKey;
use serde_json::value::RawValue;

use super::accounts::block_param;
use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{self, RpcError, SERVER};
use super::params::{Param, Params, Slot};

/// Length of 32 bytes in JSON: digits, prefix, quotes.
const WORD_CHARS: usize = 64 + 2 + 2;

/// Storage keys, as 32 bytes or quantities: each is answered the way it was asked for.
struct Keys(Vec<JsonStorageKey>);

impl Param for Keys {
    fn from_json(text: &str) -> Result<Self, String> {
        let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| "not an array".to_owned())?;
        let key = |key: &RawValue| {
            let Slot(slot) = Slot::from_json(key.get())?;
            let is_word = key.get().len() == WORD_CHARS;
            Ok(if is_word { JsonStorageKey::Hash(slot.into()) } else { JsonStorageKey::Number(slot) })
        };
        raw.into_iter().map(key).collect::<Result<_, _>>().map(Self)
    }
}

/// `eth_getProof`: at the latest block; tries of older blocks are not kept.
pub(crate) fn get(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let address: Address = params.required("address")?;
    let Keys(keys) = params.optional("storage keys")?.unwrap_or(Keys(Vec::new()));
    let id = block_param(params)?;
    let (count, most) = (keys.len(), rollup.limits.max_proof_keys);
    if count > most {
        return Err(RpcError::limit(format!("{count} storage keys, at most {most}")));
    }
    let slots: Vec<B256> = keys.iter().map(JsonStorageKey::as_b256).collect();
    let mut proven = rollup.reader.proof(&address, &slots).map_err(errors::reading)?;
    for (proof, key) in proven.proof.storage_proof.iter_mut().zip(keys) {
        proof.key = key;
    }
    let latest = proven.block.header.number;
    let asked = match id {
        BlockId::Number(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => latest,
        BlockId::Number(tag) => rollup.number(tag)?,
        BlockId::Hash(hash) if hash.block_hash == proven.block.hash => latest,
        BlockId::Hash(hash) => {
            let hash = hash.block_hash;
            let block = rollup.block(id)?.ok_or_else(|| RpcError::unknown_block(hash))?;
            block.header.number
        }
    };
    if asked != latest {
        let message = format!("proofs exist for the latest block only: asked for {asked}, latest is {latest}");
        return Err(RpcError::new(SERVER, message));
    }
    reply(&proven.proof)
}
