//! What can be wrong with a wire or signed value.

use alloy_primitives::Address;

/// A wire or signed value was refused.
#[derive(Debug, thiserror::Error)]
pub enum ProtoError {
    /// A commodity code that is not in the table.
    #[error("unknown commodity code {0}")]
    UnknownCommodity(u8),
    /// A commodity name that is not in the table.
    #[error("unknown commodity {0:?}")]
    UnknownCommodityName(String),
    /// A lane number of more than 48 bits.
    #[error("lane {0} is above 2^48 - 1")]
    LaneOutOfRange(u64),
    /// A secret key outside of the curve's range.
    #[error("invalid signing key")]
    InvalidKey,
    /// Signing failed; the text comes from the signer.
    #[error("signing failed: {0}")]
    Signing(String),
    /// A signature from which no signer can be recovered, or with a high s.
    #[error("invalid signature")]
    InvalidSignature,
    /// A good signature by somebody else.
    #[error("signed by {actual}, expected {expected}")]
    WrongSigner {
        /// Who should have signed.
        expected: Address,
        /// Who did.
        actual: Address,
    },
    /// A receipt of another rollup than the domain's.
    #[error("receipt is of rollup {actual}, expected {expected}")]
    WrongRollup {
        /// The domain's rollup.
        expected: Address,
        /// The receipt's.
        actual: Address,
    },
    /// An encoding with the wrong length.
    #[error("expected {expected} bytes, got {actual}")]
    Length {
        /// The only length allowed.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// A field whose encoding is not the canonical one.
    #[error("non-canonical {0}")]
    NonCanonical(&'static str),
    /// A peer or a file speaks a version that this build does not know.
    #[error("wire version {actual} is not supported, this build speaks {supported}")]
    WireVersion {
        /// The only version this build speaks.
        supported: u16,
        /// What was offered.
        actual: u16,
    },
}
