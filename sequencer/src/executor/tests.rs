//! The executor in turns, on L1 blocks that are written by hand.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, TxKind, keccak256};
use mayfly_contracts::types::BatchHeader;
use mayfly_evm::{Chain, RecoveredTx, SealedBlock, Transaction};
use mayfly_rollup::batch::{BatchBlock, encode};
use mayfly_rollup::derive::{Ahead, BatchData, Derivation, InboxEvent, L1Block, L2Ref, PostedBatch, batch_header_hash};
use mayfly_rollup::{RollupInfo, chain_spec, genesis};
use tokio::sync::{mpsc, oneshot};

use super::{Executor, ExecutorParts, GoOn, L1Message, Mailbox, Message, Stands};
use crate::admission::{Admission, AdmissionConfig};
use crate::clock::Clock;
use crate::config::SequencerSettings;
use crate::intake::describe;
use crate::metrics::Metrics;
use crate::origin::Origin;
use crate::shared::Shared;

/// The L1 block that holds the creation.
const CREATED: u64 = 100;
const SLOT_SECONDS: u64 = 12;

fn info() -> Arc<RollupInfo> {
    let now = Clock::System.unix().as_secs();
    let mut info = RollupInfo {
        rollup: Address::repeat_byte(0x10),
        chain_id: 0x0010_0000_1234,
        l1_chain_id: 31_337,
        l1_number: CREATED,
        l1_hash: l1_hash(CREATED),
        l1_time: now - 10 * SLOT_SECONDS,
        ..RollupInfo::default()
    };
    let config = &mut info.config;
    config.protocolVersion = 1;
    config.blockGasLimit = 1 << 25;
    config.blockTimeMs = 20;
    config.endTime = now + 10_000;
    config.drain = 1_000;
    config.windows.maxDrift = 600;
    config.windows.confDepth = 1;
    Arc::new(info)
}

fn l1_hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn l1_block(info: &RollupInfo, number: u64, events: Vec<InboxEvent>) -> L1Block {
    L1Block {
        number,
        hash: l1_hash(number),
        parent_hash: if number == CREATED { B256::ZERO } else { l1_hash(number - 1) },
        timestamp: info.l1_time + SLOT_SECONDS * (number - CREATED),
        prev_randao: keccak256([number as u8]),
        parent_beacon_root: None,
        events,
    }
}

/// The first transaction of the key `seed`.
fn transaction(info: &RollupInfo, seed: u8) -> Arc<RecoveredTx> {
    let (chain_id, to) = (info.chain_id, TxKind::Call(Address::repeat_byte(0xee)));
    let tx = TxEip1559 { chain_id, gas_limit: 21_000, to, ..Default::default() };
    let key = PrivateKeySigner::from_bytes(&B256::repeat_byte(seed)).unwrap();
    let signature = key.sign_hash_sync(&tx.signature_hash()).unwrap();
    Arc::new(Transaction::Signed(tx.into_signed(signature).into()).recover().unwrap())
}

/// A batch in the L1 block `at`, whose number and time it says.
fn batch(at: &L1Block, link: (u64, B256), origin: &L1Block, queue_up_to: u64, payload: Vec<u8>) -> PostedBatch {
    let header = BatchHeader {
        seq: link.0 + 1,
        parentHash: link.1,
        originNumber: origin.number,
        originHash: origin.hash,
        queueUpTo: queue_up_to,
        codec: 2,
        dataHash: keccak256(&payload),
        extraRoot: B256::ZERO,
        includedNumber: at.number,
        includedTime: at.timestamp,
    };
    let header_hash = batch_header_hash(&header);
    let (data, blob_hashes) = (BatchData::Calldata(payload.into()), Vec::new());
    PostedBatch { header, header_hash, blob_hashes, data, ahead: Ahead::default() }
}

/// An executor on a chain in memory.
struct Puppet {
    info: Arc<RollupInfo>,
    shared: Arc<Shared>,
    executor: Executor,
}

impl Puppet {
    /// In step with an L1 of some blocks; returns their last number as well.
    fn in_step() -> (Self, u64) {
        let info = info();
        let chain = Chain::create(None, chain_spec(&info).unwrap(), &genesis(&info)).unwrap();
        let genesis = L2Ref { number: 0, hash: chain.head().hash };
        let from = *Derivation::new(Arc::clone(&info), genesis).checkpoint();
        let (metrics, _) = Metrics::register(&prometheus::Registry::new(), "0x01").unwrap();
        let admission = Admission::new(&AdmissionConfig::default(), Instant::now());
        let shared = Arc::new(Shared::new(chain.reader(), admission, metrics, None));
        let parts = ExecutorParts {
            info: Arc::clone(&info),
            settings: SequencerSettings::default(),
            chain,
            stands: Stands::open(None, from).unwrap(),
            from,
            data_dir: None,
            mailbox: Mailbox::new(),
            shared: Arc::clone(&shared),
            notes: mpsc::channel(64).0,
            clock: Clock::System,
        };
        let mut puppet = Self { info, shared, executor: Executor::new(parts).unwrap() };
        let last = CREATED + 9;
        puppet.follow(CREATED, last);
        (puppet, last)
    }

