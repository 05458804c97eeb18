//! What L1 holds against what the rollup owes, while it lives.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolEvent};
use mayfly_contracts::predeploys::L2_MESSENGER;
use mayfly_contracts::tokens::TestERC20;
use mayfly_contracts::vault::Vault;
use mayfly_evm::{BlockContext, CallMessage, ChainReader};
use mayfly_rollup::settlement::decode_message;

use super::l1::view;
use super::life::{JUDGE, Life};
use crate::history::bridged;

/// Kinds of assets in messages and withdrawals.
const NATIVE: u8 = 0;
const ERC20: u8 = 1;

impl Life {
    /// The Vault holds at least what everybody on the rollup has and what was withdrawn and not fetched.
    pub(crate) fn check_custody(&mut self) {
        let Some(judge) = &self.verifiers[JUDGE].running else { return };
        let (seen, reader) = (judge.view(), judge.reader());
        let head = self.l1.head();
        if seen.l1.hash != head.hash || seen.is_settled() {
            return;
        }
        let (coin, vault) = (self.tokens.coin, self.info.vault);
        let held = self.l1.reader().account(&vault).map_or(U256::ZERO, |account| account.balance);
        let coins = view(&self.l1, coin, &TestERC20::balanceOfCall { account: vault });
        let mut owed = U256::ZERO;
        // What was withdrawn natively is with the bridge until the end.
        reader.for_each_account(|_, account| owed += account.balance);
        let owed = owed - self.fetched(NATIVE);
        if held < owed {
            self.violation(format!("the vault holds {held} wei and owes {owed}"));
        }
        let owed = supply(&reader, bridged(ERC20, coin)) + messages(&reader, ERC20) - self.fetched(ERC20);
        if coins < owed {
            self.violation(format!("the vault holds {coins} coins and owes {owed}"));
        }
    }

    /// What was fetched from the Vault under messages.
    fn fetched(&self, kind: u8) -> U256 {
        let mut sum = U256::ZERO;
        for number in self.info.l1_number..=self.l1.head().number() {
            let Some(block) = self.l1.reader().block_by_number(number).unwrap() else { continue };
            let logs = block.receipts.iter().flat_map(|receipt| &receipt.logs);
            let withdrawn = logs.filter(|log| log.address == self.info.vault);
            let withdrawn = withdrawn.filter_map(|log| Vault::Withdrawn::decode_log(log).ok());
            sum += withdrawn.filter(|one| one.kind == kind).map(|one| one.amount).sum::<U256>();
        }
        sum
    }
}

/// A bridged token's supply; none before its first deposit.
fn supply(reader: &ChainReader, token: Address) -> U256 {
    let data = TestERC20::totalSupplyCall {}.abi_encode().into();
    let message = CallMessage { to: Some(token), data, ..CallMessage::default() };
    let result = reader.call(&message, &BlockContext::latest(), &[]).unwrap();
    TestERC20::totalSupplyCall::abi_decode_returns(&result.output).unwrap_or_default()
}

/// What all messages of a kind together carry.
fn messages(reader: &ChainReader, kind: u8) -> U256 {
    let mut sum = U256::ZERO;
    for number in 0..=reader.head().number() {
        let Some(block) = reader.block_by_number(number).unwrap() else { continue };
        let logs = block.receipts.iter().flat_map(|receipt| &receipt.logs);
        let sent = logs.filter_map(|log| decode_message(L2_MESSENGER, log));
        sum += sent.filter(|message| message.kind == kind).map(|message| message.amount).sum::<U256>();
    }
    sum
}
