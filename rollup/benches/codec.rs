//! Encoding and decoding a batch of 10,000 ERC-20 transfers: `cargo bench -p mayfly-rollup --bench codec`.

#![allow(clippy::unwrap_used, missing_docs)]

use alloy_primitives::B256;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mayfly_rollup::batch::{decode, encode};

#[allow(dead_code, clippy::panic)]
#[path = "../tests/it/workload.rs"]
mod workload;

const TRANSACTIONS: usize = 10_000;
const PER_BLOCK: usize = 25;

fn codec(criterion: &mut Criterion) {
    let blocks = workload::blocks(workload::erc20(TRANSACTIONS, 1_000, 3), PER_BLOCK);
    let payload = encode(B256::ZERO, &blocks).unwrap();
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(TRANSACTIONS as u64));
    group.bench_function("encode", |bench| bench.iter(|| encode(B256::ZERO, &blocks).unwrap()));
    group.bench_function("decode", |bench| bench.iter(|| decode(&payload).unwrap()));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
