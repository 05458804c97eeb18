//! Wire and signed types: encode, decode, verify. No I/O, no clock.
//!
//! Invariants:
//! * the commodity table is fixed: a commodity's code never changes its meaning ([`Commodity`]);
//! * a [`Meter`] holds at most its capacity of payers, whoever calls it, and loses no usage: what does not fit is
//!   counted under [`MeterKey::Other`];
//! * nothing is signed but a domain-separated digest, and every verification can say no ([`SignedReceipt::verify`]).
//!
//! Parts: `commodity` (table and [`Usage`]), `meter`, `receipt` (EIP-712), `ids`, `version`.
//!
//! ```
//! use mayfly_proto::{Commodity, Meter, MeterKey, Payer, Usage};
//! let meter = Meter::new(1_000);
//! let payer = Payer::from([7u8; 20]);
//! meter.record(payer, None, Usage::of(Commodity::EvmGas, 21_000));
//! let rows = meter.drain();
//! assert_eq!(rows[0].key, MeterKey::Payer { payer, lane: None });
//! assert_eq!(rows[0].usage.get(Commodity::EvmGas), 21_000);
//! ```

mod commodity;
mod error;
mod ids;
mod meter;
mod receipt;
mod version;

pub use commodity::{Commodity, Usage};
pub use error::ProtoError;
pub use ids::{EpochNumber, LaneId, Payer};
pub use meter::{MAX_LANES_PER_PAYER, Meter, MeterKey, MeterRow};
pub use receipt::{Receipt, ReceiptDomain, ReceiptSigner, SIGNED_RECEIPT_BYTES, SignedReceipt};
pub use version::{WIRE_VERSION, check_wire_version};
