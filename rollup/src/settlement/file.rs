//! The leaf file: all leaves of a settlement, so that anybody can make every proof.

use super::leaf::{AssetKind, Leaf};
use super::tree::MAX_LEAVES;
use crate::error::SettlementError;
use alloy_primitives::{Address, U256};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 8] = b"MFLEAF1\n";
const ROW_BYTES: usize = 1 + 20 + 32 + 32 + 20;
const HEAD_BYTES: usize = MAGIC.len() + 8;
/// A compressed leaf file that fits in a claim's calldata.
pub const MAX_LEAF_FILE_BYTES: usize = 96 << 10;
/// What such a file may decompress to: about 40,000 rows, far more than fit compressed.
const MAX_PLAIN_BYTES: usize = 4 << 20;
const ZSTD_LEVEL: i32 = 19;
/// A quick look before the slow work, which takes seconds.
const QUICK_ZSTD_LEVEL: i32 = 1;
/// What is larger than this at a quick look does not come to fit.
const MAX_QUICK_BYTES: usize = 3 * MAX_LEAF_FILE_BYTES;
/// For so many leaves there is room from the start on the word of a file's head; more come as rows are read.
const MAX_LEAVES_BELIEVED: usize = 1 << 16;

/// Sorted, merged leaves and their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeafFile {
    /// The leaves, in the order of their indexes.
    pub leaves: Vec<Leaf>,
}

impl LeafFile {
    /// `"MFLEAF1\n" ‖ u64 count ‖ rows`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(encoded_bytes(self.leaves.len()));
        Self::write_leaves(&self.leaves, &mut out).expect("a vector takes every byte");
        out
    }

    /// Writes the file of these leaves row by row, so that it never stands in memory; `out` is better buffered.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn write_leaves(leaves: &[Leaf], out: &mut impl Write) -> io::Result<()> {
        out.write_all(MAGIC)?;
        out.write_all(&(leaves.len() as u64).to_be_bytes())?;
        leaves.iter().try_for_each(|leaf| out.write_all(&encode_row(leaf)))
    }

    /// Reads a leaf file; its rows must be what [`super::merge`] makes.
    ///
    /// # Errors
    /// On any other byte.
    pub fn decode(bytes: &[u8]) -> Result<Self, SettlementError> {
        Self::read(&mut &*bytes)
    }

    /// Reads a leaf file row by row to the end of `input`, which is better buffered.
    ///
    /// # Errors
    /// On any byte that [`Self::write_leaves`] would not have written, or if `input` fails.
    pub fn read(input: &mut impl Read) -> Result<Self, SettlementError> {
        let mut head = [0; HEAD_BYTES];
        read_whole(input, &mut head, SettlementError::Magic)?;
        let (magic, count) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(SettlementError::Magic);
        }
        let count = count.iter().fold(0_u64, |count, byte| count << 8 | u64::from(*byte));
        if count > MAX_LEAVES as u64 {
            return Err(SettlementError::TooMany(usize::try_from(count).unwrap_or(usize::MAX)));
        }
        let mut leaves: Vec<Leaf> = Vec::with_capacity((count as usize).min(MAX_LEAVES_BELIEVED));
        let mut row = [0; ROW_BYTES];
        for index in 0..count as usize {
            read_whole(input, &mut row, SettlementError::Length { size: encoded_bytes(index), count })?;
            let leaf = decode_row(&row).ok_or(SettlementError::Row { index, why: "unknown kind" })?;
            check_row(leaves.last(), &leaf).map_err(|why| SettlementError::Row { index, why })?;
            leaves.push(leaf);
        }
        let end = SettlementError::Length { size: encoded_bytes(count as usize), count };
        match read_whole(input, &mut row[..1], end.clone()) {
            Ok(()) => Err(SettlementError::Length { size: encoded_bytes(count as usize) + 1, count }),
            Err(error) if error == end => Ok(Self { leaves }),
            Err(error) => Err(error),
        }
    }

    /// The compressed file as it goes into a claim's calldata, or `None` if it is too large for that.
    pub fn compress(&self) -> Option<Vec<u8>> {
        Self::compress_leaves(&self.leaves)
    }

    /// The compressed file of these leaves, which need not be copied for it.
    pub fn compress_leaves(leaves: &[Leaf]) -> Option<Vec<u8>> {
        if encoded_bytes(leaves.len()) > MAX_PLAIN_BYTES {
            return None;
        }
        let mut plain = Vec::with_capacity(encoded_bytes(leaves.len()));
        Self::write_leaves(leaves, &mut plain).ok()?;
        if zstd::bulk::compress(&plain, QUICK_ZSTD_LEVEL).ok()?.len() > MAX_QUICK_BYTES {
            return None;
        }
        zstd::bulk::compress(&plain, ZSTD_LEVEL).ok().filter(|file| file.len() <= MAX_LEAF_FILE_BYTES)
    }

    /// Reads what [`Self::compress`] made.
    ///
    /// # Errors
    /// If it is too large, decompresses to too much, or is no leaf file.
    pub fn decompress(bytes: &[u8]) -> Result<Self, SettlementError> {
        if bytes.len() > MAX_LEAF_FILE_BYTES {
            return Err(SettlementError::Compression(format!("{} bytes", bytes.len())));
        }
        let declared = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten().unwrap_or(u64::MAX);
        if declared > MAX_PLAIN_BYTES as u64 {
            return Err(SettlementError::Compression(format!("declares {declared} bytes")));
        }
        let plain = zstd::bulk::decompress(bytes, declared as usize);
        Self::decode(&plain.map_err(|error| SettlementError::Compression(error.to_string()))?)
    }
}

