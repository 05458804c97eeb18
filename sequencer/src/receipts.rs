//! Signed receipts, made when somebody asks for one.

use std::collections::HashMap;
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use mayfly_l1::{BlockTag, Key, L1Client};
use mayfly_proto::{Receipt, ReceiptDomain, ReceiptSigner, SignedReceipt};
use mayfly_rollup::derive::Position;
use parking_lot::Mutex;

use crate::error::SequencerError;
use crate::shared::Shared;

/// Receipts kept signed.
const MAX_SIGNED: usize = 8_192;

/// Signs what is durable, with the key that the rollup's config names.
pub(crate) struct Receipts {
    signer: ReceiptSigner,
    rollup: Address,
    client: L1Client,
    signed: Mutex<HashMap<B256, SignedReceipt>>,
}

impl Receipts {
    pub(crate) fn new(key: &Key, rollup: Address, chain_id: u64, client: L1Client) -> Result<Self, SequencerError> {
        let signer = ReceiptSigner::new(ReceiptDomain::new(chain_id, rollup), key.expose_secret())
            .map_err(|e| SequencerError::Config(format!("receipt key: {e}")))?;
        Ok(Self { signer, rollup, client, signed: Mutex::default() })
    }

    /// The signed receipt of a transaction in a durable block; none if there is no such transaction.
    pub(crate) async fn signed(
        &self,
        shared: &Arc<Shared>,
        hash: B256,
    ) -> Result<Option<SignedReceipt>, SequencerError> {
        let chain = |e: mayfly_evm::EvmError| SequencerError::Chain(e.to_string());
        let Some((number, index)) = shared.reader.tx_location(&hash).map_err(chain)? else { return Ok(None) };
        let Some(block) = shared.reader.block_by_number(number).map_err(chain)? else { return Ok(None) };
        let Some(receipt) = block.receipts.get(index).filter(|r| r.tx_hash == hash) else { return Ok(None) };
        if let Some(known) = self.signed.lock().get(&hash).filter(|s| s.receipt.block == number) {
            return Ok(Some(*known));
        }
        let position = Position::of(&block.header);
        let origin_number =
            position.ok_or_else(|| SequencerError::Chain(format!("block {number} has no origin")))?.origin;
        let known = shared.origins.lock().get(&origin_number).copied();
        let origin_hash = match known {
            Some(hash) => hash,
            None => {
                let header = self.client.head(BlockTag::Number(origin_number)).await;
                header.map_err(|e| SequencerError::L1(e.to_string()))?.hash()
            }
        };
        let index = index as u64;
        let content = Receipt {
            rollup: self.rollup,
            global_index: block.first_index + index,
            block: number,
            index,
            tx_hash: hash,
            status: u8::from(receipt.status),
            gas_used: receipt.gas_used,
            logs_hash: receipt.logs_hash,
            origin_number,
            origin_hash,
            time: block.header.timestamp,
        };
        let signed = self.signer.sign(content).map_err(|e| SequencerError::Config(format!("signing: {e}")))?;
        let mut cache = self.signed.lock();
        if cache.len() >= MAX_SIGNED {
            cache.clear();
        }
        cache.insert(hash, signed);
        Ok(Some(signed))
    }
}
