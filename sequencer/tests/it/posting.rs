//! Posting while L1 is in trouble: fees, funds, nonces, pools.

use alloy_primitives::{Address, B256, U256};
use mayfly_l1::{BlockTag, Fees, Key, Sender, TxIntent};
use mayfly_ledger::{PostState, Purpose};
use mayfly_sequencer::{Origin, PauseReason, SequencerHandle, SequencerSettings};
use serde_json::json;

use super::env::{Env, PATIENCE, User, run, settings, until};
use super::proxy::Proxy;

const GWEI: u128 = 1_000_000_000;
const CALLDATA: u8 = 2;

pub(crate) async fn base_fee(env: &Env, gwei: u128) {
    env.rpc("anvil_setNextBlockBaseFeePerGas", json!([format!("{:#x}", gwei * GWEI)])).await;
}

async fn pay(sequencer: &SequencerHandle, user: &mut User) {
    let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
}

async fn posted(sequencer: &SequencerHandle) {
    until("posted", || async {
        let status = sequencer.status();
        assert_eq!(status.failure, None);
        // A block is answered for a moment before it counts as unposted.
        let all = status.posted.number == sequencer.reader().head().header.number && status.unposted_blocks == 0;
        all && status.poster.trouble.is_empty() && status.pause.is_none()
    })
    .await;
}

/// One transaction's block, and an L1 that stands still just after it: a batch does not hold blocks younger than that.
async fn pay_while_still(env: &Env, sequencer: &SequencerHandle, user: &mut User) {
    env.stand_still().await;
    pay(sequencer, user).await;
    env.tick_after(sequencer.reader().head().header.timestamp).await;
}

async fn in_pool(env: &Env) {
    until("in l1's pool", || async { env.pooled().await > 0 }).await;
}

async fn sent(env: &Env) -> u64 {
    env.anvil.client().nonce(env.info.config.sequencer, BlockTag::Latest).await.unwrap()
}

/// What is on L1 derives to what was answered, nothing is lost.
async fn all_is_well(env: &Env, sequencer: &SequencerHandle) {
    let (derived, invalid, _) = env.derive_whole().await;
    assert_eq!(invalid, Vec::<String>::new());
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    assert_eq!(sequencer.status().lost_count, 0);
}

/// Wei paid for batches, and the most that the caps allow for their gas.
async fn costs(env: &Env, cap_gwei: u128, blob_cap_gwei: u128) -> (U256, U256) {
    let costs = env.ledger.post_costs(env.info.rollup).await.unwrap();
    let batches = costs.iter().find(|cost| cost.purpose == Purpose::Batch).unwrap();
    let most = u128::from(batches.gas_used) * cap_gwei + u128::from(batches.blob_gas_used) * blob_cap_gwei;
    (batches.wei, U256::from(most * GWEI))
}

