//! Who uses the node, and remembers each answer.

use super::rpc::{Rpc, RpcFailure};
use crate::wallet::{Message, Wallet};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, U64, hex};
use eyre::WrapErr;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pause after a refusal.
const PAUSE: Duration = Duration::from_millis(15);
/// Longest input of a transaction.
const MAX_INPUT: usize = 400;

/// A transaction whose receipt a client got.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// Its hash.
    #[serde(rename = "transactionHash")]
    pub hash: B256,
    /// The block's number.
    pub block_number: U64,
    /// The block's hash.
    pub block_hash: B256,
}

#[derive(Debug)]
struct User {
    wallet: Wallet,
    /// Nonces below this one were answered.
    answered: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Wallets {
    users: Vec<User>,
    chain_id: u64,
}

impl Wallets {
    /// So many, with keys of this seed.
    pub fn new(seed: u64, count: u64, chain_id: u64) -> Self {
        let user = |index| User { wallet: Wallet::new(seed.wrapping_mul(1_000).wrapping_add(index)), answered: 0 };
        Self { users: (0..count).map(user).collect(), chain_id }
    }

    /// Asks the node for every nonce: each answer counts, and nothing that was never sent. What is wrong changes nothing:
    /// blocks may be on their way back, and the nonces are asked for again.
    pub async fn align(&mut self, rpc: &Rpc) -> eyre::Result<Vec<String>> {
        let mut wrong = Vec::new();
        let params: Vec<Value> = self.users.iter().map(|user| json!([user.wallet.address, "latest"])).collect();
        let nonces: Vec<U64> = rpc.calls("eth_getTransactionCount", &params).await.wrap_err("nonces")?;
        for (user, nonce) in self.users.iter().zip(&nonces) {
            let (nonce, address): (u64, Address) = (nonce.to(), user.wallet.address);
            let (answered, sent) = (user.answered, user.wallet.nonce);
            if nonce < answered || nonce > sent {
                wrong.push(format!("nonce of {address} is {nonce}: {answered} were answered and {sent} sent"));
            }
        }
        if wrong.is_empty() {
            for (user, nonce) in self.users.iter_mut().zip(nonces) {
                (user.wallet.nonce, user.answered) = (nonce.to(), nonce.to());
            }
        }
        Ok(wrong)
    }

    /// Everybody sends, one transaction after the other, until told to stop or the node is gone.
    pub async fn use_node(&mut self, rpc: &Rpc, seed: u64, stop: &CancellationToken) -> Vec<Answered> {
        let chain_id = self.chain_id;
        let work = self.users.iter_mut().enumerate().map(|(at, user)| async move {
            let mut rng = StdRng::seed_from_u64(seed.wrapping_add(at as u64));
            let mut answered = Vec::new();
            while !stop.is_cancelled() {
                let raw = user.sign(chain_id, &mut rng);
                match user.send(rpc, raw, stop).await {
                    Some(answer) => answered.push(answer),
                    None => break,
                }
            }
            answered
        });
        join_all(work).await.into_iter().flatten().collect()
    }
}

impl User {
    fn sign(&mut self, chain_id: u64, rng: &mut StdRng) -> String {
        let mut input = vec![0; rng.random_range(0..MAX_INPUT)];
        rng.fill(&mut input[..]);
        let message = if rng.random_range(0..16) == 0 {
            // A contract whose code is one byte, STOP: PUSH1 1 PUSH0 RETURN.
            Message::create(hex!("60015ff3").to_vec())
        } else {
            Message::call(self.wallet.address, input)
        };
        hex::encode_prefixed(self.wallet.sign_envelope(chain_id, &message).encoded_2718())
    }

    /// Offers one transaction until it is answered. `None`: nobody answers any more.
    async fn send(&mut self, rpc: &Rpc, raw: String, stop: &CancellationToken) -> Option<Answered> {
        loop {
            match rpc.ask("eth_sendRawTransactionSync", json!([raw])).await {
                Ok(receipt) => {
                    let answer: Answered = serde_json::from_value(receipt).ok()?;
                    self.answered = self.wallet.nonce;
                    return Some(answer);
                }
                Err(RpcFailure::Gone) => return None,
                // Syncing, paused, draining: asked again.
                Err(RpcFailure::Refused(_)) if stop.is_cancelled() => return None,
                Err(RpcFailure::Refused(_)) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
