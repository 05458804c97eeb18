//! Wrong claims lose: with an honest resolver, a dead one, corrupt attesters and a griefer.

use alloy_primitives::{B256, U256};
use mayfly_contracts::{plan, settlement::Settlement};
use mayfly_l1::{Anvil, TxIntent};
use mayfly_verifier::{ClaimStatus, Roles, Verdict, VerifierEvent, View, settled_leaves};
use serde_json::json;

use super::world::{ATTACKER, ETHER, GRIEFER, HONEST, RESOLVER, USER, World, quick, transaction, wait};

const FINAL: u8 = 2;
const REJECTED: u8 = 3;
/// Bonds decide once the resolver's time and the challenge window, which is longer, are over.
const ESCALATION: u64 = 1_001;

/// A wrong claim about the first batch, seen by everybody.
async fn wronged(world: &World) -> B256 {
    world
        .post(vec![transaction(&world.info, USER, 0, alloy_primitives::Address::repeat_byte(9), 1, vec![])], false)
        .await;
    let view = world.synced().await;
    let wrong = world.propose(ATTACKER, world.wrong(&view, false)).await;
    let view = world.synced().await;
    assert!(matches!(view.claim(wrong).unwrap().verdict, Verdict::Wrong(_)));
    wrong
}

/// The right rival's hash once it is there.
async fn rivalled(verifier: &mayfly_verifier::VerifierHandle, wrong: B256) -> B256 {
    let view = wait(verifier, |view| view.claim(wrong).is_some_and(|claim| claim.disputed)).await;
    let right = |claim: &&mayfly_verifier::ProposedClaim| claim.verdict == Verdict::Right;
    view.claims.iter().find(right).unwrap().hash
}

