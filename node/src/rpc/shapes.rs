//! How blocks, transactions, receipts and logs look on the wire.
//!
//! Ethereum's execution API, with OP's fields for deposits, so that explorers
//! and wallets read a rollup as they read any chain.

use std::sync::Arc;

use alloy_consensus::Header;
use alloy_consensus::transaction::Recovered;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bloom, Bytes, U64, U128, U256};
use alloy_rlp::{Encodable, Header as RlpHeader};
use alloy_rpc_types_eth::Transaction as SignedShape;
use mayfly_evm::{ChainSpec, DEPOSIT_RECEIPT_VERSION, LogEntry, Receipt, RecoveredTx, SealedBlock, Transaction};
use serde::Serialize;

/// A transaction in a block.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum TxShape {
    Signed(Box<SignedShape>),
    Deposit(Box<DepositShape>),
}

/// A deposit as OP's clients show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DepositShape {
    r#type: U64,
    hash: B256,
    source_hash: B256,
    from: Address,
    to: Option<Address>,
    mint: U128,
    value: U256,
    gas: U64,
    gas_price: U64,
    is_system_tx: bool,
    input: Bytes,
    nonce: U64,
    deposit_receipt_version: U64,
    r: U64,
    s: U64,
    v: U64,
    y_parity: U64,
    block_hash: B256,
    block_number: U64,
    block_timestamp: U64,
    transaction_index: U64,
}

/// A transaction in no block.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WaitingShape {
    #[serde(flatten)]
    tx: SignedShape,
    block_timestamp: (),
}

/// A transaction that waits for a block; only signed ones do.
pub(crate) fn waiting(tx: &RecoveredTx) -> Option<WaitingShape> {
    let signed = tx.tx.as_signed()?;
    let tx = SignedShape {
        inner: Recovered::new_unchecked(signed.clone(), tx.sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(tx.tx.max_fee_per_gas()),
        block_timestamp: None,
    };
    Some(WaitingShape { tx, block_timestamp: () })
}

/// Transaction number `index` of `block`; `None` if there are fewer.
pub(crate) fn transaction(spec: &ChainSpec, block: &SealedBlock, index: usize) -> Option<TxShape> {
    let tx: &Arc<RecoveredTx> = block.transactions.get(index)?;
    Some(match &tx.tx {
        Transaction::Signed(envelope) => TxShape::Signed(Box::new(SignedShape {
            inner: Recovered::new_unchecked(envelope.clone(), tx.sender),
            block_hash: Some(block.hash),
            block_number: Some(block.header.number),
            transaction_index: Some(index as u64),
            effective_gas_price: Some(effective_gas_price(spec, block, &tx.tx)),
            block_timestamp: Some(block.header.timestamp),
        })),
        Transaction::Deposit(deposit) => TxShape::Deposit(Box::new(DepositShape {
            r#type: U64::from(mayfly_evm::DEPOSIT_TX_TYPE),
            hash: tx.hash(),
            source_hash: deposit.source_hash,
            from: deposit.from,
            to: deposit.to.to().copied(),
            mint: U128::from(deposit.mint),
            value: deposit.value,
            gas: U64::from(deposit.gas_limit),
            gas_price: U64::ZERO,
            is_system_tx: deposit.is_system_transaction,
            input: deposit.input.clone(),
            nonce: U64::from(block.receipts.get(index).and_then(|receipt| receipt.deposit_nonce).unwrap_or(0)),
            deposit_receipt_version: U64::from(DEPOSIT_RECEIPT_VERSION),
            r: U64::ZERO,
            s: U64::ZERO,
            v: U64::ZERO,
            y_parity: U64::ZERO,
            block_hash: block.hash,
            block_number: U64::from(block.header.number),
            block_timestamp: U64::from(block.header.timestamp),
            transaction_index: U64::from(index),
        })),
    })
}

fn effective_gas_price(spec: &ChainSpec, block: &SealedBlock, tx: &Transaction) -> u128 {
    spec.gas_price(tx, block.header.base_fee_per_gas.unwrap_or(0))
}

/// A block, with hashes or whole transactions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockShape<'a> {
    hash: B256,
    #[serde(flatten)]
    header: &'a Header,
    size: U64,
    uncles: Vec<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<Body>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawals: Option<&'a [Withdrawal]>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Hashes(Vec<B256>),
    Whole(Vec<TxShape>),
}

