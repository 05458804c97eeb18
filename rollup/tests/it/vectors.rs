//! Golden bytes in tests/vectors: what is written down stays what it is. `MAYFLY_WRITE_VECTORS=1` writes them anew.

use super::workload::{any_blocks, blocks, erc20, mints, rng};
use alloy_primitives::{Address, B256, U256, hex, keccak256};
use mayfly_rollup::batch::{BatchBlock, decode, encode, pack_blobs};
use mayfly_rollup::derive::{Ahead, BatchData, PostedBatch, QueueItem, batch_header_hash, rolling_hash};
use mayfly_rollup::settlement::{AssetKind, Leaf, LeafFile, Tree, append_root, leaf_hash, message_leaf};
use mayfly_rollup::{Allocation, BatchHeader, Claim, Message, ReceiptRow, RollupInfo, attestation_digest, claim_hash};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::{env, fs};

/// Compares `actual` with the committed file.
fn check(file: &str, actual: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(file);
    if env::var_os("MAYFLY_WRITE_VECTORS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, serde_json::to_string_pretty(actual).unwrap() + "\n").unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let wanted: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(actual, &wanted, "{file}");
}

fn describe(blocks: &[BatchBlock]) -> Value {
    use alloy_eips::eip2718::Encodable2718;
    let block = |block: &BatchBlock| {
        json!({
            "origin": block.origin,
            "timestamp": block.timestamp,
            "queueItems": block.queue_items,
            "transactions": block.transactions.iter().map(|tx| hex::encode_prefixed(tx.encoded_2718())).collect::<Vec<_>>(),
            "sponsors": block.sponsors,
        })
    };
    blocks.iter().map(block).collect()
}

#[test]
fn payload_bytes_are_as_written_down() {
    let mut sponsored = blocks(erc20(6, 3, 11), 3);
    sponsored[0].sponsors = vec![B256::repeat_byte(1), B256::ZERO, B256::repeat_byte(2)];
    let cases = [
        ("erc20", blocks(erc20(12, 4, 1), 4)),
        ("mints", blocks(mints(5, 2), 2)),
        ("anything", any_blocks(&mut rng(5), 9)),
        ("sponsored", sponsored),
    ];
    for (name, blocks) in cases {
        let payload = encode(B256::repeat_byte(0x11), &blocks).unwrap();
        let decoded = decode(&payload).unwrap();
        let blob = pack_blobs(&payload).unwrap().concat();
        check(
            &format!("batch/{name}.json"),
            &json!({
                "parentHash": decoded.parent_hash,
                "payload": hex::encode_prefixed(&payload),
                "blobKeccak": keccak256(blob),
                "blocks": describe(&decoded.blocks),
            }),
        );
    }
}

#[test]
fn hashes_are_as_written_down() {
    let info = info();
    let claim = claim();
    let hash = claim_hash(info.l1_chain_id, info.rollup, &claim);
    let header = BatchHeader {
        seq: 2,
        parentHash: B256::repeat_byte(1),
        originNumber: 3,
        queueUpTo: 4,
        codec: 1,
        ..BatchHeader::default()
    };
    let item = QueueItem {
        index: 1,
        kind: 4,
        sender: Address::repeat_byte(2),
        gas_limit: 21_000,
        payload: vec![1, 2, 3].into(),
        l1_number: 7,
        l1_time: 8,
    };
    let message = Message {
        index: 5,
        kind: 6,
        sender: Address::repeat_byte(3),
        to: Address::repeat_byte(4),
        data: vec![9; 5].into(),
        ..Message::default()
    };
    let row = ReceiptRow {
        global_index: 1,
        block: 2,
        index: 3,
        tx_hash: B256::repeat_byte(4),
        status: 1,
        gas_used: 5,
        logs_hash: B256::repeat_byte(6),
    };
    let posted = PostedBatch {
        header: header.clone(),
        header_hash: batch_header_hash(&header),
        blob_hashes: Vec::new(),
        data: BatchData::None,
        ahead: Ahead::default(),
    };
    check(
        "claim.json",
        &json!({
            "rollup": info,
            "genesisClaim": info.genesis_claim(),
            "claim": claim,
            "claimHash": hash,
            "attestationDigest": attestation_digest(info.l1_chain_id, info.settlement, hash),
            "batchHeader": header,
            "batchHeaderHash": posted.header_hash,
            "rollingHash": rolling_hash(B256::repeat_byte(9), &item),
            "messageLeaf": message_leaf(info.chain_id, &message),
            "messageRoot": append_root(&[message_leaf(info.chain_id, &message)], 32),
            "receiptLeaf": row.leaf(),
            "receiptRoot": append_root(&[row.leaf()], 40),
        }),
    );
}

#[test]
fn settlement_bytes_are_as_written_down() {
    let leaf = |kind, token: u8, id: u64, recipient: u8, amount: u64| Leaf {
        kind,
        token: Address::repeat_byte(token),
        token_id: U256::from(id),
        recipient: Address::repeat_byte(recipient),
        amount: U256::from(amount),
    };
    let leaves = vec![
        leaf(AssetKind::Native, 0, 0, 1, 100),
        leaf(AssetKind::Erc20, 5, 0, 1, 7),
        leaf(AssetKind::Erc721, 6, 9, 2, 1),
        leaf(AssetKind::BornErc1155, 7, 3, 2, 40),
        leaf(AssetKind::Description, 7, 12, 7, 5),
    ];
    let rollup = info().rollup;
    let tree = Tree::new(rollup, &leaves).unwrap();
    let hashes: Vec<B256> = leaves.iter().enumerate().map(|(at, leaf)| leaf_hash(rollup, at as u64, leaf)).collect();
    let proofs: Vec<Vec<B256>> = (0..leaves.len()).map(|at| tree.proof(at).unwrap()).collect();
    check(
        "settlement.json",
        &json!({
            "rollup": rollup,
            "leaves": leaves,
            "hashes": hashes,
            "root": tree.root(),
            "proofs": proofs,
            "file": hex::encode_prefixed(LeafFile { leaves: leaves.clone() }.encode()),
        }),
    );
}

fn info() -> RollupInfo {
    let mut info = RollupInfo {
        rollup: Address::repeat_byte(0x10),
        settlement: Address::repeat_byte(0x11),
        vault: Address::repeat_byte(0x12),
        chain_id: 1 << 44,
        l1_chain_id: 31_337,
        genesis: vec![Allocation { to: Address::repeat_byte(8), amount: U256::from(5) }],
        l1_number: 4,
        l1_hash: B256::repeat_byte(4),
        l1_time: 1_000,
        ..RollupInfo::default()
    };
    info.config.protocolVersion = 1;
    info.config.attesters = vec![Address::repeat_byte(9), Address::repeat_byte(0xa)];
    info.config.quorum = 2;
    info.config.windows.maxDrift = 600;
    info
}

fn claim() -> Claim {
    Claim {
        parent: info().genesis_claim(),
        batchSeq: 1,
        batchHash: B256::repeat_byte(1),
        queueHash: B256::repeat_byte(2),
        closeNumber: 3,
        closeHash: B256::repeat_byte(4),
        blockNumber: 5,
        blockHash: B256::repeat_byte(6),
        stateRoot: B256::repeat_byte(7),
        withdrawalRoot: B256::repeat_byte(8),
        receiptRoot: B256::repeat_byte(9),
        settlementRoot: B256::repeat_byte(10),
    }
}
