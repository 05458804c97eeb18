//! Withdrawals while the rollup lives: messages under a final claim.

use alloy_primitives::{B256, U256};
use mayfly_contracts::{predeploys::L2_MESSENGER, types::Message, vault::Vault};
use mayfly_evm::ChainReader;
use mayfly_l1::{Sender, SubmitOptions};
use mayfly_rollup::{
    RollupInfo,
    settlement::{MESSAGE_TREE_DEPTH, append_proof, decode_message, message_leaf},
};

use crate::{ClaimStatus, ProposedClaim, Sent, VerifierError, View};

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

/// A message's proof under the first final claim that holds it; none while there is no such claim. `reader` is of the
/// verifier that the view is of.
///
/// # Errors
/// If there is no such message, or the view is older than the chain.
pub fn withdrawal(
    info: &RollupInfo,
    view: &View,
    reader: &ChainReader,
    index: u64,
) -> Result<Option<Withdrawal>, VerifierError> {
    let place = usize::try_from(index).unwrap_or(usize::MAX);
    let sent = view.results.messages.get(place).ok_or(VerifierError::NoMessage(index))?;
    let holds = |claim: &&ProposedClaim| {
        claim.status == ClaimStatus::Final && !claim.late && claim.is_sound() && claim.claim.blockNumber >= sent.block
    };
    let Some(claim) = view.claims.iter().find(holds) else { return Ok(None) };
    let message = read_message(info, reader, sent, index)?.ok_or(VerifierError::NoMessage(index))?;
    let under = view.results.messages.iter().take_while(|sent| sent.block <= claim.claim.blockNumber);
    let leaves: Vec<B256> = under.map(|sent| sent.leaf).collect();
    let proof = append_proof(&leaves, place, MESSAGE_TREE_DEPTH)?;
    Ok(Some(Withdrawal { claim_hash: claim.hash, message, proof }))
}

fn read_message(
    info: &RollupInfo,
    reader: &ChainReader,
    sent: &Sent,
    index: u64,
) -> Result<Option<Message>, VerifierError> {
    let Some(block) = reader.block_by_number(sent.block)? else { return Ok(None) };
    let logs = block.receipts.iter().flat_map(|receipt| &receipt.logs);
    let mut messages = logs.filter_map(|log| decode_message(L2_MESSENGER, log));
    Ok(messages.find(|message| message.index == index && message_leaf(info.chain_id, message) == sent.leaf))
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
