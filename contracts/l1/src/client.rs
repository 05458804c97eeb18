//! Reading L1. Whatever an endpoint answers is checked against a hash before it is believed.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::RlpEcdsaEncodableTx};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{FeeHistory, Header as RpcHeader, Transaction, TransactionReceipt};
use alloy_sol_types::SolCall;
use futures::future::try_join_all;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    BlockRef, L1Block, L1Error, L1Header, L1Log, L1Options, LocalL1,
    block::{LogFilter, receipts_fit},
    http::Endpoints,
    rpc,
};

/// Blocks whose receipts are fetched at the same time.
const RECEIPT_READS: usize = 4;

/// A block by what L1 thinks of it, or by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockTag {
    /// The head.
    Latest,
    /// The head and what waits in the pool.
    Pending,
    /// Unlikely to be reorganised.
    Safe,
    /// Final.
    Finalized,
    /// By number.
    Number(u64),
}

impl BlockTag {
    fn json(self) -> Value {
        match self {
            Self::Latest => json!("latest"),
            Self::Pending => json!("pending"),
            Self::Safe => json!("safe"),
            Self::Finalized => json!("finalized"),
            Self::Number(number) => json!(U64::from(number)),
        }
    }
}

/// What a read-only call returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResult(pub Bytes);

/// A transaction whose bytes were checked against its hash.
#[derive(Debug, Clone)]
pub struct L1Transaction {
    /// The transaction.
    pub envelope: TxEnvelope,
    /// Who signed it, as recovered by the endpoint.
    pub from: Address,
    /// The block it is in; none while it waits.
    pub block: Option<BlockRef>,
}

impl L1Transaction {
    /// Calldata.
    pub fn input(&self) -> &Bytes {
        self.envelope.input()
    }

    /// The called contract.
    pub fn to(&self) -> Option<Address> {
        self.envelope.to()
    }
}

/// JSON-RPC access to L1 over one or several endpoints. Cheap to clone.
#[derive(Debug, Clone)]
pub struct L1Client {
    endpoints: Endpoints,
}

impl L1Client {
    /// Uses the endpoints in this order; no request is made yet.
    pub fn new(urls: &[String], options: L1Options) -> Result<Self, L1Error> {
        Ok(Self { endpoints: Endpoints::new(urls, options)? })
    }

    /// Asks an L1 in this process.
    pub fn local(l1: std::sync::Arc<dyn LocalL1>, options: L1Options) -> Result<Self, L1Error> {
        Ok(Self { endpoints: Endpoints::local(l1, options)? })
    }

    /// Any JSON-RPC call. `null` deserialises like any value, so ask for an `Option` where the
    /// method may answer it. For reads that this type has no method for: the answer is the
    /// endpoint's word.
    pub async fn request<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, L1Error> {
        rpc::call(&self.endpoints, method, params).await
    }

    /// L1's chain id.
    pub async fn chain_id(&self) -> Result<u64, L1Error> {
        Ok(self.request::<U64>("eth_chainId", json!([])).await?.to())
    }

    /// Refuses an endpoint of another chain.
    pub async fn check_chain_id(&self, expected: u64) -> Result<(), L1Error> {
        match self.chain_id().await? {
            found if found == expected => Ok(()),
            found => Err(L1Error::WrongChain { expected, found }),
        }
    }

    /// The header at a tag. Fails with [`L1Error::NoBlock`] where there is none (yet).
    pub async fn head(&self, tag: BlockTag) -> Result<L1Header, L1Error> {
        self.try_header(tag).await?.ok_or_else(|| L1Error::NoBlock(tag.json().to_string()))
    }

    /// The header at a tag, if there is one.
    pub async fn try_header(&self, tag: BlockTag) -> Result<Option<L1Header>, L1Error> {
        let params = json!([tag.json(), false]);
        let header: Option<RpcHeader> = self.request("eth_getBlockByNumber", params).await?;
        let header = self.checked(header.map(|header| L1Header::verify(header.inner, header.hash)).transpose())?;
        if let (BlockTag::Number(asked), Some(header)) = (tag, &header)
            && header.number != asked
        {
            return self.checked(Err(L1Error::Inconsistent(format!("block {} answered for {asked}", header.number))));
        }
        Ok(header)
    }

