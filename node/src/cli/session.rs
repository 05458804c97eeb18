//! One command's connection to L1 and to the node's operator API.

use alloy_primitives::Address;
use eyre::{WrapErr, bail, eyre};
use mayfly_l1::{BeaconClient, FeeCaps, Key, L1Client, L1Options, Sender, SubmitOptions, TransactionReceipt, TxIntent};
use mayfly_rollup::RollupInfo;
use mayfly_verifier::{Roles, Verifier, VerifierConfig, VerifierHandle, locate};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{path::Path, time::Duration};
use tokio_util::sync::CancellationToken;

use super::{
    output::progress,
    target::{Target, TargetArgs},
};

/// How long a transaction may take to be mined.
const L1_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the node may take to answer the operator.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(60);

/// L1, the node, and who acts.
pub(crate) struct Session {
    pub(crate) target: Target,
    pub(crate) l1: L1Client,
    pub(crate) l1_chain_id: u64,
    http: reqwest::Client,
}

impl Session {
    /// Connects to L1.
    pub(crate) async fn open(args: &TargetArgs, data_dir: &Path) -> eyre::Result<Session> {
        let target = Target::resolve(args, data_dir)?;
        let l1 = L1Client::new(&target.l1_urls, L1Options::default())?;
        let l1_chain_id = l1.chain_id().await.wrap_err("asking L1 for its chain id")?;
        let http = reqwest::Client::builder().timeout(ADMIN_TIMEOUT).build()?;
        Ok(Session { target, l1, l1_chain_id, http })
    }

    /// Who acts on L1.
    pub(crate) async fn sender(&self) -> eyre::Result<Sender> {
        let key = self.target.signer(self.l1_chain_id)?;
        Ok(Sender::connect(self.l1.clone(), key, FeeCaps::default()).await?)
    }

    /// Another key's transactions.
    pub(crate) async fn sender_for(&self, key: Key) -> eyre::Result<Sender> {
        Ok(Sender::connect(self.l1.clone(), key, FeeCaps::default()).await?)
    }

    /// A rollup's rules, from its proven creation log. With --factory, no other factory's.
    pub(crate) async fn locate(&self, rollup: Address) -> eyre::Result<RollupInfo> {
        Ok(locate(&self.l1, rollup, self.target.factory().ok()).await?)
    }

    /// A verifier of a rollup, which has begun.
    pub(crate) async fn verifier(&self, rollup: Address, roles: Roles) -> eyre::Result<VerifierHandle> {
        self.verifier_of(self.locate(rollup).await?, roles)
    }

    /// The same, with the rules at hand.
    pub(crate) fn verifier_of(&self, info: RollupInfo, roles: Roles) -> eyre::Result<VerifierHandle> {
        let dev = self.l1_chain_id == crate::dev::CHAIN_ID;
        let poll = Duration::from_millis(if dev { 200 } else { 3_000 });
        let beacon = BeaconClient::new(std::slice::from_ref(&self.target.beacon_url), L1Options::default())?;
        let config = VerifierConfig { info, l1: self.l1.clone(), beacon, poll, roles };
        Ok(Verifier::spawn(config, CancellationToken::new())?)
    }

    /// The address of who would act, without opening a keystore file if it can be helped.
    pub(crate) async fn organiser(&self) -> eyre::Result<Address> {
        Ok(self.target.signer(self.l1_chain_id)?.address())
    }

    /// Sends a transaction and waits for its success.
    pub(crate) async fn send(&self, sender: &Sender, what: &str, intent: TxIntent) -> eyre::Result<TransactionReceipt> {
        let receipt =
            sender.send_and_confirm(&intent, &self.submit_options()).await.wrap_err_with(|| what.to_owned())?;
        progress(format!(
            "{what}: {} in L1 block {}",
            receipt.transaction_hash,
            receipt.block_number.unwrap_or_default()
        ));
        Ok(receipt)
    }

    /// How to wait for a transaction: eagerly where blocks come every second.
    pub(crate) fn submit_options(&self) -> SubmitOptions {
        let dev = self.l1_chain_id == crate::dev::CHAIN_ID;
        let poll = Duration::from_millis(if dev { 50 } else { 1_000 });
        SubmitOptions { poll, timeout: L1_TIMEOUT, ..SubmitOptions::default() }
    }

    /// Asks the operator API; `None` if no node was named.
    pub(crate) async fn admin<T: DeserializeOwned>(&self, path: &str, body: Option<Value>) -> eyre::Result<Option<T>> {
        let Some((url, token)) = self.target.admin()? else { return Ok(None) };
        let url = format!("{}{path}", url.trim_end_matches('/'));
        let request = match body {
            Some(body) => self.http.post(&url).json(&body),
            None => self.http.get(&url),
        };
        let response = request.bearer_auth(token).send().await.wrap_err("asking the node")?;
        let status = response.status();
        if !status.is_success() {
            bail!("the node answered {status}: {}", response.text().await.unwrap_or_default().trim());
        }
        Ok(Some(response.json().await.wrap_err_with(|| format!("the node's answer to {path}"))?))
    }

    /// The address of a rollup: as typed, or what the node knows under the name.
    pub(crate) async fn rollup(&self, text: &str) -> eyre::Result<Address> {
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        let list: Value = self
            .admin("/admin/rollups", None)
            .await?
            .ok_or_else(|| eyre!("{text:?} is no address, and no node was named that could know it"))?;
        list["rollups"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|rollup| rollup["name"] == text)
            .and_then(|rollup| rollup["rollup"].as_str()?.parse().ok())
            .ok_or_else(|| eyre!("the node knows no rollup named {text:?}"))
    }
}
