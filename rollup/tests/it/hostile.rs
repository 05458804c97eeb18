//! Payloads that break a rule, and bytes that are none: each derives exactly the queue blocks.

use super::sim::{Derived, L1_BLOCK_SECONDS, L1_START, Sim, Wallet};
use alloy_consensus::{Signed, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, uint};
use mayfly_rollup::batch::{BatchBlock, encode, pack_blobs};
use mayfly_rollup::derive::Position;

pub(crate) const ETHER: u64 = 1_000_000_000_000_000_000;

pub(crate) fn transfer(sim: &Sim, from: &mut Wallet, value: u64) -> TxEnvelope {
    from.send(&sim.info, TxKind::Call(Address::repeat_byte(0x44)), U256::from(value), Bytes::new(), 21_000)
}

/// A rollup with three open queue items, one posted batch, and a wallet with a transaction.
pub(crate) fn prepared() -> (Sim, Wallet) {
    let mut sim = Sim::new();
    let mut wallet = Wallet::new(1);
    sim.deposit(wallet.address(), ETHER);
    sim.mine();
    let tx = transfer(&sim, &mut wallet, 5);
    sim.seal(L1_START + 1, 1, vec![tx]);
    sim.mine();
    sim.post(false);
    (0..3).for_each(|_| sim.deposit(wallet.address(), 7));
    sim.mine();
    sim.mine();
    (sim, wallet)
}

/// The block that the next valid batch of [`prepared`] would hold.
pub(crate) fn good_block(sim: &Sim, wallet: &mut Wallet) -> BatchBlock {
    let origin = sim.l1.last().unwrap().number;
    BatchBlock {
        origin,
        timestamp: sim.l1.last().unwrap().timestamp,
        queue_items: 3,
        transactions: vec![transfer(sim, wallet, 1)],
        sponsors: Vec::new(),
    }
}

/// Derives a batch with this data, and one without data at the same place: they must agree if the data is invalid.
fn outcome_of(post: impl Fn(&mut Sim, &mut Wallet)) -> (Option<String>, bool) {
    let derive = |post: &dyn Fn(&mut Sim, &mut Wallet), of: fn(&Sim) -> Derived| {
        let (mut sim, mut wallet) = prepared();
        post(&mut sim, &mut wallet);
        sim.mine();
        sim.mine();
        of(&sim)
    };
    // The other one reads payloads before their turn.
    let (derived, other) = (derive(&post, Derived::of), derive(&post, Derived::ahead_of));
    assert_eq!(derived.chain.head().hash, other.chain.head().hash, "two verifiers differ");
    assert_eq!(derived.outcomes.last().unwrap().invalid, other.outcomes.last().unwrap().invalid);
    let forced =
        derive(&|sim: &mut Sim, _: &mut Wallet| sim.post_forced(sim.l1.last().unwrap().number, 4), Derived::of);
    let same = derived.blocks() == forced.blocks();
    (derived.outcomes.last().unwrap().invalid.clone(), same)
}

pub(crate) fn post_blocks(sim: &mut Sim, blocks: &[BatchBlock]) {
    let payload = encode(sim.chain.head().hash, blocks).unwrap();
    sim.post_payload(payload, false, sim.l1.last().unwrap().number, 4);
}

#[test]
fn a_valid_batch_is_used() {
    let (invalid, same) = outcome_of(|sim, wallet| {
        let block = good_block(sim, wallet);
        post_blocks(sim, &[block]);
    });
    assert_eq!((invalid, same), (None, false));
}

