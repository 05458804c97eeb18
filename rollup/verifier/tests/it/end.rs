//! The end: planned, or because the sequencer is gone. Everybody is paid from L1 data alone.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use mayfly_contracts::{inbox::Inbox, l2::L2Bridge, predeploys::L2_BRIDGE, settlement::Settlement};
use mayfly_l1::Anvil;
use mayfly_rollup::settlement::LeafFile;
use mayfly_verifier::{ClaimStatus, Verdict, VerifierError, check_settled, pay_out, settled_leaves};

use super::world::{ATTACKER, ATTESTER, ETHER, GRIEFER, HONEST, ORGANISER, USER, World, quick, transaction, wait};

#[tokio::test]
async fn without_a_sequencer_anybody_freezes_closes_and_claims() {
    let world = World::new().await;
    let (alice, bob) = (Address::repeat_byte(0xa1), Address::repeat_byte(0xb0));
    world.post(vec![transaction(&world.info, USER, 0, alice, 2 * ETHER, vec![])], false).await;
    world.deposit(bob, ETHER).await;
    // From here on the sequencer is silent.
    let mut roles = world.roles().await;
    (roles.freeze, roles.propose, roles.finalize) = (true, true, true);
    roles.attesters = vec![Anvil::key(ATTESTER)];
    let anybody = world.verifier(roles);
    world.anvil.advance(601).await.unwrap();
    wait_for_request(&world).await;
    assert_eq!(requester(&world).await, Anvil::key(HONEST).address());
    assert!(!world.call(world.info.rollup, &Inbox::frozenCall {}).await);
    world.anvil.advance(101).await.unwrap();
    wait(&anybody, |view| view.frozen).await;
    world.anvil.advance(601).await.unwrap();
    let view = wait(&anybody, |view| view.closing().is_some()).await;
    let closing = view.closing().unwrap().clone();
    assert!(world.verifier.wait_for(|view| view.closing().is_some()).await.is_ok());
    assert!(matches!(
        check_settled(&world.anvil.client(), &world.info, closing.tree.root()).await,
        Err(VerifierError::NotSettled)
    ));
    let settled =
        |view: &mayfly_verifier::View| view.claims.iter().any(|c| c.is_closing() && c.status == ClaimStatus::Final);
    world.mine_until(&anybody, settled).await;

    // Somebody with nothing but L1 finds the leaves in the claim's calldata.
    check_settled(&world.anvil.client(), &world.info, closing.tree.root()).await.unwrap();
    let (file, tree) = settled_leaves(&world.anvil.client(), &world.info).await.unwrap();
    assert_eq!(file.leaves, closing.leaves.leaves);
    let sponsor = world.sender(ORGANISER).await;
    let all = mayfly_verifier::payouts(&file.leaves, &tree, None).unwrap();
    let report = pay_out(&sponsor, world.info.vault, all.clone(), &quick()).await.unwrap();
    assert_eq!(report.paid.len(), all.len());
    assert!(report.skipped.is_empty());
    assert_eq!(world.balance(alice).await, U256::from(2 * ETHER));
    assert_eq!(world.balance(bob).await, U256::from(ETHER));
    assert_eq!(world.balance(world.info.vault).await, U256::ZERO, "everything was claimed");
    let again = pay_out(&sponsor, world.info.vault, all.clone(), &quick()).await.unwrap();
    assert_eq!((again.already, again.paid.len(), again.transactions.len()), (all.len(), 0, 0));
    world.all_bonds_back().await;
    anybody.stop().await;
}

async fn requester(world: &World) -> Address {
    world.call(world.info.rollup, &Inbox::freezeRequesterCall {}).await
}

