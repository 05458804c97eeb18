//! Unposted blocks to a post: encode, check, choose the carrier, fill in the call.

use std::sync::Arc;

use alloy_eips::eip4844::env_settings::EnvKzgSettings;
use alloy_eips::eip4844::kzg_to_versioned_hash;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use mayfly_contracts::inbox::Inbox::postBatchCall;
use mayfly_l1::Fees;
use mayfly_ledger::{BatchContent, BatchFields, NewPost, PostBlob, Purpose};
use mayfly_rollup::batch::{
    BLOB_BYTES, BatchBlock, BatchEncoder, EncodedBatch, MAX_PAYLOAD_BYTES, MOST_FRAME_BYTES, PendingBlock, decode,
    pack_blobs,
};

use crate::error::SequencerError;
use crate::terms::{DaChoice, MAX_CALLDATA_BYTES, Terms};
use crate::unposted::UnpostedBlock;
use crate::view::PostView;

/// Codec numbers of the batch header.
pub(super) const CODEC_BLOBS: u8 = 1;
pub(super) const CODEC_CALLDATA: u8 = 2;
/// EIP-7623: what a byte of input costs at least, if it is zero or not.
const ZERO_BYTE_GAS: u128 = 10;
const BYTE_GAS: u128 = 40;

/// A batch that is ready for the outbox.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub(super) fields: BatchFields,
    pub(super) content: BatchContent,
    pub(super) post: NewPost,
    pub(super) last_hash: B256,
    pub(super) last_time: u64,
    pub(super) payload: Bytes,
}

/// Encodes as many of `blocks` as fit, and decodes the result to see that it says the same.
pub(super) fn encode_checked(
    parent_hash: B256,
    blocks: &[UnpostedBlock],
    da: DaChoice,
) -> Result<Option<EncodedBatch>, SequencerError> {
    let batch = match encode_within(blocks, da.batch_bytes()) {
        // One block alone may be too large for calldata.
        Err(_) if da == DaChoice::Calldata => encode_within(blocks, MAX_PAYLOAD_BYTES)?,
        result => result?,
    };
    let Some(batch) = batch else { return Ok(None) };
    let decoded = decode(&batch.payload).map_err(|e| SequencerError::Batch(e.to_string()))?;
    let sent: Vec<BatchBlock> = blocks.iter().take(decoded.blocks.len()).map(UnpostedBlock::to_batch_block).collect();
    if decoded.parent_hash != parent_hash || decoded.blocks != sent {
        return Err(SequencerError::Batch(format!(
            "blocks {} to {} decode to something else",
            batch.first_block, batch.last_block
        )));
    }
    Ok(Some(batch))
}

fn encode_within(blocks: &[UnpostedBlock], limit: usize) -> Result<Option<EncodedBatch>, SequencerError> {
    let batch_error = |e: mayfly_rollup::BatchError| SequencerError::Batch(e.to_string());
    let mut encoder = BatchEncoder::new(limit);
    let mut most = MOST_FRAME_BYTES;
    for unposted in blocks {
        // By estimate, which is above what surely fits where little compresses.
        if encoder.is_full() && most > limit {
            break;
        }
        most += unposted.most_bytes();
        encoder
            .add_block(PendingBlock {
                number: unposted.number,
                hash: unposted.hash,
                parent_hash: unposted.parent_hash,
                queue_end: unposted.queue_end,
                block: unposted.to_batch_block(),
            })
            .map_err(batch_error)?;
    }
    encoder.encode_next().map_err(batch_error)
}

/// Whether the payload goes into blobs at these fees.
pub(super) fn wants_blobs(payload: &[u8], da: DaChoice, fees: &Fees) -> bool {
    if payload.len() > MAX_CALLDATA_BYTES {
        return true;
    }
    match da {
        DaChoice::Blobs => true,
        DaChoice::Calldata => false,
        DaChoice::Cheapest => {
            let zeros = payload.iter().filter(|byte| **byte == 0).count() as u128;
            let gas = zeros * ZERO_BYTE_GAS + (payload.len() as u128 - zeros) * BYTE_GAS;
            let blobs = payload.len().div_ceil(mayfly_rollup::batch::BLOB_CAPACITY_BYTES).max(1);
            // Offers are about twice the current base fees, both of them.
            let as_blobs = (blobs * BLOB_BYTES) as u128 * fees.max_fee_per_blob_gas;
            as_blobs < gas.saturating_mul(fees.max_fee_per_gas)
        }
    }
}

/// The origin a batch names: that of its last block while it is fresh, else the newest usable one. Never L1's head: an
/// endpoint estimates in a block of the head's own number, where the head's hash cannot be asked for yet.
pub(super) fn choose_origin(
    view: &PostView,
    lowest: u64,
    max_lag: u64,
    hash_of: impl Fn(u64) -> Option<B256>,
) -> Option<(u64, B256)> {
    let fresh = view.l1_number.saturating_sub(lowest) <= max_lag / 2;
    if fresh
        && (view.min_origin..view.l1_number).contains(&lowest)
        && let Some(hash) = hash_of(lowest)
    {
        return Some((lowest, hash));
    }
    view.origin.filter(|(number, _)| (lowest.max(view.min_origin)..view.l1_number).contains(number))
}

