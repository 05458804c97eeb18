//! How L1's part is deployed: through the deterministic deployment proxy, so that every address is known before
//! anything is sent, and sending twice changes nothing.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolConstructor;

use crate::factory::RollupFactory;
use crate::inbox::Inbox;
use crate::predeploys::CREATE2_DEPLOYER;
use crate::settlement::{CommitteeResolver, Settlement};
use crate::vault::{CallExecutor, SettledERC721, SettledERC1155, Vault};

/// One contract to deploy: send [`DeployStep::input`] to [`CREATE2_DEPLOYER`] unless [`DeployStep::address`] has code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployStep {
    /// The contract's name.
    pub name: &'static str,
    /// Bytecode and constructor arguments.
    pub init_code: Bytes,
    /// Salt of its CREATE2 address.
    pub salt: B256,
    /// Where it will stand.
    pub address: Address,
}

impl DeployStep {
    /// A contract with constructor arguments (ABI-encoded, empty for none).
    pub fn new(name: &'static str, bytecode: &Bytes, arguments: &[u8], salt: B256) -> Self {
        let init_code: Bytes = [bytecode.as_ref(), arguments].concat().into();
        let address = CREATE2_DEPLOYER.create2_from_code(salt, &init_code);
        Self { name, init_code, salt, address }
    }

    /// The deployment transaction's input.
    pub fn input(&self) -> Bytes {
        [self.salt.as_slice(), self.init_code.as_ref()].concat().into()
    }
}

/// Everything that one L1 needs before rollups can be created on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foundation {
    /// In the order of deployment; the factory is the last.
    pub steps: Vec<DeployStep>,
    /// Address of the `RollupFactory`.
    pub factory: Address,
}

impl Foundation {
    /// The foundation under a salt; another salt yields another one beside it.
    pub fn new(salt: B256) -> Self {
        let settled721 = DeployStep::new("SettledERC721", &SettledERC721::BYTECODE, &[], salt);
        let settled1155 = DeployStep::new("SettledERC1155", &SettledERC1155::BYTECODE, &[], salt);
        let executor = DeployStep::new("CallExecutor", &CallExecutor::BYTECODE, &[], salt);
        let inbox = DeployStep::new("Inbox", &Inbox::BYTECODE, &[], salt);
        let settlement = DeployStep::new("Settlement", &Settlement::BYTECODE, &[], salt);
        let vault_arguments = Vault::constructorCall {
            settled721: settled721.address,
            settled1155: settled1155.address,
            executor: executor.address,
        };
        let vault = DeployStep::new("Vault", &Vault::BYTECODE, &vault_arguments.abi_encode(), salt);
        let factory_arguments = RollupFactory::constructorCall {
            inbox: inbox.address,
            settlement: settlement.address,
            vault: vault.address,
        };
        let factory = DeployStep::new("RollupFactory", &RollupFactory::BYTECODE, &factory_arguments.abi_encode(), salt);
        let address = factory.address;
        Self { steps: vec![settled721, settled1155, executor, inbox, settlement, vault, factory], factory: address }
    }
}

/// A committee of which `threshold` members decide disputes; for a config's `resolver`.
pub fn committee(threshold: u64, members: Vec<Address>, salt: B256) -> DeployStep {
    let arguments = CommitteeResolver::constructorCall { threshold_: alloy_primitives::U256::from(threshold), members };
    DeployStep::new("CommitteeResolver", &CommitteeResolver::BYTECODE, &arguments.abi_encode(), salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EIP-170 and EIP-3860 as they stand in Osaka.
    const MAX_INIT_CODE_BYTES: usize = 49_152;

    #[test]
    fn every_step_fits_a_transaction_and_moves_with_the_salt() {
        let (one, other) = (Foundation::new(B256::ZERO), Foundation::new(B256::with_last_byte(1)));
        for (a, b) in one.steps.iter().zip(&other.steps) {
            assert!(a.init_code.len() <= MAX_INIT_CODE_BYTES, "{} has {} bytes", a.name, a.init_code.len());
            assert_ne!(a.address, b.address, "{}", a.name);
            assert_eq!(&a.input()[..32], a.salt.as_slice());
        }
        assert_eq!(one.factory, one.steps[6].address);
    }
}
