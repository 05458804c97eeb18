//! The codec: payloads, blobs, leaf files, transactions.

use crate::input::Input;
use alloy_primitives::B256;
use mayfly_evm::Transaction;
use mayfly_rollup::batch::{BLOB_BYTES, PAYLOAD_FORMAT, decode, encode, pack_blobs, unpack_blobs};
use mayfly_rollup::settlement::LeafFile;

/// Runs one input. Its first byte says what the rest is; most kinds are wrapped so that mutations reach what lies behind
/// compression and checks of form.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % 7 {
        0 => payload(input.rest()),
        1 => {
            let columns = input.bytes();
            payload(&wrap(B256::ZERO, columns, input.rest()));
        }
        2 => leaf_file(input.rest()),
        3 => drop(LeafFile::decompress(input.rest())),
        4 => compressed(input.rest()),
        5 => blobs(&mut input),
        _ => transaction(input.rest()),
    }
}

/// A payload around these columns and signatures.
pub(crate) fn wrap(parent: B256, columns: &[u8], signatures: &[u8]) -> Vec<u8> {
    let frame = zstd::bulk::compress(columns, 1).expect("memory compresses");
    let length = |bytes: &[u8]| (bytes.len() as u32).to_be_bytes();
    [&[PAYLOAD_FORMAT], parent.as_slice(), &length(columns), &length(&frame), &frame, signatures].concat()
}

/// Whatever decodes encodes again, to something that says the same.
fn payload(bytes: &[u8]) {
    let Ok(payload) = decode(bytes) else { return };
    let again = encode(payload.parent_hash, &payload.blocks).expect("what was decoded can be encoded");
    assert_eq!(decode(&again).expect("what was encoded can be decoded"), payload);
}

/// A leaf file has one form.
fn leaf_file(bytes: &[u8]) {
    if let Ok(file) = LeafFile::decode(bytes) {
        assert_eq!(file.encode(), bytes);
    }
}

/// Compressing says the same as the plain bytes.
fn compressed(bytes: &[u8]) {
    let frame = zstd::bulk::compress(bytes, 1).expect("memory compresses");
    assert_eq!(LeafFile::decompress(&frame).ok(), LeafFile::decode(bytes).ok());
}

/// Blobs of a payload, with single bytes changed: whatever unpacks packs to the same blobs.
fn blobs(input: &mut Input<'_>) {
    let repeat = usize::from(input.u8()) * 40;
    let body = input.bytes().repeat(repeat.max(1));
    let Ok(packed) = pack_blobs(&body) else { return };
    let mut blobs: Vec<Vec<u8>> = packed.iter().map(|blob| blob.to_vec()).collect();
    assert_eq!(unpack_blobs(&blobs).ok().as_ref(), Some(&body));
    while !input.is_empty() {
        let (blob, at, byte) = (input.u8(), input.u32(), input.u8());
        match blob {
            0xff => drop(blobs.pop()),
            0xfe => blobs.push(vec![byte; BLOB_BYTES]),
            0xfd => blobs.extend(blobs.first().cloned().filter(|_| blobs.len() < 8)),
            _ => {
                let blob = usize::from(blob) % blobs.len().max(1);
                if let Some(blob) = blobs.get_mut(blob) {
                    let at = at as usize % BLOB_BYTES;
                    blob[at] = byte;
                }
            }
        }
        if blobs.len() > 8 {
            break;
        }
    }
    if let Ok(payload) = unpack_blobs(&blobs) {
        assert_eq!(pack_blobs(&payload).expect("it came from blobs").concat(), blobs.concat());
        drop(decode(&payload));
    }
}

/// A transaction has one form, and its sender does not depend on who decodes it.
fn transaction(bytes: &[u8]) {
    let Ok(tx) = Transaction::decode_exact(bytes) else { return };
    assert_eq!(tx.encode_2718(), bytes);
    assert_eq!(tx.encoded_len(), bytes.len());
    assert_eq!(tx.tx_hash(), alloy_primitives::keccak256(bytes));
    drop(tx.recover());
}
