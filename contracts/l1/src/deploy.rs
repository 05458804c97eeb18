//! Putting Mayfly's contracts on an L1, creating rollups, and finding them again.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use mayfly_contracts::{
    factory::RollupFactory::{self, RollupCreated},
    inbox::Inbox,
    plan::{DeployStep, Foundation},
    predeploys::CREATE2_DEPLOYER,
    types::{Allocation, Config},
};

use crate::{BlockTag, L1Client, L1Error, L1Header, LogSearch, RollupContracts, Sender, SubmitOptions, TxIntent};

/// The attestation escrow pays every attester for this many claims (`RollupFactory.PAID_CLAIMS`).
const PAID_CLAIMS: u64 = 64;

/// A rollup as its creation log describes it; the log is proven by `header`.
#[derive(Debug, Clone)]
pub struct Creation {
    /// The L1 block that holds the creation.
    pub header: L1Header,
    /// L1's chain id, as the endpoint says.
    pub l1_chain_id: u64,
    /// Which contract says so: trust in the config is trust in this factory.
    pub factory: Address,
    /// The rollup's address, which is its Inbox.
    pub rollup: Address,
    /// The rollup's chain id.
    pub chain_id: u64,
    /// Its Settlement.
    pub settlement: Address,
    /// Its Vault.
    pub vault: Address,
    /// Its config; `chainId` is the final one.
    pub config: Config,
    /// Its native balances at the start.
    pub genesis: Vec<Allocation>,
}

impl Creation {
    fn decode(
        header: L1Header,
        l1_chain_id: u64,
        factory: Address,
        log: &alloy_primitives::LogData,
    ) -> Result<Self, L1Error> {
        let event = RollupCreated::decode_log_data(log)
            .map_err(|error| L1Error::Abi(format!("RollupCreated of {factory}: {error}")))?;
        Ok(Self {
            header,
            l1_chain_id,
            factory,
            rollup: event.rollup,
            chain_id: event.chainId,
            settlement: event.settlement,
            vault: event.vault,
            config: event.config,
            genesis: event.genesis,
        })
    }
}

impl Creation {
    /// The claim every other claim descends from, as the factory computes it: it binds L1, rollup,
    /// config and genesis.
    pub fn genesis_claim(&self) -> B256 {
        let rules = keccak256((self.config.clone(), self.genesis.clone()).abi_encode_params());
        let l1 = U256::from(self.l1_chain_id);
        keccak256(("mayfly genesis v1".to_owned(), l1, self.rollup, rules).abi_encode_params())
    }

    /// The rollup's contracts.
    pub fn contracts(&self) -> RollupContracts {
        RollupContracts { inbox: self.rollup, settlement: self.settlement, vault: self.vault }
    }
}

/// What `create` must be paid: the genesis balances and what it keeps for proposers and attesters.
/// None if the sum is more than there is.
pub fn creation_payment(config: &Config, genesis: &[Allocation]) -> Option<U256> {
    let attesters = U256::from(config.attesters.len()).checked_mul(U256::from(PAID_CLAIMS))?;
    let fees = config.attestationFee.checked_mul(attesters)?.checked_add(config.closeReward)?;
    genesis.iter().try_fold(fees, |sum, allocation| sum.checked_add(allocation.amount))
}

impl Sender {
    /// Deploys what does not stand yet; sending it again changes nothing.
    pub async fn deploy_foundation(&self, salt: B256, options: &SubmitOptions) -> Result<Foundation, L1Error> {
        let foundation = Foundation::new(salt);
        for step in &foundation.steps {
            self.deploy_step(step, options).await?;
        }
        Ok(foundation)
    }

    /// Deploys one contract through the deterministic deployer unless it stands already.
    pub async fn deploy_step(&self, step: &DeployStep, options: &SubmitOptions) -> Result<Address, L1Error> {
        if self.client().code(step.address).await?.is_empty() {
            self.send_and_confirm(&TxIntent::call(CREATE2_DEPLOYER, step.input()), options).await?;
            if self.client().code(step.address).await?.is_empty() {
                return Err(L1Error::Inconsistent(format!("{} was deployed but has no code", step.name)));
            }
        }
        Ok(step.address)
    }

    /// Deploys bytecode with ABI-encoded constructor arguments at an address of the account's own.
    pub async fn deploy(&self, bytecode: &[u8], arguments: &[u8], options: &SubmitOptions) -> Result<Address, L1Error> {
        let init_code: Bytes = [bytecode, arguments].concat().into();
        let receipt = self.send_and_confirm(&TxIntent::deploy(init_code), options).await?;
        receipt.contract_address.ok_or_else(|| L1Error::Inconsistent("a deployment without an address".into()))
    }

