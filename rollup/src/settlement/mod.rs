//! What everybody owns when the rollup ends, and the trees that prove it to L1
//! (`docs/protocol/settlement.md`).

mod admit;
mod append;
mod file;
mod leaf;
mod message;
mod slots;
mod state;
mod tree;

pub use append::{append_proof, append_root, verify_append};
pub use file::{LeafFile, MAX_LEAF_FILE_BYTES};
pub use leaf::{AssetKind, Leaf, leaf_hash, merge};
pub use message::{MESSAGE_TREE_DEPTH, decode_message, message_leaf, message_proof};
pub(crate) use slots::withdrawal_root;
pub use state::{ContractHeld, Leaves, LeftOut, leaves};
pub use tree::{MAX_LEAVES, Tree, verify, verify_range};
