//! L1 in memory: the real contracts on our own executor, a pool, blocks on a schedule, reorganisations.

use std::sync::Arc;

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use mayfly_contracts::predeploys::CREATE2_DEPLOYER;
use mayfly_evm::{
    BEACON_ROOTS_ADDRESS, BaseFeeRule, BlockAttributes, Chain, ChainReader, ChainSpec, Genesis, GenesisAccount,
    HISTORY_ADDRESS, HeaderRules, Prices, RecoveredTx, Refusal, SealedBlock, Transaction,
};
use mayfly_l1::Key;
use mayfly_node::rpc::{Rollup, RpcLimits};
use mayfly_rollup::RollupInfo;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A development chain: every window may be as short as a simulation wants it.
pub(crate) const CHAIN_ID: u64 = 31_337;
/// What every account of the simulation starts with.
pub(crate) const FUNDS: u128 = 10_000 * ETHER;
/// One ether in wei.
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;
/// The base fee of every header; what miners ask for beyond it is [`L1::set_price`]'s.
pub(crate) const BASE_FEE: u128 = 1_000_000_000;
const GAS_LIMIT: u64 = 45_000_000;
/// Most transactions that wait.
const MAX_POOL: usize = 4_096;
/// What pools ask of a replacement, in percent.
const BUMP_PERCENT: u128 = 10;

/// A transaction that waits.
#[derive(Debug, Clone)]
struct Waiting {
    tx: Arc<RecoveredTx>,
    /// No block below this one takes it.
    from_block: u64,
}

struct State {
    chain: Chain,
    pool: Vec<Waiting>,
    /// Told apart blocks of the same number.
    fork: u64,
    price: u128,
    final_depth: u64,
}

/// See the module. Shared by everybody who looks at it.
pub(crate) struct L1 {
    state: Mutex<State>,
    /// The chain as the node's own JSON-RPC serves it.
    pub(crate) served: Arc<Rollup>,
    reader: ChainReader,
}

/// Why the pool does not take a transaction; words that real pools use.
pub(crate) type PoolError = String;

