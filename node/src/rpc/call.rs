//! Running messages that change nothing: `eth_call`, `eth_estimateGas`,
//! `eth_createAccessList`.

use alloy_eips::eip2930::AccessList;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, TxKind, U64};
use alloy_rpc_types_eth::state::{AccountOverride as WireOverride, StateOverride};
use alloy_rpc_types_eth::{BlockOverrides as WireBlock, TransactionRequest};
use mayfly_evm::{AccountOverride, BlockContext, BlockOverrides, CallMessage, TX_GAS_LIMIT_CAP};
use serde::Serialize;

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{self, RpcError};
use super::params::{Json, Params};

/// What a transfer takes, whatever the state: it needs no margin.
const TRANSFER_GAS: u64 = 21_000;
/// The margin is this part of the rest.
const MARGIN_PART: u64 = 8;

/// A message with where to run it.
pub(crate) struct Run {
    pub(crate) message: CallMessage,
    pub(crate) context: BlockContext,
    pub(crate) overrides: Vec<(Address, AccountOverride)>,
}

impl Run {
    /// Message, block, state overrides, block overrides: all but the first optional.
    fn read(rollup: &Rollup, params: &mut Params<'_>) -> Result<Self, RpcError> {
        let Json(request) = params.required::<Json<TransactionRequest>>("transaction")?;
        let block: BlockId = params.optional("block")?.unwrap_or_default();
        let state = params.optional::<Json<StateOverride>>("state overrides")?;
        let block_changes = params.optional::<Json<WireBlock>>("block overrides")?;
        params.end()?;
        Self::new(rollup, request, block, state.map(|Json(state)| state), block_changes.map(|Json(changes)| changes))
    }

    pub(crate) fn new(
        rollup: &Rollup,
        request: TransactionRequest,
        block: BlockId,
        state: Option<StateOverride>,
        block_changes: Option<WireBlock>,
    ) -> Result<Self, RpcError> {
        let mut context = context(rollup, block)?;
        if let Some(changes) = block_changes {
            context.overrides = block_overrides(changes)?;
        }
        let overrides = state.map_or_else(|| Ok(Vec::new()), state_overrides)?;
        Ok(Self { message: message(rollup, request)?, context, overrides })
    }
}

/// `eth_call`: the output.
pub(crate) fn call(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Run { message, context, overrides } = Run::read(rollup, params)?;
    let result = rollup.reader.call(&message, &context, &overrides).map_err(errors::reading)?;
    if result.is_success() { reply(&result.output) } else { Err(errors::failed(&result)) }
}

/// `eth_estimateGas`.
pub(crate) fn estimate(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Run { message, context, overrides } = Run::read(rollup, params)?;
    reply(&U64::from(gas_needed(rollup, &message, &context, &overrides)?))
}

