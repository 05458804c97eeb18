//! Ethereum's public state tests, run by the executor of rollups. Every transaction that a rollup could hold goes
//! through a batch first: what runs is what came out of it.

mod case;
mod file;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use file::TestFile;

/// What running tests gave.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Cases that came out as they should.
    pub passed: usize,
    /// All cases.
    pub total: usize,
    /// Cases whose transaction went through a batch.
    pub through_batch: usize,
    /// Test files.
    pub files: usize,
    /// The cases that did not, and files that could not be read.
    pub failures: Vec<Failure>,
}

/// A case that did not come out as it should.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// File, test, fork and number of the case.
    pub case: String,
    /// What was found.
    pub reason: String,
}

impl Summary {
    fn and(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.total += other.total;
        self.through_batch += other.through_batch;
        self.files += other.files;
        self.failures.extend(other.failures);
        self
    }
}

/// Runs the tests of a file, or of every `.json` file below a directory.
///
/// # Errors
/// If the path cannot be read, or there is no test.
pub fn run(path: &Path) -> eyre::Result<Summary> {
    let mut files = Vec::new();
    collect(path, &mut files)?;
    files.sort();
    eyre::ensure!(!files.is_empty(), "no .json file in {}", path.display());
    let mut summary = files.par_iter().map(|file| run_file(path, file)).reduce(Summary::default, Summary::and);
    summary.failures.sort_by(|a, b| a.case.cmp(&b.case));
    Ok(summary)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "json") {
            collect(&path, files)?;
        }
    }
    Ok(())
}

fn run_file(root: &Path, path: &Path) -> Summary {
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let read = || -> eyre::Result<TestFile> { Ok(serde_json::from_slice(&std::fs::read(path)?)?) };
    let mut summary = Summary { files: 1, ..Summary::default() };
    let tests = match read() {
        Ok(tests) => tests,
        Err(error) => {
            // A file that says nothing is a case that did not pass.
            summary.total = 1;
            summary.failures.push(Failure { case: name, reason: error.to_string() });
            return summary;
        }
    };
    for (test_name, test) in &tests {
        for (fork, posts) in &test.post {
            for (index, post) in posts.iter().enumerate() {
                summary.total += 1;
                match case::run(test, fork, post) {
                    Ok(through_batch) => {
                        summary.passed += 1;
                        summary.through_batch += usize::from(through_batch);
                    }
                    Err(reason) => {
                        let case = format!("{name}/{test_name}/{fork}/{index}");
                        summary.failures.push(Failure { case, reason });
                    }
                }
            }
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use alloy_consensus::{SignableTransaction, TxEnvelope, TxLegacy};
    use alloy_eips::eip2718::Encodable2718;
    use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
    use alloy_trie::{TrieAccount, root::state_root_unhashed};
    use mayfly_l1::Anvil;
    use serde_json::{Value, json};

    use super::*;

    const TO: Address = address!("0x00000000000000000000000000000000000000aa");
    const COINBASE: Address = address!("0x00000000000000000000000000000000000000cb");
    const RICH: u64 = 1_000_000_000;

    fn signed(chain_id: Option<u64>, gas_limit: u64) -> Bytes {
        let tx = TxLegacy {
            chain_id,
            gas_limit,
            gas_price: 10,
            to: TxKind::Call(TO),
            value: U256::from(5),
            ..TxLegacy::default()
        };
        let signature = Anvil::key(0).sign_hash(&tx.signature_hash()).unwrap();
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
    }

    fn root(accounts: &[(Address, u64, u64)]) -> B256 {
        let account = |(address, nonce, balance): &(Address, u64, u64)| {
            (*address, TrieAccount { nonce: *nonce, balance: U256::from(*balance), ..TrieAccount::default() })
        };
        state_root_unhashed(accounts.iter().map(account).collect::<BTreeMap<_, _>>())
    }

    /// A transfer that a rollup could hold, and one without chain id that is refused for its gas.
    fn tests() -> Value {
        let from = Anvil::key(0).address();
        let no_logs = keccak256([0xc0]);
        let after = root(&[(from, 1, RICH - 210_005), (TO, 0, 5), (COINBASE, 0, 3 * 21_000)]);
        json!({"transfer": {
            "env": {
                "currentBaseFee": "0x07", "currentCoinbase": COINBASE, "currentDifficulty": "0x00",
                "currentExcessBlobGas": "0x00", "currentGasLimit": "0x989680", "currentNumber": "0x01",
                "currentRandom": B256::ZERO, "currentTimestamp": "0x03e8",
            },
            "pre": {from.to_string(): {"balance": U256::from(RICH), "code": "0x", "nonce": "0x00", "storage": {}}},
            "transaction": {"sender": from},
            "post": {"Cancun": [
                {"hash": after, "logs": no_logs, "txbytes": signed(Some(1), 21_000)},
                {"hash": root(&[(from, 0, RICH)]), "logs": no_logs, "txbytes": signed(None, 20_999),
                    "expectException": "TransactionException.INTRINSIC_GAS_TOO_LOW"},
            ]},
        }})
    }

    #[test]
    fn a_right_case_passes_and_wrong_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let run_with = |change: &dyn Fn(&mut Value)| {
            let mut all = tests();
            change(&mut all["transfer"]);
            std::fs::write(dir.path().join("test.json"), all.to_string()).unwrap();
            run(dir.path()).unwrap()
        };
        let right = run_with(&|_| ());
        assert_eq!((right.passed, right.total, right.through_batch), (2, 2, 1), "{:?}", right.failures);
        for (index, field) in [(0, "hash"), (0, "logs"), (1, "hash")] {
            let wrong = run_with(&|test| test["post"]["Cancun"][index][field] = json!(B256::repeat_byte(1)));
            assert_eq!(wrong.passed, 1, "{index} {field}");
        }
        let executed = run_with(&|test| test["post"]["Cancun"][0]["expectException"] = json!("something"));
        assert!(executed.failures[0].reason.contains("executed"));
        let refused = run_with(&|test| test["post"]["Cancun"][1]["expectException"] = Value::Null);
        assert!(refused.failures[0].reason.contains("refused"));
        let stranger = run_with(&|test| test["transaction"]["sender"] = json!(TO));
        assert_eq!(stranger.passed, 0);
        let unknown = run_with(&|test| test["post"]["Atlantis"] = test["post"]["Cancun"].clone());
        assert_eq!((unknown.passed, unknown.total), (2, 4));
    }

    #[test]
    fn what_cannot_be_read_does_not_pass() {
        let dir = tempfile::tempdir().unwrap();
        assert!(run(dir.path()).is_err(), "no test at all");
        std::fs::write(dir.path().join("test.json"), "{").unwrap();
        let broken = run(dir.path()).unwrap();
        assert_eq!((broken.passed, broken.total, broken.failures.len()), (0, 1, 1));
        assert_eq!(run(&dir.path().join("none")).unwrap().passed, 0);
    }
}
