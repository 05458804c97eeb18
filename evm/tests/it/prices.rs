//! What costs other gas on a rollup than under its fork.

use super::common::{CHAIN_ID, Wallet, add_block, attributes, contract, genesis, spec};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use mayfly_evm::{BlockContext, CallMessage, Chain, ChainSpec, Prices, Refusal, TxOutcome};

const AT: Address = Address::repeat_byte(0xa7);
/// Calls the address in word 0 with the gas in word 1 and the rest as input; returns whether that succeeded, and what
/// it returned.
const CALLER: &str = "604036036040600037 600060006040360360006000356020 35fa600052 3d600060203e 3d602001 6000f3";
const BN_G2: [u8; 128] = hex!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
);

fn osaka() -> ChainSpec {
    ChainSpec { prices: Prices::default(), ..spec() }
}

fn run(spec: ChainSpec, code: &str, input: Bytes) -> TxOutcome {
    let mut genesis = genesis();
    genesis.accounts.push(contract(AT, &code.replace(' ', "")));
    let mut chain = Chain::create(None, spec, &genesis).unwrap();
    let tx = TxEip1559 { chain_id: CHAIN_ID, gas_limit: 1 << 24, to: TxKind::Call(AT), input, ..Default::default() };
    let mut block = chain.begin(attributes(1_001)).unwrap();
    block.execute(&Wallet::new(0).recovered(tx)).unwrap()
}

/// Calls a precompiled contract with so much gas: whether it succeeded, and its output.
fn call(spec: ChainSpec, address: u64, gas: u64, input: &[u8]) -> (bool, Bytes) {
    let head = [address, gas].map(|word| U256::from(word).to_be_bytes::<32>()).concat();
    let outcome = run(spec, CALLER, [head, input.to_vec()].concat().into());
    assert!(outcome.receipt.status);
    (outcome.output[31] == 1, outcome.output.slice(32..))
}

fn one_and_two() -> Vec<u8> {
    [1_u64, 2].map(|word| U256::from(word).to_be_bytes::<32>()).concat()
}

#[test]
fn gas_is_free_whatever_is_offered_for_it() {
    // GASPRICE, SSTORE at 0.
    let (nobody, mut genesis) = (Wallet::new(99), genesis());
    genesis.accounts.push(contract(AT, "3a600101600055"));
    let offered = TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: 5_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(AT),
        ..Default::default()
    };
    let mut chain = Chain::create(None, spec(), &genesis).unwrap();
    let block = add_block(&mut chain, &[nobody.recovered(offered.clone())]);
    assert!(block.receipts[0].status);
    assert_eq!(chain.storage(&AT, &U256::ZERO), U256::ONE, "the price was 0");
    assert_eq!(chain.account(&block.header.beneficiary).map_or(U256::ZERO, |info| info.balance), U256::ZERO);
    assert_eq!(chain.spec().gas_price(&block.transactions[0].tx, 0), 0);
    // Calls and estimates know it too.
    let message = CallMessage {
        from: Wallet::new(98).address,
        to: Some(AT),
        gas_price: Some(5_000_000_000),
        max_priority_fee_per_gas: Some(1),
        ..Default::default()
    };
    let reader = chain.reader();
    assert!(reader.estimate_gas(&message, &BlockContext::latest(), &[]).unwrap() > 21_000);
    assert!(reader.call(&message, &BlockContext::latest(), &[]).unwrap().is_success());
    // What it sends has to be there.
    let poor = nobody.recovered(TxEip1559 { nonce: 1, value: U256::ONE, ..offered });
    let mut next = chain.begin(attributes(block.header.timestamp + 1)).unwrap();
    assert!(matches!(next.execute(&poor), Err(Refusal::InsufficientFunds { have: U256::ZERO, want: U256::ONE })));
}

