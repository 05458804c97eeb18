//! Payload decoding: strict, bounded, and without touching a key. What decodes is exactly what
//! was encoded; whether it may be executed is derivation's business.

use super::block::{BatchBlock, Payload};
use super::fields::{Fields, check_signature};
use super::frame;
use super::limits::{
    MAX_BLOCKS, MAX_BOOK, MAX_EXPANDED_BYTES, MAX_ITEM_BYTES, MAX_PAYLOAD_BYTES, MAX_SPONSORS, MAX_TEMPLATES,
    MAX_TRANSACTIONS, PAYLOAD_FORMAT, SIGNATURE_BYTES,
};
use super::numbers::{read_lengths, read_u64s};
use super::rows::{Book, GroupRows, read_items};
use super::template::Template;
use super::wire::Reader;
use crate::error::BatchError;
use alloy_consensus::TxEnvelope;
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::map::HashSet;
use alloy_primitives::{B256, Signature, U256};

/// Decodes a payload.
///
/// # Errors
/// On any byte that `docs/protocol/batch.md` does not allow.
pub fn decode(payload: &[u8]) -> Result<Payload, BatchError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(BatchError::TooLarge { what: "payload", size: payload.len(), max: MAX_PAYLOAD_BYTES });
    }
    let mut prefix = Reader::new(payload);
    let parent_hash = read_parent(&mut prefix)?;
    let columns_len = u32::from_be_bytes(prefix.array("columns length")?) as usize;
    let frame_len = u32::from_be_bytes(prefix.array("frame length")?) as usize;
    let columns = frame::decompress(prefix.take(frame_len, "frame")?, columns_len)?;

    let mut reader = Reader::new(&columns);
    let chain_id = reader.u64("chain id")?;
    let (mut blocks, count) = read_blocks(&mut reader)?;
    let sponsors = read_sponsors(&mut reader, count)?;
    let templates = read_templates(&mut reader)?;
    let index = read_index(&mut reader, count, templates.len())?;
    let columnar = index.iter().filter(|template| **template != 0).count();
    if (chain_id == 0) != (columnar == 0) {
        return Err(BatchError::NotCanonical {
            what: "chain id",
            why: "0 if and only if no transaction is in columns",
        });
    }
    let mut groups = read_groups(&mut reader, &templates, &index)?;
    let mut verbatim = read_verbatim(&mut reader, count - columnar, chain_id)?.into_iter();
    let parities = read_parities(&mut reader, columnar)?;
    reader.finish("columns")?;

    let mut signatures = parities.iter().map(|parity| read_signature(&mut prefix, *parity));
    let mut transactions = index.iter().map(|template| match template.checked_sub(1) {
        None => verbatim.next().ok_or(BatchError::Truncated { what: "verbatim", need: 1, have: 0 }),
        Some(template) => {
            let signature =
                signatures.next().unwrap_or(Err(BatchError::Truncated { what: "parities", need: 1, have: 0 }))?;
            groups[template].next(chain_id, signature)
        }
    });
    let mut row = 0;
    for (block, count) in &mut blocks {
        block.transactions = transactions.by_ref().take(*count).collect::<Result<_, _>>()?;
        if let Some(sponsors) = &sponsors {
            block.sponsors = sponsors[row..row + *count].to_vec();
        }
        row += *count;
    }
    drop(transactions);
    drop(signatures);
    prefix.finish("payload")?;
    Ok(Payload { parent_hash, blocks: blocks.into_iter().map(|(block, _)| block).collect() })
}

/// The block that a payload says it builds on. The rest of it is not looked at.
///
/// # Errors
/// If it is of another format, or cut off before.
pub fn parent_of(payload: &[u8]) -> Result<B256, BatchError> {
    read_parent(&mut Reader::new(payload))
}

fn read_parent(prefix: &mut Reader<'_>) -> Result<B256, BatchError> {
    match prefix.u8("format")? {
        PAYLOAD_FORMAT => Ok(B256::from(prefix.array("parent hash")?)),
        format => Err(BatchError::Format(format)),
    }
}

/// The block table, with each block's number of transactions, and their sum.
fn read_blocks(reader: &mut Reader<'_>) -> Result<(Vec<(BatchBlock, usize)>, usize), BatchError> {
    let count = reader.count("blocks", MAX_BLOCKS)?;
    if count == 0 {
        return Err(BatchError::NotCanonical { what: "blocks", why: "a payload has at least one" });
    }
    let origins = read_u64s(reader, count, "origins")?;
    let timestamps = read_u64s(reader, count, "timestamps")?;
    let queue_items = read_lengths(reader, count, u32::MAX as usize, "queue items")?;
    let lengths = read_lengths(reader, count, MAX_TRANSACTIONS, "transactions of a block")?;
    let total: usize = lengths.iter().sum();
    if total > MAX_TRANSACTIONS {
        return Err(BatchError::TooMany { what: "transactions", count: total as u128, max: MAX_TRANSACTIONS });
    }
    let block = |row: usize| BatchBlock {
        origin: origins[row],
        timestamp: timestamps[row],
        queue_items: queue_items[row] as u32,
        transactions: Vec::new(),
        sponsors: Vec::new(),
    };
    Ok(((0..count).map(|row| (block(row), lengths[row])).collect(), total))
}

