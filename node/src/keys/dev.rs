//! The accounts anvil funds, known to the whole world: for the development chain only.

use alloy::signers::local::PrivateKeySigner;

use crate::NodeError;

/// How many accounts anvil's default mnemonic gives.
pub const DEV_ACCOUNTS: usize = 10;

/// The private keys of "test test test … junk", in order.
const SECRETS: [&str; DEV_ACCOUNTS] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];

/// The `index`-th of anvil's accounts.
///
/// # Errors
/// If there is no such account.
pub fn dev_key(index: usize) -> Result<PrivateKeySigner, NodeError> {
    let secret = SECRETS.get(index).ok_or_else(|| {
        NodeError::key(format!("dev:{index}"), format!("there are {DEV_ACCOUNTS} development accounts"))
    })?;
    secret.parse().map_err(|e| NodeError::key(format!("dev:{index}"), e))
}

/// The hex form of a development key: it is public knowledge, so the stack may show it.
pub(crate) fn dev_secret(index: usize) -> Option<String> {
    SECRETS.get(index).map(|s| format!("0x{s}"))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::address;

    use super::*;

    #[test]
    fn gives_anvils_accounts() {
        assert_eq!(dev_key(0).map(|k| k.address()).ok(), Some(address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266")));
        assert_eq!(dev_key(9).map(|k| k.address()).ok(), Some(address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720")));
        assert!(dev_key(DEV_ACCOUNTS).is_err());
    }
}
