//! Who holds which token, folded from Transfer logs since block 0: consensus state, undone with its block.
//!
//! Counted are logs in exactly these shapes (docs/protocol/settlement.md), any other log is ignored:
//! * ERC-20: `Transfer(address,address,uint256)`, 3 topics and 32 bytes of data, from a clone of the bridge's
//!   implementation (known by its code);
//! * ERC-721: the same topic, 4 topics, no data;
//! * ERC-1155: `TransferSingle` and `TransferBatch`, 4 topics, canonically encoded data.
//!
//! An address topic with bits above the address is no such shape. The zero address holds nothing: transfers from it
//! create, transfers to it destroy. The kinds of one contract are counted apart. A log that would take a balance below
//! zero or above 2²⁵⁶ − 1 marks its contract inconsistent, for good; its logs are not counted from that log on.

use crate::trie::Direction;
use alloy_primitives::{
    Address, B256, Log, U256, address, b256, keccak256,
    map::{AddressMap, AddressSet, HashMap},
};
use std::sync::LazyLock;

/// `Transfer(address,address,uint256)`.
pub const TRANSFER_TOPIC: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
/// `TransferSingle(address,address,address,uint256,uint256)`.
pub const TRANSFER_SINGLE_TOPIC: B256 = b256!("c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62");
/// `TransferBatch(address,address,address,uint256[],uint256[])`.
pub const TRANSFER_BATCH_TOPIC: B256 = b256!("4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb");
/// `BridgedERC20`, behind every bridged ERC-20.
pub const BRIDGED_ERC20_IMPLEMENTATION: Address = address!("0x4d61796600000000000000000000000000000011");

/// Hash of the EIP-1167 clone of [`BRIDGED_ERC20_IMPLEMENTATION`].
static BRIDGED_ERC20_CODE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(clone_code(&BRIDGED_ERC20_IMPLEMENTATION)));

/// Runtime code of an EIP-1167 clone.
pub fn clone_code(implementation: &Address) -> Vec<u8> {
    let mut code = alloy_primitives::hex!("363d3d373d3d3d363d73").to_vec();
    code.extend_from_slice(implementation.as_slice());
    code.extend_from_slice(&alloy_primitives::hex!("5af43d82803e903d91602b57fd5bf3"));
    code
}

/// Which token standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// Fungible; bridged contracts only.
    Erc20,
    /// One of each id.
    Erc721,
    /// An amount of each id.
    Erc1155,
}

/// One balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FoldKey {
    pub(crate) contract: Address,
    pub(crate) kind: TokenKind,
    /// 0 for ERC-20.
    pub(crate) id: U256,
    pub(crate) holder: Address,
}

/// A balance before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoldChange {
    pub(crate) key: FoldKey,
    pub(crate) old: U256,
    pub(crate) new: U256,
}

/// Balances of one contract; zero is not there.
type Holdings = HashMap<(TokenKind, U256, Address), U256>;

/// All token balances of a chain.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    contracts: AddressMap<Holdings>,
    len: usize,
    inconsistent: AddressSet,
}

impl Fold {
    /// Calls `visit(contract, kind, token id, holder, amount)` for every balance that is not 0, inconsistent
    /// contracts included, in no order.
    pub fn for_each(&self, mut visit: impl FnMut(Address, TokenKind, U256, Address, U256)) {
        for (contract, holdings) in &self.contracts {
            for ((kind, id, holder), amount) in holdings {
                visit(*contract, *kind, *id, *holder, *amount);
            }
        }
    }

    /// A balance.
    pub fn balance(&self, contract: &Address, kind: TokenKind, id: U256, holder: &Address) -> U256 {
        let holdings = self.contracts.get(contract);
        holdings.and_then(|holdings| holdings.get(&(kind, id, *holder))).copied().unwrap_or_default()
    }

    /// Whether a contract's logs once contradicted themselves: it does not settle.
    pub fn is_inconsistent(&self, contract: &Address) -> bool {
        self.inconsistent.contains(contract)
    }

    /// How many balances are held.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no balance is held.
    pub fn is_empty(&self) -> bool {
        self.contracts.is_empty()
    }

