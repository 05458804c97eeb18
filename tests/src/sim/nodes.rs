//! The nodes of a life: a sequencer that crashes and starts again, and verifiers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{B256, U256};
use mayfly_evm::{Chain, SealedBlock};
use mayfly_l1::{FeeCaps, Key, L1Client, Sender, SubmitOptions};
use mayfly_ledger::{MemoryOutbox, Now};
use mayfly_rollup::{RollupInfo, chain_spec, genesis};
use mayfly_sequencer::SequencerSettings;
use mayfly_sequencer::stepped::{SteppedConfig, SteppedSequencer};
use mayfly_verifier::{Roles, Verifier, VerifierConfig, VerifierHandle};
use tempfile::TempDir;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::plan::SLOT;
use super::wire::Wire;

/// The sequencer, through all its crashes.
pub(crate) struct SequencerNode {
    info: Arc<RollupInfo>,
    key: Key,
    /// Its endpoint.
    pub(crate) wire: Wire,
    /// What its database would hold.
    pub(crate) outbox: MemoryOutbox,
    dir: Option<TempDir>,
    settings: SequencerSettings,
    /// Between two crashes.
    pub(crate) running: Option<SteppedSequencer>,
    heads: Option<Receiver<Arc<SealedBlock>>>,
    /// Every transaction it answered, with the block it said.
    pub(crate) answered: BTreeMap<B256, u64>,
    /// Those it said were lost.
    pub(crate) reported: BTreeSet<B256>,
    /// Those that were lost with its disk.
    pub(crate) forgiven: BTreeSet<B256>,
    /// How often it was started.
    pub(crate) starts: u64,
    /// The nonce that L1 did not take with its last blocks although it was handed in, with how many blocks; and the most ever.
    pub(crate) held_up: Option<(u64, u64)>,
    pub(crate) most_held_up: u64,
}

impl std::fmt::Debug for SequencerNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SequencerNode").field("running", &self.running).finish_non_exhaustive()
    }
}

/// Settings that suit L1's pace in a life.
pub(crate) fn settings(ignore_forced: bool) -> SequencerSettings {
    SequencerSettings {
        max_unposted_seconds: 3 * SLOT,
        throttle_after_seconds: 10 * SLOT,
        pause_after_seconds: 20 * SLOT,
        post_margin_seconds: 6 * SLOT,
        overdue_margin_seconds: 3 * SLOT,
        l1_poll_ms: 1_500,
        bump_after_seconds: 3 * SLOT,
        ignore_forced,
        ..SequencerSettings::default()
    }
}

