//! Strict reading of positional parameters.
//!
//! Quantities are hexadecimal without leading zeros, data has its `0x` and an
//! even number of digits, and superfluous parameters are an error: what a
//! wallet got wrong it learns here, with the place and the value.

use alloy_eips::{BlockId, BlockNumberOrTag, RpcBlockHash};
use alloy_primitives::{B256, U256, hex};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::errors::{RpcError, echo};

/// More parameters than any method takes.
const MAX_PARAMS: usize = 16;

/// The parameters of one call, taken from first to last.
#[derive(Debug)]
pub struct Params<'a> {
    items: Vec<&'a RawValue>,
    next: usize,
}

impl<'a> Params<'a> {
    /// Reads the array; absent and `null` are no parameters.
    pub fn read(raw: Option<&'a RawValue>) -> Result<Self, RpcError> {
        let items = match raw.map(RawValue::get) {
            None | Some("null") => Vec::new(),
            Some(text) if text.starts_with('[') => {
                serde_json::from_str::<Vec<&'a RawValue>>(text).map_err(RpcError::parse)?
            }
            Some(_) => return Err(RpcError::params("params must be an array")),
        };
        if items.len() > MAX_PARAMS {
            return Err(too_many(MAX_PARAMS));
        }
        Ok(Self { items, next: 0 })
    }

    /// The next parameter; `None` if it is absent or `null`.
    fn take(&mut self) -> (usize, Option<&'a str>) {
        let index = self.next;
        self.next += 1;
        let text = self.items.get(index).map(|raw| raw.get()).filter(|text| *text != "null");
        (index, text)
    }

    /// The next parameter, which must be there.
    pub fn required<T: Param>(&mut self, name: &str) -> Result<T, RpcError> {
        let (index, text) = self.take();
        let text = text.ok_or_else(|| RpcError::missing(index, name))?;
        T::from_json(text).map_err(|why| wrong(index, name, text, &why))
    }

    /// The next parameter, which may be absent or `null`.
    pub fn optional<T: Param>(&mut self, name: &str) -> Result<Option<T>, RpcError> {
        let (index, text) = self.take();
        text.map(|text| T::from_json(text).map_err(|why| wrong(index, name, text, &why))).transpose()
    }

    /// The next parameter's own JSON text.
    pub fn raw(&mut self, name: &str) -> Result<&'a str, RpcError> {
        let (index, text) = self.take();
        text.ok_or_else(|| RpcError::missing(index, name))
    }

    /// The block that parameter `index` names, wherever reading stands; `None` if it is absent or names none.
    pub(crate) fn block_at(&self, index: usize) -> Option<BlockId> {
        BlockId::from_json(self.items.get(index)?.get()).ok()
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), RpcError> {
        if self.items.len() > self.next { Err(too_many(self.next)) } else { Ok(()) }
    }
}

fn too_many(most: usize) -> RpcError {
    RpcError::params(format!("too many arguments, want at most {most}"))
}

fn wrong(index: usize, name: &str, text: &str, why: &str) -> RpcError {
    RpcError::argument(index, format_args!("{name} {}: {why}", echo(text)))
}

/// A type that is read strictly from one parameter's JSON text.
pub trait Param: Sized {
    /// Reads it, or says what is wrong.
    fn from_json(text: &str) -> Result<Self, String>;
}

/// An object whose `Deserialize` is strict enough. That would take an array of its members, too.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> Param for Json<T> {
    fn from_json(text: &str) -> Result<Self, String> {
        if !text.starts_with('{') {
            return Err("not an object".to_owned());
        }
        serde_json::from_str(text).map(Json).map_err(|error| error.to_string())
    }
}

/// An array whose items' `Deserialize` is strict enough.
#[derive(Debug)]
pub struct List<T>(pub T);

impl<T: DeserializeOwned> Param for List<T> {
    fn from_json(text: &str) -> Result<Self, String> {
        if !text.starts_with('[') {
            return Err("not an array".to_owned());
        }
        serde_json::from_str(text).map(List).map_err(|error| error.to_string())
    }
}

