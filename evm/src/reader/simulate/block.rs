//! One simulated block.

use super::{
    SimulatedBlock, SimulatedCall, SimulatedTx, Simulation, SimulationCall, SimulationError,
    header::header,
    overrides,
    plan::Planned,
    precompiles::MovedPrecompiles,
    state::SimulatedState,
    transaction::{self, Defaults, Offer},
    transfers::Transfers,
};
use crate::{
    CallStatus, ChainSpec, Receipt, Refusal,
    execute::{Around, EvmContext, PricedPrecompiles, build_evm, cfg_env, from_evm},
    receipt::{logs_hash, receipts_root},
    state::{Changes, Overlay},
};
use alloy_consensus::{Header, proofs::calculate_withdrawals_root};
use alloy_eips::{eip4844::DATA_GAS_PER_BLOB, eip4895::Withdrawal};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use alloy_trie::root::ordered_trie_root_with_encoder;
use revm::{
    ExecuteEvm, InspectEvm,
    context::{BlockEnv, CfgEnv, result::ExecutionResult},
    context_interface::block::BlobExcessGasAndPrice,
    handler::{EthFrame, PrecompileProvider, instructions::EthInstructions},
    interpreter::interpreter::EthInterpreter,
    primitives::hardfork::SpecId,
};

type SimulationContext<'a> = EvmContext<&'a SimulatedState>;
type SimulationEvm<'a> = revm::context::Evm<
    SimulationContext<'a>,
    Transfers,
    EthInstructions<EthInterpreter, SimulationContext<'a>>,
    MovedPrecompiles<PricedPrecompiles>,
    EthFrame<EthInterpreter>,
>;

/// Gas that the calls of all blocks have left.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) gas: u64,
}

/// What holds in every block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) spec: &'a ChainSpec,
    /// The fork of the base: its precompiled contracts can be moved.
    pub(super) base_fork: SpecId,
    pub(super) simulation: &'a Simulation,
}

/// A block whose calls are all executed.
pub(super) struct Finished {
    pub(super) changes: Changes,
    header: Header,
    transactions: Vec<SimulatedTx>,
    calls: Vec<SimulatedCall>,
    withdrawals: Vec<Withdrawal>,
}

impl Finished {
    pub(super) fn seal(self, state_root: B256) -> SimulatedBlock {
        let Self { header, transactions, calls, withdrawals, .. } = self;
        let header = Header { state_root, ..header };
        SimulatedBlock { hash: header.hash_slow(), header, transactions, calls, withdrawals }
    }
}

/// Executes a block.
pub(super) fn run(
    rules: Rules<'_>,
    state: &SimulatedState,
    parent: (&Header, B256),
    planned: &Planned<'_>,
    budget: &mut Budget,
) -> Result<Finished, SimulationError> {
    let mut run = Run::begin(rules, state, parent, planned)?;
    let beacon_root = run.header.parent_beacon_block_root.unwrap_or_default();
    run.around().open(&mut run.evm, parent.1, beacon_root)?;
    for call in planned.asked.iter().flat_map(|asked| &asked.calls) {
        run.call(call, budget)?;
    }
    run.finish(planned)
}

/// A block while it executes.
struct Run<'a> {
    rules: Rules<'a>,
    evm: SimulationEvm<'a>,
    /// Complete but for what the calls do.
    header: Header,
    transactions: Vec<SimulatedTx>,
    receipts: Vec<Receipt>,
    calls: Vec<SimulatedCall>,
    blob_gas_used: u64,
}

