//! Claims while the rollup lives: proposed, attested, final; a withdrawal under one of them.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use mayfly_contracts::{l2::L2Bridge, predeploys::L2_BRIDGE};
use mayfly_l1::{Anvil, L1Error};
use mayfly_verifier::{ClaimStatus, Verdict, VerifierError, withdraw, withdrawal};

use super::world::{ATTESTER, ETHER, USER, World, quick, transaction, wait};

#[tokio::test]
async fn an_attested_claim_is_final_after_the_delay_and_pays_a_withdrawal() {
    let world = World::new().await;
    let mut roles = world.roles().await;
    (roles.propose, roles.finalize, roles.attesters) = (true, true, vec![Anvil::key(ATTESTER)]);
    let worker = world.verifier(roles);
    let to = Address::repeat_byte(9);
    let call = L2Bridge::withdrawETHCall { to }.abi_encode();
    world.post(vec![transaction(&world.info, USER, 0, L2_BRIDGE, 3 * ETHER, call)], false).await;
    world.anvil.advance(60).await.unwrap();
    let view = wait(&worker, |view| view.claims.iter().any(|claim| claim.attested.len() == 1)).await;
    assert_eq!(view.claims[0].verdict, Verdict::Right);
    assert_eq!(view.claims[0].status, ClaimStatus::Pending, "the delay has not passed");
    assert_eq!(withdrawal(&world.info, &view, &worker.reader(), 0).unwrap(), None);
    let view = world.mine_until(&worker, |view| view.claims[0].status == ClaimStatus::Final).await;
    assert!(view.l1_time < view.claims[0].l1_time + 1_000, "long before the challenge window passed");

    let payable = withdrawal(&world.info, &view, &worker.reader(), 0).unwrap().unwrap();
    assert!(matches!(withdrawal(&world.info, &view, &worker.reader(), 1), Err(VerifierError::NoMessage(1))));
    let sender = world.sender(USER).await;
    withdraw(&sender, &world.info, payable.clone(), &quick()).await.unwrap();
    assert_eq!(world.balance(to).await, U256::from(3 * ETHER));
    let twice = withdraw(&sender, &world.info, payable.clone(), &quick()).await.unwrap_err();
    assert!(
        matches!(&twice, VerifierError::L1(L1Error::Reverted { reason, .. }) if reason.contains("AlreadyWithdrawn")),
        "{twice}"
    );
    let mut more = payable;
    more.message.amount += U256::ONE;
    assert!(withdraw(&sender, &world.info, more, &quick()).await.is_err());
    // The proposer gets its bond back.
    world.all_bonds_back().await;
    worker.stop().await;
}

#[tokio::test]
async fn claims_follow_each_other_at_the_interval() {
    let world = World::new().await;
    let mut roles = world.roles().await;
    roles.propose = true;
    let worker = world.verifier(roles);
    for nonce in 0..3 {
        world.post(vec![transaction(&world.info, USER, nonce, Address::repeat_byte(9), 1, vec![])], false).await;
        world.anvil.advance(51).await.unwrap();
        wait(&worker, |view| view.claims.len() as u64 == nonce + 1).await;
    }
    world.anvil.advance(51).await.unwrap();
    let view = world.synced_with(&worker).await;
    assert_eq!(view.claims.len(), 3, "no claim without a new batch");
    assert_eq!(view.claims[0].claim.parent, world.info.genesis_claim());
    assert_eq!(view.claims[1].claim.parent, view.claims[0].hash);
    assert_eq!(view.claims[2].claim.parent, view.claims[1].hash);
    assert_eq!((view.agreed(), view.disagreed()), (3, 0));
    worker.stop().await;
}