#[tokio::test]
async fn corrupt_attesters_cannot_pass_a_rival_and_the_resolver_decides() {
    let world = World::new().await;
    let mut roles = world.roles().await;
    (roles.rival, roles.finalize) = (Some(U256::from(ETHER)), true);
    let rival = world.verifier(roles);
    let wrong = wronged(&world).await;
    let right = rivalled(&rival, wrong).await;
    world.attest(wrong).await;
    world.anvil.mine(10, 1).await.unwrap();
    assert!(world.finalize(wrong).await.is_err(), "attested and old enough, but rivalled");

    let resolver =
        Roles { sender: Some(world.sender(RESOLVER).await), vote: true, submit: quick(), ..Roles::default() };
    let resolver = world.verifier(resolver);
    let view = world.mine_until(&rival, |view| view.claim(right).unwrap().status == ClaimStatus::Final).await;
    assert_eq!(view.claim(wrong).unwrap().status, ClaimStatus::Rejected);
    assert_eq!((world.status(right).await, world.status(wrong).await), (FINAL, REJECTED));
    // The attacker's bond is the rival's.
    let me = Anvil::key(HONEST).address();
    let staked = Settlement::withdrawnOfCall { claimHash: right, backer: me };
    world.mine_until(&rival, |view| view.l1.number > 0).await;
    for _ in 0..1_000 {
        if !world.call(world.info.settlement, &staked).await.is_zero() {
            break;
        }
        world.anvil.mine(1, 1).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(world.call(world.info.settlement, &staked).await, U256::from(2 * ETHER));
    rival.stop().await;
    resolver.stop().await;
}

#[tokio::test]
async fn on_the_slow_path_a_committee_decides_for_the_right_claim() {
    let members = vec![Anvil::key(HONEST).address(), Anvil::key(RESOLVER).address(), Anvil::key(GRIEFER).address()];
    let committee = plan::committee(2, members, B256::ZERO);
    let world = World::with(|config| {
        config.resolver = committee.address;
        config.quorum = 0;
        config.attesters.clear();
        config.attestationFee = U256::ZERO;
    })
    .await;
    world.sequencer.deploy_step(&committee, &quick()).await.unwrap();
    let mut roles = world.roles().await;
    (roles.rival, roles.vote, roles.finalize) = (Some(U256::from(ETHER)), true, true);
    let member = world.verifier(roles);
    let other = Roles { sender: Some(world.sender(RESOLVER).await), vote: true, submit: quick(), ..Roles::default() };
    let other = world.verifier(other);
    let wrong = wronged(&world).await;
    let right = rivalled(&member, wrong).await;
    let view = world.mine_until(&member, |view| view.claim(right).unwrap().status == ClaimStatus::Final).await;
    assert_eq!(view.claim(wrong).unwrap().status, ClaimStatus::Rejected);
    // The challenge window changes nothing any more.
    world.anvil.advance(2_000).await.unwrap();
    assert!(world.finalize(wrong).await.is_err());
    member.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn with_a_dead_resolver_the_right_claim_outlasts_a_griefer() {
    let world = World::with(|config| config.resolver = alloy_primitives::Address::repeat_byte(0xde)).await;
    let mut roles = world.roles().await;
    (roles.rival, roles.finalize) = (Some(U256::from(100 * ETHER)), true);
    let rival = world.verifier(roles);
    let wrong = wronged(&world).await;
    let right = rivalled(&rival, wrong).await;
    let contest = world.call(world.info.settlement, &Settlement::contestOfCall { claimHash_: right }).await;
    let leader =
        async || world.call(world.info.settlement, &Settlement::contestCall { contest_: contest }).await.leader;
    assert_eq!(leader().await, wrong, "proposed first, same bond");
    world.anvil.advance(ESCALATION).await.unwrap();
    lead(&world, contest, right).await;
    // The griefer doubles the right claim's bond; the rival answers, each time.
    let griefer = world.sender(GRIEFER).await;
    for _ in 0..2 {
        let bond =
            async |hash| world.call(world.info.settlement, &Settlement::recordCall { claimHash_: hash }).await.bond;
        let stake = bond(right).await * U256::from(2) - bond(wrong).await;
        let call = Settlement::escalateCall { claimHash_: wrong, maxStake: U256::MAX };
        griefer.transact(world.info.settlement, &call, stake, &quick()).await.unwrap();
        lead(&world, contest, right).await;
    }
    assert!(world.finalize(right).await.is_err(), "the window is open");
    world.anvil.advance(201).await.unwrap();
    world.mine_until(&rival, |view| view.claim(right).unwrap().status == ClaimStatus::Final).await;
    assert_eq!(world.status(wrong).await, REJECTED);
    let bond = world.call(world.info.settlement, &Settlement::recordCall { claimHash_: right }).await;
    assert!(bond.spoils > U256::ZERO, "the griefer paid for it");
    rival.stop().await;
}

async fn lead(world: &World, contest: B256, claim: B256) {
    for _ in 0..2_000 {
        if world.call(world.info.settlement, &Settlement::contestCall { contest_: contest }).await.leader == claim {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the right claim does not lead");
}

#[tokio::test]
async fn nobody_defends_beyond_the_budget() {
    let world = World::with(|config| config.resolver = alloy_primitives::Address::repeat_byte(0xde)).await;
    let mut roles = world.roles().await;
    roles.rival = Some(U256::from(2 * ETHER));
    let rival = world.verifier(roles);
    let wrong = wronged(&world).await;
    let right = rivalled(&rival, wrong).await;
    let contest = world.call(world.info.settlement, &Settlement::contestOfCall { claimHash_: right }).await;
    world.anvil.advance(ESCALATION).await.unwrap();
    lead(&world, contest, right).await;
    let staked = Settlement::stakeOfCall { claimHash: right, backer: Anvil::key(HONEST).address() };
    assert_eq!(world.call(world.info.settlement, &staked).await, U256::from(2 * ETHER), "all of the budget");
    // To lead again would take 6 ether more.
    let mut events = rival.events();
    let call = Settlement::escalateCall { claimHash_: wrong, maxStake: U256::MAX };
    let griefer = world.sender(GRIEFER).await;
    griefer.transact(world.info.settlement, &call, U256::from(3 * ETHER), &quick()).await.unwrap();
    lead(&world, contest, wrong).await;
    loop {
        let event = events.recv().await.unwrap();
        if matches!(&event, VerifierEvent::Failed { reason, .. } if reason.contains(&(6 * ETHER).to_string())) {
            break;
        }
    }
    world.anvil.advance(201).await.unwrap();
    world.synced_with(&rival).await;
    assert_eq!(world.call(world.info.settlement, &staked).await, U256::from(2 * ETHER));
    world.finalize(wrong).await.unwrap();
    rival.stop().await;
}

#[tokio::test]
async fn nobody_rivals_without_a_budget_for_the_bond_and_nobody_builds_on_a_wrong_claim() {
    let world = World::with(|config| config.windows.claimInterval = 5_000).await;
    let mut roles = world.roles().await;
    (roles.rival, roles.propose) = (Some(U256::from(ETHER - 1)), true);
    let rival = world.verifier(roles);
    let wrong = wronged(&world).await;
    world.post(vec![], false).await;
    let view = world.synced().await;
    let child = world.propose(ATTACKER, view.results.claim(wrong, 2, false).unwrap()).await;
    world.anvil.advance(5_001).await.unwrap();
    let view = wait(&rival, |view| view.claims.len() == 3).await;
    assert_eq!(view.claim(child).unwrap().verdict, Verdict::WrongParent);
    let ours = &view.claims[2];
    assert_eq!((ours.proposer, ours.claim.parent), (Anvil::key(HONEST).address(), world.info.genesis_claim()));
    assert!(!view.claim(wrong).unwrap().disputed && view.disagreed() == 2);
    rival.stop().await;
}

#[tokio::test]
async fn what_falls_with_its_parent_is_reaped_and_no_longer_stands() {
    let world = World::new().await;
    let mut roles = world.roles().await;
    (roles.rival, roles.finalize) = (Some(U256::from(ETHER)), true);
    let rival = world.verifier(roles);
    let wrong = wronged(&world).await;
    world.post(vec![], false).await;
    let view = world.synced().await;
    let child = world.propose(ATTACKER, view.results.claim(wrong, 2, false).unwrap()).await;
    world.post(vec![], false).await;
    let view = world.synced().await;
    let grandchild = world.propose(ATTACKER, view.results.claim(child, 3, false).unwrap()).await;
    let right = rivalled(&rival, wrong).await;
    assert_eq!(world.synced_with(&rival).await.disagreed(), 3);
    let resolve = Settlement::resolveCall { winner: right };
    world.sender(RESOLVER).await.transact(world.info.settlement, &resolve, U256::ZERO, &quick()).await.unwrap();
    let reaped = |view: &View| [child, grandchild].iter().all(|hash| view.claim(*hash).unwrap().reaped);
    let view = world.mine_until(&rival, reaped).await;
    assert_eq!((view.agreed(), view.disagreed()), (1, 0), "what is rejected does not stand");
    assert!(!view.claim(wrong).unwrap().reaped, "its bond went to the winner without");
    // Its own bond and three of the attacker's.
    let withdrawn = Settlement::withdrawnOfCall { claimHash: right, backer: Anvil::key(HONEST).address() };
    for _ in 0..1_000 {
        if world.call(world.info.settlement, &withdrawn).await == U256::from(4 * ETHER) {
            return rival.stop().await;
        }
        world.anvil.mine(1, 1).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{} wei came back", world.call(world.info.settlement, &withdrawn).await);
}

/// The wrong claim is about the end, and its settlement root is off by one unit of one leaf.
async fn off_by_one_unit(world: &World) -> B256 {
    let call = transaction(&world.info, USER, 0, alloy_primitives::Address::repeat_byte(9), 1, vec![]);
    world.post(vec![call], false).await;
    let view = world.close().await;
    assert!(view.closing().unwrap().leaves.leaves.len() > 1);
    let wrong = world.propose(ATTACKER, world.off_by_one(&view)).await;
    let view = world.synced().await;
    let Verdict::Wrong(expected) = &view.claim(wrong).unwrap().verdict else { panic!("a unit more is right") };
    assert_eq!(
        world.info.claim_hash(expected),
        world.info.claim_hash(&view.results.claim(world.info.genesis_claim(), 1, true).unwrap())
    );
    wrong
}

#[tokio::test]
async fn one_unit_too_much_in_one_leaf_loses_on_the_fast_path() {
    let world = World::new().await;
    let wrong = off_by_one_unit(&world).await;
    world.attest(wrong).await;
    let mut roles = world.roles().await;
    (roles.rival, roles.finalize) = (Some(U256::from(ETHER)), true);
    let rival = world.verifier(roles);
    let right = rivalled(&rival, wrong).await;
    world.anvil.mine(10, 1).await.unwrap();
    assert!(world.finalize(wrong).await.is_err(), "attested and old enough, but rivalled");
    let resolve = Settlement::resolveCall { winner: right };
    world.sender(RESOLVER).await.transact(world.info.settlement, &resolve, U256::ZERO, &quick()).await.unwrap();
    let view = world.mine_until(&rival, |view| view.claim(right).unwrap().status == ClaimStatus::Final).await;
    assert!(view.claim(right).unwrap().carries_leaves, "a rival brings the leaf file");
    assert_eq!((world.status(right).await, world.status(wrong).await), (FINAL, REJECTED));
    settled_leaves(&world.anvil.client(), &world.info).await.unwrap();
    rival.stop().await;
}

#[tokio::test]
async fn one_unit_too_much_in_one_leaf_loses_on_the_slow_path() {
    let world = World::with(|config| {
        config.resolver = alloy_primitives::Address::repeat_byte(0xde);
        config.quorum = 0;
        config.attesters.clear();
        config.attestationFee = U256::ZERO;
    })
    .await;
    let wrong = off_by_one_unit(&world).await;
    let mut roles = world.roles().await;
    (roles.rival, roles.finalize) = (Some(U256::from(10 * ETHER)), true);
    let rival = world.verifier(roles);
    let right = rivalled(&rival, wrong).await;
    let contest = world.call(world.info.settlement, &Settlement::contestOfCall { claimHash_: right }).await;
    // Both the challenge window and the resolver's time are over, and neither passes the claim.
    world.anvil.advance(ESCALATION).await.unwrap();
    lead(&world, contest, right).await;
    assert!(world.finalize(wrong).await.is_err());
    world.anvil.advance(1_001).await.unwrap();
    world.mine_until(&rival, |view| view.claim(right).unwrap().status == ClaimStatus::Final).await;
    assert_eq!((world.status(right).await, world.status(wrong).await), (FINAL, REJECTED));
    assert!(world.finalize(wrong).await.is_err());
    rival.stop().await;
}

/// Waits until L1's pool has so many transactions of the honest account.
async fn pooled(world: &World, count: u64) {
    let honest = world.sender(HONEST).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while honest.pending_nonce().await.unwrap() - honest.mined_nonce().await.unwrap() != count {
        assert!(tokio::time::Instant::now() < deadline, "the pool never has {count}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn ask(world: &World, method: &str, params: serde_json::Value) {
    let _: serde_json::Value = world.anvil.client().request(method, params).await.unwrap();
}

#[tokio::test]
async fn rivals_go_out_together_and_come_back_when_l1_forgets_them() {
    let world = World::new().await;
    let first = wronged(&world).await;
    world.post(Vec::new(), false).await;
    let view = world.synced().await;
    let second = world.propose(ATTACKER, world.wrong(&view, false)).await;
    ask(&world, "evm_setAutomine", json!([false])).await;
    let mut roles = world.roles().await;
    roles.rival = Some(U256::from(ETHER));
    let rival = world.verifier(roles);
    pooled(&world, 2).await;
    ask(&world, "anvil_dropAllTransactions", json!([])).await;
    pooled(&world, 2).await;
    world.anvil.mine(1, 1).await.unwrap();
    wait(&rival, |view| [first, second].iter().all(|wrong| view.claim(*wrong).is_some_and(|claim| claim.disputed)))
        .await;
    rival.stop().await;
}

#[tokio::test]
async fn nonces_that_l1_forgot_are_filled_all_at_once() {
    let world = World::new().await;
    let wrong = wronged(&world).await;
    ask(&world, "evm_setAutomine", json!([false])).await;
    // The account's owner sends something else, which L1 takes and forgets.
    let honest = world.sender(HONEST).await;
    let nonce = honest.mined_nonce().await.unwrap();
    let transfer = TxIntent { to: Some(honest.address()), value: U256::from(1), ..TxIntent::default() };
    let mut others = Vec::new();
    for at in 0..3 {
        let other = honest.sign(&transfer, nonce + at, 21_000, honest.suggest_fees().await.unwrap()).await.unwrap();
        honest.broadcast(&other.raw).await.unwrap();
        others.push(other.hash);
    }
    let mut roles = world.roles().await;
    roles.rival = Some(U256::from(ETHER));
    let rival = world.verifier(roles);
    pooled(&world, 4).await;
    for other in &others {
        ask(&world, "anvil_dropTransaction", json!([other])).await;
    }
    pooled(&world, 0).await;
    // A block in which nothing of the account is mined shows what is missing; the next one has it all.
    world.anvil.mine(1, 1).await.unwrap();
    pooled(&world, 4).await;
    world.anvil.mine(1, 1).await.unwrap();
    wait(&rival, |view| view.claim(wrong).is_some_and(|claim| claim.disputed)).await;
    assert_eq!(honest.mined_nonce().await.unwrap(), nonce + 4);
    assert!(honest.receipts(&others).await.unwrap().iter().all(Option::is_none));
    rival.stop().await;
}
