//! Running messages that change nothing: `eth_call`, gas estimates, access lists.

use super::{
    AccessListResult, AccountOverride, BlockContext, BlockOverrides, CallMessage, CallResult, ChainReader, StateView,
};
use crate::{
    BlockAttributes, ChainSpec, Consensus, EvmError, TX_GAS_LIMIT_CAP,
    execute::{Evm, block_env, build_evm, cfg_env, from_evm, transact},
    state::{Overlay, StateError},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use revm::{
    ExecuteEvm, InspectEvm,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{ExecutionResult, ResultGas},
    },
    context_interface::either::Either,
    primitives::hardfork::SpecId,
};
use revm_inspectors::access_list::AccessListInspector;

/// Gas of a call that names none, and the most one may name.
pub const MAX_CALL_GAS: u64 = 50_000_000;
/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas a callee gets on top when value is sent: an estimate must leave it.
const CALL_STIPEND: u64 = 2_300;
/// An estimate is at most this share (in thousandths) above the least that works.
const ESTIMATE_SLACK_PERMILLE: u64 = 15;
/// An access list changes what code does; how often to run again until it stays the same.
const ACCESS_LIST_ROUNDS: usize = 4;
/// Most accounts of a state override.
pub const MAX_OVERRIDES: usize = 256;

impl ChainReader {
    /// Runs a message and forgets what it did.
    ///
    /// # Errors
    /// [`EvmError::Refused`] if no block could hold it; a failing message is no error.
    pub fn call(
        &self,
        message: &CallMessage,
        context: &BlockContext,
        overrides: &[(Address, AccountOverride)],
    ) -> Result<CallResult, EvmError> {
        let mut run = self.simulation(message, context, overrides)?;
        let gas = message.gas.unwrap_or(MAX_CALL_GAS).min(MAX_CALL_GAS);
        Ok(CallResult::new(run.execute(gas)?))
    }

