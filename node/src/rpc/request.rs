//! Reading a JSON-RPC body without copying it: a single call or a batch.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::errors::RpcError;

/// Deepest nesting a body may have. The deepest public method (simulation with
/// state overrides) needs nine levels.
pub const MAX_JSON_DEPTH: usize = 32;
/// Longest `id` that is repeated in a response.
const MAX_ID_BYTES: usize = 256;
/// Longest method name that is looked up.
const MAX_METHOD_BYTES: usize = 64;

/// One call; borrows from the body.
#[derive(Debug)]
pub struct Call<'a> {
    /// A number, a string or `null`; `None` is a notification.
    pub id: Option<&'a RawValue>,
    /// The method's name.
    pub method: Cow<'a, str>,
    /// Unparsed parameters.
    pub params: Option<&'a RawValue>,
}

/// A call that could be read, or what to answer instead.
pub type Item<'a> = Result<Call<'a>, Refused<'a>>;

/// An entry that is not a request, with its id if that could be read.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The id to answer to; `None` answers to `null`.
    pub id: Option<&'a RawValue>,
    /// Why.
    pub error: RpcError,
}

/// A body.
#[derive(Debug)]
pub enum Request<'a> {
    /// One call.
    Single(Item<'a>),
    /// Several, answered as an array.
    Batch(Vec<Item<'a>>),
}

impl<'a> Request<'a> {
    /// Reads `body`. An error concerns the body as a whole and is answered with id `null`.
    pub fn parse(body: &'a [u8], max_batch_items: usize) -> Result<Self, RpcError> {
        let text = std::str::from_utf8(body).map_err(RpcError::parse)?;
        check_depth(text)?;
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(RpcError::parse("empty body"));
        }
        if !text.starts_with('[') {
            return Self::single(text);
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let entries = serde::Deserializer::deserialize_seq(&mut reader, Entries(max_batch_items))
            .and_then(|entries| reader.end().map(|()| entries))
            .map_err(RpcError::parse)?;
        if entries.total > max_batch_items {
            let total = entries.total;
            return Err(RpcError::invalid_request(format_args!(
                "batch too large: {total} calls, at most {max_batch_items}"
            )));
        }
        if entries.total == 0 {
            return Err(RpcError::invalid_request("empty batch"));
        }
        Ok(Self::Batch(entries.items.into_iter().map(|raw| read_call(raw.get())).collect()))
    }

    fn single(text: &'a str) -> Result<Self, RpcError> {
        let item = read_call(text);
        if item.is_err() {
            // Tell broken JSON from JSON that is not a request.
            serde_json::from_str::<IgnoredAny>(text).map_err(RpcError::parse)?;
        }
        Ok(Self::Single(item))
    }
}

/// The object as it stands on the wire. Unknown members are ignored, as everywhere else.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Only the id, for an answer to an entry that is otherwise wrong.
#[derive(Deserialize)]
struct IdOnly<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

/// `null` counts as present: a call with id `null` is answered, a notification is not.
fn present<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    <&'a RawValue>::deserialize(deserializer).map(Some)
}

fn read_call(text: &str) -> Item<'_> {
    let wire: Wire<'_> = match serde_json::from_str(text) {
        Ok(wire) => wire,
        Err(cause) => {
            let id = serde_json::from_str::<IdOnly<'_>>(text).ok().and_then(|only| only.id);
            let id = id.filter(|id| id_is_valid(id.get()));
            return Err(Refused { id, error: RpcError::invalid_request(cause) });
        }
    };
    let refuse = |id, why: &str| Err(Refused { id, error: RpcError::invalid_request(why) });
    if wire.id.is_some_and(|id| !id_is_valid(id.get())) {
        return refuse(None, "id must be a number, a string or null, of at most 256 bytes");
    }
    if wire.jsonrpc != "2.0" {
        return refuse(wire.id, "jsonrpc must be \"2.0\"");
    }
    if wire.method.is_empty() {
        return refuse(wire.id, "method is missing");
    }
    if wire.method.len() > MAX_METHOD_BYTES {
        return Err(Refused { id: wire.id, error: RpcError::method(&wire.method) });
    }
    Ok(Call { id: wire.id, method: wire.method, params: wire.params })
}

