//! A rollup inside a test, as docs/guides/embed.md shows it.

use alloy::network::TransactionBuilder;
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{U256, bytes};
use mayfly_node::dev::LocalRollup;

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_is_deployed_by_a_wallet_that_holds_nothing() -> eyre::Result<()> {
    let rollup = LocalRollup::start().await?;
    let wallet = PrivateKeySigner::random();
    let provider = ProviderBuilder::new().wallet(wallet.clone()).connect_http(rollup.rpc_url().parse()?);
    let creation = TransactionRequest::default().with_deploy_code(bytes!("602a5f5260205ff3"));
    let receipt = provider.send_transaction(creation).await?.get_receipt().await?;
    assert!(receipt.status() && receipt.contract_address.is_some());
    assert_eq!(provider.get_balance(wallet.address()).await?, U256::ZERO);
    assert_eq!(provider.get_chain_id().await?, rollup.chain_id());
    rollup.stop().await
}