/// `whole` = with transactions instead of their hashes.
pub(crate) fn block<'a>(spec: &ChainSpec, block: &'a SealedBlock, whole: bool) -> BlockShape<'a> {
    let transactions = if whole {
        Body::Whole((0..block.transactions.len()).filter_map(|index| transaction(spec, block, index)).collect())
    } else {
        Body::Hashes(block.transactions.iter().map(|tx| tx.hash()).collect())
    };
    BlockShape {
        hash: block.hash,
        header: &block.header,
        size: U64::from(block_size_bytes(block)),
        uncles: block.ommers.iter().map(Header::hash_slow).collect(),
        transactions: Some(transactions),
        withdrawals: block.header.withdrawals_root.map(|_| block.withdrawals.as_slice()),
    }
}

/// An uncle: a block without its body.
pub(crate) fn uncle(header: &Header) -> BlockShape<'_> {
    let empty = RlpHeader { list: true, payload_length: 0 }.length();
    let payload_length = header.length() + 2 * empty;
    let size = RlpHeader { list: true, payload_length }.length() + payload_length;
    BlockShape {
        hash: header.hash_slow(),
        header,
        size: U64::from(size),
        uncles: Vec::new(),
        transactions: None,
        withdrawals: None,
    }
}

/// A header alone, as `newHeads` tells it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeadShape<'a> {
    hash: B256,
    #[serde(flatten)]
    header: &'a Header,
}

pub(crate) fn head(block: &SealedBlock) -> HeadShape<'_> {
    HeadShape { hash: block.hash, header: &block.header }
}

/// Length of the block's RLP: header, transactions, uncles and, from Shanghai on, withdrawals.
fn block_size_bytes(block: &SealedBlock) -> usize {
    let list = |payload_length| RlpHeader { list: true, payload_length }.length() + payload_length;
    let one = |tx: &Arc<RecoveredTx>| {
        let payload_length = tx.tx.encoded_len();
        let wrapper = RlpHeader { list: false, payload_length }.length();
        if tx.tx.ty() == 0 { payload_length } else { wrapper + payload_length }
    };
    let transactions = list(block.transactions.iter().map(one).sum());
    let ommers = list(block.ommers.iter().map(Encodable::length).sum());
    let withdrawals = match block.header.withdrawals_root {
        Some(_) => list(block.withdrawals.iter().map(Encodable::length).sum()),
        None => 0,
    };
    list(block.header.length() + transactions + ommers + withdrawals)
}

/// The block's RLP: header, transactions, uncles and, from Shanghai on, withdrawals.
pub(crate) fn raw_block(block: &SealedBlock) -> Vec<u8> {
    let mut transactions = Vec::new();
    for tx in &block.transactions {
        let bytes = tx.tx.encode_2718();
        if tx.tx.ty() == 0 { transactions.extend_from_slice(&bytes) } else { bytes[..].encode(&mut transactions) }
    }
    let mut payload = Vec::new();
    block.header.encode(&mut payload);
    RlpHeader { list: true, payload_length: transactions.len() }.encode(&mut payload);
    payload.extend_from_slice(&transactions);
    block.ommers.encode(&mut payload);
    if block.header.withdrawals_root.is_some() {
        block.withdrawals.encode(&mut payload);
    }
    let mut out = Vec::with_capacity(payload.len() + 9);
    RlpHeader { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out
}

/// A receipt.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptShape {
    r#type: U64,
    /// Before Byzantium a receipt holds a state root in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_gas_used: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_gas_price: Option<U128>,
    transaction_hash: B256,
    transaction_index: U64,
    block_hash: B256,
    block_number: U64,
    from: Address,
    to: Option<Address>,
    contract_address: Option<Address>,
    cumulative_gas_used: U64,
    gas_used: U64,
    effective_gas_price: U128,
    logs: Vec<LogShape>,
    logs_bloom: Bloom,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_nonce: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_receipt_version: Option<U64>,
}

