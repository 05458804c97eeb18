//! Rollups of this node and the steps of their lives, each with what on L1 caused it (docs/protocol/lifecycle.md).

use crate::convert::{address, hash, int, opt_int, opt_uint, uint};
use crate::{L1Log, Ledger, LedgerError};
use alloy_primitives::{Address, B256};

/// What this node does for a rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sequences it.
    Sequencer,
    /// Follows it.
    Follower,
}

/// Stages of a rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// On L1, no batch yet.
    Created,
    /// Has batches.
    Active,
    /// Past its end time: no more deposits.
    Draining,
    /// Frozen for want of a sequencer.
    Frozen,
    /// Past its close time, no closing claim yet.
    Closing,
    /// A closing claim is proposed.
    Settling,
    /// The closing claim is final.
    Settled,
    /// The operator dropped the chain's data.
    Archived,
}

/// A table of names; both directions of every enum stored as text.
macro_rules! names {
    ($type:ident, $what:literal, $($variant:ident => $name:literal),+ $(,)?) => {
        impl $type {
            /// The name in SQL and JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = LedgerError;

            fn from_str(name: &str) -> Result<Self, LedgerError> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    other => Err(LedgerError::Corrupt { what: $what, value: other.to_owned() }),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use names;

names!(Role, "role", Sequencer => "sequencer", Follower => "follower");
names!(Stage, "stage", Created => "created", Active => "active", Draining => "draining", Frozen => "frozen",
    Closing => "closing", Settling => "settling", Settled => "settled", Archived => "archived");

/// A rollup that this node sequences or follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// Its address: that of its Inbox.
    pub address: Address,
    /// The operator's name for it: lower case letters, digits, dashes.
    pub name: String,
    /// Its chain id.
    pub chain_id: u64,
    /// Its Settlement.
    pub settlement: Address,
    /// Its Vault.
    pub vault: Address,
    /// What this node does for it.
    pub role: Role,
    /// What this node wants to remember of its configuration, as text.
    pub config: String,
    /// The log that created it.
    pub created: L1Log,
}

/// What moved a rollup into a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A log.
    Log {
        /// The block's hash.
        hash: B256,
        /// The log's index.
        index: u64,
    },
    /// A block's time.
    Block {
        /// The block's hash.
        hash: B256,
    },
    /// The operator; [`Stage::Archived`] only.
    Operator,
}

/// One step of a rollup's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stage entered.
    pub stage: Stage,
    /// Why.
    pub cause: Cause,
    /// Number of the L1 block that caused it.
    pub l1_number: Option<u64>,
    /// Time of that block.
    pub l1_time: Option<u64>,
}

