//! What the tests share: wallets, a small chain, contracts written in opcodes.

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use mayfly_evm::{BlockAttributes, Chain, ChainSpec, Genesis, GenesisAccount, RecoveredTx, Transaction};
use std::sync::Arc;

/// Chain id of the tests' chains.
pub(crate) const CHAIN_ID: u64 = 4_242;

/// A key that signs.
pub(crate) struct Wallet {
    signer: PrivateKeySigner,
    pub(crate) address: Address,
}

impl Wallet {
    pub(crate) fn new(seed: u64) -> Self {
        let signer = PrivateKeySigner::from_bytes(&B256::from(U256::from(seed + 1))).unwrap();
        Self { address: signer.address(), signer }
    }

    pub(crate) fn sign_hash(&self, hash: B256) -> Signature {
        self.signer.sign_hash_sync(&hash).unwrap()
    }

    pub(crate) fn sign<T>(&self, tx: T) -> TxEnvelope
    where
        T: SignableTransaction<Signature>,
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let signature = self.sign_hash(tx.signature_hash());
        tx.into_signed(signature).into()
    }

    pub(crate) fn recovered<T>(&self, tx: T) -> Arc<RecoveredTx>
    where
        T: SignableTransaction<Signature>,
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let tx = Transaction::Signed(self.sign(tx)).recover().unwrap();
        assert_eq!(tx.sender, self.address);
        Arc::new(tx)
    }

    /// A zero-fee EIP-1559 transaction.
    pub(crate) fn call(&self, nonce: u64, to: TxKind, value: u64, input: Bytes) -> Arc<RecoveredTx> {
        self.recovered(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 1_000_000,
            to,
            value: U256::from(value),
            input,
            ..Default::default()
        })
    }

    /// A transaction that delegates `authority` to `delegate` and calls it with `input`.
    pub(crate) fn delegate(&self, authority: &Self, nonce: u64, delegate: Address, input: Bytes) -> Arc<RecoveredTx> {
        let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: delegate, nonce: 0 };
        let signature = authority.sign_hash(authorization.signature_hash());
        self.recovered(TxEip7702 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 1_000_000,
            to: authority.address,
            input,
            authorization_list: vec![authorization.into_signed(signature)],
            ..Default::default()
        })
    }

    pub(crate) fn one_of_each_type(&self, chain_id: u64) -> Vec<RecoveredTx> {
        let to = TxKind::Call(Address::repeat_byte(7));
        let authorization =
            Authorization { chain_id: U256::from(chain_id), address: Address::repeat_byte(9), nonce: 0 };
        let signature = self.sign_hash(authorization.signature_hash());
        let txs = [
            self.sign(TxLegacy { chain_id: Some(chain_id), gas_limit: 21_000, to, ..Default::default() }),
            self.sign(TxEip2930 { chain_id, gas_limit: 21_000, to, ..Default::default() }),
            self.sign(TxEip1559 { chain_id, gas_limit: 21_000, to, ..Default::default() }),
            self.sign(TxEip7702 {
                chain_id,
                gas_limit: 100_000,
                to: Address::repeat_byte(7),
                authorization_list: vec![authorization.into_signed(signature)],
                ..Default::default()
            }),
        ];
        txs.into_iter().map(|tx| Transaction::Signed(tx).recover().unwrap()).collect()
    }
}

pub(crate) fn spec() -> ChainSpec {
    ChainSpec::rollup(CHAIN_ID, 1).unwrap()
}

/// System contracts and funds for wallets 0..8.
pub(crate) fn genesis() -> Genesis {
    let code = |hex: &str| Bytes::from(alloy_primitives::hex::decode(hex).unwrap());
    let contract = |address, hex| GenesisAccount { address, nonce: 1, code: code(hex), ..Default::default() };
    let mut accounts = vec![
        contract(
            mayfly_evm::HISTORY_ADDRESS,
            "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500",
        ),
        contract(
            mayfly_evm::BEACON_ROOTS_ADDRESS,
            "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500",
        ),
    ];
    for seed in 0..8 {
        let address = Wallet::new(seed).address;
        accounts.push(GenesisAccount { address, balance: U256::from(10u64.pow(18)), ..Default::default() });
    }
    Genesis {
        accounts,
        timestamp: 1_000,
        gas_limit: 30_000_000,
        beneficiary: Address::repeat_byte(0xfe),
        extra_data: Bytes::from_static(b"\x01genesis"),
        ..Genesis::default()
    }
}

