//! mayfly-l1 against a real anvil.
#![allow(clippy::unwrap_used, clippy::panic)]

mod blobs;
mod deploy;
mod endpoints;
mod follower;
mod sender;

use alloy_primitives::{Address, Bytes, hex};
use mayfly_l1::{Anvil, AnvilConfig, FeeCaps, L1Client, L1Options, Sender, SubmitOptions, TxIntent};
use std::time::Duration;

/// Emits its calldata as a log with topic 0x2a.
const EMITTER: &[u8] = &hex!("600d600c600039600d6000f3 366000600037602a366000a100");
/// Always reverts.
const REVERTER: &[u8] = &hex!("6005600c60003960056000f3 60006000fd");

async fn anvil() -> Anvil {
    Anvil::start(AnvilConfig::default()).await.unwrap()
}

async fn sender(anvil: &Anvil, index: usize) -> Sender {
    Sender::connect(anvil.client(), Anvil::key(index), FeeCaps::default()).await.unwrap()
}

fn quick() -> SubmitOptions {
    SubmitOptions { poll: Duration::from_millis(5), timeout: Duration::from_secs(180), ..SubmitOptions::default() }
}

async fn deploy(sender: &Sender, code: &[u8]) -> Address {
    let receipt = sender.send_and_confirm(&TxIntent::deploy(Bytes::copy_from_slice(code)), &quick()).await.unwrap();
    receipt.contract_address.unwrap()
}

/// A client that gives up soon.
fn impatient(urls: &[String]) -> L1Client {
    let options = L1Options { timeout: Duration::from_millis(500), attempts: 2, backoff: Duration::from_millis(1) };
    L1Client::new(urls, options).unwrap()
}
