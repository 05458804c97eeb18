//! Tokens that lie: whatever their logs say, there is a settlement, and honest tokens are in it.

use super::settlement::World;
use super::workload::rng;
use alloy_primitives::{Address, B256, TxKind, U256};
use alloy_sol_types::{SolCall, SolValue};
use mayfly_contracts::l2::L2Registry;
use mayfly_contracts::predeploys::L2_REGISTRY;
use mayfly_contracts::tokens::DemoCollection;
use mayfly_evm::{TRANSFER_BATCH_TOPIC, TRANSFER_SINGLE_TOPIC, TRANSFER_TOPIC};
use mayfly_rollup::settlement::{AssetKind, Leaf, LeafFile, Leaves, Tree};
use proptest::prelude::*;
use rand::Rng;
use rand::rngs::StdRng;

/// Init code that calls the registry and leaves `runtime` behind.
pub(crate) fn calling_registry(call: &[u8], runtime: &[u8]) -> Vec<u8> {
    let push2 = |value: usize| [&[0x61][..], &(value as u16).to_be_bytes()].concat();
    let mut code = Vec::new();
    for (at, word) in call.chunks(32).enumerate() {
        let mut padded = [0; 32];
        padded[..word.len()].copy_from_slice(word);
        code.extend([&[0x7f], &padded[..], &push2(32 * at), &[0x52]].concat());
    }
    code.extend([&[0x5f, 0x5f], &push2(call.len())[..], &[0x5f, 0x5f, 0x73]].concat());
    code.extend_from_slice(L2_REGISTRY.as_slice());
    code.extend([0x5a, 0xf1, 0x50]);
    // CODECOPY and RETURN of what follows.
    let start = code.len() + 3 + 3 + 2 + 3 + 2;
    code.extend(
        [&push2(runtime.len())[..], &push2(start), &[0x5f, 0x39], &push2(runtime.len()), &[0x5f, 0xf3]].concat(),
    );
    assert_eq!(code.len(), start);
    code.extend_from_slice(runtime);
    code
}

/// Logs what it is called with: four topics, then data. If the first topic is 0, the data goes to the registry instead.
fn shouter() -> Vec<u8> {
    let mut code = vec![0x60, 128, 0x36, 0x03, 0x60, 128, 0x5f, 0x37]; // CALLDATACOPY of all but the topics
    code.extend([0x5f, 0x35, 0x60, 46, 0x57]); // CALLDATALOAD, JUMPI
    code.extend([0x5f, 0x5f, 0x60, 128, 0x36, 0x03, 0x5f, 0x5f, 0x73]);
    code.extend_from_slice(L2_REGISTRY.as_slice());
    code.extend([0x5a, 0xf1, 0x50, 0x00]);
    assert_eq!(code.len(), 46);
    code.push(0x5b);
    code.extend([0x60, 96, 0x35, 0x60, 64, 0x35, 0x60, 32, 0x35, 0x5f, 0x35]);
    code.extend([0x60, 128, 0x36, 0x03, 0x5f, 0xa4, 0x00]);
    code
}

impl World {
    /// A contract that leaves everything to `heir`.
    fn heirloom(&mut self, heir: Address) -> Address {
        let call = L2Registry::setBeneficiaryCall { beneficiary: heir }.abi_encode();
        self.make(calling_registry(&call, &[0]))
    }

    /// A shouter that registered itself as a collection.
    fn fake(&mut self, kind: u8) -> Address {
        let collection = self.make(calling_registry(&[], &shouter()));
        let text = || "Fake".to_owned();
        let call =
            L2Registry::registerCollectionCall { collection, kind, name: text(), symbol: text(), baseURI: text() };
        self.shout(collection, [B256::ZERO; 4], call.abi_encode());
        collection
    }

    fn make(&mut self, init: Vec<u8>) -> Address {
        let made = self.wallets[1].address().create(self.wallets[1].nonce);
        assert!(self.run(1, TxKind::Create, U256::ZERO, init));
        made
    }

    fn shout(&mut self, fake: Address, topics: [B256; 4], data: Vec<u8>) {
        let input = [topics.concat(), data].concat();
        assert!(self.run(1, TxKind::Call(fake), U256::ZERO, input));
    }

    fn shout_single(&mut self, fake: Address, from: Address, to: Address, id: U256, amount: U256) {
        let topics = [TRANSFER_SINGLE_TOPIC, B256::ZERO, from.into_word(), to.into_word()];
        self.shout(fake, topics, (id, amount).abi_encode_params());
    }
}

