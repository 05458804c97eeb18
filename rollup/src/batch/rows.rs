//! Reading a template's section back into transactions.

use super::limits::MAX_ITEM_BYTES;
use super::numbers::{read_amounts, read_lengths, read_numbers, read_u64s};
use super::template::{Input, Target, Template, Word};
use super::wire::Reader;
use crate::error::BatchError;
use alloy_consensus::{Signed, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::map::HashSet;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use alloy_rlp::{Decodable, Encodable};

/// The account book: addresses in the order in which the sections first use them.
#[derive(Debug)]
pub(super) struct Book {
    addresses: Vec<Address>,
    used: usize,
}

impl Book {
    pub(super) fn read(reader: &mut Reader<'_>, count: usize) -> Result<Self, BatchError> {
        let bytes = reader.take(20 * count, "addresses")?;
        let addresses: Vec<Address> = bytes.chunks_exact(20).map(Address::from_slice).collect();
        if addresses.iter().collect::<HashSet<_>>().len() != count {
            return Err(BatchError::NotCanonical { what: "addresses", why: "listed twice" });
        }
        Ok(Self { addresses, used: 0 })
    }

    fn column(&mut self, reader: &mut Reader<'_>, count: usize) -> Result<Vec<Address>, BatchError> {
        let references = read_lengths(reader, count, self.addresses.len(), "account references")?;
        references.into_iter().map(|reference| self.resolve(reference)).collect()
    }

    /// 0 is the next unused address, anything else one used before.
    fn resolve(&mut self, reference: usize) -> Result<Address, BatchError> {
        let known = match reference.checked_sub(1) {
            Some(at) => self.addresses[..self.used].get(at).copied(),
            None => {
                self.used += 1;
                self.addresses.get(self.used - 1).copied()
            }
        };
        known.ok_or(BatchError::OutOfRange { what: "account reference", value: reference as u128 })
    }

    pub(super) const fn finish(&self) -> Result<(), BatchError> {
        if self.used != self.addresses.len() {
            return Err(BatchError::NotCanonical { what: "addresses", why: "some are not used" });
        }
        Ok(())
    }
}

/// The columns of one template, read row by row.
#[derive(Debug)]
pub(super) struct GroupRows {
    ty: u8,
    row: usize,
    nonces: Vec<u64>,
    gas_limits: Vec<u64>,
    fees: Vec<u128>,
    tips: Vec<u128>,
    targets: Targets,
    values: Vec<U256>,
    inputs: Inputs,
    access_lists: Vec<AccessList>,
    authorizations: Vec<Vec<SignedAuthorization>>,
}

#[derive(Debug)]
enum Targets {
    Same(TxKind),
    Each(Vec<Address>),
}

#[derive(Debug)]
enum Inputs {
    Empty,
    /// Rows of equal length in one buffer.
    Abi {
        bytes: Bytes,
        len: usize,
    },
    Each(Vec<Bytes>),
}

impl GroupRows {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        book: &mut Book,
        template: &Template,
        rows: usize,
    ) -> Result<Self, BatchError> {
        let ty = template.ty;
        Ok(Self {
            ty,
            row: 0,
            nonces: read_u64s(reader, rows, "nonces")?,
            gas_limits: read_u64s(reader, rows, "gas limits")?,
            fees: read_numbers(reader, rows, u128::MAX, "fees")?,
            tips: if ty >= 2 { read_numbers(reader, rows, u128::MAX, "tips")? } else { Vec::new() },
            targets: match template.target {
                Target::Create => Targets::Same(TxKind::Create),
                Target::Fixed(to) => Targets::Same(TxKind::Call(to)),
                Target::Column => Targets::Each(book.column(reader, rows)?),
            },
            values: read_values(reader, template, rows)?,
            inputs: read_inputs(reader, book, template, rows)?,
            access_lists: if template.has_access_list { read_access_lists(reader, rows)? } else { Vec::new() },
            authorizations: if ty == 4 { read_authorizations(reader, rows)? } else { Vec::new() },
        })
    }

    /// The next transaction of the template.
    pub(super) fn next(&mut self, chain_id: u64, signature: Signature) -> Result<TxEnvelope, BatchError> {
        let row = self.row;
        self.row += 1;
        let (Some(&nonce), Some(&gas_limit), Some(&fee)) =
            (self.nonces.get(row), self.gas_limits.get(row), self.fees.get(row))
        else {
            return Err(BatchError::Truncated { what: "rows", need: row, have: self.nonces.len() });
        };
        let tip = self.tips.get(row).copied().unwrap_or_default();
        let value = self.values.get(row).copied().unwrap_or_default();
        let to = match &self.targets {
            Targets::Same(to) => *to,
            Targets::Each(targets) => TxKind::Call(targets[row]),
        };
        let input = match &self.inputs {
            Inputs::Empty => Bytes::new(),
            Inputs::Abi { bytes, len } => bytes.slice(row * len..(row + 1) * len),
            Inputs::Each(inputs) => inputs[row].clone(),
        };
        let access_list = self.access_lists.get_mut(row).map(std::mem::take).unwrap_or_default();
        Ok(match (self.ty, to) {
            (0, _) => {
                let tx = TxLegacy { chain_id: Some(chain_id), nonce, gas_price: fee, gas_limit, to, value, input };
                Signed::new_unhashed(tx, signature).into()
            }
            (1, _) => {
                let tx = TxEip2930 { chain_id, nonce, gas_price: fee, gas_limit, to, value, access_list, input };
                Signed::new_unhashed(tx, signature).into()
            }
            (4, TxKind::Call(to)) => {
                let authorization_list = self.authorizations.get_mut(row).map(std::mem::take).unwrap_or_default();
                let tx = TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: fee,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list,
                    authorization_list,
                    input,
                };
                Signed::new_unhashed(tx, signature).into()
            }
            (2, _) => {
                let tx = TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: fee,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list,
                    input,
                };
                Signed::new_unhashed(tx, signature).into()
            }
            (ty, _) => return Err(BatchError::UnsupportedType(ty)),
        })
    }
}

