//! Payload encoding. The bytes are laid out in `docs/protocol/batch.md`.

use super::block::BatchBlock;
use super::fields::Fields;
use super::frame;
use super::limits::{
    MAX_BLOCKS, MAX_BOOK, MAX_ITEM_BYTES, MAX_PAYLOAD_BYTES, MAX_SPONSORS, MAX_TEMPLATES, MAX_TRANSACTIONS, MAX_WORDS,
    PAYLOAD_FORMAT, PREFIX_BYTES, SIGNATURE_BYTES,
};
use super::numbers::{split_amount, write_amounts, write_numbers};
use super::template::{Input, Target, Template, Word, word_address};
use super::wire::Columns;
use crate::error::BatchError;
use alloy_consensus::TxEnvelope;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, TxKind, U256};
use std::hash::Hash;

/// A call target used less often than this travels in the account book, not in a template.
const MIN_FIXED_TARGET: u32 = 4;

/// Encodes blocks on top of `parent_hash`. The same blocks always give the same bytes.
///
/// # Errors
/// If there is no block, a cap is passed, or a transaction is of a type that batches do not carry.
pub fn encode(parent_hash: B256, blocks: &[BatchBlock]) -> Result<Vec<u8>, BatchError> {
    check_count("blocks", blocks.len(), MAX_BLOCKS)?;
    if blocks.is_empty() {
        return Err(BatchError::NotCanonical { what: "blocks", why: "a payload has at least one" });
    }
    let transactions: Vec<&TxEnvelope> = blocks.iter().flat_map(|block| &block.transactions).collect();
    check_count("transactions", transactions.len(), MAX_TRANSACTIONS)?;
    let fields = transactions.iter().map(|tx| Fields::of(tx)).collect::<Result<Vec<_>, _>>()?;
    let own_chain = |tx: &Fields<'_>| tx.chain_id.filter(|id| tx.is_columnar(*id));
    let chain_id = fields.iter().find_map(own_chain).unwrap_or(0);

    let mut out = Columns::default();
    write_blocks(&mut out, chain_id, blocks);
    write_sponsors(&mut out, blocks)?;
    let grouped = Grouped::new(&fields, chain_id);
    grouped.write(&mut out, &fields, &transactions)?;

    let frame = frame::compress(&out)?;
    let columnar = fields.iter().zip(&grouped.index).filter(|(_, template)| **template != 0);
    let size = PREFIX_BYTES + frame.len() + SIGNATURE_BYTES * columnar.clone().count();
    if size > MAX_PAYLOAD_BYTES {
        return Err(BatchError::TooLarge { what: "payload", size, max: MAX_PAYLOAD_BYTES });
    }
    let mut payload = Vec::with_capacity(size);
    payload.push(PAYLOAD_FORMAT);
    payload.extend_from_slice(parent_hash.as_slice());
    payload.extend_from_slice(&(out.bytes.len() as u32).to_be_bytes());
    payload.extend_from_slice(&(frame.len() as u32).to_be_bytes());
    payload.extend_from_slice(&frame);
    for (tx, _) in columnar {
        payload.extend_from_slice(&tx.signature.r().to_be_bytes::<32>());
        payload.extend_from_slice(&tx.signature.s().to_be_bytes::<32>());
    }
    Ok(payload)
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), BatchError> {
    if count > max {
        return Err(BatchError::TooMany { what, count: count as u128, max });
    }
    Ok(())
}

fn write_blocks(out: &mut Columns, chain_id: u64, blocks: &[BatchBlock]) {
    let column = |value: fn(&BatchBlock) -> u64| blocks.iter().map(|block| value(block).into()).collect::<Vec<u128>>();
    out.uvarint(chain_id);
    out.uvarint(blocks.len() as u64);
    write_numbers(out, &column(|block| block.origin));
    write_numbers(out, &column(|block| block.timestamp));
    write_numbers(out, &column(|block| block.queue_items.into()));
    write_numbers(out, &column(|block| block.transactions.len() as u64));
}

fn write_sponsors(out: &mut Columns, blocks: &[BatchBlock]) -> Result<(), BatchError> {
    let mut table = FirstUse::default();
    let mut column: Vec<u128> = Vec::new();
    for block in blocks {
        if !block.sponsors.is_empty() && block.sponsors.len() != block.transactions.len() {
            return Err(BatchError::NotCanonical { what: "sponsors", why: "not one for each transaction" });
        }
        let sponsor = |row: usize| block.sponsors.get(row).copied().unwrap_or_default();
        column.extend((0..block.transactions.len()).map(|row| match sponsor(row) {
            B256::ZERO => 0,
            policy => table.position(policy) + 1,
        }));
    }
    check_count("sponsors", table.order.len(), MAX_SPONSORS)?;
    out.uvarint(table.order.len() as u64);
    if !table.order.is_empty() {
        table.order.iter().for_each(|policy| out.raw(policy.as_slice()));
        write_numbers(out, &column);
    }
    Ok(())
}

