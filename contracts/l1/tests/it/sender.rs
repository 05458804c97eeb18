//! Signing, broadcasting, replacing, cancelling.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use mayfly_l1::{Anvil, Blob, Broadcast, FeeCaps, Fees, Key, L1Error, Sender, SubmitOptions, TxIntent, TxKind};
use mayfly_proxy::{Fault, Proxy};
use serde_json::json;

use super::{REVERTER, anvil, deploy, impatient, quick, sender};

async fn no_mining(anvil: &Anvil) {
    let _: serde_json::Value = anvil.client().request("evm_setAutomine", json!([false])).await.unwrap();
}

fn transfer() -> TxIntent {
    TxIntent { to: Some(Address::repeat_byte(7)), value: U256::from(5), ..TxIntent::default() }
}

#[tokio::test]
async fn signing_sends_nothing_and_broadcasting_twice_is_harmless() {
    let anvil = anvil().await;
    no_mining(&anvil).await;
    let sender = sender(&anvil, 0).await;
    let fees = sender.suggest_fees().await.unwrap();
    let signed = sender.sign(&transfer(), 0, 21_000, fees).await.unwrap();
    assert_eq!(sender.pending_nonce().await.unwrap(), 0);
    assert!(!sender.knows(signed.hash).await.unwrap());
    assert_eq!(sender.broadcast(&signed.raw).await.unwrap(), Broadcast::Accepted);
    assert_eq!(sender.broadcast(&signed.raw).await.unwrap(), Broadcast::AlreadyKnown);
    assert!(sender.knows(signed.hash).await.unwrap());
    assert_eq!((sender.pending_nonce().await.unwrap(), sender.mined_nonce().await.unwrap()), (1, 0));
    assert_eq!(sender.receipts(&[signed.hash]).await.unwrap().len(), 1);
    assert!(sender.receipts(&[signed.hash]).await.unwrap()[0].is_none());
    anvil.mine(1, 1).await.unwrap();
    let receipts = sender.receipts(&[signed.hash, alloy_primitives::B256::ZERO]).await.unwrap();
    assert!(receipts[0].as_ref().unwrap().status());
    assert!(receipts[1].is_none());
    // Mined: the same bytes again are either known or their nonce is used.
    match sender.broadcast(&signed.raw).await {
        Ok(Broadcast::AlreadyKnown) | Err(L1Error::NonceTooLow(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn replacement_needs_a_bump_and_the_old_attempt_never_counts() {
    let anvil = anvil().await;
    no_mining(&anvil).await;
    let sender = sender(&anvil, 0).await;
    let fees = sender.suggest_fees().await.unwrap();
    let first = sender.sign(&transfer(), 0, 21_000, fees).await.unwrap();
    sender.broadcast(&first.raw).await.unwrap();
    let same_price = sender.sign(&transfer().with_value(U256::from(6)), 0, 21_000, fees).await.unwrap();
    let error = sender.broadcast(&same_price.raw).await.unwrap_err();
    assert!(matches!(error, L1Error::ReplacementUnderpriced(_)), "{error}");
    let bumped = fees.bump(sender.suggest_fees().await.unwrap(), TxKind::Plain, sender.caps()).unwrap();
    let second = sender.sign(&transfer(), 0, 21_000, bumped).await.unwrap();
    assert_eq!(sender.broadcast(&second.raw).await.unwrap(), Broadcast::Accepted);
    anvil.mine(1, 1).await.unwrap();
    let receipts = sender.receipts(&[first.hash, second.hash]).await.unwrap();
    assert!(receipts[0].is_none() && receipts[1].as_ref().unwrap().status());
    let error = sender.broadcast(&first.raw).await.unwrap_err();
    assert!(matches!(error, L1Error::NonceTooLow(_)), "{error}");
    // A cancel transaction takes the place of what waits.
    let waiting = sender.sign(&transfer(), 1, 21_000, fees).await.unwrap();
    sender.broadcast(&waiting.raw).await.unwrap();
    let bumped = fees.bump(fees, TxKind::Plain, sender.caps()).unwrap();
    let cancel = sender.sign_cancel(1, bumped, TxKind::Plain).await.unwrap();
    sender.broadcast(&cancel.raw).await.unwrap();
    anvil.mine(1, 1).await.unwrap();
    let receipts = sender.receipts(&[waiting.hash, cancel.hash]).await.unwrap();
    assert!(receipts[0].is_none() && receipts[1].is_some());
}

#[tokio::test]
async fn a_submission_that_the_pool_forgot_is_offered_again() {
    let anvil = anvil().await;
    no_mining(&anvil).await;
    let sender = sender(&anvil, 0).await;
    // Nothing but forgetting is a reason to offer again.
    let options = SubmitOptions { bump_after: Duration::from_secs(3_600), ..quick() };
    let submitting = {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send_and_confirm(&transfer(), &options).await })
    };
    for _ in 0..2 {
        waits_in_pool(&sender).await;
        let _: serde_json::Value = anvil.client().request("anvil_dropAllTransactions", json!([])).await.unwrap();
    }
    waits_in_pool(&sender).await;
    anvil.mine(1, 1).await.unwrap();
    assert!(submitting.await.unwrap().unwrap().status());
    assert_eq!(sender.mined_nonce().await.unwrap(), 1);
}

async fn waits_in_pool(sender: &Sender) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while sender.pending_nonce().await.unwrap() == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing waits in the pool");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_stuck_submission_offers_more_under_the_same_nonce() {
    let anvil = anvil().await;
    no_mining(&anvil).await;
    let sender = sender(&anvil, 0).await;
    let options = SubmitOptions { bump_after: Duration::from_millis(30), ..quick() };
    let submission = tokio::spawn({
        let (sender, options) = (sender.clone(), options.clone());
        async move { sender.send_and_confirm(&transfer(), &options).await }
    });
    let first = loop {
        let block: serde_json::Value =
            anvil.client().request("eth_getBlockByNumber", json!(["pending", true])).await.unwrap();
        if let Some(fee) = block["transactions"][0]["maxFeePerGas"].as_str() {
            break fee.to_owned();
        }
    };
    loop {
        let block: serde_json::Value =
            anvil.client().request("eth_getBlockByNumber", json!(["pending", true])).await.unwrap();
        if block["transactions"][0]["maxFeePerGas"].as_str().is_some_and(|fee| fee != first) {
            break;
        }
    }
    anvil.mine(1, 1).await.unwrap();
    assert!(submission.await.unwrap().unwrap().status());
    assert_eq!(sender.mined_nonce().await.unwrap(), 1);
    let short = SubmitOptions { timeout: Duration::from_millis(20), ..options };
    assert!(matches!(sender.send_and_confirm(&transfer(), &short).await, Err(L1Error::NotMined { .. })));
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let anvil = anvil().await;
    let poor = Sender::connect(anvil.client(), Key::random(), FeeCaps::default()).await.unwrap();
    let fees = poor.suggest_fees().await.unwrap();
    let signed = poor.sign(&transfer(), 0, 21_000, fees).await.unwrap();
    let error = poor.broadcast(&signed.raw).await.unwrap_err();
    assert!(matches!(error, L1Error::InsufficientFunds(_)), "{error}");
    let rich = sender(&anvil, 0).await;
    let cheap = Fees { max_fee_per_gas: 1, max_priority_fee_per_gas: 1, max_fee_per_blob_gas: 1 };
    let signed = rich.sign(&transfer(), 0, 21_000, cheap).await.unwrap();
    let error = rich.broadcast(&signed.raw).await.unwrap_err();
    assert!(matches!(error, L1Error::Underpriced(_)), "{error}");
    let reverter = deploy(&rich, REVERTER).await;
    let intent = TxIntent::call(reverter, vec![]);
    let estimated = rich.send_and_confirm(&intent, &quick()).await.unwrap_err();
    assert!(matches!(estimated, L1Error::Reverted { .. }), "{estimated}");
    let nonce = rich.mined_nonce().await.unwrap();
    let forced = SubmitOptions { gas_limit: Some(100_000), ..quick() };
    let mined = rich.send_and_confirm(&intent, &forced).await.unwrap_err();
    assert!(matches!(mined, L1Error::Reverted { .. }), "{mined}");
    assert_eq!(rich.mined_nonce().await.unwrap(), nonce + 1);
    let seven = TxIntent::call(reverter, vec![]).with_blobs(vec![Blob::ZERO; 7]);
    assert!(matches!(rich.sign(&seven, 9, 21_000, fees).await, Err(L1Error::Kzg(_))));
}

#[tokio::test]
async fn a_submission_whose_nonce_was_taken_says_so() {
    let anvil = anvil().await;
    no_mining(&anvil).await;
    let sender = sender(&anvil, 0).await;
    let submission = sender.send(&transfer(), &quick()).await.unwrap();
    let dearer = sender.suggest_fees().await.unwrap().bump(Fees::default(), TxKind::Plain, sender.caps()).unwrap();
    let other = sender.sign(&transfer().with_value(U256::from(6)), submission.nonce(), 21_000, dearer).await.unwrap();
    sender.broadcast(&other.raw).await.unwrap();
    anvil.mine(1, 1).await.unwrap();
    let error = submission.confirm().await.unwrap_err();
    assert!(matches!(error, L1Error::NonceTooLow(_)), "{error}");
}

#[tokio::test]
async fn submissions_at_the_same_time_take_different_nonces() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let options = quick();
    let intent = transfer();
    let submissions = (0..5).map(|_| sender.send_and_confirm(&intent, &options));
    for receipt in futures::future::join_all(submissions).await {
        assert!(receipt.unwrap().status());
    }
    assert_eq!(sender.mined_nonce().await.unwrap(), 5);
}