impl SequencerNode {
    /// One that is not started yet.
    pub(crate) fn new(info: Arc<RollupInfo>, key: Key, wire: Wire, now: Now, disk: bool, ignore_forced: bool) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let dir = disk.then(|| if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() });
        Self {
            info,
            key,
            wire,
            outbox: MemoryOutbox::new(now),
            dir: dir.transpose().unwrap(),
            settings: settings(ignore_forced),
            running: None,
            heads: None,
            answered: BTreeMap::new(),
            reported: BTreeSet::new(),
            forgiven: BTreeSet::new(),
            starts: 0,
            held_up: None,
            most_held_up: 0,
        }
    }

    /// Starts it, with its clock at `unix`.
    ///
    /// # Errors
    /// Why it does not start: an endpoint in trouble, say; try again.
    pub(crate) async fn start(&mut self, unix: Duration) -> Result<(), String> {
        let (spec, genesis) = (chain_spec(&self.info).unwrap(), genesis(&self.info));
        let dir = self.dir.as_ref().map(TempDir::path);
        let chain = match dir {
            Some(dir) => Chain::open_or_create(&dir.join("chain"), spec, &genesis),
            None => Chain::create(None, spec, &genesis),
        };
        let config = SteppedConfig {
            info: self.info.clone(),
            settings: self.settings.clone(),
            chain: chain.map_err(|e| format!("chain: {e}"))?,
            data_dir: dir.map(|dir| dir.join("sequencer")),
            l1: self.wire.client(),
            beacon: self.wire.beacon(),
            poster: self.key.clone(),
            outbox: self.outbox.clone(),
            unix,
        };
        let sequencer = SteppedSequencer::start(config).await.map_err(|e| e.to_string())?;
        self.heads = Some(sequencer.subscribe());
        self.running = Some(sequencer);
        self.starts += 1;
        Ok(())
    }

    /// A turn, and a look at what it answered.
    ///
    /// # Errors
    /// What ended it.
    pub(crate) fn turn(&mut self) -> Result<(), String> {
        let Some(sequencer) = &mut self.running else { return Ok(()) };
        let turned = sequencer.turn().map_err(|e| e.to_string());
        self.reported.extend(sequencer.status().lost.iter().map(|lost| lost.hash));
        while let Some(heads) = &mut self.heads {
            match heads.try_recv() {
                Ok(block) => {
                    let answered = block.transactions.iter().filter(|tx| !tx.tx.is_deposit());
                    self.answered.extend(answered.map(|tx| (tx.hash(), block.number())));
                }
                Err(TryRecvError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
        turned
    }

    /// Its disk forgets what it held.
    pub(crate) fn wipe(&self) {
        for name in ["chain", "sequencer"] {
            let _ = self.dir.as_ref().map(|dir| std::fs::remove_dir_all(dir.path().join(name)));
        }
    }

    /// It dies. Without a disk it forgets all that L1 does not hold.
    pub(crate) fn crash(&mut self, derived: impl Fn(&B256) -> bool) {
        if self.running.take().is_none() {
            return;
        }
        self.heads = None;
        if self.dir.is_none() {
            self.forgiven.extend(self.answered.keys().filter(|hash| !derived(hash)));
        }
    }
}

/// A verifier and its endpoint.
#[derive(Debug)]
pub(crate) struct VerifierNode {
    info: Arc<RollupInfo>,
    /// Its endpoint.
    pub(crate) wire: Wire,
    duties: Duties,
    /// Between two crashes.
    pub(crate) running: Option<VerifierHandle>,
    /// Not started before this step.
    pub(crate) back_at: u64,
}

/// What a verifier does on L1, and as whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Duties {
    /// Who pays.
    pub(crate) key: Option<Key>,
    /// Whom it attests as.
    pub(crate) attesters: Vec<Key>,
    /// Proposes.
    pub(crate) propose: bool,
    /// Rivals with so many wei for a claim.
    pub(crate) rival: Option<U256>,
    /// Decides disputes.
    pub(crate) vote: bool,
    /// Finalizes, freezes, forces.
    pub(crate) housekeeping: bool,
}

impl VerifierNode {
    /// One that is not started yet.
    pub(crate) fn new(info: Arc<RollupInfo>, wire: Wire, duties: Duties) -> Self {
        Self { info, wire, duties, running: None, back_at: 0 }
    }

    /// Starts it from the creation on.
    ///
    /// # Errors
    /// Why it does not start.
    pub(crate) async fn start(&mut self) -> Result<(), String> {
        let l1: L1Client = self.wire.client();
        let sender = match &self.duties.key {
            Some(key) => {
                Some(Sender::connect(l1.clone(), key.clone(), FeeCaps::default()).await.map_err(|e| e.to_string())?)
            }
            None => None,
        };
        let submit = SubmitOptions {
            poll: Duration::from_secs(2),
            bump_after: Duration::from_secs(3 * SLOT),
            timeout: Duration::from_secs(12 * SLOT),
            gas_limit: None,
        };
        let roles = Roles {
            sender,
            attesters: self.duties.attesters.clone(),
            propose: self.duties.propose,
            rival: self.duties.rival,
            vote: self.duties.vote,
            finalize: self.duties.housekeeping,
            freeze: self.duties.housekeeping,
            force: self.duties.housekeeping,
            submit,
        };
        let beacon = self.wire.beacon();
        let config =
            VerifierConfig { info: (*self.info).clone(), l1, beacon, poll: Duration::from_millis(2_500), roles };
        self.running = Some(Verifier::spawn(config, Default::default()).map_err(|e| e.to_string())?);
        Ok(())
    }

    /// It dies.
    pub(crate) fn crash(&mut self) {
        self.running = None;
    }
}
