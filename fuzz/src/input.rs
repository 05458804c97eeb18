//! Reading an input from front to back. There is always something to read: after the end, zeros.

/// What is left of an input.
#[derive(Debug, Clone)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// At most `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (front, rest) = self.bytes.split_at(len.min(self.bytes.len()));
        self.bytes = rest;
        front
    }

    /// Bytes behind a 16-bit length.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = self.u16();
        self.take(len.into())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.take(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// A number in `low ..= high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1).max(1);
        low + u64::from(self.u8()) % span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_to_the_end_and_zeros_after_it() {
        let mut input = Input::new(&[0, 2, 7, 8, 9]);
        assert_eq!((input.bytes(), input.u16()), (&[7, 8][..], 0x0900));
        assert!(input.is_empty() && input.u8() == 0 && input.bytes().is_empty());
        assert_eq!(Input::new(&[9]).between(2, 4), 2);
        assert_eq!(Input::new(&[5]).between(3, 3), 3);
    }
}
