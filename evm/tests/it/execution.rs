//! Blocks, headers and system calls.

use crate::common::*;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, b256, keccak256};
use mayfly_evm::{BEACON_ROOTS_ADDRESS, Chain, EvmError, GenesisAccount, HISTORY_ADDRESS, receipt_leaf};

#[test]
fn header_is_osaka_with_the_rollup_rules() {
    let mut chain = chain();
    let genesis = chain.head().clone();
    let block =
        add_block(&mut chain, &[Wallet::new(0).call(0, TxKind::Call(Address::repeat_byte(5)), 7, Bytes::new())]);
    let Header { parent_hash, number, base_fee_per_gas, mix_hash, gas_used, gas_limit, difficulty, .. } = &block.header;
    assert_eq!((*parent_hash, *number, *base_fee_per_gas), (genesis.hash, 1, Some(0)));
    assert_eq!((*mix_hash, *gas_used, *gas_limit), (B256::repeat_byte(0xe9), 21_000, 30_000_000));
    assert_eq!((*difficulty, block.header.blob_gas_used, block.header.excess_blob_gas), (U256::ZERO, Some(0), Some(0)));
    assert_eq!(block.header.parent_beacon_block_root, Some(B256::repeat_byte(0xbe)));
    assert_eq!(block.header.withdrawals_root, Some(alloy_trie::EMPTY_ROOT_HASH));
    let nothing = b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(block.header.requests_hash, Some(nothing));
    assert_eq!(block.hash, keccak256(alloy_rlp::encode(&block.header)));
    assert_eq!(genesis.header.parent_hash, B256::ZERO);
    assert_eq!(genesis.header.mix_hash, B256::ZERO);
    assert_eq!(genesis.header.parent_beacon_block_root, Some(B256::ZERO));
    assert_eq!(genesis.header.extra_data, Bytes::from_static(b"\x01genesis"));
}

/// If this changes, every rollup's chain changes: it needs a new protocol version.
#[test]
fn golden_chain_keeps_its_hashes() {
    let mut chain = chain();
    let genesis = chain.head().hash;
    let wallet = Wallet::new(0);
    let txs = [
        wallet.call(0, TxKind::Call(Address::repeat_byte(5)), 7, Bytes::new()),
        wallet.call(1, TxKind::Create, 0, init_code(STORE)),
        wallet.call(2, TxKind::Call(STORE_AT), 0, words(&[U256::from(1), U256::from(2)])),
        wallet.call(3, TxKind::Call(REVERT_AT), 0, Bytes::from_static(b"no")),
    ];
    let one = add_block(&mut chain, &txs).hash;
    let two = add_block(&mut chain, &[]).hash;
    let got = [genesis, one, two, chain.receipt_root()].map(|hash| hash.to_string());
    assert_eq!(got, GOLDEN);
}

const GOLDEN: [&str; 4] = [
    "0xca183f1a6b931eaea78ee1bee9e5b71690db9a31cfb42889532ac49404fbf9a8",
    "0x01a34b7c01d63ec7fd3de0d12b33e831b5b98632d31ecc88fb23b212b80af795",
    "0xacb7e2e12642f0bd8801bc042d5cd413bd90e65bb84bf43e28f47278878768c6",
    "0x12d7c30baea2f95efae3c51a97e9beecd97810866da319a8e1092359c4e6760d",
];

#[test]
fn system_calls_store_parent_hash_and_beacon_root() {
    let mut chain = chain();
    let genesis = chain.head().hash;
    let block = add_block(&mut chain, &[]);
    assert_eq!(chain.storage(&HISTORY_ADDRESS, &U256::ZERO), U256::from_be_bytes(genesis.0));
    let slot = U256::from(block.timestamp() % 8_191);
    assert_eq!(chain.storage(&BEACON_ROOTS_ADDRESS, &slot), U256::from(block.timestamp()));
    assert_eq!(chain.storage(&BEACON_ROOTS_ADDRESS, &(slot + U256::from(8_191))), U256::from_be_bytes([0xbe; 32]));
    add_block(&mut chain, &[]);
    assert_eq!(chain.storage(&HISTORY_ADDRESS, &U256::ONE), U256::from_be_bytes(block.hash.0));
}

#[test]
fn transactions_leave_receipts_state_and_tree() {
    let mut chain = chain();
    let wallet = Wallet::new(0);
    let created = wallet.address.create(1);
    let mut block = chain.begin(attributes(1_000)).unwrap();
    let to = Address::repeat_byte(5);
    let send = block.execute(&wallet.call(0, TxKind::Call(to), 7, Bytes::new())).unwrap();
    assert!(send.receipt.status && send.receipt.gas_used == 21_000);
    let create = block.execute(&wallet.call(1, TxKind::Create, 0, init_code(STORE))).unwrap();
    assert_eq!(create.contract_address, Some(created));
    assert_eq!(create.receipt.contract_address, Some(created));
    let store = words(&[U256::from(1), U256::from(2)]);
    let store = block.execute(&wallet.call(2, TxKind::Call(created), 0, store)).unwrap();
    assert!(store.receipt.status);
    let revert = block.execute(&wallet.call(3, TxKind::Call(REVERT_AT), 0, Bytes::from_static(b"no"))).unwrap();
    assert!(!revert.receipt.status && revert.output.as_ref() == b"no");
    let gas = [&send, &create, &store, &revert].map(|outcome| outcome.receipt.gas_used);
    assert_eq!(block.gas_used(), gas.iter().sum::<u64>());
    assert_eq!(block.gas_left(), 30_000_000 - block.gas_used());
    assert_eq!(block.len(), 4);
    let block = block.seal().unwrap();
    assert_eq!(block.header.gas_used, gas.iter().sum::<u64>());
    assert_eq!(chain.account(&to).unwrap().balance, U256::from(7));
    assert_eq!(chain.account(&wallet.address).unwrap().nonce, 4);
    assert_eq!(chain.code(&created), code(STORE));
    assert_eq!(chain.storage(&created, &U256::from(1)), U256::from(2));
    let mut tree = mayfly_evm::ReceiptTree::default();
    for (index, receipt) in block.receipts.iter().enumerate() {
        tree.push(receipt_leaf(index as u64, 1, index as u64, receipt));
    }
    assert_eq!(chain.receipt_root(), tree.root());
    assert_eq!(add_block(&mut chain, &[]).first_index, 4);
}

