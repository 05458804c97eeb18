//! Why a transaction was not executed.

use crate::{EvmError, state::StateError};
use alloy_primitives::{Address, U256};
use revm::context::{
    BlockEnv, CfgEnv, TxEnv,
    result::{EVMError, InvalidTransaction},
};
use revm::context_interface::Cfg;

/// Why a transaction cannot be executed now. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The nonce was used already.
    #[error("nonce too low: transaction has {tx}, state has {state}")]
    NonceTooLow {
        /// The transaction's.
        tx: u64,
        /// The sender's.
        state: u64,
    },
    /// Transactions before this one are missing.
    #[error("nonce too high: transaction has {tx}, state has {state}")]
    NonceTooHigh {
        /// The transaction's.
        tx: u64,
        /// The sender's.
        state: u64,
    },
    /// The sender cannot pay value and the most the gas may cost.
    #[error("insufficient funds for gas * price + value: have {have}, want {want}")]
    InsufficientFunds {
        /// The sender's balance.
        have: U256,
        /// What it takes.
        want: U256,
    },
    /// The gas limit does not cover what every such transaction costs.
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas {
        /// The gas limit.
        have: u64,
        /// What it takes.
        want: u64,
    },
    /// The gas limit is above what a transaction may have.
    #[error("transaction gas limit {limit} exceeds {max}")]
    GasLimitTooHigh {
        /// The gas limit.
        limit: u64,
        /// The EIP-7825 cap, or the block's gas limit.
        max: u64,
    },
    /// The block has no room left; another block may.
    #[error("gas limit {limit} exceeds the {left} left in the block")]
    BlockGas {
        /// The gas limit.
        limit: u64,
        /// What is left.
        left: u64,
    },
    /// The block has no room left for so many blobs.
    #[error("blob gas {want} exceeds the {left} left in the block")]
    BlobGas {
        /// The transaction's.
        want: u64,
        /// What is left.
        left: u64,
    },
    /// Signed for another chain.
    #[error("invalid chain id: have {}, want {want}", .have.map_or("none".to_string(), |id| id.to_string()))]
    WrongChainId {
        /// The transaction's.
        have: Option<u64>,
        /// This chain's.
        want: u64,
    },
    /// The fee is below the block's base fee.
    #[error("max fee per gas {max_fee} is below the base fee {base_fee}")]
    FeeTooLow {
        /// The transaction's.
        max_fee: u128,
        /// The block's.
        base_fee: u64,
    },
    /// The tip is above the fee.
    #[error("max priority fee per gas {tip} is above max fee per gas {max_fee}")]
    TipAboveFee {
        /// The tip.
        tip: u128,
        /// The fee.
        max_fee: u128,
    },
    /// EIP-3860.
    #[error("init code of {size} bytes exceeds {max}")]
    InitCodeTooLarge {
        /// Bytes.
        size: usize,
        /// Most bytes.
        max: usize,
    },
    /// EIP-3607.
    #[error("sender {0} has code")]
    SenderHasCode(Address),
    /// A type that the chain does not take.
    #[error("transaction type {0:#04x} is not supported")]
    Unsupported(u8),
    /// Anything else that makes the transaction invalid.
    #[error("invalid transaction: {0}")]
    Invalid(String),
    /// Not the transaction's fault: the executor failed.
    #[error(transparent)]
    Fatal(EvmError),
}

/// Gives an EVM error its values.
pub(crate) fn from_evm(err: EVMError<StateError>, tx: &TxEnv, block: &BlockEnv, cfg: &CfgEnv) -> Refusal {
    match err {
        EVMError::Transaction(err) => from_invalid(err, tx, block, cfg),
        EVMError::Header(err) => Refusal::Fatal(EvmError::Evm(err.to_string())),
        EVMError::Database(err) => Refusal::Fatal(err.into()),
        EVMError::Custom(err) => Refusal::Fatal(EvmError::Evm(err)),
        EVMError::CustomAny(err) => Refusal::Fatal(EvmError::Evm(err.to_string())),
    }
}

fn from_invalid(err: InvalidTransaction, tx: &TxEnv, block: &BlockEnv, cfg: &CfgEnv) -> Refusal {
    use InvalidTransaction as Invalid;
    match err {
        Invalid::NonceTooLow { tx, state } => Refusal::NonceTooLow { tx, state },
        Invalid::NonceTooHigh { tx, state } => Refusal::NonceTooHigh { tx, state },
        Invalid::LackOfFundForMaxFee { fee, balance } => Refusal::InsufficientFunds { have: *balance, want: *fee },
        Invalid::CallGasCostMoreThanGasLimit { initial_gas: want, gas_limit: have }
        | Invalid::GasFloorMoreThanGasLimit { gas_floor: want, gas_limit: have } => {
            Refusal::IntrinsicGas { have, want }
        }
        Invalid::TxGasLimitGreaterThanCap { gas_limit: limit, cap: max } => Refusal::GasLimitTooHigh { limit, max },
        Invalid::CallerGasLimitMoreThanBlock => Refusal::GasLimitTooHigh { limit: tx.gas_limit, max: block.gas_limit },
        Invalid::InvalidChainId | Invalid::MissingChainId => {
            Refusal::WrongChainId { have: tx.chain_id, want: cfg.chain_id }
        }
        Invalid::GasPriceLessThanBasefee => Refusal::FeeTooLow { max_fee: tx.gas_price, base_fee: block.basefee },
        Invalid::PriorityFeeGreaterThanMaxFee => {
            Refusal::TipAboveFee { tip: tx.gas_priority_fee.unwrap_or_default(), max_fee: tx.gas_price }
        }
        Invalid::CreateInitCodeSizeLimit => {
            Refusal::InitCodeTooLarge { size: tx.data.len(), max: cfg.max_initcode_size() }
        }
        Invalid::RejectCallerWithCode => Refusal::SenderHasCode(tx.caller),
        Invalid::Eip2930NotSupported
        | Invalid::Eip1559NotSupported
        | Invalid::Eip4844NotSupported
        | Invalid::Eip7702NotSupported
        | Invalid::Eip7873NotSupported => Refusal::Unsupported(tx.tx_type),
        other => Refusal::Invalid(other.to_string()),
    }
}