/// A tree can be built, and the file says the same.
fn check(leaves: &Leaves) {
    let file = LeafFile { leaves: leaves.leaves.clone() };
    assert_eq!(LeafFile::decode(&file.encode()).unwrap(), file);
    assert!(Tree::new(Address::repeat_byte(1), &file.leaves).is_ok());
}

#[test]
fn sums_past_every_number_keep_nobody_from_settling() {
    let mut world = World::new();
    world.register();
    let honest = world.born;
    assert!(world.call(3, honest, DemoCollection::mintCall {}));
    let heir = Address::repeat_byte(0x77);
    let (first, second) = (world.heirloom(heir), world.heirloom(heir));
    let fake = world.fake(5);
    let person = world.wallets[2].address();
    world.shout_single(fake, Address::ZERO, person, U256::from(7), U256::from(5));
    let before = world.leaves();

    let token = Address::repeat_byte(0x66);
    for holder in [first, second] {
        world.shout_single(fake, Address::ZERO, holder, U256::from(7), U256::MAX);
        // A token of L1 may lie as well.
        let deposit = (token, holder, U256::ZERO, U256::MAX, "x".to_owned()).abi_encode_params();
        world.sim.queue_item(3, 1_000_000, deposit);
    }
    world.turn();
    let after = world.leaves();
    check(&after);
    let more =
        |kind, token, id: u64| Leaf { kind, token, token_id: U256::from(id), recipient: heir, amount: U256::MAX };
    let mut expected = before.leaves.clone();
    expected.extend([more(AssetKind::Erc1155, token, 0), more(AssetKind::BornErc1155, fake, 7)]);
    expected.sort_unstable();
    assert_eq!(after.leaves, expected);
    assert_eq!((after.contract_held.len(), after.left_out), (before.contract_held.len() + 4, before.left_out));
    assert!(after.leaves.iter().any(|leaf| (leaf.kind, leaf.token) == (AssetKind::BornErc721, honest)));
}

fn lie(world: &mut World, fakes: &[Address], holders: &[Address], rng: &mut StdRng) {
    let one = |rng: &mut StdRng| holders[rng.random_range(0..holders.len())];
    let fake = fakes[rng.random_range(0..fakes.len())];
    let from = if rng.random_range(0..8) == 0 { one(rng) } else { Address::ZERO };
    let to = one(rng);
    let numbers = [U256::ZERO, U256::ONE, U256::MAX >> 1, U256::MAX - U256::ONE, U256::MAX];
    let number = |rng: &mut StdRng| numbers[rng.random_range(0..numbers.len())];
    let (id, amount) = (number(rng), number(rng));
    match rng.random_range(0..4) {
        0 => {
            let topics = [TRANSFER_TOPIC, from.into_word(), to.into_word(), id.into()];
            world.shout(fake, topics, Vec::new());
        }
        1 => {
            let (ids, amounts) = (vec![id, U256::from(3)], vec![amount, number(rng)]);
            let topics = [TRANSFER_BATCH_TOPIC, B256::ZERO, from.into_word(), to.into_word()];
            world.shout(fake, topics, (ids, amounts).abi_encode_params());
        }
        _ => world.shout_single(fake, from, to, id, amount),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn there_is_a_settlement_of_every_state(seed in any::<u64>()) {
        let mut rng = rng(seed);
        let mut world = World::new();
        let heirs = [Address::repeat_byte(0x77), Address::repeat_byte(0x78)];
        let mut holders = vec![Address::ZERO, L2_REGISTRY, world.wallets[2].address()];
        holders.extend([0, 0, 1].map(|heir| world.heirloom(heirs[heir])));
        // Kind 6 is none: such a collection is not registered.
        let fakes: Vec<Address> = [4, 5, 5, 6].map(|kind| world.fake(kind)).to_vec();
        holders.push(fakes[0]);
        for _ in 0..30 {
            lie(&mut world, &fakes, &holders, &mut rng);
        }
        let leaves = world.leaves();
        check(&leaves);
        // Nothing settles of what is left out, and everybody still has what the honest tokens gave.
        for (contract, why) in &leaves.left_out {
            prop_assert!(leaves.leaves.iter().all(|leaf| leaf.token != *contract), "{contract} {why:?}");
        }
        let people = leaves.leaves.iter().filter(|leaf| leaf.kind == AssetKind::Erc20);
        prop_assert_eq!(people.map(|leaf| leaf.amount).sum::<U256>(), U256::from(2_000));
    }
}
