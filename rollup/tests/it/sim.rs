//! L1 as derivation sees it, and a sequencer that builds, encodes and posts on it.

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::SolValue;
use mayfly_contracts::types::BatchHeader;
use mayfly_evm::{Chain, RecoveredTx, SealedBlock, Transaction};
use mayfly_rollup::batch::{BatchEncoder, PendingBlock, pack_blobs};
use mayfly_rollup::derive::{
    Ahead, BatchData, BatchOutcome, Derivation, InboxEvent, L1Block, L1Origin, L2Ref, PostedBatch, Queue, QueueItem,
    Step, batch_header_hash, block_attributes, execute_queue_item, payload_blocks,
};
use mayfly_rollup::{DeriveError, RollupInfo, chain_spec, genesis};
use std::sync::Arc;

pub(crate) const L1_START: u64 = 100;
pub(crate) const L1_TIME: u64 = 10_000;
pub(crate) const L1_BLOCK_SECONDS: u64 = 12;
pub(crate) const GAS_LIMIT: u64 = 1 << 25;

pub(crate) fn info() -> Arc<RollupInfo> {
    let mut info = RollupInfo {
        rollup: Address::repeat_byte(0x10),
        settlement: Address::repeat_byte(0x11),
        vault: Address::repeat_byte(0x12),
        chain_id: 0x0010_0000_1234,
        l1_chain_id: 31_337,
        l1_number: L1_START,
        l1_hash: l1_hash(L1_START, 0),
        l1_time: L1_TIME,
        ..RollupInfo::default()
    };
    let config = &mut info.config;
    config.protocolVersion = 1;
    config.organiser = Address::repeat_byte(0x20);
    config.blockGasLimit = GAS_LIMIT;
    config.endTime = L1_TIME + 10_000;
    config.drain = 1_000;
    config.windows.maxDrift = 600;
    Arc::new(info)
}

fn l1_hash(number: u64, fork: u64) -> B256 {
    keccak256((U256::from(number), U256::from(fork)).abi_encode())
}

pub(crate) fn new_chain(info: &RollupInfo) -> Chain {
    Chain::create(None, chain_spec(info).unwrap(), &genesis(info)).unwrap()
}

pub(crate) fn head_of(chain: &Chain) -> L2Ref {
    L2Ref { number: chain.head().number(), hash: chain.head().hash }
}

pub(crate) struct Wallet {
    signer: PrivateKeySigner,
    pub(crate) nonce: u64,
}

impl Wallet {
    pub(crate) fn new(seed: u64) -> Self {
        let key = keccak256(seed.to_be_bytes());
        Self { signer: PrivateKeySigner::from_bytes(&key).unwrap(), nonce: 0 }
    }

    pub(crate) fn address(&self) -> Address {
        self.signer.address()
    }

    pub(crate) fn sign(&self, tx: TxEip1559) -> TxEnvelope {
        let signature = self.signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        tx.into_signed(signature).into()
    }

    /// The next transaction of this wallet.
    pub(crate) fn send(
        &mut self,
        info: &RollupInfo,
        to: TxKind,
        value: U256,
        input: Bytes,
        gas_limit: u64,
    ) -> TxEnvelope {
        let nonce = self.nonce;
        self.nonce += 1;
        self.sign(TxEip1559 { chain_id: info.chain_id, nonce, gas_limit, to, value, input, ..Default::default() })
    }

    pub(crate) fn sign_hash(&self, hash: &B256) -> alloy_primitives::Signature {
        self.signer.sign_hash_sync(hash).unwrap()
    }
}

/// L1, the Inbox on it, and the sequencer's chain.
pub(crate) struct Sim {
    pub(crate) info: Arc<RollupInfo>,
    pub(crate) l1: Vec<L1Block>,
    pub(crate) chain: Chain,
    pub(crate) queue: Queue,
    pub(crate) encoder: BatchEncoder,
    events: Vec<InboxEvent>,
    fork: u64,
    /// How far the next L1 block is from the last one.
    pub(crate) l1_seconds: u64,
    /// Sequence number and hash of the last batch.
    pub(crate) link: (u64, B256),
    /// Queue items consumed by the sequencer's chain.
    pub(crate) consumed: u64,
    pub(crate) origin: u64,
}

impl Sim {
    pub(crate) fn new() -> Self {
        Self::with(info())
    }