/// Gas that is enough, with room for a state that moves before the transaction runs: where gas is free, an eighth
/// more than what execution takes now.
pub(crate) fn gas_needed(
    rollup: &Rollup,
    message: &CallMessage,
    context: &BlockContext,
    overrides: &[(Address, AccountOverride)],
) -> Result<u64, RpcError> {
    let least = rollup.reader.estimate_gas(message, context, overrides).map_err(errors::reading)?;
    if message.gas_price.unwrap_or(0) > 0 && !rollup.reader.spec().prices.free_gas {
        return Ok(least);
    }
    let most = TX_GAS_LIMIT_CAP.min(rollup.info.config.blockGasLimit).min(message.gas.unwrap_or(u64::MAX));
    let margin = least.saturating_sub(TRANSFER_GAS) / MARGIN_PART;
    Ok(least.saturating_add(margin).min(most).max(least))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessListShape {
    access_list: AccessList,
    gas_used: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `eth_createAccessList`.
pub(crate) fn access_list(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Run { message, context, overrides } = Run::read(rollup, params)?;
    let found = rollup.reader.create_access_list(&message, &context, &overrides).map_err(errors::reading)?;
    let error = (!found.result.is_success()).then(|| found.result.message());
    reply(&AccessListShape { access_list: found.access_list, gas_used: U64::from(found.result.gas_used), error })
}

/// Which state and block environment a block parameter means.
fn context(rollup: &Rollup, id: BlockId) -> Result<BlockContext, RpcError> {
    Ok(match id {
        BlockId::Number(BlockNumberOrTag::Latest) => BlockContext::latest(),
        BlockId::Number(BlockNumberOrTag::Pending) => BlockContext { pending: true, ..BlockContext::latest() },
        BlockId::Number(tag) => BlockContext::at(rollup.number(tag)?),
        BlockId::Hash(hash) => {
            let block = rollup.block(id)?.ok_or_else(|| RpcError::unknown_block(hash.block_hash))?;
            BlockContext::at(block.header.number)
        }
    })
}

/// Checks a request and makes a message of it.
pub(crate) fn message(rollup: &Rollup, request: TransactionRequest) -> Result<CallMessage, RpcError> {
    if request.gas_price.is_some() && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        return Err(RpcError::params("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
    }
    if request.max_fee_per_blob_gas.is_some() || request.blob_versioned_hashes.is_some() || request.sidecar.is_some() {
        return Err(RpcError::params("transaction type not supported: blobs do not go into a rollup"));
    }
    if let (Some(tip), Some(fee)) = (request.max_priority_fee_per_gas, request.max_fee_per_gas)
        && tip > fee
    {
        return Err(errors::refused(mayfly_evm::Refusal::TipAboveFee { tip, max_fee: fee }));
    }
    let want = rollup.chain_id;
    if let Some(have) = request.chain_id.filter(|have| *have != want) {
        return Err(RpcError::params(format!("chainId does not match node's (have={have}, want={want})")));
    }
    let data = request.input.try_into_unique_input().map_err(|error| RpcError::params(error.to_string()))?;
    let most = rollup.limits.max_call_gas;
    Ok(CallMessage {
        from: request.from.unwrap_or_default(),
        to: request.to.as_ref().and_then(TxKind::to).copied(),
        gas: Some(request.gas.unwrap_or(most).min(most)),
        gas_price: request.gas_price.or(request.max_fee_per_gas),
        max_priority_fee_per_gas: request.max_priority_fee_per_gas,
        value: request.value.unwrap_or_default(),
        data: data.unwrap_or_default(),
        access_list: request.access_list.unwrap_or_default(),
        authorization_list: request.authorization_list.unwrap_or_default(),
        nonce: None,
    })
}

fn state_overrides(state: StateOverride) -> Result<Vec<(Address, AccountOverride)>, RpcError> {
    let count = state.len();
    if count > mayfly_evm::MAX_OVERRIDES {
        let most = mayfly_evm::MAX_OVERRIDES;
        return Err(RpcError::limit(format!("{count} accounts in state overrides, at most {most}")));
    }
    state.into_iter().map(|(address, wire)| account_override(&address, wire).map(|own| (address, own))).collect()
}

fn account_override(address: &Address, wire: WireOverride) -> Result<AccountOverride, RpcError> {
    if wire.state.is_some() && wire.state_diff.is_some() {
        return Err(RpcError::params(format!("account {address} has both 'state' and 'stateDiff'")));
    }
    if wire.move_precompile_to.is_some() {
        return Err(RpcError::params("movePrecompileToAddress is not supported"));
    }
    let slots = |map: alloy_primitives::map::B256HashMap<B256>| map.into_iter().collect::<Vec<_>>();
    Ok(AccountOverride {
        balance: wire.balance,
        nonce: wire.nonce,
        code: wire.code,
        state: wire.state.map(slots),
        state_diff: wire.state_diff.map(slots).unwrap_or_default(),
    })
}

fn block_overrides(wire: WireBlock) -> Result<BlockOverrides, RpcError> {
    if wire.block_hash.is_some() {
        return Err(RpcError::params("block overrides cannot set blockHash"));
    }
    let small = |name: &str, value: alloy_primitives::U256| {
        u64::try_from(value).map_err(|_| RpcError::params(format!("{name} {value} does not fit into 64 bits")))
    };
    Ok(BlockOverrides {
        number: wire.number.map(|value| small("number", value)).transpose()?,
        timestamp: wire.time,
        gas_limit: wire.gas_limit,
        beneficiary: wire.coinbase,
        prev_randao: wire.random,
        base_fee: wire.base_fee.map(|value| small("baseFeePerGas", value)).transpose()?,
        difficulty: wire.difficulty,
    })
}
