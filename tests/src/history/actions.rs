//! What can happen in a block.

use super::rollup::{Facts, History, Round};
use crate::puppet;
use crate::wallet::Message;
use alloy_primitives::{Address, Bytes, U256, address};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use mayfly_contracts::l2::{BridgedERC20, BridgedERC721, BridgedERC1155, L2Bridge, L2Messenger, L2Registry};
use mayfly_contracts::predeploys::{
    BRIDGED_ERC20, BRIDGED_ERC721, BRIDGED_ERC1155, L2_BRIDGE, L2_MESSENGER, L2_REGISTRY,
};
use mayfly_contracts::tokens::{DemoCollection, DemoItems, DemoToken};
use rand::Rng;

/// Tokens on L1, two of each kind.
pub(super) const L1_TOKENS: [Address; 2] =
    [address!("0x1100000000000000000000000000000000000001"), address!("0x2200000000000000000000000000000000000002")];

impl History {
    /// One random action.
    pub(super) fn act(&mut self, round: &mut Round) {
        match self.random.random_range(0..18) {
            0 => self.deposit_native(round),
            1 | 2 => self.deposit_token(round),
            3 => self.pay(round),
            4..=6 => self.move_bridged(round),
            7 => self.withdraw(round),
            8 => self.deploy(round),
            9 | 10 => self.use_collection(round),
            11..=13 => self.use_items(round),
            14 => self.register(round),
            15 => self.delegate(round),
            16 => self.speak(round),
            _ => self.name_beneficiary(round),
        }
    }

    fn deposit_native(&mut self, round: &mut Round) {
        let row = (self.anybody(), U256::from(self.random.random_range(0..5_000_000u64)));
        round.deposits.push((0, row.abi_encode_params().into()));
    }

    fn deposit_token(&mut self, round: &mut Round) {
        let kind = self.random.random_range(1..=3u8);
        let token = L1_TOKENS[self.random.random_range(0..2)];
        // The zero address makes the deposit fail; so does an id that is there already.
        let to = self.anybody();
        let (id, amount) =
            (U256::from(self.random.random_range(0..12u64)), U256::from(self.random.random_range(0..1_000u64)));
        let (name, symbol, uri) = ("Token".to_owned(), "T".to_owned(), "ipfs://x".to_owned());
        let payload = match kind {
            1 => (token, to, amount, name, symbol, U256::from(18u64)).abi_encode_params(),
            2 => (token, to, id, name, symbol, uri).abi_encode_params(),
            _ => (token, to, id, amount, uri).abi_encode_params(),
        };
        round.deposits.push((kind, payload.into()));
    }

    fn pay(&mut self, round: &mut Round) {
        let value = U256::from(self.random.random_range(1..1_000_000u64));
        let to = self.anybody();
        let mut message = Message::call(to, Bytes::new()).paying(value);
        message.price = u128::from(self.random.random_range(0..3u8));
        self.send(round, message);
    }

    fn move_bridged(&mut self, round: &mut Round) {
        let token = L1_TOKENS[self.random.random_range(0..2)];
        let (from, to) = (self.random.random_range(0..self.wallets.len()), self.anybody());
        let owner = self.wallets[from].address;
        let id = U256::from(self.random.random_range(0..12u64));
        let amount = U256::from(self.random.random_range(0..200u64));
        let (kind, input) = match self.random.random_range(0..3) {
            0 => (1, BridgedERC20::transferCall { to, value: amount }.abi_encode()),
            1 => (2, BridgedERC721::transferFromCall { from: owner, to, tokenId: id }.abi_encode()),
            _ => {
                let call =
                    BridgedERC1155::safeTransferFromCall { from: owner, to, id, value: amount, data: Bytes::new() };
                (3, call.abi_encode())
            }
        };
        round.messages.push((from, Message::call(bridged(kind, token), input)));
    }

