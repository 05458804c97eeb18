//! Traces of random transactions beside anvil's, after the same history was played into both.
//!
//! The chain has Ethereum's prices here, since anvil has no others; a rollup's own differ for a few operations only.

use std::time::{Duration, Instant};

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::{eip2930::AccessList, eip2930::AccessListItem, eip7702::Authorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex};
use mayfly_evm::{Prices, RecoveredTx};
use mayfly_l1::{Anvil, AnvilConfig};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::chain::{CHAIN_ID, recovered};
use crate::server::{Server, config};

const TRANSACTIONS: usize = 1_000;
/// Contracts that call themselves nest beyond what a JSON parser follows: at most so many.
const TOO_DEEP: usize = 50;
const WALLETS: usize = 4;
/// Opcodes with the number of their operands. None says anything about its block: those differ.
const OPS: [(u8, usize); 62] = [
    (0x01, 2),
    (0x02, 2),
    (0x03, 2),
    (0x04, 2),
    (0x05, 2),
    (0x06, 2),
    (0x07, 2),
    (0x08, 3),
    (0x09, 3),
    (0x0a, 2),
    (0x0b, 2),
    (0x10, 2),
    (0x11, 2),
    (0x12, 2),
    (0x13, 2),
    (0x14, 2),
    (0x15, 1),
    (0x16, 2),
    (0x17, 2),
    (0x18, 2),
    (0x19, 1),
    (0x1a, 2),
    (0x1b, 2),
    (0x1c, 2),
    (0x1d, 2),
    (0x1e, 1),
    (0x20, 2),
    (0x30, 0),
    (0x31, 1),
    (0x32, 0),
    (0x33, 0),
    (0x34, 0),
    (0x35, 1),
    (0x36, 0),
    (0x37, 3),
    (0x38, 0),
    (0x39, 3),
    (0x3a, 0),
    (0x3b, 1),
    (0x3c, 4),
    (0x3d, 0),
    (0x3e, 3),
    (0x3f, 1),
    (0x47, 0),
    (0x51, 1),
    (0x52, 2),
    (0x53, 2),
    (0x54, 1),
    (0x55, 2),
    (0x55, 2),
    (0x58, 0),
    (0x59, 0),
    (0x5a, 0),
    (0x5c, 1),
    (0x5d, 2),
    (0x5e, 3),
    (0xa0, 2),
    (0xa1, 3),
    (0xa2, 4),
    (0xa3, 5),
    (0xa4, 6),
    (0x56, 1),
];
/// Those that leave nothing on the stack.
const SILENT: [u8; 14] = [0x37, 0x39, 0x3c, 0x3e, 0x52, 0x53, 0x55, 0x5d, 0x5e, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4];
/// CALL, CALLCODE, DELEGATECALL, STATICCALL.
const CALLS: [u8; 4] = [0xf1, 0xf2, 0xf4, 0xfa];

/// Makes transactions and remembers what they can meet.
struct Author {
    rng: StdRng,
    wallets: Vec<PrivateKeySigner>,
    contracts: Vec<Address>,
}

impl Author {
    fn address(&mut self) -> Address {
        let known = match self.rng.random_range(0..10) {
            0 => Some(Address::with_last_byte(self.rng.random_range(1..=5))),
            1 => Some(Address::repeat_byte(self.rng.random_range(0xa0..0xa8))),
            2 | 3 => self.wallets.choose(&mut self.rng).map(PrivateKeySigner::address),
            _ => self.contracts.choose(&mut self.rng).copied(),
        };
        known.unwrap_or(Address::repeat_byte(0xaf))
    }

    fn push(&mut self, code: &mut Vec<u8>) {
        match self.rng.random_range(0..12) {
            0 => {
                code.push(0x73);
                code.extend_from_slice(self.address().as_slice());
            }
            1 => {
                code.push(0x7f);
                code.extend_from_slice(&self.rng.random::<[u8; 32]>());
            }
            2..4 => code.push(0x5f),
            _ => code.extend_from_slice(&[0x60, self.rng.random_range(0..70)]),
        }
    }

    fn small(&mut self, code: &mut Vec<u8>, count: usize) {
        (0..count).for_each(|_| code.extend_from_slice(&[0x60, self.rng.random_range(0..70)]));
    }

