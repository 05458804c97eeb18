//! Stage 2: what L1 puts into the rollup, in order, under one rolling hash.

use crate::info::RollupInfo;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use mayfly_contracts::l2::L2Bridge::{finalizeERC20Call, finalizeERC721Call, finalizeERC1155Call};
use mayfly_contracts::predeploys::{L2_BRIDGE, SYSTEM_SENDER};
use mayfly_evm::{RecoveredTx, TX_GAS_LIMIT_CAP, Transaction};
use op_alloy_consensus::TxDeposit;
use std::collections::VecDeque;

const ETH_DEPOSIT_GAS: u64 = 21_000;
const TOKEN_DEPOSIT_GAS: u64 = 1_000_000;

/// What a queue item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum QueueKind {
    /// A deposit of native currency.
    Native = 0,
    /// A deposit of an ERC-20.
    Erc20 = 1,
    /// A deposit of an ERC-721.
    Erc721 = 2,
    /// A deposit of an ERC-1155.
    Erc1155 = 3,
    /// A transaction forced through L1.
    Forced = 4,
}

impl QueueKind {
    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Native,
            1 => Self::Erc20,
            2 => Self::Erc721,
            3 => Self::Erc1155,
            4 => Self::Forced,
            _ => return None,
        })
    }
}

/// One item of the Inbox's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueItem {
    /// Its position, from 0.
    pub index: u64,
    /// Its kind's number.
    pub kind: u8,
    /// Who paid for it on L1.
    pub sender: Address,
    /// Gas it may use on the rollup.
    pub gas_limit: u64,
    /// Its content, by kind.
    pub payload: Bytes,
    /// The L1 block that holds it.
    pub l1_number: u64,
    /// Timestamp of that block.
    pub l1_time: u64,
}

/// The rolling hash after an item.
pub fn rolling_hash(before: B256, item: &QueueItem) -> B256 {
    let row = (
        before,
        U256::from(item.index),
        U256::from(item.kind),
        item.sender,
        U256::from(item.gas_limit),
        keccak256(&item.payload),
        U256::from(item.l1_number),
    );
    keccak256(row.abi_encode_params())
}

/// The transaction that an item becomes, or `None` if it is consumed without one. The executor may still refuse a
/// forced one, which is then skipped as well.
pub fn queue_transaction(info: &RollupInfo, item: &QueueItem) -> Option<RecoveredTx> {
    let call = |selector: [u8; 4]| {
        let input = [&selector[..], &item.payload].concat();
        deposit(info, item, L2_BRIDGE, 0, input.into(), TOKEN_DEPOSIT_GAS)
    };
    match QueueKind::from_number(item.kind)? {
        QueueKind::Native => {
            let (to, amount) = <(Address, U256)>::abi_decode_params_validate(&item.payload).ok()?;
            deposit(info, item, to, u128::try_from(amount).ok()?, Bytes::new(), ETH_DEPOSIT_GAS)
        }
        QueueKind::Erc20 => call(finalizeERC20Call::SELECTOR),
        QueueKind::Erc721 => call(finalizeERC721Call::SELECTOR),
        QueueKind::Erc1155 => call(finalizeERC1155Call::SELECTOR),
        QueueKind::Forced => forced(info, item),
    }
}

fn deposit(
    info: &RollupInfo,
    item: &QueueItem,
    to: Address,
    amount: u128,
    input: Bytes,
    gas_limit: u64,
) -> Option<RecoveredTx> {
    let source = [&b"mayfly deposit v1"[..], info.rollup.as_slice(), &item.index.to_be_bytes()].concat();
    let deposit = TxDeposit {
        source_hash: keccak256(source),
        from: SYSTEM_SENDER,
        to: TxKind::Call(to),
        mint: amount,
        value: U256::from(amount),
        gas_limit,
        is_system_transaction: false,
        input,
    };
    Some(RecoveredTx { tx: Transaction::deposit(deposit), sender: SYSTEM_SENDER })
}

fn forced(info: &RollupInfo, item: &QueueItem) -> Option<RecoveredTx> {
    let tx = Transaction::decode_exact(&item.payload).ok()?;
    let fits = tx.gas_limit() <= item.gas_limit.min(TX_GAS_LIMIT_CAP);
    if tx.is_deposit() || tx.chain_id() != Some(info.chain_id) || !fits {
        return None;
    }
    tx.recover().ok()
}

/// All items of a rollup from some position on, with the rolling hash at every one of them.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    first: u64,
    /// Hash before the first item kept.
    base: B256,
    items: VecDeque<(QueueItem, B256)>,
}

impl Queue {
    /// A queue that continues after `count` items with this rolling hash.
    pub const fn resume(count: u64, hash: B256) -> Self {
        Self { first: count, base: hash, items: VecDeque::new() }
    }

