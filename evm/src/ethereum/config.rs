//! A chain's rules and first block from the `genesis.json` that every Ethereum node reads.

use crate::{
    Activation, BEACON_ROOTS_ADDRESS, BaseFeeRule, BlobRule, BlockReward, ChainSpec, Consensus, EvmError, Fork,
    Genesis, GenesisAccount, HISTORY_ADDRESS, HeaderRules, Prices, RequestRule, RequestSource, SystemCall, SystemInput,
};
use alloy_eips::{
    eip1559::BaseFeeParams,
    eip7594::MAX_BLOBS_PER_TX_FUSAKA,
    eip7840::{BLOB_BASE_COST, BlobParams},
};
use alloy_genesis::ChainConfig;
use alloy_primitives::{Address, U256, address};
use revm::primitives::hardfork::SpecId;

/// EIP-7002: withdrawals that contracts ask for.
const WITHDRAWAL_REQUESTS: Address = address!("0x00000961Ef480Eb55e80D19ad83579A64c007002");
/// EIP-7251: consolidations of validators.
const CONSOLIDATION_REQUESTS: Address = address!("0x0000BBdDc7CE488642fb579F8B00f3a590007251");
/// Base fee of a chain that starts with London.
const INITIAL_BASE_FEE: u64 = 1_000_000_000;
/// Of a genesis block: above that many update fractions the price of a blob has no meaning.
const MAX_EXCESS_FRACTIONS: u128 = 64;
/// More blobs than any block will have: what is multiplied with it stays far from overflow.
const MAX_BLOBS: u64 = 4_096;
const ETHER: u64 = 1_000_000_000_000_000_000;
const DEPOSIT: u8 = 0;
const WITHDRAWAL: u8 = 1;
const CONSOLIDATION: u8 = 2;

/// A fork by the name that public tests call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthereumFork(SpecId);

impl EthereumFork {
    /// The fork of that name; `None` for one that this build does not execute.
    pub fn named(name: &str) -> Option<Self> {
        Some(Self(match name {
            "Frontier" => SpecId::FRONTIER,
            "Homestead" => SpecId::HOMESTEAD,
            "EIP150" => SpecId::TANGERINE,
            "EIP158" => SpecId::SPURIOUS_DRAGON,
            "Byzantium" => SpecId::BYZANTIUM,
            // What only Constantinople had, the pricing of EIP-1283, was taken back before it was used.
            "Constantinople" | "ConstantinopleFix" => SpecId::PETERSBURG,
            "Istanbul" => SpecId::ISTANBUL,
            "Berlin" => SpecId::BERLIN,
            "London" => SpecId::LONDON,
            "Paris" | "Merge" => SpecId::MERGE,
            "Shanghai" => SpecId::SHANGHAI,
            "Cancun" => SpecId::CANCUN,
            "Prague" => SpecId::PRAGUE,
            "Osaka" => SpecId::OSAKA,
            _ => return None,
        }))
    }

    /// Whether a block of a chain is under this fork or a later one.
    pub fn is_active(self, spec: &ChainSpec, number: u64, timestamp: u64) -> bool {
        spec.spec_id(number, timestamp).is_enabled_in(self.0)
    }

    /// A chain that is on this fork from its first block on.
    pub fn spec(self, chain_id: u64) -> ChainSpec {
        let from = Activation::Block(0);
        let enabled = |fork| self.0.is_enabled_in(fork);
        let blobs = match () {
            () if enabled(SpecId::OSAKA) => Some(BlobParams::osaka()),
            () if enabled(SpecId::PRAGUE) => Some(BlobParams::prague()),
            () if enabled(SpecId::CANCUN) => Some(BlobParams::cancun()),
            () => None,
        };
        ChainSpec {
            forks: vec![Fork { from, spec: self.0 }],
            blobs: blobs.map(|params| BlobRule { from, params }).into_iter().collect(),
            ..bare(chain_id)
        }
    }
}