    /// A call of somebody, with all or some of the gas.
    fn call(&mut self, code: &mut Vec<u8>) {
        let op = *CALLS.choose(&mut self.rng).unwrap();
        self.small(code, 4);
        if matches!(op, 0xf1 | 0xf2) {
            code.extend_from_slice(&[0x60, self.rng.random_range(0..3)]);
        }
        code.push(0x73);
        code.extend_from_slice(self.address().as_slice());
        match self.rng.random_bool(0.7) {
            true => code.push(0x5a),
            false => code.extend_from_slice(&[0x61, self.rng.random_range(0..80), 0]),
        }
        code.extend_from_slice(&[op, 0x50]);
    }

    /// CREATE or CREATE2 with a little of what is in memory.
    fn create(&mut self, code: &mut Vec<u8>) {
        let salted = self.rng.random_bool(0.5);
        self.small(code, if salted { 3 } else { 2 });
        code.extend_from_slice(&[0x60, self.rng.random_range(0..2), if salted { 0xf5 } else { 0xf0 }, 0x50]);
    }

    fn code(&mut self) -> Vec<u8> {
        let mut code = Vec::new();
        for _ in 0..self.rng.random_range(2..30) {
            match self.rng.random_range(0..20) {
                0..5 => self.call(&mut code),
                5 => self.create(&mut code),
                _ => {
                    let (op, operands) = *OPS.choose(&mut self.rng).unwrap();
                    match op {
                        // Memory, and jumps, within what gas pays for.
                        0x20 | 0x37 | 0x39 | 0x3e | 0x51..=0x53 | 0x56 | 0x5e | 0xa0..=0xa4 => {
                            self.small(&mut code, operands)
                        }
                        0x3c => {
                            self.small(&mut code, 3);
                            code.push(0x73);
                            code.extend_from_slice(self.address().as_slice());
                        }
                        _ => (0..operands).for_each(|_| self.push(&mut code)),
                    }
                    code.push(op);
                    if !SILENT.contains(&op) && self.rng.random_bool(0.5) {
                        code.push(0x50);
                    }
                }
            }
        }
        match self.rng.random_range(0..8) {
            0 => code.extend_from_slice(&[0x60, 0x40, 0x5f, 0xfd]),
            1 => code.push(0xfe),
            2 => {
                code.push(0x73);
                code.extend_from_slice(self.address().as_slice());
                code.push(0xff);
            }
            3 => code.push(0x00),
            _ => code.extend_from_slice(&[0x60, 0x40, 0x5f, 0xf3]),
        }
        code
    }

    fn input(&mut self) -> Bytes {
        let mut input = vec![0; self.rng.random_range(0..100)];
        self.rng.fill(&mut input[..]);
        input.into()
    }

    fn access_list(&mut self) -> AccessList {
        let keys = |author: &mut Self| (0..author.rng.random_range(0..3u8)).map(B256::with_last_byte).collect();
        let items = (0..self.rng.random_range(0..4)).map(|_| {
            let address = self.address();
            AccessListItem { address, storage_keys: keys(self) }
        });
        AccessList(items.collect())
    }

    fn sign<T>(&self, wallet: usize, tx: T) -> TxEnvelope
    where
        T: SignableTransaction<Signature>,
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let signature = self.wallets[wallet].sign_hash_sync(&tx.signature_hash()).unwrap();
        tx.into_signed(signature).into()
    }

    fn transaction(&mut self, nonces: &[u64]) -> TxEnvelope {
        let wallet = self.rng.random_range(0..WALLETS);
        let nonce = nonces[wallet];
        let gas_limit = if self.rng.random_bool(0.1) { 60_000 } else { 600_000 };
        let value = U256::from(self.rng.random_range(0..3u64) * 1_000);
        let (to, input) = match self.rng.random_range(0..10) {
            0 => (TxKind::Create, Bytes::from(self.code())),
            1 | 2 => {
                let code = self.code();
                // CODECOPY and RETURN what follows.
                let head = [&hex!("61")[..], &(code.len() as u16).to_be_bytes(), &hex!("80600a5f395ff3")].concat();
                (TxKind::Create, [head, code].concat().into())
            }
            3 => (TxKind::Call(self.address()), Bytes::new()),
            _ => (TxKind::Call(self.address()), self.input()),
        };
        match (self.rng.random_range(0..8), to) {
            (0, _) => {
                let chain_id = Some(CHAIN_ID);
                self.sign(wallet, TxLegacy { chain_id, nonce, gas_price: 0, gas_limit, to, value, input })
            }
            (1, _) => {
                let (chain_id, access_list) = (CHAIN_ID, self.access_list());
                self.sign(wallet, TxEip2930 { chain_id, nonce, gas_price: 0, gas_limit, to, value, access_list, input })
            }
            (2, TxKind::Call(to)) => {
                let other = (wallet + 1) % WALLETS;
                let address = if self.rng.random_bool(0.3) { Address::ZERO } else { self.address() };
                let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address, nonce: nonces[other] };
                let signature = self.wallets[other].sign_hash_sync(&authorization.signature_hash()).unwrap();
                self.sign(
                    wallet,
                    TxEip7702 {
                        chain_id: CHAIN_ID,
                        nonce,
                        gas_limit,
                        to,
                        value,
                        input,
                        authorization_list: vec![authorization.into_signed(signature)],
                        ..TxEip7702::default()
                    },
                )
            }
            _ => {
                let (chain_id, access_list) = (CHAIN_ID, self.access_list());
                self.sign(
                    wallet,
                    TxEip1559 { chain_id, nonce, gas_limit, to, value, input, access_list, ..TxEip1559::default() },
                )
            }
        }
    }
}