/// What the post is made of.
pub(super) struct Order {
    pub(super) terms: Terms,
    pub(super) sender: Address,
    pub(super) seq: u64,
    pub(super) parent_hash: B256,
    pub(super) origin: (u64, B256),
    pub(super) encoded: EncodedBatch,
    pub(super) queue_transactions: usize,
    pub(super) last_time: u64,
    pub(super) blobs: bool,
}

/// Fills in header and call. Computes KZG commitments: not for async threads.
pub(super) fn assemble(order: Order) -> Result<Built, SequencerError> {
    let Order { terms, sender, seq, parent_hash, origin, encoded, queue_transactions, last_time, blobs } = order;
    let (codec, data, blobs) = if blobs {
        let packed = pack_blobs(&encoded.payload).map_err(|e| SequencerError::Batch(e.to_string()))?;
        let named = packed.into_iter().map(name_blob).collect::<Result<Vec<_>, _>>()?;
        (CODEC_BLOBS, Bytes::new(), named)
    } else {
        (CODEC_CALLDATA, Bytes::from(encoded.payload.clone()), Vec::new())
    };
    let hashes: Vec<u8> = blobs.iter().flat_map(|blob: &PostBlob| blob.hash.0).collect();
    let data_hash = if codec == CODEC_BLOBS { keccak256(&hashes) } else { keccak256(&data) };
    let call = postBatchCall {
        seq,
        parentHash: parent_hash,
        originNumber: origin.0,
        originHash: origin.1,
        queueUpTo: encoded.queue_up_to,
        codec,
        extraRoot: B256::ZERO,
        data,
    };
    let input: Bytes = call.abi_encode().into();
    let content = keccak256([input.as_ref(), hashes.as_slice()].concat());
    Ok(Built {
        fields: BatchFields {
            seq,
            parent_hash,
            origin_number: origin.0,
            origin_hash: origin.1,
            queue_up_to: encoded.queue_up_to,
            codec,
            data_hash,
            extra_root: B256::ZERO,
            blobs: blobs.len() as u8,
        },
        content: BatchContent {
            first_block: encoded.first_block,
            last_block: encoded.last_block,
            transactions: (encoded.transactions + queue_transactions) as u64,
            payload_bytes: encoded.payload.len() as u64,
        },
        post: NewPost {
            key: format!("batch/{}/{seq}/{}", terms.rollup, alloy_primitives::hex::encode(&content[..8])),
            purpose: Purpose::Batch,
            rollup: Some(terms.rollup),
            sender,
            to: Some(terms.rollup),
            value: U256::ZERO,
            input,
            gas_limit: None,
            blobs,
        },
        last_hash: encoded.last_hash,
        last_time,
        payload: encoded.payload.into(),
    })
}

/// Loads the KZG set-up, which takes a second or more the first time.
pub(super) fn warm_up() {
    EnvKzgSettings::Default.get();
}

fn name_blob(data: Vec<u8>) -> Result<PostBlob, SequencerError> {
    let kzg = |reason: String| SequencerError::Batch(format!("kzg: {reason}"));
    let bytes: Arc<[u8; BLOB_BYTES]> =
        Arc::new(data.as_slice().try_into().map_err(|_| kzg(format!("{} bytes", data.len())))?);
    let blob = alloy_eips::eip4844::c_kzg::Blob::new(*bytes);
    let commitment = EnvKzgSettings::Default.get().blob_to_kzg_commitment(&blob).map_err(|e| kzg(format!("{e:?}")))?;
    Ok(PostBlob { hash: kzg_to_versioned_hash(commitment.to_bytes().as_slice()), data: data.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fees(gas: u128, blob: u128) -> Fees {
        Fees { max_fee_per_gas: gas, max_priority_fee_per_gas: 0, max_fee_per_blob_gas: blob }
    }

    #[test]
    fn takes_what_costs_less() {
        let payload = vec![1u8; 1_000];
        // 40,000 gas against 131,072 blob gas.
        assert!(wants_blobs(&payload, DaChoice::Cheapest, &fees(10, 3)));
        assert!(!wants_blobs(&payload, DaChoice::Cheapest, &fees(10, 4)));
        assert!(!wants_blobs(&payload, DaChoice::Calldata, &fees(1_000, 1)));
        assert!(wants_blobs(&payload, DaChoice::Blobs, &fees(1, 1_000)));
        assert!(wants_blobs(&vec![1; MAX_CALLDATA_BYTES + 1], DaChoice::Calldata, &fees(1, 1_000)));
    }

    #[test]
    fn a_stale_origin_gives_way_to_a_fresh_one() {
        let newest = Some((100, B256::repeat_byte(9)));
        let view = PostView { l1_number: 103, min_origin: 80, origin: newest, ..Default::default() };
        let hash_of = |number: u64| Some(B256::with_last_byte(number as u8));
        assert_eq!(choose_origin(&view, 90, 32, hash_of), Some((90, B256::with_last_byte(90))));
        assert_eq!(choose_origin(&view, 86, 32, hash_of), newest, "17 blocks behind");
        assert_eq!(choose_origin(&view, 90, 32, |_| None), newest);
        assert_eq!(choose_origin(&PostView { min_origin: 101, ..view.clone() }, 90, 32, hash_of), None);
        assert_eq!(choose_origin(&view, 101, 32, |_| None), None, "never below a block's own origin");
        assert_eq!(choose_origin(&PostView { l1_number: 90, ..view.clone() }, 90, 32, hash_of), None, "never the head");
        assert_eq!(choose_origin(&PostView { l1_number: 100, ..view }, 60, 32, |_| None), None, "never the head");
    }
}