async fn wait_for_request(world: &World) {
    for _ in 0..2_000 {
        if !requester(world).await.is_zero() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("nobody asks for a freeze");
}

#[tokio::test]
async fn a_request_that_the_end_overtakes_gives_its_bond_back() {
    let world = World::with(|config| {
        (config.endTime, config.drain, config.windows.forceWindow) = (config.endTime - 20_000 + 620, 20, 10);
    })
    .await;
    let mut roles = world.roles().await;
    (roles.freeze, roles.finalize) = (true, true);
    let freezer = world.verifier(roles);
    world.anvil.advance(601).await.unwrap();
    wait_for_request(&world).await;
    world.anvil.advance(60).await.unwrap();
    world.all_bonds_back().await;
    assert!(requester(&world).await.is_zero() && !freezer.view().frozen);
    freezer.stop().await;
}

#[tokio::test]
async fn a_freeze_request_against_a_live_sequencer_costs_its_bond() {
    let world = World::new().await;
    let mut roles = world.roles().await;
    roles.freeze = true;
    let freezer = world.verifier(roles);
    world.anvil.advance(601).await.unwrap();
    wait_for_request(&world).await;
    world.post(vec![], false).await;
    assert!(requester(&world).await.is_zero());
    world.anvil.advance(101).await.unwrap();
    let view = world.synced_with(&freezer).await;
    assert!(!view.frozen);
    let lost = U256::from(10_000 * ETHER) - world.balance(Anvil::key(HONEST).address()).await;
    assert!(lost >= U256::from(ETHER));
    freezer.stop().await;
}

#[tokio::test]
async fn a_wrong_closing_claim_is_outrivalled_and_contract_held_assets_are_reported() {
    let world = World::new().await;
    let burner = L2_BRIDGE;
    let call = L2Bridge::withdrawETHCall { to: Address::repeat_byte(9) }.abi_encode();
    world.post(vec![transaction(&world.info, USER, 0, burner, 5, call)], true).await;
    let organiser = world.sender(ORGANISER).await;
    let view = world.close().await;
    let closing = view.closing().unwrap();
    let total: U256 = closing.leaves.leaves.iter().map(|leaf| leaf.amount).sum();
    assert_eq!(total + U256::from(5), U256::from(100 * ETHER), "the withdrawn part is no leaf");
    let wrong = world.off_by_one(&view);
    let wrong = world.propose(ATTACKER, wrong).await;
    let mut roles = world.roles().await;
    (roles.rival, roles.finalize) = (Some(U256::from(10 * ETHER)), true);
    let rival = world.verifier(roles);
    let view = wait(&rival, |view| view.claims.len() == 2).await;
    assert!(view.claims[0].disputed && view.claims[1].verdict == Verdict::Right && view.claims[1].is_closing());
    let resolve = Settlement::resolveCall { winner: view.claims[1].hash };
    let resolver = world.sender(super::world::RESOLVER).await;
    resolver.transact(world.info.settlement, &resolve, U256::ZERO, &quick()).await.unwrap();
    let view = world.mine_until(&rival, |view| view.claims[1].status == ClaimStatus::Final).await;
    assert_eq!(view.claim(wrong).unwrap().status, ClaimStatus::Rejected);
    let nobody = closing.payouts(Some(Address::ZERO)).unwrap();
    assert!(nobody.is_empty());
    let mut forged = closing.payouts(None).unwrap();
    forged[0].leaf.amount += U256::ONE;
    let report = pay_out(&organiser, world.info.vault, forged, &quick()).await.unwrap();
    assert_eq!((report.paid.len(), report.skipped.len()), (0, 1));
    rival.stop().await;
}

#[tokio::test]
async fn a_closing_claim_upon_a_disputed_one_keeps_no_proposer_silent() {
    let world = World::new().await;
    world.post(vec![transaction(&world.info, USER, 0, Address::repeat_byte(9), 1, vec![])], false).await;
    let view = world.synced().await;
    let right = view.results.claim(world.info.genesis_claim(), 1, false).unwrap();
    let parent = world.propose(ATTACKER, right).await;
    let view = world.close().await;
    // Right itself, and upon a right claim; then the attacker disputes that one.
    let trap = world.propose(ATTACKER, view.results.claim(parent, 1, true).unwrap()).await;
    let mut roles = world.roles().await;
    roles.propose = true;
    let proposer = world.verifier(roles);
    let view = world.synced_with(&proposer).await;
    assert_eq!((view.claims.len(), view.claim(trap).unwrap().verdict.clone()), (2, Verdict::Right));
    let wrong = view.results.claim(world.info.genesis_claim(), 1, false).unwrap();
    let wrong = mayfly_contracts::types::Claim { stateRoot: alloy_primitives::B256::ZERO, ..wrong };
    world.propose(GRIEFER, wrong).await;
    let view = wait(&proposer, |view| view.claims.len() == 4).await;
    let ours = &view.claims[3];
    assert!(ours.is_closing() && ours.carries_leaves && !ours.disputed);
    assert_eq!((ours.claim.parent, ours.proposer), (world.info.genesis_claim(), Anvil::key(HONEST).address()));
    // One is enough.
    world.anvil.mine(2, 1).await.unwrap();
    assert_eq!(world.synced_with(&proposer).await.claims.len(), 4);
    proposer.stop().await;
}

#[tokio::test]
async fn who_finalizes_brings_the_leaf_file_that_a_copied_claim_lacks() {
    let world = World::new().await;
    world.post(vec![transaction(&world.info, USER, 0, Address::repeat_byte(9), 1, vec![])], false).await;
    let view = world.close().await;
    let closing = view.closing().unwrap();
    let right = view.results.claim(world.info.genesis_claim(), 1, true).unwrap();
    let mut other = closing.leaves.leaves.clone();
    other[0].amount += U256::ONE;
    let junk = LeafFile::compress_leaves(&other).unwrap();
    let copied = world.propose_with(ATTACKER, right, junk.clone().into()).await;
    world.attest(copied).await;
    world.anvil.mine(10, 1).await.unwrap();
    world.finalize(copied).await.unwrap();
    let client = world.anvil.client();
    let nothing = settled_leaves(&client, &world.info).await;
    assert!(matches!(nothing, Err(VerifierError::NoLeafFile(_))), "{nothing:?}");
    let mut roles = world.roles().await;
    roles.finalize = true;
    let finalizer = world.verifier(roles);
    let mut found = None;
    for _ in 0..1_000 {
        found = settled_leaves(&client, &world.info).await.ok();
        if found.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (file, tree) = found.unwrap();
    assert_eq!((file.leaves, tree.root()), (closing.leaves.leaves.clone(), closing.tree.root()));
    // Junk that comes later hides nothing.
    let bury = Settlement::carryLeavesCall { claimHash: copied, leaves: junk.into() };
    world.sender(ATTACKER).await.transact(world.info.settlement, &bury, U256::ZERO, &quick()).await.unwrap();
    settled_leaves(&client, &world.info).await.unwrap();
    let nonce = world.sender(HONEST).await.mined_nonce().await.unwrap();
    world.anvil.mine(2, 1).await.unwrap();
    world.synced_with(&finalizer).await;
    assert_eq!(world.sender(HONEST).await.mined_nonce().await.unwrap(), nonce, "it is not brought twice");
    finalizer.stop().await;
}
