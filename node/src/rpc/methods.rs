//! The table of methods: name, cost, handler, signature. Sorted by name; a test checks it.

use super::backend::Rollup;
use super::dispatch::{Call, Caller, Pending, Reply, Service};
use super::params::Params;
use super::{
    accounts, blocks, call, config, debug, fees, fill, filters, logs, mayfly, net, openrpc, proof, simulate, testing,
    trace, transactions, txpool,
};

/// A synchronous handler.
pub(crate) type Handler = fn(&Rollup, &mut Params<'_>) -> Reply;

/// A handler that waits for something.
pub(crate) type Waiter = for<'a> fn(&'a Service, &'a Caller, &'a Call<'a>) -> Pending<'a>;

/// How a method runs.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Microseconds: right where the body was read.
    Now(Handler),
    /// The same, unless the block or transaction that this parameter names must be read from the disk.
    Block(usize, Handler),
    /// May burn a millisecond or more: on the blocking pool, a few at a time.
    Heavy(Handler),
    /// Asks the sequencer first.
    Wait(Waiter),
    /// A transaction for the sequencer; several of a batch go together.
    Submit,
    /// Needs a connection that stays: WebSocket only.
    Subscription,
}

/// A row of the table.
pub(crate) struct Method {
    /// As on the wire.
    pub(crate) name: &'static str,
    /// Compute units: what it takes from the caller's budget and adds to the meter.
    pub(crate) units: u32,
    /// What runs.
    pub(crate) run: Run,
    /// What it takes and gives: `(name: Type, name?: Type) -> Type`, the types as `openrpc/schemas.json` has them.
    pub(crate) signature: &'static str,
}

const fn row(name: &'static str, units: u32, run: Run, signature: &'static str) -> Method {
    Method { name, units, run, signature }
}

/// Looks a method up.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    let at = METHODS.binary_search_by(|method| method.name.cmp(name)).ok()?;
    METHODS.get(at)
}

/// The names of all methods, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|method| method.name)
}

