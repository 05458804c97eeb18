//! One key's transactions to L1. Signing and broadcasting are two steps: a caller with a ledger
//! stores the signed bytes in between, so that a crash can never send one submission twice under
//! two nonces. The sender itself remembers nothing.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U64, hex};
use alloy_rpc_types_eth::TransactionReceipt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    Blob, BlockRef, BlockTag, FeeCaps, Fees, Key, L1Client, L1Error, Quote, SignedTx, TxIntent, TxKind,
    offload::offload,
    tx::{Terms, sign_blobs, sign_plain},
};

/// Blocks whose tips make the suggestion.
const FEE_HISTORY_BLOCKS: u64 = 10;
const MEDIAN: u8 = 50;
/// Added to an estimate, in percent: state may move between estimate and inclusion.
const GAS_MARGIN_PERCENT: u64 = 20;
/// Gas of a transaction that does nothing.
const TRANSFER_GAS: u64 = 21_000;

/// Blocks before the head in which the user of a nonce is looked for: about what nodes keep the state of.
const NONCE_SEARCH_BLOCKS: u64 = 96;

/// What is read of a transaction to tell whose nonce it used.
#[derive(Deserialize)]
struct Slim {
    hash: B256,
    from: Address,
    nonce: U64,
}

#[derive(Deserialize)]
struct SlimBlock {
    hash: B256,
    transactions: Vec<Slim>,
}

/// How the pool took a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broadcast {
    /// It is in the pool now.
    Accepted,
    /// It was there, or mined, before.
    AlreadyKnown,
}

/// Signs and broadcasts one account's transactions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    client: L1Client,
    key: Key,
    caps: FeeCaps,
    chain_id: u64,
    /// Held by [`Sender::send_and_confirm`] between asking for a nonce and using it.
    pub(crate) nonce_turn: Arc<Semaphore>,
}

