//! The real contracts in the executor: they hash what this crate hashes, log what it reads, and cost what it estimates.

use super::sim::Wallet;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use mayfly_contracts::factory::RollupFactory;
use mayfly_contracts::inbox::Inbox;
use mayfly_contracts::plan::Foundation;
use mayfly_contracts::predeploys::CREATE2_DEPLOYER;
use mayfly_contracts::settlement::Settlement;
use mayfly_evm::{BlockAttributes, Chain, ChainSpec, Prices, Receipt, Transaction};
use mayfly_rollup::config::{Launch, RollupConfig};
use mayfly_rollup::derive::{InboxEvent, Queue, batch_header_hash};
use mayfly_rollup::{Allocation, Claim, GasTable, RollupInfo, chain_spec};
use std::sync::Arc;

const ETHER: u64 = 1_000_000_000_000_000_000;
const GAS: u64 = 1 << 24;

/// A chain with the factory on it, standing in for L1.
struct L1 {
    info: RollupInfo,
    chain: Chain,
    factory: Address,
}

struct Sent {
    receipt: Receipt,
    output: Bytes,
}

impl L1 {
    fn new(wallets: &mut [Wallet]) -> Self {
        let mut info = RollupInfo { chain_id: 31_337, l1_time: 1_790_000_000, ..RollupInfo::default() };
        info.config.protocolVersion = 1;
        info.config.blockGasLimit = 1 << 28;
        info.genesis = wallets.iter().map(|w| Allocation { to: w.address(), amount: U256::from(10 * ETHER) }).collect();
        let spec = ChainSpec { prices: Prices::default(), ..chain_spec(&info).unwrap() };
        let chain = Chain::create(None, spec, &mayfly_rollup::genesis(&info)).unwrap();
        let foundation = Foundation::new(B256::ZERO);
        let mut l1 = Self { info, chain, factory: foundation.factory };
        for step in &foundation.steps {
            l1.send(&mut wallets[0], CREATE2_DEPLOYER, U256::ZERO, step.input().to_vec());
            assert!(l1.chain.account(&step.address).is_some_and(|account| account.has_code()), "{}", step.name);
        }
        l1
    }

    /// A transaction in a block of its own; it must succeed.
    fn send(&mut self, from: &mut Wallet, to: Address, value: U256, input: Vec<u8>) -> Sent {
        let tx = from.send(&self.info, TxKind::Call(to), value, input.into(), GAS);
        let tx = Transaction::Signed(tx).recover().unwrap();
        let mut builder = self.chain.begin(self.attributes(1)).unwrap();
        let outcome = builder.execute(&Arc::new(tx)).unwrap();
        builder.seal().unwrap();
        assert!(outcome.receipt.status, "reverted with {}", outcome.output);
        Sent { receipt: outcome.receipt, output: outcome.output }
    }

    fn attributes(&self, seconds: u64) -> BlockAttributes {
        BlockAttributes {
            timestamp: self.chain.head().timestamp() + seconds,
            prev_randao: B256::ZERO,
            parent_beacon_block_root: B256::ZERO,
            extra_data: Bytes::new(),
            gas_limit: 1 << 28,
            beneficiary: Address::ZERO,
            consensus: Default::default(),
        }
    }

    fn call<C: SolCall>(&mut self, from: &mut Wallet, to: Address, call: C) -> C::Return {
        let sent = self.send(from, to, U256::ZERO, call.abi_encode());
        C::abi_decode_returns(&sent.output).unwrap()
    }