/// Both sides of the comparison.
struct Sides {
    server: Server,
    anvil: Anvil,
}

impl Sides {
    async fn start() -> Self {
        let args = ["--steps-tracing", "--hardfork", "osaka", "--block-base-fee-per-gas", "0", "--gas-price", "0"];
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let anvil =
            Anvil::start(AnvilConfig { chain_id: Some(CHAIN_ID), args, ..AnvilConfig::default() }).await.unwrap();
        Self { server: Server::start_priced(config(), Prices::default()).await, anvil }
    }

    /// The result of a call; `None` where calls nest deeper than a JSON parser follows.
    async fn ask(&self, url: &str, method: &str, params: &Value) -> Option<Value> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.server.client.post(url).json(&call).send().await.unwrap().text().await.unwrap();
        match serde_json::from_str::<Value>(&answer) {
            Ok(mut answer) => {
                assert_eq!(answer["error"], Value::Null, "{method} {params}");
                Some(answer["result"].take())
            }
            Err(error) => {
                assert!(error.to_string().contains("recursion limit"), "{error}");
                None
            }
        }
    }

    async fn anvil(&self, method: &str, params: Value) -> Value {
        self.ask(self.anvil.url(), method, &params).await.unwrap()
    }

    /// The same transaction on both, each time in a block of its own. `None` if it cannot be executed.
    async fn play(&self, tx: TxEnvelope) -> Option<(B256, Option<Address>)> {
        let (hash, raw) = (*tx.tx_hash(), Bytes::from(tx.encoded_2718()));
        let executable = |tx: std::sync::Arc<RecoveredTx>| {
            let mut chain = self.server.chain.lock();
            chain.can_execute(&tx).then(|| chain.block(&[tx]))
        };
        let block = executable(recovered(tx))?;
        assert_eq!(self.anvil("eth_sendRawTransaction", json!([raw])).await, json!(hash));
        let deadline = Instant::now() + Duration::from_secs(30);
        let receipt = loop {
            assert!(Instant::now() < deadline, "anvil does not mine {hash}");
            let receipt = self.anvil("eth_getTransactionReceipt", json!([hash])).await;
            if !receipt.is_null() {
                break receipt;
            }
        };
        let ours = &block.receipts[0];
        assert_eq!(receipt["gasUsed"], format!("{:#x}", ours.gas_used), "{hash}");
        assert_eq!(receipt["status"], if ours.status { "0x1" } else { "0x0" }, "{hash}");
        Some((hash, ours.contract_address.filter(|_| ours.status)))
    }

    /// Compares the traces of a transaction; says how many steps it took. `None` if they are too deep on both sides.
    async fn compare(&self, hash: B256) -> Option<usize> {
        let options = [
            json!({}),
            json!({ "tracer": "callTracer", "tracerConfig": { "withLog": true } }),
            json!({ "tracer": "prestateTracer" }),
            json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } }),
        ];
        let tx = self.server.call("eth_getTransactionByHash", json!([hash])).await.unwrap();
        let mut steps = 0;
        for options in options {
            let params = json!([hash, options]);
            let theirs = self.ask(self.anvil.url(), "debug_traceTransaction", &params).await;
            let ours = self.ask(&self.server.url("/"), "debug_traceTransaction", &params).await;
            assert_eq!(ours.is_some(), theirs.is_some(), "{params}");
            let (ours, mut theirs) = (ours?, theirs?);
            steps += ours["structLogs"].as_array().map_or(0, Vec::len);
            as_geth_has_it(&mut theirs, &tx["gas"]);
            assert_eq!(difference(&ours, &theirs), None, "{params}");
        }
        Some(steps)
    }
}

