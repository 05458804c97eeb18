//! Messages, where they run, and what they did.

use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use revm::context::result::ExecutionResult;

/// A message to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallMessage {
    /// Sender; may have code, and no signature is asked for.
    pub from: Address,
    /// Callee; `None` creates a contract.
    pub to: Option<Address>,
    /// Gas limit; [`MAX_CALL_GAS`](super::MAX_CALL_GAS) if `None`.
    pub gas: Option<u64>,
    /// Gas price or max fee per gas; nothing is charged if `None` or 0.
    pub gas_price: Option<u128>,
    /// Max priority fee per gas.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Wei.
    pub value: U256,
    /// Calldata or init code.
    pub data: Bytes,
    /// EIP-2930 access list.
    pub access_list: AccessList,
    /// EIP-7702 authorisations.
    pub authorization_list: Vec<SignedAuthorization>,
    /// Nonce to check; the sender's own if `None`.
    pub nonce: Option<u64>,
}

/// On which state, and in which block, to run a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockContext {
    /// State after this block; the durable head if `None`.
    pub number: Option<u64>,
    /// Run as in the block after it instead of in that block itself.
    pub pending: bool,
    /// What to change in the block's environment.
    pub overrides: BlockOverrides,
}

impl BlockContext {
    /// At the durable head.
    pub fn latest() -> Self {
        Self::default()
    }

    /// After a block.
    pub fn at(number: u64) -> Self {
        Self { number: Some(number), ..Self::default() }
    }
}

/// Changes to a block's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockOverrides {
    /// Block number.
    pub number: Option<u64>,
    /// Unix seconds.
    pub timestamp: Option<u64>,
    /// Gas limit.
    pub gas_limit: Option<u64>,
    /// Beneficiary.
    pub beneficiary: Option<Address>,
    /// `PREVRANDAO`.
    pub prev_randao: Option<B256>,
    /// Base fee.
    pub base_fee: Option<u64>,
    /// `DIFFICULTY`, where work is proved; without a meaning elsewhere.
    pub difficulty: Option<U256>,
}

/// Changes to one account before a message runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// Wei.
    pub balance: Option<U256>,
    /// Nonce.
    pub nonce: Option<u64>,
    /// Code.
    pub code: Option<Bytes>,
    /// The whole storage.
    pub state: Option<Vec<(B256, B256)>>,
    /// Some slots.
    pub state_diff: Vec<(B256, B256)>,
}

/// How a message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// It returned.
    Success,
    /// It reverted; the output is the revert data.
    Reverted,
    /// It ran out of gas or did what no code may; the reason.
    Halted(String),
}

/// What a contract said when it reverted, for people; `None` if it said nothing that can be read.
pub fn revert_reason(output: &[u8]) -> Option<String> {
    let reason = alloy_sol_types::decode_revert_reason(output)?;
    let reason = reason.trim_start_matches("revert: ");
    (!reason.is_empty()).then(|| reason.to_owned())
}

/// What a message did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallResult {
    /// How it ended.
    pub status: CallStatus,
    /// Gas used, as a receipt would say.
    pub gas_used: u64,
    /// Return or revert data; for a creation the created code.
    pub output: Bytes,
    /// Logs, if it succeeded.
    pub logs: Vec<Log>,
    /// The contract it created.
    pub contract_address: Option<Address>,
}

impl CallResult {
    /// Whether it succeeded.
    pub fn is_success(&self) -> bool {
        self.status == CallStatus::Success
    }

    /// One line for people: the revert reason where there is one.
    pub fn message(&self) -> String {
        match &self.status {
            CallStatus::Success => "success".into(),
            CallStatus::Halted(reason) => reason.clone(),
            CallStatus::Reverted => match revert_reason(&self.output) {
                Some(reason) => format!("execution reverted: {reason}"),
                None => "execution reverted".into(),
            },
        }
    }

    pub(super) fn new(result: ExecutionResult) -> Self {
        let gas_used = result.tx_gas_used();
        match result {
            ExecutionResult::Success { logs, output, .. } => {
                let contract_address = output.address().copied();
                Self { status: CallStatus::Success, gas_used, output: output.into_data(), logs, contract_address }
            }
            ExecutionResult::Revert { output, .. } => {
                Self { status: CallStatus::Reverted, gas_used, output, logs: Vec::new(), contract_address: None }
            }
            ExecutionResult::Halt { reason, .. } => Self {
                status: CallStatus::Halted(reason.to_string()),
                gas_used,
                output: Bytes::new(),
                logs: Vec::new(),
                contract_address: None,
            },
        }
    }
}

/// An access list and what running with it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessListResult {
    /// The list.
    pub access_list: AccessList,
    /// How the run with it ended, gas included.
    pub result: CallResult,
}
