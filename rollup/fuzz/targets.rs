//! What the fuzzers run, as plain functions: the tests feed them a committed corpus and seeded mutations, libFuzzer
//! anything it likes.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;
use mayfly_evm::Chain;
use mayfly_rollup::batch::{decode, encode, pack_blobs, unpack_blobs};
use mayfly_rollup::derive::{
    BatchData, Derivation, InboxEvent, L1Block, L2Ref, PostedBatch, QueueItem, Step, batch_header_hash,
};
use mayfly_rollup::settlement::LeafFile;
use mayfly_rollup::{BatchHeader, RollupInfo, chain_spec, genesis};
use std::sync::Arc;

/// Whatever decodes encodes again, to something that says the same.
pub(crate) fn fuzz_batch(data: &[u8]) {
    if let Ok(payload) = decode(data) {
        let again = encode(payload.parent_hash, &payload.blocks).expect("what was decoded can be encoded");
        assert_eq!(decode(&again).expect("what was encoded can be decoded"), payload);
    }
    if let Ok(file) = LeafFile::decode(data) {
        assert_eq!(file.encode(), data);
    }
    let _ = LeafFile::decompress(data);
    let blobs: Vec<&[u8]> = data.chunks(131_072).collect();
    if let Ok(payload) = unpack_blobs(&blobs) {
        assert_eq!(pack_blobs(&payload).expect("it came from blobs").concat(), data);
    }
}

const L1_START: u64 = 10;
const L1_TIME: u64 = 1_000;
const GAS_LIMIT: u64 = 1 << 24;

/// A rollup whose first batch carries `data` (its parent hash set right), with items of every kind in the queue before
/// it, one of them made of `data`. Nothing may panic or stop derivation, and it consumes the whole queue.
pub(crate) fn fuzz_derivation(data: &[u8]) {
    let info = Arc::new(fuzz_info());
    let mut chain = Chain::create(None, chain_spec(&info).expect("version 1"), &genesis(&info)).expect("valid genesis");
    let head = L2Ref { number: 0, hash: chain.head().hash };
    let mut derivation = Derivation::new(info.clone(), head);
    let mut payload = data.to_vec();
    if let Some(parent) = payload.get_mut(1..33) {
        parent.copy_from_slice(head.hash.as_slice());
    }
    let items = fuzz_items(data);
    let count = items.len() as u64;
    let first = l1_block(L1_START, items.into_iter().map(InboxEvent::QueueItem).collect());
    let second = l1_block(L1_START + 1, vec![batch(&info, count, payload.into())]);
    let mut close = l1_block(L1_START + 2, Vec::new());
    close.timestamp = info.planned_close_time();
    for block in [first, second, close] {
        derivation.push(block).expect("blocks are contiguous");
        run(&mut derivation, &mut chain);
    }
    let end = derivation.checkpoint();
    assert!(end.closed && end.batch_seq == 1 && end.consumed == count);
}

fn run(derivation: &mut Derivation, chain: &mut Chain) {
    while !matches!(derivation.step(chain).expect("no data stops derivation"), Step::NeedL1) {}
}

/// The rollup that the fuzzers use.
pub(crate) fn fuzz_info() -> RollupInfo {
    let mut info = RollupInfo {
        rollup: Address::repeat_byte(0x10),
        chain_id: 7_777,
        l1_chain_id: 31_337,
        l1_number: L1_START,
        l1_hash: l1_hash(L1_START),
        l1_time: L1_TIME,
        ..RollupInfo::default()
    };
    info.config.protocolVersion = 1;
    info.config.blockGasLimit = GAS_LIMIT;
    info.config.endTime = L1_TIME + 100;
    info.config.drain = 100;
    info.config.windows.maxDrift = 60;
    info
}

fn fuzz_items(data: &[u8]) -> Vec<QueueItem> {
    let item = |index, kind, payload: Vec<u8>| QueueItem {
        index,
        kind,
        sender: Address::repeat_byte(3),
        gas_limit: 1_000_000,
        payload: payload.into(),
        l1_number: L1_START,
        l1_time: L1_TIME,
    };
    let native = (Address::repeat_byte(4), U256::from(5)).abi_encode_params();
    let mut items = vec![item(0, 0, native)];
    items.extend((1..5).map(|kind| item(kind.into(), kind, data.to_vec())));
    items
}

fn batch(info: &RollupInfo, queue_up_to: u64, payload: Bytes) -> InboxEvent {
    let header = BatchHeader {
        seq: 1,
        parentHash: info.genesis_claim(),
        originNumber: L1_START,
        originHash: info.l1_hash,
        queueUpTo: queue_up_to,
        codec: 2,
        dataHash: keccak256(&payload),
        extraRoot: B256::ZERO,
        includedNumber: L1_START + 1,
        includedTime: L1_TIME + 12,
    };
    let header_hash = batch_header_hash(&header);
    let data = BatchData::Calldata(payload);
    InboxEvent::Batch(Box::new(PostedBatch { header, header_hash, blob_hashes: Vec::new(), data }))
}

fn l1_hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn l1_block(number: u64, events: Vec<InboxEvent>) -> L1Block {
    L1Block {
        number,
        hash: l1_hash(number),
        parent_hash: l1_hash(number - 1),
        timestamp: L1_TIME + 12 * (number - L1_START),
        prev_randao: B256::ZERO,
        parent_beacon_root: None,
        events,
    }
}