    pub(crate) fn with(info: Arc<RollupInfo>) -> Self {
        let mut sim = Self {
            l1: Vec::new(),
            chain: new_chain(&info),
            queue: Queue::default(),
            encoder: BatchEncoder::new(usize::MAX),
            events: Vec::new(),
            fork: 0,
            l1_seconds: L1_BLOCK_SECONDS,
            link: (0, info.genesis_claim()),
            consumed: 0,
            origin: L1_START,
            info,
        };
        sim.mine();
        sim
    }

    pub(crate) fn next_number(&self) -> u64 {
        L1_START + self.l1.len() as u64
    }

    pub(crate) fn next_time(&self) -> u64 {
        self.l1.last().map_or(L1_TIME, |block| block.timestamp + self.l1_seconds)
    }

    /// Mines an L1 block with everything that waits.
    pub(crate) fn mine(&mut self) {
        self.mine_at(self.next_time());
    }

    pub(crate) fn mine_at(&mut self, timestamp: u64) {
        let number = self.next_number();
        self.l1.push(L1Block {
            number,
            hash: l1_hash(number, self.fork),
            parent_hash: self.l1.last().map_or(B256::ZERO, |block| block.hash),
            timestamp,
            prev_randao: keccak256(number.to_be_bytes()),
            parent_beacon_root: number.is_multiple_of(2).then(|| keccak256([number as u8])),
            events: std::mem::take(&mut self.events),
        });
    }

    pub(crate) fn event(&mut self, event: InboxEvent) {
        self.events.push(event);
    }

    pub(crate) fn queue_item(&mut self, kind: u8, gas_limit: u64, payload: Vec<u8>) {
        let item = QueueItem {
            index: self.queue.len(),
            kind,
            sender: Address::repeat_byte(0x30),
            gas_limit,
            payload: payload.into(),
            l1_number: self.next_number(),
            l1_time: self.next_time(),
        };
        assert!(self.queue.push(item.clone()));
        self.events.push(InboxEvent::QueueItem(item));
    }

    pub(crate) fn deposit(&mut self, to: Address, amount: u64) {
        self.queue_item(0, 21_000, (to, U256::from(amount)).abi_encode_params());
    }

    pub(crate) fn force(&mut self, tx: &TxEnvelope, gas_limit: u64) {
        use alloy_eips::eip2718::Encodable2718;
        self.queue_item(4, gas_limit, tx.encoded_2718());
    }

    pub(crate) fn origin_at(&self, number: u64) -> L1Origin {
        self.l1[(number - L1_START) as usize].origin()
    }

    /// Queue items that a block with this origin may consume.
    pub(crate) fn open_items(&self, origin: u64) -> Vec<QueueItem> {
        (self.consumed..self.queue.len())
            .map_while(|index| self.queue.get(index).cloned())
            .take_while(|item| item.l1_number <= origin)
            .collect()
    }

    /// The sequencer's next block: these items, then whatever of the transactions executes.
    pub(crate) fn seal(&mut self, origin: u64, items: usize, transactions: Vec<TxEnvelope>) -> Arc<SealedBlock> {
        let items = self.open_items(origin)[..items].to_vec();
        let end = self.consumed + items.len() as u64;
        let l1 = self.origin_at(origin);
        let parent = self.chain.head().clone();
        let attributes = block_attributes(&self.info, &parent.header, &l1, l1.timestamp, end);
        let mut builder = self.chain.begin(attributes).unwrap();
        for item in &items {
            execute_queue_item(&self.info, &mut builder, item).unwrap();
        }
        for tx in transactions {
            let tx: RecoveredTx = Transaction::Signed(tx).recover().unwrap();
            builder.execute(&Arc::new(tx)).unwrap();
        }
        let block = builder.seal().unwrap();
        self.consumed = end;
        self.origin = origin;
        let row = payload_blocks(&self.info, &parent, &block, &items).unwrap();
        let pending = PendingBlock {
            number: block.number(),
            hash: block.hash,
            parent_hash: parent.hash,
            queue_end: end,
            block: row,
        };
        self.encoder.add_block(pending).unwrap();
        block
    }

    /// Posts what waits in the encoder, as blobs or calldata.
    pub(crate) fn post(&mut self, blobs: bool) {
        let batch = self.encoder.encode_next().unwrap().unwrap();
        self.encoder.confirm(batch.last_block);
        self.post_payload(batch.payload, blobs, batch.origin, batch.queue_up_to);
    }