    /// The header of a block hash.
    pub async fn header_by_hash(&self, hash: B256) -> Result<L1Header, L1Error> {
        let header: Option<RpcHeader> = self.request("eth_getBlockByHash", json!([hash, false])).await?;
        let header = header.ok_or_else(|| L1Error::NoBlock(hash.to_string()))?;
        self.checked(L1Header::verify(header.inner, hash))
    }

    /// Headers `from ..= to`, each verified and linked to the one before.
    pub async fn headers(&self, from: u64, to: u64) -> Result<Vec<L1Header>, L1Error> {
        let mut headers: Vec<L1Header> = Vec::new();
        let numbers: Vec<u64> = (from..=to).collect();
        for part in numbers.chunks(rpc::MAX_BATCH_CALLS) {
            let params: Vec<Value> = part.iter().map(|number| json!([U64::from(*number), false])).collect();
            let answers: Vec<Option<RpcHeader>> = rpc::batch(&self.endpoints, "eth_getBlockByNumber", &params).await?;
            for (number, answer) in part.iter().zip(answers) {
                let answer = answer.ok_or_else(|| L1Error::NoBlock(number.to_string()))?;
                headers.push(self.checked(link(*number, answer, headers.last()))?);
            }
        }
        Ok(headers)
    }

    /// Every log of these contracts in a block, proven by the header's receipts root.
    pub(crate) async fn logs(&self, header: &L1Header, filter: &LogFilter) -> Result<Vec<L1Log>, L1Error> {
        if !filter.may_match(&header.logs_bloom) {
            return Ok(Vec::new());
        }
        Ok(filter.select(self.receipts_of(header).await?))
    }

    /// Blocks of these headers with their logs, receipts read a few blocks at a time.
    pub(crate) async fn blocks(&self, headers: &[L1Header], filter: &LogFilter) -> Result<Vec<L1Block>, L1Error> {
        let mut blocks = Vec::with_capacity(headers.len());
        for part in headers.chunks(RECEIPT_READS) {
            let reads: Vec<_> = part.iter().map(|header| self.logs(header, filter)).collect();
            for (header, logs) in part.iter().zip(try_join_all(reads).await?) {
                blocks.push(L1Block::new(header, logs));
            }
        }
        Ok(blocks)
    }

    /// One block with the logs of some contracts; no first topics means all logs.
    pub async fn block_with_logs(
        &self,
        header: &L1Header,
        addresses: &[Address],
        topics: &[B256],
    ) -> Result<L1Block, L1Error> {
        let filter = LogFilter { addresses: addresses.to_vec(), topics: topics.to_vec() };
        Ok(L1Block::new(header, self.logs(header, &filter).await?))
    }

    /// All receipts of a block, checked against its receipts root.
    pub async fn receipts_of(&self, header: &L1Header) -> Result<Vec<TransactionReceipt>, L1Error> {
        let receipts: Option<Vec<TransactionReceipt>> =
            self.request("eth_getBlockReceipts", json!([U64::from(header.number)])).await?;
        let receipts = receipts.ok_or_else(|| L1Error::NoBlock(header.number.to_string()))?;
        if receipts_fit(header, &receipts) {
            Ok(receipts)
        } else {
            let said = format!("receipts of block {} are not those of {}", header.number, header.hash());
            self.checked(Err(L1Error::Inconsistent(said)))
        }
    }

    /// Receipts by transaction hash, in this order; none where a transaction is not mined. The
    /// endpoint's word: a poster's own bookkeeping, not input of derivation.
    pub async fn receipts(&self, hashes: &[B256]) -> Result<Vec<Option<TransactionReceipt>>, L1Error> {
        let mut receipts = Vec::with_capacity(hashes.len());
        for part in hashes.chunks(rpc::MAX_BATCH_CALLS) {
            let params: Vec<Value> = part.iter().map(|hash| json!([hash])).collect();
            receipts.extend(rpc::batch(&self.endpoints, "eth_getTransactionReceipt", &params).await?);
        }
        Ok(receipts)
    }

    /// One receipt.
    pub async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>, L1Error> {
        self.request("eth_getTransactionReceipt", json!([hash])).await
    }

    /// A transaction by its hash, re-encoded and re-hashed.
    pub async fn transaction(&self, hash: B256) -> Result<L1Transaction, L1Error> {
        let answer: Option<Transaction> = self.request("eth_getTransactionByHash", json!([hash])).await?;
        let answer = answer.ok_or(L1Error::NoTransaction(hash))?;
        let block = answer.block_number.zip(answer.block_hash).map(|(number, hash)| BlockRef { number, hash });
        let (envelope, from) = answer.inner.into_parts();
        let found = rehash(&envelope);
        if found != hash {
            return self.checked(Err(L1Error::Inconsistent(format!("transaction {hash} hashes to {found}"))));
        }
        Ok(L1Transaction { envelope, from, block })
    }

