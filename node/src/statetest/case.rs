//! One case: a transaction under a fork.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use mayfly_evm::{
    AloneTransaction, BlockAttributes, Consensus, EthereumFork, GenesisAccount, RecoveredTx, Transaction,
};
use mayfly_rollup::batch::{BatchBlock, decode, encode};

use super::file::{Account, Env, Post, Test};

/// Chain id of all state tests.
const CHAIN_ID: u64 = 1;

/// Runs it; whether the transaction went through a batch, or what is wrong.
pub(super) fn run(test: &Test, fork: &str, post: &Post) -> Result<bool, String> {
    let spec = EthereumFork::named(fork).ok_or_else(|| format!("unknown fork {fork}"))?.spec(CHAIN_ID);
    let tx = Transaction::decode_ethereum(&post.txbytes).and_then(Transaction::recover).ok();
    let (tx, through_batch) = match tx {
        Some(tx) if tx.sender != test.transaction.sender => return Err(format!("recovered sender {}", tx.sender)),
        Some(tx) => {
            let decoded = through_batch(&tx)?;
            let through_batch = decoded.is_some();
            (Some(decoded.unwrap_or(tx)), through_batch)
        }
        None => (None, false),
    };
    let outcome = alone(test, tx).run(&spec).map_err(|error| error.to_string())?;
    match (&outcome.result, &post.expect_exception) {
        (Ok(_), Some(expected)) => return Err(format!("executed, {expected} was expected")),
        (Err(refusal), None) => return Err(format!("refused: {refusal}")),
        (Ok(done), None) if done.receipt.logs_hash != post.logs => {
            return Err(format!("logs hash {}, {} was expected", done.receipt.logs_hash, post.logs));
        }
        _ => {}
    }
    if outcome.state_root != post.hash {
        return Err(format!("state root {}, {} was expected", outcome.state_root, post.hash));
    }
    Ok(through_batch)
}

/// The transaction after encoding and decoding a batch; `None` for one that no rollup holds.
fn through_batch(tx: &RecoveredTx) -> Result<Option<RecoveredTx>, String> {
    let bytes = tx.tx.encode_2718();
    let (Ok(Transaction::Signed(signed)), true) = (Transaction::decode_exact(&bytes), tx.tx.blob_hashes().is_empty())
    else {
        return Ok(None);
    };
    let block =
        BatchBlock { origin: 1, timestamp: 1, queue_items: 0, transactions: vec![signed], sponsors: Vec::new() };
    let payload = encode(B256::ZERO, &[block]).map_err(|error| format!("encoding a batch: {error}"))?;
    let decoded = decode(&payload).map_err(|error| format!("decoding the batch: {error}"))?;
    let first = decoded.blocks.into_iter().next().and_then(|block| block.transactions.into_iter().next());
    let first = Transaction::Signed(first.ok_or("the batch lost the transaction")?);
    if first.encode_2718() != bytes {
        return Err("the batch changed the transaction".into());
    }
    first.recover().map(Some).map_err(|error| error.to_string())
}

fn alone(test: &Test, tx: Option<RecoveredTx>) -> AloneTransaction {
    let Env {
        current_base_fee,
        current_coinbase,
        current_difficulty,
        current_excess_blob_gas,
        current_gas_limit,
        current_number,
        current_random,
        current_timestamp,
    } = &test.env;
    let account = |(address, account): (&Address, &Account)| GenesisAccount {
        address: *address,
        balance: account.balance,
        nonce: account.nonce.saturating_to(),
        code: account.code.clone(),
        storage: account.storage.iter().map(|(slot, value)| ((*slot).into(), *value)).collect(),
    };
    AloneTransaction {
        accounts: test.pre.iter().map(account).collect(),
        number: current_number.saturating_to(),
        attributes: BlockAttributes {
            timestamp: current_timestamp.saturating_to(),
            prev_randao: current_random.unwrap_or_default(),
            parent_beacon_block_root: B256::ZERO,
            extra_data: Bytes::new(),
            gas_limit: current_gas_limit.saturating_to(),
            beneficiary: *current_coinbase,
            consensus: Consensus { difficulty: *current_difficulty, ..Consensus::default() },
        },
        base_fee: current_base_fee.map(|fee| fee.saturating_to()),
        excess_blob_gas: current_excess_blob_gas.map(|gas| gas.saturating_to()).unwrap_or_default(),
        tx: tx.map(Arc::new),
    }
}