/// A log with its place.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogShape {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_hash: B256,
    block_number: U64,
    block_timestamp: U64,
    transaction_hash: B256,
    transaction_index: U64,
    log_index: U64,
    removed: bool,
}

impl LogShape {
    pub(crate) fn new(entry: LogEntry, removed: bool) -> Self {
        let (topics, data) = entry.log.data.split();
        Self {
            address: entry.log.address,
            topics,
            data,
            block_hash: entry.block_hash,
            block_number: U64::from(entry.block_number),
            block_timestamp: U64::from(entry.block_timestamp),
            transaction_hash: entry.tx_hash,
            transaction_index: U64::from(entry.tx_index),
            log_index: U64::from(entry.log_index),
            removed,
        }
    }
}

/// The receipt of transaction number `index`; `None` if there are fewer.
pub(crate) fn receipt(spec: &ChainSpec, block: &SealedBlock, index: usize) -> Option<ReceiptShape> {
    let first_log = block.receipts.iter().take(index).map(|receipt| receipt.logs.len()).sum();
    receipt_at(spec, block, index, first_log)
}

/// Every receipt of the block.
pub(crate) fn receipts(spec: &ChainSpec, block: &SealedBlock) -> Vec<ReceiptShape> {
    let mut first_log = 0;
    let shape = |index: usize| {
        let shape = receipt_at(spec, block, index, first_log);
        first_log += block.receipts.get(index).map_or(0, |receipt| receipt.logs.len());
        shape
    };
    (0..block.receipts.len()).filter_map(shape).collect()
}

fn receipt_at(spec: &ChainSpec, block: &SealedBlock, index: usize, first_log: usize) -> Option<ReceiptShape> {
    let (tx, receipt) = (block.transactions.get(index)?, block.receipts.get(index)?);
    let (is_deposit, has_blobs) = (tx.tx.is_deposit(), !tx.tx.blob_hashes().is_empty());
    Some(ReceiptShape {
        r#type: U64::from(receipt.ty),
        status: receipt.state_root.is_none().then(|| U64::from(u8::from(receipt.status))),
        root: receipt.state_root,
        blob_gas_used: has_blobs.then(|| U64::from(tx.tx.blob_gas())),
        blob_gas_price: has_blobs.then(|| U128::from(spec.blob_price_of(&block.header))),
        transaction_hash: receipt.tx_hash,
        transaction_index: U64::from(index),
        block_hash: block.hash,
        block_number: U64::from(block.header.number),
        from: tx.sender,
        to: tx.tx.to(),
        contract_address: receipt.contract_address,
        cumulative_gas_used: U64::from(receipt.cumulative_gas_used),
        gas_used: U64::from(receipt.gas_used),
        effective_gas_price: U128::from(effective_gas_price(spec, block, &tx.tx)),
        logs: logs(block, index, receipt, first_log),
        logs_bloom: receipt.bloom,
        deposit_nonce: receipt.deposit_nonce.map(U64::from),
        deposit_receipt_version: is_deposit.then(|| U64::from(DEPOSIT_RECEIPT_VERSION)),
    })
}

fn logs(block: &SealedBlock, tx_index: usize, receipt: &Receipt, first_log: usize) -> Vec<LogShape> {
    let place = |(offset, log): (usize, &alloy_primitives::Log)| LogEntry {
        log: log.clone(),
        block_number: block.header.number,
        block_hash: block.hash,
        block_timestamp: block.header.timestamp,
        tx_hash: receipt.tx_hash,
        tx_index,
        log_index: first_log + offset,
    };
    receipt.logs.iter().enumerate().map(|log| LogShape::new(place(log), false)).collect()
}
