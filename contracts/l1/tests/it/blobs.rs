//! Blobs: to L1 and back, over a restart, past lying endpoints.

use alloy_primitives::{Address, U256};
use mayfly_l1::{Anvil, AnvilConfig, BeaconClient, Blob, BlockTag, L1Error, L1Options, TxIntent, TxKind};
use mayfly_proxy::{Fault, Proxy};
use serde_json::json;

use super::{anvil, quick, sender};

fn blob(seed: u8) -> Blob {
    let mut blob = Blob::ZERO;
    for (index, byte) in blob.iter_mut().enumerate() {
        // The first byte of each field element stays zero, so that it is in the field.
        *byte = if index % 32 == 0 { 0 } else { seed.wrapping_add(index as u8) };
    }
    blob
}

fn intent(seeds: &[u8]) -> TxIntent {
    TxIntent { to: Some(Address::repeat_byte(9)), value: U256::ZERO, ..TxIntent::default() }
        .with_blobs(seeds.iter().map(|seed| blob(*seed)).collect())
}

fn beacon(url: &str) -> BeaconClient {
    let options = L1Options { attempts: 2, ..L1Options::default() };
    BeaconClient::new(&[url.to_owned()], options).unwrap()
}

#[tokio::test]
async fn blobs_survive_a_restart_of_l1() {
    let dir = tempfile::tempdir().unwrap();
    let config = AnvilConfig { state: Some(dir.path().join("state.json")), ..AnvilConfig::default() };
    let anvil = Anvil::start(config.clone()).await.unwrap();
    let sender = sender(&anvil, 0).await;
    let gas = sender.estimate_gas(&intent(&[1, 2])).await.unwrap();
    let fees = sender.suggest_fees().await.unwrap();
    let signed = sender.sign(&intent(&[1, 2]), 0, gas, fees).await.unwrap();
    assert_eq!((signed.kind, signed.blob_hashes.len()), (TxKind::Blob, 2));
    sender.broadcast(&signed.raw).await.unwrap();
    let receipt = loop {
        if let Some(receipt) = anvil.client().receipt(signed.hash).await.unwrap() {
            break receipt;
        }
    };
    assert_eq!(receipt.blob_gas_used, Some(262_144));
    anvil.stop().unwrap();

    let anvil = Anvil::start(config).await.unwrap();
    let header = anvil.client().head(BlockTag::Number(receipt.block_number.unwrap())).await.unwrap();
    assert_eq!(Some(header.hash()), receipt.block_hash);
    let hashes: Vec<_> = signed.blob_hashes.iter().rev().copied().collect();
    let blobs = beacon(anvil.url()).blobs(header.number, header.timestamp, &hashes).await.unwrap();
    assert!(blobs == [blob(2), blob(1)], "in the order asked for");
    let transaction = anvil.client().transaction(signed.hash).await.unwrap();
    assert_eq!(
        alloy_consensus::Transaction::blob_versioned_hashes(&transaction.envelope),
        Some(&signed.blob_hashes[..])
    );
}

#[tokio::test]
async fn a_wrong_or_missing_blob_is_refused() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let receipt = sender.send_and_confirm(&intent(&[3]), &quick()).await.unwrap();
    let transaction = anvil.client().transaction(receipt.transaction_hash).await.unwrap();
    let hashes = alloy_consensus::Transaction::blob_versioned_hashes(&transaction.envelope).unwrap().to_vec();
    let header = anvil.client().head(BlockTag::Latest).await.unwrap();
    let proxy = Proxy::start(anvil.url()).await;
    let client = beacon(&proxy.url);
    assert!(client.blobs(header.number, header.timestamp, &hashes).await.unwrap() == [blob(3)]);
    let unknown = alloy_primitives::B256::repeat_byte(1);
    let error = client.blobs(header.number, header.timestamp, &[hashes[0], unknown]).await.unwrap_err();
    assert!(matches!(error, L1Error::BlobMissing(hash) if hash == unknown) && error.is_temporary());
    proxy.set(Fault::Lie("", |answer| answer["data"][0] = json!(Blob::ZERO)));
    assert!(matches!(client.blobs(header.number, header.timestamp, &hashes).await, Err(L1Error::BlobMissing(_))));
    proxy.set(Fault::Lie("", |answer| answer["data"] = json!(["0x00"])));
    assert!(matches!(client.blobs(header.number, header.timestamp, &hashes).await, Err(L1Error::Malformed { .. })));
    proxy.set(Fault::Status(404));
    assert!(matches!(client.blobs(header.number, header.timestamp, &hashes).await, Err(L1Error::BlobMissing(_))));
    proxy.set(Fault::Status(500));
    assert!(matches!(client.blobs(header.number, header.timestamp, &hashes).await, Err(L1Error::Http { .. })));
}

#[tokio::test]
async fn a_blob_transaction_is_replaced_and_cancelled_by_doubling() {
    let anvil = anvil().await;
    let _: serde_json::Value = anvil.client().request("evm_setAutomine", json!([false])).await.unwrap();
    let sender = sender(&anvil, 0).await;
    let fees = sender.suggest_fees().await.unwrap();
    let first = sender.sign(&intent(&[4]), 0, 50_000, fees).await.unwrap();
    sender.broadcast(&first.raw).await.unwrap();
    let bumped = fees.bump(fees, TxKind::Blob, sender.caps()).unwrap();
    let cancel = sender.sign_cancel(0, bumped, TxKind::Blob).await.unwrap();
    sender.broadcast(&cancel.raw).await.unwrap();
    anvil.mine(1, 1).await.unwrap();
    let receipts = sender.receipts(&[first.hash, cancel.hash]).await.unwrap();
    assert!(receipts[0].is_none() && receipts[1].as_ref().unwrap().status());
}