    fn withdraw(&mut self, round: &mut Round) {
        let l1Token = L1_TOKENS[self.random.random_range(0..2)];
        let (to, id) = (self.anybody(), U256::from(self.random.random_range(0..12u64)));
        let amount = U256::from(self.random.random_range(0..100u64));
        let message = match self.random.random_range(0..5) {
            0 => Message::call(L2_BRIDGE, L2Bridge::withdrawETHCall { to }.abi_encode()).paying(amount),
            1 => Message::call(L2_BRIDGE, L2Bridge::withdrawERC20Call { l1Token, to, amount }.abi_encode()),
            2 => Message::call(L2_BRIDGE, L2Bridge::withdrawERC721Call { l1Token, to, tokenId: id }.abi_encode()),
            3 => Message::call(L2_BRIDGE, L2Bridge::withdrawERC1155Call { l1Token, to, id, amount }.abi_encode()),
            _ => {
                let data = Bytes::from(vec![7; self.random.random_range(0..70)]);
                Message::call(L2_MESSENGER, L2Messenger::sendCall { to, data }.abi_encode())
            }
        };
        self.send(round, message);
    }

    fn deploy(&mut self, round: &mut Round) {
        let (name, symbol, uri) = ("Night".to_owned(), "N".to_owned(), "https://example.org/".to_owned());
        let message = match self.random.random_range(0..5) {
            0 => {
                let args = DemoCollection::constructorCall { name_: name, symbol_: symbol, baseURI_: uri }.abi_encode();
                Message::create([&DemoCollection::BYTECODE[..], &args].concat())
            }
            1 => {
                let args = DemoItems::constructorCall { uri_: uri }.abi_encode();
                Message::create([&DemoItems::BYTECODE[..], &args].concat())
            }
            2 => {
                let args = DemoToken::constructorCall { name_: name, symbol_: symbol }.abi_encode();
                Message::create([&DemoToken::BYTECODE[..], &args].concat())
            }
            _ => {
                let value = U256::from(self.random.random_range(0..3u64) * 1_000);
                Message::create(puppet::init_code()).paying(value)
            }
        };
        // One owner, so that registering often succeeds.
        round.messages.push((0, message));
    }

    fn use_collection(&mut self, round: &mut Round) {
        let Some(collection) = self.pick(&self.facts.collections.clone()) else { return };
        let (who, to) = (self.random.random_range(0..self.wallets.len()), self.anybody());
        let (from, tokenId) = (self.wallets[who].address, U256::from(self.random.random_range(1..20u64)));
        let input = match self.random.random_range(0..4) {
            0 | 1 => DemoCollection::mintCall {}.abi_encode(),
            2 => DemoCollection::transferFromCall { from, to, tokenId }.abi_encode(),
            _ => DemoCollection::burnCall { tokenId }.abi_encode(),
        };
        round.messages.push((who, Message::call(collection, input)));
    }

    fn use_items(&mut self, round: &mut Round) {
        let Some(items) = self.pick(&self.facts.items.clone()) else { return };
        let (who, to) = (self.random.random_range(0..self.wallets.len()), self.anybody());
        let from = self.wallets[who].address;
        let count = self.random.random_range(0..4);
        let ids: Vec<U256> = (0..count).map(|_| U256::from(self.random.random_range(0..5u64))).collect();
        let values: Vec<U256> = (0..count).map(|_| U256::from(self.random.random_range(0..9u64))).collect();
        let (id, value) =
            (U256::from(self.random.random_range(0..5u64)), U256::from(self.random.random_range(0..9u64)));
        let data = Bytes::new();
        let input = match self.random.random_range(0..5) {
            0 => DemoItems::mintCall { id, amount: value }.abi_encode(),
            1 => DemoItems::mintBatchCall { ids, amounts: values }.abi_encode(),
            2 => DemoItems::safeTransferFromCall { from, to, id, value, data }.abi_encode(),
            3 => DemoItems::safeBatchTransferFromCall { from, to, ids, values, data }.abi_encode(),
            _ => DemoItems::burnCall { id, amount: value }.abi_encode(),
        };
        round.messages.push((who, Message::call(items, input)));
    }