#[test]
fn any_broken_rule_derives_the_queue_blocks_and_nothing_else() {
    type Change = fn(&Sim, &mut Wallet, &mut Vec<BatchBlock>);
    let cases: [(&str, Change); 14] = [
        ("origin", |_, _, blocks| blocks[0].origin += 1),
        ("origin", |_, _, blocks| blocks[0].origin = L1_START),
        ("timestamp", |_, _, blocks| blocks[0].timestamp -= 1),
        ("timestamp", |_, _, blocks| blocks[0].timestamp += L1_BLOCK_SECONDS + 1),
        ("queue items", |_, _, blocks| blocks[0].queue_items = 4),
        ("the queue stands", |_, _, blocks| blocks[0].queue_items = 2),
        ("is of L1 block", |sim, _, blocks| {
            let early = BatchBlock { origin: L1_START + 2, timestamp: sim.l1[2].timestamp, ..blocks[0].clone() };
            blocks[0] = early;
        }),
        ("nonce too high", |sim, wallet, blocks| {
            wallet.nonce += 1;
            blocks[0].transactions.push(transfer(sim, wallet, 0));
        }),
        ("nonce too low", |_, _, blocks| {
            let again = blocks[0].transactions[0].clone();
            blocks[0].transactions.push(again);
        }),
        ("funds", |sim, wallet, blocks| blocks[0].transactions.push(transfer(sim, wallet, 2 * ETHER))),
        ("chain id", |sim, wallet, blocks| {
            let tx = TxEip1559 {
                chain_id: sim.info.chain_id + 1,
                gas_limit: 21_000,
                to: TxKind::Call(Address::ZERO),
                ..Default::default()
            };
            blocks[0].transactions = vec![wallet.sign(tx)];
        }),
        ("gas limit", |sim, wallet, blocks| {
            let loops = hex!("5b600056");
            let mut burn = || wallet.send(&sim.info, TxKind::Create, U256::ZERO, loops.into(), 1 << 24);
            blocks[0].transactions.extend([burn(), burn(), burn()]);
        }),
        ("timestamp", |_, _, blocks| {
            let older = BatchBlock {
                timestamp: blocks[0].timestamp - 1,
                queue_items: 0,
                transactions: Vec::new(),
                ..blocks[0].clone()
            };
            blocks.push(older);
        }),
        ("signature", |sim, _, blocks| {
            // A signature that is in range and recovers to nobody.
            let tx = TxEip1559 {
                chain_id: sim.info.chain_id,
                gas_limit: 21_000,
                to: TxKind::Call(Address::ZERO),
                ..Default::default()
            };
            let signature = Signature::new(U256::from(5), U256::ONE, false);
            blocks[0].transactions.push(Signed::new_unhashed(tx, signature).into());
        }),
    ];
    for (words, change) in cases {
        let (invalid, same) = outcome_of(|sim, wallet| {
            let mut blocks = vec![good_block(sim, wallet)];
            change(sim, wallet, &mut blocks);
            post_blocks(sim, &blocks);
        });
        let reason = invalid.unwrap_or_else(|| panic!("accepted: {words}"));
        assert!(reason.contains(words), "{words}: {reason}");
        assert!(same, "{words}");
    }
}

