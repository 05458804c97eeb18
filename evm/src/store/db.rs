//! Tables: what stands where in the store.
//!
//! `state`: `a` address → account, `s` address slot → value, `c` hash → code, `f` fold key → amount, `i` contract.
//! `index`: `n` number → position, `h` block hash → number, `t` transaction hash → number and place.
//! `logs`, `changes`: see [`super::places`].
//! `meta`: `version` of all this; `head` → number, log end, frontier of the receipt tree.

use super::{
    Place, ReadBudget, SECTION_BLOCKS, Tag, Tags, Unsaved, ahead,
    places::{self, RowKey},
};
use crate::{
    EvmError,
    fold::Fold,
    log::{Position, Take, put_account, put_fold_key, put_u256, take_fold_key},
    receipt_tree::ReceiptTree,
    state::Flat,
};
use alloy_primitives::{Address, B256, Bytes};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, compaction::Leveled};
use mayfly_fail::fail_point;
use revm::bytecode::Bytecode;
use std::{collections::BTreeSet, panic::AssertUnwindSafe, path::Path, sync::Arc, thread, time::Duration};

/// Cached blocks of tables.
const CACHE_BYTES: u64 = 4 << 20;
/// Changes of a keyspace in memory before they are written out.
const MEMTABLE_BYTES: u64 = 2 << 20;
/// Journals kept until their changes are written out; the least the store allows.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Tables this long: a merge holds the keys of one in memory.
const TABLE_BYTES: u64 = 8 << 20;
/// Rows of a part of the first checkpoint: about a memtable.
const PART_ROWS: usize = 10_000;
const WORKERS: usize = 1;
/// How long to wait for an earlier handle of this process to let go.
const LOCK_TRIES: usize = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const META_HEAD: &[u8] = b"head";
const META_VERSION: &[u8] = b"version";
/// Of the tables. A store of another version is made from the log again, as a damaged one is.
const VERSION: &[u8] = &[3];

/// The store.
#[derive(Clone)]
pub(crate) struct Store {
    db: Database,
    state: Keyspace,
    index: Keyspace,
    logs: Keyspace,
    changes: Keyspace,
    meta: Keyspace,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// The newest checkpoint.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) flat: Flat,
    pub(crate) fold: Fold,
    pub(crate) tree: ReceiptTree,
    pub(crate) head: u64,
    pub(crate) end: (u32, u64),
}