/// Size of the file of so many leaves.
const fn encoded_bytes(leaves: usize) -> usize {
    HEAD_BYTES + ROW_BYTES * leaves
}

fn encode_row(leaf: &Leaf) -> [u8; ROW_BYTES] {
    let mut row = [0; ROW_BYTES];
    row[0] = leaf.kind as u8;
    row[1..21].copy_from_slice(leaf.token.as_slice());
    row[21..53].copy_from_slice(&leaf.token_id.to_be_bytes::<32>());
    row[53..85].copy_from_slice(&leaf.amount.to_be_bytes::<32>());
    row[85..].copy_from_slice(leaf.recipient.as_slice());
    row
}

/// Fills `into`; `at_end` if `input` ends before that.
fn read_whole(input: &mut impl Read, into: &mut [u8], at_end: SettlementError) -> Result<(), SettlementError> {
    input.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => at_end,
        _ => SettlementError::Read(error.to_string()),
    })
}

fn decode_row(row: &[u8]) -> Option<Leaf> {
    let (kind, row) = row.split_first()?;
    let (token, row) = row.split_at_checked(20)?;
    let (token_id, row) = row.split_at_checked(32)?;
    let (amount, recipient) = row.split_at_checked(32)?;
    Some(Leaf {
        kind: AssetKind::from_number(*kind)?,
        token: Address::from_slice(token),
        token_id: U256::from_be_slice(token_id),
        recipient: Address::from_slice(recipient),
        amount: U256::from_be_slice(amount),
    })
}

fn check_row(before: Option<&Leaf>, leaf: &Leaf) -> Result<(), &'static str> {
    if leaf.amount.is_zero() || leaf.recipient.is_zero() {
        return Err("amount or recipient is 0");
    }
    match before {
        Some(before) if before.key() >= leaf.key() => Err("rows are not sorted and merged"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::leaf::merge;
    use super::*;
    use proptest::prelude::*;

    fn leaf(kind: u8, token: u8, id: u64, recipient: u8, amount: u64) -> Leaf {
        Leaf {
            kind: AssetKind::from_number(kind % 7).unwrap(),
            token: Address::repeat_byte(token),
            token_id: U256::from(id),
            recipient: Address::repeat_byte(recipient),
            amount: U256::from(amount),
        }
    }

    proptest! {
        #[test]
        fn leaf_files_round_trip(rows in prop::collection::vec((0_u8..7, any::<u8>(), any::<u64>(), any::<u8>(), any::<u64>()), 0..60)) {
            let leaves = merge(rows.into_iter().map(|(k, t, i, r, a)| leaf(k, t, i, r, a)));
            let file = LeafFile { leaves };
            prop_assert_eq!(&LeafFile::decode(&file.encode()).unwrap(), &file);
            prop_assert_eq!(&LeafFile::decompress(&file.compress().unwrap()).unwrap(), &file);
        }
    }

    #[test]
    fn refuses_unsorted_empty_and_cut_files() {
        let (a, b) = (leaf(0, 0, 0, 1, 5), leaf(0, 0, 0, 2, 5));
        let encode = |leaves: &[Leaf]| LeafFile { leaves: leaves.to_vec() }.encode();
        assert!(LeafFile::decode(&encode(&[a, b])).is_ok());
        assert!(matches!(LeafFile::decode(&encode(&[b, a])), Err(SettlementError::Row { index: 1, .. })));
        assert!(matches!(LeafFile::decode(&encode(&[a, a])), Err(SettlementError::Row { index: 1, .. })));
        assert!(LeafFile::decode(&encode(&[leaf(0, 0, 0, 1, 0)])).is_err());
        assert!(LeafFile::decode(&encode(&[leaf(0, 0, 0, 0, 1)])).is_err());
        let mut bytes = encode(&[a]);
        bytes[16] = 7;
        assert!(LeafFile::decode(&bytes).is_err());
        assert!(LeafFile::decode(&encode(&[a])[1..]).is_err());
        assert!(LeafFile::decode(&[encode(&[a]), vec![0]].concat()).is_err());
        let cut = encode(&[a, b]);
        let cut = LeafFile::decode(&cut[..cut.len() - 1]);
        assert!(matches!(cut, Err(SettlementError::Length { size: 121, count: 2 })), "{cut:?}");
        let mut many = encode(&[]);
        many[8] = 0xff;
        assert!(matches!(LeafFile::decode(&many), Err(SettlementError::TooMany(_))));
    }

    /// Recipients are 20 random bytes each, and nothing compresses those.
    #[test]
    fn four_thousand_single_nfts_fit_in_calldata_and_five_thousand_do_not() {
        let recipient = |n: u64| Address::from_word(alloy_primitives::keccak256(n.to_be_bytes()));
        let nft = |n| Leaf { recipient: recipient(n), ..leaf(4, 9, n, 1, 1) };
        let file = |count| LeafFile::compress_leaves(&merge((0..count).map(nft)));
        assert!(file(4_000).is_some() && file(5_000).is_none());
    }

    #[test]
    fn refuses_files_that_decompress_to_too_much() {
        let bomb = zstd::bulk::compress(&vec![0; MAX_PLAIN_BYTES + 1], 3).unwrap();
        assert!(matches!(LeafFile::decompress(&bomb), Err(SettlementError::Compression(_))));
        assert!(LeafFile::decompress(&[0; MAX_LEAF_FILE_BYTES + 1]).is_err());
        assert!(LeafFile::decompress(b"nothing").is_err());
    }
}
