//! Where a corpus starts: inputs that reach the depth of a target, one or two for each thing it does.

use super::workload::{any_blocks, blocks, erc20, mints, rng};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, TxKind, U256};
use mayfly_node::rpc::methods;
use mayfly_rollup::batch::{BatchBlock, PREFIX_BYTES, encode};
use mayfly_rollup::settlement::{AssetKind, Leaf, LeafFile};
use serde_json::{Value, json};

type Seeds = Vec<(String, Vec<u8>)>;

pub(crate) fn seeds(name: &str) -> Seeds {
    match name {
        "batch" => batch(),
        "derivation" => derivation(),
        "l1" => l1(),
        "log" => log(),
        _ => rpc(),
    }
}

/// An input in pieces.
#[derive(Default)]
struct Script(Vec<u8>);

impl Script {
    fn put(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Bytes behind their length.
    fn bytes(self, bytes: &[u8]) -> Self {
        self.put(&(bytes.len() as u16).to_be_bytes()).put(bytes)
    }
}

/// The columns of a payload, and its signatures.
fn unwrap(payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let frame_len = u32::from_be_bytes(payload[37..41].try_into().unwrap()) as usize;
    let (frame, signatures) = payload[PREFIX_BYTES..].split_at(frame_len);
    (zstd::bulk::decompress(frame, 1 << 20).unwrap(), signatures.to_vec())
}

fn batch() -> Seeds {
    let mut sponsored = blocks(erc20(4, 2, 5), 2);
    sponsored[1].sponsors = vec![B256::repeat_byte(1), B256::ZERO];
    let payloads = [
        ("erc20", blocks(erc20(12, 5, 1), 4)),
        ("mints", blocks(mints(6, 2), 3)),
        ("anything", any_blocks(&mut rng(3), 6)),
        ("sponsored", sponsored),
    ];
    let mut seeds = Vec::new();
    for (name, blocks) in payloads {
        let payload = encode(B256::ZERO, &blocks).unwrap();
        let (columns, signatures) = unwrap(&payload);
        seeds.push((format!("seed-payload-{name}"), Script::default().put(&[0]).put(&payload).0));
        seeds.push((format!("seed-columns-{name}"), Script::default().put(&[1]).bytes(&columns).put(&signatures).0));
        let tx = blocks.iter().flat_map(|block| &block.transactions).next().unwrap();
        seeds.push((format!("seed-transaction-{name}"), Script::default().put(&[6]).put(&raw(tx)).0));
    }
    let leaf = Leaf {
        kind: AssetKind::Native,
        token: Address::ZERO,
        token_id: U256::ZERO,
        recipient: Address::repeat_byte(1),
        amount: U256::from(9),
    };
    let file = LeafFile { leaves: vec![leaf, Leaf { recipient: Address::repeat_byte(2), ..leaf }] };
    seeds.push(("seed-leaves".into(), Script::default().put(&[2]).put(&file.encode()).0));
    seeds.push(("seed-leaves-compressed".into(), Script::default().put(&[3]).put(&file.compress().unwrap()).0));
    seeds.push(("seed-leaves-plain".into(), Script::default().put(&[4]).put(&file.encode()).0));
    seeds.push(("seed-blobs".into(), Script::default().put(&[5, 200]).bytes(&[7; 40]).put(&[0, 0, 0, 0, 9, 1]).0));
    seeds
}

fn raw(tx: &TxEnvelope) -> Vec<u8> {
    alloy_eips::eip2718::Encodable2718::encoded_2718(tx)
}

/// A well-formed batch with a creation, a call of what it created and a plain transfer.
fn good_batch() -> Vec<u8> {
    let init = [0x60, 0x05, 0x60, 0x0c, 0x5f, 0x39, 0x60, 0x05, 0x5f, 0xf3, 0, 0, 0x36, 0x5f, 0x5f, 0xa0, 0x00];
    Script::default()
        // Operation, origin and items as new as there are, blocks − 1, transactions.
        .put(&[8, 0, 0, 2, 3])
        // From wallet 0, type 2, no fault, gas, value, creation.
        .put(&[0, 2, 0, 0xff, 0xff, 0, 0, 0])
        .bytes(&init)
        .put(&[0, 0, 0, 0x40, 0, 0, 1, 0])
        .bytes(&[1, 2, 3])
        .put(&[1, 3, 0, 0xff, 0, 1, 4, 2])
        .bytes(&[])
        // Three blocks: place, fault, items.
        .put(&[1, 0, 2, 1, 0, 1, 0, 0, 0])
        // Calldata.
        .put(&[0])
        .0
}

fn items() -> Vec<u8> {
    Script::default()
        .put(&[3, 1, 7, 0, 5])
        .put(&[4, 0, 0xaa, 0xbb, 1, 0, 9])
        .bytes(b"Token")
        .bytes(b"TOK")
        .put(&[4, 1, 0xab, 0xbb, 1, 0, 9])
        .bytes(b"Things")
        .bytes(b"\xff\xfe")
        .bytes(b"ipfs://x")
        .put(&[4, 2, 0xac, 0xbb, 1, 0, 9])
        .bytes(b"uri")
        // A forced transfer of wallet 2.
        .put(&[5, 2, 2, 0, 0, 0, 1, 4, 0])
        .bytes(&[])
        .put(&[0x20, 0])
        // An unknown kind, and a native deposit that is none.
        .put(&[2, 5, 1, 0])
        .bytes(b"?")
        .put(&[2, 0, 1, 0])
        .bytes(b"?")
        .put(&[0])
        .0
}

fn derivation() -> Seeds {
    let blocks = vec![BatchBlock {
        origin: 10,
        timestamp: 1_000,
        queue_items: 0,
        transactions: vec![signed()],
        sponsors: Vec::new(),
    }];
    let payload = encode(B256::ZERO, &blocks).unwrap();
    let (columns, signatures) = unwrap(&payload);
    let seed = |name: &str, parts: &[&[u8]]| (format!("seed-{name}"), parts.concat());
    let raw = Script::default().put(&[6]).bytes(&payload).put(&[0, 0, 0]).0;
    let columns = Script::default().put(&[7]).bytes(&columns).bytes(&signatures).put(&[0, 0, 3]).0;
    let (good, items) = (good_batch(), items());
    vec![
        seed("items", &[&items, &[9, 0, 0]]),
        seed("batch", &[&items, &good, &good]),
        seed("raw", &[&items, &raw, &good]),
        seed("columns", &[&columns, &good]),
        seed("reorg", &[&items, &good, &[11, 2], &items, &good, &[11, 1], &good]),
        seed("pieces", &[&items, &[12, 7, 3], &good, &[12, 7, 2, 13], &[12, 7, 0xff, 11, 1, 0, 13]]),
        seed("ended", &[&items, &good, &[10, 0, 0], &good, &[0, 1, 60, 0]]),
        seed("frozen", &[&items, &[10, 2, 0], &good, &[10, 1, 0], &items]),
    ]
}

/// The first transaction of the derivation target's first wallet.
fn signed() -> TxEnvelope {
    let to = TxKind::Call(Address::repeat_byte(6));
    let tx = TxEip1559 { chain_id: 7_777, gas_limit: 21_000, to, ..Default::default() };
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap();
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

fn log() -> Seeds {
    let seed = |name: &str, bytes: &[u8]| (format!("seed-{name}"), bytes.to_vec());
    vec![
        seed("whole", &[0, 0]),
        seed("cut", &[0, 0, 0, 8, 0, 40]),
        seed("cut-at-record", &[0, 0, 0, 8, 0, 24]),
        seed("flip", &[0, 0, 1, 3, 0, 60, 1]),
        seed("flip-last", &[0, 0, 1, 9, 0, 50, 1]),
        seed("overwrite", &[0, 0, 2, 4, 0, 30, 0, 3, 1, 2, 3]),
        seed("tail", &[0, 0, 3, 0, 0, 0, 0, 4, b'M', b'F', b'R', b'1']),
        seed("zeros", &[0, 0, 4, 0, 0, 0, 4, 0, 0]),
        seed("drained", &[0, 0, 5, 2, 0, 24, 1, 0]),
        seed("copied", &[0, 0, 6, 2, 0, 24, 4, 0]),
        seed("hole", &[0, 0, 7, 8, 0, 30, 0, 9]),
        seed("unborn", &[0, 0xe8]),
        seed("forged", &[0xff, 0, 1, 5, 0, 70, 1]),
    ]
}

fn params(method: &str) -> Value {
    let (contract, hash) = (Address::with_last_byte(0xbb), B256::repeat_byte(0x11));
    let call = json!({"to": contract, "data": "0x0102", "gas": "0x10000"});
    let filter = json!({"fromBlock": "0x0", "toBlock": "latest", "address": contract});
    match method {
        "eth_call" | "eth_estimateGas" | "eth_createAccessList" => {
            json!([call, "latest", {contract.to_string(): {"balance": "0x1", "code": "0x600160005260206000fd"}}])
        }
        "eth_fillTransaction" => json!([call]),
        "eth_feeHistory" => json!(["0x3", "latest", [10.0, 50.0]]),
        "eth_getBalance" | "eth_getCode" | "eth_getTransactionCount" => json!([contract, "0x2"]),
        "eth_getStorageAt" => json!([contract, "0x0", "latest"]),
        "eth_getProof" => json!([contract, ["0x0"], "latest"]),
        "eth_getLogs" | "eth_newFilter" => json!([filter]),
        "eth_subscribe" => json!(["logs", filter]),
        "eth_getFilterChanges" | "eth_getFilterLogs" | "eth_uninstallFilter" | "eth_unsubscribe" => json!(["@"]),
        "eth_getBlockByHash" => json!([hash, true]),
        "eth_getBlockByNumber" => json!(["0x2", true]),
        "eth_getBlockReceipts" | "mayfly_finality" => json!(["0x2"]),
        "eth_sendRawTransaction" | "eth_sendRawTransactionSync" => json!(["0x02c0"]),
        "web3_sha3" => json!(["0x68656c6c6f"]),
        "mayfly_leaves" => json!(["0x0", "0x2"]),
        "eth_blockNumber" => json!([]),
        name if name.ends_with("Number") => json!(["0x1"]),
        name if name.ends_with("Hash") => json!([hash]),
        name if name.ends_with("HashAndIndex") => json!([hash, "0x0"]),
        name if name.ends_with("AndIndex") => json!(["0x1", "0x0"]),
        "eth_getTransactionReceipt" | "mayfly_receipt" => json!([hash]),
        "mayfly_settlementProof" => json!([Address::repeat_byte(2)]),
        "mayfly_withdrawalProof" => json!(["0x0"]),
        _ => json!([]),
    }
}

fn rpc() -> Seeds {
    let call =
        |id: usize, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params(method)});
    let body = |value: &Value| [&[1][..], value.to_string().as_bytes()].concat();
    let mut seeds: Seeds = methods::names().map(|method| (format!("seed-{method}"), body(&call(1, method)))).collect();
    let batch: Vec<Value> = methods::names().enumerate().take(12).map(|(id, method)| call(id, method)).collect();
    seeds.push(("seed-batch".into(), body(&Value::Array(batch))));
    let polled: Vec<String> = ["eth_newFilter", "eth_getFilterLogs", "eth_newBlockFilter", "eth_getFilterChanges"]
        .map(|method| call(1, method).to_string())
        .to_vec();
    seeds.push(("seed-polled".into(), [&[0][..], polled.join("\0").as_bytes()].concat()));
    let notification = json!({"jsonrpc": "2.0", "method": "eth_chainId"});
    seeds.push(("seed-notification".into(), body(&json!([notification, call(2, "eth_chainId"), 5]))));
    seeds
}