impl Param for bool {
    fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|_| "not a boolean".to_owned())
    }
}

impl Param for String {
    fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|_| "not a string".to_owned())
    }
}

/// The text between the quotes; hexadecimal never needs an escape.
fn unquote(text: &str) -> Result<&str, String> {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(|| "not a string".to_owned())
}

fn digits(text: &str) -> Result<&str, String> {
    let inner = unquote(text)?;
    inner.strip_prefix("0x").ok_or_else(|| "hex string without 0x prefix".to_owned())
}

/// Bytes as `0x…` with an even number of digits.
impl Param for alloy_primitives::Bytes {
    fn from_json(text: &str) -> Result<Self, String> {
        hex::decode(digits(text)?).map(Into::into).map_err(|error| error.to_string())
    }
}

impl<const N: usize> Param for alloy_primitives::FixedBytes<N> {
    fn from_json(text: &str) -> Result<Self, String> {
        let digits = digits(text)?;
        if digits.len() != 2 * N {
            return Err(format!("want {N} bytes, got {} hex digits", digits.len()));
        }
        let mut bytes = [0; N];
        hex::decode_to_slice(digits, &mut bytes).map_err(|error| error.to_string())?;
        Ok(Self(bytes))
    }
}

impl Param for alloy_primitives::Address {
    fn from_json(text: &str) -> Result<Self, String> {
        alloy_primitives::FixedBytes::<20>::from_json(text).map(Self)
    }
}

impl Param for U256 {
    fn from_json(text: &str) -> Result<Self, String> {
        let digits = quantity_digits(text)?;
        Self::from_str_radix(digits, 16).map_err(|_| "does not fit into 256 bits".to_owned())
    }
}

impl Param for u64 {
    fn from_json(text: &str) -> Result<Self, String> {
        let digits = quantity_digits(text)?;
        Self::from_str_radix(digits, 16).map_err(|_| "does not fit into 64 bits".to_owned())
    }
}

/// A hex quantity or a plain JSON number: EIP-7966 timeouts and fee history
/// counts come as both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub u64);

impl Param for Number {
    fn from_json(text: &str) -> Result<Self, String> {
        if text.starts_with('"') {
            return u64::from_json(text).map(Self);
        }
        text.parse().map(Self).map_err(|_| "not a whole number".to_owned())
    }
}

fn quantity_digits(text: &str) -> Result<&str, String> {
    let digits = digits(text)?;
    match digits.as_bytes() {
        [] => Err("empty hex string".to_owned()),
        [b'0', _, ..] => Err("hex number with leading zero digits".to_owned()),
        all if all.iter().all(u8::is_ascii_hexdigit) => Ok(digits),
        _ => Err("invalid hex string".to_owned()),
    }
}

/// A storage slot: 32 bytes, or a quantity as older clients send it.
#[derive(Debug, Clone, Copy)]
pub struct Slot(pub U256);