impl<'a> Run<'a> {
    /// Makes the block's changes to state and environment.
    fn begin(
        rules: Rules<'a>,
        state: &'a SimulatedState,
        (parent, parent_hash): (&Header, B256),
        planned: &Planned<'_>,
    ) -> Result<Self, SimulationError> {
        let spec = rules.spec;
        let fork = spec.spec_id(planned.number, planned.timestamp);
        let header = header(rules, fork, (parent, parent_hash), planned);
        let excess = header.excess_blob_gas.unwrap_or_default();
        let mut blobs = spec.blob_price(header.number, header.timestamp, excess);
        if let Some(price) = planned.asked.and_then(|asked| asked.blob_base_fee) {
            blobs.blob_gasprice = price;
        }
        let env = BlockEnv {
            number: U256::from(header.number),
            beneficiary: header.beneficiary,
            timestamp: U256::from(header.timestamp),
            gas_limit: header.gas_limit,
            basefee: header.base_fee_per_gas.unwrap_or_default(),
            difficulty: header.difficulty,
            prevrandao: Some(header.mix_hash),
            blob_excess_gas_and_price: Some(blobs),
            slot_num: 0,
        };
        let mut cfg: CfgEnv = cfg_env(spec, fork);
        cfg.disable_nonce_check = !rules.simulation.validation;
        cfg.disable_eip3607 = true;
        cfg.disable_block_gas_limit = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let blob_rule = spec.blob_params(header.number, header.timestamp);
        cfg.max_blobs_per_tx = blob_rule.map(|rule| rule.max_blobs_per_tx);
        let mut overlay = Overlay::new(state);
        let mut precompiles = MovedPrecompiles::new(PricedPrecompiles::new(fork, &spec.prices));
        if let Some(asked) = planned.asked {
            let known = PricedPrecompiles::new(rules.base_fork, &spec.prices);
            let known = PrecompileProvider::<SimulationContext<'_>>::warm_addresses(&known);
            overrides::apply(asked, &mut overlay, &mut precompiles, known)?;
        }
        let evm = build_evm(overlay, cfg, env, &spec.prices);
        Ok(Self {
            rules,
            evm: evm.with_inspector(Transfers::new(rules.simulation.trace_transfers)).with_precompiles(precompiles),
            header,
            transactions: Vec::new(),
            receipts: Vec::new(),
            calls: Vec::new(),
            blob_gas_used: 0,
        })
    }