fn read_sponsors(reader: &mut Reader<'_>, count: usize) -> Result<Option<Vec<B256>>, BatchError> {
    let what = "sponsors";
    let policies = reader.count(what, MAX_SPONSORS)?;
    if policies == 0 {
        return Ok(None);
    }
    let table = (0..policies).map(|_| reader.array(what).map(B256::from)).collect::<Result<Vec<_>, _>>()?;
    if table.contains(&B256::ZERO) || table.iter().collect::<HashSet<_>>().len() != policies {
        return Err(BatchError::NotCanonical { what, why: "a policy is 0 or listed twice" });
    }
    let index = read_lengths(reader, count, policies, what)?;
    check_first_use(&index, policies, what)?;
    Ok(Some(index.iter().map(|policy| policy.checked_sub(1).map_or(B256::ZERO, |at| table[at])).collect()))
}

fn read_templates(reader: &mut Reader<'_>) -> Result<Vec<Template>, BatchError> {
    let count = reader.count("templates", MAX_TEMPLATES)?;
    let mut templates = Vec::new();
    for _ in 0..count {
        templates.push(Template::read(reader)?);
    }
    if templates.iter().collect::<HashSet<_>>().len() != count {
        return Err(BatchError::NotCanonical { what: "templates", why: "listed twice" });
    }
    Ok(templates)
}

fn read_index(reader: &mut Reader<'_>, count: usize, templates: usize) -> Result<Vec<usize>, BatchError> {
    let index = read_lengths(reader, count, templates, "template index")?;
    check_first_use(&index, templates, "template index")?;
    Ok(index)
}

/// Table entries (numbered from 1) must be used, for the first time in table order.
fn check_first_use(index: &[usize], entries: usize, what: &'static str) -> Result<(), BatchError> {
    let used = index.iter().try_fold(0, |used, at| match *at {
        at if at == used + 1 => Some(at),
        at if at <= used => Some(used),
        _ => None,
    });
    if used != Some(entries) {
        return Err(BatchError::NotCanonical { what, why: "table not in order of first use" });
    }
    Ok(())
}

fn read_groups(reader: &mut Reader<'_>, templates: &[Template], index: &[usize]) -> Result<Vec<GroupRows>, BatchError> {
    let mut rows = vec![0; templates.len()];
    index.iter().filter_map(|template| template.checked_sub(1)).for_each(|template| rows[template] += 1);
    let expanded: usize = templates.iter().zip(&rows).map(|(template, rows)| template.abi_len() * rows).sum();
    if expanded > MAX_EXPANDED_BYTES {
        return Err(BatchError::TooLarge { what: "call data", size: expanded, max: MAX_EXPANDED_BYTES });
    }
    let addresses = reader.count("addresses", MAX_BOOK)?;
    let mut book = Book::read(reader, addresses)?;
    let mut groups = Vec::with_capacity(templates.len());
    for (template, rows) in templates.iter().zip(rows) {
        groups.push(GroupRows::read(reader, &mut book, template, rows)?);
    }
    book.finish()?;
    Ok(groups)
}

fn read_verbatim(reader: &mut Reader<'_>, count: usize, chain_id: u64) -> Result<Vec<TxEnvelope>, BatchError> {
    let what = "verbatim";
    let items = read_items(reader, count, MAX_ITEM_BYTES, what)?;
    let decode = |raw: &[u8]| {
        let tx = TxEnvelope::decode_2718_exact(raw).map_err(|error| BatchError::Transaction(error.to_string()))?;
        if tx.encoded_2718() != raw {
            return Err(BatchError::NotCanonical { what, why: "not in canonical RLP" });
        }
        let fields = Fields::of(&tx)?;
        let batch_chain = if chain_id == 0 { fields.chain_id.unwrap_or(0) } else { chain_id };
        if fields.is_columnar(batch_chain) {
            return Err(BatchError::NotCanonical { what, why: "fits the columns" });
        }
        Ok(tx)
    };
    items.into_iter().map(decode).collect()
}

fn read_parities(reader: &mut Reader<'_>, count: usize) -> Result<Vec<bool>, BatchError> {
    let bytes = reader.take(count.div_ceil(8), "parities")?;
    let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1 == 1;
    if (count..8 * bytes.len()).any(bit) {
        return Err(BatchError::NotCanonical { what: "parities", why: "padding is not 0" });
    }
    Ok((0..count).map(bit).collect())
}

fn read_signature(reader: &mut Reader<'_>, parity: bool) -> Result<Signature, BatchError> {
    let bytes: [u8; SIGNATURE_BYTES] = reader.array("signatures")?;
    let (r, s) = bytes.split_at(32);
    let signature = Signature::new(U256::from_be_slice(r), U256::from_be_slice(s), parity);
    check_signature(&signature)?;
    Ok(signature)
}
