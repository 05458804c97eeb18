//! Block 0 of a rollup: the predeploys of its protocol version and the balances of its creation.

use crate::derive::Position;
use crate::info::RollupInfo;
use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, U256};
use mayfly_contracts::predeploys::predeploys;
use mayfly_evm::{ChainSpec, EvmError, Genesis, GenesisAccount};

/// The rules of a rollup's chain.
///
/// # Errors
/// If its protocol version is not known.
pub fn chain_spec(info: &RollupInfo) -> Result<ChainSpec, EvmError> {
    ChainSpec::rollup(info.chain_id, info.config.protocolVersion)
}

/// Block 0 of a rollup. Allocations to one address add up; the Inbox holds their sum, so it cannot overflow.
pub fn genesis(info: &RollupInfo) -> Genesis {
    let mut balances: HashMap<Address, U256> = HashMap::default();
    for allocation in &info.genesis {
        let balance = balances.entry(allocation.to).or_default();
        *balance = balance.saturating_add(allocation.amount);
    }
    let mut accounts: Vec<GenesisAccount> = Vec::new();
    for predeploy in predeploys() {
        accounts.push(GenesisAccount {
            address: predeploy.address,
            balance: balances.remove(&predeploy.address).unwrap_or_default(),
            nonce: 1,
            code: predeploy.code,
            storage: Vec::new(),
        });
    }
    let funded = |(address, balance)| GenesisAccount { address, balance, ..GenesisAccount::default() };
    accounts.extend(balances.into_iter().map(funded));
    accounts.sort_by_key(|account| account.address);
    Genesis {
        accounts,
        timestamp: info.l1_time,
        gas_limit: info.config.blockGasLimit,
        beneficiary: info.config.organiser,
        extra_data: Position { origin: info.l1_number, queue_end: 0 }.encode(),
        ..Genesis::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use mayfly_contracts::predeploys::L2_BRIDGE;
    use mayfly_contracts::types::Allocation;
    use mayfly_evm::Chain;

    #[test]
    fn genesis_holds_the_predeploys_and_what_was_paid_in() {
        let mut info = RollupInfo { chain_id: 7, l1_number: 5, l1_time: 50, ..RollupInfo::default() };
        info.config.protocolVersion = 1;
        info.config.blockGasLimit = 1 << 25;
        let to = Address::repeat_byte(3);
        let five = Allocation { to, amount: U256::from(5) };
        info.genesis = vec![five.clone(), five, Allocation { to: L2_BRIDGE, amount: U256::from(1) }];
        let chain = Chain::create(None, chain_spec(&info).unwrap(), &genesis(&info)).unwrap();
        assert_eq!(chain.account(&to).unwrap().balance, U256::from(10));
        let bridge = chain.account(&L2_BRIDGE).unwrap();
        assert_eq!((bridge.balance, bridge.nonce, bridge.has_code()), (U256::from(1), 1, true));
        let header = &chain.head().header;
        assert_eq!(Position::of(header), Some(Position { origin: 5, queue_end: 0 }));
        assert_eq!((header.timestamp, header.gas_limit), (50, 1 << 25));
        info.config.protocolVersion = 2;
        assert!(chain_spec(&info).is_err());
    }
}