    /// The least gas limit with which a message succeeds, or up to 1.5 % more.
    ///
    /// # Errors
    /// [`EvmError::Failed`] with the revert data if no gas limit is enough; [`EvmError::Refused`].
    pub fn estimate_gas(
        &self,
        message: &CallMessage,
        context: &BlockContext,
        overrides: &[(Address, AccountOverride)],
    ) -> Result<u64, EvmError> {
        let mut run = self.simulation(message, context, overrides)?;
        let mut high = run.most_gas(message)?;
        let plain = message.data.is_empty() && message.to.is_some() && message.access_list.is_empty();
        if plain && high >= TRANSFER_GAS && run.execute(TRANSFER_GAS).is_ok_and(|result| result.is_success()) {
            return Ok(TRANSFER_GAS);
        }
        let result = run.execute(high)?;
        let gas: ResultGas = *result.gas();
        if !result.is_success() {
            return Err(EvmError::Failed(Box::new(CallResult::new(result))));
        }
        let mut low = result.tx_gas_used().saturating_sub(1);
        let optimistic = (gas.total_gas_spent() + CALL_STIPEND) * 64 / 63;
        if optimistic < high {
            if run.enough(optimistic)? {
                high = optimistic;
            } else {
                low = low.max(optimistic);
            }
        }
        while high - low > 1 && (high - low) * 1_000 > high * ESTIMATE_SLACK_PERMILLE {
            let middle = (low + (high - low) / 2).min(low.saturating_mul(2));
            if run.enough(middle)? {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(high)
    }

    /// The accounts and slots a message touches, as an EIP-2930 list.
    ///
    /// # Errors
    /// [`EvmError::Refused`] if no block could hold the message.
    pub fn create_access_list(
        &self,
        message: &CallMessage,
        context: &BlockContext,
        overrides: &[(Address, AccountOverride)],
    ) -> Result<AccessListResult, EvmError> {
        let gas = message.gas.unwrap_or(MAX_CALL_GAS).min(MAX_CALL_GAS);
        let mut access_list = message.access_list.clone();
        let mut round = 0;
        loop {
            let with_list = CallMessage { access_list: access_list.clone(), ..message.clone() };
            let Simulation { evm, tx, .. } = self.simulation(&with_list, context, overrides)?;
            let mut evm = evm.with_inspector(AccessListInspector::new(access_list.clone()));
            let tx = TxEnv { gas_limit: gas, ..tx };
            let result = evm.inspect_one_tx(tx).map_err(|err| {
                let ctx = &evm.ctx;
                Box::new(from_evm(err, &ctx.tx, &ctx.block, &ctx.cfg))
            })?;
            let found = evm.inspector.into_access_list();
            round += 1;
            if found == access_list || round == ACCESS_LIST_ROUNDS {
                return Ok(AccessListResult { access_list: found, result: CallResult::new(result) });
            }
            access_list = found;
        }
    }

    pub(super) fn simulation(
        &self,
        message: &CallMessage,
        context: &BlockContext,
        overrides: &[(Address, AccountOverride)],
    ) -> Result<Simulation, EvmError> {
        if overrides.len() > MAX_OVERRIDES {
            return Err(EvmError::TooManyResults(MAX_OVERRIDES));
        }
        let view = context.number.map_or_else(|| Ok(self.latest()), |number| self.at(number))?;
        let (block, fork) = self.environment(&view, context);
        let mut overlay = Overlay::new(view);
        for (address, changes) in overrides {
            apply(&mut overlay, address, changes)?;
        }
        let mut cfg: CfgEnv = cfg_env(self.spec(), fork);
        cfg.disable_nonce_check = message.nonce.is_none();
        cfg.disable_eip3607 = true;
        cfg.disable_block_gas_limit = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let nonce = match message.nonce {
            Some(nonce) => nonce,
            None => overlay.account(&message.from)?.map_or(0, |info| info.nonce),
        };
        let tx = tx_env(message, nonce, self.spec());
        cfg.disable_base_fee = tx.gas_price == 0;
        let evm = build_evm(overlay, cfg, block, &self.spec().prices);
        Ok(Simulation { evm, tx, storage_collides: !self.spec().is_rollup() })
    }

    fn environment(&self, view: &StateView, context: &BlockContext) -> (BlockEnv, SpecId) {
        let header = &view.block().header;
        let overrides = &context.overrides;
        let BlockOverrides { number, timestamp, gas_limit, beneficiary, prev_randao, base_fee, difficulty } =
            *overrides;
        let difficulty = difficulty.unwrap_or(header.difficulty);
        let number = number.unwrap_or(header.number + u64::from(context.pending));
        let attributes = BlockAttributes {
            timestamp: timestamp.unwrap_or(header.timestamp),
            prev_randao: prev_randao.unwrap_or(header.mix_hash),
            parent_beacon_block_root: B256::ZERO,
            extra_data: Bytes::new(),
            gas_limit: gas_limit.unwrap_or(header.gas_limit),
            beneficiary: beneficiary.unwrap_or(header.beneficiary),
            consensus: Consensus { difficulty, ..Consensus::default() },
        };
        let fork = self.spec().spec_id(number, attributes.timestamp);
        let own = || if context.pending { self.spec().next_base_fee(header, fork) } else { header.base_fee_per_gas };
        let base_fee = base_fee.or_else(own);
        let excess = match context.pending {
            true => self.spec().next_excess_blob_gas(header, attributes.timestamp),
            false => header.excess_blob_gas.unwrap_or_default(),
        };
        let blobs = self.spec().blob_price(number, attributes.timestamp, excess);
        (block_env(&attributes, number, base_fee, blobs), fork)
    }
}

/// A message on its state, ready to run with any gas limit, any number of times.
pub(super) struct Simulation {
    pub(super) evm: Evm<StateView>,
    pub(super) tx: TxEnv,
    storage_collides: bool,
}

impl Simulation {
    fn execute(&mut self, gas_limit: u64) -> Result<ExecutionResult, EvmError> {
        let result = transact(&mut self.evm, TxEnv { gas_limit, ..self.tx.clone() }, self.storage_collides);
        drop(self.evm.finalize());
        result.map_err(|err| {
            let ctx = &self.evm.ctx;
            from_evm(err, &ctx.tx, &ctx.block, &ctx.cfg).into()
        })
    }

    /// Whether a gas limit is enough; too little for the intrinsic gas is simply not.
    fn enough(&mut self, gas_limit: u64) -> Result<bool, EvmError> {
        match self.execute(gas_limit) {
            Ok(result) => Ok(result.is_success()),
            Err(EvmError::Refused(refusal)) if matches!(*refusal, crate::Refusal::IntrinsicGas { .. }) => Ok(false),
            Err(err) => Err(err),
        }
    }

    /// The most gas the message may be given: its own limit, the transaction cap, the block's, what the sender can pay.
    fn most_gas(&mut self, message: &CallMessage) -> Result<u64, EvmError> {
        let cap = TX_GAS_LIMIT_CAP.min(self.evm.ctx.block.gas_limit);
        let most = message.gas.filter(|gas| *gas >= TRANSFER_GAS).map_or(cap, |gas| gas.min(cap));
        let price = U256::from(self.tx.gas_price);
        if price.is_zero() {
            return Ok(most);
        }
        let overlay = &mut self.evm.ctx.journaled_state.database;
        let balance = overlay.account(&message.from)?.map_or(U256::ZERO, |info| info.balance);
        let affordable = balance.saturating_sub(message.value) / price;
        Ok(u64::try_from(affordable).map_or(most, |gas| gas.min(most)))
    }
}

fn apply(overlay: &mut Overlay<StateView>, address: &Address, changes: &AccountOverride) -> Result<(), StateError> {
    let mut info = overlay.account(address)?.unwrap_or_default();
    info.balance = changes.balance.unwrap_or(info.balance);
    info.nonce = changes.nonce.unwrap_or(info.nonce);
    overlay.set_account(address, info)?;
    if let Some(code) = &changes.code {
        overlay.set_code(address, code.clone())?;
    }
    if changes.state.is_some() {
        overlay.wipe_storage(address)?;
    }
    for (slot, value) in changes.state.iter().flatten().chain(&changes.state_diff) {
        overlay.set_slot(address, (*slot).into(), (*value).into())?;
    }
    Ok(())
}

fn tx_env(message: &CallMessage, nonce: u64, spec: &ChainSpec) -> TxEnv {
    let paid = |offered: u128| if spec.prices.free_gas { 0 } else { offered };
    let authorizations = message.authorization_list.iter().cloned().map(Either::Left).collect::<Vec<_>>();
    let tx_type = match message {
        _ if !authorizations.is_empty() => 4,
        CallMessage { max_priority_fee_per_gas: Some(_), .. } => 2,
        _ if !message.access_list.is_empty() => 1,
        _ => 0,
    };
    TxEnv {
        tx_type,
        caller: message.from,
        gas_limit: 0,
        gas_price: paid(message.gas_price.unwrap_or_default()),
        kind: message.to.map_or(TxKind::Create, TxKind::Call),
        value: message.value,
        data: message.data.clone(),
        nonce,
        chain_id: Some(spec.chain_id),
        access_list: message.access_list.clone(),
        gas_priority_fee: message.max_priority_fee_per_gas.map(paid),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: authorizations,
    }
}
