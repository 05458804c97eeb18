//! Payloads: round trips, sizes, and everything that must be refused.

use super::workload::{CHAIN_ID, any_blocks, blocks, erc20, mints, mints_to_signer, rng, signature};
use alloy_consensus::{Signed, TxEip1559, TxEip4844, TxEip4844Variant, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Signature, TxKind, U256};
use mayfly_rollup::BatchError;
use mayfly_rollup::batch::{
    BatchBlock, BatchEncoder, MOST_FRAME_BYTES, PendingBlock, decode, encode, most_block_bytes, pack_blobs,
    unpack_blobs,
};
use proptest::prelude::*;
use rand::Rng;
use rand::rngs::StdRng;

/// Of a small batch.
const LIMIT: usize = 130_000;
const PARENT: B256 = B256::repeat_byte(0x11);

/// What decoding gives back: sponsors of a payload without any are left out, as are those of a
/// block when others have some, so compare them filled in.
fn plain(blocks: &[BatchBlock]) -> Vec<BatchBlock> {
    let any = blocks.iter().flat_map(|block| &block.sponsors).any(|sponsor| !sponsor.is_zero());
    let fill = |block: &BatchBlock| {
        let mut block = block.clone();
        block.sponsors.resize(block.transactions.len(), B256::ZERO);
        if !any {
            block.sponsors.clear();
        }
        block
    };
    blocks.iter().map(fill).collect()
}

fn most_bytes(block: &BatchBlock) -> usize {
    let encoded = block.transactions.iter().map(Encodable2718::encode_2718_len).sum();
    most_block_bytes(encoded, block.transactions.len())
}

/// A call of a function of its own, with up to 32 words, of which nothing is known beforehand.
fn noisy(rng: &mut StdRng) -> TxEnvelope {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce: rng.random(),
        gas_limit: rng.random(),
        max_fee_per_gas: rng.random(),
        max_priority_fee_per_gas: rng.random(),
        to: TxKind::Call(Address::from(rng.random::<[u8; 20]>())),
        value: U256::from_be_bytes(rng.random::<[u8; 32]>()),
        input: (0..4 + 32 * rng.random_range(0..33)).map(|_| rng.random::<u8>()).collect(),
        ..Default::default()
    };
    Signed::new_unhashed(tx, signature(rng)).into()
}

fn bytes_per_tx(transactions: Vec<TxEnvelope>) -> f64 {
    let count = transactions.len();
    let blocks = blocks(transactions, 25);
    let payload = encode(PARENT, &blocks).unwrap();
    assert_eq!(decode(&payload).unwrap().blocks, blocks);
    payload.len() as f64 / count as f64
}

#[test]
fn erc20_transfers_fit_their_size() {
    let size = bytes_per_tx(erc20(10_000, 1_000, 1));
    println!("erc20 {size:.2} B/tx");
    assert!(size <= 71.5, "{size}");
}

#[test]
fn mints_fit_their_size() {
    let size = bytes_per_tx(mints(10_000, 2));
    println!("mints {size:.2} B/tx");
    assert!(size <= 67.0, "{size}");
    // A call that names its own signer cannot get that address from the signature, which signs it.
    let named = bytes_per_tx(mints_to_signer(8_000, 2));
    println!("mints to a named signer {named:.2} B/tx");
    assert!(named <= 85.0, "{named}");
}

