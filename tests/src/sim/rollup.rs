//! Setting the stage: keys, contracts on L1, one rollup.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolEvent};
use mayfly_contracts::factory::RollupFactory::{RollupCreated, createCall};
use mayfly_contracts::plan::Foundation;
use mayfly_contracts::predeploys::CREATE2_DEPLOYER;
use mayfly_contracts::tokens::{TestERC20, TestERC721};
use mayfly_l1::{Key, creation_payment};
use mayfly_rollup::{Allocation, Config, RollupInfo, Windows};

use super::l1::{CHAIN_ID, ETHER, L1};
use super::plan::{Plan, Resolver, SLOT};

/// The time when L1 starts.
pub(crate) const START: u64 = 1_800_000_000;
/// People who use the rollup.
pub(crate) const USERS: usize = 5;
/// Gas of calls that the simulation sends by itself.
pub(crate) const CALL_GAS: u64 = 3_000_000;

/// Everybody's keys.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Deploys, creates, may end early.
    pub(crate) organiser: Key,
    /// Posts batches.
    pub(crate) sequencer: Key,
    /// The honest verifiers' accounts.
    pub(crate) honest: [Key; 2],
    /// The resolver, where it is honest.
    pub(crate) resolver: Key,
    /// Attesters.
    pub(crate) attesters: Vec<Key>,
    /// Has money and no scruples.
    pub(crate) griefer: Key,
    /// Uses the rollup.
    pub(crate) users: Vec<Key>,
    /// Carries out what anybody may.
    pub(crate) anybody: Key,
}

fn key(name: &str) -> Key {
    Key::from_bytes(keccak256(name)).unwrap()
}

impl Keys {
    /// The same in every life.
    pub(crate) fn new(attesters: usize) -> Self {
        Self {
            organiser: key("organiser"),
            sequencer: key("sequencer"),
            honest: [key("honest 0"), key("honest 1")],
            resolver: key("resolver"),
            attesters: (0..attesters).map(|i| key(&format!("attester {i}"))).collect(),
            griefer: key("griefer"),
            users: (0..USERS).map(|i| key(&format!("user {i}"))).collect(),
            anybody: key("anybody"),
        }
    }

    /// Who starts with money on L1; the sequencer is given its own.
    pub(crate) fn funded(&self) -> Vec<Address> {
        let others = [&self.organiser, &self.resolver, &self.griefer, &self.anybody];
        let all = others.into_iter().chain(&self.honest).chain(&self.attesters).chain(&self.users);
        all.map(Key::address).collect()
    }
}

fn config(plan: &Plan, keys: &Keys, now: u64) -> Config {
    // What is measured in hours on a real L1 must here, too, outlast the deepest reorganisation.
    let deepest = plan.reorgs.1;
    Config {
        protocolVersion: 1,
        organiser: keys.organiser.address(),
        sequencer: keys.sequencer.address(),
        receiptSigner: key("receipts").address(),
        resolver: match plan.resolver {
            Resolver::Honest => keys.resolver.address(),
            Resolver::Silent => Address::repeat_byte(0xde),
        },
        attesters: keys.attesters.iter().map(Key::address).collect(),
        quorum: plan.attesters.1,
        endTime: now + plan.slots.0 * SLOT,
        drain: plan.slots.1 * SLOT,
        blockGasLimit: 1 << 24,
        blockTimeMs: 20,
        windows: Windows {
            forceWindow: 6 * SLOT,
            livenessWindow: (12 + deepest) * SLOT,
            freezeDelay: 6 * SLOT,
            proposeWindow: 5 * SLOT,
            challengeWindow: (30 + deepest) * SLOT,
            resolverTimeout: (15 + deepest) * SLOT,
            escalationWindow: (20 + 2 * deepest) * SLOT,
            minDelayBlocks: 12 + deepest,
            confDepth: plan.conf_depth,
            maxOriginLag: 32,
            maxDrift: 20 * SLOT,
            claimInterval: 8 * SLOT,
        },
        claimBond: U256::from(ETHER),
        freezeBond: U256::from(ETHER),
        closeReward: U256::from(ETHER / 10),
        attestationFee: U256::from(1_000),
        daMode: 2,
        forceGasTarget: U256::from(1_000_000),
        ..Config::default()
    }
}

