//! Where each log is, by emitter and by topic, and where each account and slot changed.
//!
//! A checkpoint adds one row for each run of blocks it takes in (cut at [`SECTION_BLOCKS`]) and each bucket of tags that
//! occurs there. A row's key is its bucket and the run's first block; its value a list of groups: tag (32 bits), bytes of
//! the group, places in order as differences. Places are exact: what an address and a topic have in common are the logs
//! of both, but for tags that collide; whoever reads the logs compares them.
//!
//! Rows outlive a revert. A row replaces an older one of a run that began at the same block, since everything in that was
//! taken back; others leave places of blocks that are gone, which whoever reads the blocks finds out.

use crate::{
    log::{Take, put_uvarint},
    state::Changes,
};
use alloy_primitives::{Address, B256, Log, U256};
use std::collections::BTreeMap;

/// No run reaches beyond a multiple of this, so that a search knows where runs that matter to it can begin.
pub(crate) const SECTION_BLOCKS: u64 = 4096;
const BUCKET_BITS: u32 = 6;
/// Any odd number without a pattern; rows on disks depend on it.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a filter can name: an emitter, or a topic in its position; and what a state has: accounts and slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(u64);

/// A log's block, and its position there; of a change the block alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) block: u64,
    pub(crate) log: u32,
}

/// Tags that are alternatives, by bucket.
#[derive(Clone, Debug)]
pub(crate) struct Tags(BTreeMap<u8, Vec<u32>>);

/// A row's key: the bucket, and the first block of the run.
pub(super) type RowKey = (u8, u64);

impl Tag {
    pub(crate) fn emitter(address: &Address) -> Self {
        Self::new(0, address.as_slice())
    }

    pub(crate) fn topic(position: usize, topic: &B256) -> Self {
        Self::new(position as u64 + 1, topic.as_slice())
    }

    pub(crate) fn account(address: &Address) -> Self {
        Self::new(5, address.as_slice())
    }

    pub(crate) fn slot(address: &Address, slot: &U256) -> Self {
        let mut key = [0; 52];
        key[..20].copy_from_slice(address.as_slice());
        key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
        Self::new(6, &key)
    }

    /// Any slot of an account.
    pub(crate) fn storage(address: &Address) -> Self {
        Self::new(7, address.as_slice())
    }

    /// What a block changed.
    pub(crate) fn of_changes(changes: &Changes) -> impl Iterator<Item = Self> + '_ {
        let accounts = changes.accounts.iter().map(|change| Self::account(&change.address));
        let slots = changes.slots.iter().map(|change| Self::slot(&change.address, &change.slot));
        let storages = changes.slots.chunk_by(|a, b| a.address == b.address).map(|of| Self::storage(&of[0].address));
        accounts.chain(slots).chain(storages)
    }

    /// Every tag of a log.
    pub(crate) fn of(log: &Log) -> impl Iterator<Item = Self> + '_ {
        let topics = log.topics().iter().enumerate().map(|(position, topic)| Self::topic(position, topic));
        std::iter::once(Self::emitter(&log.address)).chain(topics)
    }

    fn new(kind: u64, bytes: &[u8]) -> Self {
        let word = |chunk: &[u8]| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_be_bytes(word)
        };
        Self(bytes.chunks(8).map(word).fold(mix(kind + 1), |sum, word| mix(sum ^ word)))
    }

    const fn bucket(self) -> u8 {
        (self.0 >> (u64::BITS - BUCKET_BITS)) as u8
    }

    const fn in_bucket(self) -> u32 {
        self.0 as u32
    }
}

/// Both halves of a product, folded.
fn mix(word: u64) -> u64 {
    let product = u128::from(word) * u128::from(MIX);
    (product as u64) ^ ((product >> 64) as u64) ^ word
}

