//! A short run of the fuzz targets: the committed corpus, and seeded mutations of it. `MAYFLY_FUZZ_ROUNDS` makes it
//! longer, `MAYFLY_WRITE_CORPUS=1` writes the corpus anew.

use super::targets::{fuzz_batch, fuzz_derivation, fuzz_info};
use super::workload::{any_blocks, blocks, erc20, mints, rng};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, TxKind, U256};
use mayfly_rollup::batch::{BatchBlock, decode, encode};
use mayfly_rollup::settlement::{AssetKind, Leaf, LeafFile};
use rand::Rng;
use rand::rngs::StdRng;
use std::path::PathBuf;
use std::{env, fs};

fn rounds(default: u64) -> u64 {
    env::var("MAYFLY_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(default)
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    if env::var_os("MAYFLY_WRITE_CORPUS").is_some() {
        fs::create_dir_all(&dir).unwrap();
        let seeds = if name == "batch" { batch_seeds() } else { derivation_seeds() };
        seeds.iter().for_each(|(file, bytes)| fs::write(dir.join(file), bytes).unwrap());
    }
    let mut files: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", dir.display());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn batch_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let payload = |blocks: &[BatchBlock]| encode(B256::ZERO, blocks).unwrap();
    let leaf = Leaf {
        kind: AssetKind::Native,
        token: Address::ZERO,
        token_id: U256::ZERO,
        recipient: Address::repeat_byte(1),
        amount: U256::from(9),
    };
    let file = LeafFile { leaves: vec![leaf, Leaf { recipient: Address::repeat_byte(2), ..leaf }] };
    vec![
        ("erc20", payload(&blocks(erc20(12, 5, 1), 4))),
        ("mints", payload(&blocks(mints(6, 2), 3))),
        ("anything", payload(&any_blocks(&mut rng(3), 6))),
        ("sponsored", payload(&sponsored())),
        ("leaf-file", file.encode()),
        ("leaf-file-compressed", file.compress().unwrap()),
    ]
}

fn sponsored() -> Vec<BatchBlock> {
    let mut blocks = blocks(erc20(4, 2, 5), 2);
    blocks[1].sponsors = vec![B256::repeat_byte(1), B256::ZERO];
    blocks
}

/// Payloads that are valid on the fuzzers' rollup, and one that breaks a rule after a good block.
fn derivation_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let info = fuzz_info();
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(5)).unwrap();
    let send = |nonce| -> TxEnvelope {
        let tx = TxEip1559 {
            chain_id: info.chain_id,
            nonce,
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(6)),
            ..Default::default()
        };
        let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        tx.into_signed(signature).into()
    };
    let block = |queue_items, transactions| BatchBlock {
        origin: info.l1_number,
        timestamp: info.l1_time + 1,
        queue_items,
        transactions,
        sponsors: Vec::new(),
    };
    let payload = |blocks: &[BatchBlock]| encode(B256::ZERO, blocks).unwrap();
    vec![
        ("valid", payload(&[block(2, vec![send(0)]), block(3, vec![send(1), send(2)])])),
        ("nonce-gap", payload(&[block(5, vec![send(0)]), block(0, vec![send(2)])])),
        ("queue-short", payload(&[block(4, Vec::new())])),
        ("empty", Vec::new()),
    ]
}

/// A few edits: flips, cuts, copies, numbers that mean something.
fn mutate(rng: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut data = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=data.len());
        match rng.random_range(0..6) {
            0 if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
            1 if at < data.len() => data[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
            2 => data.truncate(at),
            3 => data.insert(at, rng.random()),
            4 if at < data.len() => _ = data.remove(at),
            _ => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                data.truncate(at);
                data.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
            }
        }
    }
    data
}

/// The same mutation, inside the compressed columns: otherwise zstd would catch nearly all of them.
fn mutate_columns(rng: &mut StdRng, payload: &[u8]) -> Option<Vec<u8>> {
    let frame_len = u32::from_be_bytes(payload.get(37..41)?.try_into().ok()?) as usize;
    let frame = payload.get(41..41 + frame_len)?;
    let columns = zstd::bulk::decompress(frame, 1 << 20).ok()?;
    let columns = mutate(rng, &[columns]);
    let frame = zstd::bulk::compress(&columns, 3).ok()?;
    let lengths = [(columns.len() as u32).to_be_bytes(), (frame.len() as u32).to_be_bytes()].concat();
    Some([&payload[..33], &lengths, &frame, &payload[41 + frame_len..]].concat())
}

#[test]
fn no_bytes_break_the_codec() {
    let corpus = corpus("batch");
    corpus.iter().for_each(|data| fuzz_batch(data));
    assert!(corpus.iter().filter(|data| decode(data).is_ok()).count() >= 4);
    let mut rng = rng(0xba7c);
    for _ in 0..rounds(3_000) {
        let data = mutate(&mut rng, &corpus);
        fuzz_batch(&data);
        let payload = &corpus[rng.random_range(0..corpus.len())];
        mutate_columns(&mut rng, payload).iter().for_each(|data| fuzz_batch(data));
    }
}

#[test]
fn no_bytes_stop_derivation() {
    let corpus = corpus("derivation");
    corpus.iter().for_each(|data| fuzz_derivation(data));
    let mut rng = rng(0xde71);
    for _ in 0..rounds(60) {
        let data = mutate(&mut rng, &corpus);
        fuzz_derivation(&data);
        let payload = &corpus[rng.random_range(0..corpus.len())];
        mutate_columns(&mut rng, payload).iter().for_each(|data| fuzz_derivation(data));
    }
}