/// What anvil calls an error, and geth and the public cases.
const ERRORS: [(&str, &str); 7] = [
    ("CreateCollision", "contract address collision"),
    ("CreateContractStartingWithEF", "invalid code: must not begin with 0xef"),
    ("CallTooDeep", "max call depth exceeded"),
    ("NonceOverflow", "nonce uint64 overflow"),
    ("StateChangeDuringStaticCall", "write protection"),
    ("CallNotAllowedInsideStatic", "write protection"),
    ("OutOfOffset", "return data out of bounds"),
];

/// Takes out of anvil's traces what it does otherwise than geth and the public cases: the gas of a call is that of the
/// whole transaction there, not what is left once it has begun; what is empty or nothing (accounts, refunds) is not
/// shown; errors have other names.
fn as_geth_has_it(trace: &mut Value, gas_limit: &Value) {
    let Value::Object(fields) = trace else { return };
    if fields.contains_key("gasUsed") {
        fields.insert("gas".to_owned(), gas_limit.clone());
    }
    fields.retain(|_, field| field["balance"] != "0x0" || field.get("nonce").or(field.get("code")).is_some());
    for step in fields.get_mut("structLogs").and_then(Value::as_array_mut).into_iter().flatten() {
        let Value::Object(step) = step else { continue };
        step.retain(|name, value| name != "refund" || *value != 0);
    }
    rename_errors(trace);
}

/// Where two values differ first, and how.
fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    let at = |name: &str, difference: Option<String>| difference.map(|text| format!(".{name}{text}"));
    match (ours, theirs) {
        _ if ours == theirs => None,
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().zip(b.values()).find_map(|((name, a), b)| at(name, difference(a, b)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(index, (a, b))| at(&index.to_string(), difference(a, b)))
        }
        _ => Some(format!(": {ours} and {theirs}")),
    }
}

fn rename_errors(value: &mut Value) {
    if let Some(error) = value.get_mut("error")
        && let Some((_, geths)) = ERRORS.iter().find(|(anvils, _)| error == anvils)
    {
        *error = json!(geths);
    }
    value.get_mut("calls").and_then(Value::as_array_mut).into_iter().flatten().for_each(rename_errors);
}

#[tokio::test]
async fn traces_of_a_thousand_random_transactions_equal_anvils() {
    let sides = Sides::start().await;
    let first = sides.server.chain.lock().signer.clone();
    let wallets = (1..WALLETS as u8).map(|byte| PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap());
    let wallets: Vec<_> = std::iter::once(first).chain(wallets).collect();
    let beneficiary = Address::repeat_byte(0xfe);
    let funds = U256::from(10u64.pow(18));
    sides.anvil("anvil_setCoinbase", json!([beneficiary])).await;
    sides.anvil("anvil_setBalance", json!([wallets[0].address(), funds])).await;
    let mut author = Author { rng: StdRng::seed_from_u64(1_000), wallets, contracts: Vec::new() };
    for wallet in 1..WALLETS {
        let (nonce, to) = (wallet as u64 - 1, TxKind::Call(author.wallets[wallet].address()));
        let value = U256::from(10u64.pow(17));
        let tx = TxEip1559 { chain_id: CHAIN_ID, nonce, gas_limit: 21_000, to, value, ..TxEip1559::default() };
        sides.play(author.sign(0, tx)).await.unwrap();
    }
    let mut played = Vec::new();
    while played.len() < TRANSACTIONS + TOO_DEEP {
        let reader = sides.server.rollup.reader.clone();
        let nonce = |wallet: &PrivateKeySigner| reader.account(&wallet.address()).map_or(0, |account| account.nonce);
        let nonces: Vec<u64> = author.wallets.iter().map(nonce).collect();
        let Some((hash, created)) = sides.play(author.transaction(&nonces)).await else { continue };
        author.contracts.extend(created);
        played.push(hash);
    }
    // In the end, so that all but the last are traced in states of the past.
    let (mut compared, mut steps) = (0, 0);
    for hash in played {
        if let Some(took) = sides.compare(hash).await {
            compared += 1;
            steps += took;
        }
    }
    assert!(compared >= TRANSACTIONS && steps > 20 * TRANSACTIONS, "{compared} compared, {steps} steps");
}
