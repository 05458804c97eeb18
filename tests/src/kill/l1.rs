//! What L1 says of the posts: each batch once.

use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use eyre::eyre;
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{BlockTag, L1Client};
use mayfly_rollup::RollupInfo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Blocks so far below the head are not taken back by a run.
const SETTLED_DEPTH: u64 = 16;
/// What a header says of a batch without data.
const CODEC_FORCED: u8 = 0;

/// A post that L1 included.
#[derive(Clone, Debug)]
struct Posted {
    block: u64,
    hash: B256,
    /// Which batch; none for what only uses up a nonce.
    seq: Option<u64>,
    content: B256,
    succeeded: bool,
    /// It left out a queue item that was overdue once L1 included it: the machine was slow, and nothing is lost by it.
    is_late: bool,
}

/// What was posted so far.
#[derive(Debug)]
pub(super) struct L1Book {
    rollup: Address,
    poster: Address,
    force_window: u64,
    /// By nonce.
    posts: BTreeMap<u64, Posted>,
    read_to: u64,
}

/// What the book says.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) batches: u64,
    pub(super) reverted: u64,
    /// Of these, because an item of the queue became overdue on their way to L1.
    pub(super) late: u64,
    /// What must never be.
    pub(super) wrong: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FullTx {
    hash: B256,
    from: Address,
    to: Option<Address>,
    nonce: alloy_primitives::U64,
    input: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Appended {
    transaction_hash: B256,
    topics: Vec<B256>,
    data: Bytes,
}

impl Appended {
    fn batch(&self) -> alloy_sol_types::Result<Inbox::BatchPosted> {
        Inbox::BatchPosted::decode_raw_log(self.topics.iter().copied(), &self.data)
    }
}

#[derive(Deserialize)]
struct FullBlock {
    transactions: Vec<FullTx>,
}

impl L1Book {
    pub(super) fn new(info: &RollupInfo) -> Self {
        let (poster, force_window) = (info.config.sequencer, info.config.windows.forceWindow);
        Self { rollup: info.rollup, poster, force_window, posts: BTreeMap::new(), read_to: info.l1_number }
    }

    /// Reads on, and checks everything.
    pub(super) async fn check(&mut self, l1: &L1Client) -> eyre::Result<Books> {
        let head = l1.head(BlockTag::Latest).await?.number;
        let from = self.read_to.saturating_sub(SETTLED_DEPTH);
        self.posts.retain(|_, post| post.block < from);
        for number in from..=head {
            self.read(l1, number).await?;
        }
        self.read_to = head;
        let mut books = self.balance();
        let count: u64 = l1.call(self.rollup, &Inbox::batchCountCall {}, BlockTag::Number(head)).await?;
        let appended = self.appended(l1, head).await?;
        if count != appended.len() as u64 {
            books.wrong.push(format!("the Inbox counts {count} batches, its log has {}", appended.len()));
        }
        let ours = self.posts.values().filter(|post| post.succeeded && post.seq.is_some());
        let lost = ours.filter(|post| appended.iter().all(|log| log.transaction_hash != post.hash));
        books.wrong.extend(lost.map(|post| format!("{} succeeded, and the Inbox has no batch of it", post.hash)));
        Ok(books)
    }

    /// How many batches without data there are: each moves what was answered and not posted.
    pub(super) async fn forced(&self, l1: &L1Client) -> eyre::Result<usize> {
        let head = l1.head(BlockTag::Latest).await?.number;
        let appended = self.appended(l1, head).await?;
        let forced =
            appended.iter().filter(|log| matches!(log.batch(), Ok(posted) if posted.header.codec == CODEC_FORCED));
        Ok(forced.count())
    }

    /// The logs of all batches, forced ones of anybody among them.
    async fn appended(&self, l1: &L1Client, head: u64) -> eyre::Result<Vec<Appended>> {
        let filter = json!({
            "address": self.rollup, "topics": [Inbox::BatchPosted::SIGNATURE_HASH], "fromBlock": "0x0",
            "toBlock": format!("{head:#x}"),
        });
        l1.request("eth_getLogs", json!([filter])).await.map_err(Into::into)
    }

    async fn read(&mut self, l1: &L1Client, number: u64) -> eyre::Result<()> {
        let block: Option<FullBlock> =
            l1.request("eth_getBlockByNumber", json!([format!("{number:#x}"), true])).await?;
        let block = block.ok_or_else(|| eyre!("L1 has no block {number}"))?;
        for tx in block.transactions.into_iter().filter(|tx| tx.from == self.poster) {
            let receipt: Value = l1.request("eth_getTransactionReceipt", json!([tx.hash])).await?;
            let ours = tx.to == Some(self.rollup);
            let call = Inbox::postBatchCall::abi_decode(&tx.input).ok().filter(|_| ours);
            let succeeded = receipt["status"] == "0x1";
            let is_late = match &call {
                Some(call) if !succeeded => self.leaves_out_overdue(l1, call.queueUpTo, number).await?,
                _ => false,
            };
            let post = Posted {
                block: number,
                hash: tx.hash,
                seq: call.map(|call| call.seq),
                content: keccak256(&tx.input),
                succeeded,
                is_late,
            };
            self.posts.insert(tx.nonce.to(), post);
        }
        Ok(())
    }

    /// Whether the first item that a batch leaves out was overdue in the L1 block that included the batch.
    async fn leaves_out_overdue(&self, l1: &L1Client, index: u64, number: u64) -> eyre::Result<bool> {
        let (topics, range) = ([Inbox::QueueItem::SIGNATURE_HASH, U256::from(index).into()], format!("{number:#x}"));
        let filter = json!({ "address": self.rollup, "topics": topics, "fromBlock": "0x0", "toBlock": range });
        let logs: Vec<Value> = l1.request("eth_getLogs", json!([filter])).await?;
        let Some(log) = logs.first() else { return Ok(false) };
        let queued: U64 = serde_json::from_value(log["blockNumber"].clone())?;
        let time = async |number| l1.head(BlockTag::Number(number)).await.map(|head| head.timestamp);
        Ok(time(number).await? > time(queued.to()).await? + self.force_window)
    }

    fn balance(&self) -> Books {
        let mut books = Books::default();
        let mut by_seq: BTreeMap<u64, &Posted> = BTreeMap::new();
        let mut by_content: BTreeMap<B256, &Posted> = BTreeMap::new();
        for (at, (nonce, post)) in (0u64..).zip(&self.posts) {
            if *nonce != at {
                books.wrong.push(format!("the poster's nonce {at} is missing on L1"));
                break;
            }
            let Some(seq) = post.seq else { continue };
            if !post.succeeded {
                books.reverted += 1;
                books.late += u64::from(post.is_late);
                continue;
            }
            books.batches += 1;
            let (hash, block) = (post.hash, post.block);
            if let Some(other) = by_seq.insert(seq, post) {
                books.wrong.push(format!("batch {seq} was posted by {hash} in {block} and by {} before", other.hash));
            }
            if let Some(other) = by_content.insert(post.content, post) {
                books.wrong.push(format!("{hash} and {} have the same content", other.hash));
            }
        }
        books
    }
}