/// The rules that no fork changes.
fn bare(chain_id: u64) -> ChainSpec {
    ChainSpec {
        chain_id,
        protocol_version: 0,
        forks: Vec::new(),
        base_fee: BaseFeeRule::Eip1559 { params: BaseFeeParams::ethereum(), initial: INITIAL_BASE_FEE },
        block_rewards: Vec::new(),
        system_calls: Vec::new(),
        requests: Vec::new(),
        blobs: Vec::new(),
        header: HeaderRules { max_extra_data_bytes: 32, equal_timestamps: false },
        transaction_types: vec![0, 1, 2, 3, 4],
        prices: Prices::default(),
    }
}

/// Rules and first block of a chain, from the text of its `genesis.json`. `merge` is the first block made by stake, for
/// a chain whose configuration names only a total difficulty.
///
/// # Errors
/// [`EvmError::Genesis`] for what is no genesis, or of a kind that this build does not execute: proof of authority, the
/// DAO's refund, forks after Osaka.
pub fn ethereum_genesis(json: &str, merge: Option<u64>) -> Result<(ChainSpec, Genesis), EvmError> {
    let genesis = read(json)?;
    let spec = chain_spec(&genesis.config, merge)?;
    let account = |(address, account): (&Address, &alloy_genesis::GenesisAccount)| GenesisAccount {
        address: *address,
        balance: account.balance,
        nonce: account.nonce.unwrap_or_default(),
        code: account.code.clone().unwrap_or_default(),
        storage: account.storage.iter().flatten().map(|(slot, value)| (*slot, (*value).into())).collect(),
    };
    let base_fee = genesis.base_fee_per_gas.map(u64::try_from).transpose();
    let block = Genesis {
        accounts: genesis.alloc.iter().map(account).collect(),
        timestamp: genesis.timestamp,
        gas_limit: genesis.gas_limit,
        beneficiary: genesis.coinbase,
        extra_data: genesis.extra_data.clone(),
        prev_randao: genesis.mix_hash,
        consensus: Consensus {
            difficulty: genesis.difficulty,
            nonce: genesis.nonce.to_be_bytes().into(),
            ..Consensus::default()
        },
        excess_blob_gas: genesis.excess_blob_gas.unwrap_or_default(),
        blob_gas_used: genesis.blob_gas_used.unwrap_or_default(),
        base_fee: base_fee.map_err(|_| EvmError::Genesis("base fee does not fit 64 bits".into()))?,
        keeps_empty: true,
    };
    if genesis.number.is_some_and(|number| number != 0) || genesis.parent_hash.is_some_and(|hash| !hash.is_zero()) {
        return Err(EvmError::Genesis("a chain starts at block 0".into()));
    }
    check_blob_gas(&spec, &block)?;
    Ok((spec, block))
}

/// What every genesis says: without it a file would read as the genesis of some default chain.
const REQUIRED: [&str; 4] = ["/config/chainId", "/gasLimit", "/difficulty", "/alloc"];

fn read(json: &str) -> Result<alloy_genesis::Genesis, EvmError> {
    let malformed = |err: serde_json::Error| EvmError::Genesis(err.to_string());
    let value: serde_json::Value = serde_json::from_str(json).map_err(malformed)?;
    if let Some(missing) = REQUIRED.iter().find(|path| value.pointer(path).is_none()) {
        return Err(EvmError::Genesis(format!("{missing} is missing")));
    }
    serde_json::from_value(value).map_err(malformed)
}

fn check_blob_gas(spec: &ChainSpec, genesis: &Genesis) -> Result<(), EvmError> {
    let (excess, used) = (genesis.excess_blob_gas, genesis.blob_gas_used);
    let bound = |params: BlobParams| {
        u128::from(excess) <= MAX_EXCESS_FRACTIONS.saturating_mul(params.update_fraction)
            && used <= params.max_blob_gas_per_block()
    };
    if spec.blob_params(0, genesis.timestamp).map_or(excess == 0 && used == 0, bound) {
        return Ok(());
    }
    Err(EvmError::Genesis(format!("excess blob gas {excess} and blob gas {used} cannot be")))
}

