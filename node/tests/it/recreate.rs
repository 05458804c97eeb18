//! L1 takes back the block in which a rollup was created, and creates it again in another.

use std::time::Duration;

use mayfly_l1::{Anvil, BeaconClient, BlockTag, Creation, FeeCaps, L1Options, Sender, SubmitOptions};
use mayfly_verifier::{Roles, Verifier, VerifierConfig, VerifierHandle, rollup_info};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::node::{World, until};
use crate::stand::Stand;

fn verifier(world: &World, creation: &Creation) -> VerifierHandle {
    let config = VerifierConfig {
        info: rollup_info(creation),
        l1: world.anvil.client(),
        beacon: BeaconClient::new(&[world.anvil.url().to_owned()], L1Options::default()).unwrap(),
        poll: Duration::from_millis(100),
        roles: Roles::default(),
    };
    Verifier::spawn(config, CancellationToken::new()).unwrap()
}

/// L1 goes back to before the creation.
async fn take_back(world: &World, creation: &Creation) {
    let head = world.anvil.client().head(BlockTag::Latest).await.unwrap().number;
    world.anvil.reorg(head - creation.header.number + 1).await.unwrap();
}

/// The transaction that creates it is mined again.
async fn create_again(world: &World, creation: &Creation) -> Creation {
    let Creation { factory, config, genesis, .. } = creation;
    let organiser = Sender::connect(world.anvil.client(), Anvil::key(0), FeeCaps::default()).await.unwrap();
    let quick = SubmitOptions { poll: Duration::from_millis(20), ..SubmitOptions::default() };
    organiser.create_rollup(*factory, config.clone(), genesis.clone(), &quick).await.unwrap()
}

/// Everything is in batches on L1, none of them final: a creation below a final batch does not move.
async fn posted(stand: &Stand) {
    until("batches on L1", async || {
        let status = stand.status().await;
        (status["unposted_blocks"] == 0 && status["batches"] != 0).then_some(())
    })
    .await;
}

async fn genesis(stand: &Stand) -> Value {
    stand.world.rpc(&stand.node, "eth_getBlockByNumber", json!(["0x0", false])).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_that_l1_creates_again_in_another_block_keeps_its_answers() {
    let mut stand = Stand::on(World::with_epoch(12).await).await;
    let verifier = verifier(&stand.world, &stand.creation);
    stand.send().await;
    posted(&stand).await;
    let before = genesis(&stand).await;
    take_back(&stand.world, &stand.creation).await;
    until("the loss of the creation", async || {
        let status = stand.status().await;
        (status["condition"]["state"] != "building").then_some(())
    })
    .await;
    let again = create_again(&stand.world, &stand.creation).await;
    assert_eq!(again.rollup, stand.creation.rollup);
    assert_ne!(again.header.hash(), stand.creation.header.hash());
    until("the new block 0", async || {
        let now = stand.world.rpc(&stand.node, "eth_getBlockByNumber", json!(["0x0", false])).await.ok()?;
        (now["hash"] != before["hash"]).then_some(())
    })
    .await;
    until("its answers", async || (stand.status().await["pause"] == Value::Null).then_some(())).await;
    stand.is_well().await;
    agrees(&stand, &verifier).await;
    assert_eq!(stand.status().await["lost_answers"], json!([]));
    verifier.stop().await;
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_down_meanwhile_finds_the_new_creation() {
    let stand = Stand::on(World::with_epoch(12).await).await;
    posted(&stand).await;
    let stand = stand.while_down(async |world, creation| {
        take_back(world, creation).await;
        create_again(world, creation).await;
    });
    let mut stand = Box::pin(stand).await;
    until("its answers", async || (stand.status().await["condition"]["state"] == "building").then_some(())).await;
    stand.is_well().await;
    let creation = stand.world.anvil.client().find_creation(stand.creation.rollup, None, 1_000).await.unwrap();
    let verifier = verifier(&stand.world, &creation);
    agrees(&stand, &verifier).await;
    verifier.stop().await;
    stand.ends().await;
}

/// Whoever derives the rollup from L1 has the node's blocks.
async fn agrees(stand: &Stand, verifier: &VerifierHandle) {
    let head = stand.world.rpc(&stand.node, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    until("the same head", async || {
        let view = verifier.view();
        (json!(view.head.hash) == head["hash"]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_down_refuses_a_creation_below_its_final_batches() {
    let stand = Stand::start().await;
    until("a final batch", async || {
        let finalized = stand.status().await["finalized"]["number"].as_u64();
        (finalized != Some(0)).then_some(())
    })
    .await;
    let stand = stand.while_down(async |world, creation| {
        take_back(world, creation).await;
        create_again(world, creation).await;
    });
    let stand = Box::pin(stand).await;
    let why = "L1 shows its creation in another block, and its batches were final";
    until("the refusal", async || {
        let (code, body) = stand.world.ready(&stand.node).await;
        (code == 503 && body["reasons"]["creation of night"] == why).then_some(())
    })
    .await;
    stand.node.stop().await.unwrap();
}
