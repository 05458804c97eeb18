//! Deriving the chain: batches, deposits, forced batches, reorganisations.

use alloy_primitives::{Address, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{L1Client, L1Options};
use mayfly_verifier::{Roles, VerifierEvent, locate};

use super::world::{HONEST, USER, World, transaction, wait};

#[tokio::test(flavor = "multi_thread")]
async fn derives_batches_from_calldata_and_blobs() {
    let world = World::new().await;
    let to = Address::repeat_byte(9);
    world.deposit(to, 5).await;
    world.post(vec![transaction(&world.info, USER, 0, to, 7, vec![])], false).await;
    world.post(vec![transaction(&world.info, USER, 1, to, 11, vec![])], true).await;
    let view = world.synced().await;
    assert_eq!((view.batches(), view.head.number, view.transactions), (2, 2, 3));
    assert!(view.blocks_per_s > 0.0);
    assert_eq!(world.verifier.reader().account(&to).unwrap().balance, U256::from(23));

    // Somebody who knows the address alone finds the same.
    let l1 = L1Client::new(&[world.anvil.url().to_owned()], L1Options::default()).unwrap();
    let info = locate(&l1, world.info.rollup, None).await.unwrap();
    assert_eq!(info, world.info);
    let second = world.verifier(Roles::default());
    let other = world.synced_with(&second).await;
    assert_eq!((other.head, other.state_root), (view.head, view.state_root));
    assert_eq!(other.results.checkpoints, view.results.checkpoints);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_payload_consumes_the_queue_and_nothing_else() {
    let world = World::new().await;
    let to = Address::repeat_byte(9);
    world.deposit(to, 5).await;
    world.synced().await;
    let mut events = world.verifier.events();
    world.post_payload(1, b"nonsense".to_vec(), 1, false).await.unwrap();
    let view = world.synced().await;
    let last = view.results.last().unwrap();
    assert!(last.queue_only && last.seq == 1);
    assert_eq!(world.verifier.reader().account(&to).unwrap().balance, U256::from(5));
    let VerifierEvent::Batch { invalid: Some(_), .. } = events.recv().await.unwrap() else { panic!("no event") };
    // The chain goes on from there.
    world.post(vec![transaction(&world.info, USER, 0, to, 7, vec![])], false).await;
    assert!(!world.synced().await.results.last().unwrap().queue_only);
}

#[tokio::test]
async fn an_overdue_deposit_is_forced_in_by_anybody() {
    let world = World::new().await;
    let to = Address::repeat_byte(9);
    let mut roles = world.roles().await;
    roles.force = true;
    let forcer = world.verifier(roles);
    world.deposit(to, 5).await;
    world.synced_with(&forcer).await;
    assert_eq!(world.position().await, (0, 0), "nothing is overdue yet");
    world.anvil.advance(301).await.unwrap();
    let view = wait(&forcer, |view| view.batches() == 1).await;
    assert!(view.results.last().unwrap().queue_only);
    assert_eq!(forcer.reader().account(&to).unwrap().balance, U256::from(5));
    assert_eq!(world.position().await, (1, 1));
    // An endpoint that estimates in its head's place has no hash of the head.
    let batch = world.call(world.info.rollup, &Inbox::batchCall { seq: 1 }).await;
    assert!(batch.originNumber + 2 <= batch.includedNumber, "{} in {}", batch.originNumber, batch.includedNumber);
    forcer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn converges_after_a_reorg_of_five_blocks() {
    let world = World::new().await;
    let to = Address::repeat_byte(9);
    world.post(vec![transaction(&world.info, USER, 0, to, 1, vec![])], false).await;
    let before = world.synced().await;
    world.anvil.mine(1, 1).await.unwrap();
    world.deposit(to, 5).await;
    world.post(vec![transaction(&world.info, USER, 1, to, 2, vec![])], false).await;
    world.post(vec![transaction(&world.info, USER, 2, to, 3, vec![])], true).await;
    world.anvil.mine(1, 1).await.unwrap();
    let deep = world.synced().await;
    assert_eq!((deep.batches(), deep.queued), (3, 1));
    let mut events = world.verifier.events();
    world.anvil.reorg(5).await.unwrap();
    let view = world.synced().await;
    assert_eq!((view.batches(), view.queued), (1, 0), "the last batches and the deposit are gone");
    assert_eq!((view.head, view.state_root), (before.head, before.state_root));
    assert!(
        matches!(events.recv().await.unwrap(), VerifierEvent::Reorg { common } if common.number == deep.l1.number - 5)
    );

    // The sequencer posts again, other things; everybody agrees, also who never saw the old blocks.
    world.deposit(to, 50).await;
    world.post(vec![transaction(&world.info, USER, 1, to, 20, vec![])], false).await;
    let view = world.synced().await;
    let fresh = world.verifier(Roles::default());
    let other = world.synced_with(&fresh).await;
    assert_eq!((other.head, other.state_root, other.batches()), (view.head, view.state_root, 2));
    assert_eq!(fresh.reader().account(&to).unwrap().balance, U256::from(71));
    fresh.stop().await;
}

#[tokio::test]
async fn roles_without_an_account_or_with_a_strangers_key_are_refused() {
    let world = World::new().await;
    let beacon = mayfly_l1::BeaconClient::new(&[world.anvil.url().to_owned()], L1Options::default()).unwrap();
    let spawn = |roles: Roles| {
        let config = mayfly_verifier::VerifierConfig {
            info: world.info.clone(),
            l1: world.anvil.client(),
            beacon: beacon.clone(),
            poll: std::time::Duration::from_millis(10),
            roles,
        };
        mayfly_verifier::Verifier::spawn(config, Default::default()).map(|_| ())
    };
    let penniless = spawn(Roles { propose: true, ..Roles::default() });
    assert!(matches!(penniless, Err(mayfly_verifier::VerifierError::NoSender)));
    let stranger = Roles { attesters: vec![mayfly_l1::Anvil::key(HONEST)], ..world.roles().await };
    assert!(matches!(spawn(stranger), Err(mayfly_verifier::VerifierError::WrongKey { .. })));
}

#[tokio::test]
async fn waits_for_blobs_and_l1_to_come_back_and_says_so() {
    let world = World::new().await;
    world.post(vec![transaction(&world.info, USER, 0, Address::repeat_byte(9), 1, vec![])], true).await;
    let right = world.synced().await;
    // The blob endpoint refuses connections, as its port is closed.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [format!("http://{closed}")];
    let options = L1Options { attempts: 1, ..L1Options::default() };
    let config = mayfly_verifier::VerifierConfig {
        info: world.info.clone(),
        l1: world.anvil.client(),
        beacon: mayfly_l1::BeaconClient::new(&urls, options).unwrap(),
        poll: std::time::Duration::from_millis(10),
        roles: Roles::default(),
    };
    let blind = mayfly_verifier::Verifier::spawn(config, Default::default()).unwrap();
    let view = wait(&blind, |view| view.trouble.is_some()).await;
    assert!(!view.is_synced() && view.batches() == 0);
    // It goes on where it was once the endpoint is there.
    let target: std::net::SocketAddr = world.anvil.url().trim_start_matches("http://").parse().unwrap();
    let listener = tokio::net::TcpListener::bind(closed).await.unwrap();
    let relay = tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut to = tokio::net::TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    let view = wait(&blind, |view| view.batches() == 1).await;
    assert_eq!((view.state_root, view.trouble), (right.state_root, None));
    relay.abort();
    blind.stop().await;
}
