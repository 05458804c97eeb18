//! The table of methods: name, cost, handler. Sorted by name; a test checks it.

use super::backend::Rollup;
use super::dispatch::{Call, Caller, Pending, Reply, Service};
use super::params::Params;
use super::{
    accounts, blocks, call, config, debug, fees, fill, filters, logs, mayfly, net, proof, simulate, testing, trace,
    transactions, txpool,
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
}

const fn row(name: &'static str, units: u32, run: Run) -> Method {
    Method { name, units, run }
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
    row("debug_getRawBlock", 5, Run::Heavy(debug::raw_block)),
    row("debug_getRawHeader", 2, Run::Block(0, debug::raw_header)),
    row("debug_getRawReceipts", 10, Run::Heavy(debug::raw_receipts)),
    row("debug_getRawTransaction", 2, Run::Block(0, debug::raw_transaction)),
    row("debug_traceBlockByHash", 1_000, Run::Heavy(debug::trace_block_by_hash)),
    row("debug_traceBlockByNumber", 1_000, Run::Heavy(debug::trace_block_by_number)),
    row("debug_traceCall", 200, Run::Heavy(debug::trace_call)),
    row("debug_traceTransaction", 300, Run::Heavy(debug::trace_transaction)),
    row("eth_accounts", 1, Run::Now(accounts::list)),
    row("eth_baseFee", 1, Run::Now(fees::base_fee)),
    row("eth_blobBaseFee", 1, Run::Now(fees::blob_base_fee)),
    row("eth_blockNumber", 1, Run::Now(blocks::number)),
    row("eth_call", 20, Run::Heavy(call::call)),
    row("eth_capabilities", 1, Run::Now(config::capabilities)),
    row("eth_chainId", 1, Run::Now(net::chain_id)),
    row("eth_config", 5, Run::Block(0, config::get)),
    row("eth_createAccessList", 60, Run::Heavy(call::access_list)),
    row("eth_estimateGas", 40, Run::Heavy(call::estimate)),
    row("eth_feeHistory", 10, Run::Heavy(fees::history)),
    row("eth_fillTransaction", 40, Run::Wait(fill::fill)),
    row("eth_gasPrice", 1, Run::Heavy(fees::gas_price)),
    row("eth_getBalance", 1, Run::Block(1, accounts::balance)),
    row("eth_getBlockByHash", 5, Run::Heavy(blocks::by_hash)),
    row("eth_getBlockByNumber", 5, Run::Heavy(blocks::by_number)),
    row("eth_getBlockReceipts", 10, Run::Heavy(blocks::receipts)),
    row("eth_getBlockTransactionCountByHash", 1, Run::Block(0, blocks::count_by_hash)),
    row("eth_getBlockTransactionCountByNumber", 1, Run::Block(0, blocks::count_by_number)),
    row("eth_getCode", 1, Run::Block(1, accounts::code)),
    row("eth_getFilterChanges", 20, Run::Heavy(filters::changes)),
    row("eth_getFilterLogs", 50, Run::Heavy(filters::all_logs)),
    row("eth_getLogs", 50, Run::Heavy(logs::get)),
    row("eth_getProof", 30, Run::Heavy(proof::get)),
    row("eth_getRawTransactionByHash", 2, Run::Block(0, transactions::raw_by_hash)),
    row("eth_getStorageAt", 1, Run::Block(2, accounts::storage)),
    row("eth_getStorageValues", 20, Run::Heavy(accounts::storage_values)),
    row("eth_getTransactionByBlockHashAndIndex", 2, Run::Block(0, transactions::by_block_hash)),
    row("eth_getTransactionByBlockNumberAndIndex", 2, Run::Block(0, transactions::by_block_number)),
    row("eth_getTransactionByHash", 2, Run::Wait(transactions::by_hash)),
    row("eth_getTransactionCount", 1, Run::Wait(accounts::nonce)),
    row("eth_getTransactionReceipt", 2, Run::Block(0, transactions::receipt)),
    row("eth_getUncleByBlockHashAndIndex", 1, Run::Block(0, blocks::uncle_by_hash)),
    row("eth_getUncleByBlockNumberAndIndex", 1, Run::Block(0, blocks::uncle_by_number)),
    row("eth_getUncleCountByBlockHash", 1, Run::Block(0, blocks::uncles_by_hash)),
    row("eth_getUncleCountByBlockNumber", 1, Run::Block(0, blocks::uncles_by_number)),
    row("eth_maxPriorityFeePerGas", 1, Run::Heavy(fees::priority_fee)),
    row("eth_newBlockFilter", 2, Run::Now(filters::new_blocks)),
    row("eth_newFilter", 2, Run::Now(filters::new_logs)),
    row("eth_newPendingTransactionFilter", 2, Run::Now(filters::new_waiting)),
    row("eth_sendRawTransaction", 10, Run::Submit),
    row("eth_sendRawTransactionSync", 10, Run::Submit),
    row("eth_simulateV1", 100, Run::Heavy(simulate::simulate)),
    row("eth_subscribe", 5, Run::Subscription),
    row("eth_syncing", 1, Run::Now(blocks::syncing)),
    row("eth_uninstallFilter", 1, Run::Now(filters::uninstall)),
    row("eth_unsubscribe", 1, Run::Subscription),
    row("mayfly_finality", 1, Run::Block(0, mayfly::finality)),
    row("mayfly_leaves", 20, Run::Heavy(mayfly::leaves)),
    row("mayfly_receipt", 10, Run::Wait(mayfly::receipt)),
    row("mayfly_rollup", 2, Run::Now(mayfly::rollup)),
    row("mayfly_settlementProof", 20, Run::Heavy(mayfly::settlement_proof)),
    row("mayfly_status", 2, Run::Now(mayfly::status)),
    row("mayfly_withdrawalProof", 100, Run::Heavy(mayfly::withdrawal_proof)),
    row("net_listening", 1, Run::Now(net::listening)),
    row("net_peerCount", 1, Run::Now(net::peer_count)),
    row("net_version", 1, Run::Now(net::version)),
    row("rpc_modules", 1, Run::Now(net::modules)),
    row("testing_buildBlockV1", 100, Run::Heavy(testing::build_block)),
    row("trace_block", 1_000, Run::Heavy(trace::block)),
    row("trace_call", 200, Run::Heavy(trace::call)),
    row("trace_replayBlockTransactions", 1_000, Run::Heavy(trace::replay_block)),
    row("trace_replayTransaction", 300, Run::Heavy(trace::replay_transaction)),
    row("trace_transaction", 300, Run::Heavy(trace::transaction)),
    row("txpool_content", 50, Run::Wait(txpool::content)),
    row("txpool_contentFrom", 10, Run::Wait(txpool::content_from)),
    row("txpool_inspect", 50, Run::Wait(txpool::inspect)),
    row("txpool_status", 1, Run::Wait(txpool::status)),
    row("web3_clientVersion", 1, Run::Now(net::client_version)),
    row("web3_sha3", 1, Run::Now(net::sha3)),
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
