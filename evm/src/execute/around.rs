//! What a block does beside its transactions: calls before them; requests, withdrawals and rewards after them. One path
//! for blocks that are sealed and for those that are only simulated.

use super::EvmContext;
use crate::{
    ChainSpec, EvmError, Receipt, RequestSource,
    execute::requests::deposit_requests,
    spec::SystemInput,
    state::{Overlay, StateSource},
};
use alloy_consensus::Header;
use alloy_eips::{eip4895::Withdrawal, eip7685::Requests};
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::{
    ExecuteEvm, SystemCallEvm,
    context::result::ExecutionResult,
    handler::{EthFrame, PrecompileProvider, instructions::EthInstructions},
    interpreter::{InterpreterResult, interpreter::EthInterpreter},
};

/// Withdrawals are in units of this many wei.
const GWEI: U256 = U256::from_limbs([1_000_000_000, 0, 0, 0]);

/// revm over one of our overlays, whoever watches and whatever is precompiled.
type AnyEvm<S, I, P> =
    revm::context::Evm<EvmContext<S>, I, EthInstructions<EthInterpreter, EvmContext<S>>, P, EthFrame<EthInterpreter>>;

/// A block whose number and time say what it has to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    pub(crate) spec: &'a ChainSpec,
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
}

impl Around<'_> {
    /// The calls before the first transaction.
    pub(crate) fn open<S, I, P>(
        &self,
        evm: &mut AnyEvm<S, I, P>,
        parent_hash: B256,
        beacon_root: B256,
    ) -> Result<(), EvmError>
    where
        S: StateSource,
        P: PrecompileProvider<EvmContext<S>, Output = InterpreterResult>,
    {
        for call in &self.spec.system_calls {
            if !call.from.active(self.number, self.timestamp) {
                continue;
            }
            let input = match call.input {
                SystemInput::ParentHash => parent_hash,
                SystemInput::ParentBeaconRoot => beacon_root,
            };
            system_call(evm, call.to, Bytes::copy_from_slice(input.as_slice()))?;
        }
        Ok(())
    }

    /// Requests to the consensus layer, after the last transaction.
    pub(crate) fn requests<S, I, P>(
        &self,
        evm: &mut AnyEvm<S, I, P>,
        receipts: &[Receipt],
    ) -> Result<Requests, EvmError>
    where
        S: StateSource,
        P: PrecompileProvider<EvmContext<S>, Output = InterpreterResult>,
    {
        let mut requests = Requests::default();
        for rule in &self.spec.requests {
            if !rule.from.active(self.number, self.timestamp) {
                continue;
            }
            let data = match rule.source {
                RequestSource::DepositLogs(contract) => deposit_requests(contract, receipts)?,
                RequestSource::Contract(contract) => match system_call(evm, contract, Bytes::new())? {
                    ExecutionResult::Success { output, .. } => output.into_data(),
                    _ => return Err(EvmError::SystemCall(format!("the system call of {contract} failed"))),
                },
            };
            if !data.is_empty() {
                requests.push_request_with_type(rule.ty, data);
            }
        }
        Ok(requests)
    }

    /// Withdrawals of validators, and the rewards for the block and its uncles (an eighth less for each block between,
    /// and a thirty-second more for who names them).
    pub(crate) fn pay<S: StateSource>(
        &self,
        overlay: &mut Overlay<S>,
        beneficiary: &Address,
        ommers: &[Header],
        withdrawals: &[Withdrawal],
    ) -> Result<(), EvmError> {
        for withdrawal in withdrawals {
            credit(overlay, &withdrawal.address, U256::from(withdrawal.amount) * GWEI)?;
        }
        let reward = self.spec.block_reward(self.number, self.timestamp);
        if reward.is_zero() {
            return Ok(());
        }
        for ommer in ommers {
            let left = (ommer.number + 8).saturating_sub(self.number);
            credit(overlay, &ommer.beneficiary, reward * U256::from(left) / U256::from(8))?;
        }
        let nephew = reward / U256::from(32) * U256::from(ommers.len());
        credit(overlay, beneficiary, reward + nephew)
    }
}

fn system_call<S, I, P>(evm: &mut AnyEvm<S, I, P>, to: Address, input: Bytes) -> Result<ExecutionResult, EvmError>
where
    S: StateSource,
    P: PrecompileProvider<EvmContext<S>, Output = InterpreterResult>,
{
    let result = evm.system_call_one(to, input);
    let state = evm.finalize();
    let result = result.map_err(|err| EvmError::Evm(err.to_string()))?;
    evm.ctx.journaled_state.database.commit(state)?;
    Ok(result)
}

fn credit<S: StateSource>(overlay: &mut Overlay<S>, address: &Address, wei: U256) -> Result<(), EvmError> {
    let mut account = overlay.account(address)?.unwrap_or_default();
    account.balance = account.balance.saturating_add(wei);
    Ok(overlay.set_account(address, account)?)
}
