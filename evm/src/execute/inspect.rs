//! One transaction under an inspector, on the state that it runs on. Nothing changes.
//!
//! The EVM, its prices and the transaction's environment are those of [`BlockRun::execute`], which then runs the
//! transaction for good.

use super::{BlockRun, block::EvmContext, build_evm, deposit, from_evm, tx_env};
use crate::{
    EvmError, Prices, RecoveredTx, Refusal,
    state::{AccountInfo, Overlay, StateError, StateSource},
};
use alloy_primitives::{Address, B256, TxKind, U256};
use alloy_trie::KECCAK_EMPTY;
use op_alloy_consensus::TxDeposit;
use revm::{
    Database, DatabaseRef, InspectEvm, Inspector,
    bytecode::Bytecode,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, OutOfGasError, ResultAndState, ResultGas},
    },
    state::{Account, AccountInfo as EvmAccount, EvmState},
};
use std::cell::RefCell;

/// The state before a transaction.
pub(crate) struct Before<'a, S: StateSource> {
    overlay: RefCell<&'a mut Overlay<S>>,
    /// What a deposit gives its sender before it runs.
    mint: Option<(Address, U256)>,
    /// The account whose code a deposit without input does not run.
    silent: Option<Address>,
}

/// A transaction that ran under an inspector.
pub(crate) struct Inspected<'a, S: StateSource, I> {
    /// What watched it.
    pub(crate) inspector: I,
    /// The transaction as the EVM saw it.
    pub(crate) tx: TxEnv,
    /// The block as the EVM saw it.
    pub(crate) block: BlockEnv,
    /// How it ended, and what it would change.
    pub(crate) outcome: ResultAndState,
    /// The state it ran on.
    pub(crate) before: Before<'a, S>,
}

impl<'a, S: StateSource> Before<'a, S> {
    /// The state as the overlay has it.
    pub(crate) const fn new(overlay: &'a mut Overlay<S>) -> Self {
        Self { overlay: RefCell::new(overlay), mint: None, silent: None }
    }
}

impl<S: StateSource> BlockRun<S> {
    /// Runs a transaction or deposit under an inspector as it would run next.
    ///
    /// # Errors
    /// The inspector, and why the transaction could not run: a refusal, or what the inspector stopped it with.
    pub(crate) fn inspect<'a, I>(
        &'a mut self,
        prices: &Prices,
        tx: &RecoveredTx,
        inspector: I,
    ) -> Result<Inspected<'a, S, I>, (I, Refusal)>
    where
        I: Inspector<EvmContext<Before<'a, S>>>,
    {
        let context = &mut self.evm.ctx;
        let (mut cfg, block) = (context.cfg.clone(), context.block.clone());
        let mut before = Before::new(&mut context.journaled_state.database);
        let Some(deposit) = tx.tx.as_deposit() else {
            return inspect(before, tx_env(tx, prices.free_gas), cfg, block, prices, inspector, None);
        };
        before.mint = Some((deposit.from, U256::from(deposit.mint)));
        let from = match before.account(&deposit.from) {
            Ok(from) => from.unwrap_or_default(),
            Err(err) => return Err((inspector, deposit::fatal(err))),
        };
        let mut failure = deposit.gas_limit;
        if let (TxKind::Call(to), true) = (deposit.to, deposit.input.is_empty()) {
            before.silent = Some(to);
            cfg.tx_gas_limit_cap = Some(u64::MAX);
            cfg.disable_eip3607 = true;
            failure = failure.min(deposit::PLAIN_DEPOSIT_GAS);
        }
        let env = deposit::deposit_env(deposit, from.nonce, cfg.chain_id);
        let failed = failed_deposit(deposit, from, failure);
        let mut inspected = inspect(before, env, cfg, block, prices, inspector, Some(failed))?;
        // What was minted is the deposit's doing, too.
        inspected.before.mint = None;
        Ok(inspected)
    }
}

/// Runs `tx` on `before`; `failed` is the outcome if the EVM refuses it and it counts nevertheless.
pub(crate) fn inspect<'a, S: StateSource, I>(
    before: Before<'a, S>,
    tx: TxEnv,
    cfg: CfgEnv,
    block: BlockEnv,
    prices: &Prices,
    inspector: I,
    failed: Option<ResultAndState>,
) -> Result<Inspected<'a, S, I>, (I, Refusal)>
where
    I: Inspector<EvmContext<Before<'a, S>>>,
{
    let mut evm = build_evm(Overlay::new(before), cfg, block, prices).with_inspector(inspector);
    let ran = evm.inspect_tx(tx);
    let (context, inspector) = (evm.ctx, evm.inspector);
    let outcome = match (ran, failed) {
        (Ok(outcome), _) | (Err(EVMError::Transaction(_)), Some(outcome)) => outcome,
        (Err(err), _) => return Err((inspector, from_evm(err, &context.tx, &context.block, &context.cfg))),
    };
    let before = context.journaled_state.database.source;
    Ok(Inspected { inspector, tx: context.tx, block: context.block, outcome, before })
}

/// A deposit that runs no code and uses `gas_used`: what is minted and the nonce are all that stays.
fn failed_deposit(deposit: &TxDeposit, from: AccountInfo, gas_used: u64) -> ResultAndState {
    let nonce = from.nonce.saturating_add(1);
    let mut account = Account::from(EvmAccount { balance: from.balance, nonce, ..EvmAccount::default() });
    account.info.code_hash = from.code_hash;
    account.mark_touch();
    let result = ExecutionResult::Halt {
        reason: HaltReason::OutOfGas(OutOfGasError::Basic),
        gas: ResultGas::default().with_total_gas_spent(gas_used),
        logs: Vec::new(),
    };
    ResultAndState { result, state: EvmState::from_iter([(deposit.from, account)]) }
}

impl<S: StateSource> StateSource for Before<'_, S> {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        let mut account = self.overlay.borrow_mut().account(address)?;
        let minted = self.mint.filter(|(to, mint)| to == address && !mint.is_zero());
        if let Some((_, mint)) = minted {
            let info = account.get_or_insert_default();
            info.balance = info.balance.saturating_add(mint);
        }
        if let (Some(info), true) = (&mut account, self.silent == Some(*address)) {
            info.code_hash = KECCAK_EMPTY;
        }
        Ok(account)
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.overlay.borrow_mut().slot(address, slot)
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        self.overlay.borrow_mut().code_by_hash(*hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        self.overlay.borrow_mut().block_hash(number)
    }

    /// Only whoever collects the changes asks for these, and here nobody does.
    fn slots(&self, _: &Address) -> Result<Vec<(U256, U256)>, StateError> {
        Ok(Vec::new())
    }
}

impl<S: StateSource> DatabaseRef for Before<'_, S> {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<EvmAccount>, StateError> {
        let Some(info) = self.account(&address)? else { return Ok(None) };
        let code = self.code(&info.code_hash)?;
        Ok(Some(EvmAccount::new(info.balance, info.nonce, info.code_hash, code)))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, StateError> {
        self.code(&code_hash)
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StateError> {
        self.slot(&address, &index)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        self.block_hash(number)
    }
}

impl From<Refusal> for EvmError {
    /// The executor's own errors stay what they are.
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fatal(err) => err,
            refusal => Self::Refused(Box::new(refusal)),
        }
    }
}
