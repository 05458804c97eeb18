//! People on the rollup: they pay each other, take money out, and get things wrong.

use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use mayfly_contracts::l2::L2Bridge::{withdrawERC20Call, withdrawETHCall};
use mayfly_contracts::predeploys::L2_BRIDGE;
use mayfly_contracts::tokens::{TestERC20, TestERC721};
use mayfly_l1::Key;
use mayfly_rollup::RollupInfo;
use mayfly_sequencer::SubmitError;
use mayfly_sequencer::stepped::SteppedSequencer;
use rand::Rng;
use rand::rngs::StdRng;

use super::rollup::{COINS, Keys, Tokens};
use crate::history::bridged;

/// Of a hundred ticks, in how many somebody submits.
const BUSY: u32 = 12;
/// Transactions at once, at most.
const BURST: u32 = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct Users {
    keys: Vec<Key>,
    /// The nonce that each signs next, as it believes.
    nonces: Vec<u64>,
    chain_id: u64,
    tokens: Tokens,
    /// What was refused although it should not have been.
    pub(crate) surprises: Vec<String>,
}

impl Users {
    /// The users of these keys.
    pub(crate) fn new(keys: &Keys, info: &Arc<RollupInfo>, tokens: Tokens) -> Self {
        let nonces = vec![0; keys.users.len()];
        Self { keys: keys.users.clone(), nonces, chain_id: info.chain_id, tokens, surprises: Vec::new() }
    }

    /// Perhaps somebody submits something.
    pub(crate) fn submit(&mut self, rng: &mut StdRng, sequencer: &mut SteppedSequencer) {
        if rng.random_range(0..100) >= BUSY {
            return;
        }
        for _ in 0..rng.random_range(1..=BURST) {
            let who = rng.random_range(0..self.keys.len());
            let known = sequencer.reader().account(&self.keys[who].address()).map_or(0, |account| account.nonce);
            self.nonces[who] = self.nonces[who].max(known);
            let raw = self.raw(rng, who, self.nonces[who]);
            match sequencer.submit(&raw) {
                Ok(_) => self.nonces[who] += 1,
                Err(SubmitError::Internal) => self.surprises.push("internal error".to_owned()),
                // The pool may have been emptied, or the chain gone back: ask again.
                Err(_) => self.nonces[who] = known,
            }
        }
    }

    /// A transaction of a user under the nonce that it believes in.
    pub(crate) fn forced(&self, rng: &mut StdRng) -> Bytes {
        let who = rng.random_range(0..self.keys.len());
        self.raw(rng, who, self.nonces[who])
    }

    fn raw(&self, rng: &mut StdRng, who: usize, nonce: u64) -> Bytes {
        let friend = self.keys[rng.random_range(0..self.keys.len())].address();
        let wei = U256::from(rng.random_range(0..1_000_000_000_000_000u64));
        let (coin, art) = (bridged(1, self.tokens.coin), bridged(2, self.tokens.art));
        let few = U256::from(rng.random_range(0..COINS / 4));
        let id = U256::from(rng.random_range(0..self.keys.len()));
        let me = self.keys[who].address();
        let (to, value, input, gas_limit): (Address, U256, Bytes, u64) = match rng.random_range(0..16) {
            0 => (L2_BRIDGE, wei, withdrawETHCall { to: friend }.abi_encode().into(), 300_000),
            1 => (friend, U256::from(10).pow(U256::from(24)), Bytes::new(), 21_000),
            2 => (L2_BRIDGE, U256::ZERO, Bytes::from_static(b"nonsense"), 60_000),
            3 | 4 => {
                (coin, U256::ZERO, TestERC20::transferCall { to: friend, value: few }.abi_encode().into(), 150_000)
            }
            5 => {
                let call = withdrawERC20Call { l1Token: self.tokens.coin, to: friend, amount: few };
                (L2_BRIDGE, U256::ZERO, call.abi_encode().into(), 400_000)
            }
            6 => {
                let call = TestERC721::transferFromCall { from: me, to: friend, tokenId: id };
                (art, U256::ZERO, call.abi_encode().into(), 200_000)
            }
            _ => (friend, wei, Bytes::new(), 21_000),
        };
        let nonce = if rng.random_range(0..40) == 0 { nonce + rng.random_range(1..4) } else { nonce };
        let to = TxKind::Call(to);
        let tx = TxEip1559 { chain_id: self.chain_id, nonce, gas_limit, to, value, input, ..Default::default() };
        let signature = self.keys[who].sign_hash(&tx.signature_hash()).unwrap();
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
    }
}
