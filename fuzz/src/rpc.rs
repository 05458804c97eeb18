//! The node's JSON-RPC: raw bodies into the dispatcher, over a chain in memory.
//!
//! Whatever the body, every answer is JSON-RPC 2.0 and of bounded size.

use alloy_primitives::{Address, B256, Bytes, U256};
use mayfly_evm::{BlockAttributes, Chain, ChainReader, GenesisAccount, Transaction};
use mayfly_node::rpc::{Caller, RateLimiter, Rollup, RpcLimits, Service, Stage, Subscriptions};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::settlement::{AssetKind, Leaf};
use op_alloy_consensus::TxDeposit;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

/// Bodies of one client, one after the other, zeros between them.
const MAX_BODIES: usize = 4;
/// Limits near enough for an input to pass them.
const MAX_BATCH_ITEMS: usize = 16;
const MAX_RESPONSE_BYTES: usize = 64 << 10;
/// Beside what its calls return, an answer holds ids and error messages.
const MAX_FRAME_BYTES: usize = MAX_BATCH_ITEMS * 1_024;
/// So little that no input is slow for burning gas alone.
const MAX_CALL_GAS: u64 = 1_000_000;
/// What stands for the result of the body before, such as a filter's id.
const LAST: &str = "\"@\"";

static NODE: LazyLock<Node> = LazyLock::new(Node::new);

/// Runs one input: a byte that says in which state the rollup is, then bodies.
pub fn run(data: &[u8]) {
    let Some((state, bodies)) = data.split_first() else { return };
    let node = &*NODE;
    let caller = node.caller(state & 1 == 1);
    let mut subscriptions = Subscriptions::new(caller.rollup.clone(), 2);
    let mut last: Option<String> = None;
    for body in bodies.split(|byte| *byte == 0).take(MAX_BODIES) {
        let body = fill(body, last.as_deref());
        // A notification is answered with nothing.
        let subscribed = node.service.subscription(&caller, &mut subscriptions, &body);
        if let Some(answer) = subscribed.filter(|answer| !answer.is_empty()) {
            last = answer_of(&answer).or(last);
        }
        let answer = node.runtime.block_on(node.service.handle(&caller, &body));
        assert!(answer.units > 0, "an answer for nothing");
        if let Some(answer) = answer.body {
            last = check(&answer).or(last);
        }
    }
}

struct Node {
    service: Service,
    runtime: Runtime,
    info: Arc<RollupInfo>,
    reader: ChainReader,
    _chain: Chain,
}

impl Node {
    fn new() -> Self {
        let (info, chain) = chain();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let service = Service::new(limits(), RateLimiter::new(0, 1, true));
        Self { service, runtime, info: Arc::new(info), reader: chain.reader(), _chain: chain }
    }