fn impatient() -> SequencerSettings {
    SequencerSettings { bump_after_seconds: 2, ..settings() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_spike_of_100_waits_within_the_cap_and_goes_on_by_itself() {
    let env = Env::start().await;
    let capped =
        SequencerSettings { max_fee_gwei: 5, throttle_after_seconds: 3, pause_after_seconds: 6, ..impatient() };
    let sequencer = env.sequencer(capped).await;
    let mut user = User::new(Key::random(), &env.info);
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;
    let before = sent(&env).await;

    // Before it is signed: nothing is, and the reason is named; then the sequencer pauses.
    base_fee(&env, 100).await;
    pay(&sequencer, &mut user).await;
    until("trouble", || async { sequencer.status().poster.trouble.contains("passes the cap") }).await;
    until("paused", || async { matches!(sequencer.status().pause, Some(PauseReason::PostingStalled { .. })) }).await;
    let reason = sequencer.status().pause_reason.unwrap();
    assert!(reason.contains("passes the cap of 5000000000 wei"), "{reason}");
    assert_eq!(sent(&env).await, before);
    base_fee(&env, 1).await;
    posted(&sequencer).await;

    // While it waits in the pool.
    pay_while_still(&env, &sequencer, &mut user).await;
    in_pool(&env).await;
    base_fee(&env, 100).await;
    env.rpc("evm_setIntervalMining", json!([1])).await;
    until("trouble", || async { sequencer.status().poster.trouble.contains("passes the cap") }).await;
    base_fee(&env, 1).await;
    posted(&sequencer).await;
    let (paid, most) = costs(&env, 5, 500).await;
    assert!(paid <= most, "{paid} wei paid, at most {most} allowed");
    all_is_well(&env, &sequencer).await;
    assert_eq!(sent(&env).await, env.batch_count().await, "each batch was sent once");
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_poster_is_named_pauses_and_goes_on_when_refilled() {
    let env = Env::start().await;
    let stalls = SequencerSettings { throttle_after_seconds: 3, pause_after_seconds: 6, ..impatient() };
    let sequencer = env.sequencer(stalls).await;
    let (mut user, poster) = (User::new(Key::random(), &env.info), env.info.config.sequencer);
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;
    env.rpc("anvil_setBalance", json!([poster, "0x0"])).await;
    pay(&sequencer, &mut user).await;
    until("trouble", || async { sequencer.status().poster.trouble.to_lowercase().contains("insufficient funds") })
        .await;
    until("paused", || async { matches!(sequencer.status().pause, Some(PauseReason::PostingStalled { .. })) }).await;
    let reason = sequencer.status().pause_reason.unwrap().to_lowercase();
    assert!(reason.contains("insufficient funds"), "{reason}");
    env.rpc("anvil_setBalance", json!([poster, "0xde0b6b3a7640000"])).await;
    posted(&sequencer).await;
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;
    all_is_well(&env, &sequencer).await;
    assert_eq!(sent(&env).await, env.batch_count().await);
    sequencer.shutdown().await;
}

/// Somebody else with the posting key.
struct Thief(Sender);

impl Thief {
    async fn takes(&self, nonce: u64, gwei: u128) -> B256 {
        let fees = Fees { max_fee_per_gas: gwei * GWEI, max_priority_fee_per_gas: gwei * GWEI, ..Fees::default() };
        let signed = self.0.sign(&TxIntent::call(Address::repeat_byte(9), vec![]), nonce, 30_000, fees).await.unwrap();
        self.0.broadcast(&signed.raw).await.unwrap();
        signed.hash
    }
}

async fn stolen(da: u8) {
    let env = Env::with(|config| config.daMode = da).await;
    // The thief pays more than we may.
    let sequencer = env.sequencer(SequencerSettings { max_fee_gwei: 40, ..impatient() }).await;
    let mut user = User::new(Key::random(), &env.info);
    let thief = Thief(env.sender(1).await);
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;

    // Mined before ours is signed.
    thief.takes(1, 50).await;
    until("mined", || async { sent(&env).await == 2 }).await;
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;
    assert_eq!((sent(&env).await, env.batch_count().await), (3, 2));

    // Pending before ours is signed, which waits for L1 to ask less, and dearer.
    env.stand_still().await;
    base_fee(&env, 100).await;
    pay_while_still(&env, &sequencer, &mut user).await;
    until("dear", || async { sequencer.status().poster.trouble.contains("passes the cap") }).await;
    thief.takes(3, 200).await;
    base_fee(&env, 1).await;
    until("named", || async { sequencer.status().poster.trouble.contains("replacement") }).await;
    env.go_on().await;
    posted(&sequencer).await;
    assert_eq!((sent(&env).await, env.batch_count().await), (5, 3), "long before the theft is final");

    // Pending after ours was broadcast: it takes ours out of the pool.
    pay_while_still(&env, &sequencer, &mut user).await;
    in_pool(&env).await;
    thief.takes(5, 400).await;
    env.go_on().await;
    posted(&sequencer).await;
    assert_eq!((sent(&env).await, env.batch_count().await), (7, 4));

    // After ours was mined.
    thief.takes(7, 50).await;
    until("mined", || async { sent(&env).await == 8 }).await;
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;
    all_is_well(&env, &sequencer).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_nonce_costs_a_nonce_and_no_batch_in_calldata() {
    stolen(CALLDATA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_nonce_costs_a_nonce_and_no_batch_in_blobs() {
    stolen(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_transaction_that_holds_the_pool_is_replaced_by_its_own_kind() {
    let env = Env::with(|config| config.daMode = CALLDATA).await;
    let proxy = Proxy::start(env.anvil.url()).await;
    let sequencer = run(&env.info, &proxy.url, env.ledger.clone(), env.dir.path(), impatient()).await;
    let mut user = User::new(Key::random(), &env.info);
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;
    // As nodes answer while a blob transaction of the account waits; anvil has one pool for all.
    proxy.set(Some(|request| {
        let is_plain = request["params"][0].as_str().is_some_and(|raw| raw.starts_with("0x02"));
        (request["method"] == "eth_sendRawTransaction" && is_plain).then_some("address already reserved")
    }));
    pay(&sequencer, &mut user).await;
    until("named", || async { sequencer.status().poster.trouble.contains("other kind") }).await;
    until("replaced", || async { sent(&env).await == 2 }).await;
    assert_eq!(env.batch_count().await, 1, "the nonce was used for nothing");
    proxy.set(None);
    posted(&sequencer).await;
    assert_eq!((sent(&env).await, env.batch_count().await), (3, 2));
    all_is_well(&env, &sequencer).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_forgets_is_told_again() {
    let env = Env::start().await;
    let sequencer = env.sequencer(impatient()).await;
    let mut user = User::new(Key::random(), &env.info);
    for method in ["anvil_dropAllTransactions", "anvil_removePoolTransactions"] {
        pay_while_still(&env, &sequencer, &mut user).await;
        in_pool(&env).await;
        let params = if method == "anvil_dropAllTransactions" { json!([]) } else { json!([env.info.config.sequencer]) };
        env.rpc(method, params).await;
        assert_eq!(env.pooled().await, 0);
        env.go_on().await;
        posted(&sequencer).await;
    }
    assert_eq!((sent(&env).await, env.batch_count().await), (2, 2));
    all_is_well(&env, &sequencer).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_l1_lost_is_used_up_and_posting_goes_on() {
    let env = Env::start().await;
    let sequencer = env.sequencer(impatient()).await;
    let mut user = User::new(Key::random(), &env.info);
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;
    let before = env.anvil.client().head(BlockTag::Latest).await.unwrap().number;
    let thief = Thief(env.sender(1).await);
    let foreign = thief.takes(1, 50).await;
    until("mined", || async { sent(&env).await == 2 }).await;
    pay(&sequencer, &mut user).await;
    posted(&sequencer).await;
    assert_eq!(sent(&env).await, 3);
    // Both go; nobody sends the first one again.
    let head = env.anvil.client().head(BlockTag::Latest).await.unwrap().number;
    env.anvil.reorg(head - before).await.unwrap();
    assert_eq!(env.batch_count().await, 1);
    env.rpc("anvil_dropAllTransactions", json!([])).await;
    until("posted again", || async { env.batch_count().await == 2 }).await;
    posted(&sequencer).await;
    assert!(env.anvil.client().receipt(foreign).await.unwrap().is_none());
    assert!(sent(&env).await >= 3);
    let open = env.ledger.open_posts(env.info.config.sequencer).await.unwrap();
    assert!(open.iter().all(|post| post.state == PostState::Mined || post.state == PostState::Broadcast));
    all_is_well(&env, &sequencer).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_a_nonce_is_found_in_its_block() {
    let env = Env::start().await;
    let (sender, thief) = (env.sender(1).await, Thief(env.sender(1).await));
    assert_eq!(sender.nonce_user(0).await.unwrap(), None);
    let hash = thief.takes(0, 50).await;
    until("mined", || async { sent(&env).await == 1 }).await;
    env.anvil.mine(5, 1).await.unwrap();
    let (at, found) = sender.nonce_user(0).await.unwrap().unwrap();
    assert_eq!(found, hash);
    assert_eq!(env.anvil.client().receipt(hash).await.unwrap().unwrap().block_hash, Some(at.hash));
    assert_eq!(sender.nonce_user(1).await.unwrap(), None);
}
