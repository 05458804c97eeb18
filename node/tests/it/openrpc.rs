//! The OpenRPC document against what the node does: results fit it, and input that does not fit is refused as the table
//! of errors says.

use std::collections::{BTreeMap, BTreeSet};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use jsonschema::Validator;
use mayfly_contracts::l2::L2Messenger::sendCall;
use mayfly_contracts::predeploys::L2_MESSENGER;
use mayfly_node::http::HttpConfig;
use mayfly_rollup::settlement::{AssetKind, Leaf};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chain::{LOGGER, TestChain};
use crate::foreign::{Foreign, transfer};
use crate::sequenced::Stack;
use crate::server::{Server, config};

/// Where the table of errors stands.
const RPC_DOC: &str = include_str!("../../../docs/protocol/rpc.md");
/// Methods that only a connection which stays has.
const SUBSCRIPTIONS: [&str; 2] = ["eth_subscribe", "eth_unsubscribe"];

/// Wrong parameters, or a method that this node does not have at all.
const REFUSED: [i64; 3] = [-32602, -32601, -32004];

/// Messages by code, each with `…` for what varies.
struct Table(BTreeMap<i64, Vec<String>>);

impl Table {
    fn read() -> Self {
        let mut table: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        let errors = RPC_DOC.split_once("\n## Errors\n").unwrap().1.split_once("\n## ").unwrap().0;
        for row in errors.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
            if cells.len() < 3 {
                continue;
            }
            let codes = cells[0].split(", ").filter_map(|code| code.trim().replace('−', "-").parse().ok());
            let messages: Vec<String> = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            for code in codes {
                table.entry(code).or_default().extend(messages.iter().cloned());
            }
        }
        Self(table)
    }

    fn holds(&self, error: &Value) -> bool {
        let (Some(code), Some(message)) = (error["code"].as_i64(), error["message"].as_str()) else { return false };
        self.0.get(&code).is_some_and(|known| known.iter().any(|pattern| fits(pattern, message)))
    }
}

/// Whether a text is the pattern with anything in place of each `…`.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

#[test]
fn patterns_stand_for_what_varies_and_for_nothing_else() {
    assert!(fits("nonce too low: next nonce …, tx nonce …", "nonce too low: next nonce 5, tx nonce 4"));
    assert!(fits("internal error", "internal error") && fits("… calls", "5 calls"));
    for (pattern, text) in [("internal error", "internal error: x"), ("… calls", "5 calls more"), ("a … b", "a b")]
    {
        assert!(!fits(pattern, text), "{text}");
    }
}

/// The document, and a chain with a few transactions behind a server.
struct Subject<C> {
    server: Server<C>,
    document: Value,
    table: Table,
    tx: Value,
    block: Value,
    filter: Value,
    /// Signed transactions that the chain would take, each given once.
    raws: Mutex<Vec<Bytes>>,
    /// What came and should not have.
    wrong: Mutex<Vec<String>>,
}

/// This machine is not limited.
fn wide() -> HttpConfig {
    HttpConfig { exempt_loopback: true, ..config() }
}

/// What a follower of a rollup serves, whose organiser has closed it: leaves are there, and messages.
async fn following() -> Subject<TestChain> {
    let server = Server::start(wide()).await;
    let message = sendCall { to: LOGGER, data: Bytes::from_static(b"out") }.abi_encode();
    for input in 0..5u8 {
        server.chain.lock().call(LOGGER, 0, &[input; 3]);
        server.chain.lock().call(L2_MESSENGER, 0, &message);
    }
    let head = server.chain.lock().call(LOGGER, 0, b"last");
    let leaf = |amount| Leaf {
        kind: AssetKind::Native,
        token: Address::ZERO,
        token_id: U256::ZERO,
        recipient: Address::repeat_byte(amount),
        amount: U256::from(amount),
    };
    server.rollup.close(head.hash, (1..4).map(leaf).collect()).unwrap();
    server.rollup.marks.claimed(head.number(), true);
    Subject::of(server, vec![]).await
}