    /// Takes a block's changes, or their undo, in.
    pub(crate) fn apply(&mut self, changes: &[FoldChange], inconsistent: &[Address], direction: Direction) {
        for change in changes {
            self.set(&change.key, *direction.pick(&change.old, &change.new));
        }
        for contract in inconsistent {
            match direction {
                Direction::Forward => self.inconsistent.insert(*contract),
                Direction::Back => self.inconsistent.remove(contract),
            };
        }
    }

    pub(crate) fn set(&mut self, key: &FoldKey, amount: U256) {
        let holdings = self.contracts.entry(key.contract).or_default();
        let within = (key.kind, key.id, key.holder);
        self.len -= holdings.len();
        if amount.is_zero() {
            holdings.remove(&within);
        } else {
            holdings.insert(within, amount);
        }
        self.len += holdings.len();
        if holdings.is_empty() {
            self.contracts.remove(&key.contract);
        }
    }

    pub(crate) fn set_inconsistent(&mut self, contract: Address) {
        self.inconsistent.insert(contract);
    }

    fn get(&self, key: &FoldKey) -> U256 {
        self.balance(&key.contract, key.kind, key.id, &key.holder)
    }
}

/// What a block's logs do to a [`Fold`], until the block is sealed.
#[derive(Debug, Default)]
pub(crate) struct FoldDelta {
    changes: HashMap<FoldKey, (U256, U256)>,
    inconsistent: Vec<Address>,
}

impl FoldDelta {
    /// Counts a log. `code_hash` is asked for the emitter's code hash where it matters.
    pub(crate) fn count(&mut self, fold: &Fold, log: &Log, code_hash: impl FnOnce() -> Option<B256>) {
        let contract = log.address;
        let Some(shape) = Shape::of(log, code_hash) else {
            return;
        };
        if fold.is_inconsistent(&contract) || self.inconsistent.contains(&contract) {
            return;
        }
        for (id, amount) in shape.moves {
            let key = |holder| FoldKey { contract, kind: shape.kind, id, holder };
            let down = |old: U256| old.checked_sub(amount);
            let up = |old: U256| old.checked_add(amount);
            if !self.change(fold, key(shape.from), down) || !self.change(fold, key(shape.to), up) {
                self.inconsistent.push(contract);
                return;
            }
        }
    }

    /// The changes in order, for the block's record.
    pub(crate) fn into_changes(self) -> (Vec<FoldChange>, Vec<Address>) {
        let moved = self.changes.into_iter().filter(|(_, (old, new))| old != new);
        let mut changes: Vec<_> = moved.map(|(key, (old, new))| FoldChange { key, old, new }).collect();
        changes.sort_unstable_by_key(|change| change.key);
        (changes, self.inconsistent)
    }

    fn change(&mut self, fold: &Fold, key: FoldKey, step: impl FnOnce(U256) -> Option<U256>) -> bool {
        if key.holder.is_zero() {
            return true;
        }
        let (_, amount) = self.changes.entry(key).or_insert_with(|| {
            let old = fold.get(&key);
            (old, old)
        });
        let Some(new) = step(*amount) else {
            return false;
        };
        *amount = new;
        true
    }
}

/// A log that moves tokens.
struct Shape {
    kind: TokenKind,
    from: Address,
    to: Address,
    moves: Vec<(U256, U256)>,
}

impl Shape {
    fn of(log: &Log, code_hash: impl FnOnce() -> Option<B256>) -> Option<Self> {
        let topics = log.topics();
        let data = log.data.data.as_ref();
        let shape = |kind, from: &B256, to: &B256, moves| {
            Some(Self { kind, from: clean_address(from)?, to: clean_address(to)?, moves })
        };
        match *topics {
            [TRANSFER_TOPIC, from, to, id] if data.is_empty() => {
                shape(TokenKind::Erc721, &from, &to, vec![(id.into(), U256::ONE)])
            }
            [TRANSFER_TOPIC, from, to] if data.len() == 32 && code_hash() == Some(*BRIDGED_ERC20_CODE_HASH) => {
                shape(TokenKind::Erc20, &from, &to, vec![(U256::ZERO, word(data, 0))])
            }
            [TRANSFER_SINGLE_TOPIC, _, from, to] if data.len() == 64 => {
                shape(TokenKind::Erc1155, &from, &to, vec![(word(data, 0), word(data, 1))])
            }
            [TRANSFER_BATCH_TOPIC, _, from, to] => shape(TokenKind::Erc1155, &from, &to, batch_moves(data)?),
            _ => None,
        }
    }
}

