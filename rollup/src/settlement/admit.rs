//! Which leaves there is room for. A rollup's state may be hostile, the tree is finite, and a settlement must come out
//! of every state: so room is given by a rule, and what comes first in it cannot be pushed out by what comes later.

use super::leaf::{AssetKind, Leaf};
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, U256};
use std::cmp::Reverse;

/// How many leaves there is room for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// In all.
    pub(super) leaves: usize,
    /// Of one collection born on the rollup: its balances are words in logs and cost next to nothing.
    pub(super) per_collection: usize,
}

/// Takes the leaves that have no room out of `leaves`, which are sorted and stay so, and returns them. First come native
/// balances, then bridged tokens in the order of leaves, then collections in the order of registration (`places`),
/// each after its description; of one asset, the larger amounts first.
pub(super) fn admit(leaves: &mut Vec<Leaf>, places: &HashMap<Address, usize>, room: Room) -> Vec<Leaf> {
    let mut of_collection: HashMap<Address, usize> = HashMap::default();
    for leaf in leaves.iter().filter(|leaf| is_born(leaf)) {
        *of_collection.entry(leaf.token).or_default() += 1;
    }
    if leaves.len() <= room.leaves && of_collection.values().all(|count| *count <= room.per_collection) {
        return Vec::new();
    }
    leaves.sort_unstable_by_key(|leaf| rank(leaf, places));
    let (mut kept, mut cut) = (Vec::new(), Vec::new());
    let mut taken: HashMap<Address, usize> = HashMap::default();
    for leaf in std::mem::take(leaves) {
        let full = is_born(&leaf) && taken.get(&leaf.token).is_some_and(|taken| *taken >= room.per_collection);
        if full || kept.len() >= room.leaves {
            cut.push(leaf);
            continue;
        }
        if is_born(&leaf) {
            *taken.entry(leaf.token).or_default() += 1;
        }
        kept.push(leaf);
    }
    kept.sort_unstable();
    *leaves = kept;
    cut
}

/// Whether a leaf is a balance of a collection born on the rollup.
fn is_born(leaf: &Leaf) -> bool {
    matches!(leaf.kind, AssetKind::BornErc721 | AssetKind::BornErc1155)
}

type Rank = (usize, bool, AssetKind, Address, Reverse<U256>, Leaf);

fn rank(leaf: &Leaf, places: &HashMap<Address, usize>) -> Rank {
    let description = leaf.kind == AssetKind::Description;
    let place = if description || is_born(leaf) { 1 + places.get(&leaf.token).copied().unwrap_or_default() } else { 0 };
    (place, !description, leaf.kind, leaf.token, Reverse(leaf.amount), *leaf)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn leaf(kind: AssetKind, token: u8, recipient: u8, amount: u64) -> Leaf {
        let (token, recipient) = (Address::repeat_byte(token), Address::repeat_byte(recipient));
        Leaf { kind, token, token_id: U256::ZERO, recipient, amount: U256::from(amount) }
    }

    /// Collection 9 registered before collection 8.
    fn places() -> HashMap<Address, usize> {
        [(Address::repeat_byte(9), 0), (Address::repeat_byte(8), 1)].into_iter().collect()
    }

    fn all() -> Vec<Leaf> {
        use AssetKind::{BornErc1155, Description, Erc20, Native};
        let mut all = vec![
            leaf(Native, 0, 1, 5),
            leaf(Native, 0, 2, 6),
            leaf(Erc20, 1, 1, 5),
            leaf(BornErc1155, 8, 1, 100),
            leaf(BornErc1155, 9, 1, 1),
            leaf(BornErc1155, 9, 2, 3),
            leaf(BornErc1155, 9, 3, 2),
            leaf(Description, 8, 8, 5),
            leaf(Description, 9, 9, 5),
        ];
        all.sort_unstable();
        all
    }

    #[test]
    fn where_there_is_room_nothing_is_cut() {
        let mut leaves = all();
        assert!(admit(&mut leaves, &places(), Room { leaves: 9, per_collection: 3 }).is_empty());
        assert_eq!(leaves, all());
    }

    #[test]
    fn who_came_first_stays_and_of_one_asset_the_larger_amounts() {
        use AssetKind::{BornErc1155, Description, Erc20, Native};
        let kept = |room, per_collection| {
            let mut leaves = all();
            let cut = admit(&mut leaves, &places(), Room { leaves: room, per_collection });
            assert!(leaves.is_sorted() && leaves.len() + cut.len() == 9);
            leaves
        };
        assert_eq!(kept(1, 3), [leaf(Native, 0, 2, 6)]);
        let three = [leaf(Native, 0, 1, 5), leaf(Native, 0, 2, 6), leaf(Erc20, 1, 1, 5)];
        assert_eq!(kept(3, 3), three);
        let five = [&three[..], &[leaf(BornErc1155, 9, 2, 3), leaf(Description, 9, 9, 5)]].concat();
        assert_eq!(kept(5, 3), five);
        // A collection that fills its own room takes nothing from the next.
        assert_eq!(kept(7, 1).iter().filter(|leaf| leaf.kind == BornErc1155).count(), 2);
    }
}
