//! Bytes of stored values: big-endian, numbers without leading zeros behind a length.

use crate::state::AccountInfo;
use alloy_primitives::{Address, B256, U256};

/// Reads values off the front; `None` as soon as something does not fit.
pub(crate) struct Take<'a> {
    bytes: &'a [u8],
}

impl<'a> Take<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// `Some` if nothing is left.
    pub(crate) fn end(&self) -> Option<()> {
        self.bytes.is_empty().then_some(())
    }

    pub(crate) fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn address(&mut self) -> Option<Address> {
        self.array().map(Address::from)
    }

    pub(crate) fn b256(&mut self) -> Option<B256> {
        self.array().map(B256::from)
    }

    pub(crate) fn u256(&mut self) -> Option<U256> {
        let len = self.u8()?;
        U256::try_from_be_slice(self.slice(len.into())?)
    }

    /// A number of seven bits to a byte, the lowest first.
    pub(crate) fn uvarint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            value |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Bytes behind a 32-bit length.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.slice(usize::try_from(len).ok()?)
    }

    /// A list behind a 32-bit count; `min` is the least an item takes, so that a count cannot ask for much memory.
    pub(crate) fn list<T>(&mut self, min: usize, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.u32()?).ok()?;
        if count > self.bytes.len() / min.max(1) {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }

    pub(crate) fn account(&mut self) -> Option<Option<AccountInfo>> {
        let tag = self.u8()?;
        if tag == 0 {
            return Some(None);
        }
        let mut info = AccountInfo { balance: self.u256()?, nonce: self.u64()?, ..Default::default() };
        match tag {
            1 => {}
            2 => info.code_hash = self.b256()?,
            _ => return None,
        }
        Some(Some(info))
    }
}

pub(crate) fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_u256(out: &mut Vec<u8>, value: &U256) {
    let bytes = value.to_be_bytes::<32>();
    let zeros = value.leading_zeros() / 8;
    out.push((32 - zeros) as u8);
    out.extend_from_slice(&bytes[zeros..]);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("a block is far shorter than 4 GiB");
    out.extend_from_slice(&count.to_be_bytes());
}

pub(crate) fn put_account(out: &mut Vec<u8>, account: Option<&AccountInfo>) {
    let Some(info) = account else { return out.push(0) };
    out.push(1 + u8::from(info.has_code()));
    put_u256(out, &info.balance);
    out.extend_from_slice(&info.nonce.to_be_bytes());
    if info.has_code() {
        out.extend_from_slice(info.code_hash.as_slice());
    }
}
