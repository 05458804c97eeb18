//! What a transaction costs before it runs (EIP-2, 2028, 2930, 3860, 7623, 7702).

use mayfly_evm::Transaction;

const BASE: u64 = 21_000;
const CREATE: u64 = 32_000;
const INIT_CODE_WORD: u64 = 2;
const TOKEN: u64 = 4;
const FLOOR_TOKEN: u64 = 10;
const ACCESS_ADDRESS: u64 = 2_400;
const ACCESS_KEY: u64 = 1_900;
const AUTHORIZATION: u64 = 25_000;

/// The least gas limit with which `tx` may run, under Osaka's rules.
pub(super) fn intrinsic_gas(tx: &Transaction) -> u64 {
    let input = tx.input();
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let tokens = zeros + 4 * (input.len() as u64 - zeros);
    let mut gas = BASE + TOKEN * tokens;
    if tx.to().is_none() {
        gas += CREATE + INIT_CODE_WORD * (input.len() as u64).div_ceil(32);
    }
    for entry in tx.access_list().into_iter().flat_map(|list| list.0.iter()) {
        gas += ACCESS_ADDRESS + ACCESS_KEY * entry.storage_keys.len() as u64;
    }
    gas += AUTHORIZATION * tx.authorization_list().map_or(0, |list| list.len() as u64);
    gas.max(BASE + FLOOR_TOKEN * tokens)
}
