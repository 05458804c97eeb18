//! What a history knows without reading a log of a token: what came over the bridge, what was minted and burnt.

use super::actions::{L1_TOKENS, bridged};
use super::rollup::History;
use crate::wallet::Message;
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use mayfly_contracts::l2::{BridgedERC20, BridgedERC721, BridgedERC1155};
use mayfly_contracts::tokens::{DemoCollection, DemoItems};
use mayfly_evm::{BlockContext, CallMessage, TokenKind};
use mayfly_rollup::settlement::AssetKind;
use std::collections::{BTreeMap, BTreeSet};

/// Kind and token, as leaves name them.
pub type Asset = (AssetKind, Address);

/// Amounts by asset, all ids together.
#[derive(Debug, Default)]
pub struct Tally {
    /// What deposits brought that did not fail.
    pub deposited: BTreeMap<Asset, U256>,
    /// What people made of collections born on the rollup, less what they burnt.
    pub born: BTreeMap<Asset, U256>,
    /// Deposits that failed.
    pub failed_deposits: usize,
    /// Tokens burnt by their holders.
    pub burnt: usize,
}

impl Tally {
    pub(super) fn deposit(&mut self, kind: u8, payload: &[u8], success: bool) {
        // Currency is minted even if it reaches nobody.
        self.failed_deposits += usize::from(!success);
        let word = |at: usize| U256::from_be_slice(&payload[32 * at..32 * (at + 1)]);
        let token = |at: usize| Address::from_word(word(at).into());
        let (asset, amount) = match kind {
            0 => ((AssetKind::Native, Address::ZERO), word(1)),
            1 => ((AssetKind::Erc20, token(0)), word(2)),
            2 => ((AssetKind::Erc721, token(0)), U256::ONE),
            _ => ((AssetKind::Erc1155, token(0)), word(3)),
        };
        if success || kind == 0 {
            *self.deposited.entry(asset).or_default() += amount;
        }
    }

    /// A message to a collection that succeeded.
    pub(super) fn success(&mut self, message: &Message) {
        let Some(to) = message.to else { return };
        let (one, many) = ((AssetKind::BornErc721, to), (AssetKind::BornErc1155, to));
        let input = &message.input;
        if DemoCollection::mintCall::abi_decode_validate(input).is_ok() {
            self.add(one, U256::ONE);
        } else if DemoCollection::burnCall::abi_decode_validate(input).is_ok() {
            self.burn(one, U256::ONE);
        } else if let Ok(call) = DemoItems::mintCall::abi_decode_validate(input) {
            self.add(many, call.amount);
        } else if let Ok(call) = DemoItems::mintBatchCall::abi_decode_validate(input) {
            self.add(many, call.amounts.iter().sum());
        } else if let Ok(call) = DemoItems::burnCall::abi_decode_validate(input) {
            self.burn(many, call.amount);
        }
    }

    fn add(&mut self, asset: Asset, amount: U256) {
        *self.born.entry(asset).or_default() += amount;
    }

    fn burn(&mut self, asset: Asset, amount: U256) {
        *self.born.entry(asset).or_default() -= amount;
        self.burnt += usize::from(!amount.is_zero());
    }
}

impl History {
    /// Compares the fold with what honest tokens say themselves, for everybody who ever held anything and every id;
    /// returns how many balances are not 0.
    pub fn compare_fold_with_tokens(&self) -> usize {
        let (mut holders, mut ids, mut bridged) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        holders.extend(self.wallets.iter().map(|wallet| wallet.address));
        self.chain.fold().for_each(|contract, kind, id, holder, _| {
            holders.insert(holder);
            if self.facts.puppets.contains(&contract) {
                return;
            }
            ids.insert(id);
            if !self.facts.collections.contains(&contract) && !self.facts.items.contains(&contract) {
                bridged.insert((contract, kind));
            }
        });
        let collections = self.facts.collections.iter().map(|at| (*at, TokenKind::Erc721));
        let items = self.facts.items.iter().map(|at| (*at, TokenKind::Erc1155));
        let mut held = 0;
        for (contract, kind) in bridged.into_iter().chain(collections).chain(items) {
            held += match kind {
                TokenKind::Erc20 => self.compare_erc20(contract, &holders),
                TokenKind::Erc721 => self.compare_erc721(contract, &holders, &ids),
                TokenKind::Erc1155 => self.compare_erc1155(contract, &holders, &ids),
            };
        }
        held
    }

    fn compare_erc20(&self, token: Address, holders: &BTreeSet<Address>) -> usize {
        let compare = |account: &Address| {
            let said = self.ask(token, &BridgedERC20::balanceOfCall { account: *account }).unwrap();
            assert_eq!(self.chain.fold().balance(&token, TokenKind::Erc20, U256::ZERO, account), said);
            usize::from(!said.is_zero())
        };
        holders.iter().map(compare).sum()
    }

    fn compare_erc721(&self, token: Address, holders: &BTreeSet<Address>, ids: &BTreeSet<U256>) -> usize {
        let mut held = 0;
        for id in ids {
            // It reverts for a token that is not there.
            let owner = self.ask(token, &BridgedERC721::ownerOfCall { tokenId: *id });
            for holder in holders {
                let folded = self.chain.fold().balance(&token, TokenKind::Erc721, *id, holder);
                assert_eq!(folded, U256::from(u8::from(owner == Some(*holder))), "{token} {id} {holder}");
            }
            held += usize::from(owner.is_some_and(|owner| holders.contains(&owner)));
        }
        held
    }

    fn compare_erc1155(&self, token: Address, holders: &BTreeSet<Address>, ids: &BTreeSet<U256>) -> usize {
        let mut held = 0;
        for id in ids {
            let accounts: Vec<Address> = holders.iter().copied().filter(|holder| !holder.is_zero()).collect();
            let call =
                BridgedERC1155::balanceOfBatchCall { ids: vec![*id; accounts.len()], accounts: accounts.clone() };
            for (holder, said) in accounts.iter().zip(self.ask(token, &call).unwrap()) {
                let folded = self.chain.fold().balance(&token, TokenKind::Erc1155, *id, holder);
                assert_eq!(folded, said, "{token} {id} {holder}");
                held += usize::from(!said.is_zero());
            }
        }
        held
    }

    /// What an honest contract's tokens settle as.
    pub fn asset(&self, contract: Address) -> Option<Asset> {
        if self.facts.collections.contains(&contract) {
            return Some((AssetKind::BornErc721, contract));
        }
        if self.facts.items.contains(&contract) {
            return Some((AssetKind::BornErc1155, contract));
        }
        let kinds = [AssetKind::Erc20, AssetKind::Erc721, AssetKind::Erc1155];
        let assets = kinds.into_iter().flat_map(|kind| L1_TOKENS.map(|token| (kind, token)));
        assets.into_iter().find(|(kind, token)| bridged(*kind as u8, *token) == contract)
    }

    /// What a contract answers at the head; none if it reverts.
    fn ask<C: SolCall>(&self, to: Address, call: &C) -> Option<C::Return> {
        let message = CallMessage { to: Some(to), data: call.abi_encode().into(), ..CallMessage::default() };
        let result = self.chain.reader().call(&message, &BlockContext::latest(), &[]).unwrap();
        result.is_success().then(|| C::abi_decode_returns(&result.output).unwrap())
    }
}
