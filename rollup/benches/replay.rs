//! How fast a verifier replays a rollup from its batches: ERC-20 transfers among 1,000 accounts, in memory.
//!
//! `cargo bench -p mayfly-rollup --bench replay` prints transactions a second, processor time of each, and the share of
//! the cores that was used; `batches=N` replays so many.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[allow(dead_code, clippy::panic)]
#[path = "../tests/it/sim.rs"]
mod sim;

use alloy_primitives::{Address, TxKind, U256, hex};
use sim::{Derived, Sim, Wallet};
use std::path::Path;
use std::time::Instant;

const ACCOUNTS: usize = 1_000;
/// In a batch, which comes in an L1 block of its own.
const ROUNDS: usize = 8;
const PER_BLOCK: usize = 50;
const GAS: u64 = 200_000;

/// The token's init code; it takes a name and a symbol.
fn token() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts/DemoToken.json");
    let artifact: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut init = hex::decode(artifact["bytecode"].as_str().unwrap()).unwrap();
    for word in [64u64, 128, 1, 0, 1, 0] {
        init.extend_from_slice(&U256::from(word).to_be_bytes::<32>());
    }
    init
}

/// A rollup whose accounts hold the token and send it around.
fn rollup(batches: usize) -> (Sim, usize) {
    let mut sim = Sim::new();
    let mut wallets: Vec<Wallet> = (0..ACCOUNTS as u64).map(Wallet::new).collect();
    let addresses: Vec<Address> = wallets.iter().map(Wallet::address).collect();
    let contract = addresses[0].create(0);
    let deploy = wallets[0].send(&sim.info, TxKind::Create, U256::ZERO, token().into(), 5_000_000);
    let mint = [&hex!("a0712d68")[..], &U256::from(1_000_000).to_be_bytes::<32>()].concat();
    let mut call = |sim: &Sim, sender: usize, input: Vec<u8>| {
        wallets[sender].send(&sim.info, TxKind::Call(contract), U256::ZERO, input.into(), GAS)
    };
    sim.mine();
    let origin = |sim: &Sim| sim.l1.last().unwrap().number;
    sim.seal(origin(&sim), 0, vec![deploy]);
    let mints: Vec<_> = (0..ACCOUNTS).map(|sender| call(&sim, sender, mint.clone())).collect();
    for part in mints.chunks(PER_BLOCK) {
        sim.seal(origin(&sim), 0, part.to_vec());
    }
    sim.post(true);
    sim.mine();
    let mut sent = 0;
    for _ in 0..batches {
        for _ in 0..ROUNDS {
            let mut transfers = Vec::with_capacity(ACCOUNTS);
            for sender in 0..ACCOUNTS {
                let to = addresses[(sender * 7_919 + sent + 1) % ACCOUNTS];
                let amount = U256::from(sent % 90 + 1).to_be_bytes::<32>();
                transfers.push(call(
                    &sim,
                    sender,
                    [&hex!("a9059cbb")[..], to.into_word().as_slice(), &amount].concat(),
                ));
                sent += 1;
            }
            for part in transfers.chunks(PER_BLOCK) {
                sim.seal(origin(&sim), 0, part.to_vec());
            }
        }
        sim.post(true);
        sim.mine();
    }
    sim.mine();
    let head = sim.chain.head();
    assert!(head.receipts.iter().all(|receipt| receipt.status));
    (sim, sent)
}

/// Processor time of this process; ticks of ten milliseconds.
fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap() * 10).sum()
}

fn measure(name: &str, sim: &Sim, sent: usize, derive: fn(&Sim) -> Derived) {
    let (started, ran) = (Instant::now(), processor_ms());
    let derived = derive(sim);
    let (seconds, ran) = (started.elapsed().as_secs_f64(), processor_ms() - ran);
    assert_eq!(derived.chain.head().hash, sim.chain.head().hash);
    assert!(derived.outcomes.iter().all(|batch| batch.invalid.is_none()));
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    println!(
        "{}",
        serde_json::json!({
            "replay": name, "transactions": sent, "tx_per_s": (sent as f64 / seconds).round(),
            "cpu_us_per_tx": ran as f64 * 1e3 / sent as f64, "share_of_cores": ran as f64 / 1e3 / seconds / cores,
        })
    );
}

fn main() {
    // Test runners start every target: there is nothing to test here.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let asked = std::env::args().find_map(|arg| arg.strip_prefix("batches=").map(|count| count.parse().unwrap()));
    let (sim, sent) = rollup(asked.unwrap_or(12));
    measure("one after the other", &sim, sent, Derived::of);
    measure("ahead", &sim, sent, Derived::ahead_of);
}
