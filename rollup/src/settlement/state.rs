//! The leaves of a state: native balances, and the fold over Transfer logs.

use super::admit::{Room, admit};
use super::leaf::{AssetKind, Leaf, merge};
use super::slots::{Bridged, beneficiary, bridged, collection, registered, registered_count};
use super::tree::MAX_LEAVES;
use alloy_primitives::map::{HashMap, HashSet};
use alloy_primitives::{Address, U256};
use mayfly_contracts::predeploys::fixed_addresses;
use mayfly_evm::{Chain, TokenKind};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Room in the settlement. A log of an ERC-1155 makes a balance for about 600 gas: filling the tree by that takes 32
/// collections, each full, all registered before those that they are to push out.
const ROOM: Room = Room { leaves: MAX_LEAVES, per_collection: 1 << 20 };

/// What everybody owns at a chain's head.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaves {
    /// Sorted and merged; the index of a leaf is its position.
    pub leaves: Vec<Leaf>,
    /// What accounts with code hold, whoever gets it; part of `leaves` already.
    pub contract_held: Vec<ContractHeld>,
    /// Token contracts whose balances do not settle, or not all; 0 stands for native currency.
    pub left_out: BTreeMap<Address, LeftOut>,
}

/// An asset held by an account with code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ContractHeld {
    /// The account.
    pub holder: Address,
    /// What it holds; the recipient is its beneficiary, or itself.
    pub leaf: Leaf,
}

/// Why a token contract does not settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// Born on the rollup and not registered as a collection of this kind.
    NotRegistered,
    /// Its logs contradicted themselves.
    Inconsistent,
    /// There was no room for some of it.
    NoRoom,
}

/// Computes the leaves of the chain's executed head; for a settlement that is the close block. There is no state that
/// has none: whoever could make one would keep everybody's assets on L1.
pub fn leaves(chain: &Chain) -> Leaves {
    let mut survey = Survey::new(chain);
    chain.for_each_account(|holder, account| {
        survey.hold(holder, AssetKind::Native, Address::ZERO, U256::ZERO, account.balance);
    });
    chain.fold().for_each(|contract, kind, token_id, holder, amount| {
        if let Some((kind, token)) = survey.asset(contract, kind) {
            survey.hold(holder, kind, token, token_id, amount);
        }
    });
    survey.finish(ROOM)
}

/// A registered collection that settles.
#[derive(Debug, Clone, Copy)]
struct Settling {
    kind: AssetKind,
    description: U256,
    /// How many registered before it.
    place: usize,
}

struct Survey<'a> {
    chain: &'a Chain,
    fixed: HashSet<Address>,
    collections: HashMap<Address, Settling>,
    bridged: HashMap<Address, Option<Bridged>>,
    /// Recipients of holders with code, which are few beside the others.
    recipients: HashMap<Address, (Address, bool)>,
    found: Vec<Leaf>,
    contract_held: Vec<ContractHeld>,
    left_out: BTreeMap<Address, LeftOut>,
}

impl<'a> Survey<'a> {
    fn new(chain: &'a Chain) -> Self {
        let mut survey = Self {
            chain,
            fixed: fixed_addresses().into_iter().collect(),
            collections: HashMap::default(),
            bridged: HashMap::default(),
            recipients: HashMap::default(),
            found: Vec::new(),
            contract_held: Vec::new(),
            left_out: BTreeMap::new(),
        };
        // A registration costs three slots of storage: those beyond the tree's room have none in any case.
        let count = usize::try_from(registered_count(chain)).unwrap_or(usize::MAX).min(MAX_LEAVES);
        (0..count).for_each(|place| survey.register(registered(chain, U256::from(place)), place));
        survey
    }

    fn register(&mut self, address: Address, place: usize) {
        let entry = collection(self.chain, address);
        let kind = match entry.kind {
            4 => AssetKind::BornErc721,
            5 => AssetKind::BornErc1155,
            _ => return,
        };
        if self.chain.fold().is_inconsistent(&address) {
            self.left_out.insert(address, LeftOut::Inconsistent);
            return;
        }
        self.collections.insert(address, Settling { kind, description: entry.description.into(), place });
    }

