//! What hostile payloads cost whoever derives: time, processor time, and peak memory of a process that does nothing else.
//!
//! `cargo bench --profile dev -p mayfly-rollup --bench hostile` prints a row for each shape.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[allow(dead_code, clippy::panic)]
#[path = "../tests/it/sim.rs"]
mod sim;

use alloy_consensus::{Signed, TxLegacy};
use alloy_primitives::{B256, Bytes, Signature, TxKind, U256, hex, uint};
use mayfly_rollup::batch::{BatchBlock, MAX_BLOCKS, MAX_COLUMNS_BYTES, MAX_TRANSACTIONS, encode};
use sim::{Derived, L1_START, Sim, Wallet};
use std::time::Instant;

const ETHER: u64 = 1_000_000_000_000_000_000;

/// A rollup whose wallet has means and whose next batch may be anything.
fn prepared() -> (Sim, Wallet) {
    let mut sim = Sim::new();
    let wallet = Wallet::new(1);
    sim.deposit(wallet.address(), ETHER);
    sim.mine();
    sim.seal(L1_START + 1, 1, Vec::new());
    sim.mine();
    sim.post(false);
    (0..3).for_each(|_| sim.mine());
    (sim, wallet)
}

fn block(sim: &Sim, transactions: Vec<alloy_consensus::TxEnvelope>) -> BatchBlock {
    let last = sim.l1.last().unwrap();
    BatchBlock { origin: last.number, timestamp: last.timestamp, queue_items: 0, transactions, sponsors: Vec::new() }
}

/// A payload around this frame, which says that it decompresses to `size` bytes.
fn framed(sim: &Sim, size: usize, frame: &[u8]) -> Vec<u8> {
    let lengths = [(size as u32).to_be_bytes(), (frame.len() as u32).to_be_bytes()].concat();
    [&[1][..], sim.chain.head().hash.as_slice(), &lengths, frame].concat()
}

fn columns(sim: &Sim, columns: &[u8]) -> Vec<u8> {
    framed(sim, columns.len(), &zstd::bulk::compress(columns, 3).unwrap())
}

/// Transactions that use up their gas in no time, two a block; the last one is `end`.
fn burning(sim: &Sim, wallet: &mut Wallet, blocks: usize, gap: bool) -> Vec<u8> {
    let burn = |wallet: &mut Wallet| wallet.send(&sim.info, TxKind::Create, U256::ZERO, hex!("fe").into(), 1 << 24);
    let mut rows: Vec<_> = (0..blocks).map(|_| block(sim, vec![burn(wallet), burn(wallet)])).collect();
    if gap {
        wallet.nonce += 1;
        rows.push(block(sim, vec![burn(wallet)]));
    }
    encode(sim.chain.head().hash, &rows).unwrap()
}

/// As much computation as a window allows: loops of multiplications, 2^24 gas each.
fn working(sim: &Sim, wallet: &mut Wallet) -> Vec<u8> {
    let input: Bytes = hex!("6001600260035b8282820950600656").into();
    let send = |wallet: &mut Wallet| wallet.send(&sim.info, TxKind::Create, U256::ZERO, input.clone(), 1 << 24);
    let rows: Vec<_> = (0..254).map(|_| block(sim, vec![send(wallet), send(wallet)])).collect();
    encode(sim.chain.head().hash, &rows).unwrap()
}

type Shape = fn(&Sim, &mut Wallet) -> Vec<u8>;
const SHAPES: [(&str, Shape); 13] = [
    ("an empty block", |sim, _| encode(sim.chain.head().hash, &[block(sim, Vec::new())]).unwrap()),
    ("another parent", |sim, _| encode(B256::repeat_byte(1), &[block(sim, Vec::new())]).unwrap()),
    ("780,000 bytes of noise", |_, _| {
        (0..780_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }),
    ("a bomb of 100 MiB", |sim, _| framed(sim, 100 << 20, &zstd::bulk::compress(&vec![0; 100 << 20], 3).unwrap())),
    ("a bomb that lies", |sim, _| framed(sim, 1 << 20, &zstd::bulk::compress(&vec![0; 100 << 20], 3).unwrap())),
    ("8 MiB of zeros", |sim, _| columns(sim, &vec![0; MAX_COLUMNS_BYTES])),
    ("10^6 blocks", |sim, _| columns(sim, &[&[0, 0xc0, 0x84, 0x3d][..], &vec![0; 1 << 20]].concat())),
    ("32,768 empty blocks", |sim, _| encode(sim.chain.head().hash, &vec![block(sim, Vec::new()); MAX_BLOCKS]).unwrap()),
    ("12,000 transfers, then a gap", |sim, wallet| {
        let to = TxKind::Call(alloy_primitives::Address::repeat_byte(0x44));
        let send = |wallet: &mut Wallet| wallet.send(&sim.info, to, U256::from(1), Bytes::new(), 21_000);
        let mut rows: Vec<_> = (0..12).map(|_| block(sim, (0..1_000).map(|_| send(wallet)).collect())).collect();
        wallet.nonce += 1;
        rows.push(block(sim, vec![send(wallet)]));
        encode(sim.chain.head().hash, &rows).unwrap()
    }),
    ("65,536 near-copies", |sim, _| {
        // A point of the curve, so that there is a sender.
        let r = uint!(0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798_U256);
        let signature = Signature::new(r, U256::from(9), false);
        let copy = |value: u64| TxLegacy { value: U256::from(value), ..TxLegacy::default() };
        let copies = (0..MAX_TRANSACTIONS as u64).map(|value| Signed::new_unhashed(copy(value), signature).into());
        encode(sim.chain.head().hash, &[block(sim, copies.collect())]).unwrap()
    }),
    ("more gas than a window", |sim, wallet| burning(sim, wallet, 300, false)),
    ("a window's gas, then a gap", |sim, wallet| burning(sim, wallet, 250, true)),
    ("a window's work", working),
];

fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of this process, its threads that ended included; ticks of ten milliseconds.
fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap() * 10).sum()
}

fn measure(name: &str, shape: Shape) {
    let (mut sim, mut wallet) = prepared();
    let payload = shape(&sim, &mut wallet);
    let size = payload.len();
    sim.post_payload(payload, false, sim.l1.last().unwrap().number, 1);
    sim.mine();
    let mut derived = Derived::new(&sim.info);
    let before = sim.l1.len() - 1;
    derived.follow(&sim.l1[..before]).unwrap();
    let (start, resident, ran) = (Instant::now(), status_kib("VmRSS"), processor_ms());
    derived.follow(&sim.l1).unwrap();
    let (ms, peak) = (start.elapsed().as_secs_f64() * 1e3, status_kib("VmHWM"));
    let ran = processor_ms() - ran;
    let outcome = derived.outcomes.last().unwrap().invalid.clone().unwrap_or_else(|| "valid".to_owned());
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!("{name:<30}{size:>9}{ms:>11.1}{ran:>8}{:>10.1}{:>10.1}  {outcome}", mib(resident), mib(peak));
}

fn main() {
    // Test runners start every target: there is nothing to test here.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let picked = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    if let Some(picked) = picked {
        let (name, shape) = SHAPES.iter().find(|(name, _)| *name == picked).unwrap();
        return measure(name, *shape);
    }
    println!("{:<30}{:>9}{:>11}{:>8}{:>10}{:>10}", "payload", "bytes", "derive ms", "CPU ms", "MiB", "peak MiB");
    for (name, _) in SHAPES {
        let run =
            std::process::Command::new(std::env::current_exe().unwrap()).args(["--bench", name]).status().unwrap();
        assert!(run.success(), "{name}");
    }
}