/// Every method there is.
pub(crate) static METHODS: &[Method] = &[
    row("debug_getRawBlock", 5, Run::Heavy(debug::raw_block), "(block: Block) -> Bytes"),
    row("debug_getRawHeader", 2, Run::Block(0, debug::raw_header), "(block: Block) -> Bytes"),
    row("debug_getRawReceipts", 10, Run::Heavy(debug::raw_receipts), "(block: Block) -> [Bytes]"),
    row("debug_getRawTransaction", 2, Run::Block(0, debug::raw_transaction), "(hash: Hash) -> Bytes"),
    row(
        "debug_traceBlockByHash",
        1_000,
        Run::Heavy(debug::trace_block_by_hash),
        "(hash: Hash, options?: TraceOptions) -> [BlockTrace]",
    ),
    row(
        "debug_traceBlockByNumber",
        1_000,
        Run::Heavy(debug::trace_block_by_number),
        "(block: BlockTag, options?: TraceOptions) -> [BlockTrace]",
    ),
    row(
        "debug_traceCall",
        200,
        Run::Heavy(debug::trace_call),
        "(transaction: Call, block?: Block, options?: TraceOptions) -> Trace",
    ),
    row(
        "debug_traceTransaction",
        300,
        Run::Heavy(debug::trace_transaction),
        "(hash: Hash, options?: TraceOptions) -> Trace",
    ),
    row("eth_accounts", 1, Run::Now(accounts::list), "() -> [Address]"),
    row("eth_baseFee", 1, Run::Now(fees::base_fee), "() -> Quantity"),
    row("eth_blobBaseFee", 1, Run::Now(fees::blob_base_fee), "() -> Quantity"),
    row("eth_blockNumber", 1, Run::Now(blocks::number), "() -> Quantity"),
    row(
        "eth_call",
        20,
        Run::Heavy(call::call),
        "(transaction: Call, block?: Block, state?: StateOverrides, environment?: BlockOverrides) -> Bytes",
    ),
    row("eth_capabilities", 1, Run::Now(config::capabilities), "() -> Capabilities"),
    row("eth_chainId", 1, Run::Now(net::chain_id), "() -> Quantity"),
    row("eth_config", 5, Run::Block(0, config::get), "() -> ChainConfig"),
    row(
        "eth_createAccessList",
        60,
        Run::Heavy(call::access_list),
        "(transaction: Call, block?: Block, state?: StateOverrides, environment?: BlockOverrides) -> AccessList",
    ),
    row(
        "eth_estimateGas",
        40,
        Run::Heavy(call::estimate),
        "(transaction: Call, block?: Block, state?: StateOverrides, environment?: BlockOverrides) -> Quantity",
    ),
    row(
        "eth_feeHistory",
        10,
        Run::Heavy(fees::history),
        "(count: Number, newest: BlockTag, percentiles?: Percentiles) -> FeeHistory",
    ),
    row("eth_fillTransaction", 40, Run::Wait(fill::fill), "(transaction: Call) -> Filled"),
    row("eth_gasPrice", 1, Run::Heavy(fees::gas_price), "() -> Quantity"),
    row("eth_getBalance", 1, Run::Block(1, accounts::balance), "(address: Address, block?: Block) -> Quantity"),
    row("eth_getBlockByHash", 5, Run::Heavy(blocks::by_hash), "(hash: Hash, full?: Boolean) -> BlockInfo?"),
    row("eth_getBlockByNumber", 5, Run::Heavy(blocks::by_number), "(block: BlockTag, full?: Boolean) -> BlockInfo?"),
    row("eth_getBlockReceipts", 10, Run::Heavy(blocks::receipts), "(block: Block) -> [Receipt]?"),
    row("eth_getBlockTransactionCountByHash", 1, Run::Block(0, blocks::count_by_hash), "(hash: Hash) -> Quantity?"),
    row(
        "eth_getBlockTransactionCountByNumber",
        1,
        Run::Block(0, blocks::count_by_number),
        "(block: BlockTag) -> Quantity?",
    ),
    row("eth_getCode", 1, Run::Block(1, accounts::code), "(address: Address, block?: Block) -> Bytes"),
    row("eth_getFilterChanges", 20, Run::Heavy(filters::changes), "(id: FilterId) -> [FilterChange]"),
    row("eth_getFilterLogs", 50, Run::Heavy(filters::all_logs), "(id: FilterId) -> [Log]"),
    row("eth_getLogs", 50, Run::Heavy(logs::get), "(filter: Filter) -> [Log]"),
    row("eth_getProof", 30, Run::Heavy(proof::get), "(address: Address, keys?: Slots, block?: Block) -> Proof"),
    row("eth_getRawTransactionByHash", 2, Run::Block(0, transactions::raw_by_hash), "(hash: Hash) -> Bytes?"),
    row(
        "eth_getStorageAt",
        1,
        Run::Block(2, accounts::storage),
        "(address: Address, slot: Slot, block?: Block) -> Hash",
    ),
    row(
        "eth_getStorageValues",
        20,
        Run::Heavy(accounts::storage_values),
        "(slots: SlotsByAddress, block?: Block) -> ValuesByAddress",
    ),
    row(
        "eth_getTransactionByBlockHashAndIndex",
        2,
        Run::Block(0, transactions::by_block_hash),
        "(hash: Hash, index: Quantity) -> Transaction?",
    ),
    row(
        "eth_getTransactionByBlockNumberAndIndex",
        2,
        Run::Block(0, transactions::by_block_number),
        "(block: BlockTag, index: Quantity) -> Transaction?",
    ),
    row("eth_getTransactionByHash", 2, Run::Wait(transactions::by_hash), "(hash: Hash) -> Transaction?"),
    row("eth_getTransactionCount", 1, Run::Wait(accounts::nonce), "(address: Address, block?: Block) -> Quantity"),
    row("eth_getTransactionReceipt", 2, Run::Block(0, transactions::receipt), "(hash: Hash) -> Receipt?"),
    row(
        "eth_getUncleByBlockHashAndIndex",
        1,
        Run::Block(0, blocks::uncle_by_hash),
        "(hash: Hash, index: Quantity) -> BlockInfo?",
    ),
    row(
        "eth_getUncleByBlockNumberAndIndex",
        1,
        Run::Block(0, blocks::uncle_by_number),
        "(block: BlockTag, index: Quantity) -> BlockInfo?",
    ),
    row("eth_getUncleCountByBlockHash", 1, Run::Block(0, blocks::uncles_by_hash), "(hash: Hash) -> Quantity?"),
    row("eth_getUncleCountByBlockNumber", 1, Run::Block(0, blocks::uncles_by_number), "(block: BlockTag) -> Quantity?"),
    row("eth_maxPriorityFeePerGas", 1, Run::Heavy(fees::priority_fee), "() -> Quantity"),
    row("eth_newBlockFilter", 2, Run::Now(filters::new_blocks), "() -> FilterId"),
    row("eth_newFilter", 2, Run::Now(filters::new_logs), "(filter: Filter) -> FilterId"),
    row("eth_newPendingTransactionFilter", 2, Run::Now(filters::new_waiting), "() -> FilterId"),
    row("eth_sendRawTransaction", 10, Run::Submit, "(raw: Bytes) -> Hash"),
    row("eth_sendRawTransactionSync", 10, Run::Submit, "(raw: Bytes, timeout?: Number) -> Receipt"),
    row(
        "eth_simulateV1",
        100,
        Run::Heavy(simulate::simulate),
        "(options: SimulationOptions, block?: Block) -> [SimulatedBlock]",
    ),
    row("eth_subscribe", 5, Run::Subscription, "(subscription: Text, options?: SubscriptionOptions) -> FilterId"),
    row("eth_syncing", 1, Run::Now(blocks::syncing), "() -> Boolean"),
    row("eth_uninstallFilter", 1, Run::Now(filters::uninstall), "(id: FilterId) -> Boolean"),
    row("eth_unsubscribe", 1, Run::Subscription, "(id: FilterId) -> Boolean"),
    row("mayfly_finality", 1, Run::Block(0, mayfly::finality), "(subject: Block) -> Finality"),
    row("mayfly_leaves", 20, Run::Heavy(mayfly::leaves), "(first?: Quantity, count?: Quantity) -> Leaves"),
    row("mayfly_receipt", 10, Run::Wait(mayfly::receipt), "(hash: Hash) -> SignedReceipt?"),
    row("mayfly_rollup", 2, Run::Now(mayfly::rollup), "() -> Rollup"),
    row(
        "mayfly_settlementProof",
        20,
        Run::Heavy(mayfly::settlement_proof),
        "(address: Address, first?: Quantity) -> SettlementProof",
    ),
    row("mayfly_status", 2, Run::Now(mayfly::status), "() -> Status"),
    row(
        "mayfly_withdrawalProof",
        100,
        Run::Heavy(mayfly::withdrawal_proof),
        "(index: Quantity, block?: Block) -> WithdrawalProof",
    ),
    row("net_listening", 1, Run::Now(net::listening), "() -> Boolean"),
    row("net_peerCount", 1, Run::Now(net::peer_count), "() -> Quantity"),
    row("net_version", 1, Run::Now(net::version), "() -> Text"),
    row("rpc.discover", 20, Run::Now(openrpc::discover), "() -> OpenRpc"),
    row("rpc_modules", 1, Run::Now(net::modules), "() -> Modules"),
    row(
        "testing_buildBlockV1",
        100,
        Run::Heavy(testing::build_block),
        "(parent: Hash, attributes: PayloadAttributes, transactions?: RawTransactions, extra?: Bytes) -> Payload",
    ),
    row("trace_block", 1_000, Run::Heavy(trace::block), "(block: Block) -> [ParityTrace]?"),
    row(
        "trace_call",
        200,
        Run::Heavy(trace::call),
        "(transaction: Call, types: TraceTypes, block?: Block) -> TraceResults",
    ),
    row(
        "trace_replayBlockTransactions",
        1_000,
        Run::Heavy(trace::replay_block),
        "(block: Block, types: TraceTypes) -> [TraceResults]?",
    ),
    row(
        "trace_replayTransaction",
        300,
        Run::Heavy(trace::replay_transaction),
        "(hash: Hash, types: TraceTypes) -> TraceResults",
    ),
    row("trace_transaction", 300, Run::Heavy(trace::transaction), "(hash: Hash) -> [ParityTrace]?"),
    row("txpool_content", 50, Run::Wait(txpool::content), "() -> PoolContent"),
    row("txpool_contentFrom", 10, Run::Wait(txpool::content_from), "(address: Address) -> PoolContentFrom"),
    row("txpool_inspect", 50, Run::Wait(txpool::inspect), "() -> PoolInspect"),
    row("txpool_status", 1, Run::Wait(txpool::status), "() -> PoolStatus"),
    row("web3_clientVersion", 1, Run::Now(net::client_version), "() -> Text"),
    row("web3_sha3", 1, Run::Now(net::sha3), "(data: Bytes) -> Hash"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_without_duplicates_and_nothing_is_free() {
        assert!(METHODS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(METHODS.iter().all(|method| method.units > 0));
        assert!(find("eth_chainId").is_some() && find("eth_chainid").is_none());
    }
}