    /// As what a contract's balances of this kind settle, if they do.
    fn asset(&mut self, contract: Address, kind: TokenKind) -> Option<(AssetKind, Address)> {
        if self.chain.fold().is_inconsistent(&contract) {
            self.left_out.insert(contract, LeftOut::Inconsistent);
            return None;
        }
        let chain = self.chain;
        if let Some(Bridged { l1_token, kind: number }) =
            *self.bridged.entry(contract).or_insert_with(|| bridged(chain, contract))
        {
            let asset = match kind {
                TokenKind::Erc20 => AssetKind::Erc20,
                TokenKind::Erc721 => AssetKind::Erc721,
                TokenKind::Erc1155 => AssetKind::Erc1155,
            };
            return (asset as u8 == number).then_some((asset, l1_token));
        }
        let settling = self.collections.get(&contract).filter(|settling| {
            matches!(
                (settling.kind, kind),
                (AssetKind::BornErc721, TokenKind::Erc721) | (AssetKind::BornErc1155, TokenKind::Erc1155)
            )
        });
        if settling.is_none() && !self.collections.contains_key(&contract) {
            self.left_out.insert(contract, LeftOut::NotRegistered);
        }
        settling.map(|settling| (settling.kind, contract))
    }

    fn hold(&mut self, holder: Address, kind: AssetKind, token: Address, token_id: U256, amount: U256) {
        if amount.is_zero() || self.fixed.contains(&holder) {
            return;
        }
        let (recipient, has_code) = self.recipient(holder);
        let leaf = Leaf { kind, token, token_id, recipient, amount };
        self.found.push(leaf);
        if has_code {
            self.contract_held.push(ContractHeld { holder, leaf });
        }
    }

    /// Who is paid for what `holder` holds, and whether it is a contract: an account with code that is no delegation.
    fn recipient(&mut self, holder: Address) -> (Address, bool) {
        let chain = self.chain;
        if !chain.account(&holder).is_some_and(|account| account.has_code()) {
            return (holder, false);
        }
        *self.recipients.entry(holder).or_insert_with(|| match is_delegation(&chain.code(&holder)) {
            true => (holder, false),
            false => (beneficiary(chain, holder), true),
        })
    }

    /// A leaf for each collection that settles, so that L1 can name its clone.
    fn descriptions(&self) -> Vec<Leaf> {
        let leaf = |(address, settling): (&Address, &Settling)| Leaf {
            kind: AssetKind::Description,
            token: *address,
            token_id: settling.description,
            recipient: *address,
            amount: U256::from(settling.kind as u8),
        };
        self.collections.iter().map(leaf).collect()
    }

    /// Takes note of what there is no room for.
    fn drop_cut(&mut self, cut: &[Leaf]) {
        if cut.is_empty() {
            return;
        }
        // The bridge makes one contract for each kind and token of L1.
        let bridged = self.bridged.iter().filter_map(|(at, bridged)| bridged.map(|b| ((b.kind, b.l1_token), *at)));
        let contracts: HashMap<(u8, Address), Address> = bridged.collect();
        let assets: BTreeSet<_> = cut.iter().map(|leaf| (leaf.kind as u8, leaf.token)).collect();
        for asset in assets {
            let contract = contracts.get(&asset).copied().unwrap_or(asset.1);
            self.left_out.insert(contract, LeftOut::NoRoom);
        }
        let gone: HashSet<_> = cut.iter().map(Leaf::key).collect();
        self.contract_held.retain(|held| !gone.contains(&held.leaf.key()));
    }

    fn finish(mut self, room: Room) -> Leaves {
        let mut leaves = merge(std::mem::take(&mut self.found));
        leaves.extend(self.descriptions());
        leaves.sort_unstable();
        let places = self.collections.iter().map(|(address, settling)| (*address, settling.place)).collect();
        let cut = admit(&mut leaves, &places, room);
        self.drop_cut(&cut);
        self.contract_held.sort_unstable();
        Leaves { leaves, contract_held: self.contract_held, left_out: self.left_out }
    }
}

/// Whether code is an EIP-7702 delegation.
fn is_delegation(code: &[u8]) -> bool {
    code.len() == 23 && code.starts_with(&[0xef, 0x01, 0x00])
}
