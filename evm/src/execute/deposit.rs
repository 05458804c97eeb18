//! Deposits: transactions that L1 caused, which nobody signed and nobody pays for.
//!
//! The mint comes first and survives whatever happens after it; the sender's nonce always grows by one. Empty input
//! moves value without running code, for 21 000 gas. Everything else runs as a call by `from` at gas price 0. A
//! deposit that the EVM would refuse (too little gas, say) is included as a failure that used all its gas.

use super::{BlockRun, block::Executed};
use crate::{
    EvmError, Refusal,
    state::{AccountInfo, StateError, StateSource},
};
use alloy_primitives::{Address, TxKind};
use op_alloy_consensus::TxDeposit;
use revm::{
    ExecuteEvm,
    context::{TxEnv, result::EVMError},
};

/// Gas of a deposit that runs no code.
pub(super) const PLAIN_DEPOSIT_GAS: u64 = 21_000;

impl<S: StateSource> BlockRun<S> {
    /// Executes a deposit; the sender's nonce before it is returned too.
    pub(super) fn execute_deposit(&mut self, deposit: &TxDeposit) -> Result<(Executed, u64), Refusal> {
        let mut from = self.account(&deposit.from)?;
        let nonce = from.nonce;
        let Some(minted) = from.balance.checked_add(alloy_primitives::U256::from(deposit.mint)) else {
            return Err(Refusal::Invalid("mint overflows the sender's balance".into()));
        };
        if nonce == u64::MAX {
            return Err(Refusal::Invalid("nonce of the sender is exhausted".into()));
        }
        from.balance = minted;
        let executed = match deposit.to {
            TxKind::Call(to) if deposit.input.is_empty() => self.move_value(deposit, to, from)?,
            _ => self.call_as_sender(deposit, from)?,
        };
        Ok((executed, nonce))
    }

    fn move_value(&mut self, deposit: &TxDeposit, to: Address, mut from: AccountInfo) -> Result<Executed, Refusal> {
        from.nonce += 1;
        let fits = self.account(&to)?.balance.checked_add(deposit.value).is_some() || to == deposit.from;
        let left = from.balance.checked_sub(deposit.value);
        let success = left.is_some() && fits && deposit.gas_limit >= PLAIN_DEPOSIT_GAS;
        if let (Some(left), true) = (left, success) {
            from.balance = left;
        }
        self.set_account(&deposit.from, from)?;
        if success {
            let mut account = self.account(&to)?;
            account.balance = account.balance.saturating_add(deposit.value);
            self.set_account(&to, account)?;
        }
        Ok(Executed::plain(success, deposit.gas_limit.min(PLAIN_DEPOSIT_GAS)))
    }

    fn call_as_sender(&mut self, deposit: &TxDeposit, mut from: AccountInfo) -> Result<Executed, Refusal> {
        self.set_account(&deposit.from, from)?;
        let tx = deposit_env(deposit, from.nonce, self.evm.ctx.cfg.chain_id);
        match self.evm.transact_one(tx) {
            Ok(result) => {
                let state = self.evm.finalize();
                self.commit(state)?;
                Ok(Executed::from_result(result))
            }
            Err(EVMError::Transaction(_)) => {
                drop(self.evm.finalize());
                from.nonce += 1;
                self.set_account(&deposit.from, from)?;
                Ok(Executed::plain(false, deposit.gas_limit))
            }
            Err(err) => {
                drop(self.evm.finalize());
                Err(Refusal::Fatal(EvmError::Evm(err.to_string())))
            }
        }
    }

    fn account(&mut self, address: &Address) -> Result<AccountInfo, Refusal> {
        let account = self.overlay().account(address).map_err(fatal)?;
        Ok(account.unwrap_or_default())
    }

    fn set_account(&mut self, address: &Address, info: AccountInfo) -> Result<(), Refusal> {
        self.overlay().set_account(address, info).map_err(fatal)
    }
}

/// A deposit as the EVM sees it.
pub(super) fn deposit_env(deposit: &TxDeposit, nonce: u64, chain_id: u64) -> TxEnv {
    TxEnv {
        tx_type: 0,
        caller: deposit.from,
        gas_limit: deposit.gas_limit,
        gas_price: 0,
        kind: deposit.to,
        value: deposit.value,
        data: deposit.input.clone(),
        nonce,
        chain_id: Some(chain_id),
        ..Default::default()
    }
}

/// A state that cannot be read is not the transaction's fault.
pub(super) fn fatal(err: StateError) -> Refusal {
    Refusal::Fatal(err.into())
}