/// Values numbered in the order of their first use.
struct FirstUse<T> {
    positions: HashMap<T, u128>,
    order: Vec<T>,
}

impl<T> Default for FirstUse<T> {
    fn default() -> Self {
        Self { positions: HashMap::default(), order: Vec::new() }
    }
}

impl<T: Hash + Eq + Copy> FirstUse<T> {
    fn position(&mut self, value: T) -> u128 {
        let next = self.order.len() as u128;
        let position = *self.positions.entry(value).or_insert(next);
        if position == next {
            self.order.push(value);
        }
        position
    }

    /// 0 for a value that is new here, else its position plus one.
    fn reference(&mut self, value: T) -> u128 {
        let known = self.order.len() as u128;
        let position = self.position(value);
        if position == known { 0 } else { position + 1 }
    }
}

/// What decides which transactions share a template.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    ty: u8,
    target: Target,
    has_access_list: bool,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    Empty,
    Abi([u8; 4], usize),
    Bytes,
}

impl Key {
    fn of(tx: &Fields<'_>) -> Self {
        let form = match tx.input.split_first_chunk::<4>() {
            None if tx.input.is_empty() => Form::Empty,
            Some((selector, words)) if tx.to.is_call() && words.len() % 32 == 0 && words.len() <= 32 * MAX_WORDS => {
                Form::Abi(*selector, words.len() / 32)
            }
            _ => Form::Bytes,
        };
        let target = match tx.to {
            TxKind::Create => Target::Create,
            TxKind::Call(_) if form == Form::Empty => Target::Column,
            TxKind::Call(to) => Target::Fixed(to),
        };
        Self { ty: tx.ty, target, has_access_list: tx.access_list.is_some(), form }
    }
}

/// Transactions sorted into templates.
struct Grouped {
    keys: Vec<Key>,
    /// Rows of each template, in payload order.
    rows: Vec<Vec<usize>>,
    /// Template of each transaction plus one; 0 for a verbatim one.
    index: Vec<u128>,
}

