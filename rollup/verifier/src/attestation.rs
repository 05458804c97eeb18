//! An attester's signature.

use alloy_primitives::{B256, Bytes};
use mayfly_l1::Key;
use mayfly_rollup::RollupInfo;

use crate::VerifierError;

/// An attester's EIP-712 signature under a claim, as `Settlement.attest` takes it. Only sign claims
/// that a verifier of one's own calls right.
pub fn attestation(info: &RollupInfo, key: &Key, claim_hash: B256) -> Result<Bytes, VerifierError> {
    let signature = key.sign_hash(&info.attestation_digest(claim_hash))?;
    Ok(Bytes::copy_from_slice(&signature.as_bytes()))
}