    fn create(&mut self, wallets: &mut [Wallet], genesis: &[Allocation]) -> (RollupInfo, u64) {
        let launch = Launch {
            l1_chain_id: 31_337,
            now: self.chain.head().timestamp(),
            organiser: wallets[0].address(),
            sequencer: wallets[1].address(),
            receipt_signer: wallets[1].address(),
            resolver: wallets[2].address(),
            attesters: vec![wallets[3].address()],
        };
        let text = "min_delay_blocks = 1";
        let (config, _) = RollupConfig::from_toml(text).unwrap().resolve(&launch).unwrap();
        let sum: U256 = genesis.iter().map(|allocation| allocation.amount).sum();
        let call = RollupFactory::createCall { config: config.clone(), genesis: genesis.to_vec() };
        let sent = self.send(&mut wallets[0], self.factory, sum + config.closeReward, call.abi_encode());
        let mut logs = sent.receipt.logs.iter();
        let created = logs.find_map(|log| RollupFactory::RollupCreated::decode_log(log).ok()).unwrap();
        let head = self.chain.head();
        let info = RollupInfo {
            rollup: created.rollup,
            settlement: created.settlement,
            vault: created.vault,
            chain_id: created.chainId,
            l1_chain_id: 31_337,
            config: created.config.clone(),
            genesis: created.genesis.clone(),
            l1_number: head.number(),
            l1_hash: head.hash,
            l1_time: head.timestamp(),
        };
        (info, sent.receipt.gas_used)
    }

    /// What the last block's logs of the rollup say to derivation.
    fn events(&self, info: &RollupInfo, sent: &Sent) -> Vec<InboxEvent> {
        let (number, time) = (self.chain.head().number(), self.chain.head().timestamp());
        let logs = sent.receipt.logs.iter().filter(|log| log.address == info.rollup);
        logs.filter_map(|log| InboxEvent::decode(&log.data, number, time)).collect()
    }

    fn post_batch(&mut self, wallets: &mut [Wallet], info: &RollupInfo, seq: u64, parent: B256, data: Vec<u8>) -> Sent {
        let origin = self.chain.head().clone();
        let call = Inbox::postBatchCall {
            seq,
            parentHash: parent,
            originNumber: origin.number(),
            originHash: origin.hash,
            queueUpTo: 1,
            codec: 2,
            extraRoot: B256::ZERO,
            data: data.into(),
        };
        self.send(&mut wallets[1], info.rollup, U256::ZERO, call.abi_encode())
    }
}

fn wallets() -> Vec<Wallet> {
    (50..54).map(Wallet::new).collect()
}

fn genesis(count: u8) -> Vec<Allocation> {
    (1..=count).map(|at| Allocation { to: Address::repeat_byte(at), amount: U256::from(at) }).collect()
}

#[test]
fn contracts_and_derivation_hash_alike() {
    let mut wallets = wallets();
    let mut l1 = L1::new(&mut wallets);
    let (info, _) = l1.create(&mut wallets, &genesis(3));
    assert_eq!(l1.call(&mut wallets[0], info.rollup, Inbox::genesisClaimCall {}), info.genesis_claim());

    let deposit = Inbox::depositETHCall { to: Address::repeat_byte(7) }.abi_encode();
    let sent = l1.send(&mut wallets[0], info.rollup, U256::from(5), deposit);
    let mut queue = Queue::default();
    for event in l1.events(&info, &sent) {
        let InboxEvent::QueueItem(item) = event else { panic!("not a queue item") };
        assert!(queue.push(item));
    }
    let onchain = l1.call(&mut wallets[0], info.rollup, Inbox::queueItemCall { index: 0 });
    assert_eq!(queue.hash_at(1), Some(onchain.rolling));

    let sent = l1.post_batch(&mut wallets, &info, 1, info.genesis_claim(), vec![1, 2, 3]);
    let events = l1.events(&info, &sent);
    let [InboxEvent::Batch(batch)] = events.as_slice() else { panic!("not a batch") };
    assert_eq!(batch_header_hash(&batch.header), batch.header_hash);
    assert_eq!(batch.header.dataHash, keccak256([1, 2, 3]));
    assert_eq!(batch.header.includedNumber, l1.chain.head().number());
    assert_eq!(l1.call(&mut wallets[0], info.rollup, Inbox::batchHashCall { seq: 1 }), batch.header_hash);

    let claim = claim(&info, 1, batch.header_hash, onchain.rolling);
    let hash = l1.call(&mut wallets[0], info.settlement, Settlement::hashClaimCall { claim_: claim.clone() });
    assert_eq!(hash, info.claim_hash(&claim));
    let digest = l1.call(&mut wallets[0], info.settlement, Settlement::attestationDigestCall { claimHash_: hash });
    assert_eq!(digest, info.attestation_digest(hash));
}