    /// Items seen, from 0.
    pub fn len(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Whether nothing was ever queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends an item; `false` if its index is not the next.
    #[must_use]
    pub fn push(&mut self, item: QueueItem) -> bool {
        if item.index != self.len() {
            return false;
        }
        let before = self.items.back().map_or(self.base, |(_, hash)| *hash);
        let hash = rolling_hash(before, &item);
        self.items.push_back((item, hash));
        true
    }

    /// The item at `index`, if it is kept.
    pub fn get(&self, index: u64) -> Option<&QueueItem> {
        self.items.get(self.offset(index)?).map(|(item, _)| item)
    }

    /// Rolling hash of the first `count` items, if it is kept.
    pub fn hash_at(&self, count: u64) -> Option<B256> {
        match self.offset(count)?.checked_sub(1) {
            None => Some(self.base),
            Some(last) => self.items.get(last).map(|(_, hash)| *hash),
        }
    }

    /// Items from `start` up to `end`, which must all be kept.
    pub fn range(&self, start: u64, end: u64) -> Option<Vec<QueueItem>> {
        (start..end).map(|index| self.get(index).cloned()).collect()
    }

    /// Forgets items from `count` on.
    pub(super) fn truncate(&mut self, count: u64) {
        let keep = self.offset(count).unwrap_or(0);
        self.items.truncate(keep);
    }

    /// Forgets items below `count`.
    pub(super) fn prune(&mut self, count: u64) {
        while self.first < count
            && let Some((_, hash)) = self.items.pop_front()
        {
            self.base = hash;
            self.first += 1;
        }
    }

    fn offset(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn item(index: u64) -> QueueItem {
        QueueItem {
            index,
            kind: 0,
            sender: Address::repeat_byte(1),
            gas_limit: 21_000,
            payload: (Address::repeat_byte(2), U256::from(5)).abi_encode_params().into(),
            l1_number: 3,
            l1_time: 30,
        }
    }

    fn info() -> RollupInfo {
        RollupInfo { chain_id: 7, rollup: Address::repeat_byte(9), ..RollupInfo::default() }
    }

    #[test]
    fn the_queue_keeps_hashes_through_pruning_and_truncation() {
        let mut queue = Queue::default();
        assert_eq!(queue.hash_at(0), Some(B256::ZERO));
        let mut hashes = vec![B256::ZERO];
        for index in 0..6 {
            assert!(!queue.push(item(index + 1)));
            assert!(queue.push(item(index)));
            hashes.push(rolling_hash(hashes[index as usize], &item(index)));
        }
        queue.prune(2);
        assert_eq!((queue.hash_at(1), queue.get(1)), (None, None));
        (2..=6).for_each(|count| assert_eq!(queue.hash_at(count), Some(hashes[count as usize])));
        queue.truncate(4);
        assert_eq!((queue.len(), queue.hash_at(4), queue.hash_at(5)), (4, Some(hashes[4]), None));
        assert!(queue.push(item(4)));
        assert_eq!(queue.hash_at(5), Some(hashes[5]));
        assert_eq!(queue.range(2, 4).unwrap().len(), 2);
        assert!(queue.range(1, 3).is_none());
        assert_eq!(Queue::resume(5, hashes[5]).hash_at(5), Some(hashes[5]));
    }

    #[test]
    fn every_part_of_an_item_is_in_the_rolling_hash() {
        let base = rolling_hash(B256::ZERO, &item(0));
        let changed = [
            QueueItem { index: 1, ..item(0) },
            QueueItem { kind: 1, ..item(0) },
            QueueItem { sender: Address::ZERO, ..item(0) },
            QueueItem { gas_limit: 1, ..item(0) },
            QueueItem { payload: Bytes::new(), ..item(0) },
            QueueItem { l1_number: 4, ..item(0) },
        ];
        assert!(changed.iter().all(|item| rolling_hash(B256::ZERO, item) != base));
        assert_eq!(rolling_hash(B256::ZERO, &QueueItem { l1_time: 1, ..item(0) }), base);
    }

    #[test]
    fn a_native_deposit_mints_what_was_sent() {
        let tx = queue_transaction(&info(), &item(0)).unwrap();
        let deposit = tx.tx.as_deposit().unwrap();
        assert_eq!((deposit.mint, deposit.value, deposit.gas_limit), (5, U256::from(5), 21_000));
        assert_eq!(deposit.to, TxKind::Call(Address::repeat_byte(2)));
        assert!(deposit.input.is_empty());
        let other = queue_transaction(&info(), &item(1)).unwrap();
        assert_ne!(other.tx.as_deposit().unwrap().source_hash, deposit.source_hash);
    }

    #[test]
    fn a_token_deposit_is_a_call_of_the_bridge() {
        let call = finalizeERC20Call {
            token: Address::repeat_byte(4),
            to: Address::repeat_byte(5),
            amount: U256::from(6),
            name: "Name".into(),
            symbol: "SYM".into(),
            decimals: 18,
        };
        let erc20 = QueueItem { kind: 1, payload: call.abi_encode()[4..].to_vec().into(), ..item(0) };
        let tx = queue_transaction(&info(), &erc20).unwrap();
        assert_eq!(tx.tx.to(), Some(L2_BRIDGE));
        assert_eq!(tx.tx.input().as_ref(), call.abi_encode());
        assert_eq!((tx.tx.gas_limit(), tx.sender), (1_000_000, SYSTEM_SENDER));
    }

    #[test]
    fn what_is_no_transaction_is_consumed_without_one() {
        let native = |payload: Vec<u8>| queue_transaction(&info(), &QueueItem { payload: payload.into(), ..item(0) });
        assert!(native(Vec::new()).is_none());
        assert!(native((Address::ZERO, U256::MAX).abi_encode_params()).is_none());
        for payload in [&[][..], &[0x02, 0xc0], &[0x7e, 0xc0], &[0x03, 0xc0]] {
            let forced = QueueItem { kind: 4, payload: payload.to_vec().into(), ..item(0) };
            assert!(queue_transaction(&info(), &forced).is_none());
        }
        assert!(queue_transaction(&info(), &QueueItem { kind: 5, ..item(0) }).is_none());
    }
}
