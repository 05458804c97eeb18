//! The contracts on the development L1.

use alloy_primitives::{Address, B256};
use eyre::{WrapErr, ensure};
use mayfly_contracts::{plan::Foundation, predeploys::CREATE2_DEPLOYER};
use mayfly_l1::{FeeCaps, Key, L1Client, Sender, SubmitOptions, TxIntent};

/// Deploys what is missing and returns the factory's address. Sending twice changes
/// nothing: every address follows from its code.
pub(super) async fn contracts(l1: &L1Client, deployer: Key) -> eyre::Result<Address> {
    let foundation = Foundation::new(B256::ZERO);
    if !l1.code(foundation.factory).await?.is_empty() {
        return Ok(foundation.factory);
    }
    ensure!(!l1.code(CREATE2_DEPLOYER).await?.is_empty(), "{CREATE2_DEPLOYER} has no code on this L1");
    let sender = Sender::connect(l1.clone(), deployer, FeeCaps::default()).await?;
    let mut nonce = sender.pending_nonce().await?;
    let fees = sender.suggest_fees().await?;
    let mut sent = Vec::new();
    // One after the other in one block: each waits for nothing but its nonce.
    for step in &foundation.steps {
        if !l1.code(step.address).await?.is_empty() {
            continue;
        }
        let intent = TxIntent::call(CREATE2_DEPLOYER, step.input());
        let gas = sender.estimate_gas(&intent).await.wrap_err(step.name)?;
        let signed = sender.sign(&intent, nonce, gas, fees).await?;
        sender.broadcast(&signed.raw).await.wrap_err(step.name)?;
        sent.push(signed.hash);
        nonce += 1;
    }
    wait(&sender, &sent).await?;
    for step in &foundation.steps {
        ensure!(!l1.code(step.address).await?.is_empty(), "{} did not arrive at {}", step.name, step.address);
    }
    Ok(foundation.factory)
}

async fn wait(sender: &Sender, hashes: &[B256]) -> eyre::Result<()> {
    let options = SubmitOptions::default();
    let deadline = tokio::time::Instant::now() + options.timeout;
    while sender.receipts(hashes).await?.iter().any(Option::is_none) {
        ensure!(tokio::time::Instant::now() < deadline, "the contracts were not mined within {:?}", options.timeout);
        tokio::time::sleep(options.poll).await;
    }
    Ok(())
}
