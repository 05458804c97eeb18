//! EIP-7610: no contract is created where storage is, though there be neither code nor nonce. Some accounts of old
//! chains are like that; in a rollup none can be, so only foreign chains pay for the look.

use super::Evm;
use crate::state::{Overlay, StateError, StateSource};
use alloy_primitives::Address;
use alloy_trie::KECCAK_EMPTY;
use revm::{
    ExecuteEvm,
    context::{
        ContextSetters, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason},
    },
    handler::{EvmTr, FrameResult, Handler, ItemOrResult},
    interpreter::interpreter_action::{FrameInit, FrameInput},
};
use std::marker::PhantomData;

type Error = EVMError<StateError>;

/// Runs a transaction; `storage_collides` says whether accounts with nothing but storage can be.
pub(crate) fn transact<S: StateSource>(
    evm: &mut Evm<S>,
    tx: TxEnv,
    storage_collides: bool,
) -> Result<ExecutionResult, Error> {
    if !storage_collides {
        return evm.transact_one(tx);
    }
    evm.ctx.set_tx(tx);
    Colliding(PhantomData).run(evm)
}

/// Ethereum's handler, but for what is created on storage.
struct Colliding<S>(PhantomData<S>);

impl<S: StateSource> Handler for Colliding<S> {
    type Evm = Evm<S>;
    type Error = Error;
    type HaltReason = HaltReason;

    fn run_exec_loop(&mut self, evm: &mut Evm<S>, first: FrameInit) -> Result<FrameResult, Error> {
        if let Some(result) = start(evm, first)? {
            return Ok(result);
        }
        loop {
            let result = match evm.frame_run()? {
                ItemOrResult::Result(result) => Some(result),
                ItemOrResult::Item(next) => start(evm, next)?,
            };
            let Some(result) = result else { continue };
            if let Some(last) = evm.frame_return_result(result)? {
                return Ok(last);
            }
        }
    }
}

/// Starts a frame; its result, if it ended at once. An account on whose storage it would create has a nonce meanwhile,
/// which nothing but the check for collisions sees.
fn start<S: StateSource>(evm: &mut Evm<S>, input: FrameInit) -> Result<Option<FrameResult>, Error> {
    let collides = target(evm, &input)?;
    if let Some(address) = collides {
        disguise(evm, address, true);
    }
    let result = match evm.frame_init(input)? {
        ItemOrResult::Item(_) => None,
        ItemOrResult::Result(result) => Some(result),
    };
    if let Some(address) = collides {
        disguise(evm, address, false);
    }
    Ok(result)
}

/// Where a frame would create on storage alone.
fn target<S: StateSource>(evm: &mut Evm<S>, input: &FrameInit) -> Result<Option<Address>, Error> {
    let FrameInput::Create(create) = &input.frame_input else { return Ok(None) };
    let journal = &mut evm.ctx.journaled_state;
    let Some(caller) = journal.inner.state.get(&create.caller()) else { return Ok(None) };
    let address = create.created_address(caller.info.nonce);
    let is_bare = |nonce: u64, code_hash| nonce == 0 && code_hash == KECCAK_EMPTY;
    let overlay: &mut Overlay<S> = &mut journal.database;
    let bare = match journal.inner.state.get(&address) {
        Some(loaded) => is_bare(loaded.info.nonce, loaded.info.code_hash),
        None => overlay.account(&address)?.is_some_and(|info| is_bare(info.nonce, info.code_hash)),
    };
    Ok((bare && overlay.has_storage(&address)?).then_some(address))
}

fn disguise<S: StateSource>(evm: &mut Evm<S>, address: Address, on: bool) {
    let journal = &mut evm.ctx.journaled_state;
    journal.database.disguised = on.then_some(address);
    if let Some(loaded) = journal.inner.state.get_mut(&address) {
        loaded.info.nonce = u64::from(on);
    }
}
