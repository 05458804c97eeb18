//! What can happen to a request.

use serde_json::Value;
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered.
    None,
    /// The connection closes without an answer.
    Hangup,
    /// Nobody answers.
    Silence,
    /// It is answered, but late.
    Delay(Duration),
    /// It reaches the endpoint twice; the second answer is given.
    Twice,
    /// An HTTP status and nothing else.
    Status(u16),
    /// These bytes.
    Garbage(&'static str),
    /// A JSON-RPC error, to every call of a batch.
    Error(i64, &'static str),
    /// The first half of the answer, though it says how long it would be.
    Truncate,
    /// Changes the answer to this method.
    Lie(&'static str, fn(&mut Value)),
    /// Tells every log of a block twice, under roots and a hash that fit.
    LogTwice,
    /// The endpoint is so many blocks behind.
    Lag(u64),
    /// Takes transactions, says their hash, and forgets them.
    Forget,
    /// The beacon API has no blobs.
    NoBlobs,
    /// Says something else about the newest block.
    Head(HeadLie),
}

/// A newest block that is none, though its hash is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadLie {
    /// Another block of the same number.
    Unknown,
    /// A block far ahead, of a time far ahead.
    Future,
    /// The last but one is said to be the newest: the number goes back.
    Back,
}
