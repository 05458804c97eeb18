//! A chain that somebody else made: by work, from block 4 on by stake, with fees that are paid.

use std::path::Path;

use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{Block, BlockBody, SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{Address, B256, TxKind, U256, address};
use mayfly_evm::{BlockAttributes, Chain, ChainSpec, Consensus, Genesis, SealedBlock, ethereum_genesis};
use mayfly_node::archive::{Archive, import};
use mayfly_node::http::HttpConfig;
use mayfly_node::rpc::Rollup;
use tempfile::TempDir;

use crate::chain::recovered;
use crate::server::Server;

pub(crate) const CHAIN_ID: u64 = 9_002;
pub(crate) const MINER: Address = Address::repeat_byte(0xfe);
pub(crate) const TIP: u128 = 7;
pub(crate) const MAX_FEE: u128 = 2_000_000_000;
/// The last block by work is the one before.
pub(crate) const MERGE: u64 = 4;
/// Returns `DIFFICULTY`.
pub(crate) const TELLER: Address = address!("00000000000000000000000000000000000000dd");

pub(crate) struct Foreign {
    pub(crate) genesis: String,
    pub(crate) chain: Chain,
    pub(crate) signer: PrivateKeySigner,
}

impl Foreign {
    /// With `blocks` blocks, each with a transfer of as many wei as its number.
    pub(crate) fn new(blocks: u64) -> Self {
        Self::of(9, blocks)
    }

    /// The same of somebody else.
    pub(crate) fn of(seed: u8, blocks: u64) -> Self {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(seed)).unwrap();
        // Nothing in the config says where the merge is, as in exports that come without it.
        let genesis = format!(
            r#"{{"config": {{"chainId": {CHAIN_ID}, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
                "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
                "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 1}},
                "timestamp": "0x3e8", "gasLimit": "0x1c9c380", "difficulty": "0x20000",
                "baseFeePerGas": "0x3b9aca00", "alloc": {{"{}": {{"balance": "0xde0b6b3a7640000"}},
                "{TELLER}": {{"code": "0x4460005260206000f3", "balance": "0x0"}}}}}}"#,
            signer.address()
        );
        let (spec, block_0) = rules(&genesis);
        let mut chain = Chain::create(None, spec, &block_0).unwrap();
        for number in 1..=blocks {
            let by_work = number < MERGE;
            let tx = transfer(number - 1, U256::from(number));
            let signature = alloy::signers::SignerSync::sign_hash_sync(&signer, &tx.signature_hash()).unwrap();
            let parent = &chain.head().header;
            let attributes = BlockAttributes {
                timestamp: parent.timestamp + 10,
                prev_randao: B256::repeat_byte(3),
                gas_limit: parent.gas_limit,
                beneficiary: MINER,
                consensus: Consensus {
                    difficulty: U256::from(if by_work { 131_072 } else { 0 }),
                    ..Consensus::default()
                },
                ..BlockAttributes::default()
            };
            let mut block = chain.begin(attributes).unwrap();
            block.execute(&recovered(tx.into_signed(signature).into())).unwrap();
            block.seal().unwrap();
        }
        Self { genesis, chain, signer }
    }

    /// Blocks as an Ethereum node exports them.
    pub(crate) fn export(&self, numbers: std::ops::RangeInclusive<u64>) -> Vec<u8> {
        let reader = self.chain.reader();
        numbers.flat_map(|number| encoded(&reader.block_by_number(number).unwrap().unwrap())).collect()
    }

    /// All of it, imported under a directory.
    pub(crate) fn imported(&self, dir: &Path) -> Chain {
        import(dir, &self.genesis, &self.export(1..=self.chain.head().number())).unwrap().0
    }

    /// A server in front of what was imported.
    pub(crate) async fn serve(&self, config: HttpConfig, dev: bool) -> (Server<()>, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(self.imported(dir.path()), dev);
        let rollup = Rollup::imported("imported", archive, config.limits.clone());
        (Server::<()>::serve(config, rollup.into()).await, dir)
    }

    pub(crate) fn sign(&self, tx: TxEip1559) -> TxEnvelope {
        let signature = alloy::signers::SignerSync::sign_hash_sync(&self.signer, &tx.signature_hash()).unwrap();
        tx.into_signed(signature).into()
    }
}

fn rules(genesis: &str) -> (ChainSpec, Genesis) {
    ethereum_genesis(genesis, Some(MERGE)).unwrap()
}

/// With a fee that is enough.
pub(crate) fn transfer(nonce: u64, value: U256) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: MAX_FEE,
        max_priority_fee_per_gas: TIP,
        to: TxKind::Call(Address::repeat_byte(0x77)),
        value,
        ..TxEip1559::default()
    }
}

fn encoded(block: &SealedBlock) -> Vec<u8> {
    let body = BlockBody {
        transactions: block.transactions.iter().map(|tx| tx.tx.as_signed().unwrap().clone()).collect(),
        ommers: block.ommers.clone(),
        withdrawals: block.header.withdrawals_root.map(|_| Withdrawals::new(block.withdrawals.clone())),
    };
    alloy_rlp::encode(Block { header: block.header.clone(), body })
}
