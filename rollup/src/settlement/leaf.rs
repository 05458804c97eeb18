//! One line of the settlement: who gets how much of what.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

/// Kinds of settlement leaves, with their numbers on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum AssetKind {
    /// Native currency.
    Native = 0,
    /// A bridged ERC-20.
    Erc20 = 1,
    /// A bridged ERC-721.
    Erc721 = 2,
    /// A bridged ERC-1155.
    Erc1155 = 3,
    /// An ERC-721 born on the rollup.
    BornErc721 = 4,
    /// An ERC-1155 born on the rollup.
    BornErc1155 = 5,
    /// The description of a collection born on the rollup.
    Description = 6,
}

impl AssetKind {
    /// All kinds, in order.
    pub const ALL: [Self; 7] = [
        Self::Native,
        Self::Erc20,
        Self::Erc721,
        Self::Erc1155,
        Self::BornErc721,
        Self::BornErc1155,
        Self::Description,
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A settlement leaf without its index, which is its position among all sorted leaves. The order
/// of the fields is the sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Leaf {
    /// What kind of asset.
    pub kind: AssetKind,
    /// Its contract: on L1 if bridged, on the rollup if born there, 0 for native currency.
    pub token: Address,
    /// Token id, 0 where there is none.
    pub token_id: U256,
    /// Who is paid.
    pub recipient: Address,
    /// How much.
    pub amount: U256,
}

impl Leaf {
    /// What no two leaves of a settlement share.
    pub(super) fn key(&self) -> (AssetKind, Address, U256, Address) {
        (self.kind, self.token, self.token_id, self.recipient)
    }
}

/// The hash that stands in the tree for the leaf at `index`.
pub fn leaf_hash(rollup: Address, index: u64, leaf: &Leaf) -> B256 {
    let kind = U256::from(leaf.kind as u8);
    let row = (rollup, U256::from(index), kind, leaf.token, leaf.token_id, leaf.amount, leaf.recipient);
    keccak256(keccak256(row.abi_encode_params()))
}

/// Merges leaves of the same asset and recipient, drops what is empty or has no recipient, sorts. A sum stops at
/// 2²⁵⁶ − 1: collections may give one person as much in several places, and whoever makes them do so must not keep
/// anybody from settling, least of all the collection's other holders.
pub fn merge(leaves: impl IntoIterator<Item = Leaf>) -> Vec<Leaf> {
    // In place: a settlement of millions must not stand in memory twice.
    let counts = |leaf: &Leaf| !leaf.amount.is_zero() && !leaf.recipient.is_zero();
    let mut sorted: Vec<Leaf> = leaves.into_iter().filter(counts).collect();
    sorted.sort_unstable();
    sorted.dedup_by(|next, sum| {
        let same = next.key() == sum.key();
        if same {
            sum.amount = sum.amount.saturating_add(next.amount);
        }
        same
    });
    sorted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn native(recipient: u8, amount: U256) -> Leaf {
        let recipient = Address::repeat_byte(recipient);
        Leaf { kind: AssetKind::Native, token: Address::ZERO, token_id: U256::ZERO, recipient, amount }
    }

    #[test]
    fn merging_sums_sorts_and_drops_nothing_that_counts() {
        let one = U256::ONE;
        let leaves = merge([native(9, one), native(2, one), native(9, one), native(0, one), native(3, U256::ZERO)]);
        assert_eq!(leaves, [native(2, one), native(9, U256::from(2))]);
    }

    #[test]
    fn sums_stop_at_what_a_leaf_can_say() {
        let one = U256::ONE;
        let rows = [native(1, U256::MAX), native(2, one), native(1, one), native(1, one)];
        let mut backwards = rows;
        backwards.reverse();
        assert_eq!(merge(rows), [native(1, U256::MAX), native(2, one)]);
        assert_eq!(merge(backwards), merge(rows), "the order does not matter");
    }

    #[test]
    fn every_field_and_the_position_are_in_the_hash() {
        let leaf = native(1, U256::ONE);
        let base = leaf_hash(Address::ZERO, 0, &leaf);
        assert_ne!(base, leaf_hash(Address::ZERO, 1, &leaf));
        assert_ne!(base, leaf_hash(Address::repeat_byte(1), 0, &leaf));
        assert_ne!(base, leaf_hash(Address::ZERO, 0, &Leaf { kind: AssetKind::Erc20, ..leaf }));
        assert_ne!(base, leaf_hash(Address::ZERO, 0, &Leaf { token_id: U256::ONE, ..leaf }));
        assert_eq!(AssetKind::from_number(6), Some(AssetKind::Description));
        assert_eq!(AssetKind::from_number(7), None);
    }
}
