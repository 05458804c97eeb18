//! Endpoints that fail and lie.

use mayfly_l1::{BlockTag, L1Client, L1Error, LogSearch, TxIntent};
use mayfly_proxy::{Fault, Proxy};
use serde_json::{Value, json};

use super::{EMITTER, anvil, deploy, impatient, quick, sender};

fn set(field: &'static str, answer: &mut Value, value: Value) {
    if answer["result"].is_object() {
        answer["result"][field] = value;
    }
}

#[tokio::test]
async fn broken_endpoints_are_temporary_and_another_stands_in() {
    let anvil = anvil().await;
    let proxy = Proxy::start(anvil.url()).await;
    let alone = impatient(std::slice::from_ref(&proxy.url));
    let faults = [
        Fault::Hangup,
        Fault::Silence,
        Fault::Status(500),
        Fault::Status(429),
        Fault::Garbage(""),
        Fault::Garbage("[[[["),
        Fault::Garbage(r#"{"id":0,"result":"zzz"}"#),
        Fault::Garbage(r#"{"id":0,"error":{"code":-32005,"message":"slow down"}}"#),
    ];
    for fault in faults {
        proxy.set(fault);
        let before = proxy.requests();
        let error = alone.chain_id().await.unwrap_err();
        assert!(error.is_temporary(), "{error}");
        assert_eq!(proxy.requests() - before, 2, "two attempts, no more");
        let both = impatient(&[proxy.url.clone(), anvil.url().to_owned()]);
        assert_eq!(both.chain_id().await.unwrap(), 31337);
        assert_eq!(both.headers(0, 0).await.unwrap().len(), 1);
    }
    proxy.set(Fault::Garbage(r#"{"id":0,"error":{"code":-32601,"message":"unknown method"}}"#));
    let before = proxy.requests();
    assert!(!alone.chain_id().await.unwrap_err().is_temporary());
    assert_eq!(proxy.requests() - before, 1, "not tried again");
    proxy.set(Fault::None);
    assert!(matches!(alone.check_chain_id(1).await, Err(L1Error::WrongChain { expected: 1, found: 31337 })));
}

#[tokio::test]
async fn lies_about_headers_are_refused() {
    let anvil = anvil().await;
    anvil.mine(5, 1).await.unwrap();
    let proxy = Proxy::start(anvil.url()).await;
    let client = impatient(std::slice::from_ref(&proxy.url));
    let refused = async |lie: fn(&mut Value)| {
        proxy.set(Fault::Lie("eth_getBlockByNumber", lie));
        assert!(matches!(client.head(BlockTag::Number(2)).await, Err(L1Error::Inconsistent(_) | L1Error::NoBlock(_))));
        assert!(matches!(client.headers(1, 3).await, Err(L1Error::Inconsistent(_) | L1Error::NoBlock(_))));
    };
    refused(|answer| set("timestamp", answer, json!("0x1"))).await;
    refused(|answer| set("hash", answer, json!(alloy_primitives::B256::ZERO))).await;
    refused(|answer| set("parentHash", answer, json!(alloy_primitives::B256::ZERO))).await;
    refused(|answer| set("number", answer, json!("0x1"))).await;
    refused(|answer| answer["result"] = Value::Null).await;
    proxy.set(Fault::None);
    assert_eq!(client.headers(1, 3).await.unwrap().len(), 3);
}

#[tokio::test]
async fn lies_about_logs_and_transactions_are_refused() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let emitter = deploy(&sender, EMITTER).await;
    let receipt = sender.send_and_confirm(&TxIntent::call(emitter, vec![7; 5]), &quick()).await.unwrap();
    let proxy = Proxy::start(anvil.url()).await;
    let client = impatient(std::slice::from_ref(&proxy.url));
    let header = client.head(BlockTag::Latest).await.unwrap();
    let logs = async |client: &L1Client| client.block_with_logs(&header, &[emitter], &[]).await;
    let honest = logs(&client).await.unwrap();
    assert_eq!(honest.logs.len(), 1);
    assert_eq!(honest.logs[0].tx_hash, receipt.transaction_hash);
    let lies: [fn(&mut Value); 3] = [
        |answer| answer["result"] = json!([]),
        |answer| answer["result"][0]["logs"] = json!([]),
        |answer| answer["result"][0]["logs"][0]["data"] = json!("0x0808080808"),
    ];
    for lie in lies {
        proxy.set(Fault::Lie("eth_getBlockReceipts", lie));
        assert!(matches!(logs(&client).await, Err(L1Error::Inconsistent(_))));
    }
    proxy.set(Fault::Lie("eth_getTransactionByHash", |answer| set("input", answer, json!("0x0808080808"))));
    assert!(matches!(client.transaction(receipt.transaction_hash).await, Err(L1Error::Inconsistent(_))));
    proxy.set(Fault::None);
    let transaction = client.transaction(receipt.transaction_hash).await.unwrap();
    assert_eq!(transaction.input().as_ref(), [7; 5]);
    assert_eq!(transaction.to(), Some(emitter));
    let unknown = alloy_primitives::B256::repeat_byte(1);
    assert!(matches!(client.transaction(unknown).await, Err(L1Error::NoTransaction(hash)) if hash == unknown));
}

#[tokio::test]
async fn finds_the_newest_log_and_proves_it() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let emitter = deploy(&sender, EMITTER).await;
    for byte in [1, 2] {
        sender.send_and_confirm(&TxIntent::call(emitter, vec![byte]), &quick()).await.unwrap();
        anvil.mine(3, 1).await.unwrap();
    }
    let proxy = Proxy::start(anvil.url()).await;
    let client = impatient(std::slice::from_ref(&proxy.url));
    let topic = alloy_primitives::B256::with_last_byte(0x2a);
    let to = client.head(BlockTag::Latest).await.unwrap().number;
    let search = LogSearch { address: None, topics: vec![Some(topic)], from: 0, to };
    let found = client.find_log(&search).await.unwrap().unwrap();
    assert_eq!((found.log.data.data.as_ref(), found.header.number, found.log.address), (&[2][..], 6, emitter));
    let older = client.find_log(&LogSearch { to: 5, ..search.clone() }).await.unwrap().unwrap();
    assert_eq!(older.log.data.data.as_ref(), [1]);
    let none = LogSearch { topics: vec![None, Some(topic)], ..search.clone() };
    assert_eq!(client.find_log(&none).await.unwrap(), None);
    proxy.set(Fault::Lie("eth_getLogs", |answer| answer["result"][0]["data"] = json!("0x09")));
    assert!(matches!(client.find_log(&LogSearch { to: 5, ..search }).await, Err(L1Error::Inconsistent(_))));
}
