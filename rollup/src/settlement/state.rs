//! The leaves of a state: native balances, and the fold over Transfer logs.

use super::leaf::{AssetKind, Leaf, merge};
use super::slots::{Bridged, beneficiary, bridged, collection, registered, registered_count};
use super::tree::MAX_LEAVES;
use crate::error::SettlementError;
use alloy_primitives::map::{HashMap, HashSet};
use alloy_primitives::{Address, U256};
use mayfly_contracts::predeploys::fixed_addresses;
use mayfly_evm::{Chain, TokenKind};
use serde::Serialize;
use std::collections::BTreeMap;

/// What everybody owns at a chain's head.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaves {
    /// Sorted and merged; the index of a leaf is its position.
    pub leaves: Vec<Leaf>,
    /// What accounts with code hold, whoever gets it; part of `leaves` already.
    pub contract_held: Vec<ContractHeld>,
    /// Token contracts whose balances do not settle.
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
}

/// Computes the leaves of the chain's executed head; for a settlement that is the close block.
///
/// # Errors
/// If there are more leaves than a tree takes.
pub fn leaves(chain: &Chain) -> Result<Leaves, SettlementError> {
    let mut survey = Survey::new(chain)?;
    chain.for_each_account(|holder, account| {
        survey.hold(holder, AssetKind::Native, Address::ZERO, U256::ZERO, account.balance);
    });
    chain.fold().for_each(|contract, kind, token_id, holder, amount| {
        if let Some((kind, token)) = survey.asset(contract, kind) {
            survey.hold(holder, kind, token, token_id, amount);
        }
    });
    survey.describe();
    survey.finish()
}

/// A registered collection that settles.
#[derive(Debug, Clone, Copy)]
struct Settling {
    kind: AssetKind,
    description: U256,
}

struct Survey<'a> {
    chain: &'a Chain,
    fixed: HashSet<Address>,
    collections: HashMap<Address, Settling>,
    bridged: HashMap<Address, Option<Bridged>>,
    /// Recipient of a holder, and whether the holder has code.
    recipients: HashMap<Address, (Address, bool)>,
    found: Vec<Leaf>,
    contract_held: Vec<ContractHeld>,
    left_out: BTreeMap<Address, LeftOut>,
}

impl<'a> Survey<'a> {
    fn new(chain: &'a Chain) -> Result<Self, SettlementError> {
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
        let count = usize::try_from(registered_count(chain)).unwrap_or(usize::MAX);
        if count > MAX_LEAVES {
            return Err(SettlementError::TooMany(count));
        }
        (0..count).for_each(|index| survey.register(registered(chain, U256::from(index))));
        Ok(survey)
    }

    fn register(&mut self, address: Address) {
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
        self.collections.insert(address, Settling { kind, description: entry.description.into() });
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
        let chain = self.chain;
        let (recipient, has_code) = *self.recipients.entry(holder).or_insert_with(|| recipient(chain, holder));
        let leaf = Leaf { kind, token, token_id, recipient, amount };
        self.found.push(leaf);
        if has_code {
            self.contract_held.push(ContractHeld { holder, leaf });
        }
    }

    /// A leaf for each collection that settles, so that L1 can name its clone.
    fn describe(&mut self) {
        for (address, settling) in &self.collections {
            self.found.push(Leaf {
                kind: AssetKind::Description,
                token: *address,
                token_id: settling.description,
                recipient: *address,
                amount: U256::from(settling.kind as u8),
            });
        }
    }

    fn finish(mut self) -> Result<Leaves, SettlementError> {
        let leaves = merge(self.found)?;
        if leaves.len() > MAX_LEAVES {
            return Err(SettlementError::TooMany(leaves.len()));
        }
        self.contract_held.sort_unstable();
        Ok(Leaves { leaves, contract_held: self.contract_held, left_out: self.left_out })
    }
}

/// Who is paid for what `holder` holds, and whether it is a contract: an account with code that is no delegation.
fn recipient(chain: &Chain, holder: Address) -> (Address, bool) {
    let has_code = chain.account(&holder).is_some_and(|account| account.has_code());
    if !has_code || is_delegation(&chain.code(&holder)) {
        return (holder, false);
    }
    (beneficiary(chain, holder), true)
}

/// Whether code is an EIP-7702 delegation.
fn is_delegation(code: &[u8]) -> bool {
    code.len() == 23 && code.starts_with(&[0xef, 0x01, 0x00])
}
