//! What keeps posting from going on, and what would end it.

use alloy_primitives::Address;
use mayfly_l1::L1Error;

use crate::error::SequencerError;

/// See the module. Empty: nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trouble {
    /// In words, with the numbers.
    pub(super) what: String,
    /// What ends it.
    pub(super) ends: String,
}

impl Trouble {
    pub(super) fn new(what: impl Into<String>, ends: impl Into<String>) -> Self {
        Self { what: what.into(), ends: ends.into() }
    }

    /// What L1 said to a transaction of `poster`.
    pub(super) fn of_l1(error: &L1Error, poster: Address) -> Self {
        let ends = match error {
            L1Error::InsufficientFunds(_) => format!("once the posting key {poster} has ether"),
            L1Error::FeeCap { .. } => {
                "by itself, once l1 asks less, or with a higher max_fee_gwei or max_blob_fee_gwei".to_owned()
            }
            L1Error::ReplacementUnderpriced(_) | L1Error::KindBlocked(_) | L1Error::NonceTooHigh(_) => format!(
                "by itself, once l1 includes the other transaction of {poster} or ours outbids it; only the \
                 sequencer may use this key"
            ),
            error if error.is_temporary() => "by itself, once an endpoint of l1 answers".to_owned(),
            _ => "by itself, once l1 takes it: it is tried again and again".to_owned(),
        };
        let poor = error.to_string().to_ascii_lowercase().contains("insufficient funds");
        Self::new(error.to_string(), if poor { format!("once the posting key {poster} has ether") } else { ends })
    }

    /// What ended a round.
    pub(super) fn of(error: &SequencerError) -> Self {
        let ends = match error {
            SequencerError::Ledger(_) => "by itself, once the database answers",
            SequencerError::L1(_) => "by itself, once an endpoint of l1 answers",
            _ => "when what it names is mended: it is tried again and again",
        };
        Self::new(error.to_string(), ends)
    }

    pub(super) fn is_none(&self) -> bool {
        self.what.is_empty()
    }
}