#[tokio::test]
async fn a_broadcast_that_breaks_is_offered_again_under_its_nonce() {
    let anvil = anvil().await;
    let proxy = Proxy::start(anvil.url()).await;
    let client = impatient(std::slice::from_ref(&proxy.url));
    let sender = Sender::connect(client, Anvil::key(0), FeeCaps::default()).await.unwrap();
    // Anvil takes it; the answer is lost.
    proxy.set(Fault::Lie("eth_sendRawTransaction", |answer| *answer = json!([])));
    let receipt = sender.send_and_confirm(&transfer(), &quick()).await.unwrap();
    assert!(receipt.status());
    assert_eq!(sender.mined_nonce().await.unwrap(), 1, "sent once");
    // Nothing reaches anvil for a while.
    proxy.set(Fault::None);
    let submission = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send_and_confirm(&transfer(), &quick()).await }
    });
    proxy.set(Fault::Hangup);
    tokio::time::sleep(Duration::from_millis(50)).await;
    proxy.set(Fault::None);
    match submission.await.unwrap() {
        Ok(receipt) => assert!(receipt.status()),
        // It broke before anything was signed.
        Err(error) => assert!(error.is_temporary(), "{error}"),
    }
    assert!(sender.mined_nonce().await.unwrap() <= 2);
}