fn clean_address(topic: &B256) -> Option<Address> {
    topic[..12].iter().all(|byte| *byte == 0).then(|| Address::from_word(*topic))
}

fn word(data: &[u8], index: usize) -> U256 {
    U256::from_be_slice(&data[index * 32..index * 32 + 32])
}

/// `abi.encode(uint256[] ids, uint256[] amounts)` in its canonical form, arrays of equal length.
fn batch_moves(data: &[u8]) -> Option<Vec<(U256, U256)>> {
    let words = data.len() / 32;
    let count = words.checked_sub(4)? / 2;
    let canonical = data.len().is_multiple_of(32)
        && words == 4 + 2 * count
        && word(data, 0) == U256::from(64)
        && word(data, 1) == U256::from(96 + 32 * count)
        && word(data, 2) == U256::from(count)
        && word(data, 3 + count) == U256::from(count);
    canonical.then(|| (0..count).map(|i| (word(data, 3 + i), word(data, 4 + count + i))).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;

    const TOKEN: Address = Address::repeat_byte(0xaa);
    const ALICE: Address = Address::repeat_byte(1);
    const BOB: Address = Address::repeat_byte(2);

    fn words(words: &[u64]) -> Bytes {
        words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect::<Vec<_>>().into()
    }

    fn erc20(from: Address, to: Address, amount: u64) -> Log {
        Log::new_unchecked(TOKEN, vec![TRANSFER_TOPIC, from.into_word(), to.into_word()], words(&[amount]))
    }

    fn erc721(from: Address, to: Address, id: u64) -> Log {
        let topics = vec![TRANSFER_TOPIC, from.into_word(), to.into_word(), B256::from(U256::from(id))];
        Log::new_unchecked(TOKEN, topics, Bytes::new())
    }

    fn erc1155(topic: B256, from: Address, to: Address, data: &[u64]) -> Log {
        let topics = vec![topic, B256::ZERO, from.into_word(), to.into_word()];
        Log::new_unchecked(TOKEN, topics, words(data))
    }

    fn fold(logs: &[Log]) -> Fold {
        let mut fold = Fold::default();
        block(&mut fold, logs);
        fold
    }

    fn block(fold: &mut Fold, logs: &[Log]) -> (Vec<FoldChange>, Vec<Address>) {
        let mut delta = FoldDelta::default();
        for log in logs {
            delta.count(fold, log, || Some(*BRIDGED_ERC20_CODE_HASH));
        }
        let (changes, inconsistent) = delta.into_changes();
        fold.apply(&changes, &inconsistent, Direction::Forward);
        (changes, inconsistent)
    }

    #[test]
    fn erc20_counts_only_clones_of_the_bridge() {
        let logs = [erc20(Address::ZERO, ALICE, 10), erc20(ALICE, BOB, 3)];
        let counted = fold(&logs);
        assert_eq!(counted.balance(&TOKEN, TokenKind::Erc20, U256::ZERO, &ALICE), U256::from(7));
        assert_eq!(counted.balance(&TOKEN, TokenKind::Erc20, U256::ZERO, &BOB), U256::from(3));
        for hash in [None, Some(B256::ZERO), Some(keccak256(clone_code(&ALICE)))] {
            let mut delta = FoldDelta::default();
            logs.iter().for_each(|log| delta.count(&Fold::default(), log, || hash));
            assert!(delta.into_changes().0.is_empty());
        }
    }

    #[test]
    fn erc721_and_erc1155_follow_owners() {
        let counted = fold(&[
            erc721(Address::ZERO, ALICE, 7),
            erc721(ALICE, BOB, 7),
            erc721(Address::ZERO, ALICE, 8),
            erc721(ALICE, Address::ZERO, 8),
            erc1155(TRANSFER_SINGLE_TOPIC, Address::ZERO, ALICE, &[7, 100]),
            erc1155(TRANSFER_BATCH_TOPIC, ALICE, BOB, &[64, 160, 2, 7, 7, 2, 30, 5]),
            erc1155(TRANSFER_BATCH_TOPIC, ALICE, BOB, &[64, 96, 0, 0]),
        ]);
        assert_eq!(counted.balance(&TOKEN, TokenKind::Erc721, U256::from(7), &BOB), U256::ONE);
        assert_eq!(counted.balance(&TOKEN, TokenKind::Erc1155, U256::from(7), &ALICE), U256::from(65));
        assert_eq!(counted.balance(&TOKEN, TokenKind::Erc1155, U256::from(7), &BOB), U256::from(35));
        assert_eq!(counted.len(), 3);
        assert!(!counted.is_inconsistent(&TOKEN));
    }

    #[test]
    fn marks_contracts_that_contradict_themselves() {
        assert!(fold(&[erc721(ALICE, BOB, 7)]).is_inconsistent(&TOKEN));
        assert!(fold(&[erc20(Address::ZERO, ALICE, 1), erc20(ALICE, BOB, 2)]).is_inconsistent(&TOKEN));
        let mut rich = vec![0u64; 0];
        rich.extend([7, 1]);
        let mut counted = fold(&[erc1155(TRANSFER_SINGLE_TOPIC, Address::ZERO, ALICE, &rich)]);
        let max: Bytes = [U256::from(7).to_be_bytes::<32>(), U256::MAX.to_be_bytes::<32>()].concat().into();
        let topics = vec![TRANSFER_SINGLE_TOPIC, B256::ZERO, B256::ZERO, ALICE.into_word()];
        block(&mut counted, &[Log::new_unchecked(TOKEN, topics, max)]);
        assert!(counted.is_inconsistent(&TOKEN));
    }

    #[test]
    fn counts_nothing_after_the_contradiction_and_undoes_exactly() {
        let mut counted = fold(&[erc721(Address::ZERO, ALICE, 1), erc721(Address::ZERO, ALICE, 2)]);
        let before: HashMap<_, _> = counted.contracts[&TOKEN].clone();
        let logs = [erc721(ALICE, BOB, 1), erc721(BOB, ALICE, 9), erc721(ALICE, BOB, 2)];
        let (changes, inconsistent) = block(&mut counted, &logs);
        assert_eq!(inconsistent, [TOKEN]);
        assert_eq!(counted.balance(&TOKEN, TokenKind::Erc721, U256::from(2), &ALICE), U256::ONE);
        let (later, _) = block(&mut counted, &[erc721(ALICE, BOB, 2)]);
        assert!(later.is_empty());
        counted.apply(&changes, &inconsistent, Direction::Back);
        assert!(!counted.is_inconsistent(&TOKEN));
        assert_eq!(counted.contracts[&TOKEN], before);
    }

    #[test]
    fn ignores_other_shapes() {
        let mut dirty = erc721(Address::ZERO, ALICE, 1);
        let mut topics = dirty.topics().to_vec();
        topics[2].0[0] = 1;
        dirty.data.set_topics_unchecked(topics);
        let mut with_data = erc721(Address::ZERO, ALICE, 1);
        with_data.data.data = words(&[1]);
        let logs = [
            dirty,
            with_data,
            erc1155(TRANSFER_SINGLE_TOPIC, Address::ZERO, ALICE, &[1]),
            erc1155(TRANSFER_BATCH_TOPIC, Address::ZERO, ALICE, &[64, 128, 1, 7, 2, 5, 5]),
            erc1155(TRANSFER_BATCH_TOPIC, Address::ZERO, ALICE, &[64, 128, 1, 7, 1, 5, 0]),
            erc1155(TRANSFER_BATCH_TOPIC, Address::ZERO, ALICE, &[96, 128, 1, 7, 1, 5]),
            erc1155(TRANSFER_BATCH_TOPIC, Address::ZERO, ALICE, &[]),
            Log::new_unchecked(TOKEN, vec![TRANSFER_TOPIC], Bytes::new()),
        ];
        assert!(fold(&logs).is_empty());
    }
}
