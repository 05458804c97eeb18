//! Going back.

use crate::common::*;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use mayfly_evm::{Chain, EvmError, RecoveredTx, TRANSFER_TOPIC};
use proptest::prelude::*;
use std::sync::Arc;

/// A transaction of each kind that changes something.
fn tx(seed: u64, nonce: u64, what: u64) -> Arc<RecoveredTx> {
    let wallet = Wallet::new(seed);
    let word = |n: u64| U256::from(n % 7);
    match what % 5 {
        0 => wallet.call(nonce, TxKind::Call(Address::with_last_byte(0x40 + what as u8 % 9)), what % 3, Bytes::new()),
        1 => wallet.call(nonce, TxKind::Call(STORE_AT), 0, words(&[word(what), word(what / 7)])),
        2 => wallet.call(nonce, TxKind::Create, 0, init_code(STORE)),
        3 => wallet.call(nonce, TxKind::Call(REVERT_AT), 0, Bytes::from_static(b"x")),
        _ => {
            let (from, to) = (if what.is_multiple_of(2) { 0 } else { word(what / 2).to() }, word(what / 14));
            let topics = [TRANSFER_TOPIC.into(), U256::from(from), to, word(what / 100)];
            wallet.call(nonce, TxKind::Call(LOG4_AT), 0, words(&topics))
        }
    }
}

pub(crate) fn random_block(chain: &mut Chain, whats: &[u64]) {
    try_random_block(chain, whats).unwrap();
}

pub(crate) fn try_random_block(chain: &mut Chain, whats: &[u64]) -> Result<(), EvmError> {
    let mut nonces = [0; 8];
    for (seed, nonce) in nonces.iter_mut().enumerate() {
        *nonce = chain.account(&Wallet::new(seed as u64).address).unwrap().nonce;
    }
    let txs: Vec<_> = whats
        .iter()
        .map(|what| {
            let seed = what % 8;
            let nonce = nonces[seed as usize];
            nonces[seed as usize] += 1;
            tx(seed, nonce, what / 8)
        })
        .collect();
    let mut block = chain.begin(attributes(chain.head().timestamp() + 1))?;
    for tx in &txs {
        block.execute(tx).unwrap();
    }
    block.seal()?;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn undo_restores_every_earlier_block(
        blocks in prop::collection::vec(prop::collection::vec(any::<u32>(), 0..6), 1..10),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut chain = chain();
        let mut prints = vec![fingerprint(&chain)];
        for block in &blocks {
            random_block(&mut chain, &block.iter().map(|what| u64::from(*what)).collect::<Vec<_>>());
            prints.push(fingerprint(&chain));
        }
        let cut = cut.index(prints.len());
        let removed = chain.revert_to(cut as u64).unwrap();
        prop_assert_eq!(removed.len(), blocks.len() - cut);
        prop_assert_eq!(removed.first().map(|block| block.number()), (cut < blocks.len()).then_some(cut as u64 + 1));
        prop_assert_eq!(fingerprint(&chain), prints[cut].clone());
        // The same blocks again give the same chain.
        for block in &blocks[cut..] {
            random_block(&mut chain, &block.iter().map(|what| u64::from(*what)).collect::<Vec<_>>());
        }
        prop_assert_eq!(&fingerprint(&chain), prints.last().unwrap());
    }
}

#[test]
fn refuses_to_revert_forwards() {
    let mut chain = chain();
    add_block(&mut chain, &[]);
    assert!(matches!(chain.revert_to(2), Err(EvmError::NoSuchBlock(2))));
    assert!(chain.revert_to(1).unwrap().is_empty());
}

#[test]
fn readers_of_removed_blocks_are_told() {
    let mut chain = chain();
    let reader = chain.reader();
    add_block(&mut chain, &[]);
    let gone = add_block(&mut chain, &[Wallet::new(0).call(0, TxKind::Call(STORE_AT), 1, words(&[U256::ONE; 2]))]);
    let (old, new) = (reader.at(1).unwrap(), reader.latest());
    assert_eq!(old.storage(&STORE_AT, &U256::ONE).unwrap(), U256::ZERO);
    assert_eq!(new.storage(&STORE_AT, &U256::ONE).unwrap(), U256::ONE);
    chain.revert_to(1).unwrap();
    assert!(matches!(new.storage(&STORE_AT, &U256::ONE), Err(EvmError::StateUnavailable(2))));
    assert_eq!(reader.head().number(), 1);
    assert_eq!(reader.block_by_hash(&gone.hash).unwrap(), None);
    assert_eq!(reader.tx_location(&gone.transactions[0].hash()).unwrap(), None);
    assert_eq!(reader.storage(&STORE_AT, &U256::ONE), U256::ZERO);
}