    fn register(&mut self, round: &mut Round) {
        let which = self.random.random_range(0..3);
        let (list, kind) = match which {
            0 => (self.facts.collections.clone(), 4),
            1 => (self.facts.items.clone(), 5),
            _ => (self.facts.puppets.clone(), 4),
        };
        let Some(collection) = self.pick(&list) else { return };
        let baseURI = format!("ipfs://{}", self.random.random_range(0..3));
        let (name, symbol) = ("Night".to_owned(), "N".to_owned());
        let input = L2Registry::registerCollectionCall { collection, kind, name, symbol, baseURI }.abi_encode();
        // A puppet registers itself; of the others, their owner does.
        let to = if which == 2 { collection } else { L2_REGISTRY };
        round.messages.push((0, Message::call(to, input)));
    }

    fn delegate(&mut self, round: &mut Round) {
        let code = self.pick(&self.facts.puppets.clone()).unwrap_or(L2_REGISTRY);
        let wallet = self.random.random_range(4..self.wallets.len());
        if !round.delegations.iter().any(|(other, _)| *other == wallet) {
            round.delegations.push((wallet, code));
        }
    }

    /// A puppet logs a transfer: mostly a mint, sometimes one of what nobody has.
    fn speak(&mut self, round: &mut Round) {
        let Some(contract) = self.pick(&self.facts.puppets.clone()) else { return };
        let lies = self.random.random_range(0..8) == 0;
        let from = if lies { self.wallets[3].address } else { Address::ZERO };
        self.facts.next_id += 1;
        let (to, id) = (self.anybody(), U256::from(self.facts.next_id));
        self.send(round, Message::call(contract, puppet::say_transfer(from, to, id)));
    }

    fn name_beneficiary(&mut self, round: &mut Round) {
        let beneficiary = self.anybody();
        let input = L2Registry::setBeneficiaryCall { beneficiary }.abi_encode();
        // In a puppet's name, or in the caller's own, which counts only for code.
        let to = self.pick(&self.facts.puppets.clone()).unwrap_or(L2_REGISTRY);
        self.send(round, Message::call(to, input));
    }

    fn send(&mut self, round: &mut Round, message: Message) {
        let wallet = self.random.random_range(0..self.wallets.len());
        round.messages.push((wallet, message));
    }

    /// A wallet mostly; also contracts, predeploys, strangers and nobody.
    fn anybody(&mut self) -> Address {
        let contracts = [&self.facts.puppets[..], &self.facts.tokens, &self.facts.collections].concat();
        match self.random.random_range(0..20) {
            0 => Address::ZERO,
            1 => L2_BRIDGE,
            2 => BRIDGED_ERC20,
            3 | 4 => Address::from(self.random.random::<[u8; 20]>()),
            5..=8 => self.pick(&contracts).unwrap_or(Address::ZERO),
            _ => self.wallets[self.random.random_range(0..self.wallets.len())].address,
        }
    }
}

impl Facts {
    pub(super) fn made(&mut self, input: &Bytes, address: Address) {
        let kinds: [(&[u8], &mut Vec<Address>); 3] = [
            (&DemoCollection::BYTECODE, &mut self.collections),
            (&DemoItems::BYTECODE, &mut self.items),
            (&DemoToken::BYTECODE, &mut self.tokens),
        ];
        for (code, list) in kinds {
            if input.starts_with(code) {
                list.push(address);
                return;
            }
        }
        self.puppets.push(address);
    }
}

/// Where the bridge puts a token of L1: a CREATE2 clone with the token as salt.
pub(crate) fn bridged(kind: u8, token: Address) -> Address {
    let implementation = [BRIDGED_ERC20, BRIDGED_ERC721, BRIDGED_ERC1155][usize::from(kind) - 1];
    let clone = mayfly_evm::clone_code(&implementation);
    // The init code of an EIP-1167 clone copies its 45 bytes of code and returns them.
    let init = [&alloy_primitives::hex!("3d602d80600a3d3981f3")[..], &clone].concat();
    L2_BRIDGE.create2_from_code(token.into_word(), init)
}