#[test]
fn encoding_is_deterministic() {
    let blocks = any_blocks(&mut rng(7), 60);
    assert_eq!(encode(PARENT, &blocks).unwrap(), encode(PARENT, &blocks.clone()).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn payloads_round_trip(seed in any::<u64>(), size in 0_usize..40) {
        let mut rng = rng(seed);
        let blocks = any_blocks(&mut rng, size);
        let payload = encode(PARENT, &blocks).unwrap();
        let decoded = decode(&payload).unwrap();
        prop_assert_eq!(decoded.parent_hash, PARENT);
        prop_assert_eq!(&decoded.blocks, &plain(&blocks));
        prop_assert_eq!(encode(PARENT, &decoded.blocks).unwrap(), payload.clone());
        prop_assert_eq!(unpack_blobs(&pack_blobs(&payload).unwrap()).unwrap(), payload);
    }

    /// The sequencer counts on it near the close: what it answers must fit what L1 takes, whatever it is.
    #[test]
    fn a_payload_is_hardly_larger_than_its_transactions(seed in any::<u64>(), size in 0_usize..40, noise: bool) {
        let mut rng = rng(seed);
        let mut blocks = any_blocks(&mut rng, size);
        for block in &mut blocks {
            block.sponsors.clear();
            if noise {
                block.transactions.extend((0..size).map(|_| noisy(&mut rng)));
            }
        }
        let payload = encode(PARENT, &blocks).unwrap();
        let most = MOST_FRAME_BYTES + blocks.iter().map(most_bytes).sum::<usize>();
        prop_assert!(payload.len() <= most, "{} bytes, at most {}", payload.len(), most);
    }

    #[test]
    fn what_fits_if_nothing_compresses_is_in_a_batch(seed in any::<u64>()) {
        let mut rng = rng(seed);
        let sizes: Vec<usize> = (0..40).map(|_| if rng.random() { 1 } else { rng.random_range(1..60) }).collect();
        let mut parent = PARENT;
        let mut encoder = BatchEncoder::new(LIMIT);
        let mut sure: Vec<usize> = Vec::new();
        for (at, size) in sizes.into_iter().enumerate() {
            let transactions = (0..size).map(|_| noisy(&mut rng)).collect();
            let (origin, timestamp) = (21_000_000, 1_790_000_000 + at as u64);
            let block = BatchBlock { origin, timestamp, queue_items: 0, transactions, sponsors: Vec::new() };
            sure.push(most_bytes(&block));
            let (number, hash) = (at as u64 + 1, B256::from(rng.random::<[u8; 32]>()));
            encoder.add_block(PendingBlock { number, hash, parent_hash: parent, queue_end: 0, block }).unwrap();
            parent = hash;
        }
        while let Some(batch) = encoder.encode_next().unwrap() {
            let count = (batch.last_block + 1 - batch.first_block) as usize;
            let size = |count: usize| MOST_FRAME_BYTES + sure.iter().take(count).sum::<usize>();
            prop_assert!(count == sure.len() || size(count + 1) > LIMIT, "{} of {}", count, sure.len());
            sure.drain(..count);
            encoder.confirm(batch.last_block);
        }
    }

    #[test]
    fn mutated_payloads_decode_to_something_canonical_or_not_at_all(seed in any::<u64>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut payload = encode(PARENT, &any_blocks(&mut rng(seed), 8)).unwrap();
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok(decoded) = decode(&payload) {
            let again = encode(decoded.parent_hash, &decoded.blocks).unwrap();
            prop_assert_eq!(decode(&again).unwrap(), decoded);
        }
    }
}

fn small() -> Vec<u8> {
    encode(PARENT, &blocks(erc20(20, 5, 4), 5)).unwrap()
}

#[test]
fn refuses_trailing_and_missing_bytes() {
    let payload = small();
    assert!(decode(&payload).is_ok());
    assert!(matches!(decode(&[payload.clone(), vec![0]].concat()), Err(BatchError::Trailing { .. })));
    for len in [0, 1, 33, 40, 60, payload.len() - 1, payload.len() - 64] {
        assert!(decode(&payload[..len]).is_err(), "{len}");
    }
}

#[test]
fn refuses_another_format_and_a_wrong_size() {
    let mut payload = small();
    payload[0] = 2;
    assert_eq!(decode(&payload), Err(BatchError::Format(2)));
    payload[0] = 1;
    payload[36] ^= 1;
    assert!(matches!(decode(&payload), Err(BatchError::Frame(_))));
}

#[test]
fn refuses_a_second_frame() {
    let payload = small();
    let frame_len = u32::from_be_bytes(payload[37..41].try_into().unwrap()) as usize;
    let frame = &payload[41..41 + frame_len];
    let twice =
        [&payload[..37], &(2 * frame_len as u32).to_be_bytes(), frame, frame, &payload[41 + frame_len..]].concat();
    assert!(matches!(decode(&twice), Err(BatchError::Trailing { what: "frame", .. })));
}

#[test]
fn refuses_high_s_and_zero_signatures() {
    let payload = small();
    for (offset, byte) in [(32, 0x80), (64, 0xff)] {
        let mut bad = payload.clone();
        let at = bad.len() - offset;
        bad[at] = byte;
        assert_eq!(decode(&bad).is_err(), offset == 32, "{offset}");
    }
    let mut bad = payload.clone();
    let len = bad.len();
    bad[len - 64..len - 32].fill(0);
    assert!(matches!(decode(&bad), Err(BatchError::Signature { .. })));
    bad[len - 64..len - 32].fill(0xff);
    assert!(matches!(decode(&bad), Err(BatchError::Signature { .. })));
}

#[test]
fn refuses_to_encode_blob_transactions_empty_payloads_and_too_much() {
    let blob: TxEip4844Variant = TxEip4844Variant::TxEip4844(TxEip4844::default());
    let signature = Signature::new(U256::ONE, U256::ONE, false);
    let blob = TxEnvelope::Eip4844(Signed::new_unhashed(blob, signature));
    assert_eq!(encode(PARENT, &blocks(vec![blob], 1)), Err(BatchError::UnsupportedType(3)));
    assert!(encode(PARENT, &[]).is_err());
    assert!(matches!(encode(PARENT, &blocks(erc20(12_000, 10, 5), 100)), Err(BatchError::TooLarge { .. })));
    let mut short = blocks(erc20(2, 2, 6), 2);
    short[0].sponsors = vec![B256::ZERO];
    assert!(encode(PARENT, &short).is_err());
}

fn pending(count: u64, per_block: usize) -> Vec<PendingBlock> {
    let blocks = blocks(erc20(count as usize * per_block, 100, 9), per_block);
    let hash = |number: u64| B256::from(U256::from(number));
    let block = |(at, block): (usize, BatchBlock)| PendingBlock {
        number: at as u64 + 1,
        hash: hash(at as u64 + 1),
        parent_hash: hash(at as u64),
        queue_end: at as u64 / 2,
        block,
    };
    blocks.into_iter().enumerate().map(block).collect()
}

#[test]
fn the_encoder_splits_at_its_limit_and_keeps_what_is_not_confirmed() {
    let blocks = pending(40, 50);
    let mut encoder = BatchEncoder::new(50_000);
    blocks.iter().for_each(|block| encoder.add_block(block.clone()).unwrap());
    assert!(encoder.is_full());
    let (mut seen, mut batches) = (Vec::new(), 0);
    while let Some(batch) = encoder.encode_next().unwrap() {
        assert!(batch.payload.len() <= 50_000);
        assert_eq!(encoder.encode_next().unwrap(), Some(batch.clone()), "unconfirmed blocks stay");
        let payload = decode(&batch.payload).unwrap();
        assert_eq!(payload.parent_hash, blocks[seen.len()].parent_hash);
        seen.extend(payload.blocks);
        assert_eq!(batch.last_block as usize, seen.len());
        assert_eq!(batch.queue_up_to, blocks[seen.len() - 1].queue_end);
        encoder.confirm(batch.last_block);
        batches += 1;
    }
    assert_eq!(seen, blocks.into_iter().map(|block| block.block).collect::<Vec<_>>());
    assert!(batches >= 3);
    assert_eq!((encoder.len(), encoder.transactions()), (0, 0));
}

#[test]
fn the_encoders_estimate_is_near_and_on_the_safe_side() {
    let mut encoder = BatchEncoder::new(usize::MAX);
    pending(100, 50).into_iter().for_each(|block| encoder.add_block(block).unwrap());
    let size = encoder.encode_next().unwrap().unwrap().payload.len();
    assert!(encoder.size_bytes() >= size && encoder.size_bytes() < size * 5 / 4, "{} {size}", encoder.size_bytes());
}

#[test]
fn the_encoder_refuses_gaps_and_blocks_that_cannot_fit() {
    let blocks = pending(3, 50);
    let mut encoder = BatchEncoder::new(1_000);
    encoder.add_block(blocks[0].clone()).unwrap();
    assert!(encoder.add_block(blocks[2].clone()).is_err());
    assert!(matches!(encoder.encode_next(), Err(BatchError::TooLarge { what: "block", .. })));
    encoder.clear();
    assert_eq!(encoder.encode_next(), Ok(None));
}
