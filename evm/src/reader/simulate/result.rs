//! What a simulation gives.

use crate::CallStatus;
use alloy_consensus::{Header, TxEnvelope};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bytes, Log};
use alloy_rlp::{Encodable, Header as RlpHeader};

/// A simulated block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedBlock {
    /// Its header, as the chain would have it.
    pub header: Header,
    /// Keccak of the header's RLP.
    pub hash: B256,
    /// The calls as transactions.
    pub transactions: Vec<SimulatedTx>,
    /// What each call did.
    pub calls: Vec<SimulatedCall>,
    /// Withdrawals of validators.
    pub withdrawals: Vec<Withdrawal>,
}

impl SimulatedBlock {
    /// Length of the block's RLP.
    pub fn size_bytes(&self) -> usize {
        let list = |payload_length| RlpHeader { list: true, payload_length }.length() + payload_length;
        let one = |tx: &SimulatedTx| {
            let payload_length = tx.encoded.len();
            let wrapper = RlpHeader { list: false, payload_length }.length();
            if tx.envelope.is_legacy() { payload_length } else { wrapper + payload_length }
        };
        let transactions = list(self.transactions.iter().map(one).sum());
        let withdrawals = self.header.withdrawals_root.map_or(0, |_| self.withdrawals.length());
        list(self.header.length() + transactions + list(0) + withdrawals)
    }
}

/// A call as a transaction. Nobody signed it: its signature is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedTx {
    /// The transaction; its hash is that of [`Self::encoded`].
    pub envelope: TxEnvelope,
    /// Who it is from.
    pub sender: Address,
    /// EIP-2718 bytes.
    pub encoded: Bytes,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedCall {
    /// How it ended.
    pub status: CallStatus,
    /// Gas used, as its receipt says.
    pub gas_used: u64,
    /// Gas used before refunds: what it needs to run.
    pub max_gas_used: u64,
    /// Return data, created code or revert data.
    pub output: Bytes,
    /// Logs with their index in the block, and with transfers of ether if they were asked for; none if it failed. Logs
    /// that were taken back count too.
    pub logs: Vec<(usize, Log)>,
}
