//! Stage 3: the chain of batch headers, and that data is what a header committed to.

use super::ahead::Ahead;
use crate::error::DeriveError;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_sol_types::SolValue;
use mayfly_contracts::types::BatchHeader;

/// Codec of a batch without sequencer data.
pub(crate) const CODEC_FORCED: u8 = 0;
/// Codec of a batch in blobs.
pub(crate) const CODEC_BLOBS: u8 = 1;
/// Codec of a batch in calldata.
pub(crate) const CODEC_CALLDATA: u8 = 2;

/// A batch's data as fetched from L1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchData {
    /// A forced-only batch has none.
    None,
    /// The blobs, whole, in order; their versioned hashes were checked by who fetched them.
    Blobs(Vec<Bytes>),
    /// The payload from the transaction's input.
    Calldata(Bytes),
}

impl BatchData {
    /// Bytes on L1.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Blobs(blobs) => blobs.iter().map(|blob| blob.len()).sum(),
            Self::Calldata(data) => data.len(),
        }
    }
}

/// A batch as the Inbox logged it, with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedBatch {
    /// Its header.
    pub header: BatchHeader,
    /// The header's hash, as logged.
    pub header_hash: B256,
    /// Versioned hashes of its blobs.
    pub blob_hashes: Vec<B256>,
    /// Its data.
    pub data: BatchData,
    /// Its data as it was read before its turn.
    pub ahead: Ahead,
}

/// `keccak256(abi.encode(header))`.
pub fn batch_header_hash(header: &BatchHeader) -> B256 {
    keccak256(header.abi_encode())
}

/// The last link of the batch chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: B256,
}

impl PostedBatch {
    /// Whether the Inbox can have put it behind the batch of this number and hash.
    ///
    /// # Errors
    /// Says what does not fit: an endpoint made its log up.
    pub fn follows(&self, seq: u64, hash: B256) -> Result<(), String> {
        let header = &self.header;
        if Some(header.seq) != seq.checked_add(1) || header.parentHash != hash {
            return Err(format!("batch {} does not follow batch {seq} with hash {hash}", header.seq));
        }
        if batch_header_hash(header) != self.header_hash {
            return Err(format!("the header of batch {} does not hash to {}", header.seq, self.header_hash));
        }
        Ok(())
    }

    /// Whether an L1 block of this number and time can hold it: the Inbox writes both into the header.
    ///
    /// # Errors
    /// Says what does not fit: an endpoint made the block up, under a hash that fits what it made up.
    pub fn fits(&self, l1_number: u64, l1_time: u64) -> Result<(), String> {
        let (seq, number, time) = (self.header.seq, self.header.includedNumber, self.header.includedTime);
        if (number, time) == (l1_number, l1_time) {
            return Ok(());
        }
        Err(format!("batch {seq} says it is in L1 block {number} of {time}, is in {l1_number} of {l1_time}"))
    }

    /// Checks what the Inbox guarantees; a failure means that L1 data is not what L1 said.
    pub(super) fn check(&self, parent: Link, l1_number: u64, l1_time: u64) -> Result<(), DeriveError> {
        self.follows(parent.seq, parent.hash).map_err(DeriveError::Inconsistent)?;
        self.fits(l1_number, l1_time).map_err(DeriveError::Inconsistent)?;
        self.check_data()
    }

    fn check_data(&self) -> Result<(), DeriveError> {
        let header = &self.header;
        let fits = match (header.codec, &self.data) {
            (CODEC_FORCED, BatchData::None) => true,
            (CODEC_BLOBS, BatchData::Blobs(blobs)) => {
                let hashes: Vec<u8> = self.blob_hashes.iter().flat_map(|hash| hash.0).collect();
                blobs.len() == self.blob_hashes.len() && keccak256(hashes) == header.dataHash
            }
            (CODEC_CALLDATA, BatchData::Calldata(data)) => keccak256(data) == header.dataHash,
            _ => false,
        };
        if fits { Ok(()) } else { Err(DeriveError::Data { seq: header.seq }) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::error::Severity;

    fn batch(codec: u8, data_hash: B256, data: BatchData, blob_hashes: Vec<B256>) -> PostedBatch {
        let header = BatchHeader {
            seq: 3,
            parentHash: B256::repeat_byte(2),
            codec,
            dataHash: data_hash,
            includedNumber: 9,
            includedTime: 90,
            ..BatchHeader::default()
        };
        PostedBatch { header_hash: batch_header_hash(&header), header, blob_hashes, data, ahead: Ahead::default() }
    }

    #[test]
    fn a_batch_follows_its_parent_with_its_own_data() {
        let parent = Link { seq: 2, hash: B256::repeat_byte(2) };
        let data = Bytes::from_static(b"payload");
        let good = batch(2, keccak256(&data), BatchData::Calldata(data.clone()), Vec::new());
        good.check(parent, 9, 90).unwrap();
        assert!(good.check(Link { seq: 1, ..parent }, 9, 90).is_err());
        assert!(good.check(Link { hash: B256::ZERO, ..parent }, 9, 90).is_err());
        assert!(good.check(parent, 8, 90).is_err() && good.check(parent, 9, 91).is_err());
        let renamed = PostedBatch { header_hash: B256::ZERO, ..good };
        assert!(matches!(renamed.check(parent, 9, 90), Err(DeriveError::Inconsistent(_))));
    }

    #[test]
    fn other_data_is_refused_as_a_failed_fetch() {
        let parent = Link { seq: 2, hash: B256::repeat_byte(2) };
        let hashes = vec![B256::repeat_byte(7)];
        let hash = keccak256(hashes[0]);
        let blobs = |count: usize| BatchData::Blobs(vec![Bytes::new(); count]);
        assert!(batch(1, hash, blobs(1), hashes.clone()).check(parent, 9, 90).is_ok());
        let cases = [
            batch(1, hash, blobs(2), hashes.clone()),
            batch(1, B256::ZERO, blobs(1), hashes.clone()),
            batch(1, hash, BatchData::None, hashes),
            batch(2, B256::ZERO, BatchData::Calldata(Bytes::new()), Vec::new()),
            batch(0, B256::ZERO, BatchData::Calldata(Bytes::new()), Vec::new()),
            // The Inbox logs no other codec.
            batch(3, B256::ZERO, BatchData::None, Vec::new()),
        ];
        for case in cases {
            let error = case.check(parent, 9, 90).unwrap_err();
            assert!(matches!(error, DeriveError::Data { seq: 3 }) && error.severity() == Severity::Reset);
        }
        assert!(batch(0, B256::ZERO, BatchData::None, Vec::new()).check(parent, 9, 90).is_ok());
    }
}