impl Sender {
    /// Asks L1 for its chain id, which every signature covers.
    pub async fn connect(client: L1Client, key: Key, caps: FeeCaps) -> Result<Self, L1Error> {
        let chain_id = client.chain_id().await?;
        Ok(Self { client, key, caps, chain_id, nonce_turn: Arc::new(Semaphore::new(1)) })
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// L1's chain id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The L1 it sends to.
    pub fn client(&self) -> &L1Client {
        &self.client
    }

    /// Its key, to sign typed data with.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The limits on its fees.
    pub fn caps(&self) -> &FeeCaps {
        &self.caps
    }

    /// The next nonce by what is mined.
    pub async fn mined_nonce(&self) -> Result<u64, L1Error> {
        self.client.nonce(self.address(), BlockTag::Latest).await
    }

    /// The next nonce by what is mined or waits in the pool.
    pub async fn pending_nonce(&self) -> Result<u64, L1Error> {
        self.client.nonce(self.address(), BlockTag::Pending).await
    }

    /// What to offer now.
    pub async fn suggest_fees(&self) -> Result<Fees, L1Error> {
        Ok(Fees::suggest(&self.client.fee_history(FEE_HISTORY_BLOCKS, MEDIAN).await?, &self.caps))
    }

    /// The same for one kind of transaction, with whether L1 asks more than the caps allow.
    pub async fn quote(&self, kind: TxKind) -> Result<Quote, L1Error> {
        Ok(Quote::of(&self.client.fee_history(FEE_HISTORY_BLOCKS, MEDIAN).await?, kind, &self.caps))
    }

    /// The mined transaction of this account that used up `nonce`, and its block, if one of the last blocks has it. An
    /// endpoint that lags behind has none: what this answers was seen in a block.
    pub async fn nonce_user(&self, nonce: u64) -> Result<Option<(BlockRef, B256)>, L1Error> {
        let head = self.client.head(BlockTag::Latest).await?.number;
        let used =
            async |number| Ok::<_, L1Error>(self.client.nonce(self.address(), BlockTag::Number(number)).await? > nonce);
        // `low` has not used it, `high` has.
        let (mut low, mut high) = (head.saturating_sub(NONCE_SEARCH_BLOCKS), head);
        if !used(high).await? || used(low).await? {
            return Ok(None);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if used(middle).await? { high = middle } else { low = middle }
        }
        let block: Option<SlimBlock> =
            self.client.request("eth_getBlockByNumber", json!([U64::from(high), true])).await?;
        Ok(block.and_then(|block| {
            let ours = |tx: &&Slim| tx.from == self.address() && tx.nonce.to::<u64>() == nonce;
            let at = BlockRef { number: high, hash: block.hash };
            block.transactions.iter().find(ours).map(|tx| (at, tx.hash))
        }))
    }

    /// Gas to allow, with a margin; fails with [`L1Error::Reverted`] if it would revert.
    pub async fn estimate_gas(&self, intent: &TxIntent) -> Result<u64, L1Error> {
        let mut call = json!({"from": self.address(), "value": intent.value, "input": intent.data});
        if let Some(to) = intent.to {
            call["to"] = json!(to);
        }
        // Nodes read blob hashes, not blobs; with none the contract sees no blobs and reverts.
        if intent.kind() == TxKind::Blob {
            let hashes: Vec<B256> = intent.blobs.sidecar().await?.versioned_hashes().collect();
            call["blobVersionedHashes"] = json!(hashes);
            call["maxFeePerBlobGas"] =
                json!(U64::from(u64::try_from(self.caps.max_fee_per_blob_gas).unwrap_or(u64::MAX)));
        }
        let gas: U64 = self.client.request("eth_estimateGas", json!([call])).await?;
        let gas: u64 = gas.to();
        Ok(gas.saturating_add(gas / 100 * GAS_MARGIN_PERCENT))
    }

    /// Signs, without sending.
    pub async fn sign(&self, intent: &TxIntent, nonce: u64, gas_limit: u64, fees: Fees) -> Result<SignedTx, L1Error> {
        let terms = Terms { chain_id: self.chain_id, nonce, gas_limit, fees };
        if intent.kind() == TxKind::Plain {
            return sign_plain(&self.key, intent, terms);
        }
        sign_blobs(&self.key, intent, intent.blobs.sidecar().await?.clone(), terms)
    }

    /// Signs a transaction that does nothing but use up the nonce: the way out when the pool slot
    /// is held by the wrong kind, so it is of the kind that holds it.
    pub async fn sign_cancel(&self, nonce: u64, fees: Fees, kind: TxKind) -> Result<SignedTx, L1Error> {
        let blobs = match kind {
            TxKind::Plain => Vec::new(),
            TxKind::Blob => vec![Blob::ZERO],
        };
        let intent = TxIntent { to: Some(self.address()), blobs: blobs.into(), ..TxIntent::default() };
        self.sign(&intent, nonce, TRANSFER_GAS, fees).await
    }

    /// Hands signed bytes to the pool.
    pub async fn broadcast(&self, raw: &Bytes) -> Result<Broadcast, L1Error> {
        match self.client.request::<B256>("eth_sendRawTransaction", json!([hex::encode_prefixed(raw)])).await {
            Ok(_) => Ok(Broadcast::Accepted),
            Err(error) if already_known(&error) => Ok(Broadcast::AlreadyKnown),
            Err(error) => Err(error),
        }
    }

    /// Receipts of all attempts of a submission, in this order.
    pub async fn receipts(&self, hashes: &[B256]) -> Result<Vec<Option<TransactionReceipt>>, L1Error> {
        self.client.receipts(hashes).await
    }

    /// Whether the pool or the chain has a transaction at all.
    pub async fn knows(&self, hash: B256) -> Result<bool, L1Error> {
        Ok(self.client.request::<Option<Value>>("eth_getTransactionByHash", json!([hash])).await?.is_some())
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, L1Error> + Send + 'static,
) -> Result<T, L1Error> {
    offload(work).await.unwrap_or_else(|error| Err(L1Error::Kzg(format!("worker: {error}"))))
}

fn already_known(error: &L1Error) -> bool {
    let L1Error::Rpc { message, .. } = error else { return false };
    let message = message.to_ascii_lowercase();
    ["already known", "already imported", "known transaction", "alreadyknown"]
        .iter()
        .any(|words| message.contains(words))
}
