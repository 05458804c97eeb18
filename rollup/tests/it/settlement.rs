//! Leaves from state and fold: sums equal custody, recipients are who they should be.

use super::hostile_tokens as hostile;
use super::sim::{Sim, Wallet, head_of};
use super::workload::rng;
use alloy_consensus::{SignableTransaction, TxEip7702, TxEnvelope};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use mayfly_contracts::l2::L2Bridge::{self, finalizeERC20Call, finalizeERC721Call, finalizeERC1155Call};
use mayfly_contracts::l2::L2Registry;
use mayfly_contracts::predeploys::{L2_BRIDGE, L2_REGISTRY, SYSTEM_SENDER, fixed_addresses};
use mayfly_contracts::tokens::{DemoCollection, DemoItems, TestERC20};
use mayfly_rollup::settlement::{
    AssetKind, Leaf, LeafFile, Leaves, LeftOut, Tree, append_root, decode_message, leaf_hash, leaves, message_leaf,
    message_proof, verify, verify_append,
};
use mayfly_rollup::{Message, ReceiptRow, batch_claim, closing_claim, receipt_proof};
use proptest::prelude::*;
use rand::Rng;

const COIN: Address = Address::repeat_byte(0x51);
const ART: Address = Address::repeat_byte(0x52);
const ITEMS: Address = Address::repeat_byte(0x53);
const GAS: u64 = 5_000_000;

/// A rollup where everybody owns something.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) wallets: Vec<Wallet>,
    deposited: U256,
    pub(crate) born: Address,
    born_items: Address,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self {
            sim: Sim::new(),
            wallets: (0..4).map(Wallet::new).collect(),
            deposited: U256::ZERO,
            born: Address::ZERO,
            born_items: Address::ZERO,
        };
        for who in 0..4 {
            world.deposit_all(who, 1_000 + who as u64);
        }
        world.turn();
        let owner = world.wallets[0].address();
        let collection =
            DemoCollection::constructorCall { name_: "Born".into(), symbol_: "B".into(), baseURI_: "u".into() };
        let code = [DemoCollection::BYTECODE.as_ref(), &collection.abi_encode()].concat();
        world.born = owner.create(world.wallets[0].nonce);
        world.run(0, TxKind::Create, U256::ZERO, code);
        let code =
            [DemoItems::BYTECODE.as_ref(), &DemoItems::constructorCall { uri_: "u".into() }.abi_encode()].concat();
        world.born_items = owner.create(world.wallets[0].nonce);
        world.run(0, TxKind::Create, U256::ZERO, code);
        world
    }

    fn deposit_all(&mut self, who: usize, id: u64) {
        let to = self.wallets[who].address();
        self.sim.deposit(to, 1_000_000);
        self.deposited += U256::from(1_000_000);
        let call = finalizeERC20Call {
            token: COIN,
            to,
            amount: U256::from(500),
            name: "C".into(),
            symbol: "C".into(),
            decimals: 6,
        };
        self.sim.queue_item(1, 1_000_000, call.abi_encode()[4..].to_vec());
        let call = finalizeERC721Call {
            token: ART,
            to,
            tokenId: U256::from(id),
            name: "A".into(),
            symbol: "A".into(),
            uri: "x".into(),
        };
        self.sim.queue_item(2, 1_000_000, call.abi_encode()[4..].to_vec());
        let call =
            finalizeERC1155Call { token: ITEMS, to, id: U256::from(id % 2), amount: U256::from(30), uri: "y".into() };
        self.sim.queue_item(3, 1_000_000, call.abi_encode()[4..].to_vec());
    }

    /// Mines L1 and takes everything from the queue.
    pub(crate) fn turn(&mut self) {
        self.sim.mine();
        let origin = self.sim.l1.last().unwrap().number;
        while !self.sim.open_items(origin).is_empty() {
            let items = self.sim.open_items(origin).len().min(8);
            self.sim.seal(origin, items, Vec::new());
        }
    }

    pub(crate) fn run(&mut self, who: usize, to: TxKind, value: U256, input: Vec<u8>) -> bool {
        let tx = self.wallets[who].send(&self.sim.info, to, value, input.into(), GAS);
        self.seal(tx)
    }

    fn seal(&mut self, tx: TxEnvelope) -> bool {
        let origin = self.sim.l1.last().unwrap().number;
        self.sim.seal(origin, 0, vec![tx]).receipts[0].status
    }

    pub(crate) fn call(&mut self, who: usize, to: Address, call: impl SolCall) -> bool {
        self.run(who, TxKind::Call(to), U256::ZERO, call.abi_encode())
    }

    pub(crate) fn register(&mut self) {
        let (born, born_items) = (self.born, self.born_items);
        let call = |collection, kind| L2Registry::registerCollectionCall {
            collection,
            kind,
            name: "Born".into(),
            symbol: "B".into(),
            baseURI: "u".into(),
        };
        assert!(self.call(0, L2_REGISTRY, call(born, 4)));
        assert!(self.call(0, L2_REGISTRY, call(born_items, 5)));
    }

    fn bridged(&self, kind: u8) -> Address {
        let implementation = [
            Address::ZERO,
            mayfly_contracts::predeploys::BRIDGED_ERC20,
            mayfly_contracts::predeploys::BRIDGED_ERC721,
            mayfly_contracts::predeploys::BRIDGED_ERC1155,
        ][usize::from(kind)];
        let token = [Address::ZERO, COIN, ART, ITEMS][usize::from(kind)];
        let init = [
            &alloy_primitives::hex!("3d602d80600a3d3981f3")[..],
            &mayfly_contracts::predeploys::clone_code(implementation),
        ]
        .concat();
        L2_BRIDGE.create2_from_code(token.into_word(), init)
    }

    pub(crate) fn leaves(&self) -> Leaves {
        leaves(&self.sim.chain)
    }
}

