//! Transactions that buy as much work as their gas pays for, one kind after the other.
//!
//! Shared by the tests, which run them, and the benchmark `poison`, which times them.

mod asm;
mod opcodes;
mod precompiles;

use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, address, b256};
use mayfly_evm::GenesisAccount;

/// Where the code of a kind stands.
pub(crate) const TARGET: Address = address!("0x00000000000000000000000000000000000000aa");
/// A second contract, for kinds that call one: a short address, so that it is short to push.
pub(crate) const HELPER: u64 = 0xbb;

/// 25,000 gas each.
const MOST_DELEGATIONS: u64 = 668;

/// One kind of poison.
#[derive(Clone, Debug)]
pub(crate) struct Poison {
    /// What it floods with.
    pub(crate) name: &'static str,
    /// Whom the transaction calls.
    pub(crate) to: TxKind,
    /// Its input.
    pub(crate) input: Bytes,
    /// Delegations that it carries.
    pub(crate) authorizations: Vec<SignedAuthorization>,
    code: Bytes,
    helper: Bytes,
}

impl Poison {
    fn code(name: &'static str, code: Bytes) -> Self {
        Self {
            name,
            to: TxKind::Call(TARGET),
            input: Bytes::new(),
            authorizations: Vec::new(),
            code,
            helper: Bytes::new(),
        }
    }

    fn creation(name: &'static str, init_code: Vec<u8>) -> Self {
        Self { to: TxKind::Create, ..Self::code(name, Bytes::new()).with_input(init_code) }
    }

    fn with_helper(self, helper: Bytes) -> Self {
        Self { helper, ..self }
    }

    fn with_input(self, input: Vec<u8>) -> Self {
        Self { input: input.into(), ..self }
    }

    /// As many delegations as the gas and the length of a transaction allow, each by another account.
    fn delegations(name: &'static str) -> Self {
        let delegation = |at: u64| {
            let delegation = Authorization { chain_id: U256::ZERO, address: TARGET, nonce: at % 2 };
            let delegation = Authorization { address: Address::left_padding_from(&at.to_be_bytes()), ..delegation };
            // Any number recovers to somebody, with an r that is on the curve.
            let r = b256!("0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
            delegation.into_signed(Signature::new(r.into(), U256::from(7), false))
        };
        Self { authorizations: (0..MOST_DELEGATIONS).map(delegation).collect(), ..Self::code(name, Bytes::new()) }
    }

    /// The contracts it needs.
    pub(crate) fn accounts(&self) -> Vec<GenesisAccount> {
        let helper = Address::left_padding_from(&[HELPER as u8]);
        let contract = |address, code: &Bytes| GenesisAccount {
            address,
            nonce: 1,
            balance: U256::from(1_u64 << 40),
            code: code.clone(),
            ..Default::default()
        };
        vec![contract(TARGET, &self.code), contract(helper, &self.helper)]
    }
}

/// Every kind.
pub(crate) fn all() -> Vec<Poison> {
    [opcodes::all(), precompiles::all(), vec![Poison::delegations("delegations")]].concat()
}
