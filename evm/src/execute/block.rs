//! One block from its first system call to its changes.

use super::{
    Around, TxOutcome, block_env, build_evm, cfg_env, deposit::fatal, from_evm, precompiles::PricedPrecompiles,
    transact, tx_env,
};
use crate::{
    BlockAttributes, ChainSpec, Consensus, EvmError, Receipt, RecoveredTx, Refusal, SealedBlock,
    fold::{Fold, FoldDelta},
    receipt::logs_hash,
    receipt_tree::{ReceiptTree, receipt_leaf},
    state::{AccountInfo, Changes, Overlay, StateSource},
};
use alloy_consensus::Header;
use alloy_eips::eip7685::Requests;
use alloy_primitives::{Address, B256, Bytes, Log};
use revm::{
    ExecuteEvm,
    context::{BlockEnv, CfgEnv, Context, Journal, TxEnv, result::ExecutionResult},
    handler::{EthFrame, instructions::EthInstructions},
    interpreter::interpreter::EthInterpreter,
    primitives::hardfork::SpecId,
    state::EvmState,
};
use std::sync::Arc;

/// What revm executes in.
pub(crate) type EvmContext<S> = Context<BlockEnv, TxEnv, CfgEnv, Overlay<S>, Journal<Overlay<S>>, ()>;
/// revm over one of our overlays.
pub(crate) type Evm<S> = revm::context::Evm<
    EvmContext<S>,
    (),
    EthInstructions<EthInterpreter, EvmContext<S>>,
    PricedPrecompiles,
    EthFrame<EthInterpreter>,
>;

/// What a block needs to know of its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    pub(crate) header: &'a Header,
    pub(crate) hash: B256,
    /// Transactions in the chain up to and including the parent.
    pub(crate) next_index: u64,
}

/// Where a block stands: what follows from its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) parent_hash: B256,
    /// Transactions in the chain before it.
    pub(crate) first_index: u64,
    pub(crate) base_fee: Option<u64>,
    pub(crate) excess_blob_gas: u64,
}

/// A block while it executes.
pub(crate) struct BlockRun<S: StateSource> {
    pub(super) evm: Evm<S>,
    pub(super) attributes: BlockAttributes,
    number: u64,
    parent_hash: B256,
    first_index: u64,
    base_fee: Option<u64>,
    types: Vec<u8>,
    storage_collides: bool,
    free_gas: bool,
    transactions: Vec<Arc<RecoveredTx>>,
    receipts: Vec<Receipt>,
    gas_used: u64,
    excess_blob_gas: u64,
    blob_gas_used: u64,
    max_blob_gas: u64,
    /// The most gas that may be used: the block's limit, or less.
    allowance: u64,
    fold: FoldDelta,
    old_tree: ReceiptTree,
    tree: ReceiptTree,
}

/// A block whose transactions are all executed.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) attributes: BlockAttributes,
    pub(crate) number: u64,
    pub(crate) parent_hash: B256,
    pub(crate) first_index: u64,
    pub(crate) base_fee: Option<u64>,
    pub(crate) transactions: Vec<Arc<RecoveredTx>>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) excess_blob_gas: u64,
    pub(crate) blob_gas_used: u64,
    pub(crate) requests: Requests,
    pub(crate) changes: Changes,
}

impl Finished {
    /// The block under its header, and what it changed.
    pub(crate) fn into_block(self, header: Header, hash: B256) -> (SealedBlock, Changes) {
        let Self { attributes, first_index, transactions, receipts, changes, .. } = self;
        let Consensus { ommers, withdrawals, .. } = attributes.consensus;
        (SealedBlock { header, hash, transactions, receipts, first_index, ommers, withdrawals }, changes)
    }
}

/// What running a transaction or deposit gave, before it is a receipt.
pub(super) struct Executed {
    success: bool,
    gas_used: u64,
    logs: Vec<Log>,
    output: Bytes,
    created: Option<Address>,
}

impl Executed {
    /// Nothing ran.
    pub(super) const fn plain(success: bool, gas_used: u64) -> Self {
        Self { success, gas_used, logs: Vec::new(), output: Bytes::new(), created: None }
    }

    pub(super) fn from_result(result: ExecutionResult) -> Self {
        let gas_used = result.tx_gas_used();
        match result {
            ExecutionResult::Success { logs, output, .. } => {
                let created = output.address().copied();
                let output = if created.is_some() { Bytes::new() } else { output.into_data() };
                Self { success: true, gas_used, logs, output, created }
            }
            ExecutionResult::Revert { output, .. } => {
                Self { success: false, gas_used, logs: Vec::new(), output, created: None }
            }
            ExecutionResult::Halt { .. } => Self::plain(false, gas_used),
        }
    }
}

