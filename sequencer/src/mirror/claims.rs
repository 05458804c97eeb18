//! What the Settlement logs, into the ledger: claims, what happens to them, and the two last stages.

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolEvent, SolValue};
use mayfly_contracts::settlement::Settlement::{self, SettlementEvents};
use mayfly_l1::{L1Log, RollupContracts, RollupEvent};
use mayfly_ledger::{Cause, ClaimEvent, ClaimSeen, Ledger, LedgerError, Stage};
use mayfly_rollup::RollupInfo;

/// First topics of the logs that are recorded.
pub(super) const SETTLEMENT_TOPICS: [B256; 7] = [
    Settlement::ClaimProposed::SIGNATURE_HASH,
    Settlement::Attested::SIGNATURE_HASH,
    Settlement::Rivalled::SIGNATURE_HASH,
    Settlement::Resolved::SIGNATURE_HASH,
    Settlement::Escalated::SIGNATURE_HASH,
    Settlement::ClaimFinal::SIGNATURE_HASH,
    Settlement::ClaimRejected::SIGNATURE_HASH,
];

/// Reads a log of the rollup's Settlement; `None` for any other.
pub(super) fn decode_settlement(info: &RollupInfo, log: &L1Log) -> Option<SettlementEvents> {
    let contracts = RollupContracts { inbox: info.rollup, settlement: info.settlement, vault: info.vault };
    match contracts.decode(log) {
        Ok(Some(RollupEvent::Settlement(event))) => Some(event),
        _ => None,
    }
}

/// Writes one log down. Answers with the stage that it moves the rollup into, if it does.
pub(super) async fn record_settlement(
    ledger: &Ledger,
    rollup: Address,
    event: &SettlementEvents,
    at: mayfly_ledger::L1Log,
) -> Result<Option<Stage>, LedgerError> {
    let note = async |claim, event, actor| ledger.record_claim_event(rollup, claim, event, actor, &at).await;
    match event {
        SettlementEvents::ClaimProposed(proposed) => {
            let claim = &proposed.claim;
            let closing = claim.closeNumber != 0;
            let seen = ClaimSeen {
                rollup,
                claim_hash: proposed.claimHash,
                contest: proposed.contest,
                proposer: proposed.proposer,
                parent: claim.parent,
                batch_seq: claim.batchSeq,
                block_number: claim.blockNumber,
                closing,
                encoded: claim.abi_encode().into(),
                at,
            };
            ledger.record_claim(&seen).await?;
            return Ok(closing.then_some(Stage::Settling));
        }
        SettlementEvents::Attested(e) => note(e.claimHash, ClaimEvent::Attested, Some(e.attester)).await?,
        SettlementEvents::Rivalled(e) => note(e.claimHash, ClaimEvent::Rivalled, None).await?,
        SettlementEvents::Resolved(e) => note(e.winner, ClaimEvent::Resolved, None).await?,
        SettlementEvents::Escalated(e) => note(e.claimHash, ClaimEvent::Escalated, Some(e.backer)).await?,
        SettlementEvents::ClaimRejected(e) => note(e.claimHash, ClaimEvent::Rejected, None).await?,
        SettlementEvents::ClaimFinal(e) => {
            note(e.claimHash, ClaimEvent::Final, None).await?;
            for fallen in fallen_with(ledger, rollup, e.claimHash).await? {
                note(fallen, ClaimEvent::Rejected, None).await?;
            }
            return Ok((e.claim.closeNumber != 0).then_some(Stage::Settled));
        }
        _ => {}
    }
    Ok(None)
}

/// The claims that lose when `winner` is final: its rivals and what descends from them. L1 says so of each only once
/// somebody asks for its bond.
async fn fallen_with(ledger: &Ledger, rollup: Address, winner: B256) -> Result<Vec<B256>, LedgerError> {
    let claims = ledger.claims(rollup).await?;
    let contest = claims.iter().find(|claim| claim.seen.claim_hash == winner).map(|claim| claim.seen.contest);
    let mut fallen: Vec<B256> = Vec::new();
    // A parent is proposed before its children.
    for claim in claims.iter().map(|claim| &claim.seen).filter(|seen| seen.claim_hash != winner) {
        if Some(claim.contest) == contest || fallen.contains(&claim.parent) {
            fallen.push(claim.claim_hash);
        }
    }
    Ok(fallen)
}

/// The log as the cause of a step.
pub(super) const fn cause(at: &mayfly_ledger::L1Log) -> Cause {
    Cause::Log { hash: at.hash, index: at.index }
}