    const fn around(&self) -> Around<'a> {
        Around { spec: self.rules.spec, number: self.header.number, timestamp: self.header.timestamp }
    }

    fn overlay(&mut self) -> &mut Overlay<&'a SimulatedState> {
        &mut self.evm.ctx.journaled_state.database
    }

    /// Executes a call.
    fn call(&mut self, call: &SimulationCall, budget: &mut Budget) -> Result<(), SimulationError> {
        let own = self.overlay().account(&call.from)?.unwrap_or_default();
        let left = self.header.gas_limit.saturating_sub(self.header.gas_used);
        let wanted = call.gas.unwrap_or(left);
        if wanted > left {
            return Err(Refusal::BlockGas { limit: wanted, left }.into());
        }
        let chain_id = self.rules.spec.chain_id;
        transaction::check(call, chain_id)?;
        let defaults = Defaults {
            chain_id,
            nonce: call.nonce.unwrap_or(own.nonce),
            gas: wanted.min(budget.gas),
            london: self.header.base_fee_per_gas.is_some(),
            free_gas: self.rules.spec.prices.free_gas,
        };
        let tx = transaction::transaction(call, defaults)?;
        let ty = tx.envelope.tx_type() as u8;
        if !self.rules.spec.transaction_types.contains(&ty) {
            return Err(Refusal::Unsupported(ty).into());
        }
        let offer = Offer::of(call).paid(defaults);
        self.check(call, defaults, offer, (own.nonce, own.balance))?;
        let result = self.execute(call, defaults, offer)?;
        if own.nonce == u64::MAX && call.to.is_some() {
            self.wrap_nonce(&call.from)?;
        }
        budget.gas = budget.gas.saturating_sub(result.tx_gas_used());
        self.blob_gas_used += call.blob_hashes.iter().flatten().count() as u64 * DATA_GAS_PER_BLOB;
        self.count(tx, result);
        Ok(())
    }

    /// What is checked before anything else, in the order in which nodes do: nonce, fees, funds.
    fn check(
        &self,
        call: &SimulationCall,
        defaults: Defaults,
        offer: Offer,
        (nonce, balance): (u64, U256),
    ) -> Result<(), SimulationError> {
        let validation = self.rules.simulation.validation;
        if validation {
            let tx = defaults.nonce;
            match tx.cmp(&nonce) {
                std::cmp::Ordering::Less => return Err(Refusal::NonceTooLow { tx, state: nonce }.into()),
                std::cmp::Ordering::Greater => return Err(Refusal::NonceTooHigh { tx, state: nonce }.into()),
                std::cmp::Ordering::Equal if nonce == u64::MAX => {
                    return Err(Refusal::Invalid(format!("nonce has max value: {nonce}")).into());
                }
                std::cmp::Ordering::Equal => {}
            }
        }
        let Offer { max_fee, .. } = offer;
        let offered = Offer::of(call);
        if let Some(base_fee) = self.header.base_fee_per_gas.filter(|_| validation || !offered.is_free()) {
            if offered.tip > offered.max_fee {
                return Err(Refusal::TipAboveFee { tip: offered.tip, max_fee: offered.max_fee }.into());
            }
            if offered.max_fee < u128::from(base_fee) {
                return Err(Refusal::FeeTooLow { max_fee: offered.max_fee, base_fee }.into());
            }
        }
        // Blobs are paid for too; the EVM checks that with the rest.
        let gas = U256::from(defaults.gas).saturating_mul(U256::from(max_fee));
        let want = gas.saturating_add(call.value);
        if want > balance {
            return Err(Refusal::InsufficientFunds { have: balance, want }.into());
        }
        Ok(())
    }

    fn execute(
        &mut self,
        call: &SimulationCall,
        defaults: Defaults,
        offer: Offer,
    ) -> Result<ExecutionResult, SimulationError> {
        let validation = self.rules.simulation.validation;
        let mut env = transaction::tx_env(call, defaults);
        if !validation {
            // The highest nonce is refused even where nonces are not checked.
            env.nonce = env.nonce.min(u64::MAX - 1);
        }
        self.evm.ctx.cfg.disable_base_fee = offer.is_free() && (!validation || defaults.free_gas);
        let blobs = self.evm.ctx.block.blob_excess_gas_and_price;
        if !validation && offer.blob_fee == 0 {
            let free = |blobs: BlobExcessGasAndPrice| BlobExcessGasAndPrice { blob_gasprice: 0, ..blobs };
            let carries = !env.blob_hashes.is_empty();
            self.evm.ctx.block.blob_excess_gas_and_price = if carries { blobs.map(free) } else { blobs };
        }
        let result = self.evm.inspect_one_tx(env);
        let state = self.evm.finalize();
        let result = result.map_err(|err| {
            let ctx = &self.evm.ctx;
            from_evm(err, &ctx.tx, &ctx.block, &ctx.cfg)
        })?;
        self.evm.ctx.block.blob_excess_gas_and_price = blobs;
        self.overlay().commit(state)?;
        Ok(result)
    }

    /// Where nonces are not checked, the one after the last is the first.
    fn wrap_nonce(&mut self, address: &Address) -> Result<(), SimulationError> {
        if let Some(info) = self.overlay().account(address)?.filter(|info| info.nonce == u64::MAX) {
            self.overlay().set_account(address, crate::AccountInfo { nonce: 0, ..info })?;
        }
        Ok(())
    }

    /// Notes a call's receipt and result.
    fn count(&mut self, tx: SimulatedTx, result: ExecutionResult) {
        let gas = *result.gas();
        let gas_used = result.tx_gas_used();
        self.header.gas_used += gas_used;
        let shown = self.evm.inspector.take();
        let (status, output, logs) = match result {
            ExecutionResult::Success { output, logs, .. } => (CallStatus::Success, output.into_data(), logs),
            ExecutionResult::Revert { output, .. } => (CallStatus::Reverted, output, Vec::new()),
            ExecutionResult::Halt { reason, .. } => (CallStatus::Halted(reason.to_string()), Bytes::new(), Vec::new()),
        };
        self.receipts.push(Receipt {
            tx_hash: *tx.envelope.tx_hash(),
            ty: tx.envelope.tx_type() as u8,
            status: status == CallStatus::Success,
            state_root: None,
            cumulative_gas_used: self.header.gas_used,
            gas_used,
            bloom: logs.iter().collect(),
            logs_hash: logs_hash(&logs),
            logs,
            contract_address: None,
            deposit_nonce: None,
        });
        self.transactions.push(tx);
        let max_gas_used = gas.total_gas_spent().max(gas.floor_gas());
        self.calls.push(SimulatedCall { status, gas_used, max_gas_used, output, logs: shown });
    }

    /// Collects requests, pays withdrawals and the block reward, collects the changes and completes the header but for
    /// the state root.
    fn finish(mut self, planned: &Planned<'_>) -> Result<Finished, SimulationError> {
        let around = self.around();
        let requests = around.requests(&mut self.evm, &self.receipts)?;
        let withdrawals = planned.asked.map(|asked| asked.withdrawals.clone()).unwrap_or_default();
        around.pay(self.overlay(), &planned.beneficiary, &[], &withdrawals)?;
        let Self { evm, mut header, transactions, receipts, calls, blob_gas_used, .. } = self;
        header.transactions_root =
            ordered_trie_root_with_encoder(&transactions, |tx, out| out.extend_from_slice(&tx.encoded));
        header.receipts_root = receipts_root(&receipts);
        header.logs_bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom);
        header.blob_gas_used = header.excess_blob_gas.map(|_| blob_gas_used);
        header.requests_hash = header.requests_hash.map(|_| requests.requests_hash());
        header.withdrawals_root = header.withdrawals_root.map(|_| calculate_withdrawals_root(&withdrawals));
        let changes = evm.ctx.journaled_state.database.into_changes()?;
        Ok(Finished { changes, header, transactions, calls, withdrawals })
    }
}
