//! What a record says.
//!
//! A block's payload is: kind, index of the first transaction, number of transactions, header, changes, transactions
//! with their senders, receipts; where Ethereum's consensus made it, uncles and withdrawals too. It leaves out what follows from the rest: transaction hashes, types, cumulative gas, blooms, hashes
//! of logs. Old and new values stand side by side: the changes replay the block and undo it.

use super::codec::{Take, put_account, put_bytes, put_count, put_u256};
use crate::{
    Receipt, RecoveredTx, SealedBlock, TokenKind, Transaction,
    fold::{FoldChange, FoldKey},
    receipt::logs_hash,
    receipt_tree::TreeChange,
    state::{AccountChange, Changes, SlotChange},
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log};
use alloy_rlp::{Decodable, Encodable};
use revm::bytecode::Bytecode;
use std::sync::Arc;

const BLOCK: u8 = 1;
const REVERT: u8 = 2;
/// A block with uncles and withdrawals.
const FULL_BLOCK: u8 = 3;

/// Bits of a receipt's first byte.
const SUCCEEDED: u8 = 1;
const HAS_STATE_ROOT: u8 = 2;

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The next block.
    Block(Box<SealedBlock>, Box<Changes>),
    /// All blocks above this number are taken off.
    Revert(u64),
}

impl Record {
    /// Reads a payload. `None` if it is not one.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let mut take = Take::new(payload);
        let record = match take.u8()? {
            kind @ (BLOCK | FULL_BLOCK) => {
                let (mut block, changes) = take_block(&mut take)?;
                if kind == FULL_BLOCK {
                    block.ommers = take_rlp(&mut take)?;
                    block.withdrawals = take_rlp(&mut take)?;
                }
                Self::Block(Box::new(block), Box::new(changes))
            }
            REVERT => Self::Revert(take.u64()?),
            _ => return None,
        };
        take.end()?;
        Some(record)
    }
}

/// Appends a block's payload.
pub(super) fn put_block_record(out: &mut Vec<u8>, block: &SealedBlock, changes: &Changes) {
    let is_full = !block.ommers.is_empty() || !block.withdrawals.is_empty();
    out.push(if is_full { FULL_BLOCK } else { BLOCK });
    out.extend_from_slice(&block.first_index.to_be_bytes());
    put_count(out, block.transactions.len());
    put_count(out, block.header.length());
    block.header.encode(out);
    put_changes(out, changes);
    for tx in &block.transactions {
        put_count(out, tx.tx.encoded_len());
        tx.tx.encode_into(out);
        out.extend_from_slice(tx.sender.as_slice());
    }
    for receipt in &block.receipts {
        put_receipt(out, receipt);
    }
    if is_full {
        put_bytes(out, &alloy_rlp::encode(&block.ommers));
        put_bytes(out, &alloy_rlp::encode(&block.withdrawals));
    }
}

fn take_rlp<T: Decodable>(take: &mut Take<'_>) -> Option<T> {
    alloy_rlp::decode_exact(take.bytes()?).ok()
}

const fn is_block(kind: u8) -> bool {
    matches!(kind, BLOCK | FULL_BLOCK)
}