fn sum(leaves: &Leaves, kind: AssetKind) -> U256 {
    leaves.leaves.iter().filter(|leaf| leaf.kind == kind).map(|leaf| leaf.amount).sum()
}

fn amount(leaves: &Leaves, kind: AssetKind, recipient: Address) -> U256 {
    leaves.leaves.iter().filter(|leaf| (leaf.kind, leaf.recipient) == (kind, recipient)).map(|leaf| leaf.amount).sum()
}

fn random_act(world: &mut World, rng: &mut rand::rngs::StdRng, withdrawn: &mut [U256; 4]) {
    let who = rng.random_range(0..4);
    let from = world.wallets[who].address();
    let to = match rng.random_range(0..6) {
        0 => world.born,
        1 => L2_REGISTRY,
        at => world.wallets[at % 4].address(),
    };
    let small = U256::from(rng.random_range(1..200_u64));
    match rng.random_range(0..10) {
        0 => _ = world.run(who, TxKind::Call(to), small, Vec::new()),
        1 => _ = world.call(who, world.bridged(1), TestERC20::transferCall { to, value: small }),
        2 => {
            let token_id = U256::from(1_000 + rng.random_range(0..4_u64));
            _ = world.call(who, world.bridged(2), DemoCollection::transferFromCall { from, to, tokenId: token_id });
        }
        3 => {
            let id = U256::from(rng.random_range(0..2_u64));
            let call =
                DemoItems::safeTransferFromCall { from, to, id, value: small / U256::from(20), data: Bytes::new() };
            _ = world.call(who, world.bridged(3), call);
        }
        4 => _ = world.call(who, world.born, DemoCollection::mintCall {}),
        5 => {
            _ = world.call(
                who,
                world.born,
                DemoCollection::burnCall { tokenId: U256::from(rng.random_range(1..5_u64)) },
            )
        }
        6 => _ = world.call(who, world.born_items, DemoItems::mintCall { id: small, amount: small }),
        7 => {
            if world.run(who, TxKind::Call(L2_BRIDGE), small, L2Bridge::withdrawETHCall { to }.abi_encode()) {
                withdrawn[0] += small;
            }
        }
        8 => {
            if world.call(who, L2_BRIDGE, L2Bridge::withdrawERC20Call { l1Token: COIN, to, amount: small }) {
                withdrawn[1] += small;
            }
        }
        _ => {
            let token_id = U256::from(1_000 + rng.random_range(0..4_u64));
            if world.call(who, L2_BRIDGE, L2Bridge::withdrawERC721Call { l1Token: ART, to, tokenId: token_id }) {
                withdrawn[2] += U256::ONE;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..Default::default() })]

    #[test]
    fn leaves_and_withdrawals_add_up_to_custody(seed in any::<u64>()) {
        let mut rng = rng(seed);
        let mut world = World::new();
        world.register();
        let mut withdrawn = [U256::ZERO; 4];
        (0..40).for_each(|_| random_act(&mut world, &mut rng, &mut withdrawn));
        let leaves = world.leaves();
        let chain = &world.sim.chain;
        let fixed = fixed_addresses();
        let stuck: U256 = fixed.iter().filter_map(|address| chain.account(address)).map(|account| account.balance).sum();
        prop_assert_eq!(sum(&leaves, AssetKind::Native) + stuck, world.deposited);
        prop_assert_eq!(chain.account(&L2_BRIDGE).unwrap().balance, withdrawn[0]);
        // What was sent to a fixed address is out of everybody's reach and settles nowhere.
        let lost = |contract: Address, wanted: mayfly_evm::TokenKind| {
            let mut lost = U256::ZERO;
            chain.fold().for_each(|at, kind, _, holder, amount| {
                if (at, kind) == (contract, wanted) && fixed.contains(&holder) {
                    lost += amount;
                }
            });
            lost
        };
        let erc20 = sum(&leaves, AssetKind::Erc20) + lost(world.bridged(1), mayfly_evm::TokenKind::Erc20);
        prop_assert_eq!(erc20 + withdrawn[1], U256::from(2_000));
        let erc721 = sum(&leaves, AssetKind::Erc721) + lost(world.bridged(2), mayfly_evm::TokenKind::Erc721);
        prop_assert_eq!(erc721 + withdrawn[2], U256::from(4));
        let erc1155 = sum(&leaves, AssetKind::Erc1155) + lost(world.bridged(3), mayfly_evm::TokenKind::Erc1155);
        prop_assert_eq!(erc1155, U256::from(120));
        // The leaf file carries all of it, and every leaf is provable.
        let file = LeafFile { leaves: leaves.leaves.clone() };
        prop_assert_eq!(&LeafFile::decode(&file.encode()).unwrap(), &file);
        let tree = Tree::new(world.sim.info.rollup, &file.leaves).unwrap();
        for (index, leaf) in file.leaves.iter().enumerate() {
            let hash = leaf_hash(world.sim.info.rollup, index as u64, leaf);
            prop_assert!(verify(tree.root(), hash, &tree.proof(index).unwrap()));
        }
    }
}