impl L1 {
    /// A chain whose genesis, at `time`, funds these accounts. A block is final once `final_depth` stand on it.
    pub(crate) fn new(time: u64, funded: &[Address], final_depth: u64) -> Arc<Self> {
        let spec = ChainSpec {
            chain_id: CHAIN_ID,
            protocol_version: 0,
            base_fee: BaseFeeRule::Fixed(BASE_FEE as u64),
            header: HeaderRules { max_extra_data_bytes: 32, equal_timestamps: false },
            transaction_types: vec![0, 1, 2, 4],
            prices: Prices::default(),
            ..ChainSpec::rollup(CHAIN_ID, 1).unwrap()
        };
        let mut info = RollupInfo::default();
        info.config.protocolVersion = 1;
        let standing = [CREATE2_DEPLOYER, BEACON_ROOTS_ADDRESS, HISTORY_ADDRESS];
        let mut accounts = mayfly_rollup::genesis(&info).accounts;
        accounts.retain(|account| standing.contains(&account.address));
        accounts.extend(funded.iter().map(|address| GenesisAccount {
            address: *address,
            balance: U256::from(FUNDS),
            ..GenesisAccount::default()
        }));
        let genesis = Genesis { accounts, timestamp: time, gas_limit: GAS_LIMIT, ..Genesis::default() };
        let chain = Chain::create(None, spec, &genesis).unwrap();
        let reader = chain.reader();
        let info = RollupInfo { chain_id: CHAIN_ID, ..info };
        let limits = RpcLimits::default();
        let served = Arc::new(Rollup::following("l1", Arc::new(info), reader.clone(), limits));
        let state = State { chain, pool: Vec::new(), fork: 0, price: BASE_FEE, final_depth };
        Arc::new(Self { state: Mutex::new(state), served, reader })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads it.
    pub(crate) fn reader(&self) -> &ChainReader {
        &self.reader
    }

    /// The head.
    pub(crate) fn head(&self) -> Arc<SealedBlock> {
        self.reader.head()
    }

    /// What a miner asks per gas from now on.
    pub(crate) fn set_price(&self, wei: u128) {
        self.state().price = wei.max(BASE_FEE);
    }

    /// What a miner asks per gas.
    pub(crate) fn price(&self) -> u128 {
        self.state().price
    }

    /// Transactions that wait.
    pub(crate) fn pooled(&self) -> usize {
        self.state().pool.len()
    }

    /// Whether this transaction waits.
    pub(crate) fn holds(&self, hash: &B256) -> bool {
        self.state().pool.iter().any(|waiting| waiting.tx.hash() == *hash)
    }

    /// The nonce of what this sender waits for, while something with that nonce is here and not mined.
    pub(crate) fn holds_up(&self, sender: Address) -> Option<u64> {
        let state = self.state();
        let nonce = state.chain.account(&sender).map_or(0, |account| account.nonce);
        state.pool.iter().any(|w| w.tx.sender == sender && w.tx.tx.nonce() == nonce).then_some(nonce)
    }

    /// Forgets everything that waits.
    pub(crate) fn lose_pool(&self) {
        self.state().pool.clear();
    }

    /// The nonce after what is mined and what waits.
    pub(crate) fn pending_nonce(&self, sender: Address) -> u64 {
        let state = self.state();
        let mut nonce = state.chain.account(&sender).map_or(0, |account| account.nonce);
        while state.pool.iter().any(|w| w.tx.sender == sender && w.tx.tx.nonce() == nonce) {
            nonce += 1;
        }
        nonce
    }

    /// Takes a raw transaction into the pool; no block before `delay` more takes it.
    ///
    /// # Errors
    /// What a pool would say.
    pub(crate) fn submit(&self, raw: &[u8], delay: u64) -> Result<B256, PoolError> {
        let tx = Transaction::decode_exact(raw).map_err(|e| e.to_string())?;
        let tx = Arc::new(tx.recover().map_err(|e| e.to_string())?);
        let mut state = self.state();
        let account = state.chain.account(&tx.sender).unwrap_or_default();
        if tx.tx.chain_id() != Some(CHAIN_ID) {
            return Err("invalid chain id".into());
        }
        if state.pool.iter().any(|waiting| waiting.tx.hash() == tx.hash()) {
            return Err("already known".into());
        }
        if tx.tx.nonce() < account.nonce {
            return Err(format!("nonce too low: next nonce {}, tx nonce {}", account.nonce, tx.tx.nonce()));
        }
        let cost = U256::from(tx.tx.gas_limit()).saturating_mul(U256::from(tx.tx.max_fee_per_gas())) + tx.tx.value();
        if cost > account.balance {
            return Err("insufficient funds for gas * price + value".into());
        }
        let mut earliest = u64::MAX;
        let same = |w: &Waiting| w.tx.sender == tx.sender && w.tx.tx.nonce() == tx.tx.nonce();
        if let Some(at) = state.pool.iter().position(same) {
            let least = state.pool[at].tx.tx.max_fee_per_gas() * (100 + BUMP_PERCENT) / 100;
            if tx.tx.max_fee_per_gas() < least {
                return Err("replacement transaction underpriced".into());
            }
            earliest = state.pool.remove(at).from_block;
        }
        if state.pool.len() >= MAX_POOL {
            return Err("txpool is full".into());
        }
        let from_block = earliest.min(state.chain.head().number() + 1 + delay);
        let hash = tx.hash();
        state.pool.push(Waiting { tx, from_block });
        Ok(hash)
    }

    /// Signs a call and puts it into the pool.
    ///
    /// # Errors
    /// What a pool would say.
    pub(crate) fn send(
        &self,
        key: &Key,
        to: Option<Address>,
        value: U256,
        data: Bytes,
        gas: u64,
    ) -> Result<B256, PoolError> {
        let nonce = self.pending_nonce(key.address());
        let price = self.price();
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: 2 * price,
            max_priority_fee_per_gas: 1_000_000,
            to: to.map_or(TxKind::Create, TxKind::Call),
            value,
            access_list: Default::default(),
            input: data,
        };
        let signature = key.sign_hash(&tx.signature_hash()).unwrap();
        let signed = TxEnvelope::from(tx.into_signed(signature));
        debug_assert_eq!(signed.recover_signer().unwrap(), key.address());
        self.submit(&alloy_eips::eip2718::Encodable2718::encoded_2718(&signed), 0)
    }

    /// Mines a block at `time`, or a second after its parent if that is later.
    pub(crate) fn mine(&self, time: u64) -> Arc<SealedBlock> {
        self.state().mine(time, &self.served)
    }