impl Tags {
    pub(crate) fn new(alternatives: impl IntoIterator<Item = Tag>) -> Self {
        let mut buckets = BTreeMap::<u8, Vec<u32>>::new();
        for tag in alternatives {
            buckets.entry(tag.bucket()).or_default().push(tag.in_bucket());
        }
        Self(buckets)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn buckets(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.keys().copied()
    }

    /// The places that a row has for any of these tags, added to those found before. `None` if it is not a row.
    pub(super) fn take_places(&self, (bucket, first): RowKey, row: &[u8], found: &mut Vec<Place>) -> Option<()> {
        let wanted = self.0.get(&bucket).map_or(&[][..], Vec::as_slice);
        let mut row = Take::new(row);
        while row.end().is_none() {
            let tag = row.u32()?;
            let group = row.bytes()?;
            if wanted.contains(&tag) {
                take_group(group, first, found)?;
            }
        }
        Some(())
    }
}

fn take_group(group: &[u8], first: u64, found: &mut Vec<Place>) -> Option<()> {
    let mut group = Take::new(group);
    let mut last = Place { block: first, log: 0 };
    while group.end().is_none() {
        let (blocks, logs) = (group.uvarint()?, u32::try_from(group.uvarint()?).ok()?);
        let before = if blocks == 0 { last.log } else { 0 };
        last = Place { block: last.block.checked_add(blocks)?, log: before.checked_add(logs)? };
        found.push(last);
    }
    Some(())
}

/// First blocks of the runs that these blocks fall into, by section.
fn runs(blocks: impl Iterator<Item = u64>) -> BTreeMap<u64, u64> {
    let mut firsts = BTreeMap::new();
    for block in blocks {
        firsts.entry(block / SECTION_BLOCKS).and_modify(|first: &mut u64| *first = block.min(*first)).or_insert(block);
    }
    firsts
}

/// The rows for what was taken in since the last checkpoint.
pub(super) fn rows(blocks: impl Iterator<Item = u64>, tagged: &[(Tag, Place)]) -> BTreeMap<RowKey, Vec<u8>> {
    let firsts = runs(blocks);
    let mut rows = BTreeMap::<RowKey, Vec<u8>>::new();
    let section = |place: &Place| place.block / SECTION_BLOCKS;
    let mut sorted: Vec<_> =
        tagged.iter().map(|(tag, place)| (section(place), tag.bucket(), tag.in_bucket(), *place)).collect();
    sorted.sort_unstable();
    sorted.dedup();
    for group in sorted.chunk_by(|a, b| (a.0, a.1, a.2) == (b.0, b.1, b.2)) {
        let (section, bucket, tag, _) = group[0];
        let first = firsts[&section];
        put_group(rows.entry((bucket, first)).or_default(), tag, first, group.iter().map(|(.., place)| *place));
    }
    rows
}

fn put_group(row: &mut Vec<u8>, tag: u32, first: u64, places: impl Iterator<Item = Place>) {
    row.extend_from_slice(&tag.to_be_bytes());
    let length_at = row.len();
    row.extend_from_slice(&[0; 4]);
    let mut last = Place { block: first, log: 0 };
    for place in places {
        let before = if place.block == last.block { last.log } else { 0 };
        put_uvarint(row, place.block - last.block);
        put_uvarint(row, u64::from(place.log - before));
        last = place;
    }
    let len = (row.len() - length_at - 4) as u32;
    row[length_at..length_at + 4].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(rows: &BTreeMap<RowKey, Vec<u8>>, tags: &Tags) -> Vec<Place> {
        let mut found = Vec::new();
        for (key, row) in rows {
            tags.take_places(*key, row, &mut found).unwrap();
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn tags_tell_kinds_and_values_apart() {
        let values = (0..2000u64).map(|number| B256::from(alloy_primitives::U256::from(number)));
        let topics = values.flat_map(|value| (0..4).map(move |position| Tag::topic(position, &value)));
        let emitters = (0..2000u64).map(|number| Tag::emitter(&Address::left_padding_from(&number.to_be_bytes())));
        let mut all: Vec<_> = topics.chain(emitters).map(|tag| (tag.bucket(), tag.in_bucket())).collect();
        let count = all.len();
        all.sort_unstable();
        assert!(all.chunk_by(|a, b| a.0 == b.0).all(|bucket| bucket.len() < 3 * count / 64), "buckets are even");
        all.dedup();
        assert_eq!(all.len(), count, "small numbers and addresses do not collide");
    }

    #[test]
    fn a_row_that_is_cut_or_wrong_is_no_row() {
        let tag = Tag::topic(1, &B256::repeat_byte(7));
        let places = [(5, 0), (5, 3), (900, 1)].map(|(block, log)| (tag, Place { block, log }));
        let rows = rows(5..=900, &places);
        let ((key, row), tags) = (rows.first_key_value().unwrap(), Tags::new([tag]));
        assert_eq!((rows.len(), key.1, find(&rows, &tags)), (1, 5, places.map(|(_, place)| place).to_vec()));
        for cut in 1..row.len() {
            assert_eq!(tags.take_places(*key, &row[..cut], &mut Vec::new()), None, "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn every_place_is_found_by_its_tags(
            places in prop::collection::vec((0u8..20, 4000u64..13_000, 0u32..9), 0..300),
            wanted in prop::collection::vec(0u8..20, 0..5),
        ) {
            let tag = |value: &u8| Tag::topic(2, &B256::repeat_byte(*value));
            let logs: Vec<_> = places.iter().map(|(value, block, log)| (tag(value), Place { block: *block, log: *log })).collect();
            let rows = rows(3990..13_000, &logs);
            let fitting = places.iter().filter(|(value, ..)| wanted.contains(value));
            let mut expected: Vec<_> = fitting.map(|(_, block, log)| Place { block: *block, log: *log }).collect();
            expected.sort_unstable();
            let mut found = find(&rows, &Tags::new(wanted.iter().map(tag)));
            expected.dedup();
            found.dedup();
            prop_assert_eq!(found, expected);
            for ((_, first), _) in rows {
                prop_assert!(first == 3990 || first % SECTION_BLOCKS == 0);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let tags = Tags::new((0..=255u8).map(|value| Tag::topic(0, &B256::repeat_byte(value))));
            for bucket in 0..64 {
                let _ = tags.take_places((bucket, u64::MAX), &bytes, &mut Vec::new());
            }
        }
    }
}