    pub(crate) fn post_payload(&mut self, payload: Vec<u8>, blobs: bool, origin: u64, queue_up_to: u64) {
        if !blobs {
            let hash = keccak256(&payload);
            return self.post_data(2, hash, Vec::new(), BatchData::Calldata(payload.into()), origin, queue_up_to);
        }
        let blobs: Vec<Bytes> = pack_blobs(&payload).unwrap().into_iter().map(Bytes::from).collect();
        self.post_blobs(blobs, origin, queue_up_to);
    }

    pub(crate) fn post_blobs(&mut self, blobs: Vec<Bytes>, origin: u64, queue_up_to: u64) {
        let hashes: Vec<B256> = blobs.iter().map(keccak256).collect();
        let hash = keccak256(hashes.concat());
        self.post_data(1, hash, hashes, BatchData::Blobs(blobs), origin, queue_up_to);
    }

    pub(crate) fn post_forced(&mut self, origin: u64, queue_up_to: u64) {
        self.post_data(0, B256::ZERO, Vec::new(), BatchData::None, origin, queue_up_to);
    }

    fn post_data(
        &mut self,
        codec: u8,
        hash: B256,
        blob_hashes: Vec<B256>,
        data: BatchData,
        origin: u64,
        queue_up_to: u64,
    ) {
        let header = BatchHeader {
            seq: self.link.0 + 1,
            parentHash: self.link.1,
            originNumber: origin,
            originHash: self.origin_at(origin).hash,
            queueUpTo: queue_up_to,
            codec,
            dataHash: hash,
            extraRoot: B256::ZERO,
            includedNumber: self.next_number(),
            includedTime: self.next_time(),
        };
        let header_hash = batch_header_hash(&header);
        self.link = (header.seq, header_hash);
        self.events.push(InboxEvent::Batch(Box::new(PostedBatch {
            header,
            header_hash,
            blob_hashes,
            data,
            ahead: Ahead::default(),
        })));
    }

    /// Drops L1 blocks from `number` on; what is mined now has other hashes.
    pub(crate) fn fork_l1(&mut self, number: u64) {
        self.l1.truncate((number - L1_START) as usize);
        self.fork += 1;
    }
}

/// What a verifier derived.
pub(crate) struct Derived {
    pub(crate) chain: Chain,
    pub(crate) derivation: Derivation,
    pub(crate) outcomes: Vec<BatchOutcome>,
    pub(crate) closed: Option<(L2Ref, B256)>,
    pub(crate) reverted: usize,
}

impl Derived {
    pub(crate) fn new(info: &Arc<RollupInfo>) -> Self {
        let chain = new_chain(info);
        let derivation = Derivation::new(info.clone(), head_of(&chain));
        Self { chain, derivation, outcomes: Vec::new(), closed: None, reverted: 0 }
    }

    pub(crate) fn of(sim: &Sim) -> Self {
        let mut derived = Self::new(&sim.info);
        derived.follow(&sim.l1).unwrap();
        derived
    }

    /// The same, each block prepared while the one before is derived.
    pub(crate) fn ahead_of(sim: &Sim) -> Self {
        let (mut derived, mut l1) = (Self::new(&sim.info), sim.l1.clone());
        for index in 0..l1.len() {
            derived.derivation.push(l1[index].clone()).unwrap();
            if let Some(next) = l1.get_mut(index + 1) {
                derived.derivation.lookahead().begin(next);
            }
            derived.drain().unwrap();
        }
        derived
    }

    /// Pushes the blocks that are missing and derives them.
    pub(crate) fn follow(&mut self, l1: &[L1Block]) -> Result<(), DeriveError> {
        while let Some(block) = l1.get((self.derivation.next_l1() - L1_START) as usize) {
            self.derivation.push(block.clone())?;
            self.drain()?;
        }
        Ok(())
    }

    pub(crate) fn drain(&mut self) -> Result<(), DeriveError> {
        loop {
            match self.derivation.step(&mut self.chain)? {
                Step::NeedL1 => return Ok(()),
                Step::Block(_) | Step::L1Done(_) => {}
                Step::Reverted { blocks, .. } => self.reverted += blocks.len(),
                Step::BatchDone(outcome) => self.outcomes.push(*outcome),
                Step::Closed { head, queue_hash, .. } => self.closed = Some((head, queue_hash)),
            }
        }
    }

    pub(crate) fn blocks(&self) -> Vec<Arc<SealedBlock>> {
        blocks_of(&self.chain)
    }
}

pub(crate) fn blocks_of(chain: &Chain) -> Vec<Arc<SealedBlock>> {
    let reader = chain.reader();
    (0..=chain.head().number()).map(|number| reader.block_by_number(number).unwrap().unwrap()).collect()
}