#[test]
fn hostile_data_derives_the_queue_blocks_and_nothing_else() {
    fn good(sim: &Sim, wallet: &mut Wallet) -> Vec<u8> {
        encode(sim.chain.head().hash, &[good_block(sim, wallet)]).unwrap()
    }
    fn frame_end(payload: &[u8]) -> usize {
        41 + u32::from_be_bytes(payload[37..41].try_into().unwrap()) as usize
    }
    type Spoil = fn(&Sim, &mut Wallet) -> Vec<u8>;
    let cases: [(&str, Spoil); 12] = [
        ("cut off", |_, _| Vec::new()),
        ("format", |_, _| vec![0xff; 5_000]),
        ("builds on", |sim, wallet| encode(B256::repeat_byte(1), &[good_block(sim, wallet)]).unwrap()),
        ("builds on", |_, _| [&[1][..], &[0; 32], &[0xff; 5_000]].concat()),
        ("after the end", |sim, wallet| [good(sim, wallet), vec![0]].concat()),
        ("cut off", |sim, wallet| good(sim, wallet)[..100].to_vec()),
        ("after the end of frame", |sim, wallet| {
            let payload = good(sim, wallet);
            let frame = &payload[41..frame_end(&payload)];
            let length = (2 * frame.len() as u32).to_be_bytes();
            [&payload[..37], &length, frame, frame, &payload[frame_end(&payload)..]].concat()
        }),
        ("signature out of range", |sim, wallet| {
            let mut payload = good(sim, wallet);
            let at = payload.len() - 32;
            payload[at..].fill(0xf0);
            payload
        }),
        ("signature out of range", |sim, wallet| {
            // The same signature's other half: s becomes n − s, which recovers to the same sender with the other parity.
            let mut payload = good(sim, wallet);
            let at = payload.len() - 32;
            let n = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
            let high = n - U256::from_be_slice(&payload[at..]);
            payload[at..].copy_from_slice(&high.to_be_bytes::<32>());
            payload
        }),
        ("blocks", |sim, _| {
            // A million blocks that compress to nothing.
            let columns = [&[0, 0xc0, 0x84, 0x3d][..], &vec![0; 1 << 20]].concat();
            let frame = zstd::bulk::compress(&columns, 3).unwrap();
            let sizes = [(columns.len() as u32).to_be_bytes(), (frame.len() as u32).to_be_bytes()].concat();
            [&[1][..], sim.chain.head().hash.as_slice(), &sizes, &frame].concat()
        }),
        ("columns of", |sim, _| {
            let bomb = zstd::bulk::compress(&vec![0; 100 << 20], 3).unwrap();
            let sizes = [(100_u32 << 20).to_be_bytes(), (bomb.len() as u32).to_be_bytes()].concat();
            [&[1][..], sim.chain.head().hash.as_slice(), &sizes, &bomb].concat()
        }),
        ("frame declares", |sim, _| {
            let bomb = zstd::bulk::compress(&vec![0; 100 << 20], 3).unwrap();
            let sizes = [(1_u32 << 20).to_be_bytes(), (bomb.len() as u32).to_be_bytes()].concat();
            [&[1][..], sim.chain.head().hash.as_slice(), &sizes, &bomb].concat()
        }),
    ];
    for (words, spoil) in cases {
        for blobs in [false, true] {
            let (invalid, same) = outcome_of(|sim, wallet| {
                let payload = spoil(sim, wallet);
                sim.post_payload(payload, blobs, sim.l1.last().unwrap().number, 4);
            });
            let reason = invalid.unwrap_or_else(|| panic!("accepted: {words}"));
            assert!(reason.contains(words), "{words}: {reason}");
            assert!(same, "{words}");
        }
    }
}

#[test]
fn a_blob_that_is_cut_off_derives_the_queue_blocks() {
    let (invalid, same) = outcome_of(|sim, wallet| {
        let payload = encode(sim.chain.head().hash, &[good_block(sim, wallet)]).unwrap();
        let mut blob = pack_blobs(&payload).unwrap().remove(0);
        blob.truncate(blob.len() - 32);
        sim.post_blobs(vec![blob.into()], sim.l1.last().unwrap().number, 4);
    });
    assert!(invalid.unwrap().contains("blob") && same);
}

#[test]
fn dirty_blobs_derive_the_queue_blocks() {
    let (invalid, same) = outcome_of(|sim, wallet| {
        let payload = encode(sim.chain.head().hash, &[good_block(sim, wallet)]).unwrap();
        let mut blob = pack_blobs(&payload).unwrap().remove(0);
        *blob.last_mut().unwrap() = 1;
        sim.post_blobs(vec![blob.into()], sim.l1.last().unwrap().number, 4);
    });
    assert!(invalid.unwrap().contains("padding") && same);
}

#[test]
fn blocks_derived_before_a_rule_breaks_are_taken_back() {
    let (mut sim, mut wallet) = prepared();
    let good = good_block(&sim, &mut wallet);
    wallet.nonce += 5;
    let bad = BatchBlock { queue_items: 0, transactions: vec![transfer(&sim, &mut wallet, 0)], ..good.clone() };
    post_blocks(&mut sim, &[good, bad]);
    sim.mine();
    let derived = Derived::of(&sim);
    assert_eq!(derived.reverted, 1);
    assert_eq!(derived.chain.head().transactions.len(), 3);
    assert_eq!(Position::of(&derived.chain.head().header).unwrap().queue_end, 4);
}
