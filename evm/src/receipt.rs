//! Receipts: Ethereum's, and OP's form for deposits.

use crate::transaction::DEPOSIT_TX_TYPE;
use alloy_primitives::{Address, B256, Bloom, Log, keccak256};
use alloy_rlp::{Encodable, Header as RlpHeader};

/// `depositReceiptVersion` of every deposit receipt.
pub const DEPOSIT_RECEIPT_VERSION: u64 = 1;

/// The result of an included transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Hash of the transaction.
    pub tx_hash: B256,
    /// EIP-2718 type.
    pub ty: u8,
    /// Whether it succeeded.
    pub status: bool,
    /// State root after the transaction, which receipts hold in place of the status before Byzantium.
    pub state_root: Option<B256>,
    /// Gas used in the block up to and including this transaction.
    pub cumulative_gas_used: u64,
    /// Gas this transaction used.
    pub gas_used: u64,
    /// Its logs.
    pub logs: Vec<Log>,
    /// Bloom of its logs.
    pub bloom: Bloom,
    /// The contract it created, also if creation failed: `None` unless it is a creation.
    pub contract_address: Option<Address>,
    /// Nonce of the sender before a deposit.
    pub deposit_nonce: Option<u64>,
    /// `keccak256(rlp(logs))`, as receipts signed by the sequencer and the receipt tree hold it.
    pub logs_hash: B256,
}

/// `keccak256(rlp(logs))`.
pub fn logs_hash(logs: &[Log]) -> B256 {
    let mut out = Vec::with_capacity(logs_length(logs));
    encode_logs(logs, &mut out);
    keccak256(&out)
}

fn payload(logs: &[Log]) -> usize {
    logs.iter().map(Encodable::length).sum()
}

fn logs_length(logs: &[Log]) -> usize {
    let payload_length = payload(logs);
    RlpHeader { list: true, payload_length }.length() + payload_length
}

fn encode_logs(logs: &[Log], out: &mut Vec<u8>) {
    RlpHeader { list: true, payload_length: payload(logs) }.encode(out);
    logs.iter().for_each(|log| log.encode(out));
}

impl Receipt {
    fn outcome_length(&self) -> usize {
        self.state_root.as_ref().map_or_else(|| self.status.length(), Encodable::length)
    }

    /// Appends the EIP-2718 consensus encoding, whose trie the header commits to.
    pub fn encode_2718(&self, out: &mut Vec<u8>) {
        if self.ty != 0 {
            out.push(self.ty);
        }
        let deposit = (self.ty == DEPOSIT_TX_TYPE).then_some(self.deposit_nonce).flatten();
        let mut payload_length =
            self.outcome_length() + self.cumulative_gas_used.length() + self.bloom.length() + logs_length(&self.logs);
        if let Some(nonce) = deposit {
            payload_length += nonce.length() + DEPOSIT_RECEIPT_VERSION.length();
        }
        RlpHeader { list: true, payload_length }.encode(out);
        match &self.state_root {
            Some(root) => root.encode(out),
            None => self.status.encode(out),
        }
        self.cumulative_gas_used.encode(out);
        self.bloom.encode(out);
        encode_logs(&self.logs, out);
        if let Some(nonce) = deposit {
            nonce.encode(out);
            DEPOSIT_RECEIPT_VERSION.encode(out);
        }
    }
}

/// Root of the trie of receipts, in block order.
pub fn receipts_root(receipts: &[Receipt]) -> B256 {
    alloy_trie::root::ordered_trie_root_with_encoder(receipts, |receipt, out| receipt.encode_2718(out))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use alloy_consensus::{Eip658Value, ReceiptEnvelope, ReceiptWithBloom};
    use alloy_eips::eip2718::Encodable2718;
    use alloy_primitives::Bytes;
    use op_alloy_consensus::{OpDepositReceipt, OpReceiptEnvelope};

    fn receipt(ty: u8) -> Receipt {
        let logs = vec![
            Log::new_unchecked(Address::repeat_byte(9), vec![B256::repeat_byte(1)], Bytes::from_static(b"x")),
            Log::new_unchecked(Address::repeat_byte(8), vec![], Bytes::new()),
        ];
        Receipt {
            tx_hash: B256::ZERO,
            ty,
            status: ty != 1,
            state_root: None,
            cumulative_gas_used: 123_456,
            gas_used: 21_000,
            bloom: logs.iter().collect(),
            contract_address: None,
            deposit_nonce: (ty == DEPOSIT_TX_TYPE).then_some(77),
            logs_hash: logs_hash(&logs),
            logs,
        }
    }

    #[test]
    fn encodes_as_alloy_does() {
        for ty in [0, 1, 2, 4, DEPOSIT_TX_TYPE] {
            let ours = receipt(ty);
            let inner = alloy_consensus::Receipt {
                status: Eip658Value::Eip658(ours.status),
                cumulative_gas_used: ours.cumulative_gas_used,
                logs: ours.logs.clone(),
            };
            let logs_bloom = ours.bloom;
            let with_bloom = ReceiptWithBloom { receipt: inner.clone(), logs_bloom };
            let theirs = match ty {
                0 => ReceiptEnvelope::Legacy(with_bloom).encoded_2718(),
                1 => ReceiptEnvelope::Eip2930(with_bloom).encoded_2718(),
                2 => ReceiptEnvelope::Eip1559(with_bloom).encoded_2718(),
                4 => ReceiptEnvelope::Eip7702(with_bloom).encoded_2718(),
                _ => OpReceiptEnvelope::Deposit(ReceiptWithBloom {
                    receipt: OpDepositReceipt { inner, deposit_nonce: Some(77), deposit_receipt_version: Some(1) },
                    logs_bloom,
                })
                .encoded_2718(),
            };
            let mut bytes = Vec::new();
            ours.encode_2718(&mut bytes);
            assert_eq!(bytes, theirs, "type {ty}");
        }
    }
}
