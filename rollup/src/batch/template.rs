//! What transactions of one kind share, and how their differing parts are laid out.

use super::limits::MAX_WORDS;
use super::wire::{Columns, Reader};
use crate::error::BatchError;
use alloy_primitives::{Address, B256};

/// Where the `to` of a template's transactions comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Every transaction creates a contract.
    Create,
    /// Every transaction calls this address.
    Fixed(Address),
    /// A column of references into the account book.
    Column,
}

/// What a template's transactions carry as input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Input {
    /// Nothing.
    Empty,
    /// A selector and 32-byte words.
    Abi { selector: [u8; 4], words: Vec<Word> },
    /// Bytes of any length.
    Bytes,
}

/// One word of call data across a template's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Word {
    /// The same in all of them.
    Fixed(B256),
    /// An address: a reference into the account book.
    Account,
    /// An amount column.
    Amount,
    /// Raw words.
    Raw,
}

/// The fixed part of a group of transactions; its columns follow in the group's section.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Template {
    /// EIP-2718 type: 0, 1, 2 or 4.
    pub(super) ty: u8,
    pub(super) target: Target,
    /// Whether there is a value column; without it every value is 0.
    pub(super) has_value: bool,
    /// Whether access lists follow as RLP; without it every list is empty.
    pub(super) has_access_list: bool,
    pub(super) input: Input,
}

const TARGET_FIXED: u8 = 1;
const TARGET_COLUMN: u8 = 2;
const HAS_VALUE: u8 = 1 << 2;
const HAS_ACCESS_LIST: u8 = 1 << 3;
const INPUT_ABI: u8 = 1 << 4;
const INPUT_BYTES: u8 = 2 << 4;
const FLAGS: u8 = 0x3f;

const WORD_FIXED: u8 = 0;
const WORD_ACCOUNT: u8 = 1;
const WORD_AMOUNT: u8 = 2;
const WORD_RAW: u8 = 3;

const WHAT: &str = "template";

impl Template {
    /// `type ‖ flags ‖ [to] ‖ [selector ‖ word count ‖ words]`.
    pub(super) fn write(&self, out: &mut Columns) {
        out.u8(self.ty);
        let target = match self.target {
            Target::Create => 0,
            Target::Fixed(_) => TARGET_FIXED,
            Target::Column => TARGET_COLUMN,
        };
        let input = match self.input {
            Input::Empty => 0,
            Input::Abi { .. } => INPUT_ABI,
            Input::Bytes => INPUT_BYTES,
        };
        let value = if self.has_value { HAS_VALUE } else { 0 };
        let list = if self.has_access_list { HAS_ACCESS_LIST } else { 0 };
        out.u8(target | input | value | list);
        if let Target::Fixed(to) = self.target {
            out.raw(to.as_slice());
        }
        if let Input::Abi { selector, words } = &self.input {
            out.raw(selector);
            out.u8(words.len() as u8);
            words.iter().for_each(|word| write_word(out, word));
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, BatchError> {
        let ty = reader.u8(WHAT)?;
        if !matches!(ty, 0 | 1 | 2 | 4) {
            return Err(BatchError::UnsupportedType(ty));
        }
        let flags = reader.u8(WHAT)?;
        let bad = BatchError::NotCanonical { what: WHAT, why: "flags" };
        let target = match flags & 3 {
            0 if ty != 4 => Target::Create,
            TARGET_FIXED => Target::Fixed(reader.array(WHAT)?.into()),
            TARGET_COLUMN => Target::Column,
            _ => return Err(bad),
        };
        let (has_value, has_access_list) = (flags & HAS_VALUE != 0, flags & HAS_ACCESS_LIST != 0);
        if flags & !FLAGS != 0 || (has_access_list && ty == 0) {
            return Err(bad);
        }
        let input = match flags & 0x30 {
            0 => Input::Empty,
            INPUT_ABI => read_abi(reader)?,
            INPUT_BYTES => Input::Bytes,
            _ => return Err(bad),
        };
        Ok(Self { ty, target, has_value, has_access_list, input })
    }

    /// Bytes of call data that one transaction of an ABI template expands to.
    pub(super) const fn abi_len(&self) -> usize {
        match &self.input {
            Input::Abi { words, .. } => 4 + 32 * words.len(),
            Input::Empty | Input::Bytes => 0,
        }
    }
}

fn write_word(out: &mut Columns, word: &Word) {
    match word {
        Word::Fixed(value) => {
            out.u8(WORD_FIXED);
            out.raw(value.as_slice());
        }
        Word::Account => out.u8(WORD_ACCOUNT),
        Word::Amount => out.u8(WORD_AMOUNT),
        Word::Raw => out.u8(WORD_RAW),
    }
}

fn read_abi(reader: &mut Reader<'_>) -> Result<Input, BatchError> {
    let selector = reader.array(WHAT)?;
    let count = reader.u8(WHAT)?.into();
    if count > MAX_WORDS {
        return Err(BatchError::TooMany { what: "words of a template", count: count as u128, max: MAX_WORDS });
    }
    let words = (0..count).map(|_| match reader.u8(WHAT)? {
        WORD_FIXED => Ok(Word::Fixed(reader.array(WHAT)?.into())),
        WORD_ACCOUNT => Ok(Word::Account),
        WORD_AMOUNT => Ok(Word::Amount),
        WORD_RAW => Ok(Word::Raw),
        _ => Err(BatchError::NotCanonical { what: WHAT, why: "kind of a word" }),
    });
    Ok(Input::Abi { selector, words: words.collect::<Result<_, _>>()? })
}

/// The address in a word, if the word can only be one: twelve zero bytes, then something large.
pub(super) fn word_address(word: &[u8; 32]) -> Option<Address> {
    let (zeros, address) = word.split_at(12);
    let large = address.iter().take(4).any(|byte| *byte != 0);
    (large && zeros.iter().all(|byte| *byte == 0)).then(|| Address::from_slice(address))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn template(ty: u8, target: Target) -> Template {
        let words = vec![Word::Fixed(B256::repeat_byte(1)), Word::Account, Word::Amount, Word::Raw];
        let input = Input::Abi { selector: [1, 2, 3, 4], words };
        Template { ty, target, has_value: true, has_access_list: ty != 0, input }
    }

    #[test]
    fn templates_round_trip() {
        for (ty, target) in [(0, Target::Create), (1, Target::Fixed(Address::repeat_byte(7))), (4, Target::Column)] {
            let template = template(ty, target);
            let mut out = Columns::default();
            template.write(&mut out);
            let mut reader = Reader::new(&out.bytes);
            assert_eq!(Template::read(&mut reader).unwrap(), template);
            reader.finish("template").unwrap();
        }
    }

    #[test]
    fn refuses_unknown_types_flags_and_words() {
        let cases: [&[u8]; 7] = [&[3, 0], &[5, 0], &[4, 0], &[2, 3], &[2, 0x40], &[0, 0x08], &[2, 0x30]];
        for bytes in cases {
            assert!(Template::read(&mut Reader::new(bytes)).is_err(), "{bytes:?}");
        }
        assert!(Template::read(&mut Reader::new(&[2, 0x10, 1, 2, 3, 4, 1, 4])).is_err());
        assert!(Template::read(&mut Reader::new(&[2, 0x10, 1, 2, 3, 4, 33])).is_err());
    }

    #[test]
    fn tells_addresses_from_small_numbers() {
        let mut word = [0; 32];
        word[31] = 9;
        assert_eq!(word_address(&word), None);
        word[12] = 1;
        assert!(word_address(&word).is_some());
        word[0] = 1;
        assert_eq!(word_address(&word), None);
    }
}
