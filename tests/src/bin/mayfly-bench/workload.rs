//! What is sent: tokens, senders, signed transactions, and how they are packed into requests.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, U256, hex, keccak256, map::B256Map};
use alloy_sol_types::{SolCall, SolConstructor};
use bytes::Bytes;
use clap::ValueEnum;
use eyre::eyre;
use mayfly_contracts::tokens::{DemoCollection, DemoItems, DemoToken};
use mayfly_e2e::wallet::{Message, Wallet};
use serde::Serialize;

/// Keys that send. Each has one transaction in every round.
pub(crate) const SENDERS: usize = 1_000;
/// Where the senders' seeds begin; the deployer's is the one before.
const FIRST_SEED: u64 = 0x6d61_7966_6c79_0001;
/// Gas limits: what wallets sign after an estimate, roughly.
const ETH_GAS: u64 = 21_000;
const TRANSFER_GAS: u64 = 60_000;
const MINT_GAS: u64 = 120_000;
const DEPLOY_GAS: u64 = 5_000_000;
/// Kinds of items that there are.
const ITEMS: usize = 16;
/// What each sender gets before it transfers, in base units.
const FUNDS: u64 = 1_000_000_000;

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Workload {
    /// A plain transfer of nothing to another sender: no contract runs.
    Eth,
    /// An ERC-20 transfer to another sender: state neither grows nor shrinks.
    Erc20,
    /// An ERC-721 mint to the sender: two storage slots change, one is new.
    Mint,
    /// A game's item (ERC-1155) to the sender: a new slot the first time, then the same again.
    Items,
}

/// How transactions travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// One to a request.
    Single,
    /// 100 to a request, as a JSON-RPC batch.
    Batch100,
    /// One to a message, over WebSocket.
    Ws,
}

impl Workload {
    /// Whether it is a call of a contract.
    const fn needs_contract(self) -> bool {
        !matches!(self, Self::Eth)
    }
}

impl Mode {
    /// Connections, all kept open. A divisor of [`SENDERS`], so that each sender has one connection.
    pub(crate) fn connections(self) -> usize {
        match self {
            Self::Single | Self::Ws => 50,
            Self::Batch100 => 4,
        }
    }

    /// Transactions of one request.
    pub(crate) fn per_request(self) -> usize {
        match self {
            Self::Single | Self::Ws => 1,
            Self::Batch100 => 100,
        }
    }
}

/// A transaction, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    hash: B256,
    raw: Vec<u8>,
}

impl Signed {
    /// The call that sends it.
    pub(crate) fn call(&self, method: &str, id: u32) -> String {
        let raw = hex::encode(&self.raw);
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":["0x{raw}"]}}"#)
    }
}

/// The keys, and the token that they use.
#[derive(Debug)]
pub(crate) struct Senders {
    wallets: Vec<Wallet>,
    chain_id: u64,
    deployer: Wallet,
    token: Address,
    workload: Workload,
}

impl Senders {
    /// The same keys on every run.
    pub(crate) fn new(chain_id: u64, workload: Workload) -> Self {
        let wallets: Vec<Wallet> = (0..SENDERS as u64).map(|index| Wallet::new(FIRST_SEED + index)).collect();
        let deployer = Wallet::new(FIRST_SEED - 1);
        let token = deployer.address.create(0);
        Self { wallets, chain_id, deployer, token, workload }
    }

    /// The deployment of the contract, if the workload has one.
    pub(crate) fn deployment(&mut self) -> Option<Signed> {
        if !self.workload.needs_contract() {
            return None;
        }
        let (code, arguments) = match self.workload {
            Workload::Items => {
                let call = DemoItems::constructorCall { uri_: "https://example.org/{id}".into() };
                (&DemoItems::BYTECODE, call.abi_encode())
            }
            Workload::Eth | Workload::Erc20 => {
                let call = DemoToken::constructorCall { name_: "Bench".into(), symbol_: "BENCH".into() };
                (&DemoToken::BYTECODE, call.abi_encode())
            }
            Workload::Mint => {
                let (name_, symbol_, uri) = ("Bench".into(), "BENCH".into(), "https://example.org/".into());
                let call = DemoCollection::constructorCall { name_, symbol_, baseURI_: uri };
                (&DemoCollection::BYTECODE, call.abi_encode())
            }
        };
        let message = Message { gas: DEPLOY_GAS, ..Message::create([code.as_ref(), &arguments].concat()) };
        Some(sign_one(&mut self.deployer, self.chain_id, &message))
    }

    /// One transaction of every sender that gives it what it needs later; it also warms the server up.
    pub(crate) fn preparation(&mut self) -> eyre::Result<Vec<Signed>> {
        let token = self.token;
        match self.workload {
            Workload::Erc20 => {
                let input = DemoToken::mintCall { amount: U256::from(FUNDS) }.abi_encode();
                self.sign_rounds(1, MINT_GAS, |_, _| (token, input.clone()))
            }
            Workload::Eth | Workload::Mint | Workload::Items => self.load(SENDERS),
        }
    }

    /// At least `count` transactions: whole rounds over all senders.
    pub(crate) fn load(&mut self, count: usize) -> eyre::Result<Vec<Signed>> {
        let rounds = count.div_ceil(SENDERS);
        let addresses: Vec<Address> = self.wallets.iter().map(|wallet| wallet.address).collect();
        // Never to itself: the distance is between 1 and SENDERS - 1.
        let other = |sender: usize, round: usize| addresses[(sender + 1 + round % (SENDERS - 1)) % SENDERS];
        let token = self.token;
        match self.workload {
            Workload::Eth => self.sign_rounds(rounds, ETH_GAS, |sender, round| (other(sender, round), Vec::new())),
            Workload::Erc20 => self.sign_rounds(rounds, TRANSFER_GAS, |sender, round| {
                (token, DemoToken::transferCall { to: other(sender, round), value: U256::from(1) }.abi_encode())
            }),
            Workload::Mint => {
                let input = DemoCollection::mintCall {}.abi_encode();
                self.sign_rounds(rounds, MINT_GAS, |_, _| (token, input.clone()))
            }
            Workload::Items => self.sign_rounds(rounds, MINT_GAS, |_, round| {
                let id = U256::from(round % ITEMS);
                (token, DemoItems::mintCall { id, amount: U256::from(1) }.abi_encode())
            }),
        }
    }