fn claim(info: &RollupInfo, seq: u64, batch_hash: B256, queue_hash: B256) -> Claim {
    Claim {
        parent: info.genesis_claim(),
        batchSeq: seq,
        batchHash: batch_hash,
        queueHash: queue_hash,
        blockNumber: 9,
        blockHash: B256::repeat_byte(1),
        stateRoot: B256::repeat_byte(2),
        receiptRoot: B256::repeat_byte(3),
        ..Claim::default()
    }
}

/// The gas of everything that an estimate counts.
fn measure() -> GasTable {
    let mut wallets = wallets();
    let mut l1 = L1::new(&mut wallets);
    let (_, create) = l1.create(&mut wallets, &[]);
    let (info, create_20) = l1.create(&mut wallets, &genesis(20));
    let deposit = Inbox::depositETHCall { to: Address::repeat_byte(7) }.abi_encode();
    l1.send(&mut wallets[0], info.rollup, U256::from(5), deposit);
    // The first batch pays for slots that later ones change; the second is what an event pays again and again.
    let first = l1.post_batch(&mut wallets, &info, 1, info.genesis_claim(), vec![0xff; 10]);
    let parent = batch_hash(&l1.events(&info, &first));
    let second = l1.post_batch(&mut wallets, &info, 2, parent, vec![0xff; 10]);
    let hash = batch_hash(&l1.events(&info, &second));
    let queue_hash = l1.call(&mut wallets[0], info.rollup, Inbox::queueItemCall { index: 0 }).rolling;
    let claim = claim(&info, 2, hash, queue_hash);
    let claim_hash = info.claim_hash(&claim);
    let propose = Settlement::proposeClaimCall { claim_: claim, leaves: Bytes::new() }.abi_encode();
    let propose = l1.send(&mut wallets[2], info.settlement, info.config.claimBond, propose);
    let signature = wallets[3].sign_hash(&info.attestation_digest(claim_hash)).as_bytes();
    let attest = Settlement::attestCall { claimHash_: claim_hash, signatures: vec![signature.to_vec().into()] };
    let attest = l1.send(&mut wallets[3], info.settlement, U256::ZERO, attest.abi_encode());
    let finalize = Settlement::finalizeCall { claimHash_: claim_hash }.abi_encode();
    let finalize = l1.send(&mut wallets[0], info.settlement, U256::ZERO, finalize);
    GasTable {
        create,
        allocation: (create_20 - create) / 20,
        batch: second.receipt.gas_used,
        propose: propose.receipt.gas_used,
        attest: attest.receipt.gas_used,
        finalize: finalize.receipt.gas_used,
    }
}

fn batch_hash(events: &[InboxEvent]) -> B256 {
    match events {
        [InboxEvent::Batch(batch)] => batch.header_hash,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_estimate_uses_what_the_contracts_cost() {
    let (measured, table) = (measure(), GasTable::default());
    println!("measured {measured:?}");
    let pairs = [
        ("create", measured.create, table.create),
        ("allocation", measured.allocation, table.allocation),
        ("batch", measured.batch, table.batch),
        ("propose", measured.propose, table.propose),
        ("attest", measured.attest, table.attest),
        ("finalize", measured.finalize, table.finalize),
    ];
    for (name, measured, table) in pairs {
        assert!(table >= measured && table <= measured * 5 / 4, "{name}: measured {measured}, estimated {table}");
    }
}
