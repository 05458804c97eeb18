//! The double-entry core (docs/protocol/money.md). Every transfer sums to zero for every asset, nothing that was written
//! changes, and accounts that must not be negative are not: the database itself refuses, whoever asks.

mod account;
mod reservation;
mod transfer;

pub use account::{AccountKey, AccountKind};
pub use reservation::{MAX_EXPIRED, Reservation, ReservationState};
pub(crate) use transfer::compensate_all_of;
pub use transfer::{MAX_ENTRIES, NewTransfer, TransferId, Transferred};
