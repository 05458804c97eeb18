//! Finding a log in a long stretch of L1. What is found is proven; that nothing was left out is the
//! endpoint's word, so this is for finding a place to start from, never for following.

use alloy_primitives::{Address, B256, U64};
use alloy_rpc_types_eth::Log;
use serde_json::{Value, json};

use crate::{BlockTag, L1Client, L1Error, L1Header, L1Log};

/// Blocks asked for at once where the endpoint allows it.
const WIDEST_SPAN: u64 = 100_000;

/// Which logs to look for, and where.
#[derive(Debug, Clone)]
pub struct LogSearch {
    /// The contract, if known.
    pub address: Option<Address>,
    /// Topics by position; none matches anything.
    pub topics: Vec<Option<B256>>,
    /// Oldest block.
    pub from: u64,
    /// Newest block.
    pub to: u64,
}

/// A log and the block it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLog {
    /// The block.
    pub header: L1Header,
    /// The log.
    pub log: L1Log,
}

impl L1Client {
    /// The newest log that matches, if any.
    pub async fn find_log(&self, search: &LogSearch) -> Result<Option<FoundLog>, L1Error> {
        match self.next_logs(&mut search.clone()).await?.last() {
            Some(newest) => self.prove(newest).await.map(Some),
            None => Ok(None),
        }
    }

    /// The matching logs of the newest blocks that have any, oldest first; then `search` ends below those blocks.
    /// Nothing once all is searched. Not proven yet: see [`L1Client::prove`].
    pub async fn next_logs(&self, search: &mut LogSearch) -> Result<Vec<Log>, L1Error> {
        let mut span = WIDEST_SPAN;
        while search.from <= search.to {
            let from = search.from.max(search.to.saturating_sub(span - 1));
            match self.logs_between(search, from, search.to).await {
                Ok(logs) => {
                    // Below the first block there is nothing: an empty range says so.
                    (search.from, search.to) = if from == 0 { (1, 0) } else { (search.from, from - 1) };
                    if !logs.is_empty() {
                        return Ok(logs);
                    }
                }
                // Endpoints limit the range, the number of logs or the time, each in its own words.
                Err(error) if span > 1 && !matches!(error, L1Error::Transport { .. }) => {
                    tracing::debug!(%error, span, "log search refused, asking for less");
                    span = (span / 4).max(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Vec::new())
    }

    async fn logs_between(&self, search: &LogSearch, from: u64, to: u64) -> Result<Vec<Log>, L1Error> {
        let mut filter = json!({"fromBlock": U64::from(from), "toBlock": U64::from(to), "topics": search.topics});
        if let Some(address) = search.address {
            filter["address"] = Value::String(address.to_string());
        }
        self.request("eth_getLogs", json!([filter])).await
    }

    /// The log as the block's receipts root proves it.
    pub async fn prove(&self, found: &Log) -> Result<FoundLog, L1Error> {
        let (Some(number), Some(tx_hash)) = (found.block_number, found.transaction_hash) else {
            return self.checked(Err(L1Error::Inconsistent("a mined log without its block".into())));
        };
        let header = self.head(BlockTag::Number(number)).await?;
        let block = self.block_with_logs(&header, &[found.address()], &[]).await?;
        let same = |log: &L1Log| log.tx_hash == tx_hash && log.data == found.inner.data;
        match block.logs.into_iter().find(same) {
            Some(log) => Ok(FoundLog { header, log }),
            None => self.checked(Err(L1Error::Inconsistent(format!("block {number} has no such log of {tx_hash}")))),
        }
    }
}
