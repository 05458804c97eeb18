//! A second, independent wallet: what ethers-signers signs, we accept, and it signs what we mean.

use alloy_primitives::{Address, B256, Signature, U256};
use ethers_core::types::transaction::eip712::TypedData;
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::transaction::eip2930::AccessListItem;
use ethers_core::types::{
    Eip1559TransactionRequest, Eip2930TransactionRequest, H160, H256, NameOrAddress, TransactionRequest,
};
use ethers_signers::{LocalWallet, Signer};
use mayfly_e2e::history::History;
use mayfly_proto::{Receipt, ReceiptDomain, SignedReceipt};
use mayfly_rollup::attestation_digest;
use serde_json::json;

const TO: [u8; 20] = [0x77; 20];

fn wallet(chain_id: u64) -> LocalWallet {
    LocalWallet::from_bytes(&[0x42; 32]).unwrap().with_chain_id(chain_id)
}

fn address(wallet: &LocalWallet) -> Address {
    Address::from(wallet.address().0)
}

fn signature(theirs: ethers_core::types::Signature) -> Signature {
    Signature::try_from(&theirs.to_vec()[..]).unwrap()
}

/// A payment of nothing, in every form that wallet knows.
fn forms(nonce: u64) -> Vec<TypedTransaction> {
    let to = Some(NameOrAddress::Address(H160(TO)));
    let legacy = |nonce: u64| TransactionRequest {
        to: to.clone(),
        gas: Some(60_000.into()),
        gas_price: Some(0.into()),
        nonce: Some(nonce.into()),
        data: Some(vec![1, 2, 3].into()),
        ..Default::default()
    };
    let listed = AccessListItem { address: H160(TO), storage_keys: vec![H256::zero()] };
    let dynamic = Eip1559TransactionRequest {
        to: to.clone(),
        gas: Some(60_000.into()),
        max_fee_per_gas: Some(0.into()),
        max_priority_fee_per_gas: Some(0.into()),
        nonce: Some((nonce + 2).into()),
        ..Default::default()
    };
    let mut list = Eip2930TransactionRequest::new(legacy(nonce + 1), vec![listed].into());
    list.tx.data = None;
    vec![legacy(nonce).into(), list.into(), dynamic.into()]
}

async fn raw(wallet: &LocalWallet, mut transaction: TypedTransaction) -> Vec<u8> {
    transaction.set_chain_id(wallet.chain_id());
    let signed = wallet.sign_transaction(&transaction).await.unwrap();
    transaction.rlp_signed(&signed).to_vec()
}

#[tokio::test]
async fn its_legacy_access_list_and_dynamic_fee_transactions_are_included() {
    let mut history = History::new(1);
    let wallet = wallet(history.info.chain_id);
    for (nonce, transaction) in forms(0).into_iter().enumerate() {
        let bytes = raw(&wallet, transaction).await;
        let included = history.include_raw(&bytes).unwrap();
        assert_eq!((included.sender, included.status), (address(&wallet), true));
        assert_eq!(included.hash, alloy_primitives::keccak256(&bytes), "form {nonce}");
        assert_eq!(usize::from(included.ty), nonce);
    }
    assert_eq!(history.chain.account(&address(&wallet)).unwrap().nonce, 3);
}

#[tokio::test]
async fn its_transactions_for_another_chain_are_refused() {
    let mut history = History::new(1);
    let wallet = wallet(history.info.chain_id + 1);
    for transaction in forms(0) {
        let refused = history.include_raw(&raw(&wallet, transaction).await).unwrap_err();
        assert!(refused.contains("chain"), "{refused}");
    }
}

#[tokio::test]
async fn its_typed_data_signature_is_a_receipts() {
    let (chain_id, rollup) = (17_592_186_044_417, Address::repeat_byte(0xaa));
    let receipt = Receipt {
        rollup,
        global_index: 9,
        block: 2,
        index: 3,
        tx_hash: B256::repeat_byte(4),
        status: 1,
        gas_used: 21_000,
        logs_hash: B256::repeat_byte(5),
        origin_number: 6,
        origin_hash: B256::repeat_byte(7),
        time: 1_700_000_000,
    };
    let fields = [
        ("rollup", "address"),
        ("globalIndex", "uint64"),
        ("block", "uint64"),
        ("index", "uint64"),
        ("txHash", "bytes32"),
        ("status", "uint8"),
        ("gasUsed", "uint64"),
        ("logsHash", "bytes32"),
        ("originNumber", "uint64"),
        ("originHash", "bytes32"),
        ("time", "uint64"),
    ];
    let typed = typed_data("Receipt", &fields, &serde_json::to_value(receipt).unwrap(), chain_id, rollup);
    let wallet = wallet(1);
    let signed = SignedReceipt { receipt, signature: signature(wallet.sign_typed_data(&typed).await.unwrap()) };
    let domain = ReceiptDomain::new(chain_id, rollup);
    signed.verify(&domain, address(&wallet)).unwrap();
    let changed = SignedReceipt { receipt: Receipt { status: 0, ..receipt }, ..signed };
    assert!(changed.verify(&domain, address(&wallet)).is_err());
}

#[tokio::test]
async fn its_typed_data_signature_is_an_attestation() {
    let (l1_chain_id, settlement, claim) = (1, Address::repeat_byte(0xbb), B256::repeat_byte(8));
    let typed = typed_data("Attestation", &[("claim", "bytes32")], &json!({ "claim": claim }), l1_chain_id, settlement);
    let wallet = wallet(1);
    let signed = signature(wallet.sign_typed_data(&typed).await.unwrap());
    let digest = attestation_digest(l1_chain_id, settlement, claim);
    assert_eq!(signed.recover_address_from_prehash(&digest).unwrap(), address(&wallet));
    let other = attestation_digest(l1_chain_id, settlement, B256::repeat_byte(9));
    assert_ne!(signed.recover_address_from_prehash(&other).unwrap(), address(&wallet));
}

#[tokio::test]
async fn its_personal_messages_recover() {
    let wallet = wallet(1);
    let signed = signature(wallet.sign_message("mayfly").await.unwrap());
    assert_eq!(signed.recover_address_from_msg("mayfly").unwrap(), address(&wallet));
    assert_ne!(signed.recover_address_from_msg("mayfly?").unwrap(), address(&wallet));
}

fn typed_data(
    name: &str,
    fields: &[(&str, &str)],
    message: &serde_json::Value,
    chain_id: u64,
    contract: Address,
) -> TypedData {
    let member = |(name, ty): &(&str, &str)| json!({ "name": name, "type": ty });
    let domain = [("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address")];
    serde_json::from_value(json!({
        "types": {
            "EIP712Domain": domain.iter().map(member).collect::<Vec<_>>(),
            name: fields.iter().map(member).collect::<Vec<_>>(),
        },
        "primaryType": name,
        "domain": { "name": "Mayfly", "version": "1", "chainId": U256::from(chain_id), "verifyingContract": contract },
        "message": message,
    }))
    .unwrap()
}