/// Appends a revert's payload.
pub(super) fn put_revert_record(out: &mut Vec<u8>, number: u64) {
    out.push(REVERT);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Header, first index and number of transactions of a block's payload, without reading the rest.
pub(crate) fn peek_block(payload: &[u8]) -> Option<(Header, u64, u32)> {
    let mut take = Take::new(payload);
    is_block(take.u8()?).then_some(())?;
    let first_index = take.u64()?;
    let count = take.u32()?;
    let header = take_header(&mut take)?;
    Some((header, first_index, count))
}

/// A block's changes, without reading transactions and receipts.
pub(crate) fn peek_changes(payload: &[u8]) -> Option<Changes> {
    let mut take = Take::new(payload);
    is_block(take.u8()?).then_some(())?;
    take.slice(12)?;
    take.bytes()?;
    take_changes(&mut take)
}

/// A log that was read without the rest of its block.
#[derive(Debug)]
pub(crate) struct PeekedLog {
    pub(crate) log: Log,
    pub(crate) tx_hash: B256,
    pub(crate) tx_index: usize,
    /// Its position in the block.
    pub(crate) log_index: usize,
}

/// A block's header and the logs that are wanted; hashes and blooms are left alone.
pub(crate) fn peek_logs(payload: &[u8], wanted: impl Fn(&Log) -> bool) -> Option<(Header, Vec<PeekedLog>)> {
    let mut take = Take::new(payload);
    is_block(take.u8()?).then_some(())?;
    take.u64()?;
    let count = take.u32()?;
    let header = take_header(&mut take)?;
    take_changes(&mut take)?;
    let mut txs = Vec::new();
    for _ in 0..count {
        txs.push(take.bytes()?);
        take.address()?;
    }
    let (mut found, mut log_index) = (Vec::new(), 0);
    for (tx_index, tx) in txs.into_iter().enumerate() {
        for log in take_outcome(&mut take)?.logs {
            if wanted(&log) {
                let tx_hash = Transaction::decode_ethereum(tx).ok()?.tx_hash();
                found.push(PeekedLog { log, tx_hash, tx_index, log_index });
            }
            log_index += 1;
        }
    }
    Some((header, found))
}

fn take_header(take: &mut Take<'_>) -> Option<Header> {
    let mut bytes = take.bytes()?;
    let header = Header::decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(header)
}

fn take_block(take: &mut Take<'_>) -> Option<(SealedBlock, Changes)> {
    let first_index = take.u64()?;
    let count = take.u32()?;
    let header = take_header(take)?;
    let changes = take_changes(take)?;
    let mut transactions = Vec::new();
    for _ in 0..count {
        let tx = Transaction::decode_ethereum(take.bytes()?).ok()?;
        transactions.push(Arc::new(RecoveredTx { tx, sender: take.address()? }));
    }
    let mut receipts = Vec::with_capacity(transactions.len());
    let mut cumulative_gas_used = 0u64;
    for tx in &transactions {
        let receipt = take_receipt(take, tx, cumulative_gas_used)?;
        cumulative_gas_used = receipt.cumulative_gas_used;
        receipts.push(receipt);
    }
    let hash = header.hash_slow();
    let (ommers, withdrawals) = (Vec::new(), Vec::new());
    Some((SealedBlock { hash, header, transactions, receipts, first_index, ommers, withdrawals }, changes))
}

fn put_receipt(out: &mut Vec<u8>, receipt: &Receipt) {
    let root = if receipt.state_root.is_some() { HAS_STATE_ROOT } else { 0 };
    out.push(root | if receipt.status { SUCCEEDED } else { 0 });
    receipt.state_root.iter().for_each(|root| out.extend_from_slice(root.as_slice()));
    out.extend_from_slice(&receipt.gas_used.to_be_bytes());
    match receipt.deposit_nonce {
        None => out.push(0),
        Some(nonce) => {
            out.push(1);
            out.extend_from_slice(&nonce.to_be_bytes());
        }
    }
    match &receipt.contract_address {
        None => out.push(0),
        Some(address) => {
            out.push(1);
            out.extend_from_slice(address.as_slice());
        }
    }
    put_count(out, receipt.logs.len());
    for log in &receipt.logs {
        out.extend_from_slice(log.address.as_slice());
        out.push(log.topics().len() as u8);
        log.topics().iter().for_each(|topic| out.extend_from_slice(topic.as_slice()));
        put_bytes(out, &log.data.data);
    }
}

/// What is written of a receipt.
struct Outcome {
    state_root: Option<B256>,
    status: bool,
    gas_used: u64,
    deposit_nonce: Option<u64>,
    contract_address: Option<Address>,
    logs: Vec<Log>,
}

fn take_outcome(take: &mut Take<'_>) -> Option<Outcome> {
    let bits = take.u8().filter(|bits| bits & !(SUCCEEDED | HAS_STATE_ROOT) == 0)?;
    let state_root = if bits & HAS_STATE_ROOT != 0 { Some(take.b256()?) } else { None };
    let status = bits & SUCCEEDED != 0;
    let gas_used = take.u64()?;
    let deposit_nonce = if take.bool()? { Some(take.u64()?) } else { None };
    let contract_address = if take.bool()? { Some(take.address()?) } else { None };
    let logs = take.list(25, |take| {
        let address = take.address()?;
        let count = take.u8()?;
        let topics = (0..count).map(|_| take.b256()).collect::<Option<Vec<_>>>()?;
        Log::new(address, topics, Bytes::copy_from_slice(take.bytes()?))
    })?;
    Some(Outcome { state_root, status, gas_used, deposit_nonce, contract_address, logs })
}

fn take_receipt(take: &mut Take<'_>, tx: &RecoveredTx, cumulative: u64) -> Option<Receipt> {
    let Outcome { state_root, status, gas_used, deposit_nonce, contract_address, logs } = take_outcome(take)?;
    Some(Receipt {
        tx_hash: tx.hash(),
        ty: tx.tx.ty(),
        status,
        state_root,
        cumulative_gas_used: cumulative.checked_add(gas_used)?,
        gas_used,
        bloom: logs.iter().collect(),
        logs_hash: logs_hash(&logs),
        logs,
        contract_address,
        deposit_nonce,
    })
}

fn put_changes(out: &mut Vec<u8>, changes: &Changes) {
    put_count(out, changes.accounts.len());
    for change in &changes.accounts {
        out.extend_from_slice(change.address.as_slice());
        put_account(out, change.old.as_ref());
        put_account(out, change.new.as_ref());
    }
    put_count(out, changes.slots.chunk_by(|a, b| a.address == b.address).count());
    for slots in changes.slots.chunk_by(|a, b| a.address == b.address) {
        out.extend_from_slice(slots[0].address.as_slice());
        put_count(out, slots.len());
        for change in slots {
            put_u256(out, &change.slot);
            put_u256(out, &change.old);
            put_u256(out, &change.new);
        }
    }
    put_count(out, changes.codes.len());
    for (_, code) in &changes.codes {
        put_bytes(out, code.original_byte_slice());
    }
    put_count(out, changes.fold.len());
    for change in &changes.fold {
        put_fold_key(out, &change.key);
        put_u256(out, &change.old);
        put_u256(out, &change.new);
    }
    put_count(out, changes.inconsistent.len());
    changes.inconsistent.iter().for_each(|address| out.extend_from_slice(address.as_slice()));
    let TreeChange { old_count, new_count, nodes } = &changes.receipts;
    out.extend_from_slice(&old_count.to_be_bytes());
    out.extend_from_slice(&new_count.to_be_bytes());
    put_count(out, nodes.len());
    for (height, old, new) in nodes {
        out.push(*height);
        out.extend_from_slice(old.as_slice());
        out.extend_from_slice(new.as_slice());
    }
}

fn take_changes(take: &mut Take<'_>) -> Option<Changes> {
    let accounts = take.list(22, |take| {
        Some(AccountChange { address: take.address()?, old: take.account()?, new: take.account()? })
    })?;
    let slots = take.list(24, |take| {
        let address = take.address()?;
        let slot = |take: &mut Take<'_>| {
            Some(SlotChange { address, slot: take.u256()?, old: take.u256()?, new: take.u256()? })
        };
        take.list(3, slot)
    })?;
    let codes = take.list(4, |take| {
        let code = Bytecode::new_raw_checked(Bytes::copy_from_slice(take.bytes()?)).ok()?;
        Some((code.hash_slow(), code))
    })?;
    let fold =
        take.list(43, |take| Some(FoldChange { key: take_fold_key(take)?, old: take.u256()?, new: take.u256()? }))?;
    let inconsistent: Vec<Address> = take.list(20, Take::address)?;
    let receipts = TreeChange {
        old_count: take.u64()?,
        new_count: take.u64()?,
        nodes: take.list(65, |take| Some((take.u8()?, take.b256()?, take.b256()?)))?,
    };
    let slots = slots.into_iter().flatten().collect();
    Some(Changes { accounts, slots, codes, fold, inconsistent, receipts })
}