fn chain_spec(config: &ChainConfig, merge: Option<u64>) -> Result<ChainSpec, EvmError> {
    let refuse = |what: &str| Err(EvmError::Genesis(format!("{what} are not supported")));
    if config.clique.is_some() || config.parlia.is_some() {
        return refuse("chains sealed by authorities");
    }
    if config.dao_fork_block.is_some() && config.dao_fork_support {
        return refuse("chains with the DAO's refund");
    }
    if config.amsterdam_time.is_some() || config.bogota_time.is_some() {
        return refuse("forks after Osaka");
    }
    let total = config.terminal_total_difficulty;
    let merge = config.merge_netsplit_block.or(merge).or_else(|| total.filter(U256::is_zero).map(|_| 0));
    let blocks = [
        (config.homestead_block, SpecId::HOMESTEAD),
        (config.eip150_block, SpecId::TANGERINE),
        (config.eip158_block, SpecId::SPURIOUS_DRAGON),
        (config.byzantium_block, SpecId::BYZANTIUM),
        // Between the two, EIP-1283 had other prices for storage: no chain that matters used them.
        (config.constantinople_block, SpecId::PETERSBURG),
        (config.petersburg_block, SpecId::PETERSBURG),
        (config.istanbul_block, SpecId::ISTANBUL),
        // Forks that only made work easier count in a chain's fork id.
        (config.muir_glacier_block, SpecId::ISTANBUL),
        (config.berlin_block, SpecId::BERLIN),
        (config.london_block, SpecId::LONDON),
        (config.arrow_glacier_block, SpecId::LONDON),
        (config.gray_glacier_block, SpecId::LONDON),
        (merge, SpecId::MERGE),
    ];
    let times = [
        (config.shanghai_time, SpecId::SHANGHAI),
        (config.cancun_time, SpecId::CANCUN),
        (config.prague_time, SpecId::PRAGUE),
        (config.osaka_time, SpecId::OSAKA),
    ];
    let at_block = blocks.iter().filter_map(|(from, spec)| from.map(|from| (Activation::Block(from), *spec)));
    let at_time = times.iter().filter_map(|(from, spec)| from.map(|from| (Activation::Time(from), *spec)));
    let rewards = [(Some(0), 5), (config.byzantium_block, 3), (config.constantinople_block, 2), (merge, 0)];
    let reward = |(from, ether): (Option<u64>, u64)| {
        from.map(|from| BlockReward { from: Activation::Block(from), wei: U256::from(ether) * U256::from(ETHER) })
    };
    Ok(ChainSpec {
        forks: at_block.chain(at_time).map(|(from, spec)| Fork { from, spec }).collect(),
        block_rewards: rewards.into_iter().filter_map(reward).collect(),
        system_calls: system_calls(config),
        requests: requests(config),
        blobs: blobs(config)?,
        ..bare(config.chain_id)
    })
}

fn system_calls(config: &ChainConfig) -> Vec<SystemCall> {
    let calls = [
        (config.cancun_time, BEACON_ROOTS_ADDRESS, SystemInput::ParentBeaconRoot),
        (config.prague_time, HISTORY_ADDRESS, SystemInput::ParentHash),
    ];
    let call = |(from, to, input): (Option<u64>, Address, SystemInput)| {
        from.map(|from| SystemCall { from: Activation::Time(from), to, input })
    };
    calls.into_iter().filter_map(call).collect()
}

fn requests(config: &ChainConfig) -> Vec<RequestRule> {
    let Some(from) = config.prague_time.map(Activation::Time) else { return Vec::new() };
    let rule = |ty, source| RequestRule { from, ty, source };
    let deposits = config.deposit_contract_address.map(|to| rule(DEPOSIT, RequestSource::DepositLogs(to)));
    let withdrawals = rule(WITHDRAWAL, RequestSource::Contract(WITHDRAWAL_REQUESTS));
    let consolidations = rule(CONSOLIDATION, RequestSource::Contract(CONSOLIDATION_REQUESTS));
    deposits.into_iter().chain([withdrawals, consolidations]).collect()
}