pub(crate) fn attributes(timestamp: u64) -> BlockAttributes {
    BlockAttributes {
        timestamp,
        prev_randao: B256::repeat_byte(timestamp as u8),
        parent_beacon_block_root: B256::repeat_byte(0xbe),
        extra_data: Bytes::from_static(b"\x01extra"),
        gas_limit: 30_000_000,
        beneficiary: Address::repeat_byte(0xfe),
        consensus: Default::default(),
    }
}

/// Adds a block with these transactions, all of which must be taken.
pub(crate) fn add_block(chain: &mut Chain, txs: &[Arc<RecoveredTx>]) -> Arc<mayfly_evm::SealedBlock> {
    let timestamp = chain.head().timestamp() + 1;
    let mut block = chain.begin(attributes(timestamp)).unwrap();
    for tx in txs {
        block.execute(tx).unwrap();
    }
    block.seal().unwrap()
}

/// Stores word 1 of its input at the slot in word 0.
pub(crate) const STORE: &str = "6020356000355500";
/// Reverts with its input.
pub(crate) const REVERT: &str = "3660006000373660 00fd";
/// LOG4 without data, topics from its input.
pub(crate) const LOG4: &str = "6060356040356020356000356000 6000a400";
/// LOG3 with topics and one word of data from its input.
pub(crate) const LOG3: &str = "60206060600037604035602035600035602060 00a300";
/// Selfdestructs in favour of its caller.
pub(crate) const DESTROY: &str = "33ff";

/// Code written in hex with spaces.
pub(crate) fn code(hex: &str) -> Bytes {
    Bytes::from(alloy_primitives::hex::decode(hex.replace(' ', "")).unwrap())
}

/// Init code that deploys `runtime`.
pub(crate) fn init_code(runtime: &str) -> Bytes {
    let runtime = code(runtime);
    let size = u8::try_from(runtime.len()).unwrap();
    // PUSH1 size, PUSH1 12, PUSH1 0, CODECOPY, PUSH1 size, PUSH1 0, RETURN
    let mut init = vec![0x60, size, 0x60, 12, 0x60, 0, 0x39, 0x60, size, 0x60, 0, 0xf3];
    init.extend_from_slice(&runtime);
    init.into()
}

/// 32-byte words one after the other.
pub(crate) fn words(words: &[U256]) -> Bytes {
    words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect::<Vec<_>>().into()
}

/// A contract at a fixed address, for a genesis.
pub(crate) fn contract(address: Address, hex: &str) -> GenesisAccount {
    GenesisAccount { address, nonce: 1, code: code(hex), ..Default::default() }
}

/// A chain in memory with [`STORE`] at 0xa1…, [`REVERT`] at 0xa2…, [`LOG4`] at 0xa4….
pub(crate) fn chain() -> Chain {
    Chain::create(None, spec(), &with_contracts()).unwrap()
}

pub(crate) const STORE_AT: Address = Address::repeat_byte(0xa1);
pub(crate) const REVERT_AT: Address = Address::repeat_byte(0xa2);
pub(crate) const LOG4_AT: Address = Address::repeat_byte(0xa4);

pub(crate) fn with_contracts() -> Genesis {
    let mut genesis = genesis();
    genesis.accounts.extend([contract(STORE_AT, STORE), contract(REVERT_AT, REVERT), contract(LOG4_AT, LOG4)]);
    genesis
}

/// Everything that two chains in the same state agree on.
pub(crate) fn fingerprint(chain: &Chain) -> String {
    let mut accounts = Vec::new();
    chain.for_each_account(|address, info| accounts.push((address, *info)));
    accounts.sort_unstable_by_key(|(address, _)| *address);
    let mut tokens = Vec::new();
    chain.fold().for_each(|contract, kind, id, holder, amount| tokens.push((contract, kind, id, holder, amount)));
    tokens.sort_unstable();
    let head = chain.head();
    format!("{:?} {} {:?} {accounts:?} {tokens:?}", head.header, head.hash, chain.receipt_tree())
}
