//! An account as the flat state holds it.

use alloy_primitives::{B256, U256};
use alloy_trie::KECCAK_EMPTY;

/// Balance, nonce and code hash of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Keccak of the code; keccak of nothing where there is none.
    pub code_hash: B256,
}

impl Default for AccountInfo {
    fn default() -> Self {
        Self { balance: U256::ZERO, nonce: 0, code_hash: KECCAK_EMPTY }
    }
}

impl AccountInfo {
    /// Whether the account has code (a 7702 delegation is code).
    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK_EMPTY
    }

    /// Whether the account is empty (EIP-161).
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && !self.has_code()
    }
}