/// The schedule of EIP-7840 with what the forks fixed beside it.
fn blobs(config: &ChainConfig) -> Result<Vec<BlobRule>, EvmError> {
    let rules = [
        (config.cancun_time, "cancun", Some(BlobParams::cancun())),
        (config.prague_time, "prague", Some(BlobParams::prague())),
        (config.osaka_time, "osaka", Some(BlobParams::osaka())),
        (config.bpo1_time, "bpo1", None),
        (config.bpo2_time, "bpo2", None),
        (config.bpo3_time, "bpo3", None),
        (config.bpo4_time, "bpo4", None),
        (config.bpo5_time, "bpo5", None),
    ];
    let mut found = Vec::new();
    for (from, name, usual) in rules {
        let Some(from) = from else { continue };
        let missing = || EvmError::Genesis(format!("blobSchedule says nothing of {name}"));
        let params = config.blob_schedule.get(name).copied().or(usual).ok_or_else(missing)?;
        let counts = 1..=MAX_BLOBS;
        let sound = counts.contains(&params.max_blob_count) && params.target_blob_count <= params.max_blob_count;
        if !sound || !(1..=u128::from(u32::MAX)).contains(&params.update_fraction) {
            return Err(EvmError::Genesis(format!("blobSchedule of {name}: {params:?}")));
        }
        let is_osaka = config.osaka_time.is_some_and(|osaka| from >= osaka);
        let params = match is_osaka {
            true => params.with_max_blobs_per_tx(MAX_BLOBS_PER_TX_FUSAKA).with_blob_base_cost(BLOB_BASE_COST),
            false => params.with_max_blobs_per_tx(params.max_blob_count).with_blob_base_cost(0),
        };
        found.push(BlobRule { from: Activation::Time(from), params });
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn refused(config: &str) -> String {
        let json = format!(
            r#"{{"config": {{"chainId": 7, {config}}}, "gasLimit": "0x1000", "difficulty": "0x1", "alloc": {{}}}}"#
        );
        ethereum_genesis(&json, None).unwrap_err().to_string()
    }

    #[test]
    fn forks_come_from_the_configuration() {
        let json = r#"{"config": {"chainId": 7, "homesteadBlock": 0, "londonBlock": 4, "mergeNetsplitBlock": 6,
            "shanghaiTime": 100, "cancunTime": 200, "osakaTime": 300,
            "blobSchedule": {"osaka": {"target": 1, "max": 2, "baseFeeUpdateFraction": 7}}},
            "gasLimit": "0x1000", "difficulty": "0x1", "alloc": {"0x0000000000000000000000000000000000000001": {"balance": "0x0"}}}"#;
        let (spec, genesis) = ethereum_genesis(json, None).unwrap();
        assert_eq!((spec.chain_id, spec.spec_id(3, 0), spec.spec_id(4, 0)), (7, SpecId::HOMESTEAD, SpecId::LONDON));
        assert_eq!((spec.spec_id(6, 99), spec.spec_id(7, 100)), (SpecId::MERGE, SpecId::SHANGHAI));
        assert_eq!(spec.block_reward(5, 0), U256::from(5) * U256::from(ETHER));
        assert!(spec.block_reward(6, 0).is_zero());
        assert_eq!(spec.blob_params(7, 199), None);
        assert_eq!(spec.blob_params(7, 200), Some(BlobParams::cancun()));
        let osaka = spec.blob_params(7, 300).unwrap();
        assert_eq!((osaka.max_blob_count, osaka.max_blobs_per_tx, osaka.blob_base_cost), (2, 6, BLOB_BASE_COST));
        assert!(genesis.keeps_empty && genesis.accounts.len() == 1);
    }

    #[test]
    fn what_cannot_be_executed_is_refused() {
        assert!(refused(r#""clique": {"period": 1, "epoch": 3}"#).contains("authorities"));
        assert!(refused(r#""daoForkBlock": 3, "daoForkSupport": true"#).contains("DAO"));
        assert!(refused(r#""amsterdamTime": 3"#).contains("after Osaka"));
        assert!(refused(r#""bpo1Time": 3"#).contains("bpo1"));
        let empty =
            r#""cancunTime": 0, "blobSchedule": {"cancun": {"target": 3, "max": 0, "baseFeeUpdateFraction": 1}}"#;
        let flood = empty.replace("\"max\": 0", "\"max\": 18446744073709551615");
        assert!(refused(&flood).contains("cancun"), "{}", refused(&flood));
        assert!(refused(empty).contains("cancun"), "{}", refused(empty));
        for missing in ["{}", r#"{"config": {"chainId": 7}, "difficulty": "0x1", "alloc": {}}"#] {
            assert!(ethereum_genesis(missing, None).unwrap_err().to_string().contains("is missing"));
        }
    }
}