impl Param for Slot {
    fn from_json(text: &str) -> Result<Self, String> {
        let digits = digits(text)?;
        if digits.is_empty() || digits.len() > 64 {
            return Err(format!("want at most 32 bytes, got {} hex digits", digits.len()));
        }
        let value = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = value.then(|| U256::from_str_radix(digits, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| "invalid hex string".to_owned())
    }
}

/// A number, a tag, a bare 32-byte hash, or EIP-1898's object.
impl Param for BlockId {
    fn from_json(text: &str) -> Result<Self, String> {
        if text.starts_with('{') {
            return block_object(text);
        }
        if text.len() == 2 + 2 + 64 {
            return B256::from_json(text).map(Self::from);
        }
        BlockNumberOrTag::from_json(text).map(Self::Number)
    }
}

impl Param for BlockNumberOrTag {
    fn from_json(text: &str) -> Result<Self, String> {
        Ok(match unquote(text)? {
            "latest" => Self::Latest,
            "pending" => Self::Pending,
            "safe" => Self::Safe,
            "finalized" => Self::Finalized,
            "earliest" => Self::Earliest,
            inner if inner.starts_with("0x") => Self::Number(u64::from_json(text)?),
            _ => return Err("not a block number or tag".to_owned()),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BlockObject<'a> {
    #[serde(borrow)]
    block_number: Option<&'a RawValue>,
    #[serde(borrow)]
    block_hash: Option<&'a RawValue>,
    require_canonical: Option<bool>,
}

fn block_object(text: &str) -> Result<BlockId, String> {
    let object: BlockObject<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match (object.block_number, object.block_hash) {
        (Some(number), None) => BlockNumberOrTag::from_json(number.get()).map(BlockId::Number),
        (None, Some(hash)) => Ok(BlockId::Hash(RpcBlockHash {
            block_hash: B256::from_json(hash.get())?,
            require_canonical: object.require_canonical,
        })),
        _ => Err("want one of blockNumber and blockHash".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use alloy_primitives::{Address, Bytes};

    #[test]
    fn takes_parameters_in_order_and_refuses_more() {
        let raw: Box<RawValue> = serde_json::from_str(r#"["0x10", null, true]"#).unwrap();
        let mut params = Params::read(Some(&raw)).unwrap();
        assert_eq!(params.required::<u64>("n").unwrap(), 16);
        assert_eq!(params.optional::<u64>("m").unwrap(), None);
        let error = params.end().unwrap_err();
        assert_eq!((error.code, &*error.message), (-32602, "too many arguments, want at most 2"));
        assert!(params.required::<bool>("full").unwrap());
        params.end().unwrap();
        let error = params.required::<bool>("other").unwrap_err();
        assert_eq!(error.message, "missing value for required argument 3: other");
    }

    #[test]
    fn quantities_are_canonical() {
        assert_eq!(u64::from_json("\"0x0\""), Ok(0));
        assert_eq!(u64::from_json("\"0xff\""), Ok(255));
        for bad in ["1", "\"1\"", "\"0x\"", "\"0x01\"", "\"0xg\"", "\"0x+1\"", "\"0x10000000000000000\""] {
            assert!(u64::from_json(bad).is_err(), "{bad}");
        }
        assert_eq!(Number::from_json("2000"), Ok(Number(2000)));
        assert_eq!(Number::from_json("\"0x7d0\""), Ok(Number(2000)));
        assert!(Number::from_json("-1").is_err() && Number::from_json("1.5").is_err());
        assert!(U256::from_json(&format!("\"0x1{}\"", "0".repeat(64))).is_err());
    }

    #[test]
    fn data_is_exact() {
        assert!(Address::from_json("\"0x4d61796600000000000000000000000000000001\"").is_ok());
        assert!(Address::from_json("\"4d61796600000000000000000000000000000001\"").is_err());
        assert!(Address::from_json("\"0x4d617966\"").is_err());
        assert!(Bytes::from_json("\"0x123\"").is_err());
        assert!(Bytes::from_json("\"0x12\\u0033\"").is_err());
        assert_eq!(Bytes::from_json("\"0x\""), Ok(Bytes::new()));
    }

    #[test]
    fn blocks_by_tag_number_hash_and_object() {
        let hash = format!("\"0x{}\"", "ab".repeat(32));
        assert_eq!(BlockId::from_json("\"safe\""), Ok(BlockId::safe()));
        assert_eq!(BlockId::from_json("\"0x5\""), Ok(BlockId::number(5)));
        assert!(matches!(BlockId::from_json(&hash), Ok(BlockId::Hash(_))));
        let object = format!(r#"{{"blockHash":{hash},"requireCanonical":true}}"#);
        assert!(matches!(BlockId::from_json(&object), Ok(BlockId::Hash(_))));
        assert_eq!(BlockId::from_json(r#"{"blockNumber":"0x5"}"#), Ok(BlockId::number(5)));
        for bad in ["5", "\"newest\"", "{}", r#"{"blockNumber":"0x5","x":1}"#] {
            assert!(BlockId::from_json(bad).is_err(), "{bad}");
        }
    }
}