    /// Calls a contract and waits for the receipt.
    pub async fn transact<C: SolCall>(
        &self,
        to: Address,
        call: &C,
        value: U256,
        options: &SubmitOptions,
    ) -> Result<crate::TransactionReceipt, L1Error> {
        let intent = TxIntent::call(to, call.abi_encode()).with_value(value);
        self.send_and_confirm(&intent, options).await
    }

    /// Creates a rollup and reads its creation log back.
    pub async fn create_rollup(
        &self,
        factory: Address,
        config: Config,
        genesis: Vec<Allocation>,
        options: &SubmitOptions,
    ) -> Result<Creation, L1Error> {
        let payment = creation_payment(&config, &genesis)
            .ok_or_else(|| L1Error::Config("the genesis balances are more than there is".into()))?;
        let receipt = self.transact(factory, &RollupFactory::createCall { config, genesis }, payment, options).await?;
        let hash = receipt.block_hash.ok_or_else(|| L1Error::NoTransaction(receipt.transaction_hash))?;
        let header = self.client().header_by_hash(hash).await?;
        let block = self.client().block_with_logs(&header, &[factory], &[RollupCreated::SIGNATURE_HASH]).await?;
        let log = block.logs.iter().find(|log| log.tx_hash == receipt.transaction_hash);
        let log = log.ok_or_else(|| L1Error::Inconsistent("a creation without its log".into()))?;
        Creation::decode(header, self.chain_id(), factory, &log.data)
    }
}

/// What a rollup's Inbox says of its creation.
struct Standing {
    number: u64,
    chain_id: u64,
    settlement: Address,
    vault: Address,
    genesis_claim: B256,
}

impl Standing {
    async fn read(l1: &L1Client, rollup: Address) -> Result<Self, L1Error> {
        let at = BlockTag::Latest;
        Ok(Self {
            number: l1.call(rollup, &Inbox::batchCall { seq: 0 }, at).await?.includedNumber,
            chain_id: l1.call(rollup, &Inbox::configCall {}, at).await?.chainId,
            settlement: l1.call(rollup, &Inbox::settlementCall {}, at).await?,
            vault: l1.call(rollup, &Inbox::vaultCall {}, at).await?,
            genesis_claim: l1.call(rollup, &Inbox::genesisClaimCall {}, at).await?,
        })
    }

    /// Whether a log, which anybody could have emitted, says the same.
    fn is(&self, said: &Creation) -> bool {
        let same_contracts = (said.settlement, said.vault) == (self.settlement, self.vault);
        same_contracts && said.chain_id == self.chain_id && said.genesis_claim() == self.genesis_claim
    }
}

impl L1Client {
    /// Finds a rollup's creation by its address, at most `lookback` blocks ago: a log in the block that the rollup names
    /// as its first, which must say what the rollup itself says. Logs of others that say anything else are passed over.
    /// Name the factory to trust unless the rollup's address is trusted.
    pub async fn find_creation(
        &self,
        rollup: Address,
        factory: Option<Address>,
        lookback: u64,
    ) -> Result<Creation, L1Error> {
        let head = self.head(BlockTag::Latest).await?.number;
        if self.code(rollup).await?.is_empty() {
            return Err(L1Error::NoRollup(rollup));
        }
        let standing = Standing::read(self, rollup).await?;
        let number = standing.number;
        if number < head.saturating_sub(lookback) {
            return Err(L1Error::NoRollup(rollup));
        }
        let topics = vec![Some(RollupCreated::SIGNATURE_HASH), Some(rollup.into_word())];
        let mut search = LogSearch { address: factory, topics, from: number, to: number };
        let l1_chain_id = self.chain_id().await?;
        let mut stranger = None;
        for log in self.next_logs(&mut search).await? {
            let found = self.prove(&log).await?;
            let creation = Creation::decode(found.header, l1_chain_id, found.log.address, &found.log.data);
            match creation {
                Ok(creation) if standing.is(&creation) => return Ok(creation),
                _ => stranger = Some(found.log.address),
            }
        }
        let refused = |factory| L1Error::NotThisRollup { rollup, factory };
        Err(stranger.map_or(L1Error::NoRollup(rollup), refused))
    }
}