    /// A client of a rollup without filters, open or closed.
    fn caller(&self, closed: bool) -> Caller {
        let rollup = Rollup::following("night", self.info.clone(), self.reader.clone(), limits());
        rollup.marks.posted(3, 2);
        if closed {
            let leaf = |amount| Leaf {
                kind: AssetKind::Native,
                token: Address::ZERO,
                token_id: U256::ZERO,
                recipient: Address::repeat_byte(amount),
                amount: U256::from(amount),
            };
            rollup.close(self.reader.head().hash, vec![leaf(1), leaf(2), leaf(3)]).expect("leaves in order");
            rollup.set_stage(Stage::Settling);
        }
        Caller { rollup: Arc::new(rollup), address: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }
}

fn limits() -> RpcLimits {
    RpcLimits {
        max_batch_items: MAX_BATCH_ITEMS,
        max_response_bytes: MAX_RESPONSE_BYTES,
        max_log_blocks: 100,
        max_log_results: 20,
        max_filter_values: 8,
        max_filters: 3,
        max_call_gas: MAX_CALL_GAS,
        max_fee_history_blocks: 8,
        max_proof_keys: 4,
        ..RpcLimits::default()
    }
}

fn fill(body: &[u8], last: Option<&str>) -> Vec<u8> {
    match (std::str::from_utf8(body), last) {
        (Ok(text), Some(last)) => text.replace(LAST, last).into_bytes(),
        _ => body.to_vec(),
    }
}

/// Every response of a body; returns the first result that is a short string.
fn check(body: &[u8]) -> Option<String> {
    if body.first() != Some(&b'[') {
        assert!(body.len() <= MAX_RESPONSE_BYTES + MAX_FRAME_BYTES, "{} bytes of answer", body.len());
        return answer_of(body);
    }
    // The last answer of a batch is the one that passes the limit.
    assert!(body.len() <= 2 * MAX_RESPONSE_BYTES + MAX_FRAME_BYTES, "{} bytes of answer", body.len());
    let answers: Vec<&RawValue> = serde_json::from_slice(body).expect("a batch's answer is an array");
    assert!(!answers.is_empty() && answers.len() <= MAX_BATCH_ITEMS);
    answers.into_iter().filter_map(|answer| answer_of(answer.get().as_bytes())).next()
}

/// One response object: version, id, and a result or an error.
fn answer_of(body: &[u8]) -> Option<String> {
    let text = || String::from_utf8_lossy(&body[..body.len().min(400)]);
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", text()));
    assert_eq!(members.len(), 3, "{}", text());
    assert_eq!(members["jsonrpc"].get(), "\"2.0\"");
    assert!(!members["id"].get().starts_with(['{', '[', 't', 'f']), "{}", text());
    match (members.get("result"), members.get("error")) {
        (Some(result), None) => Some(result.get()).filter(|text| text.starts_with('"') && text.len() < 100),
        (None, Some(error)) => {
            let error: BTreeMap<String, &RawValue> = serde_json::from_str(error.get()).expect("an error is an object");
            assert!(error["code"].get().parse::<i32>().is_ok() && error["message"].get().len() > 2);
            assert!(error.keys().all(|key| ["code", "message", "data"].contains(&key.as_str())));
            None
        }
        _ => panic!("neither a result nor an error: {}", text()),
    }
    .map(str::to_owned)
}

/// Emits its calldata as a log with its caller as topic; calldata's size goes to slot 0.
const LOGGER: &[u8] = &[0x36, 0x5f, 0x5f, 0x37, 0x36, 0x5f, 0x55, 0x33, 0x60, 0x01, 0x36, 0x5f, 0xa2, 0x00];
/// Reverts with its calldata, as long as its first word says.
const REVERTER: &[u8] = &[0x36, 0x5f, 0x5f, 0x37, 0x5f, 0x35, 0x5f, 0xfd];

/// The rollup's own genesis with two contracts beside it (at 0x…bb and 0x…cc), and a few blocks with logs.
fn chain() -> (RollupInfo, Chain) {
    let mut info = RollupInfo {
        rollup: Address::with_last_byte(0xaa),
        chain_id: 9_001,
        l1_chain_id: 31_337,
        l1_number: 1,
        l1_time: 1_000,
        ..RollupInfo::default()
    };
    info.config.protocolVersion = 1;
    info.config.blockGasLimit = 30_000_000;
    let mut genesis = mayfly_rollup::genesis(&info);
    for (address, code) in [(0xbb, LOGGER), (0xcc, REVERTER)] {
        let (address, code) = (Address::with_last_byte(address), Bytes::from_static(code));
        genesis.accounts.push(GenesisAccount { address, nonce: 1, code, ..GenesisAccount::default() });
    }
    let spec = mayfly_rollup::chain_spec(&info).expect("version 1");
    let mut chain = Chain::create(None, spec, &genesis).expect("a valid genesis");
    for number in 1..=5_u8 {
        let attributes = BlockAttributes {
            timestamp: 1_000 + u64::from(number),
            prev_randao: B256::repeat_byte(3),
            parent_beacon_block_root: B256::repeat_byte(4),
            extra_data: Bytes::from_static(&[1; 17]),
            gas_limit: 30_000_000,
            beneficiary: Address::repeat_byte(0xfe),
            consensus: Default::default(),
        };
        let mut block = chain.begin(attributes).expect("a child of the head");
        for index in 0..number % 3 {
            let deposit = TxDeposit {
                source_hash: B256::repeat_byte(16 * number + index),
                from: Address::repeat_byte(0xf0),
                to: Address::with_last_byte(0xbb).into(),
                mint: 5,
                value: U256::from(index),
                gas_limit: 200_000,
                is_system_transaction: false,
                input: vec![number; 40].into(),
            };
            let tx = Transaction::deposit(deposit).recover().expect("a deposit names its sender");
            block.execute(&Arc::new(tx)).expect("a deposit is executable");
        }
        block.seal().expect("a block seals");
    }
    chain.flush().expect("memory takes it");
    (info, chain)
}