impl<S: StateSource> BlockRun<S> {
    /// Checks the attributes against the header rules and runs the system calls.
    pub(crate) fn begin(
        spec: &ChainSpec,
        parent: Parent<'_>,
        attributes: BlockAttributes,
        source: S,
        tree: ReceiptTree,
    ) -> Result<Self, EvmError> {
        check(spec, parent.header, &attributes)?;
        let number = parent.header.number + 1;
        let fork = spec.spec_id(number, attributes.timestamp);
        let base_fee = spec.next_base_fee(parent.header, fork);
        let excess_blob_gas = spec.next_excess_blob_gas(parent.header, attributes.timestamp);
        let place =
            Place { number, parent_hash: parent.hash, first_index: parent.next_index, base_fee, excess_blob_gas };
        let mut run = Self::at(spec, place, attributes, source, tree);
        let around = Around { spec, number, timestamp: run.attributes.timestamp };
        around.open(&mut run.evm, parent.hash, run.attributes.parent_beacon_block_root)?;
        Ok(run)
    }

    /// A block wherever it may be, without the calls at its start.
    pub(crate) fn at(
        spec: &ChainSpec,
        place: Place,
        attributes: BlockAttributes,
        source: S,
        tree: ReceiptTree,
    ) -> Self {
        let Place { number, parent_hash, first_index, base_fee, excess_blob_gas } = place;
        let timestamp = attributes.timestamp;
        let mut cfg = cfg_env(spec, spec.spec_id(number, timestamp));
        let blobs = spec.blob_params(number, timestamp);
        cfg.max_blobs_per_tx = blobs.map(|blobs| blobs.max_blobs_per_tx);
        let env = block_env(&attributes, number, base_fee, spec.blob_price(number, timestamp, excess_blob_gas));
        Self {
            evm: build_evm(Overlay::new(source), cfg, env, &spec.prices),
            number,
            parent_hash,
            first_index,
            base_fee,
            excess_blob_gas,
            blob_gas_used: 0,
            max_blob_gas: blobs.map_or(0, |blobs| blobs.max_blob_gas_per_block()),
            types: spec.transaction_types.clone(),
            storage_collides: !spec.is_rollup(),
            free_gas: spec.prices.free_gas,
            transactions: Vec::new(),
            receipts: Vec::new(),
            gas_used: 0,
            allowance: attributes.gas_limit,
            fold: FoldDelta::default(),
            old_tree: tree.clone(),
            tree,
            attributes,
        }
    }

    /// Executes a transaction or deposit. On a refusal nothing has changed.
    pub(crate) fn execute(&mut self, fold: &Fold, tx: &Arc<RecoveredTx>) -> Result<TxOutcome, Refusal> {
        let ty = tx.tx.ty();
        if !self.types.contains(&ty) {
            return Err(Refusal::Unsupported(ty));
        }
        // The EVM looks at what is paid.
        let (tip, max_fee) = (tx.tx.max_priority_fee_per_gas().unwrap_or_default(), tx.tx.max_fee_per_gas());
        if self.free_gas && tip > max_fee {
            return Err(Refusal::TipAboveFee { tip, max_fee });
        }
        let limit = tx.tx.gas_limit();
        if limit > self.attributes.gas_limit {
            return Err(Refusal::GasLimitTooHigh { limit, max: self.attributes.gas_limit });
        }
        if limit > self.gas_left() {
            return Err(Refusal::BlockGas { limit, left: self.gas_left() });
        }
        let (blob_gas, left) = (tx.tx.blob_gas(), self.max_blob_gas - self.blob_gas_used);
        if blob_gas > left {
            return Err(Refusal::BlobGas { want: blob_gas, left });
        }
        let (executed, nonce, deposit_nonce) = match tx.tx.as_deposit() {
            Some(deposit) => {
                let (executed, nonce) = self.execute_deposit(deposit)?;
                (executed, nonce, Some(nonce))
            }
            None => (self.execute_signed(tx)?, tx.tx.nonce(), None),
        };
        let created = tx.tx.kind().is_create().then(|| tx.sender.create(nonce));
        let outcome = self.outcome(tx, executed, created, deposit_nonce);
        self.count(fold, &outcome.receipt);
        self.blob_gas_used += blob_gas;
        self.transactions.push(tx.clone());
        self.receipts.push(outcome.receipt.clone());
        Ok(outcome)
    }

    pub(crate) const fn gas_used(&self) -> u64 {
        self.gas_used
    }

    pub(crate) const fn gas_left(&self) -> u64 {
        self.allowance.saturating_sub(self.gas_used)
    }

    /// Leaves the block no more gas than this, whatever its header says.
    pub(crate) fn allow(&mut self, gas: u64) {
        self.allowance = self.allowance.min(gas);
    }