    /// Takes back the last `depth` blocks and mines as many and one more. Their transactions wait again, but those that
    /// `keeps` does not keep, which are lost. Times are those of the blocks taken back, moved by `shift` seconds.
    pub(crate) fn reorganise(&self, depth: u64, shift: i64, now: u64, mut keeps: impl FnMut() -> bool) -> u64 {
        let mut state = self.state();
        let head = state.chain.head().number();
        let depth = depth.min(head.saturating_sub(1));
        let removed = state.chain.revert_to(head - depth).unwrap();
        state.fork += 1;
        let txs = removed.iter().flat_map(|block| &block.transactions);
        let again: Vec<Waiting> = txs.filter(|_| keeps()).map(|tx| Waiting { tx: tx.clone(), from_block: 0 }).collect();
        let old = std::mem::take(&mut state.pool);
        state.pool = again.into_iter().chain(old).collect();
        for block in &removed {
            let time = block.timestamp().saturating_add_signed(shift).min(now);
            state.mine(time, &self.served);
        }
        state.mine(now, &self.served);
        depth
    }
}

impl State {
    fn mine(&mut self, time: u64, served: &Rollup) -> Arc<SealedBlock> {
        let parent = self.chain.head().clone();
        let number = parent.number() + 1;
        let salt = keccak256([number.to_be_bytes(), self.fork.to_be_bytes()].concat());
        let attributes = BlockAttributes {
            timestamp: time.max(parent.timestamp() + 1),
            prev_randao: salt,
            parent_beacon_block_root: keccak256(salt),
            extra_data: Bytes::new(),
            gas_limit: GAS_LIMIT,
            beneficiary: Address::repeat_byte(0xee),
            consensus: Default::default(),
        };
        let (price, mut pool) = (self.price, std::mem::take(&mut self.pool));
        let mut builder = self.chain.begin(attributes).unwrap();
        loop {
            let before = builder.len();
            pool.retain(|waiting| {
                if waiting.from_block > number || waiting.tx.tx.max_fee_per_gas() < price {
                    return true;
                }
                match builder.execute(&waiting.tx) {
                    Ok(_) => false,
                    Err(Refusal::NonceTooHigh { .. } | Refusal::BlockGas { .. }) => true,
                    Err(Refusal::Fatal(error)) => panic!("the simulated l1 failed: {error}"),
                    Err(_) => false,
                }
            });
            if builder.len() == before {
                break;
            }
        }
        let block = builder.seal().unwrap();
        self.pool = pool;
        served.marks.posted(number.saturating_sub(self.final_depth / 2), number.saturating_sub(self.final_depth));
        block
    }
}

impl std::fmt::Debug for L1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("L1").field("head", &self.head().number()).finish_non_exhaustive()
    }
}

/// Reads a contract at the head.
pub(crate) fn view<C: alloy_sol_types::SolCall>(l1: &L1, to: Address, call: &C) -> C::Return {
    let message = mayfly_evm::CallMessage { to: Some(to), data: call.abi_encode().into(), ..Default::default() };
    let result = l1.reader().call(&message, &mayfly_evm::BlockContext::latest(), &[]).unwrap();
    assert!(result.is_success(), "{} reverted: {}", C::SIGNATURE, result.message());
    C::abi_decode_returns(&result.output).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mines_reorganises_and_keeps_nonces() {
        let (alice, bob) = (Key::from_bytes(B256::repeat_byte(1)).unwrap(), Address::repeat_byte(2));
        let l1 = L1::new(1_000, &[alice.address()], 4);
        for _ in 0..3 {
            l1.send(&alice, Some(bob), U256::from(5), Bytes::new(), 21_000).unwrap();
            l1.mine(l1.head().timestamp() + 12);
        }
        let before = l1.head().hash;
        assert_eq!(l1.reader().account(&bob).unwrap().balance, U256::from(15));
        l1.reorganise(2, 0, l1.head().timestamp() + 12, || false);
        assert_eq!((l1.head().number(), l1.pooled()), (4, 0));
        assert!(l1.head().header.parent_hash != before);
        assert_eq!(l1.reader().account(&bob).unwrap().balance, U256::from(5), "two were lost with their blocks");
        assert_eq!(l1.pending_nonce(alice.address()), 1);
    }
}
