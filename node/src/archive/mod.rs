//! A foreign Ethereum chain: executed from an export, checked block by block, and served. It is never extended; what
//! clients send waits in a pool of its own, from which `testing_buildBlockV1` can build blocks that nobody keeps.

mod build;
mod import;
mod pool;

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use mayfly_evm::{Chain, ChainReader, RecoveredTx};
use mayfly_sequencer::Arrival;
use parking_lot::Mutex;
use tokio::sync::broadcast;

pub(crate) use build::{BuildError, Built, PayloadAttributes};
pub use import::{Imported, import};
pub(crate) use pool::{MempoolContent, MempoolError, without_blobs};

use pool::Mempool;

/// Transactions a slow subscriber may lag behind before it misses some.
const MAX_LAG: usize = 4_096;

/// An imported chain with its pool.
#[derive(Debug)]
pub struct Archive {
    chain: Mutex<Chain>,
    reader: ChainReader,
    mempool: Mutex<Mempool>,
    /// Transactions that came to wait.
    waiting: broadcast::Sender<Arrival>,
    /// Whether `testing_*` methods answer.
    pub dev: bool,
}

impl Archive {
    /// Serves a chain that nobody else extends.
    pub fn new(chain: Chain, dev: bool) -> Self {
        let reader = chain.reader();
        let waiting = broadcast::Sender::new(MAX_LAG);
        Self { chain: Mutex::new(chain), reader, mempool: Mutex::default(), waiting, dev }
    }

    /// The chain.
    pub const fn reader(&self) -> &ChainReader {
        &self.reader
    }

    /// Takes a transaction into the pool, if a block on the head, or a later one, could hold it.
    pub(crate) fn submit(&self, raw: &[u8]) -> Result<B256, MempoolError> {
        let tx = Arc::new(pool::check(&self.reader, raw)?);
        let hash = self.mempool.lock().insert(Arc::clone(&tx))?;
        // Nobody listening is no error.
        let _ = self.waiting.send(Arrival { hash, tx: Arc::downgrade(&tx) });
        Ok(hash)
    }

    /// Every transaction that comes to wait from now on.
    pub(crate) fn subscribe_waiting(&self) -> broadcast::Receiver<Arrival> {
        self.waiting.subscribe()
    }

    /// One that waits.
    pub(crate) fn pooled(&self, hash: &B256) -> Option<Arc<RecoveredTx>> {
        self.mempool.lock().get(hash)
    }

    /// The nonce that the next transaction of an account needs.
    pub(crate) fn pending_nonce(&self, address: &Address) -> u64 {
        let state = self.reader.account(address).unwrap_or_default().nonce;
        self.mempool.lock().next_nonce(address, state)
    }

    /// What waits.
    pub(crate) fn content(&self) -> MempoolContent {
        self.mempool.lock().content(|address| self.reader.account(address).unwrap_or_default().nonce)
    }

    /// A block on the head that nobody keeps: with these transactions, or with what waits in the pool.
    pub(crate) fn build(
        &self,
        attributes: PayloadAttributes,
        transactions: Option<Vec<Arc<RecoveredTx>>>,
    ) -> Result<Built, BuildError> {
        let waiting = || self.content().executable();
        let (transactions, strict) = transactions.map_or_else(|| (waiting(), false), |given| (given, true));
        build::build(&mut self.chain.lock(), attributes, &transactions, strict)
    }
}