fn l1() -> Seeds {
    let header = |number: u64| {
        let inner = alloy_consensus::Header { number, timestamp: 1_000 + number, ..Default::default() };
        serde_json::to_value(alloy_rpc_types_eth::Header::new(inner)).unwrap()
    };
    let log = json!({
        "address": Address::repeat_byte(0xaa), "topics": [B256::ZERO], "data": "0x01", "blockNumber": "0x5",
        "blockHash": B256::ZERO, "transactionHash": B256::repeat_byte(9), "transactionIndex": "0x0", "logIndex": "0x0",
        "removed": false,
    });
    let receipt = json!({
        "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "logs": [log],
        "logsBloom": alloy_primitives::Bloom::ZERO, "transactionHash": B256::repeat_byte(9), "transactionIndex": "0x0",
        "blockHash": B256::ZERO, "blockNumber": "0x5", "gasUsed": "0x5208", "effectiveGasPrice": "0x1",
        "from": Address::ZERO, "to": Address::repeat_byte(0xaa), "contractAddress": null,
    });
    let transaction = {
        let mut value = serde_json::to_value(signed()).unwrap();
        value["from"] = json!(Address::repeat_byte(2));
        value
    };
    let history = json!({
        "oldestBlock": "0x1", "baseFeePerGas": ["0x1", "0x2"], "gasUsedRatio": [0.5], "baseFeePerBlobGas": ["0x1", "0x1"],
        "blobGasUsedRatio": [0.1], "reward": [["0x3"]],
    });
    let refused = json!({"code": 3, "message": "execution reverted", "data": "0x08c379a0"});
    let number = json!("0x5");
    let word = json!(B256::repeat_byte(1));
    let long = json!(alloy_primitives::Bytes::from(vec![1; 640]));
    let asked: [(&str, [u8; 2], Vec<Value>); 18] = [
        ("head", [0, 0], vec![header(5)]),
        ("headers", [1, 0], vec![header(5), header(6), header(7)]),
        ("receipts-proven", [2, 0], vec![header(5), json!([receipt])]),
        ("transaction", [3, 0], vec![transaction.clone()]),
        ("receipts", [4, 0], vec![receipt.clone(), Value::Null]),
        ("calls", [5, 0], vec![long.clone(), long.clone()]),
        ("values", [6, 0], vec![json!("0x1"), number.clone(), json!("0x6001"), number.clone()]),
        ("fees", [7, 0], vec![history]),
        ("estimate", [8, 0], vec![number.clone()]),
        ("estimate-reverts", [8, 2], vec![refused]),
        ("broadcast", [9, 0], vec![word]),
        ("broadcast-refused", [9, 2], vec![json!({"code": -32000, "message": "nonce too low"})]),
        ("follow", [10, 0], vec![header(5), header(5), json!([receipt]), header(6), header(6), json!([])]),
        ("search", [11, 0], vec![json!([log]), header(5), json!([receipt])]),
        ("creation", [12, 0], vec![header(9), json!("0x60"), long.clone(), long.clone(), long]),
        ("calldata", [13, 0], vec![transaction]),
        (
            "blobs",
            [14, 0],
            vec![
                json!({"data": {"SECONDS_PER_SLOT": "12"}}),
                json!({"data": {"genesis_time": "5"}}),
                json!({"data": []}),
            ],
        ),
        ("garbage", [0, 3], vec![json!([[[]]])]),
    ];
    let mut seeds: Seeds = asked
        .into_iter()
        .map(|(name, head, answers)| {
            let answers: Vec<String> = answers.iter().map(Value::to_string).collect();
            (format!("seed-{name}"), [&head[..], answers.join("\0").as_bytes()].concat())
        })
        .collect();
    let raw = b"\x00\x04HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n[1,2]\r\n";
    seeds.push(("seed-raw".into(), raw.to_vec()));
    for topic in 0..6_u8 {
        let event = Script::default().put(&[15, 0, topic, 1]).put(&[1; 32]).put(&[0; 640]).0;
        seeds.push((format!("seed-event-{topic}"), event));
    }
    seeds
}
