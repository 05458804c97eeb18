//! The rollup a history happens on: one block per round, queue items first, as derivation does it.

use super::tally::Tally;
use crate::wallet::{Message, Wallet};
use alloy_primitives::{Address, B256, Bytes, U256};
use mayfly_contracts::types::Allocation;
use mayfly_evm::{BlockAttributes, BlockBuilder, Chain, RecoveredTx, Transaction, TxOutcome};
use mayfly_rollup::derive::{L1Origin, QueueItem, block_attributes, execute_queue_item};
use mayfly_rollup::{RollupInfo, chain_spec, genesis};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

const WALLETS: u64 = 8;
/// Actions of one block, at most.
const MAX_ACTIONS: usize = 12;

/// A rollup, its people, and what they know.
pub struct History {
    /// The rollup.
    pub info: RollupInfo,
    /// Its chain, in memory.
    pub chain: Chain,
    /// What happened to tokens, by those who did it.
    pub tally: Tally,
    pub(super) random: StdRng,
    pub(super) wallets: Vec<Wallet>,
    pub(super) facts: Facts,
    items: u64,
}

/// A transaction that got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its hash.
    pub hash: B256,
    /// Its EIP-2718 type.
    pub ty: u8,
    /// Who sent it.
    pub sender: Address,
    /// False: it reverted.
    pub status: bool,
}

/// Addresses and ids that actions pick from.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) collections: Vec<Address>,
    pub(super) items: Vec<Address>,
    pub(super) tokens: Vec<Address>,
    pub(super) puppets: Vec<Address>,
    pub(super) next_id: u64,
}

/// What one block is made of.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) deposits: Vec<(u8, Bytes)>,
    pub(super) messages: Vec<(usize, Message)>,
    /// Wallets that delegate, and to which code.
    pub(super) delegations: Vec<(usize, Address)>,
}

impl History {
    /// The rollup of a seed, at block 0.
    pub fn new(seed: u64) -> Self {
        let wallets: Vec<Wallet> = (0..WALLETS).map(|n| Wallet::new(seed << 8 | n)).collect();
        let mut info = RollupInfo {
            rollup: Address::repeat_byte(0x4d),
            l1_chain_id: 31_337,
            chain_id: 700 + seed,
            ..RollupInfo::default()
        };
        (info.l1_number, info.l1_time) = (5, 1_000);
        info.config.protocolVersion = 1;
        info.config.blockGasLimit = 1 << 28;
        info.config.organiser = Address::repeat_byte(0x0c);
        let given = |wallet: &Wallet| Allocation { to: wallet.address, amount: U256::from(10).pow(U256::from(18)) };
        info.genesis = wallets.iter().step_by(2).map(given).collect();
        let spec = chain_spec(&info).unwrap();
        let chain = Chain::create(None, spec, &genesis(&info)).unwrap();
        let random = StdRng::seed_from_u64(seed);
        Self { info, chain, tally: Tally::default(), random, wallets, facts: Facts::default(), items: 0 }
    }

    /// Lives through some blocks.
    pub fn run(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let mut round = Round::default();
            for _ in 0..self.random.random_range(0..=MAX_ACTIONS) {
                self.act(&mut round);
            }
            self.seal(round);
        }
        self.chain.flush().unwrap();
    }

    /// Seals a block with one transaction as a client would send it; says why if it is refused.
    pub fn include_raw(&mut self, raw: &[u8]) -> Result<Included, String> {
        let transaction = Transaction::decode_exact(raw).map_err(|error| error.to_string())?;
        let (hash, ty) = (transaction.tx_hash(), transaction.ty());
        let signed = Arc::new(transaction.recover().map_err(|error| error.to_string())?);
        let (attributes, _) = self.attributes(0);
        let mut builder = self.chain.begin(attributes).unwrap();
        let outcome = builder.execute(&signed).map_err(|refusal| refusal.to_string())?;
        builder.seal().unwrap();
        Ok(Included { hash, ty, sender: signed.sender, status: outcome.receipt.status })
    }

    fn attributes(&self, items: usize) -> (BlockAttributes, L1Origin) {
        let parent = &self.chain.head().header;
        let origin = L1Origin {
            number: 5 + parent.number,
            hash: B256::with_last_byte(1),
            timestamp: 1_000 + parent.number,
            prev_randao: B256::repeat_byte(3),
            parent_beacon_root: B256::repeat_byte(4),
        };
        let end = self.items + items as u64;
        (block_attributes(&self.info, parent, &origin, origin.timestamp, end), origin)
    }

    fn seal(&mut self, round: Round) {
        let (attributes, origin) = self.attributes(round.deposits.len());
        let chain_id = self.info.chain_id;
        let mut builder = self.chain.begin(attributes).unwrap();
        let deposits = round.deposits.clone();
        for (kind, payload) in round.deposits {
            let (index, sender) = (self.items, self.wallets[0].address);
            let item = QueueItem { index, kind, sender, gas_limit: 0, payload, l1_number: origin.number, l1_time: 0 };
            execute_queue_item(&self.info, &mut builder, &item).unwrap();
            self.items += 1;
        }
        for (wallet, code) in round.delegations {
            let signed = self.wallets[wallet].delegate(chain_id, code);
            include(&mut builder, &signed);
        }
        for (wallet, message) in round.messages {
            let mut trial = self.wallets[wallet].clone();
            let signed = trial.sign(chain_id, &message);
            // What a wallet cannot pay for never gets in, and its nonce stays.
            let Some(outcome) = include(&mut builder, &signed) else { continue };
            self.wallets[wallet] = trial;
            if let (true, Some(made)) = (outcome.receipt.status, outcome.contract_address) {
                self.facts.made(&message.input, made);
            }
            if outcome.receipt.status {
                self.tally.success(&message);
            }
        }
        let block = builder.seal().unwrap();
        // Every deposit has a receipt; they come first.
        for ((kind, payload), receipt) in deposits.iter().zip(&block.receipts) {
            self.tally.deposit(*kind, payload, receipt.status);
        }
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.random.random_range(0..from.len())])
    }
}

fn include(builder: &mut BlockBuilder<'_>, signed: &Arc<RecoveredTx>) -> Option<TxOutcome> {
    builder.execute(signed).ok()
}