impl Store {
    /// Opens or creates a store.
    pub(crate) fn open(path: &Path) -> Result<Self, EvmError> {
        let db = open_when_free(path)?;
        let merging = Arc::new(Leveled::default().with_table_target_size(TABLE_BYTES));
        let options =
            || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).compaction_strategy(merging.clone());
        Ok(Self {
            state: db.keyspace("state", options)?,
            // With filters: wallets ask for receipts of transactions that are not in the chain yet.
            index: db.keyspace("index", options)?,
            logs: db.keyspace("logs", options)?,
            changes: db.keyspace("changes", options)?,
            meta: db.keyspace("meta", options)?,
            db,
        })
    }

    /// Writes the first checkpoint of a store. A genesis may be large: most of its state goes before the rest, in parts,
    /// so that the next start finds it in tables and not in the journal, which is read row by row.
    pub(crate) fn save_first(&self, mut unsaved: Unsaved) -> Result<(), EvmError> {
        for part in unsaved.split_off(PART_ROWS) {
            let mut batch = self.db.batch();
            self.save_state(&mut batch, &part);
            batch.commit()?;
        }
        self.save(&unsaved)
    }

    /// Writes a checkpoint, all or nothing.
    pub(crate) fn save(&self, unsaved: &Unsaved) -> Result<(), EvmError> {
        let mut batch = self.db.batch();
        self.save_state(&mut batch, unsaved);
        for (number, hash, position) in &unsaved.index {
            batch.insert(&self.index, key(b'n', &number.to_be_bytes()), position.to_bytes());
            batch.insert(&self.index, key(b'h', hash.as_slice()), number.to_be_bytes());
        }
        for (hash, number, index) in &unsaved.txs {
            let place = [&number.to_be_bytes()[..], &index.to_be_bytes()].concat();
            batch.insert(&self.index, key(b't', hash.as_slice()), place);
        }
        for (keyspace, tagged) in [(&self.logs, &unsaved.logs), (&self.changes, &unsaved.changes)] {
            let blocks = unsaved.index.iter().map(|(number, ..)| *number);
            for (key, row) in places::rows(blocks, tagged) {
                batch.insert(keyspace, row_key(key), row);
            }
        }
        let mut head = unsaved.head.to_be_bytes().to_vec();
        head.extend_from_slice(&unsaved.end.0.to_be_bytes());
        head.extend_from_slice(&unsaved.end.1.to_be_bytes());
        head.extend_from_slice(&unsaved.tree.to_bytes());
        batch.insert(&self.meta, META_HEAD, head);
        batch.insert(&self.meta, META_VERSION, VERSION);
        fail_point("store-save");
        batch.commit()?;
        fail_point("store-saved");
        Ok(())
    }

    /// Reads the newest checkpoint.
    pub(crate) fn load(&self) -> Result<Loaded, EvmError> {
        let corrupt = |what| EvmError::Corrupt { what, place: "store".into() };
        if self.meta.get(META_VERSION)?.as_deref() != Some(VERSION) {
            return Err(corrupt("checkpoint"));
        }
        let meta = self.meta.get(META_HEAD)?.ok_or_else(|| corrupt("checkpoint"))?;
        let (head, end, tree) = decode_head(&meta).ok_or_else(|| corrupt("checkpoint"))?;
        let (mut flat, mut fold) = (Flat::default(), Fold::default());
        let rows = self.state.iter().map(|row| Ok(row.into_inner()?));
        ahead::for_each(rows, |(key, value)| {
            load_row(&mut flat, &mut fold, &key, &value).ok_or_else(|| corrupt("state row"))
        })?;
        Ok(Loaded { flat, fold, tree, head, end })
    }

    /// Where a block's record is, if the number was ever indexed.
    pub(crate) fn position(&self, number: u64) -> Result<Option<Position>, EvmError> {
        let value = self.index.get(key(b'n', &number.to_be_bytes()))?;
        value.map(|value| Position::from_bytes(&value).ok_or_else(|| corrupt_index(number))).transpose()
    }

    /// Number of a block that is or was in the chain.
    pub(crate) fn number_of(&self, hash: &B256) -> Result<Option<u64>, EvmError> {
        let value = self.index.get(key(b'h', hash.as_slice()))?;
        value.map(|value| Take::new(&value).u64().ok_or_else(|| corrupt_index(hash))).transpose()
    }

    /// Place of a transaction that is or was in the chain.
    pub(crate) fn location_of(&self, tx: &B256) -> Result<Option<(u64, usize)>, EvmError> {
        let Some(value) = self.index.get(key(b't', tx.as_slice()))? else { return Ok(None) };
        let mut take = Take::new(&value);
        match (take.u64(), take.u32()) {
            (Some(number), Some(index)) => Ok(Some((number, index as usize))),
            _ => Err(corrupt_index(tx)),
        }
    }

    /// Where the logs are that have one of the tags of each set, in the blocks from `from` to `to` that are indexed.
    /// Both lie in one section; the set that fits least comes first. `None` if they are more than `most`.
    pub(crate) fn log_places(
        &self,
        wanted: &[Tags],
        (from, to): (u64, u64),
        most: usize,
    ) -> Result<Option<Vec<Place>>, EvmError> {
        let Some((least, others)) = wanted.split_first() else { return Ok(Some(Vec::new())) };
        let first = from - from % SECTION_BLOCKS;
        let mut runs = BTreeSet::new();
        for bucket in least.buckets() {
            for row in self.logs.range(row_key((bucket, first))..=row_key((bucket, to))) {
                let key = row.key()?;
                runs.insert(take_row_key(&key).ok_or_else(|| corrupt_index("logs"))?.1);
            }
        }
        // One run after the other: a checkpoint bounds how much each has.
        let mut all = Vec::new();
        for run in runs {
            let mut places = self.log_places_of(run, least)?;
            for tags in others {
                if places.is_empty() {
                    break;
                }
                let other = self.log_places_of(run, tags)?;
                places.retain(|place| other.binary_search(place).is_ok());
            }
            all.extend(places.into_iter().filter(|place| (from..=to).contains(&place.block)));
            if all.len() > most {
                return Ok(None);
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(Some(all))
    }

    /// Where logs of one run are that have one of the tags, in order.
    fn log_places_of(&self, run: u64, tags: &Tags) -> Result<Vec<Place>, EvmError> {
        let mut places = Vec::new();
        for bucket in tags.buckets() {
            if let Some(row) = self.logs.get(row_key((bucket, run)))? {
                take_places(tags, (bucket, run), &row, &mut places)?;
            }
        }
        places.sort_unstable();
        Ok(places)
    }

    /// Blocks from `from` to `to` that changed what a tag stands for, of those that are indexed. Both lie in one section.
    pub(crate) fn changed(
        &self,
        tag: Tag,
        (from, to): (u64, u64),
        budget: &ReadBudget,
    ) -> Result<Vec<Place>, EvmError> {
        let (tags, first) = (Tags::new([tag]), from - from % SECTION_BLOCKS);
        let mut places = Vec::new();
        for bucket in tags.buckets() {
            for row in self.changes.range(row_key((bucket, first))..=row_key((bucket, to))) {
                budget.spend(1)?;
                let (key, row) = row.into_inner()?;
                let key = take_row_key(&key).ok_or_else(|| corrupt_index("changes"))?;
                take_places(&tags, key, &row, &mut places)?;
            }
        }
        places.retain(|place| (from..=to).contains(&place.block));
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// Segment and offset up to which the newest checkpoint knows the log, whatever the version of the rest.
    pub(crate) fn known_end(&self) -> Result<Option<(u32, u64)>, EvmError> {
        Ok(self.meta.get(META_HEAD)?.and_then(|meta| decode_head(&meta)).map(|(_, end, _)| end))
    }

    fn save_state(&self, batch: &mut WriteBatch, unsaved: &Unsaved) {
        let state = &self.state;
        for (address, account) in &unsaved.accounts {
            let key = key(b'a', address.as_slice());
            match account {
                None => batch.remove(state, key),
                Some(info) => {
                    let mut value = Vec::new();
                    put_account(&mut value, Some(info));
                    batch.insert(state, key, value);
                }
            }
        }
        for ((address, slot), value) in &unsaved.slots {
            let mut key = key(b's', address.as_slice());
            put_u256(&mut key, slot);
            put_amount(batch, state, key, value);
        }
        for (hash, code) in &unsaved.codes {
            batch.insert(state, key(b'c', hash.as_slice()), code.original_byte_slice());
        }
        for (token, amount) in &unsaved.fold {
            let mut key = vec![b'f'];
            put_fold_key(&mut key, token);
            put_amount(batch, state, key, amount);
        }
        for (contract, marked) in &unsaved.inconsistent {
            let key = key(b'i', contract.as_slice());
            if *marked {
                batch.insert(state, key, []);
            } else {
                batch.remove(state, key);
            }
        }
    }
}

/// Opens the database. The chain's directory is ours, so if the database is locked, an earlier handle of this process
/// is about to go: its threads may outlast it by a moment.
fn open_when_free(path: &Path) -> Result<Database, EvmError> {
    let mut tries = 0;
    loop {
        let builder = Database::builder(path).cache_size(CACHE_BYTES).max_journaling_size(JOURNAL_BYTES);
        let builder = builder.worker_threads(WORKERS);
        // The database asserts what it reads from a damaged journal; to us that is damage as any other.
        match std::panic::catch_unwind(AssertUnwindSafe(|| builder.open())) {
            Ok(Err(fjall::Error::Locked)) if tries < LOCK_TRIES => {
                tries += 1;
                thread::sleep(LOCK_PAUSE);
            }
            Ok(opened) => return Ok(opened?),
            Err(_) => return Err(EvmError::Corrupt { what: "checkpoint", place: path.display().to_string() }),
        }
    }
}

fn put_amount(batch: &mut WriteBatch, keyspace: &Keyspace, key: Vec<u8>, value: &alloy_primitives::U256) {
    if value.is_zero() {
        return batch.remove(keyspace, key);
    }
    let mut bytes = Vec::new();
    put_u256(&mut bytes, value);
    batch.insert(keyspace, key, bytes);
}

fn key(table: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(table);
    key.extend_from_slice(rest);
    key
}

fn row_key((bucket, first): RowKey) -> [u8; 9] {
    let mut key = [bucket; 9];
    key[1..].copy_from_slice(&first.to_be_bytes());
    key
}

fn take_row_key(key: &[u8]) -> Option<RowKey> {
    let mut take = Take::new(key);
    Some((take.u8()?, take.u64()?))
}

fn take_places(tags: &Tags, key: RowKey, row: &[u8], found: &mut Vec<Place>) -> Result<(), EvmError> {
    tags.take_places(key, row, found).ok_or_else(|| corrupt_index(format!("logs {key:?}")))
}

fn corrupt_index(key: impl std::fmt::Display) -> EvmError {
    EvmError::Corrupt { what: "index", place: key.to_string() }
}

fn decode_head(bytes: &[u8]) -> Option<(u64, (u32, u64), ReceiptTree)> {
    let mut take = Take::new(bytes);
    let head = take.u64()?;
    let end = (take.u32()?, take.u64()?);
    let tree = ReceiptTree::from_bytes(bytes.get(20..)?)?;
    Some((head, end, tree))
}

fn load_row(flat: &mut Flat, fold: &mut Fold, key: &[u8], value: &[u8]) -> Option<()> {
    let mut key = Take::new(key);
    let mut row = Take::new(value);
    match key.u8()? {
        b'a' => {
            flat.accounts.insert(key.address()?, row.account()??);
        }
        b's' => {
            let address: Address = key.address()?;
            flat.set_slots(address, std::iter::once((key.u256()?, row.u256()?)));
        }
        b'c' => {
            let code = Bytecode::new_raw_checked(Bytes::copy_from_slice(value)).ok()?;
            flat.add_code(key.b256()?, code);
            return key.end();
        }
        b'f' => fold.set(&take_fold_key(&mut key)?, row.u256()?),
        b'i' => fold.set_inconsistent(key.address()?),
        _ => return None,
    }
    key.end()?;
    row.end()
}
