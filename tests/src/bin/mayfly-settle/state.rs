//! A rollup that very many people hold something of: native currency from its genesis, bridged tokens from deposits, born
//! tokens from the logs of contracts. Executed, folded and sealed as any other.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use eyre::ensure;
use mayfly_contracts::{
    l2::L2Bridge::{finalizeERC20Call, finalizeERC721Call, finalizeERC1155Call},
    l2::L2Registry::registerCollectionCall,
    predeploys::L2_REGISTRY,
};
use mayfly_e2e::wallet::{Message, Wallet};
use mayfly_evm::{BlockAttributes, Chain, GenesisAccount, TRANSFER_SINGLE_TOPIC, TRANSFER_TOPIC};
use mayfly_rollup::{
    RollupInfo, chain_spec,
    derive::{L1Origin, QueueItem, block_attributes, execute_queue_item},
    genesis,
};

/// Collections born on the rollup.
pub(crate) const CARDS: Address = Address::repeat_byte(0xc4);
pub(crate) const GEMS: Address = Address::repeat_byte(0xc5);
/// The one id of items and gems.
pub(crate) const ITEM: u64 = 7;
/// What a holder has of a fungible thing: every digit counts in a compressed file.
pub(crate) const COINS: u64 = 1_234_567;

/// Of so many holders one has it.
const ERC20_OF: u64 = 2;
const BORN_OF: u64 = 4;
const RARE_OF: u64 = 16;
const DEPOSITS_PER_BLOCK: u64 = 1_000;
const MINTS_PER_TX: u64 = 4_000;
const TX_GAS: u64 = 1 << 24;

/// The bridged tokens, on L1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens {
    pub(crate) coin: Address,
    pub(crate) art: Address,
    pub(crate) items: Address,
}

/// Holder `n`; contracts compute the same.
pub(crate) fn holder(n: u64) -> Address {
    Address::from_word(keccak256(U256::from(n).to_be_bytes::<32>()))
}

/// Wei of holder `n`: different from everybody else's.
fn wei(n: u64) -> U256 {
    U256::from(1_000_000_000_000_000 + n * 1_000_003)
}

pub(crate) struct State {
    info: RollupInfo,
    chain: Chain,
    items: u64,
}

impl State {
    /// The state of `holders` people.
    pub(crate) fn build(info: &RollupInfo, tokens: Tokens, holders: u64) -> eyre::Result<Chain> {
        let mut info = info.clone();
        info.config.blockGasLimit = 1 << 28;
        let mut start = genesis(&info);
        let mint =
            |address, code: Vec<u8>| GenesisAccount { address, code: code.into(), nonce: 1, ..Default::default() };
        start.accounts.extend([mint(CARDS, cards()), mint(GEMS, gems())]);
        let person = |n| GenesisAccount { address: holder(n), balance: wei(n), ..Default::default() };
        start.accounts.extend((0..holders).map(person));
        start.accounts.sort_by_key(|account| account.address);
        let chain = Chain::create(None, chain_spec(&info)?, &start)?;
        drop(start);
        let mut state = Self { info, chain, items: 0 };
        state.deposit(holders / ERC20_OF, |n| coin(tokens.coin, n))?;
        state.deposit(holders / RARE_OF, |n| art(tokens.art, n))?;
        state.deposit(holders / RARE_OF, |n| item(tokens.items, n))?;
        state.mint(CARDS, 4, holders / BORN_OF)?;
        state.mint(GEMS, 5, holders / RARE_OF)?;
        state.chain.flush()?;
        Ok(state.chain)
    }

    fn attributes(&self, items: u64) -> (BlockAttributes, L1Origin) {
        let parent = &self.chain.head().header;
        let origin = L1Origin {
            number: self.info.l1_number + parent.number,
            hash: B256::with_last_byte(1),
            timestamp: self.info.l1_time + parent.number,
            prev_randao: B256::ZERO,
            parent_beacon_root: B256::ZERO,
        };
        (block_attributes(&self.info, parent, &origin, origin.timestamp, self.items + items), origin)
    }

    fn deposit(&mut self, count: u64, payload: impl Fn(u64) -> (u8, Vec<u8>)) -> eyre::Result<()> {
        let mut next = 0;
        while next < count {
            let end = count.min(next + DEPOSITS_PER_BLOCK);
            let (attributes, origin) = self.attributes(end - next);
            let mut builder = self.chain.begin(attributes)?;
            for n in next..end {
                let (kind, payload) = payload(n);
                let item = QueueItem {
                    index: self.items,
                    kind,
                    sender: holder(n),
                    gas_limit: 0,
                    payload: payload.into(),
                    l1_number: origin.number,
                    l1_time: origin.timestamp,
                };
                execute_queue_item(&self.info, &mut builder, &item)?;
                self.items += 1;
            }
            let block = builder.seal()?;
            ensure!(block.receipts.iter().all(|receipt| receipt.status), "a deposit failed");
            next = end;
        }
        Ok(())
    }

