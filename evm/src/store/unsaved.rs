//! What changed since the last checkpoint.

use super::{Place, Tag};
use crate::{
    AccountInfo, chain::Recent, fold::FoldKey, log::Position, receipt_tree::ReceiptTree, state::Changes,
    trie::Direction,
};
use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, HashMap},
};
use revm::bytecode::Bytecode;

/// The newest value of everything that changed, and the log position these values belong to.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    pub(crate) accounts: AddressMap<Option<AccountInfo>>,
    pub(crate) slots: HashMap<(Address, U256), U256>,
    pub(crate) codes: HashMap<B256, Bytecode>,
    pub(crate) fold: HashMap<FoldKey, U256>,
    pub(crate) inconsistent: AddressMap<bool>,
    /// Number, hash and position of new blocks.
    pub(crate) index: Vec<(u64, B256, Position)>,
    /// Hash, block and place in it of new transactions.
    pub(crate) txs: Vec<(B256, u64, u32)>,
    /// Places of new logs by their tags.
    pub(crate) logs: Vec<(Tag, Place)>,
    /// Places of new changes.
    pub(crate) changes: Vec<(Tag, Place)>,
    pub(crate) tree: ReceiptTree,
    pub(crate) head: u64,
    /// Segment and offset after the last record taken in.
    pub(crate) end: (u32, u64),
    records: usize,
    bytes: usize,
}

impl Unsaved {
    /// Nothing yet, after a checkpoint.
    pub(crate) fn after(head: u64, tree: ReceiptTree, end: (u32, u64)) -> Self {
        Self { head, tree, end, ..Self::default() }
    }

    /// Nothing yet, after these are saved.
    pub(crate) fn next(&self) -> Self {
        Self::after(self.head, self.tree.clone(), self.end)
    }

    /// Takes accounts and slots out, in parts of so many rows.
    pub(crate) fn split_off(&mut self, rows: usize) -> Vec<Self> {
        let accounts: Vec<_> = std::mem::take(&mut self.accounts).into_iter().collect();
        let slots: Vec<_> = std::mem::take(&mut self.slots).into_iter().collect();
        let of_accounts = |part: &[_]| Self { accounts: part.iter().copied().collect(), ..Self::default() };
        let of_slots = |part: &[_]| Self { slots: part.iter().copied().collect(), ..Self::default() };
        accounts.chunks(rows).map(of_accounts).chain(slots.chunks(rows).map(of_slots)).collect()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(crate) const fn blocks(&self) -> usize {
        self.records
    }

    /// About how many bytes it takes in memory.
    pub(crate) const fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a new block in.
    pub(crate) fn add(&mut self, recent: &Recent, position: Position) {
        let number = recent.block.number();
        self.apply(&recent.changes, Direction::Forward);
        self.index.push((number, recent.block.hash, position));
        let txs = recent.block.transactions.iter().zip(0u32..);
        self.txs.extend(txs.map(|(tx, index)| (tx.hash(), number, index)));
        let logs = self.logs.len();
        for (log, index) in recent.block.receipts.iter().flat_map(|receipt| &receipt.logs).zip(0u32..) {
            self.logs.extend(Tag::of(log).map(|tag| (tag, Place { block: number, log: index })));
        }
        self.changes.extend(Tag::of_changes(&recent.changes).map(|tag| (tag, Place { block: number, log: 0 })));
        self.bytes += 64 + 48 * recent.block.transactions.len() + 24 * (self.logs.len() - logs);
        self.moved_to(number, position);
    }

    /// Takes the newest block out again. An index that has it keeps it; whoever looks it up checks it.
    pub(crate) fn undo(&mut self, recent: &Recent) {
        let number = recent.block.number();
        while self.index.pop_if(|(indexed, ..)| *indexed == number).is_some() {}
        while self.txs.pop_if(|(_, indexed, _)| *indexed == number).is_some() {}
        while self.logs.pop_if(|(_, place)| place.block == number).is_some() {}
        while self.changes.pop_if(|(_, place)| place.block == number).is_some() {}
        self.apply(&recent.changes, Direction::Back);
    }

    /// Everything up to and including this record is taken in.
    pub(crate) fn moved_to(&mut self, head: u64, position: Position) {
        self.head = head;
        self.end = (position.segment, position.end());
        self.records += 1;
    }

    fn apply(&mut self, changes: &Changes, direction: Direction) {
        for change in &changes.accounts {
            self.accounts.insert(change.address, *direction.pick(&change.old, &change.new));
        }
        for change in &changes.slots {
            let value = *direction.pick(&change.old, &change.new);
            self.slots.insert((change.address, change.slot), value);
        }
        for (hash, code) in &changes.codes {
            self.codes.insert(*hash, code.clone());
        }
        for change in &changes.fold {
            self.fold.insert(change.key, *direction.pick(&change.old, &change.new));
        }
        for contract in &changes.inconsistent {
            self.inconsistent.insert(*contract, direction == Direction::Forward);
        }
        self.tree.apply(&changes.receipts, direction);
        self.bytes += changes.size_bytes();
    }
}
