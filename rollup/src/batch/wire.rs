//! The bytes under the columns: a writer that remembers where blocks of the compressor should
//! end, and a reader that never trusts a length.

use crate::error::BatchError;

/// Uncompressed columns under construction.
///
/// `cuts` are positions where the compressor starts a new block, so that a column of noise does
/// not share an entropy table with a column of zeros. They are advice and leave no trace in the
/// decompressed bytes.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) bytes: Vec<u8>,
    pub(super) cuts: Vec<usize>,
}

/// Columns shorter than this are not worth a block of their own.
const MIN_CUT_BYTES: usize = 512;

impl Columns {
    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn uvarint(&mut self, value: impl Into<u128>) {
        let mut value: u128 = value.into();
        while value >= 0x80 {
            self.bytes.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes `bytes` as a stretch that compresses on its own.
    pub(super) fn stretch(&mut self, bytes: &[u8]) {
        if bytes.len() < MIN_CUT_BYTES {
            return self.raw(bytes);
        }
        self.cut();
        self.raw(bytes);
        self.cut();
    }

    /// Appends `other`, keeping its cuts.
    pub(super) fn append(&mut self, other: &Self) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.cuts.extend(other.cuts.iter().map(|cut| cut + start));
    }

    fn cut(&mut self) {
        let at = self.bytes.len();
        if at > 0 && self.cuts.last() != Some(&at) {
            self.cuts.push(at);
        }
    }
}

/// Reads columns strictly: every number in its shortest form, every length checked against what
/// is left before anything is allocated.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], BatchError> {
        let (head, tail) =
            self.rest.split_at_checked(len).ok_or(BatchError::Truncated { what, need: len, have: self.rest.len() })?;
        self.rest = tail;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BatchError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, BatchError> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(super) fn u128(&mut self, what: &'static str) -> Result<u128, BatchError> {
        let mut value = 0_u128;
        for shift in (0..=126).step_by(7) {
            let byte = self.u8(what)?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                return Err(BatchError::NotCanonical { what, why: "number over 128 bits" });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(BatchError::NotCanonical { what, why: "number not in shortest form" });
                }
                return Ok(value);
            }
        }
        Err(BatchError::NotCanonical { what, why: "number over 128 bits" })
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, BatchError> {
        let value = self.u128(what)?;
        u64::try_from(value).map_err(|_| BatchError::OutOfRange { what, value })
    }

    /// A count that must not pass `max`.
    pub(super) fn count(&mut self, what: &'static str, max: usize) -> Result<usize, BatchError> {
        let value = self.u128(what)?;
        match usize::try_from(value) {
            Ok(count) if count <= max => Ok(count),
            _ => Err(BatchError::TooMany { what, count: value, max }),
        }
    }

    pub(super) const fn finish(&self, what: &'static str) -> Result<(), BatchError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(BatchError::Trailing { what, count: self.rest.len() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn reads_numbers_back() {
        for value in [0, 1, 127, 128, 300, u128::from(u64::MAX), u128::MAX] {
            let mut out = Columns::default();
            out.uvarint(value);
            let mut reader = Reader::new(&out.bytes);
            assert_eq!(reader.u128("n").unwrap(), value);
            reader.finish("n").unwrap();
        }
    }

    #[test]
    fn refuses_long_forms_and_overflow() {
        assert!(Reader::new(&[0x80, 0x00]).u128("n").is_err());
        assert!(Reader::new(&[0xff; 18]).u128("n").is_err());
        let mut over = vec![0xff; 18];
        over.push(0x04);
        assert!(Reader::new(&over).u128("n").is_err());
        assert!(Reader::new(&[0x80]).u128("n").is_err());
        assert!(Reader::new(&[5]).count("n", 4).is_err());
    }
}