#[test]
fn precompiled_contracts_cost_their_multiple_and_work_for_exactly_that() {
    let point = one_and_two();
    let recover = {
        let wallet = Wallet::new(5);
        let hash = alloy_primitives::B256::repeat_byte(0x21);
        let signature = wallet.sign_hash(hash);
        let v = U256::from(27 + u8::from(signature.v())).to_be_bytes::<32>();
        [hash.as_slice(), &v, &signature.r().to_be_bytes::<32>(), &signature.s().to_be_bytes::<32>()].concat()
    };
    let power = [vec![0; 31], vec![1], vec![0; 31], vec![1], vec![0; 31], vec![1], vec![3, 2, 5]].concat();
    let blake = [&12_u32.to_be_bytes()[..], &[7; 208], &[1]].concat();
    let cases: [(u64, u64, u64, &[u8]); 7] = [
        (0x01, 3_000, 4, &recover),
        (0x04, 15, 1, &[]),
        (0x05, 500, 2, &power),
        (0x06, 150, 7, &[point.clone(), point.clone()].concat()),
        (0x07, 6_000, 5, &[&point[..], &[0xff; 32]].concat()),
        (0x08, 45_000 + 34_000, 7, &[&point[..], &BN_G2].concat()),
        (0x09, 12, 4, &blake),
    ];
    for (address, price, times, input) in cases {
        let (succeeds, output) = call(spec(), address, price * times, input);
        assert!(succeeds, "{address:#x} for {price} * {times}");
        assert!(!call(spec(), address, price * times - 1, input).0, "{address:#x} for less");
        let under_the_fork = call(osaka(), address, price, input);
        assert_eq!(under_the_fork, (true, output), "{address:#x} gives another result than under its fork");
    }
}

#[test]
fn opcodes_cost_more_where_they_take_longer() {
    let cases = [
        ("6007600605", 5),
        ("6007600607", 3),
        ("60076006600509", 12),
        ("60206000 20", 50 + 16),
        ("47", 5),
        ("600160015d", 300),
        // What stays.
        ("6007600604", 0),
        ("60076006600508", 0),
        ("600054", 0),
    ];
    for (code, more) in cases {
        let [here, there] = [spec(), osaka()].map(|spec| run(spec, code, Bytes::new()).receipt.gas_used);
        assert_eq!(here - there, more, "{code}");
    }
}

/// A Groth16 proof is checked by four pairings and some multiplications.
#[test]
fn a_proof_over_bn254_is_still_checked_in_one_transaction() {
    let minus =
        U256::from_str_radix("21888242871839275222246405745257275088696311157297823662689037894645226208581", 10);
    let g1 = one_and_two();
    let other = [U256::from(1).to_be_bytes::<32>(), minus.unwrap().to_be_bytes::<32>()].concat();
    let pairs = [&g1[..], &BN_G2, &other, &BN_G2].concat().repeat(2);
    let (succeeds, output) = call(spec(), 8, 1_500_000, &pairs);
    assert!(succeeds && output[31] == 1, "{output}");
}

#[test]
fn calls_and_estimates_have_the_prices_of_blocks() {
    let mut genesis = genesis();
    genesis.accounts.push(contract(AT, &CALLER.replace(' ', "")));
    let chain = Chain::create(None, spec(), &genesis).unwrap();
    let input = |gas: u64| -> Bytes {
        [&[6, gas].map(|word| U256::from(word).to_be_bytes::<32>()).concat()[..], &one_and_two().repeat(2)]
            .concat()
            .into()
    };
    let message = |gas| CallMessage { to: Some(AT), data: input(gas), ..Default::default() };
    let context = BlockContext::default();
    let succeeds = |gas| chain.reader().call(&message(gas), &context, &[]).unwrap().output[31] == 1;
    assert!(succeeds(7 * 150) && !succeeds(7 * 150 - 1));
    let used = run(spec(), CALLER, input(7 * 150)).receipt.gas_used;
    let estimate = chain.reader().estimate_gas(&message(7 * 150), &context, &[]).unwrap();
    assert!(estimate >= used && estimate < used * 11 / 10, "estimated {estimate}, used {used}");
}