#[test]
fn contracts_pass_on_to_their_beneficiary_and_delegated_accounts_are_people() {
    let mut world = World::new();
    let born = world.born;
    assert!(world.run(1, TxKind::Call(world.wallets[3].address()), U256::from(5), Vec::new()));
    let coin = world.bridged(1);
    assert!(world.call(1, coin, TestERC20::transferCall { to: born, value: U256::from(70) }));
    let held = world.leaves();
    assert_eq!(amount(&held, AssetKind::Erc20, born), U256::from(70));
    assert_eq!(held.contract_held.len(), 1);
    assert_eq!((held.contract_held[0].holder, held.contract_held[0].leaf.recipient), (born, born));

    // A contract that names a beneficiary: its constructor does, and stays.
    let heir = Address::repeat_byte(0x77);
    let call = L2Registry::setBeneficiaryCall { beneficiary: heir }.abi_encode();
    let init = hostile::calling_registry(&call, &[0]);
    let named = world.wallets[1].address().create(world.wallets[1].nonce);
    assert!(world.run(1, TxKind::Create, U256::from(11), init));
    assert!(world.call(1, coin, TestERC20::transferCall { to: named, value: U256::from(30) }));
    let held = world.leaves();
    assert_eq!(amount(&held, AssetKind::Native, heir), U256::from(11));
    assert_eq!(amount(&held, AssetKind::Erc20, heir), U256::from(30));
    assert_eq!(amount(&held, AssetKind::Erc20, named), U256::ZERO);
    assert_eq!(held.contract_held.iter().filter(|held| held.holder == named).count(), 2);

    // A 7702 delegation leaves an account what it is, whatever beneficiary it named.
    delegate(&mut world, 2, born);
    let two = world.wallets[2].address();
    assert!(world.call(2, L2_REGISTRY, L2Registry::setBeneficiaryCall { beneficiary: heir }));
    assert!(world.sim.chain.account(&two).unwrap().has_code());
    let held = world.leaves();
    assert_eq!(amount(&held, AssetKind::Native, two), U256::from(1_000_000));
    assert!(held.contract_held.iter().all(|held| held.holder != two));
}

fn delegate(world: &mut World, who: usize, to: Address) {
    let chain_id = world.sim.info.chain_id;
    let wallet = &mut world.wallets[who];
    let authorization = Authorization { chain_id: U256::from(chain_id), address: to, nonce: wallet.nonce + 1 };
    let signature = wallet.sign_hash(&authorization.signature_hash());
    let tx = TxEip7702 {
        chain_id,
        nonce: wallet.nonce,
        gas_limit: 200_000,
        to: wallet.address(),
        authorization_list: vec![authorization.into_signed(signature)],
        ..Default::default()
    };
    let signature = wallet.sign_hash(&tx.signature_hash());
    wallet.nonce += 2;
    // The account now runs the delegate's code, which refuses plain calls; the delegation stands all the same.
    world.seal(tx.into_signed(signature).into());
}