    fn turn(&mut self, message: Option<Message>) {
        assert!(self.executor.turn(message.into_iter().collect::<VecDeque<_>>()).unwrap());
    }

    fn l1(&mut self, message: L1Message) {
        self.turn(Some(Message::L1(message)));
    }

    /// Reads empty L1 blocks up to the head.
    fn follow(&mut self, from: u64, to: u64) {
        for number in from..=to {
            self.l1(L1Message::Block(Box::new(l1_block(&self.info, number, Vec::new()))));
        }
        self.l1(L1Message::CaughtUp);
    }

    /// Answers a transaction, in a block of its own.
    fn answer(&mut self, tx: &Arc<RecoveredTx>) {
        let tx = RecoveredTx::decode(&tx.tx.encode_2718()).unwrap();
        let size = tx.tx.encoded_len();
        self.executor.enter_one(describe(tx, size, Origin::Local, Instant::now())).unwrap();
        self.build();
    }

    /// Turns until a block more is sealed.
    fn build(&mut self) {
        let (before, begun) = (self.head().header.number, Instant::now());
        while self.head().header.number == before {
            let pause = &self.executor.pause;
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is built: {pause:?}");
            self.turn(None);
        }
    }

    fn head(&self) -> &Arc<SealedBlock> {
        self.executor.chain.head()
    }

    fn rescued(&self) -> Vec<B256> {
        self.executor.rescued.iter().map(|tx| tx.hash()).collect()
    }
}

/// An endpoint makes up an L1 block with two batches: the first builds on what L1 has and holds a stranger's transaction,
/// the second cannot be. What was derived from the first by then is gone again, and nobody's transaction is.
#[test]
fn what_a_forged_l1_block_led_to_before_it_was_found_out_is_taken_back() {
    let (mut puppet, last) = Puppet::in_step();
    let info = Arc::clone(&puppet.info);
    let (ours, theirs) = (transaction(&info, 1), transaction(&info, 2));
    let genesis = puppet.head().hash;
    puppet.answer(&ours);
    assert_eq!(puppet.head().header.number, 1);

    let (origin, mut forged) = (l1_block(&info, last, Vec::new()), l1_block(&info, last + 1, Vec::new()));
    let transactions = vec![theirs.tx.as_signed().unwrap().clone()];
    let block =
        BatchBlock { origin: last, timestamp: origin.timestamp, queue_items: 0, transactions, sponsors: Vec::new() };
    let payload = encode(genesis, &[block]).unwrap();
    let first = batch(&forged, (0, info.genesis_claim()), &origin, 0, payload.clone());
    // There is no queue item.
    let second = batch(&forged, (1, first.header_hash), &origin, 7, payload);
    forged.events = [first, second].map(|batch| InboxEvent::Batch(Box::new(batch))).into();
    puppet.l1(L1Message::Block(Box::new(forged)));

    let refused = puppet.shared.refused.lock().clone().unwrap();
    assert_eq!((refused.block.number, refused.block.hash), (last + 1, l1_hash(last + 1)));
    assert!(refused.why.contains("batch 2: its queue position is out of order"), "{}", refused.why);
    assert_eq!((puppet.head().header.number, puppet.head().hash), (0, genesis));
    assert_eq!(puppet.rescued(), [theirs.hash(), ours.hash()]);
    // And nothing is built on it, whatever comes.
    puppet.l1(L1Message::CaughtUp);
    assert_eq!((puppet.head().hash, puppet.executor.synced), (genesis, false));

    // L1 is read again, from where it stands.
    let (answer, mut told) = oneshot::channel();
    puppet.l1(L1Message::Reorg { common: last, reopen: true, answer });
    assert_eq!(told.try_recv().unwrap(), GoOn { from: Some(CREATED), settled: CREATED - 1 });
    puppet.follow(CREATED, last + 1);
    if puppet.head().header.number == 0 {
        puppet.build();
    }
    let hashes: Vec<B256> = puppet.head().transactions.iter().map(|tx| tx.hash()).collect();
    assert_eq!((puppet.head().header.number, hashes), (1, vec![theirs.hash(), ours.hash()]));
    assert!(puppet.rescued().is_empty() && puppet.executor.lost_count == 0);
}