    pub(crate) const fn len(&self) -> usize {
        self.transactions.len()
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn overlay(&mut self) -> &mut Overlay<S> {
        &mut self.evm.ctx.journaled_state.database
    }

    pub(super) fn commit(&mut self, state: EvmState) -> Result<(), Refusal> {
        self.overlay().commit(state).map_err(fatal)
    }

    /// The changes so far.
    pub(crate) fn changes(&self) -> Result<Changes, EvmError> {
        Ok(self.evm.ctx.journaled_state.database.changes()?)
    }

    /// The last receipt holds this state root in place of its status.
    pub(crate) fn set_state_root(&mut self, root: B256) {
        if let Some(receipt) = self.receipts.last_mut() {
            receipt.state_root = Some(root);
        }
    }

    /// Whether receipts hold state roots.
    pub(crate) fn wants_state_roots(&self) -> bool {
        !self.evm.ctx.cfg.spec.is_enabled_in(SpecId::BYZANTIUM)
    }

    /// Collects requests, pays withdrawals and rewards, and collects the changes.
    pub(crate) fn finish(mut self, spec: &ChainSpec) -> Result<Finished, EvmError> {
        let around = Around { spec, number: self.number, timestamp: self.attributes.timestamp };
        let requests = around.requests(&mut self.evm, &self.receipts)?;
        let overlay = &mut self.evm.ctx.journaled_state.database;
        let Consensus { ommers, withdrawals, .. } = &self.attributes.consensus;
        around.pay(overlay, &self.attributes.beneficiary, ommers, withdrawals)?;
        let mut changes = self.evm.ctx.journaled_state.database.into_changes()?;
        (changes.fold, changes.inconsistent) = self.fold.into_changes();
        changes.receipts = self.old_tree.change_to(&self.tree);
        Ok(Finished {
            attributes: self.attributes,
            number: self.number,
            parent_hash: self.parent_hash,
            first_index: self.first_index,
            base_fee: self.base_fee,
            transactions: self.transactions,
            receipts: self.receipts,
            excess_blob_gas: self.excess_blob_gas,
            blob_gas_used: self.blob_gas_used,
            requests,
            changes,
        })
    }

    fn execute_signed(&mut self, tx: &RecoveredTx) -> Result<Executed, Refusal> {
        match transact(&mut self.evm, tx_env(tx, self.free_gas), self.storage_collides) {
            Ok(result) => {
                let state = self.evm.finalize();
                self.commit(state)?;
                Ok(Executed::from_result(result))
            }
            Err(err) => {
                drop(self.evm.finalize());
                let ctx = &self.evm.ctx;
                Err(from_evm(err, &ctx.tx, &ctx.block, &ctx.cfg))
            }
        }
    }

    fn outcome(
        &mut self,
        tx: &RecoveredTx,
        executed: Executed,
        created: Option<Address>,
        deposit_nonce: Option<u64>,
    ) -> TxOutcome {
        let Executed { success, gas_used, logs, output, created: contract_address } = executed;
        self.gas_used += gas_used;
        let receipt = Receipt {
            tx_hash: tx.hash(),
            ty: tx.tx.ty(),
            status: success,
            state_root: None,
            cumulative_gas_used: self.gas_used,
            gas_used,
            bloom: logs.iter().collect(),
            logs_hash: logs_hash(&logs),
            logs,
            contract_address: created,
            deposit_nonce,
        };
        TxOutcome { receipt, contract_address, output }
    }

    /// Takes a receipt into the fold and the receipt tree.
    fn count(&mut self, fold: &Fold, receipt: &Receipt) {
        let overlay = &self.evm.ctx.journaled_state.database;
        for log in &receipt.logs {
            self.fold.count(fold, log, || overlay.known_code_hash(&log.address));
        }
        let index = self.transactions.len() as u64;
        self.tree.push(receipt_leaf(self.first_index + index, self.number, index, receipt));
    }

    /// What a reward of nothing does to who receives it: it touches the account.
    pub(crate) fn reward_nothing(&mut self, address: &Address, clears_empty: bool) -> Result<(), EvmError> {
        let account = self.overlay().account(address)?;
        if clears_empty && account.is_some_and(|account| account.is_empty()) {
            self.overlay().set_account(address, AccountInfo::default())?;
        }
        Ok(())
    }
}

fn check(spec: &ChainSpec, parent: &Header, attributes: &BlockAttributes) -> Result<(), EvmError> {
    let BlockAttributes { timestamp, gas_limit, extra_data, .. } = attributes;
    let refuse = |why: String| Err(EvmError::Attributes(why));
    if *timestamp < parent.timestamp || (*timestamp == parent.timestamp && !spec.header.equal_timestamps) {
        return refuse(format!("timestamp {timestamp} after a parent at {}", parent.timestamp));
    }
    if extra_data.len() > spec.header.max_extra_data_bytes {
        return refuse(format!(
            "extra data of {} bytes exceeds {}",
            extra_data.len(),
            spec.header.max_extra_data_bytes
        ));
    }
    if *gas_limit == 0 || *gas_limit > i64::MAX as u64 {
        return refuse(format!("gas limit {gas_limit}"));
    }
    Ok(())
}