/// What serves a foreign chain, with a pool, as it does for those who develop.
async fn imported() -> (Subject<()>, TempDir) {
    let foreign = Foreign::new(6);
    let (server, dir) = foreign.serve(wide(), true).await;
    let raws = (6..9).rev().map(|nonce| foreign.sign(transfer(nonce, U256::ONE)).encoded_2718().into());
    (Subject::of(server, raws.collect()).await, dir)
}

/// What serves a rollup that it sequences, after one transaction.
async fn sequenced() -> (Subject<()>, Stack) {
    let stack = Stack::start().await;
    let raws = (0..3).map(|nonce| stack.sign(nonce, |_| {})).collect::<Vec<_>>();
    stack.server.call("eth_sendRawTransactionSync", json!([raws[0]])).await.unwrap();
    // The last one is given first.
    let raws = [2, 1].map(|nonce| raws[nonce].clone());
    (Subject::of(Server::<()>::serve(wide(), stack.server.rollup.clone()).await, raws.to_vec()).await, stack)
}

impl<C> Subject<C> {
    async fn of(server: Server<C>, raws: Vec<Bytes>) -> Self {
        let block = server.call("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
        let document = server.call("rpc.discover", json!([])).await.unwrap();
        Self {
            tx: block["transactions"][0].clone(),
            block: block["hash"].clone(),
            filter: server.call("eth_newFilter", json!([{}])).await.unwrap(),
            server,
            document,
            table: Table::read(),
            raws: Mutex::new(raws),
            wrong: Mutex::default(),
        }
    }

    /// Those of the names given, or all.
    fn methods(&self, only: Option<&[&str]>) -> impl Iterator<Item = &Value> {
        let all = self.document["methods"].as_array().unwrap().iter();
        all.filter(move |method| {
            let name = method["name"].as_str().unwrap();
            !SUBSCRIPTIONS.contains(&name) && only.is_none_or(|only| only.contains(&name))
        })
    }

    fn validator(&self, schema: &Value) -> Validator {
        let root = json!({ "components": self.document["components"], "allOf": [schema] });
        jsonschema::validator_for(&root).unwrap()
    }

    /// A value that the parameter takes.
    fn example(&self, method: &str, schema: &Value) -> Value {
        let to = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let of_transaction =
            ["eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getRawTransactionByHash", "mayfly_receipt"];
        match to {
            "Hash" if of_transaction.contains(&method) || method.ends_with("Transaction") => self.tx.clone(),
            "Hash" => self.block.clone(),
            "Bytes" if method.starts_with("eth_sendRaw") => {
                self.raws.lock().pop().map_or_else(|| json!("0x1234"), |raw| json!(raw))
            }
            "Address" => json!(LOGGER),
            "Block" | "BlockTag" => json!("latest"),
            "Boolean" => json!(true),
            "Bytes" => json!("0x1234"),
            "Quantity" | "Number" | "Slot" => json!("0x1"),
            "FilterId" if method == "eth_uninstallFilter" => json!(format!("0x{}", "7".repeat(32))),
            "FilterId" => self.filter.clone(),
            "Call" => json!({ "to": LOGGER, "data": "0x12" }),
            "SimulationOptions" => json!({ "blockStateCalls": [{ "calls": [{ "to": LOGGER }] }] }),
            "SlotsByAddress" => json!({ LOGGER.to_string(): [format!("0x{}", "0".repeat(64))] }),
            "Percentiles" => json!([10, 50.5]),
            "TraceTypes" => json!(["trace"]),
            "Slots" | "RawTransactions" => json!([]),
            "PayloadAttributes" => {
                let (zero, nobody) = (format!("0x{}", "0".repeat(64)), format!("0x{}", "0".repeat(40)));
                json!({ "timestamp": "0x7fffffff", "prevRandao": zero, "suggestedFeeRecipient": nobody,
                    "withdrawals": [], "parentBeaconBlockRoot": zero })
            }
            "StateOverrides" | "BlockOverrides" | "TraceOptions" | "Filter" => json!({}),
            other => panic!("no example of {other}"),
        }
    }

    fn is_right(&self) {
        let wrong = self.wrong.lock();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Calls, and checks that whatever comes is in the table.
    async fn call(&self, method: &str, params: &Value) -> Result<Value, Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (status, answer) = self.server.post("/", body.to_string()).await;
        let shown: String = params.to_string().chars().take(300).collect();
        assert_eq!(status, 200, "{method} {shown}: {answer}");
        match answer.get("error") {
            None => Ok(answer["result"].clone()),
            Some(error) => {
                if !self.table.holds(error) || error["code"] == -32603 {
                    self.wrong.lock().push(format!("{method} {shown}: not in the table: {error}"));
                }
                Err(error.clone())
            }
        }
    }
}

impl<C> Subject<C> {
    /// Calls every method as the document says, and holds the result against it; returns what has one.
    async fn check_results(&self) -> BTreeSet<String> {
        let mut answered = BTreeSet::new();
        for method in self.methods(None) {
            let name = method["name"].as_str().unwrap();
            let params = method["params"].as_array().unwrap();
            let required = params.iter().filter(|param| param["required"] == true);
            let values: Vec<Value> = required.map(|param| self.example(name, &param["schema"])).collect();
            for (value, param) in values.iter().zip(params) {
                assert!(self.validator(&param["schema"]).is_valid(value), "{name}: {value}");
            }
            // What needs another node says so, in the table's words.
            let Ok(result) = self.call(name, &json!(values)).await else { continue };
            let validator = self.validator(&method["result"]["schema"]);
            if let Err(error) = validator.validate(&result) {
                self.wrong.lock().push(format!("{name}: {error}: {result}"));
            }
            answered.insert(name.to_owned());
        }
        self.is_right();
        answered
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_result_is_what_the_document_says() {
    let following = following().await;
    let mut answered = following.check_results().await;
    let (imported, _dir) = imported().await;
    answered.extend(imported.check_results().await);
    let (sequenced, stack) = sequenced().await;
    answered.extend(sequenced.check_results().await);
    stack.stop().await;
    let all = following.methods(None).map(|method| method["name"].as_str().unwrap().to_owned());
    let silent: Vec<String> = all.filter(|name| !answered.contains(name)).collect();
    assert!(silent.is_empty(), "no kind of node has a result for {silent:?}");
}

/// Values that few parameters take, each a different way.
fn odd_values() -> Vec<Value> {
    let huge = "f".repeat(100_000);
    vec![
        json!(5),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(true),
        json!(""),
        json!("0x"),
        json!("0xzz"),
        json!("latest"),
        json!("nonsense"),
        json!("0x01"),
        json!(format!("0x{}", "ee".repeat(32))),
        json!(format!("0x{}", "ee".repeat(20))),
        json!("0xffffffffffffffffff"),
        json!(format!("0x{huge}")),
        json!(huge),
        json!([]),
        json!([[[[]]]]),
        json!(vec![0; 10_000]),
        json!(vec!["0x00"; 2_000]),
        json!({}),
        json!({ "nobody": { "knows": "this" } }),
        json!({ "blockHash": "0x12", "blockNumber": 7 }),
        json!("\u{0}\u{ffff}\"\\"),
    ]
}

/// Parameters of which anything counts as absent that does not fit (EIP-7966).
const LENIENT: [(&str, &str); 1] = [("eth_sendRawTransactionSync", "timeout")];

impl<C> Subject<C> {
    /// Sends every method values that do not fit, in each place; returns how many were refused and how many fitted.
    async fn refuse_odd_input(&self, only: Option<&[&str]>) -> (usize, usize) {
        let (mut refused, mut taken) = (0, 0);
        for method in self.methods(only) {
            let name = method["name"].as_str().unwrap();
            let params = method["params"].as_array().unwrap();
            let whole: Vec<Value> = params.iter().map(|param| self.example(name, &param["schema"])).collect();
            for (at, param) in params.iter().enumerate() {
                let fits = self.validator(&param["schema"]);
                let lenient = LENIENT.contains(&(name, param["name"].as_str().unwrap()));
                for odd in odd_values() {
                    let mut values = whole[..=at].to_vec();
                    values[at] = odd;
                    let answer = self.call(name, &json!(values)).await;
                    if lenient || fits.is_valid(&values[at]) {
                        taken += 1;
                        continue;
                    }
                    let shown: String = values[at].to_string().chars().take(100).collect();
                    if let Ok(answer) = answer {
                        self.wrong.lock().push(format!("{name} takes {shown} as {}: {answer}", param["name"]));
                    }
                    refused += 1;
                }
                // Members of an object, each wrong in turn: whatever comes of it is in the table.
                for member in members(&self.document, &param["schema"]) {
                    for odd in odd_values() {
                        let mut values = whole[..=at].to_vec();
                        values[at][&member] = odd;
                        let _ = self.call(name, &json!(values)).await;
                    }
                }
                if param["required"] == true {
                    let error = self.call(name, &json!(whole[..at])).await.unwrap_err();
                    assert!(REFUSED.contains(&error["code"].as_i64().unwrap()), "{name}: {error}");
                }
            }
            let more: Vec<Value> = whole.iter().cloned().chain([json!(1)]).collect();
            let error = self.call(name, &json!(more)).await.unwrap_err();
            assert!(REFUSED.contains(&error["code"].as_i64().unwrap()), "{name} takes too many: {error}");
            let error = self.call(name, &json!({ "by": "name" })).await.unwrap_err();
            assert!(REFUSED.contains(&error["code"].as_i64().unwrap()), "{name} takes names: {error}");
        }
        self.is_right();
        (refused, taken)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_does_not_fit_is_refused_in_the_words_of_the_table() {
    let (refused, taken) = following().await.refuse_odd_input(None).await;
    assert!(refused > 1_500 && taken > 100, "{refused} refused, {taken} taken");
}

/// What only waits on a chain that nobody extends, and blocks that nobody keeps.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_chain_refuses_what_does_not_fit_too() {
    let only = [
        "testing_buildBlockV1",
        "eth_sendRawTransaction",
        "eth_sendRawTransactionSync",
        "eth_fillTransaction",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "txpool_content",
        "txpool_contentFrom",
        "txpool_inspect",
        "txpool_status",
    ];
    let (subject, _dir) = imported().await;
    let (refused, taken) = subject.refuse_odd_input(Some(&only)).await;
    assert!(refused > 150 && taken > 20, "{refused} refused, {taken} taken");
}

/// What only a sequencer does.
#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_refuses_what_does_not_fit_too() {
    let only = [
        "eth_sendRawTransaction",
        "eth_sendRawTransactionSync",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "mayfly_receipt",
        "mayfly_status",
        "mayfly_finality",
        "txpool_content",
        "txpool_contentFrom",
        "txpool_inspect",
        "txpool_status",
    ];
    let (subject, stack) = sequenced().await;
    let (refused, taken) = subject.refuse_odd_input(Some(&only)).await;
    assert!(refused > 100 && taken > 20, "{refused} refused, {taken} taken");
    stack.stop().await;
}

/// The members that an object may have.
fn members(document: &Value, schema: &Value) -> Vec<String> {
    let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    let properties = document["components"]["schemas"][name]["properties"].as_object();
    properties.map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

#[tokio::test]
async fn reverts_carry_their_data() {
    let server = Server::start(config()).await;
    let call = json!({ "to": crate::chain::REVERTER });
    for method in ["eth_call", "eth_estimateGas"] {
        let error = server.call(method, json!([call])).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!(3), &json!("execution reverted: nope")), "{method}");
        assert!(error["data"].as_str().unwrap().starts_with("0x08c379a0"), "{error}");
    }
}
