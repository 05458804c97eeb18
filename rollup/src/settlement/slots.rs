//! Where the predeploys keep what derivation reads; the layouts are part of protocol version 1.

use alloy_primitives::{Address, B256, U256, keccak256};
use mayfly_contracts::predeploys::{L2_BRIDGE, L2_MESSENGER, L2_REGISTRY};
use mayfly_evm::Chain;

/// `L2Bridge.bridged`, `L2Registry.beneficiaryOf`, `L2Messenger.root`.
const SLOT_0: U256 = U256::ZERO;
/// `L2Registry.collections`.
const SLOT_1: U256 = U256::ONE;
/// `L2Registry.registered`.
const SLOT_2: U256 = U256::from_limbs([2, 0, 0, 0]);

/// What a bridged token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bridged {
    pub(super) l1_token: Address,
    pub(super) kind: u8,
}

/// A registered collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Collection {
    pub(super) description: B256,
    pub(super) kind: u8,
}

/// Root over all messages to L1; 0 while there is none.
pub(crate) fn withdrawal_root(chain: &Chain) -> B256 {
    chain.storage(&L2_MESSENGER, &SLOT_0).into()
}

/// What L1 token an address stands for, if the bridge made it.
pub(super) fn bridged(chain: &Chain, token: Address) -> Option<Bridged> {
    let word = chain.storage(&L2_BRIDGE, &mapping_slot(token, SLOT_0));
    let kind = word.byte(20);
    (kind != 0).then(|| Bridged { l1_token: low_address(word), kind })
}

/// Who gets what a contract holds; the contract itself if it named nobody.
pub(super) fn beneficiary(chain: &Chain, holder: Address) -> Address {
    match low_address(chain.storage(&L2_REGISTRY, &mapping_slot(holder, SLOT_0))) {
        Address::ZERO => holder,
        beneficiary => beneficiary,
    }
}

/// Number of registered collections.
pub(super) fn registered_count(chain: &Chain) -> U256 {
    chain.storage(&L2_REGISTRY, &SLOT_2)
}

/// A registered collection by the order of registration.
pub(super) fn registered(chain: &Chain, index: U256) -> Address {
    let start: U256 = keccak256(SLOT_2.to_be_bytes::<32>()).into();
    low_address(chain.storage(&L2_REGISTRY, &start.wrapping_add(index)))
}

/// How a collection is registered.
pub(super) fn collection(chain: &Chain, collection: Address) -> Collection {
    let slot = mapping_slot(collection, SLOT_1);
    let kind = chain.storage(&L2_REGISTRY, &slot.wrapping_add(U256::ONE)).byte(0);
    Collection { description: chain.storage(&L2_REGISTRY, &slot).into(), kind }
}

fn mapping_slot(key: Address, slot: U256) -> U256 {
    keccak256([key.into_word().0, slot.to_be_bytes()].concat()).into()
}

fn low_address(word: U256) -> Address {
    Address::from_word(word.into())
}
