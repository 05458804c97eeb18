//! A rollup's whole life, simulated: sequencer, poster, verifiers, challenger and users on an L1 in memory, where the
//! real contracts run on our own executor. Time is simulated too, and one thread runs everything in an order that the
//! seed alone decides, so whatever a seed finds, the same seed finds again.
//!
//! ```text
//! plan (what the seed stands for) → life (the loop) → l1 ← wire (an endpoint, and its faults) ← nodes (sequencer, verifiers)
//!                                        ├ users, actors (what people do, good and bad)
//!                                        └ checks (what must hold after every block, and at the end)
//! ```
//!
//! What runs is what ships: executor, pool, admission, mirror, poster and sender of the sequencer; follower, feed,
//! derivation and every duty of the verifier; the JSON-RPC between them and L1 is the node's own. Simulated are L1's
//! consensus and pool, the network, the clock, and the outbox's tables; blobs are left to tests on real nodes.

mod actors;
mod checks;
mod custody;
mod l1;
mod life;
mod nodes;
mod plan;
mod rollup;
mod users;
mod wire;

pub use life::{Outcome, live, live_with};
pub use plan::Sabotage;
