//! Logs of a rollup's contracts, decoded.

use alloy_primitives::Address;
use alloy_sol_types::SolEventInterface;
use mayfly_contracts::{
    inbox::Inbox::InboxEvents, settlement::Settlement::SettlementEvents, vault::Vault::VaultEvents,
};

use crate::{L1Error, L1Log};

/// A rollup's three contracts on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RollupContracts {
    /// The Inbox, which is the rollup's address.
    pub inbox: Address,
    /// Its Settlement.
    pub settlement: Address,
    /// Its Vault.
    pub vault: Address,
}

/// A decoded log.
#[derive(Debug, Clone)]
pub enum RollupEvent {
    /// Of the Inbox.
    Inbox(InboxEvents),
    /// Of the Settlement.
    Settlement(SettlementEvents),
    /// Of the Vault.
    Vault(VaultEvents),
}

impl RollupContracts {
    /// All three, to follow them.
    pub fn addresses(&self) -> Vec<Address> {
        vec![self.inbox, self.settlement, self.vault]
    }

    /// Decodes a log; none if it is of another contract, or of an event no binding knows (such as
    /// that of an initialiser). The contracts are immutable, so data that does not fit its event is
    /// an error.
    pub fn decode(&self, log: &L1Log) -> Result<Option<RollupEvent>, L1Error> {
        let Some(selector) = log.data.topics().first() else { return Ok(None) };
        let (topics, data) = (log.data.topics(), log.data.data.as_ref());
        let named = |error: alloy_sol_types::Error| L1Error::Abi(format!("log {selector} of {}: {error}", log.address));
        let event = match log.address {
            address if address == self.inbox && InboxEvents::SELECTORS.contains(&selector.0) => {
                RollupEvent::Inbox(InboxEvents::decode_raw_log(topics, data).map_err(named)?)
            }
            address if address == self.settlement && SettlementEvents::SELECTORS.contains(&selector.0) => {
                RollupEvent::Settlement(SettlementEvents::decode_raw_log(topics, data).map_err(named)?)
            }
            address if address == self.vault && VaultEvents::SELECTORS.contains(&selector.0) => {
                RollupEvent::Vault(VaultEvents::decode_raw_log(topics, data).map_err(named)?)
            }
            _ => return Ok(None),
        };
        Ok(Some(event))
    }
}
