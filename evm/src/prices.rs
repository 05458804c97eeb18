//! What a chain charges otherwise than its fork.
//!
//! Ethereum's prices are made for blocks that take seconds. On a rollup, where gas is free and a block is due every
//! few milliseconds, gas is the only measure of time there is: whatever buys more time for its gas than the rest is
//! poison. So a rollup's prices follow measured time (`cargo bench --profile dev -p mayfly-evm --bench poison`): a transaction with
//! the most gas that one may have takes less than 50 ms, whatever it does.

use alloy_primitives::{Address, address};

/// Prices that differ from the fork's. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Gas is measured and costs nothing, whatever a transaction offers: fees are neither reserved nor paid. Many
    /// wallets and tools offer a tip where none is asked for, and their users hold nothing.
    pub free_gas: bool,
    /// Opcodes with what each costs before it looks at its operands.
    pub opcodes: Vec<(u8, u16)>,
    /// Each word that KECCAK256 and CREATE2 hash.
    pub hashed_word: Option<u64>,
    /// Precompiled contracts, and how many times the fork's price each costs.
    pub precompiles: Vec<(Address, u64)>,
}

const SDIV: u8 = 0x05;
const SMOD: u8 = 0x07;
const MULMOD: u8 = 0x09;
const KECCAK256: u8 = 0x20;
const SELFBALANCE: u8 = 0x47;
const TSTORE: u8 = 0x5d;

/// Times Osaka's price. SHA-256, RIPEMD-160 and identity cost what they cost there.
const PRECOMPILES: [(Address, u64); 15] = [
    (address!("0x0000000000000000000000000000000000000001"), 4), // ECRECOVER
    (address!("0x0000000000000000000000000000000000000005"), 2), // MODEXP
    (address!("0x0000000000000000000000000000000000000006"), 7), // BN254 addition
    (address!("0x0000000000000000000000000000000000000007"), 5), // BN254 multiplication
    (address!("0x0000000000000000000000000000000000000008"), 7), // BN254 pairing
    (address!("0x0000000000000000000000000000000000000009"), 4), // BLAKE2F
    (address!("0x000000000000000000000000000000000000000a"), 9), // KZG point evaluation
    (address!("0x000000000000000000000000000000000000000b"), 4), // BLS12-381, EIP-2537, to 0x11
    (address!("0x000000000000000000000000000000000000000c"), 4),
    (address!("0x000000000000000000000000000000000000000d"), 4),
    (address!("0x000000000000000000000000000000000000000e"), 4),
    (address!("0x000000000000000000000000000000000000000f"), 4),
    (address!("0x0000000000000000000000000000000000000010"), 4),
    (address!("0x0000000000000000000000000000000000000011"), 4),
    (address!("0x0000000000000000000000000000000000000100"), 4), // P256VERIFY
];

impl Prices {
    /// The prices of protocol version 1.
    pub fn rollup() -> Self {
        Self {
            free_gas: true,
            opcodes: vec![(SDIV, 10), (SMOD, 8), (MULMOD, 20), (KECCAK256, 80), (SELFBALANCE, 10), (TSTORE, 400)],
            hashed_word: Some(22),
            precompiles: PRECOMPILES.to_vec(),
        }
    }

    /// How many times the fork's price a precompiled contract costs.
    pub(crate) fn times(&self, address: &Address) -> u64 {
        self.precompiles.iter().find(|(known, _)| known == address).map_or(1, |(_, times)| (*times).max(1))
    }
}
