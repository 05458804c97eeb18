//! Claims seen on L1 and what happened to them. Everything here hangs on L1 blocks and goes with them.

use crate::convert::{address, hash, int, uint};
use crate::rollups::names;
use crate::{L1Log, Ledger, LedgerError};
use alloy_primitives::{Address, B256, Bytes};

/// Claims of one rollup in one answer.
pub const MAX_CLAIMS: usize = 1_000;

/// A claim as it was proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimSeen {
    /// Its rollup.
    pub rollup: Address,
    /// Its hash.
    pub claim_hash: B256,
    /// Its contest.
    pub contest: B256,
    /// Who proposed it.
    pub proposer: Address,
    /// The claim before.
    pub parent: B256,
    /// The last batch it covers.
    pub batch_seq: u64,
    /// Its block.
    pub block_number: u64,
    /// Whether it closes the rollup.
    pub closing: bool,
    /// The ABI-encoded claim.
    pub encoded: Bytes,
    /// The log.
    pub at: L1Log,
}

/// What can happen to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimEvent {
    /// An attester signed.
    Attested,
    /// A rival was proposed.
    Rivalled,
    /// The resolver chose it.
    Resolved,
    /// Somebody put more bond on it.
    Escalated,
    /// It is final.
    Final,
    /// It lost.
    Rejected,
}

names!(ClaimEvent, "claim event", Attested => "attested", Rivalled => "rivalled", Resolved => "resolved",
    Escalated => "escalated", Final => "final", Rejected => "rejected");

/// How a claim ended, if it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// Not decided.
    Pending,
    /// Final.
    Final,
    /// Rejected.
    Rejected,
}

/// A claim and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// As proposed.
    pub seen: ClaimSeen,
    /// Whether it was decided.
    pub state: ClaimState,
    /// Who attested it.
    pub attesters: Vec<Address>,
}

impl Ledger {
    /// Records a proposed claim; its block must have been recorded. Repeating it changes nothing.
    pub async fn record_claim(&self, claim: &ClaimSeen) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO claims (rollup, claim_hash, contest, proposer, parent, batch_seq, block_number, closing, encoded, l1_hash, l1_log) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
            claim.rollup.as_slice(),
            claim.claim_hash.as_slice(),
            claim.contest.as_slice(),
            claim.proposer.as_slice(),
            claim.parent.as_slice(),
            int("seq", claim.batch_seq)?,
            int("block", claim.block_number)?,
            claim.closing,
            claim.encoded.as_ref(),
            claim.at.hash.as_slice(),
            int("log index", claim.at.index)?,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records what happened to a claim that was recorded before; `actor` is the attester, the escalator and so on.
    pub async fn record_claim_event(
        &self,
        rollup: Address,
        claim_hash: B256,
        event: ClaimEvent,
        actor: Option<Address>,
        at: &L1Log,
    ) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO claim_events (l1_hash, l1_log, rollup, claim_hash, kind, actor) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT DO NOTHING",
            at.hash.as_slice(),
            int("log index", at.index)?,
            rollup.as_slice(),
            claim_hash.as_slice(),
            event.name(),
            actor.as_ref().map(|actor| actor.as_slice()),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A rollup's claims in the order of L1, the last [`MAX_CLAIMS`].
    pub async fn claims(&self, rollup: Address) -> Result<Vec<Claim>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT c.claim_hash, c.contest, c.proposer, c.parent, c.batch_seq, c.block_number, c.closing, c.encoded,
                 c.l1_hash, c.l1_log, b.number,
                 EXISTS (SELECT 1 FROM claim_events e WHERE e.rollup = c.rollup AND e.claim_hash = c.claim_hash AND e.kind = 'final') AS "final!",
                 EXISTS (SELECT 1 FROM claim_events e WHERE e.rollup = c.rollup AND e.claim_hash = c.claim_hash AND e.kind = 'rejected') AS "rejected!",
                 ARRAY(SELECT DISTINCT e.actor FROM claim_events e WHERE e.rollup = c.rollup AND e.claim_hash = c.claim_hash
                   AND e.kind = 'attested' ORDER BY e.actor) AS "attesters!: Vec<Vec<u8>>"
               FROM claims c JOIN l1_blocks b ON b.hash = c.l1_hash
               WHERE c.rollup = $1 ORDER BY b.number DESC, c.l1_log DESC LIMIT $2"#,
            rollup.as_slice(),
            MAX_CLAIMS as i64,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut claims = rows
            .into_iter()
            .map(|row| {
                let at = L1Log {
                    number: uint("L1 number", row.number)?,
                    hash: hash("L1 hash", &row.l1_hash)?,
                    index: uint("log index", row.l1_log)?,
                };
                let seen = ClaimSeen {
                    rollup,
                    claim_hash: hash("claim", &row.claim_hash)?,
                    contest: hash("contest", &row.contest)?,
                    proposer: address("proposer", &row.proposer)?,
                    parent: hash("parent", &row.parent)?,
                    batch_seq: uint("seq", row.batch_seq)?,
                    block_number: uint("block", row.block_number)?,
                    closing: row.closing,
                    encoded: row.encoded.into(),
                    at,
                };
                let state = match (row.r#final, row.rejected) {
                    (true, _) => ClaimState::Final,
                    (false, true) => ClaimState::Rejected,
                    (false, false) => ClaimState::Pending,
                };
                let attesters =
                    row.attesters.iter().map(|bytes| address("attester", bytes)).collect::<Result<_, _>>()?;
                Ok(Claim { seen, state, attesters })
            })
            .collect::<Result<Vec<_>, LedgerError>>()?;
        claims.reverse();
        Ok(claims)
    }
}