impl Ledger {
    /// Stores a rollup. Repeating it changes nothing; another one under its address is refused.
    pub async fn insert_rollup(&self, rollup: &Rollup) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO rollups (address, name, chain_id, settlement, vault, role, config, created_number, created_hash, created_log) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (address) DO NOTHING",
            rollup.address.as_slice(),
            rollup.name,
            int("chain id", rollup.chain_id)?,
            rollup.settlement.as_slice(),
            rollup.vault.as_slice(),
            rollup.role.name(),
            rollup.config,
            int("L1 number", rollup.created.number)?,
            rollup.created.hash.as_slice(),
            int("log index", rollup.created.index)?,
        )
        .execute(&self.pool)
        .await?;
        match self.rollup(rollup.address).await? {
            Some(stored) if stored == *rollup => Ok(()),
            _ => Err(LedgerError::KeyConflict { what: "rollup", key: rollup.address.to_string() }),
        }
    }

    /// L1 took a rollup's creation back and holds it in another block. All that it held of the rollup is gone with the
    /// first one, what was built on that is void, and how far it was answered is no longer known by its blocks.
    pub async fn move_rollup(&self, rollup: &Rollup) -> Result<(), LedgerError> {
        let address = rollup.address.as_slice();
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "UPDATE rollups SET config = $2, created_number = $3, created_hash = $4, created_log = $5 WHERE address = $1",
            address,
            rollup.config,
            int("L1 number", rollup.created.number)?,
            rollup.created.hash.as_slice(),
            int("log index", rollup.created.index)?,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM lifecycle_steps WHERE rollup = $1 AND l1_hash IS NOT NULL", address)
            .execute(&mut *tx)
            .await?;
        sqlx::query!("DELETE FROM claims WHERE rollup = $1", address).execute(&mut *tx).await?;
        sqlx::query!(
            "UPDATE batches SET state = 'void', header_hash = NULL, included_tx = NULL, included_number = NULL, \
             included_hash = NULL, included_time = NULL WHERE rollup = $1 AND state <> 'void'",
            address
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("DELETE FROM answered WHERE rollup = $1", address).execute(&mut *tx).await?;
        tx.commit().await?;
        match self.rollup(rollup.address).await? {
            Some(stored) if stored == *rollup => Ok(()),
            _ => Err(LedgerError::KeyConflict { what: "rollup", key: rollup.address.to_string() }),
        }
    }

    /// One rollup.
    pub async fn rollup(&self, address: Address) -> Result<Option<Rollup>, LedgerError> {
        Ok(self.rollups().await?.into_iter().find(|rollup| rollup.address == address))
    }

    /// All rollups, oldest first. An operator has few; each costs a process far more than a row.
    pub async fn rollups(&self) -> Result<Vec<Rollup>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT address, name, chain_id, settlement, vault, role, config, created_number, created_hash, created_log \
             FROM rollups ORDER BY recorded_at, address"
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Rollup {
                    address: address("rollup", &row.address)?,
                    name: row.name,
                    chain_id: uint("chain id", row.chain_id)?,
                    settlement: address("settlement", &row.settlement)?,
                    vault: address("vault", &row.vault)?,
                    role: row.role.parse()?,
                    config: row.config,
                    created: L1Log {
                        number: uint("L1 number", row.created_number)?,
                        hash: hash("L1 hash", &row.created_hash)?,
                        index: uint("log index", row.created_log)?,
                    },
                })
            })
            .collect()
    }

    /// Records a step. Its block must have been recorded, and goes with it if L1 is reorganised. Repeating it changes nothing.
    pub async fn record_step(&self, rollup: Address, stage: Stage, cause: Cause) -> Result<(), LedgerError> {
        let (block, index) = match cause {
            Cause::Log { hash, index } => (Some(hash), Some(index)),
            Cause::Block { hash } => (Some(hash), None),
            Cause::Operator => (None, None),
        };
        sqlx::query!(
            "INSERT INTO lifecycle_steps (rollup, stage, l1_hash, l1_log) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            rollup.as_slice(),
            stage.name(),
            block.as_ref().map(|hash| hash.as_slice()),
            opt_int("log index", index)?,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A rollup's steps in the order of L1, the operator's last.
    pub async fn steps(&self, rollup: Address) -> Result<Vec<Step>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT s.stage, s.l1_hash, s.l1_log, b.number AS "number?", b.time AS "time?"
               FROM lifecycle_steps s LEFT JOIN l1_blocks b ON b.hash = s.l1_hash
               WHERE s.rollup = $1 ORDER BY b.number NULLS LAST, s.l1_log NULLS FIRST, s.id"#,
            rollup.as_slice(),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let cause = match (&row.l1_hash, opt_uint("log index", row.l1_log)?) {
                    (Some(bytes), Some(index)) => Cause::Log { hash: hash("L1 hash", bytes)?, index },
                    (Some(bytes), None) => Cause::Block { hash: hash("L1 hash", bytes)? },
                    (None, _) => Cause::Operator,
                };
                Ok(Step {
                    stage: row.stage.parse()?,
                    cause,
                    l1_number: opt_uint("L1 number", row.number)?,
                    l1_time: opt_uint("L1 time", row.time)?,
                })
            })
            .collect()
    }

    /// The stage a rollup is in: that of its last step.
    pub async fn stage(&self, rollup: Address) -> Result<Option<Stage>, LedgerError> {
        Ok(self.steps(rollup).await?.last().map(|step| step.stage))
    }
}
