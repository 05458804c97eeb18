//! The fold through whole blocks.

use crate::common::*;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use mayfly_evm::{BRIDGED_ERC20_IMPLEMENTATION, Chain, GenesisAccount, TRANSFER_TOPIC, TokenKind, clone_code};

const TOKEN: Address = Address::repeat_byte(0xb1);
const COPYCAT: Address = Address::repeat_byte(0xb2);
const ALICE: Address = Address::repeat_byte(0x11);
const BOB: Address = Address::repeat_byte(0x22);

fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// A clone of the bridged ERC-20 (whose implementation logs what it is told) and a clone of something else.
fn chain() -> Chain {
    let mut genesis = with_contracts();
    let clone = |address, implementation| GenesisAccount {
        address,
        nonce: 1,
        code: Bytes::from(clone_code(&implementation)),
        ..Default::default()
    };
    let other = Address::repeat_byte(0xb3);
    genesis.accounts.extend([
        contract(BRIDGED_ERC20_IMPLEMENTATION, LOG3),
        contract(other, LOG3),
        clone(TOKEN, BRIDGED_ERC20_IMPLEMENTATION),
        clone(COPYCAT, other),
    ]);
    Chain::create(None, spec(), &genesis).unwrap()
}

fn transfer(from: Address, to: Address, amount: u64) -> Bytes {
    words(&[TRANSFER_TOPIC.into(), word(from), word(to), U256::from(amount)])
}

fn erc20(chain: &Chain, token: Address, holder: Address) -> u64 {
    chain.fold().balance(&token, TokenKind::Erc20, U256::ZERO, &holder).to()
}

#[test]
fn bridged_erc20_is_known_by_its_code() {
    let mut chain = chain();
    let wallet = Wallet::new(0);
    let mint = transfer(Address::ZERO, ALICE, 10);
    let block = add_block(
        &mut chain,
        &[
            wallet.call(0, TxKind::Call(TOKEN), 0, mint.clone()),
            wallet.call(1, TxKind::Call(COPYCAT), 0, mint.clone()),
            wallet.call(2, TxKind::Call(BRIDGED_ERC20_IMPLEMENTATION), 0, mint),
            wallet.call(3, TxKind::Call(TOKEN), 0, transfer(ALICE, BOB, 4)),
        ],
    );
    assert!(block.receipts.iter().all(|receipt| receipt.status && receipt.logs.len() == 1));
    assert_eq!((erc20(&chain, TOKEN, ALICE), erc20(&chain, TOKEN, BOB)), (6, 4));
    assert_eq!(erc20(&chain, COPYCAT, ALICE), 0);
    assert_eq!(erc20(&chain, BRIDGED_ERC20_IMPLEMENTATION, ALICE), 0);
}

#[test]
fn inconsistent_contracts_stay_marked_until_undone() {
    let mut chain = chain();
    let wallet = Wallet::new(0);
    add_block(&mut chain, &[wallet.call(0, TxKind::Call(TOKEN), 0, transfer(Address::ZERO, ALICE, 10))]);
    let before = fingerprint(&chain);
    add_block(
        &mut chain,
        &[
            wallet.call(1, TxKind::Call(TOKEN), 0, transfer(ALICE, BOB, 11)),
            wallet.call(2, TxKind::Call(TOKEN), 0, transfer(ALICE, BOB, 1)),
        ],
    );
    assert!(chain.fold().is_inconsistent(&TOKEN));
    assert_eq!(erc20(&chain, TOKEN, BOB), 0);
    add_block(&mut chain, &[wallet.call(3, TxKind::Call(TOKEN), 0, transfer(ALICE, BOB, 1))]);
    assert_eq!(erc20(&chain, TOKEN, BOB), 0);
    chain.revert_to(1).unwrap();
    assert!(!chain.fold().is_inconsistent(&TOKEN));
    assert_eq!(fingerprint(&chain), before);
}

#[test]
fn logs_of_reverted_calls_do_not_count() {
    let mut chain = chain();
    let wallet = Wallet::new(0);
    // A call with too little gas to finish logging.
    let tx = alloy_consensus::TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 24_500,
        to: TxKind::Call(TOKEN),
        input: transfer(Address::ZERO, ALICE, 10),
        ..Default::default()
    };
    let block = add_block(&mut chain, &[wallet.recovered(tx)]);
    assert!(!block.receipts[0].status && block.receipts[0].logs.is_empty());
    assert!(chain.fold().is_empty());
}