    /// Signs on all cores. Transaction `i` is of sender `i % SENDERS`.
    fn sign_rounds(
        &mut self,
        rounds: usize,
        gas: u64,
        call: impl Fn(usize, usize) -> (Address, Vec<u8>) + Sync,
    ) -> eyre::Result<Vec<Signed>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = SENDERS.div_ceil(threads);
        let (chain_id, call) = (self.chain_id, &call);
        let by_sender: Vec<Vec<Signed>> = std::thread::scope(|scope| {
            let workers: Vec<_> = self
                .wallets
                .chunks_mut(share)
                .enumerate()
                .map(|(chunk, wallets)| {
                    scope.spawn(move || {
                        let sign = |(index, wallet): (usize, &mut Wallet)| {
                            let sender = chunk * share + index;
                            let message = |round| {
                                let (to, input) = call(sender, round);
                                Message { gas, ..Message::call(to, input) }
                            };
                            (0..rounds).map(|round| sign_one(wallet, chain_id, &message(round))).collect()
                        };
                        wallets.iter_mut().enumerate().map(sign).collect::<Vec<Vec<Signed>>>()
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join()).collect::<Result<Vec<_>, _>>()
        })
        .map_err(|_| eyre!("signing failed"))?
        .into_iter()
        .flatten()
        .collect();
        let mut by_sender: Vec<_> = by_sender.into_iter().map(Vec::into_iter).collect();
        Ok((0..rounds).flat_map(|_| by_sender.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).collect())
    }
}

fn sign_one(wallet: &mut Wallet, chain_id: u64, message: &Message) -> Signed {
    let raw = wallet.sign_envelope(chain_id, message).encoded_2718();
    Signed { hash: keccak256(&raw), raw }
}

/// One HTTP body and the transactions in it, by number.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) body: Bytes,
    pub(crate) transactions: Vec<u32>,
}

/// Transactions packed and dealt out to connections, each sender to one of them.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) lanes: Vec<Vec<Packet>>,
    pub(crate) numbers: B256Map<u32>,
    pub(crate) mode: Mode,
}

impl Plan {
    /// Packs transactions that are in the order of [`Senders::load`].
    pub(crate) fn new(transactions: &[Signed], mode: Mode) -> Self {
        Self::over(transactions, mode, mode.connections())
    }

    /// The same over so many connections, a divisor of [`SENDERS`].
    pub(crate) fn over(transactions: &[Signed], mode: Mode, connections: usize) -> Self {
        let mut lanes: Vec<Vec<u32>> = vec![Vec::new(); connections];
        for number in 0..transactions.len() {
            lanes[number % connections].push(number as u32);
        }
        let pack = |numbers: &[u32]| Packet { body: body(transactions, numbers), transactions: numbers.to_vec() };
        let lanes = lanes.iter().map(|lane| lane.chunks(mode.per_request()).map(pack).collect()).collect();
        let numbers = transactions.iter().zip(0..).map(|(signed, number)| (signed.hash, number)).collect();
        Self { lanes, numbers, mode }
    }

    /// How many transactions it has.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }
}

fn body(transactions: &[Signed], numbers: &[u32]) -> Bytes {
    let call = |number: &u32| transactions[*number as usize].call("eth_sendRawTransaction", *number);
    match numbers {
        [one] => call(one).into(),
        many => format!("[{}]", many.iter().map(call).collect::<Vec<_>>().join(",")).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable};
    use alloy_eips::eip2718::Decodable2718;

    #[test]
    fn each_sender_keeps_its_connection_and_its_order() {
        let mut senders = Senders::new(1, Workload::Erc20);
        let signed = senders.load(2 * SENDERS - 1).unwrap();
        assert_eq!(signed.len(), 2 * SENDERS);
        for mode in [Mode::Single, Mode::Batch100, Mode::Ws] {
            let plan = Plan::new(&signed, mode);
            assert_eq!((plan.len(), plan.lanes.len()), (2 * SENDERS, mode.connections()));
            for (index, lane) in plan.lanes.iter().enumerate() {
                let numbers: Vec<usize> = lane.iter().flat_map(|p| &p.transactions).map(|n| *n as usize).collect();
                assert!(numbers.iter().all(|number| number % SENDERS % mode.connections() == index));
                assert!(numbers.is_sorted());
                assert!(lane.iter().all(|packet| packet.transactions.len() <= mode.per_request()));
            }
        }
    }

    #[test]
    fn transactions_cost_nothing_and_follow_each_other() {
        let mut senders = Senders::new(7, Workload::Mint);
        let signed = senders.load(2 * SENDERS).unwrap();
        for (number, signed) in signed.iter().enumerate().step_by(501) {
            let tx = TxEnvelope::decode_2718(&mut signed.raw.as_slice()).unwrap();
            assert_eq!((tx.chain_id(), tx.max_fee_per_gas(), tx.nonce()), (Some(7), 0, (number / SENDERS) as u64));
            assert_eq!(tx.recover_signer().unwrap(), senders.wallets[number % SENDERS].address);
            assert_eq!(tx.tx_hash(), &signed.hash);
        }
    }
}
