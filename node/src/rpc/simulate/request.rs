//! What a client asks for.

use std::collections::BTreeMap;

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, TxKind, U64, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_eth::state::AccountOverride as WireOverride;
use mayfly_evm::{
    AccountOverride, BlockOverrides, MAX_OVERRIDES, MAX_SIMULATED_BLOCKS, Simulation, SimulationBlock, SimulationCall,
};
use serde::Deserialize;

use super::super::errors::{RpcError, SERVER, TOO_MANY};

/// The first parameter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    block_state_calls: Option<Vec<Block>>,
    #[serde(default)]
    trace_transfers: bool,
    #[serde(default)]
    validation: bool,
    #[serde(default)]
    pub(super) return_full_transactions: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    block_overrides: Option<Header>,
    state_overrides: Option<BTreeMap<Address, WireOverride>>,
    calls: Option<Vec<TransactionRequest>>,
}

/// Changes to a block's header. `difficulty` is 0 whatever is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    number: Option<U256>,
    time: Option<U64>,
    gas_limit: Option<U64>,
    fee_recipient: Option<Address>,
    prev_randao: Option<B256>,
    base_fee_per_gas: Option<U256>,
    blob_base_fee: Option<U256>,
    beacon_root: Option<B256>,
    withdrawals: Option<Vec<Withdrawal>>,
}

impl Options {
    /// Checks what does not depend on the chain. All calls together may use `gas`.
    pub(super) fn simulation(self, gas: u64) -> Result<Simulation, RpcError> {
        let blocks = self.block_state_calls.unwrap_or_default();
        if blocks.is_empty() {
            return Err(RpcError::params("empty input"));
        }
        if blocks.len() as u64 > MAX_SIMULATED_BLOCKS {
            let message = format!("too many blocks: {}, at most {MAX_SIMULATED_BLOCKS}", blocks.len());
            return Err(RpcError::new(TOO_MANY, message));
        }
        Ok(Simulation {
            blocks: blocks.into_iter().map(block).collect::<Result<_, _>>()?,
            trace_transfers: self.trace_transfers,
            validation: self.validation,
            gas,
        })
    }
}

fn block(wire: Block) -> Result<SimulationBlock, RpcError> {
    let header = wire.block_overrides.unwrap_or_default();
    let state = wire.state_overrides.unwrap_or_default();
    if state.len() > MAX_OVERRIDES {
        return Err(RpcError::limit(format!("{} accounts in state overrides, at most {MAX_OVERRIDES}", state.len())));
    }
    let moves = state.iter().filter_map(|(from, wire)| Some((*from, wire.move_precompile_to?))).collect();
    let blob_base_fee = header.blob_base_fee.map(|fee| small::<u128>("blobBaseFee", fee)).transpose()?;
    Ok(SimulationBlock {
        header: BlockOverrides {
            number: header.number.map(|number| small("number", number)).transpose()?,
            timestamp: header.time.map(|time| time.to()),
            gas_limit: header.gas_limit.map(|gas| gas.to()),
            beneficiary: header.fee_recipient,
            prev_randao: header.prev_randao,
            base_fee: header.base_fee_per_gas.map(|fee| small("baseFeePerGas", fee)).transpose()?,
            difficulty: None,
        },
        blob_base_fee,
        beacon_root: header.beacon_root,
        withdrawals: header.withdrawals.unwrap_or_default(),
        accounts: state.into_iter().map(account).collect::<Result<_, _>>()?,
        moves,
        calls: wire.calls.unwrap_or_default().into_iter().map(call).collect::<Result<_, _>>()?,
    })
}

fn small<T: TryFrom<U256>>(name: &str, value: U256) -> Result<T, RpcError> {
    let bits = 8 * size_of::<T>();
    T::try_from(value).map_err(|_| RpcError::params(format!("{name} {value} does not fit into {bits} bits")))
}

fn account((address, wire): (Address, WireOverride)) -> Result<(Address, AccountOverride), RpcError> {
    if wire.state.is_some() && wire.state_diff.is_some() {
        return Err(RpcError::new(SERVER, format!("account {address} has both 'state' and 'stateDiff'")));
    }
    let own = AccountOverride {
        balance: wire.balance,
        nonce: wire.nonce,
        code: wire.code,
        state: wire.state.map(|slots| slots.into_iter().collect()),
        state_diff: wire.state_diff.into_iter().flatten().collect(),
    };
    Ok((address, own))
}

/// `input` counts where `data` says something else.
fn call(request: TransactionRequest) -> Result<SimulationCall, RpcError> {
    if request.sidecar.is_some() {
        return Err(RpcError::params("a simulated call names its blobs by their hashes"));
    }
    Ok(SimulationCall {
        from: request.from.unwrap_or_default(),
        to: request.to.as_ref().and_then(TxKind::to).copied(),
        gas: request.gas,
        gas_price: request.gas_price,
        max_fee_per_gas: request.max_fee_per_gas,
        max_priority_fee_per_gas: request.max_priority_fee_per_gas,
        max_fee_per_blob_gas: request.max_fee_per_blob_gas,
        value: request.value.unwrap_or_default(),
        data: request.input.input.or(request.input.data).unwrap_or_default(),
        nonce: request.nonce,
        chain_id: request.chain_id,
        access_list: request.access_list.unwrap_or_default(),
        blob_hashes: request.blob_versioned_hashes,
        authorization_list: request.authorization_list,
    })
}
