//! Follows L1, derives a rollup from it, and does something about what it finds.
//!
//! A verifier needs L1's execution and blob endpoints and the rollup's address, nothing else: no
//! database and nobody's permission. [`locate`] finds the rollup, [`Verifier::spawn`] follows it; a
//! [`View`] says how the rollup stands after every L1 block and which claims on L1 are right. With
//! [`Roles`] it also acts: attests, proposes, rivals, votes, finalizes, freezes, forces.
//!
//! After the end, [`Closing::payouts`] has every leaf's proof, [`pay_out`] claims such, and [`pay_settled`] claims for
//! everybody; [`settled_leaves`] reads the same leaves from L1 when nothing else is left.
//!
//! Invariants: a claim is called right only if every field is what this process derived; duties act
//! only on a view that contains all of L1 that was seen, and L1's reorganisations take back what
//! followed from blocks that are gone.
//!
//! ```no_run
//! # async fn example(l1: mayfly_l1::L1Client, beacon: mayfly_l1::BeaconClient) -> Result<(), mayfly_verifier::VerifierError> {
//! use mayfly_verifier::{Roles, Verifier, VerifierConfig, locate};
//! let info = locate(&l1, "0x0000000000000000000000000000000000000001".parse().expect("an address"), None).await?;
//! let poll = std::time::Duration::from_secs(2);
//! let verifier = Verifier::spawn(VerifierConfig { info, l1, beacon, poll, roles: Roles::default() }, Default::default())?;
//! let view = verifier.wait_for(|view| view.is_synced()).await?;
//! println!("block {} has state root {}", view.head.number, view.state_root);
//! # Ok(())
//! # }
//! ```

mod attestation;
mod book;
mod coming;
mod driver;
mod duties;
mod engine;
mod error;
mod feed;
mod handle;
mod info;
mod leaf_file;
mod payout;
mod range;
mod results;
mod view;
mod withdraw;

pub use attestation::attestation;
pub use book::{ClaimStatus, ProposedClaim, Verdict};
pub use driver::{Verifier, VerifierConfig};
pub use duties::Roles;
pub use error::VerifierError;
pub use feed::Feed;
pub use handle::VerifierHandle;
pub use info::{CREATION_LOOKBACK_BLOCKS, contracts, locate, rollup_info};
pub use leaf_file::settled_leaves;
pub use payout::{
    Payout, PayoutReport, check_settled, describe_collections, open_payouts, pay_out, payouts, payouts_where,
};
pub use range::pay_settled;
pub use results::{Checkpoint, Closing, Results, Sent};
pub use view::{VerifierEvent, View};
pub use withdraw::{Withdrawal, withdraw, withdrawal};
