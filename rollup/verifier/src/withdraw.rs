//! Withdrawals while the rollup lives: messages under a final claim.

use alloy_primitives::{B256, U256};
use mayfly_contracts::{types::Message, vault::Vault};
use mayfly_l1::{Sender, SubmitOptions};
use mayfly_rollup::{RollupInfo, settlement::message_proof};

use crate::{ClaimStatus, ProposedClaim, VerifierError, View};

/// A message with its proof under a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The claim.
    pub claim_hash: B256,
    /// The message.
    pub message: Message,
    /// Siblings from the leaf to the root, 32 of them.
    pub proof: Vec<B256>,
}

/// A message's proof under the first final claim that holds it; none while there is no such claim.
pub fn withdrawal(info: &RollupInfo, view: &View, index: u64) -> Result<Option<Withdrawal>, VerifierError> {
    let place = usize::try_from(index).unwrap_or(usize::MAX);
    let (block, message) = view.results.messages.get(place).ok_or(VerifierError::NoMessage(index))?;
    let holds = |claim: &&ProposedClaim| {
        claim.status == ClaimStatus::Final && claim.is_sound() && claim.claim.blockNumber >= *block
    };
    let Some(claim) = view.claims.iter().find(holds) else { return Ok(None) };
    let under = view.results.messages.iter().take_while(|(block, _)| *block <= claim.claim.blockNumber);
    let messages: Vec<Message> = under.map(|(_, message)| message.clone()).collect();
    let proof = message_proof(info.chain_id, &messages, index)?;
    Ok(Some(Withdrawal { claim_hash: claim.hash, message: message.clone(), proof }))
}

/// Carries a message out on L1; anyone may. Returns the transaction.
pub async fn withdraw(
    sender: &Sender,
    info: &RollupInfo,
    withdrawal: Withdrawal,
    submit: &SubmitOptions,
) -> Result<B256, VerifierError> {
    let Withdrawal { claim_hash, message, proof } = withdrawal;
    let index = message.index;
    let proof = <[B256; 32]>::try_from(proof).map_err(|_| VerifierError::NoMessage(index))?;
    let call = Vault::withdrawCall { claimHash: claim_hash, message, proof };
    Ok(sender.transact(info.vault, &call, U256::ZERO, submit).await?.transaction_hash)
}
