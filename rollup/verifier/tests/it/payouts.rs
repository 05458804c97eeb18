//! NFTs born on the rollup, minted on L1 by anybody for their owners.

use alloy_primitives::{Address, TxKind, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use mayfly_contracts::{
    inbox::Inbox,
    l2::L2Registry,
    predeploys::L2_REGISTRY,
    settlement::Settlement,
    tokens::{DemoCollection, GasBurner},
    vault::{SettledERC721, Vault},
};
use mayfly_l1::{Anvil, Key};
use mayfly_rollup::settlement::AssetKind;
use mayfly_verifier::{ClaimStatus, describe_collections, pay_out, pay_settled};

use super::world::{HONEST, ORGANISER, USER, World, quick, signed, transaction, wait};

const WALLETS: usize = 120;
const ERC721: u8 = 4;

/// Deploys and registers a collection, mints to fresh wallets without a wei, posts it all.
async fn event(world: &World) -> (Address, Vec<Key>) {
    let organiser = Anvil::key(USER);
    let names = DemoCollection::constructorCall {
        name_: "Night".into(),
        symbol_: "NGT".into(),
        baseURI_: "ipfs://night/".into(),
    };
    let code = [DemoCollection::BYTECODE.as_ref(), &names.abi_encode()].concat();
    let collection = organiser.address().create(0);
    let register = |name: &str| L2Registry::registerCollectionCall {
        collection,
        kind: ERC721,
        name: name.into(),
        symbol: "NGT".into(),
        baseURI: "ipfs://night/".into(),
    };
    let call = |nonce: u64, data: Vec<u8>| signed(&world.info, &organiser, nonce, TxKind::Call(L2_REGISTRY), 0, data);
    let mut transactions = vec![
        signed(&world.info, &organiser, 0, TxKind::Create, 0, code),
        call(1, register("First name").abi_encode()),
        call(2, register("Mint night").abi_encode()),
    ];
    let wallets: Vec<Key> = (0..WALLETS).map(|_| Key::random()).collect();
    let mint = DemoCollection::mintCall {}.abi_encode();
    transactions
        .extend(wallets.iter().map(|key| signed(&world.info, key, 0, TxKind::Call(collection), 0, mint.clone())));
    world.post(transactions, false).await;
    (collection, wallets)
}

#[tokio::test]
async fn every_wallet_owns_its_nft_on_l1_afterwards() {
    let world = World::with(|config| config.windows.claimInterval = 0).await;
    let (collection, wallets) = event(&world).await;
    let organiser = world.sender(ORGANISER).await;
    organiser.transact(world.info.rollup, &Inbox::endEarlyCall {}, U256::ZERO, &quick()).await.unwrap();
    let mut roles = world.roles().await;
    (roles.propose, roles.finalize) = (true, true);
    let worker = world.verifier(roles);
    world.anvil.advance(601).await.unwrap();
    wait(&worker, |view| !view.claims.is_empty()).await;
    world.anvil.advance(1_001).await.unwrap();
    let view = world.mine_until(&worker, |view| view.claims[0].status == ClaimStatus::Final).await;
    assert!(view.claims[0].carries_leaves);

    let closing = view.closing().unwrap();
    let vault = world.info.vault;
    let all = closing.payouts(None).unwrap();
    let (leaves, tree) = (&closing.leaves.leaves, &closing.tree);
    let submit = quick();
    let first = pay_settled(&organiser, vault, leaves, tree, |_, leaf| leaf.recipient == wallets[0].address(), &submit);
    let first = first.await.unwrap();
    assert_eq!((first.paid.len(), first.transactions.len()), (1, 1));
    let report = pay_settled(&organiser, vault, leaves, tree, |_, _| true, &quick()).await.unwrap();
    assert!(report.skipped.is_empty());
    assert_eq!((report.paid.len(), report.already), (WALLETS, 1), "the NFTs and the genesis account's ether");
    assert_eq!(report.transactions.len(), 1, "neighbours are paid together");
    let again = pay_settled(&organiser, vault, leaves, tree, |_, _| true, &quick()).await.unwrap();
    assert_eq!((again.already, again.transactions.len()), (WALLETS + 1, 0));
    let settled = world.call(vault, &Vault::settledCollectionCall { kind: ERC721, collection }).await;
    for (index, wallet) in wallets.iter().enumerate() {
        let owner = SettledERC721::ownerOfCall { tokenId: U256::from(index + 1) };
        assert_eq!(world.call(settled, &owner).await, wallet.address());
    }
    let registered = view.results.registrations();
    assert_eq!(registered.len(), 2);
    let named = describe_collections(&organiser, &world.info, all.clone(), &registered, &quick()).await.unwrap();
    assert_eq!(named, 1);
    assert_eq!(world.call(settled, &SettledERC721::nameCall {}).await, "Mint night", "the last name counts");
    let again = describe_collections(&organiser, &world.info, all.clone(), &registered, &quick()).await.unwrap();
    assert_eq!(again, 0);

    // A claim for one wallet alone is refused once it was paid.
    let one = closing.payouts(Some(wallets[0].address())).unwrap();
    assert_eq!((one.len(), one[0].leaf.kind), (1, AssetKind::BornErc721));
    let claim = Vault::claimCall { leaf: one[0].l1_leaf(), proof: one[0].proof.clone() };
    assert!(organiser.transact(vault, &claim, U256::ZERO, &quick()).await.is_err());
    assert!(world.call(world.info.settlement, &Settlement::settledClaimCall {}).await == view.claims[0].hash);
    worker.stop().await;
}

/// Recipients that use up all gas they are given stand among others: they stay unpaid, the others wait for nothing.
#[tokio::test]
async fn greedy_recipients_keep_nobody_from_being_paid() {
    const EACH: u8 = 12;
    let world = World::new().await;
    let organiser = world.sender(ORGANISER).await;
    let mut transactions = Vec::new();
    let mut greedy = Vec::new();
    for n in 0..EACH {
        greedy.push(organiser.deploy(&GasBurner::BYTECODE, &[], &quick()).await.unwrap());
        for to in [greedy[usize::from(n)], Address::repeat_byte(0x40 + n)] {
            transactions.push(transaction(&world.info, USER, transactions.len() as u64, to, 5, vec![]));
        }
    }
    world.post(transactions, false).await;
    let view = world.close().await;
    let claim = world.propose(HONEST, view.results.claim(world.info.genesis_claim(), 1, true).unwrap()).await;
    world.attest(claim).await;
    world.anvil.mine(10, 1).await.unwrap();
    world.finalize(claim).await.unwrap();

    let closing = view.closing().unwrap();
    let (leaves, tree, vault) = (&closing.leaves.leaves, &closing.tree, world.info.vault);
    // Twice in one batch: paid once, and the other time it was no refusal.
    let one = closing.payouts(Some(Address::repeat_byte(0x40))).unwrap();
    let twice = pay_out(&organiser, vault, [one.clone(), one].concat(), &quick()).await.unwrap();
    assert_eq!((twice.paid.len(), twice.skipped.len(), twice.already), (1, 0, 0), "{twice:?}");
    let report = pay_settled(&organiser, vault, leaves, tree, |_, _| true, &quick()).await.unwrap();
    assert_eq!((report.paid.len(), report.skipped.len(), report.already), (usize::from(EACH), usize::from(EACH), 1));
    assert!(report.transactions.len() > 1, "they used up the gas of the first: {report:?}");
    for n in 0..EACH {
        assert_eq!(world.balance(Address::repeat_byte(0x40 + n)).await, U256::from(5));
        assert_eq!(world.balance(greedy[usize::from(n)]).await, U256::ZERO);
    }
    let submit = quick();
    let again = pay_settled(&organiser, vault, leaves, tree, |_, leaf| greedy.contains(&leaf.recipient), &submit);
    assert_eq!(again.await.unwrap().skipped, report.skipped, "they stay claimable");
}
