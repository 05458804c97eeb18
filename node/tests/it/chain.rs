//! A chain in memory, with a funded wallet, a token-like contract and blocks.

use std::sync::Arc;

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex};
use mayfly_contracts::types::Allocation;
use mayfly_evm::{
    BlockAttributes, Chain, ChainSpec, Genesis, GenesisAccount, Prices, RecoveredTx, SealedBlock, Transaction,
};
use mayfly_node::rpc::{Rollup, RpcLimits};
use mayfly_rollup::RollupInfo;
use op_alloy_consensus::TxDeposit;

pub(crate) const CHAIN_ID: u64 = 9_001;
pub(crate) const ROLLUP: Address = address!("00000000000000000000000000000000000000aa");
/// Emits LOG2(topic 0x01, caller) with the calldata as data, and stores calldata size in slot 0.
pub(crate) const LOGGER: Address = address!("00000000000000000000000000000000000000bb");
/// Reverts with `Error("nope")`.
pub(crate) const REVERTER: Address = address!("00000000000000000000000000000000000000cc");

pub(crate) struct TestChain {
    pub(crate) chain: Chain,
    pub(crate) signer: PrivateKeySigner,
    pub(crate) nonce: u64,
    deposits: u8,
}

fn info(wallet: Address) -> RollupInfo {
    let mut info = RollupInfo {
        rollup: ROLLUP,
        chain_id: CHAIN_ID,
        l1_chain_id: 31_337,
        l1_number: 1,
        l1_time: 1_000,
        genesis: vec![Allocation { to: wallet, amount: U256::from(10u64.pow(18)) }],
        ..RollupInfo::default()
    };
    info.config.protocolVersion = 1;
    info.config.blockGasLimit = 30_000_000;
    info
}

/// The rollup's own genesis, and two contracts beside it.
fn genesis(info: &RollupInfo) -> Genesis {
    // CALLDATACOPY(0, 0, size); SSTORE(0, size); LOG2(0, size, 1, caller)
    let logger = hex!("365f5f37365f55336001365fa200");
    // MSTORE the ABI encoding of Error("nope"), REVERT it.
    let reverter = hex!("6308c379a060e01b5f52 602060045260046024 52 636e6f706560e01b604452 60645ffd");
    let mut genesis = mayfly_rollup::genesis(info);
    for (address, code) in [(LOGGER, &logger[..]), (REVERTER, &reverter[..])] {
        let code = Bytes::copy_from_slice(code);
        genesis.accounts.push(GenesisAccount { address, nonce: 1, code, ..GenesisAccount::default() });
    }
    genesis
}

/// Genesis only, served under the name `night`.
pub(crate) fn start(limits: RpcLimits) -> (TestChain, Arc<Rollup>) {
    start_priced(limits, Prices::rollup())
}

/// The same with prices of its own.
pub(crate) fn start_priced(limits: RpcLimits, prices: Prices) -> (TestChain, Arc<Rollup>) {
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    let info = info(signer.address());
    let spec = ChainSpec { prices, ..mayfly_rollup::chain_spec(&info).unwrap() };
    let chain = Chain::create(None, spec, &genesis(&info)).unwrap();
    let rollup = Arc::new(Rollup::following("night", Arc::new(info), chain.reader(), limits));
    let told = Arc::clone(&rollup);
    chain.on_durable(Box::new(move |block| told.heads.publish(block)));
    (TestChain { chain, signer, nonce: 0, deposits: 0 }, rollup)
}

impl TestChain {
    /// A signed zero-fee transaction with the next nonce.
    pub(crate) fn sign(&mut self, to: TxKind, value: u64, input: Bytes) -> TxEnvelope {
        let nonce = self.nonce;
        self.nonce += 1;
        self.sign_with(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 10_000_000,
            to,
            value: U256::from(value),
            input,
            ..TxEip1559::default()
        })
    }

    pub(crate) fn sign_with(&self, tx: TxEip1559) -> TxEnvelope {
        let signature = self.signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        tx.into_signed(signature).into()
    }

    /// A deposit of `value` to `to`.
    pub(crate) fn deposit(&mut self, to: Address, value: u64) -> Arc<RecoveredTx> {
        self.deposits += 1;
        let deposit = TxDeposit {
            source_hash: B256::with_last_byte(self.deposits),
            from: address!("4d617966000000000000000000000000000000ff"),
            to: TxKind::Call(to),
            mint: u128::from(value),
            value: U256::from(value),
            gas_limit: 21_000,
            is_system_transaction: false,
            input: Bytes::new(),
        };
        Arc::new(Transaction::deposit(deposit).recover().unwrap())
    }

    fn attributes(&self) -> BlockAttributes {
        BlockAttributes {
            timestamp: self.chain.head().header.timestamp + 1,
            prev_randao: B256::repeat_byte(3),
            parent_beacon_block_root: B256::repeat_byte(4),
            extra_data: Bytes::from_static(&[1; 17]),
            gas_limit: 30_000_000,
            beneficiary: Address::repeat_byte(0xfe),
            consensus: Default::default(),
        }
    }

    /// Whether the next block can hold it.
    pub(crate) fn can_execute(&mut self, tx: &Arc<RecoveredTx>) -> bool {
        let attributes = self.attributes();
        let mut block = self.chain.begin(attributes).unwrap();
        let executed = block.execute(tx).is_ok();
        block.abort();
        executed
    }

    pub(crate) fn block(&mut self, txs: &[Arc<RecoveredTx>]) -> Arc<SealedBlock> {
        let attributes = self.attributes();
        let mut block = self.chain.begin(attributes).unwrap();
        for tx in txs {
            block.execute(tx).unwrap();
        }
        let sealed = block.seal().unwrap();
        self.chain.flush().unwrap();
        sealed
    }

    /// A block with one transaction.
    pub(crate) fn call(&mut self, to: Address, value: u64, input: &[u8]) -> Arc<SealedBlock> {
        let tx = self.sign(TxKind::Call(to), value, Bytes::copy_from_slice(input));
        self.block(&[recovered(tx)])
    }
}

pub(crate) fn recovered(tx: TxEnvelope) -> Arc<RecoveredTx> {
    Arc::new(RecoveredTx::decode(&tx.encoded_2718()).unwrap())
}
