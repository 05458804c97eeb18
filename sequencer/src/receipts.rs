//! Signed receipts, made when somebody asks for one.

use std::collections::{HashMap, VecDeque};
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
    signed: Mutex<Signed>,
}

/// The newest signatures, so that asking again costs none.
#[derive(Default)]
struct Signed {
    by_hash: HashMap<B256, SignedReceipt>,
    /// Oldest first.
    order: VecDeque<B256>,
}

impl Signed {
    fn insert(&mut self, signed: SignedReceipt) {
        let hash = signed.receipt.tx_hash;
        if self.by_hash.insert(hash, signed).is_some() {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > MAX_SIGNED
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_hash.remove(&oldest);
        }
    }
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
        let Some((block, index)) = shared.reader.tx_by_hash(&hash).map_err(chain)? else { return Ok(None) };
        let Some(receipt) = block.receipts.get(index) else { return Ok(None) };
        let number = block.header.number;
        let position = Position::of(&block.header);
        let origin_number =
            position.ok_or_else(|| SequencerError::Chain(format!("block {number} has no origin")))?.origin;
        let known = shared.origins.lock().get(&origin_number).copied();
        let origin_hash = match known {
            Some(hash) => hash,
            None => {
                let header = self.client.head(BlockTag::Number(origin_number)).await;
                let hash = header.map_err(|e| SequencerError::L1(e.to_string()))?.hash();
                shared.note_origin(origin_number, hash);
                hash
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
        self.sign(content).map(Some)
    }

    /// A signature that was made before is good only for the very same content: a rebase may have moved the
    /// transaction, or its origin.
    fn sign(&self, content: Receipt) -> Result<SignedReceipt, SequencerError> {
        if let Some(known) = self.signed.lock().by_hash.get(&content.tx_hash).filter(|known| known.receipt == content) {
            return Ok(*known);
        }
        let signed = self.signer.sign(content).map_err(|e| SequencerError::Config(format!("signing: {e}")))?;
        self.signed.lock().insert(signed);
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mayfly_l1::{Anvil, L1Options};

    use super::*;

    fn content(n: u64) -> Receipt {
        Receipt {
            rollup: Address::ZERO,
            global_index: 7,
            block: 3,
            index: 0,
            tx_hash: B256::left_padding_from(&n.to_be_bytes()),
            status: 1,
            gas_used: 21_000,
            logs_hash: B256::ZERO,
            origin_number: 1,
            origin_hash: B256::ZERO,
            time: 5,
        }
    }

    #[test]
    fn a_receipt_says_what_the_chain_says_now() {
        let key = Anvil::key(2);
        let client = L1Client::new(&["http://127.0.0.1:1".to_owned()], L1Options::default()).unwrap();
        let receipts = Receipts::new(&key, Address::ZERO, 1, client).unwrap();
        let first = receipts.sign(content(1)).unwrap();
        assert_eq!(receipts.sign(content(1)).unwrap(), first);
        // The same transaction in a block of the same number, elsewhere and on another origin.
        for moved in [
            Receipt { index: 4, global_index: 11, ..content(1) },
            Receipt { origin_hash: B256::repeat_byte(1), ..content(1) },
            Receipt { status: 0, gas_used: 30_000, ..content(1) },
        ] {
            let signed = receipts.sign(moved).unwrap();
            assert_eq!(signed.receipt, moved);
            signed.verify(&ReceiptDomain::new(1, Address::ZERO), key.address()).unwrap();
        }
    }

    #[test]
    fn the_oldest_signature_is_forgotten_first() {
        let signer = ReceiptSigner::new(ReceiptDomain::new(1, Address::ZERO), Anvil::key(2).expose_secret()).unwrap();
        let mut signed = Signed::default();
        let template = signer.sign(content(0)).unwrap();
        for n in 0..=MAX_SIGNED as u64 {
            signed.insert(SignedReceipt { receipt: content(n), ..template });
        }
        assert_eq!((signed.by_hash.len(), signed.order.len()), (MAX_SIGNED, MAX_SIGNED));
        assert!(!signed.by_hash.contains_key(&content(0).tx_hash));
        assert!(signed.by_hash.contains_key(&content(1).tx_hash));
    }
}
