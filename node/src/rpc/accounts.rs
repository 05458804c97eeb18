//! Accounts: balance, code, storage, nonce.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, U64};

use super::backend::Rollup;
use super::dispatch::{Call, Caller, Pending, Reply, Service, reply};
use super::errors::{self, RpcError};
use super::params::{Json, Params, Slot};

/// Most slots of one `eth_getStorageValues`.
const MAX_STORAGE_VALUES: usize = 1_024;

/// The block parameter, which defaults to the latest.
pub(crate) fn block_param(params: &mut Params<'_>) -> Result<BlockId, RpcError> {
    let id = params.optional("block")?.unwrap_or_default();
    params.end()?;
    Ok(id)
}

/// `eth_accounts`: the node holds no keys.
pub(crate) fn list(_: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&[(); 0])
}

/// `eth_getBalance`, in wei.
pub(crate) fn balance(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let address: Address = params.required("address")?;
    let state = rollup.state(block_param(params)?)?;
    let account = state.account(&address).map_err(errors::reading)?;
    reply(&account.unwrap_or_default().balance)
}

/// `eth_getCode`.
pub(crate) fn code(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let address: Address = params.required("address")?;
    let state = rollup.state(block_param(params)?)?;
    reply(&state.code(&address).map_err(errors::reading)?)
}

/// `eth_getStorageAt`: 32 bytes.
pub(crate) fn storage(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let address: Address = params.required("address")?;
    let Slot(slot) = params.required("storage slot")?;
    let state = rollup.state(block_param(params)?)?;
    reply(&B256::from(state.storage(&address, &slot).map_err(errors::reading)?))
}

/// `eth_getStorageValues`: 32 bytes for each slot of each account.
pub(crate) fn storage_values(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Json(asked) = params.required::<Json<BTreeMap<Address, Vec<B256>>>>("slots by address")?;
    let count: usize = asked.values().map(Vec::len).sum();
    if count == 0 {
        return Err(RpcError::params("empty request"));
    }
    if count > MAX_STORAGE_VALUES {
        return Err(RpcError::new(errors::TOO_MANY, format!("too many slots: {count}, at most {MAX_STORAGE_VALUES}")));
    }
    let state = rollup.state(block_param(params)?)?;
    let value = |address: &Address, slot: B256| state.storage(address, &slot.into()).map(B256::from);
    let values = asked.into_iter().map(|(address, slots)| {
        let values: Result<Vec<B256>, _> = slots.into_iter().map(|slot| value(&address, slot)).collect();
        values.map(|values| (address, values))
    });
    reply(&values.collect::<Result<BTreeMap<_, _>, _>>().map_err(errors::reading)?)
}

/// `eth_getTransactionCount`; `pending` counts what waits in the pool.
pub(crate) fn nonce<'a>(service: &'a Service, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let rollup = &caller.rollup;
        let mut params = Params::read(call.params)?;
        let address: Address = params.required("address")?;
        let id = block_param(&mut params)?;
        if id == BlockId::pending() {
            return reply(&U64::from(pending_nonce(rollup, address).await?));
        }
        if rollup.holds(id) {
            return nonce_at(rollup, id, &address);
        }
        let rollup = Arc::clone(rollup);
        service.heavy(caller, move || nonce_at(&rollup, id, &address)).await
    })
}

fn nonce_at(rollup: &Rollup, id: BlockId, address: &Address) -> Reply {
    let account = rollup.state(id)?.account(address).map_err(errors::reading)?;
    reply(&U64::from(account.unwrap_or_default().nonce))
}

/// The nonce the next transaction of an account needs.
pub(crate) async fn pending_nonce(rollup: &Rollup, address: Address) -> Result<u64, RpcError> {
    match (&rollup.sequencer, &rollup.archive) {
        (Some(sequencer), _) => sequencer.pending_nonce(address).await.map_err(RpcError::internal),
        (None, Some(archive)) => Ok(archive.pending_nonce(&address)),
        (None, None) => Ok(rollup.reader.account(&address).unwrap_or_default().nonce),
    }
}