fn read_values(reader: &mut Reader<'_>, template: &Template, rows: usize) -> Result<Vec<U256>, BatchError> {
    if !template.has_value {
        return Ok(Vec::new());
    }
    let values = read_amounts(reader, rows, "values")?;
    if values.iter().all(U256::is_zero) {
        return Err(BatchError::NotCanonical { what: "values", why: "a column of zeros" });
    }
    Ok(values)
}

fn read_inputs(
    reader: &mut Reader<'_>,
    book: &mut Book,
    template: &Template,
    rows: usize,
) -> Result<Inputs, BatchError> {
    let (selector, words) = match &template.input {
        Input::Empty => return Ok(Inputs::Empty),
        Input::Bytes => {
            let items = read_items(reader, rows, MAX_ITEM_BYTES, "input")?;
            return Ok(Inputs::Each(items.into_iter().map(Bytes::copy_from_slice).collect()));
        }
        Input::Abi { selector, words } => (selector, words),
    };
    let len = template.abi_len();
    let mut bytes = vec![0; len * rows];
    bytes.chunks_exact_mut(len).for_each(|row| row[..4].copy_from_slice(selector));
    for (at, word) in words.iter().enumerate() {
        let column = read_words(reader, book, word, rows)?;
        for (row, value) in bytes.chunks_exact_mut(len).zip(column) {
            row[4 + 32 * at..][..32].copy_from_slice(&value);
        }
    }
    Ok(Inputs::Abi { bytes: bytes.into(), len })
}

fn read_words(reader: &mut Reader<'_>, book: &mut Book, word: &Word, rows: usize) -> Result<Vec<[u8; 32]>, BatchError> {
    Ok(match word {
        Word::Fixed(value) => vec![value.0; rows],
        Word::Account => book.column(reader, rows)?.into_iter().map(|address| address.into_word().0).collect(),
        Word::Amount => {
            let amounts = read_amounts(reader, rows, "words")?;
            amounts.into_iter().map(|amount| amount.to_be_bytes()).collect()
        }
        Word::Raw => {
            let words = reader.take(32 * rows, "words")?.chunks_exact(32);
            words.filter_map(|word| word.first_chunk().copied()).collect()
        }
    })
}

fn read_access_lists(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<AccessList>, BatchError> {
    let what = "access lists";
    let decode = |rlp: &[u8]| {
        let list: AccessList = decode_list(rlp, what)?;
        if list.is_empty() {
            return Err(BatchError::NotCanonical { what, why: "empty" });
        }
        Ok(list)
    };
    read_items(reader, rows, MAX_ITEM_BYTES, what)?.into_iter().map(decode).collect()
}

fn read_authorizations(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<Vec<SignedAuthorization>>, BatchError> {
    let what = "authorizations";
    let items = read_items(reader, rows, MAX_ITEM_BYTES, what)?;
    items.into_iter().map(|rlp| decode_list(rlp, what)).collect()
}

/// Decodes RLP and refuses anything that does not encode to the same bytes again.
fn decode_list<T: Decodable + Encodable>(rlp: &[u8], what: &'static str) -> Result<T, BatchError> {
    let mut rest = rlp;
    let list = T::decode(&mut rest).map_err(|error| BatchError::Transaction(format!("{what}: {error}")))?;
    if !rest.is_empty() || alloy_rlp::encode(&list) != rlp {
        return Err(BatchError::NotCanonical { what, why: "not in canonical RLP" });
    }
    Ok(list)
}

/// Lengths, then the bytes of all items.
pub(super) fn read_items<'a>(
    reader: &mut Reader<'a>,
    count: usize,
    max: usize,
    what: &'static str,
) -> Result<Vec<&'a [u8]>, BatchError> {
    let lengths = read_lengths(reader, count, max, what)?;
    lengths.into_iter().map(|len| reader.take(len, what)).collect()
}
