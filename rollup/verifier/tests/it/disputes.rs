//! Wrong claims lose: with an honest resolver, a dead one, corrupt attesters and a griefer.

use alloy_primitives::{B256, Bytes, U256};
use mayfly_contracts::{plan, settlement::Settlement, types::Claim};
use mayfly_l1::Anvil;
use mayfly_verifier::{ClaimStatus, Roles, Verdict, attestation};

use super::world::{ATTACKER, ATTESTER, ETHER, GRIEFER, HONEST, RESOLVER, USER, World, quick, transaction, wait};

const FINAL: u8 = 2;
const REJECTED: u8 = 3;

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
    let signature: Bytes = attestation(&world.info, &Anvil::key(ATTESTER), wrong).unwrap();
    let attest = Settlement::attestCall { claimHash_: wrong, signatures: vec![signature] };
    let right = rivalled(&rival, wrong).await;
    world.sender(ATTACKER).await.transact(world.info.settlement, &attest, U256::ZERO, &quick()).await.unwrap();
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
    world.anvil.advance(501).await.unwrap();
    lead(&world, contest, right).await;
    // The griefer doubles the right claim's bond; the rival answers, each time.
    let griefer = world.sender(GRIEFER).await;
    for _ in 0..2 {
        let bond =
            async |hash| world.call(world.info.settlement, &Settlement::recordCall { claimHash_: hash }).await.bond;
        let stake = bond(right).await * U256::from(2) - bond(wrong).await;
        let call = Settlement::escalateCall { claimHash_: wrong };
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
async fn nobody_defends_beyond_the_budget_and_nobody_builds_on_a_wrong_claim() {
    let world = World::with(|config| config.resolver = alloy_primitives::Address::repeat_byte(0xde)).await;
    let mut roles = world.roles().await;
    (roles.rival, roles.propose) = (Some(U256::from(2 * ETHER)), true);
    let rival = world.verifier(roles);
    let wrong = wronged(&world).await;
    rivalled(&rival, wrong).await;
    let view = world.synced().await;
    let child = Claim { parent: wrong, stateRoot: view.state_root, ..world.wrong(&view, false) };
    world.post(vec![], false).await;
    let view = world.synced().await;
    let child = Claim { batchSeq: 2, ..Claim { ..view.results.claim(wrong, 2, false).unwrap_or(child) } };
    let child = world.propose(ATTACKER, child).await;
    world.anvil.advance(501).await.unwrap();
    let view = world.synced_with(&rival).await;
    assert_eq!(view.claim(child).unwrap().verdict, Verdict::WrongParent);
    let me = Anvil::key(HONEST).address();
    for claim in view.claims.iter().filter(|claim| claim.proposer == me) {
        let staked = Settlement::stakeOfCall { claimHash: claim.hash, backer: me };
        assert!(world.call(world.info.settlement, &staked).await <= U256::from(2 * ETHER));
        assert_ne!(claim.claim.parent, wrong);
    }
    rival.stop().await;
}
