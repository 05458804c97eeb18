//! Everything that talks to L1: reading it without trusting a single answer, and writing to it
//! without ever sending one submission under two nonces.
//!
//! * [`L1Client`] speaks JSON-RPC to one or several execution endpoints; a header is accepted
//!   only if it hashes to the block hash, logs only if the header's receipts root commits to
//!   them, a transaction only if its bytes hash to its name. A bad answer moves on to the next
//!   endpoint.
//! * [`BeaconClient`] fetches blobs; each is re-verified against its versioned hash.
//! * [`L1Follower`] turns L1 into a stream of [`L1Block`]s and notices reorganisations.
//! * [`Sender`] signs transactions into bytes; broadcasting is a separate step, so that a caller
//!   can store the bytes first. It remembers no nonce.
//! * [`Anvil`] starts a real L1 for tests and the dev stack.
//!
//! Invariants: nothing an endpoint answers can panic us; every answer, wait and retry is
//! bounded; [`L1Error::is_temporary`] says whether trying again later can help.
//!
//! ```no_run
//! # async fn example() -> Result<(), mayfly_l1::L1Error> {
//! use mayfly_l1::{BlockTag, L1Client, L1Options};
//! let l1 = L1Client::new(&["http://127.0.0.1:8545".to_owned()], L1Options::default())?;
//! println!("head is {}", l1.head(BlockTag::Latest).await?.number);
//! # Ok(())
//! # }
//! ```

mod anvil;
mod beacon;
mod block;
mod calldata;
mod client;
mod deploy;
mod error;
mod events;
mod fees;
mod follower;
mod http;
mod keys;
mod offload;
mod revert;
mod rpc;
mod search;
mod sender;
mod submit;
mod tx;

pub use anvil::{Anvil, AnvilConfig};
pub use beacon::BeaconClient;
pub use block::{BlockRef, L1Block, L1Header, L1Log};
pub use client::{BlockTag, CallResult, L1Client, L1Transaction};
pub use deploy::{Creation, creation_payment};
pub use error::L1Error;
pub use events::{RollupContracts, RollupEvent};
pub use fees::{FeeCaps, Fees, Quote};
pub use follower::{FollowEvent, FollowerConfig, L1Follower};
pub use http::{L1Options, LocalFailure, LocalL1};
pub use keys::Key;
pub use offload::{Hurry, background, offload};
pub use search::{FoundLog, LogSearch};
pub use sender::{Broadcast, Sender};
pub use submit::{Submission, SubmitOptions};
pub use tx::{Blobs, SignedTx, TxIntent, TxKind};

pub use alloy_eips::eip4844::Blob;
pub use alloy_rpc_types_eth::TransactionReceipt;