impl Grouped {
    fn new(fields: &[Fields<'_>], chain_id: u64) -> Self {
        let columnar = fields.iter().map(|tx| tx.is_columnar(chain_id).then(|| Key::of(tx)));
        let wanted: Vec<Option<Key>> = columnar.collect();
        let mut uses: HashMap<Key, u32> = HashMap::default();
        wanted.iter().flatten().for_each(|key| *uses.entry(*key).or_default() += 1);
        let mut table = FirstUse::default();
        let mut rows: Vec<Vec<usize>> = Vec::new();
        let assign = |(row, key): (usize, &Option<Key>)| {
            let Some(mut key) = *key else { return 0 };
            if matches!(key.target, Target::Fixed(_)) && uses[&key] < MIN_FIXED_TARGET {
                key.target = Target::Column;
            }
            let position = table.position(key);
            rows.resize(table.order.len(), Vec::new());
            rows[position as usize].push(row);
            position + 1
        };
        let index = wanted.iter().enumerate().map(assign).collect();
        Self { keys: table.order, rows, index }
    }

    fn write(&self, out: &mut Columns, fields: &[Fields<'_>], raw: &[&TxEnvelope]) -> Result<(), BatchError> {
        check_count("templates", self.keys.len(), MAX_TEMPLATES)?;
        let members = |rows: &[usize]| rows.iter().map(|row| &fields[*row]).collect::<Vec<_>>();
        out.uvarint(self.keys.len() as u64);
        let (mut groups, mut book) = (Columns::default(), FirstUse::default());
        for (key, rows) in self.keys.iter().zip(&self.rows) {
            let group = members(rows);
            let template = template(key, &group);
            template.write(out);
            write_group(&mut groups, &mut book, &template, &group);
        }
        write_numbers(out, &self.index);
        check_count("addresses", book.order.len(), MAX_BOOK)?;
        out.uvarint(book.order.len() as u64);
        out.stretch(&book.order.concat());
        out.append(&groups);
        write_verbatim(out, self.index.iter().zip(raw).filter(|(index, _)| **index == 0).map(|(_, tx)| *tx))?;
        write_parities(
            out,
            self.index.iter().zip(fields).filter(|(index, _)| **index != 0).map(|(_, tx)| tx.signature.v()),
        );
        Ok(())
    }
}

fn template(key: &Key, group: &[&Fields<'_>]) -> Template {
    let input = match key.form {
        Form::Empty => Input::Empty,
        Form::Bytes => Input::Bytes,
        Form::Abi(selector, words) => {
            Input::Abi { selector, words: (0..words).map(|word| classify(group, word)).collect() }
        }
    };
    Template {
        ty: key.ty,
        target: key.target,
        has_value: group.iter().any(|tx| !tx.value.is_zero()),
        has_access_list: key.has_access_list,
        input,
    }
}

fn word_of<'a>(tx: &Fields<'a>, word: usize) -> &'a [u8; 32] {
    tx.input[4 + 32 * word..].first_chunk().expect("the group's key fixes the number of words")
}

fn classify(group: &[&Fields<'_>], word: usize) -> Word {
    let first = word_of(group[0], word);
    if group.len() > 1 && group.iter().all(|tx| word_of(tx, word) == first) {
        return Word::Fixed(first.into());
    }
    if group.iter().all(|tx| word_address(word_of(tx, word)).is_some()) {
        return Word::Account;
    }
    if group.iter().all(|tx| split_amount(U256::from_be_bytes(*word_of(tx, word))).is_some()) {
        return Word::Amount;
    }
    Word::Raw
}

fn write_group(out: &mut Columns, book: &mut FirstUse<Address>, template: &Template, group: &[&Fields<'_>]) {
    let column = |value: fn(&Fields<'_>) -> u128| group.iter().map(|tx| value(tx)).collect::<Vec<u128>>();
    write_numbers(out, &column(|tx| tx.nonce.into()));
    write_numbers(out, &column(|tx| tx.gas_limit.into()));
    write_numbers(out, &column(|tx| tx.fee));
    if template.ty >= 2 {
        write_numbers(out, &column(|tx| tx.tip));
    }
    if template.target == Target::Column {
        let targets = group.iter().filter_map(|tx| tx.to.to()).map(|to| book.reference(*to));
        write_numbers(out, &targets.collect::<Vec<_>>());
    }
    if template.has_value {
        write_amounts(out, &group.iter().filter_map(|tx| split_amount(tx.value)).collect::<Vec<_>>());
    }
    match &template.input {
        Input::Empty => {}
        Input::Bytes => write_items(out, &group.iter().map(|tx| tx.input).collect::<Vec<_>>()),
        Input::Abi { words, .. } => {
            words.iter().enumerate().for_each(|(at, word)| write_words(out, book, group, at, word));
        }
    }
    if template.has_access_list {
        let lists = group.iter().filter_map(|tx| tx.access_list).map(alloy_rlp::encode);
        write_items(out, &lists.collect::<Vec<_>>());
    }
    if template.ty == 4 {
        let lists = group.iter().map(|tx| {
            let mut rlp = Vec::new();
            alloy_rlp::encode_list(tx.authorizations, &mut rlp);
            rlp
        });
        write_items(out, &lists.collect::<Vec<_>>());
    }
}

fn write_words(out: &mut Columns, book: &mut FirstUse<Address>, group: &[&Fields<'_>], at: usize, word: &Word) {
    let words = group.iter().map(|tx| word_of(tx, at));
    match word {
        Word::Fixed(_) => {}
        Word::Account => {
            let references = words.filter_map(word_address).map(|address| book.reference(address));
            write_numbers(out, &references.collect::<Vec<_>>());
        }
        Word::Amount => {
            write_amounts(out, &words.filter_map(|word| split_amount(U256::from_be_bytes(*word))).collect::<Vec<_>>());
        }
        Word::Raw => out.stretch(&words.copied().collect::<Vec<_>>().concat()),
    }
}

/// Lengths, then the bytes of all items.
fn write_items<T: AsRef<[u8]>>(out: &mut Columns, items: &[T]) {
    write_numbers(out, &items.iter().map(|item| item.as_ref().len() as u128).collect::<Vec<_>>());
    out.stretch(&items.iter().map(AsRef::as_ref).collect::<Vec<_>>().concat());
}

fn write_verbatim<'a>(out: &mut Columns, transactions: impl Iterator<Item = &'a TxEnvelope>) -> Result<(), BatchError> {
    let raw: Vec<Vec<u8>> = transactions.map(Encodable2718::encoded_2718).collect();
    if let Some(size) = raw.iter().map(Vec::len).find(|len| *len > MAX_ITEM_BYTES) {
        return Err(BatchError::TooLarge { what: "transaction", size, max: MAX_ITEM_BYTES });
    }
    write_items(out, &raw);
    Ok(())
}

fn write_parities(out: &mut Columns, parities: impl Iterator<Item = bool>) {
    let parities: Vec<bool> = parities.collect();
    let pack = |bits: &[bool]| bits.iter().enumerate().fold(0_u8, |byte, (at, bit)| byte | u8::from(*bit) << at);
    out.stretch(&parities.chunks(8).map(pack).collect::<Vec<_>>());
}
