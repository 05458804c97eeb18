//! Packing a payload into blobs.
//!
//! A blob is 4,096 field elements below the BLS12-381 order, so 254 bits each are free to use:
//! four elements carry 127 bytes. Byte 0 of each holds six bits of the last three bytes.

use super::limits::MAX_PAYLOAD_BYTES;
use crate::error::BatchError;

/// Bytes of a blob as L1 counts them.
pub const BLOB_BYTES: usize = 131_072;
/// Payload bytes that fit in one blob.
pub const BLOB_CAPACITY_BYTES: usize = BLOB_BYTES / GROUP_BYTES * GROUP_CAPACITY_BYTES;
/// Most blobs of one batch.
pub const MAX_BLOBS: usize = 6;
/// The payload's length stands before it, big-endian.
pub(super) const LENGTH_PREFIX_BYTES: usize = 4;

const ELEMENT_BYTES: usize = 32;
const GROUP_BYTES: usize = 4 * ELEMENT_BYTES;
const GROUP_CAPACITY_BYTES: usize = 127;
/// The two top bits of an element stay 0.
const TOP_BITS: u8 = 0b1100_0000;

/// Packs a payload into as few blobs as hold it.
///
/// # Errors
/// If it does not fit in [`MAX_BLOBS`].
pub fn pack_blobs(payload: &[u8]) -> Result<Vec<Vec<u8>>, BatchError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(BatchError::TooLarge { what: "payload", size: payload.len(), max: MAX_PAYLOAD_BYTES });
    }
    let mut stream = (payload.len() as u32).to_be_bytes().to_vec();
    stream.extend_from_slice(payload);
    stream.resize(stream.len().next_multiple_of(BLOB_CAPACITY_BYTES), 0);
    let blobs = stream.chunks_exact(BLOB_CAPACITY_BYTES);
    Ok(blobs.map(|blob| blob.chunks_exact(GROUP_CAPACITY_BYTES).flat_map(pack_group).collect()).collect())
}

/// Unpacks blobs; every unused bit must be 0 and no blob may be spare.
///
/// # Errors
/// If the blobs are not what [`pack_blobs`] makes of some payload.
pub fn unpack_blobs<B: AsRef<[u8]>>(blobs: &[B]) -> Result<Vec<u8>, BatchError> {
    if blobs.is_empty() || blobs.len() > MAX_BLOBS {
        return Err(BatchError::TooMany { what: "blobs", count: blobs.len() as u128, max: MAX_BLOBS });
    }
    let mut stream = Vec::with_capacity(blobs.len() * BLOB_CAPACITY_BYTES);
    for blob in blobs.iter().map(AsRef::as_ref) {
        if blob.len() != BLOB_BYTES {
            return Err(BatchError::TooLarge { what: "blob", size: blob.len(), max: BLOB_BYTES });
        }
        for group in blob.chunks_exact(GROUP_BYTES) {
            unpack_group(group, &mut stream)?;
        }
    }
    let (prefix, rest) = stream.split_at(LENGTH_PREFIX_BYTES);
    let len = prefix.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
    let Some((payload, padding)) = rest.split_at_checked(len) else {
        return Err(BatchError::Truncated { what: "payload", need: len, have: rest.len() });
    };
    if padding.len() >= BLOB_CAPACITY_BYTES || padding.iter().any(|byte| *byte != 0) {
        return Err(BatchError::NotCanonical { what: "blob padding", why: "not 0, or a whole blob of it" });
    }
    Ok(payload.to_vec())
}

fn pack_group(bytes: &[u8]) -> [u8; GROUP_BYTES] {
    let mut group = [0; GROUP_BYTES];
    let (body, tail) = bytes.split_at(4 * (ELEMENT_BYTES - 1));
    let tail = tail.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    for (at, (element, body)) in
        group.chunks_exact_mut(ELEMENT_BYTES).zip(body.chunks_exact(ELEMENT_BYTES - 1)).enumerate()
    {
        element[0] = (tail >> (18 - 6 * at)) as u8 & !TOP_BITS;
        element[1..].copy_from_slice(body);
    }
    group
}

fn unpack_group(group: &[u8], stream: &mut Vec<u8>) -> Result<(), BatchError> {
    let mut tail = 0_u32;
    for element in group.chunks_exact(ELEMENT_BYTES) {
        if element[0] & TOP_BITS != 0 {
            return Err(BatchError::NotCanonical { what: "field element", why: "over 254 bits" });
        }
        tail = tail << 6 | u32::from(element[0]);
        stream.extend_from_slice(&element[1..]);
    }
    stream.extend_from_slice(&tail.to_be_bytes()[1..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn payload(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 255 + 1) as u8).collect()
    }

    #[test]
    fn blobs_round_trip_at_every_edge() {
        let edge = BLOB_CAPACITY_BYTES - LENGTH_PREFIX_BYTES;
        for (len, count) in [(0, 1), (1, 1), (127, 1), (edge, 1), (edge + 1, 2), (MAX_PAYLOAD_BYTES, 6)] {
            let blobs = pack_blobs(&payload(len)).unwrap();
            assert_eq!(blobs.len(), count);
            assert!(blobs.iter().flat_map(|blob| blob.chunks_exact(32)).all(|element| element[0] < 0x40));
            assert_eq!(unpack_blobs(&blobs).unwrap(), payload(len));
        }
        assert!(pack_blobs(&payload(MAX_PAYLOAD_BYTES + 1)).is_err());
    }

    #[test]
    fn refuses_dirty_padding_spare_blobs_and_high_elements() {
        let blobs = pack_blobs(&payload(1_000)).unwrap();
        let broken = |change: fn(&mut Vec<Vec<u8>>)| {
            let mut blobs = blobs.clone();
            change(&mut blobs);
            unpack_blobs(&blobs)
        };
        assert!(broken(|_| ()).is_ok());
        assert!(broken(|blobs| blobs[0][BLOB_BYTES - 1] = 1).is_err());
        assert!(broken(|blobs| blobs[0][BLOB_BYTES - 32] = 1).is_err());
        assert!(broken(|blobs| blobs[0][0] = 0x40).is_err());
        assert!(broken(|blobs| blobs[0][1] = 0x0f).is_err());
        assert!(broken(|blobs| blobs.push(vec![0; BLOB_BYTES])).is_err());
        assert!(broken(|blobs| blobs[0].truncate(BLOB_BYTES - 1)).is_err());
        assert!(broken(Vec::clear).is_err());
        assert!(broken(|blobs| blobs.resize(7, vec![0; BLOB_BYTES])).is_err());
    }
}