/// Tokens on L1 that users hold and take to the rollup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens {
    /// An ERC-20.
    pub(crate) coin: Address,
    /// An ERC-721.
    pub(crate) art: Address,
}

/// Units of the ERC-20 that every user starts with on L1.
pub(crate) const COINS: u64 = 1_000_000;

/// Deploys the contracts and creates the rollup; every user starts with an ether on it, and with tokens on L1 that the
/// Inbox may take.
pub(crate) fn launch(l1: &Arc<L1>, plan: &Plan, keys: &Keys) -> (RollupInfo, Tokens) {
    let send = |to: Address, value: U256, data: Bytes| {
        l1.send(&keys.organiser, Some(to), value, data, 1 << 24).unwrap();
        let block = l1.mine(l1.head().timestamp() + SLOT);
        assert!(block.receipts[0].status, "set-up failed: {to}");
        block
    };
    let foundation = Foundation::new(B256::ZERO);
    for step in &foundation.steps {
        send(CREATE2_DEPLOYER, U256::ZERO, step.input());
    }
    send(keys.sequencer.address(), U256::from(plan.poster_ether * ETHER), Bytes::new());
    let config = config(plan, keys, l1.head().timestamp());
    let genesis: Vec<Allocation> =
        keys.users.iter().map(|user| Allocation { to: user.address(), amount: U256::from(ETHER) }).collect();
    let payment = creation_payment(&config, &genesis).unwrap();
    let block = send(foundation.factory, payment, createCall { config, genesis }.abi_encode().into());
    let created = block.receipts[0].logs.iter().find_map(|log| RollupCreated::decode_log(log).ok()).unwrap();
    let info = RollupInfo {
        rollup: created.rollup,
        settlement: created.settlement,
        vault: created.vault,
        chain_id: created.chainId,
        l1_chain_id: CHAIN_ID,
        config: created.config.clone(),
        genesis: created.genesis.clone(),
        l1_number: block.number(),
        l1_hash: block.hash,
        l1_time: block.timestamp(),
    };
    let tokens = mint(l1, keys, info.rollup);
    (info, tokens)
}

fn mint(l1: &Arc<L1>, keys: &Keys, inbox: Address) -> Tokens {
    let anybody = &keys.anybody;
    let gas = 5_000_000;
    let deploy = |code: &Bytes, arguments: Vec<u8>| {
        let nonce = l1.pending_nonce(anybody.address());
        l1.send(anybody, None, U256::ZERO, [code.as_ref(), &arguments].concat().into(), gas).unwrap();
        anybody.address().create(nonce)
    };
    let (name, symbol) = ("Coin".to_owned(), "C".to_owned());
    let coin = TestERC20::constructorCall { name_: name.clone(), symbol_: symbol.clone(), decimals_: 18 };
    let art = TestERC721::constructorCall { name_: name, symbol_: symbol, baseURI_: "art/".to_owned() };
    let coin = deploy(&TestERC20::BYTECODE, coin.abi_encode());
    let art = deploy(&TestERC721::BYTECODE, art.abi_encode());
    for (id, user) in keys.users.iter().enumerate() {
        let to = user.address();
        let mint = TestERC20::mintCall { to, amount: U256::from(COINS) }.abi_encode();
        l1.send(anybody, Some(coin), U256::ZERO, mint.into(), gas).unwrap();
        let mint = TestERC721::mintCall { to, tokenId: U256::from(id) }.abi_encode();
        l1.send(anybody, Some(art), U256::ZERO, mint.into(), gas).unwrap();
        let approve = TestERC20::approveCall { spender: inbox, value: U256::MAX }.abi_encode();
        l1.send(user, Some(coin), U256::ZERO, approve.into(), gas).unwrap();
        let approve = TestERC721::setApprovalForAllCall { operator: inbox, approved: true }.abi_encode();
        l1.send(user, Some(art), U256::ZERO, approve.into(), gas).unwrap();
    }
    let mut block = l1.mine(l1.head().timestamp() + SLOT);
    while l1.pooled() > 0 {
        assert!(block.receipts.iter().all(|receipt| receipt.status), "a token's set-up failed");
        block = l1.mine(l1.head().timestamp() + SLOT);
    }
    Tokens { coin, art }
}