    fn mint(&mut self, collection: Address, kind: u8, count: u64) -> eyre::Result<()> {
        let mut owner = Wallet::new(u64::from(kind));
        let text = || "Born".to_owned();
        let register =
            registerCollectionCall { collection, kind, name: text(), symbol: text(), baseURI: text() }.abi_encode();
        self.call(&mut owner, L2_REGISTRY, register.into())?;
        for first in (0..count).step_by(MINTS_PER_TX as usize) {
            let end = count.min(first + MINTS_PER_TX);
            let words = [U256::from(first), U256::from(end)].map(|word| word.to_be_bytes::<32>());
            self.call(&mut owner, collection, words.concat().into())?;
        }
        Ok(())
    }

    fn call(&mut self, from: &mut Wallet, to: Address, input: Bytes) -> eyre::Result<()> {
        let (attributes, _) = self.attributes(0);
        let message = Message { gas: TX_GAS, ..Message::call(to, input) };
        let mut builder = self.chain.begin(attributes)?;
        let outcome = builder.execute(&from.sign(self.info.chain_id, &message))?;
        builder.seal()?;
        ensure!(outcome.receipt.status, "a call of {to} failed");
        Ok(())
    }
}

fn coin(token: Address, n: u64) -> (u8, Vec<u8>) {
    let (to, amount, name) = (holder(n), U256::from(COINS), || "Coin".to_owned());
    (1, finalizeERC20Call { token, to, amount, name: name(), symbol: name(), decimals: 6 }.abi_encode()[4..].to_vec())
}

fn art(token: Address, n: u64) -> (u8, Vec<u8>) {
    let (to, name) = (holder(n), || "Art".to_owned());
    let call = finalizeERC721Call { token, to, tokenId: U256::from(n), name: name(), symbol: name(), uri: name() };
    (2, call.abi_encode()[4..].to_vec())
}

fn item(token: Address, n: u64) -> (u8, Vec<u8>) {
    let call =
        finalizeERC1155Call { token, to: holder(n), id: U256::from(ITEM), amount: U256::from(COINS), uri: "i".into() };
    (3, call.abi_encode()[4..].to_vec())
}

/// Owned by whoever sends the transaction; called with two numbers it mints the tokens from the first to before the
/// second, each to the holder of that number.
fn minter(log: &[u8]) -> Vec<u8> {
    // CALLDATASIZE, 64, EQ, jump to 14; else MSTORE(0, ORIGIN), RETURN(0, 32).
    let mut code = vec![0x36, 0x60, 64, 0x14, 0x60, 14, 0x57, 0x32, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3];
    // 14: end, then n, on the stack; the loop ends where they are equal.
    code.extend([0x5b, 0x60, 32, 0x35, 0x5f, 0x35]);
    let start = code.len() as u8;
    code.extend([0x5b, 0x81, 0x81, 0x14, 0x60]);
    let hole = code.len();
    code.extend([0, 0x57]);
    code.extend([0x80, 0x5f, 0x52]); // MSTORE(0, n)
    code.extend_from_slice(log);
    code.extend([0x60, 1, 0x01, 0x60, start, 0x56]);
    code[hole] = code.len() as u8;
    code.extend([0x5b, 0x00]);
    code
}

/// The holder's address, from the number in memory.
fn holder_code() -> Vec<u8> {
    [&[0x60, 32, 0x5f, 0x20, 0x73][..], &[0xff; 20], &[0x16]].concat()
}

fn cards() -> Vec<u8> {
    // LOG4 of no data: topic 3 the id, 2 the holder, 1 nobody, 0 `Transfer`.
    let log = [&[0x80][..], &holder_code(), &[0x5f, 0x7f], TRANSFER_TOPIC.as_slice(), &[0x5f, 0x5f, 0xa4]];
    minter(&log.concat())
}

fn gems() -> Vec<u8> {
    // Topic 3 the holder, 2 nobody, 1 nobody, 0 `TransferSingle`; the data are id and amount.
    let data = [&[0x60, ITEM as u8, 0x5f, 0x52, 0x62][..], &COINS.to_be_bytes()[5..], &[0x60, 32, 0x52]].concat();
    let topics = [&[0x5f, 0x5f, 0x7f][..], TRANSFER_SINGLE_TOPIC.as_slice(), &[0x60, 64, 0x5f, 0xa4]].concat();
    minter(&[holder_code(), data, topics].concat())
}