#[test]
fn aborted_and_dropped_blocks_leave_nothing() {
    let mut chain = chain();
    let before = fingerprint(&chain);
    let tx = Wallet::new(0).call(0, TxKind::Call(LOG4_AT), 7, words(&[U256::ZERO; 4]));
    let mut block = chain.begin(attributes(1_000)).unwrap();
    block.execute(&tx).unwrap();
    block.abort();
    let mut block = chain.begin(attributes(1_000)).unwrap();
    block.execute(&tx).unwrap();
    drop(block);
    assert_eq!(fingerprint(&chain), before);
    add_block(&mut chain, &[tx]);
}

#[test]
fn refuses_attributes_that_break_header_rules() {
    let mut chain = chain();
    add_block(&mut chain, &[]);
    let refused = |chain: &mut Chain, change: &dyn Fn(&mut mayfly_evm::BlockAttributes)| {
        let mut attributes = attributes(1_001);
        change(&mut attributes);
        matches!(chain.begin(attributes), Err(EvmError::Attributes(_)))
    };
    assert!(!refused(&mut chain, &|_| ()));
    assert!(refused(&mut chain, &|a| a.timestamp = 1_000));
    assert!(refused(&mut chain, &|a| a.extra_data = vec![0; 33].into()));
    assert!(refused(&mut chain, &|a| a.gas_limit = 0));
    let mut strict = spec();
    strict.header.equal_timestamps = false;
    let mut chain = Chain::create(None, strict, &genesis()).unwrap();
    assert!(refused(&mut chain, &|a| a.timestamp = 1_000));
    assert!(!refused(&mut chain, &|a| a.timestamp = 1_001));
}

#[test]
fn refuses_a_genesis_that_contradicts_itself() {
    let mut twice = genesis();
    twice.accounts.push(twice.accounts[0].clone());
    assert!(matches!(Chain::create(None, spec(), &twice), Err(EvmError::Genesis(_))));
    let mut slots = genesis();
    slots.accounts[0].storage = vec![(B256::ZERO, U256::ONE), (B256::ZERO, U256::ONE)];
    assert!(matches!(Chain::create(None, spec(), &slots), Err(EvmError::Genesis(_))));
    let mut ghost = genesis();
    let storage = vec![(B256::ZERO, U256::ONE)];
    ghost.accounts.push(GenesisAccount { address: Address::repeat_byte(0x77), storage, ..Default::default() });
    assert!(matches!(Chain::create(None, spec(), &ghost), Err(EvmError::Genesis(_))));
}

#[test]
fn a_contract_that_destroys_itself_at_birth_leaves_no_account() {
    let mut chain = chain();
    let wallet = Wallet::new(0);
    let block = add_block(&mut chain, &[wallet.call(0, TxKind::Create, 0, code(DESTROY))]);
    assert!(block.receipts[0].status);
    assert_eq!(chain.account(&wallet.address.create(0)), None);
}

#[test]
fn delegation_runs_code_at_an_account_and_stays_an_eoa() {
    let mut chain = chain();
    let (wallet, payer) = (Wallet::new(0), Wallet::new(1));
    let tx = payer.delegate(&wallet, 0, STORE_AT, words(&[U256::from(3), U256::from(4)]));
    let block = add_block(&mut chain, &[tx]);
    assert!(block.receipts[0].status);
    assert_eq!(chain.storage(&wallet.address, &U256::from(3)), U256::from(4));
    assert_eq!(chain.code(&wallet.address).as_ref(), [&[0xef, 1, 0][..], STORE_AT.as_slice()].concat());
    let after = wallet.call(1, TxKind::Call(Address::repeat_byte(5)), 1, Bytes::new());
    assert!(add_block(&mut chain, &[after]).receipts[0].status);
}

#[test]
fn osaka_precompiles_are_there() {
    let chain = chain();
    let call = |address: u64, data: Bytes| {
        let to = Some(Address::with_last_byte(address as u8));
        let to = if address > 255 { Some(Address::left_padding_from(&address.to_be_bytes())) } else { to };
        let message = mayfly_evm::CallMessage { to, data, ..Default::default() };
        chain.reader().call(&message, &Default::default(), &[]).unwrap()
    };
    // EIP-7951: the first vector of the EIP's repository, RFC 6979 style, valid.
    let p256 = code(
        "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d\
         a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac\
         36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60\
         4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3\
         7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e",
    );
    assert_eq!(call(0x100, p256.clone()).output, words(&[U256::ONE]));
    let mut wrong = p256.to_vec();
    wrong[0] ^= 1;
    assert!(call(0x100, wrong.into()).output.is_empty());
    // EIP-2537: infinity + infinity is infinity.
    assert_eq!(call(0x0b, vec![0; 256].into()).output, Bytes::from(vec![0; 128]));
    assert!(!call(0x0b, vec![1; 256].into()).is_success());
}
