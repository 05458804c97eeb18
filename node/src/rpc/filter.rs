//! Log filters as clients write them.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::B256;
use mayfly_evm::SealedBlock;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::errors::RpcError;
use super::limits::RpcLimits;
use super::params::Param;
use super::shapes::LogShape;

/// A log has at most four topics.
const MAX_TOPICS: usize = 4;

/// Which logs: addresses are alternatives, topics are alternatives per position;
/// empty means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogFilter {
    /// First block; absent: the latest.
    pub(crate) from: Option<BlockNumberOrTag>,
    /// Last block; absent: the latest.
    pub(crate) to: Option<BlockNumberOrTag>,
    /// Only this block (EIP-234); excludes the two above.
    pub(crate) block_hash: Option<B256>,
    /// Addresses and topics.
    pub(crate) values: mayfly_evm::LogFilter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    from_block: Option<&'a RawValue>,
    #[serde(borrow)]
    to_block: Option<&'a RawValue>,
    #[serde(borrow)]
    block_hash: Option<&'a RawValue>,
    #[serde(borrow)]
    address: Option<&'a RawValue>,
    #[serde(borrow)]
    topics: Option<Vec<&'a RawValue>>,
}

impl Param for LogFilter {
    fn from_json(text: &str) -> Result<Self, String> {
        if !text.starts_with('{') {
            return Err("not an object".to_owned());
        }
        let wire: Wire<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut filter = Self {
            from: optional(wire.from_block).map_err(|why| format!("fromBlock: {why}"))?,
            to: optional(wire.to_block).map_err(|why| format!("toBlock: {why}"))?,
            block_hash: optional(wire.block_hash).map_err(|why| format!("blockHash: {why}"))?,
            values: mayfly_evm::LogFilter::default(),
        };
        filter.values.addresses = alternatives(wire.address).map_err(|why| format!("address: {why}"))?;
        let topics = wire.topics.unwrap_or_default();
        if topics.len() > MAX_TOPICS {
            return Err(format!("{} topics, at most {MAX_TOPICS}", topics.len()));
        }
        for (slot, raw) in filter.values.topics.iter_mut().zip(topics) {
            *slot = alternatives(Some(raw)).map_err(|why| format!("topics: {why}"))?;
        }
        if filter.block_hash.is_some() && (filter.from.is_some() || filter.to.is_some()) {
            return Err("cannot specify both blockHash and fromBlock/toBlock".to_owned());
        }
        Ok(filter)
    }
}

fn optional<T: Param>(raw: Option<&RawValue>) -> Result<Option<T>, String> {
    raw.map(RawValue::get).filter(|text| *text != "null").map(T::from_json).transpose()
}

/// `null`, one value, or an array of values; a `null` among them means any.
fn alternatives<T: Param>(raw: Option<&RawValue>) -> Result<Vec<T>, String> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(Vec::new()),
        Some(text) if text.starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
            if items.iter().any(|item| item.get() == "null") {
                return Ok(Vec::new());
            }
            items.into_iter().map(|item| T::from_json(item.get())).collect()
        }
        Some(text) => T::from_json(text).map(|value| vec![value]),
    }
}

impl LogFilter {
    /// Refuses filters with more values than the node compares.
    pub(crate) fn check(&self, limits: &RpcLimits) -> Result<(), RpcError> {
        let most = limits.max_filter_values;
        let topics = self.values.topics.iter().map(Vec::len);
        let widest = topics.max().unwrap_or(0).max(self.values.addresses.len());
        if widest > most {
            return Err(RpcError::limit(format!("{widest} alternatives in a filter, at most {most}")));
        }
        Ok(())
    }

    /// The logs of a block that are wanted, as JSON.
    pub(crate) fn shapes<'a>(&'a self, block: &'a SealedBlock, removed: bool) -> impl Iterator<Item = LogShape> + 'a {
        self.values.pick(block).map(move |entry| LogShape::new(entry, removed))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::{Address, Bytes, Log};

    fn log(address: u8, topics: &[u8]) -> Log {
        let topics = topics.iter().map(|topic| B256::with_last_byte(*topic)).collect();
        Log::new_unchecked(Address::with_last_byte(address), topics, Bytes::new())
    }

    #[test]
    fn reads_what_clients_send_and_matches_by_position() {
        let a = Address::with_last_byte(1);
        let (t2, t3) = (B256::with_last_byte(2), B256::with_last_byte(3));
        let text = format!(r#"{{"fromBlock":"0x1","address":"{a:?}","topics":[null,["{t2}","{t3}"]]}}"#);
        let filter = LogFilter::from_json(&text).unwrap();
        assert_eq!(filter.from, Some(BlockNumberOrTag::Number(1)));
        assert!(filter.values.matches(&log(1, &[9, 2])) && filter.values.matches(&log(1, &[9, 3, 4])));
        assert!(
            !filter.values.matches(&log(1, &[9]))
                && !filter.values.matches(&log(1, &[2, 9]))
                && !filter.values.matches(&log(2, &[9, 2]))
        );
        let any = LogFilter::from_json(&format!(r#"{{"address":[],"topics":[[null,"{t2}"]]}}"#)).unwrap();
        assert!(any.values.matches(&log(7, &[])));
        assert_eq!(LogFilter::from_json("{}").unwrap(), LogFilter::default());
    }

    #[test]
    fn refuses_contradictions_and_too_much() {
        let hash = format!("{}", B256::ZERO);
        for bad in [
            format!(r#"{{"blockHash":"{hash}","toBlock":"0x1"}}"#),
            format!(r#"{{"topics":["{hash}","{hash}","{hash}","{hash}","{hash}"]}}"#),
            r#"{"address":"0x12"}"#.to_owned(),
            r#"{"fromBlock":5}"#.to_owned(),
            r#"{"topics":"0x12"}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert!(LogFilter::from_json(&bad).is_err(), "{bad}");
        }
        let limits = RpcLimits { max_filter_values: 1, ..RpcLimits::default() };
        let mut wide = LogFilter::default();
        wide.values.addresses = vec![Address::ZERO; 2];
        assert_eq!(wide.check(&limits).unwrap_err().code, -32005);
        LogFilter::default().check(&limits).unwrap();
    }
}
