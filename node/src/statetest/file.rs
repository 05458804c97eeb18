//! The JSON of a state test.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::Deserialize;

/// Tests by name.
pub(super) type TestFile = BTreeMap<String, Test>;

/// A state, a block, and what transactions do to it under each fork.
#[derive(Debug, Deserialize)]
pub(super) struct Test {
    pub(super) env: Env,
    pub(super) pre: BTreeMap<Address, Account>,
    pub(super) transaction: Transaction,
    pub(super) post: BTreeMap<String, Vec<Post>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    pub(super) current_base_fee: Option<U256>,
    pub(super) current_coinbase: Address,
    pub(super) current_difficulty: U256,
    pub(super) current_excess_blob_gas: Option<U256>,
    pub(super) current_gas_limit: U256,
    pub(super) current_number: U256,
    pub(super) current_random: Option<B256>,
    pub(super) current_timestamp: U256,
}

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) balance: U256,
    pub(super) code: Bytes,
    pub(super) nonce: U256,
    pub(super) storage: BTreeMap<U256, U256>,
}

/// Only the sender: the transactions themselves stand in each [`Post`].
#[derive(Debug, Deserialize)]
pub(super) struct Transaction {
    pub(super) sender: Address,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Post {
    /// State root.
    pub(super) hash: B256,
    /// Hash of the logs' RLP.
    pub(super) logs: B256,
    /// The signed transaction.
    pub(super) txbytes: Bytes,
    /// Why it must be refused, if it must.
    pub(super) expect_exception: Option<String>,
}