fn id_is_valid(id: &str) -> bool {
    let first = id.as_bytes().first().copied().unwrap_or(b'[');
    id.len() <= MAX_ID_BYTES && (matches!(first, b'"' | b'-' | b'0'..=b'9') || id == "null")
}

/// One pass over the bytes; strings are skipped, so braces in them do not count.
fn check_depth(text: &str) -> Result<(), RpcError> {
    let mut depth = 0usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    let why = format_args!("nested deeper than {MAX_JSON_DEPTH} levels");
                    return Err(RpcError::invalid_request(why));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// Reads at most the given number of entries and only counts the rest.
struct Entries(usize);

struct Counted<'a> {
    items: Vec<&'a RawValue>,
    total: usize,
}

impl<'de> Visitor<'de> for Entries {
    type Value = Counted<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an array of calls")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.0 {
            match entries.next_element()? {
                Some(item) => items.push(item),
                None => return Ok(Counted { total: items.len(), items }),
            }
        }
        let mut total = items.len();
        while entries.next_element::<IgnoredAny>()?.is_some() {
            total += 1;
        }
        Ok(Counted { items, total })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::rpc::errors::{INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR};

    fn whole(body: &str) -> RpcError {
        match Request::parse(body.as_bytes(), 3) {
            Err(error) => error,
            Ok(Request::Single(Err(refused))) => refused.error,
            Ok(other) => panic!("accepted {other:?}"),
        }
    }

    #[test]
    fn reads_a_call_without_copying() {
        let body = br#" {"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":[]} "#;
        let Request::Single(Ok(call)) = Request::parse(body, 3).unwrap() else { panic!("single") };
        assert!(matches!(call.method, Cow::Borrowed("eth_chainId")));
        assert_eq!(call.id.unwrap().get(), "7");
        assert_eq!(call.params.unwrap().get(), "[]");
    }

    #[test]
    fn tells_a_null_id_from_a_notification() {
        let null = br#"{"jsonrpc":"2.0","id":null,"method":"m"}"#;
        let Request::Single(Ok(call)) = Request::parse(null, 3).unwrap() else { panic!() };
        assert_eq!(call.id.unwrap().get(), "null");
        let none = br#"{"jsonrpc":"2.0","method":"m"}"#;
        let Request::Single(Ok(call)) = Request::parse(none, 3).unwrap() else { panic!() };
        assert!(call.id.is_none());
    }

    #[test]
    fn refuses_what_is_not_a_request() {
        for (body, code) in [
            ("", PARSE_ERROR),
            ("{", PARSE_ERROR),
            ("{\"jsonrpc\":\"2.0\"", PARSE_ERROR),
            ("[1,", PARSE_ERROR),
            ("[] []", PARSE_ERROR),
            ("\u{1}", PARSE_ERROR),
            ("1", INVALID_REQUEST),
            ("\"eth_chainId\"", INVALID_REQUEST),
            ("{}", INVALID_REQUEST),
            ("[]", INVALID_REQUEST),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#, INVALID_REQUEST),
            ("[1,2,3,4]", INVALID_REQUEST),
        ] {
            assert_eq!(whole(body).code, code, "{body}");
        }
        let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "m".repeat(65));
        assert_eq!(whole(&long).code, METHOD_NOT_FOUND);
        assert_eq!(Request::parse(&[0xff, 0xfe], 3).unwrap_err().code, PARSE_ERROR);
    }

    #[test]
    fn refuses_deep_nesting_but_not_brackets_in_strings() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(whole(&deep).code, INVALID_REQUEST);
        let text = format!(r#"{{"jsonrpc":"2.0","id":"{}\"[","method":"m"}}"#, "[".repeat(64));
        assert!(matches!(Request::parse(text.as_bytes(), 3), Ok(Request::Single(Ok(_)))));
    }

    #[test]
    fn answers_a_bad_entry_under_its_own_id() {
        let body = br#"[{"jsonrpc":"2.0","id":4,"method":5},1]"#;
        let Request::Batch(items) = Request::parse(body, 3).unwrap() else { panic!("batch") };
        let refused = items[0].as_ref().unwrap_err();
        assert_eq!(refused.id.unwrap().get(), "4");
        assert!(items[1].as_ref().unwrap_err().id.is_none());
    }
}