    /// A read-only call of a bound contract function.
    pub async fn call<C: SolCall>(&self, to: Address, call: &C, at: BlockTag) -> Result<C::Return, L1Error> {
        let CallResult(output) = self.call_raw(to, call.abi_encode().into(), at).await?;
        C::abi_decode_returns(&output).map_err(|error| L1Error::Abi(format!("{}: {error}", C::SIGNATURE)))
    }

    /// The same function with several arguments, answers in that order.
    pub async fn calls<C: SolCall>(&self, to: Address, calls: &[C], at: BlockTag) -> Result<Vec<C::Return>, L1Error> {
        let mut answers = Vec::with_capacity(calls.len());
        for part in calls.chunks(rpc::MAX_BATCH_CALLS) {
            let params = |call: &C| json!([{"to": to, "input": Bytes::from(call.abi_encode())}, at.json()]);
            let params: Vec<Value> = part.iter().map(params).collect();
            for output in rpc::batch::<Bytes>(&self.endpoints, "eth_call", &params).await? {
                let decoded = C::abi_decode_returns(&output);
                answers.push(decoded.map_err(|error| L1Error::Abi(format!("{}: {error}", C::SIGNATURE)))?);
            }
        }
        Ok(answers)
    }

    /// A read-only call with raw data.
    pub async fn call_raw(&self, to: Address, data: Bytes, at: BlockTag) -> Result<CallResult, L1Error> {
        let params = json!([{"to": to, "input": data}, at.json()]);
        Ok(CallResult(self.request("eth_call", params).await?))
    }

    /// Balance in wei.
    pub async fn balance(&self, address: Address) -> Result<U256, L1Error> {
        self.request("eth_getBalance", json!([address, "latest"])).await
    }

    /// Code of an account.
    pub async fn code(&self, address: Address) -> Result<Bytes, L1Error> {
        self.request("eth_getCode", json!([address, "latest"])).await
    }

    /// The next nonce, by what is mined ([`BlockTag::Latest`]) or also by what waits
    /// ([`BlockTag::Pending`]).
    pub async fn nonce(&self, address: Address, at: BlockTag) -> Result<u64, L1Error> {
        Ok(self.request::<U64>("eth_getTransactionCount", json!([address, at.json()])).await?.to())
    }

    pub(crate) async fn fee_history(&self, blocks: u64, percentile: u8) -> Result<FeeHistory, L1Error> {
        self.request("eth_feeHistory", json!([U64::from(blocks), "latest", [percentile]])).await
    }

    /// The endpoint in use made something up that hashes to what it says: another one is asked next time.
    pub fn distrust(&self) {
        self.endpoints.turn();
    }

    /// A wrong answer is also a reason to ask another endpoint next time.
    pub(crate) fn checked<T>(&self, result: Result<T, L1Error>) -> Result<T, L1Error> {
        if result.as_ref().is_err_and(L1Error::is_temporary) {
            self.endpoints.turn();
        }
        result
    }
}

fn link(number: u64, answer: RpcHeader, before: Option<&L1Header>) -> Result<L1Header, L1Error> {
    let header = L1Header::verify(answer.inner, answer.hash)?;
    if header.number != number {
        return Err(L1Error::Inconsistent(format!("block {} answered for {number}", header.number)));
    }
    match before {
        Some(before) if header.parent_hash != before.hash() => {
            Err(L1Error::Inconsistent(format!("block {number} is no child of {}", before.hash())))
        }
        _ => Ok(header),
    }
}

/// The hash of a transaction's signed fields; the one it carries is the endpoint's word. Blobs that
/// some endpoints add are no part of it.
fn rehash(envelope: &TxEnvelope) -> B256 {
    match envelope {
        TxEnvelope::Legacy(tx) => tx.tx().tx_hash(tx.signature()),
        TxEnvelope::Eip2930(tx) => tx.tx().tx_hash(tx.signature()),
        TxEnvelope::Eip1559(tx) => tx.tx().tx_hash(tx.signature()),
        TxEnvelope::Eip4844(tx) => tx.tx().tx_hash(tx.signature()),
        TxEnvelope::Eip7702(tx) => tx.tx().tx_hash(tx.signature()),
    }
}
