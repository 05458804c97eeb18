//! The structs that several contracts share, named once. Bindings made from artifacts repeat them in every contract
//! that mentions them; convert those with `into()`.

pub use crate::factory::RollupFactory::{Allocation, Config, Windows};
pub use crate::inbox::Inbox::BatchHeader;
pub use crate::settlement::Settlement::Claim;
pub use crate::vault::Vault::{Leaf, Message};

/// Stages of a rollup, in the order of `Inbox.stage()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// No batch yet.
    Created,
    /// Batches and deposits.
    Active,
    /// No deposits any more.
    Draining,
    /// The sequencer is gone: forced transactions only.
    Frozen,
    /// Closed, no closing claim yet.
    Closing,
    /// A closing claim was proposed.
    Settling,
    /// The closing claim is final.
    Settled,
}

impl TryFrom<u8> for Stage {
    type Error = UnknownStage;

    fn try_from(value: u8) -> Result<Self, UnknownStage> {
        const ALL: [Stage; 7] = [
            Stage::Created,
            Stage::Active,
            Stage::Draining,
            Stage::Frozen,
            Stage::Closing,
            Stage::Settling,
            Stage::Settled,
        ];
        ALL.get(usize::from(value)).copied().ok_or(UnknownStage(value))
    }
}

/// A stage that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown stage {0}")]
pub struct UnknownStage(pub u8);

macro_rules! same_fields {
    ($from:ty => $to:ident { $($field:ident),* $(,)? }) => {
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                Self { $($field: value.$field.into()),* }
            }
        }
    };
}

same_fields!(crate::inbox::Inbox::Windows => Windows {
    forceWindow, livenessWindow, freezeDelay, proposeWindow, challengeWindow, resolverTimeout, escalationWindow,
    minDelayBlocks, confDepth, maxOriginLag, maxDrift, claimInterval,
});
same_fields!(crate::inbox::Inbox::Config => Config {
    protocolVersion, chainId, organiser, sequencer, receiptSigner, resolver, attesters, quorum, endTime, drain,
    blockGasLimit, blockTimeMs, windows, claimBond, freezeBond, closeReward, attestationFee, maxTvl, daMode, minter,
    forceGasTarget,
});
same_fields!(crate::l2::L2Messenger::Message => Message { index, kind, sender, token, tokenId, amount, to, data });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_an_unknown_stage() {
        assert_eq!(Stage::try_from(6), Ok(Stage::Settled));
        assert_eq!(Stage::try_from(7), Err(UnknownStage(7)));
    }
}