/// Appends a fold key: contract, kind, holder, id.
pub(crate) fn put_fold_key(out: &mut Vec<u8>, key: &FoldKey) {
    out.extend_from_slice(key.contract.as_slice());
    out.push(match key.kind {
        TokenKind::Erc20 => 0,
        TokenKind::Erc721 => 1,
        TokenKind::Erc1155 => 2,
    });
    out.extend_from_slice(key.holder.as_slice());
    put_u256(out, &key.id);
}

/// Reads what [`put_fold_key`] wrote.
pub(crate) fn take_fold_key(take: &mut Take<'_>) -> Option<FoldKey> {
    let contract = take.address()?;
    let kind = match take.u8()? {
        0 => TokenKind::Erc20,
        1 => TokenKind::Erc721,
        2 => TokenKind::Erc1155,
        _ => return None,
    };
    Some(FoldKey { contract, kind, holder: take.address()?, id: take.u256()? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_was_not_written() {
        let block = SealedBlock {
            hash: Header::default().hash_slow(),
            header: Header::default(),
            transactions: vec![],
            receipts: vec![],
            first_index: 9,
            ommers: vec![],
            withdrawals: vec![],
        };
        let address = Address::repeat_byte(1);
        let slot = SlotChange { address, slot: U256::from(1), old: U256::ZERO, new: U256::MAX };
        let changes = Changes { slots: vec![slot], inconsistent: vec![address], ..Default::default() };
        let mut payload = Vec::new();
        put_block_record(&mut payload, &block, &changes);
        assert_eq!(peek_changes(&payload), Some(changes.clone()));
        assert_eq!(peek_block(&payload), Some((Header::default(), 9, 0)));
        assert_eq!(Record::decode(&payload), Some(Record::Block(Box::new(block), Box::new(changes))));
        for cut in 0..payload.len() {
            assert_eq!(Record::decode(&payload[..cut]), None);
        }
        payload.push(0);
        assert_eq!(Record::decode(&payload), None);
        assert_eq!(Record::decode(&[4]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(kind in 0u8..5, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let payload = [&[kind][..], &bytes].concat();
            let _ = (Record::decode(&payload), peek_block(&payload), peek_changes(&payload), peek_logs(&payload, |_| true));
        }
    }
}