#[test]
fn only_registered_collections_settle_with_a_description() {
    let mut world = World::new();
    let (born, born_items) = (world.born, world.born_items);
    assert!(world.call(3, born, DemoCollection::mintCall {}));
    assert!(world.call(3, born_items, DemoItems::mintCall { id: U256::from(8), amount: U256::from(40) }));
    let before = world.leaves();
    assert_eq!(sum(&before, AssetKind::BornErc721), U256::ZERO);
    assert_eq!(before.left_out.get(&born), Some(&LeftOut::NotRegistered));
    world.register();
    let after = world.leaves();
    let three = world.wallets[3].address();
    let leaf = |kind, token, id: u64, amount: u64| Leaf {
        kind,
        token,
        token_id: U256::from(id),
        recipient: three,
        amount: U256::from(amount),
    };
    assert!(after.leaves.contains(&leaf(AssetKind::BornErc721, born, 1, 1)));
    assert!(after.leaves.contains(&leaf(AssetKind::BornErc1155, born_items, 8, 40)));
    let description = keccak256(("Born".to_owned(), "B".to_owned(), "u".to_owned()).abi_encode_params());
    for (collection, kind) in [(born, 4_u64), (born_items, 5)] {
        let described = Leaf {
            kind: AssetKind::Description,
            token: collection,
            token_id: description.into(),
            recipient: collection,
            amount: U256::from(kind),
        };
        assert!(after.leaves.contains(&described));
    }
    assert!(after.left_out.is_empty());
    // Burnt is gone, and the system sender owns nothing.
    assert!(world.call(3, born, DemoCollection::burnCall { tokenId: U256::ONE }));
    assert_eq!(sum(&world.leaves(), AssetKind::BornErc721), U256::ZERO);
    assert_eq!(amount(&world.leaves(), AssetKind::Native, SYSTEM_SENDER), U256::ZERO);
}

#[test]
fn messages_and_receipts_are_provable_under_a_claim() {
    let mut world = World::new();
    for value in 1..4_u64 {
        let call = L2Bridge::withdrawETHCall { to: Address::repeat_byte(9) }.abi_encode();
        assert!(world.run(1, TxKind::Call(L2_BRIDGE), U256::from(value), call));
    }
    world.sim.mine();
    world.sim.post(true);
    world.sim.mine();
    let derived = super::sim::Derived::of(&world.sim);
    let claim = batch_claim(&derived.chain, &derived.outcomes[0], world.sim.info.genesis_claim()).unwrap();
    assert_eq!((claim.batchSeq, claim.batchHash), world.sim.link);
    assert_eq!(claim.blockHash, head_of(&world.sim.chain).hash);
    let blocks = derived.blocks();
    let logs = blocks.iter().flat_map(|block| &block.receipts).flat_map(|receipt| &receipt.logs);
    let messenger = mayfly_contracts::predeploys::L2_MESSENGER;
    let messages: Vec<Message> = logs.filter_map(|log| decode_message(messenger, log)).collect();
    assert_eq!(messages.len(), 3);
    for message in &messages {
        let proof = message_proof(world.sim.info.chain_id, &messages, message.index).unwrap();
        let leaf = message_leaf(world.sim.info.chain_id, message);
        assert!(verify_append(claim.withdrawalRoot, leaf, message.index, &proof));
    }
    let rows: Vec<ReceiptRow> = blocks.iter().flat_map(|block| ReceiptRow::of_block(block)).collect();
    let proof = receipt_proof(&rows, 5).unwrap();
    assert!(verify_append(claim.receiptRoot, rows[5].leaf(), 5, &proof));
    let leaves: Vec<B256> = rows.iter().map(ReceiptRow::leaf).collect();
    assert_eq!(append_root(&leaves, 40), claim.receiptRoot);
    // A claim about a chain that stands elsewhere is refused.
    assert!(batch_claim(&super::sim::new_chain(&world.sim.info), &derived.outcomes[0], B256::ZERO).is_err());
}

#[test]
fn the_closing_claim_commits_to_all_leaves() {
    let mut world = World::new();
    world.sim.mine();
    world.sim.post(false);
    world.sim.mine_at(world.sim.info.planned_close_time());
    let derived = super::sim::Derived::of(&world.sim);
    let (_, queue_hash) = derived.closed.unwrap();
    let all = leaves(&derived.chain);
    let root = Tree::new(world.sim.info.rollup, &all.leaves).unwrap().root();
    let at = derived.derivation.checkpoint();
    let claim = closing_claim(&derived.chain, at, at.l1, queue_hash, root, B256::ZERO).unwrap();
    assert_eq!((claim.closeNumber, claim.closeHash), (at.l1.number, at.l1.hash));
    assert_eq!(Some(claim.queueHash), world.sim.queue.hash_at(world.sim.queue.len()));
    assert_ne!(claim.settlementRoot, B256::ZERO);
    let mut open = *at;
    open.closed = false;
    assert!(closing_claim(&derived.chain, &open, at.l1, queue_hash, root, B256::ZERO).is_err());
}
