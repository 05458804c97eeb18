//! An L1 endpoint that errs, lags and lies: a verifier waits, says why, and derives what an honest one shows.

use std::time::Duration;

use mayfly_l1::{BeaconClient, L1Client, L1Options};
use mayfly_proxy::{Fault, HeadLie, Proxy, make_up_time};
use mayfly_verifier::{Roles, Verifier, VerifierConfig, VerifierHandle};
use tokio_util::sync::CancellationToken;

use super::world::{World, wait};

/// A verifier with nothing but the proxy.
fn behind(proxy: &Proxy, world: &World) -> VerifierHandle {
    among(std::slice::from_ref(&proxy.url), world)
}

/// A verifier with these endpoints.
fn among(urls: &[String], world: &World) -> VerifierHandle {
    let options = L1Options { attempts: 2, backoff: Duration::from_millis(5), ..L1Options::default() };
    let config = VerifierConfig {
        info: world.info.clone(),
        l1: L1Client::new(urls, options.clone()).unwrap(),
        beacon: BeaconClient::new(urls, options).unwrap(),
        poll: Duration::from_millis(10),
        roles: Roles::default(),
    };
    Verifier::spawn(config, CancellationToken::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_endpoint_never_gives_another_block() {
    let world = World::new().await;
    let proxy = Proxy::start(world.anvil.url()).await;
    proxy.script(
        3,
        vec![
            (6, Fault::Hangup),
            (6, Fault::Status(502)),
            (6, Fault::Error(-32_005, "limit exceeded")),
            (6, Fault::Truncate),
            (6, Fault::Garbage("{}")),
            (6, Fault::Error(-32_601, "method not found")),
            (6, Fault::Status(401)),
            (8, Fault::Lag(2)),
            (6, Fault::Head(HeadLie::Unknown)),
            (6, Fault::Head(HeadLie::Future)),
            (8, Fault::Head(HeadLie::Back)),
            (4, Fault::NoBlobs),
        ],
    );
    let verifier = behind(&proxy, &world);
    let mut heads = vec![world.synced().await.head];
    for round in 0..4 {
        world.deposit(alloy_primitives::Address::repeat_byte(9), 5).await;
        world.post(Vec::new(), round % 2 == 1).await;
        heads.push(world.synced().await.head);
    }
    let honest = world.synced().await;
    proxy.set(Fault::None);
    let view = wait(&verifier, |view| view.head == honest.head).await;
    assert_eq!((view.state_root, view.batches()), (honest.state_root, honest.batches()));
    assert!(view.batches() == 4 && proxy.requests() > 50);
    let reader = verifier.reader();
    for head in heads {
        assert_eq!(reader.block_by_number(head.number).unwrap().unwrap().hash, head.hash);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_blobs_are_named_and_waited_for() {
    let world = World::new().await;
    world.deposit(alloy_primitives::Address::repeat_byte(9), 5).await;
    world.post(Vec::new(), true).await;
    let honest = world.synced().await;
    let proxy = Proxy::start(world.anvil.url()).await;
    proxy.set(Fault::NoBlobs);
    let verifier = behind(&proxy, &world);
    let stuck = wait(&verifier, |view| view.trouble.is_some()).await;
    assert!(stuck.trouble.as_ref().is_some_and(|trouble| trouble.contains("blob")));
    assert_eq!((stuck.head.number, stuck.batches()), (0, 0), "nothing is made up");
    proxy.set(Fault::None);
    let view = wait(&verifier, |view| view.head == honest.head).await;
    assert_eq!((view.state_root, view.trouble), (honest.state_root, None));
}

/// Nobody keeps the data of a batch that L1 does not hold any more: who waited for it goes on without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_its_data_is_let_go_once_l1_takes_it_back() {
    let world = World::new().await;
    let before = world.synced().await;
    world.post(Vec::new(), true).await;
    world.anvil.mine(2, 1).await.unwrap();
    let posted = world.synced().await;
    let proxy = Proxy::start(world.anvil.url()).await;
    proxy.set(Fault::NoBlobs);
    let verifier = behind(&proxy, &world);
    wait(&verifier, |view| view.trouble.is_some()).await;
    world.anvil.reorg(posted.l1.number - before.l1.number).await.unwrap();
    world.anvil.mine(1, 1).await.unwrap();
    let honest = world.synced().await;
    assert_eq!((posted.batches(), honest.batches()), (1, 0));
    let view = wait(&verifier, |view| view.l1 == honest.l1).await;
    assert_eq!((view.head, view.state_root, view.trouble), (honest.head, honest.state_root, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_a_made_up_time_stops_nobody() {
    stops_nobody(Fault::Lie("eth_getBlockByNumber", make_up_time), "says it is in L1 block").await;
}

/// The second batch does not follow the first. Read again, the creation is made up as well, and that is told next.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_made_up_logs_stops_nobody() {
    stops_nobody(Fault::LogTwice, "").await;
}

async fn stops_nobody(lie: Fault, says: &str) {
    let world = World::new().await;
    let proxy = Proxy::start(world.anvil.url()).await;
    let verifier = behind(&proxy, &world);
    world.anvil.mine(1, 1).await.unwrap();
    let empty = world.synced().await.l1;
    wait(&verifier, |view| view.l1.number >= empty.number).await;
    proxy.set(lie);
    world.post(Vec::new(), false).await;
    let stuck = wait(&verifier, |view| view.trouble.is_some()).await;
    assert!(stuck.trouble.as_ref().is_some_and(|trouble| trouble.contains(says)), "{:?}", stuck.trouble);
    assert_eq!(stuck.batches(), 0);
    proxy.set(Fault::None);
    world.anvil.mine(1, 1).await.unwrap();
    let honest = world.synced().await;
    let view = wait(&verifier, |view| view.l1 == honest.l1).await;
    assert_eq!((view.batches(), view.state_root, view.trouble), (1, honest.state_root, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_made_a_block_up_is_asked_last() {
    let world = World::new().await;
    let proxy = Proxy::start(world.anvil.url()).await;
    let verifier = among(&[proxy.url.clone(), world.anvil.url().to_owned()], &world);
    world.anvil.mine(1, 1).await.unwrap();
    let empty = world.synced().await.l1;
    wait(&verifier, |view| view.l1.number >= empty.number).await;
    proxy.set(Fault::LogTwice);
    world.post(Vec::new(), false).await;
    let honest = world.synced().await;
    let view = wait(&verifier, |view| view.l1.number >= honest.l1.number && view.batches() == 1).await;
    assert_eq!((view.state_root, view.trouble), (honest.state_root, None));
}
