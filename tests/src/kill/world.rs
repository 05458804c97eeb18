//! What outlives the node: PostgreSQL, L1 with a rollup on it, and a verifier that needs nothing of the node.

use super::l1::L1Book;
use super::node::{NodeProcess, check_binary};
use alloy_primitives::{Address, B256, U256};
use eyre::{WrapErr, eyre};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{Anvil, AnvilConfig, BeaconClient, BlockTag, FeeCaps, L1Options, Sender, SubmitOptions};
use mayfly_ledger::{Ledger, Server, ServerOptions};
use mayfly_rollup::{Allocation, Config, RollupInfo, Windows};
use mayfly_verifier::{Roles, Verifier, VerifierConfig, VerifierHandle, rollup_info};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const L1_BLOCK: Duration = Duration::from_secs(1);
/// `finalized` lags by twice as many blocks: more than a run takes back.
const SLOTS_IN_AN_EPOCH: u64 = 8;
/// Blocks on top of the rollup's creation when a run begins.
const CREATION_DEPTH: u64 = 6;
/// Blocks that are looked at for lost receipts.
const MENDED_BLOCKS: u64 = 64;
const ORGANISER: usize = 0;
/// Who deposits, forces and posts beside the node.
pub(super) const ANYBODY: usize = 5;
/// The rollup of the main node.
pub(super) const NAME: &str = "kill";
const VERIFIER_POLL: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);

/// The keys of one node, among anvil's accounts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    pub(super) sequencer: usize,
    pub(super) receipts: usize,
}

pub(super) const MAIN_KEYS: Keys = Keys { sequencer: 1, receipts: 2 };
pub(super) const SIDE_KEYS: Keys = Keys { sequencer: 7, receipts: 9 };

/// How the main node's batches go to L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batches {
    /// In calldata: the proofs of blobs take a busy machine longer than a cycle.
    Calldata,
    /// In blobs.
    Blobs,
}

impl Batches {
    const fn da_mode(self) -> u8 {
        match self {
            Self::Blobs => 1,
            Self::Calldata => 2,
        }
    }
}

/// See the module.
pub struct World {
    pub(super) anvil: Anvil,
    pub(super) info: RollupInfo,
    pub(super) batches: Batches,
    pub(super) verifier: VerifierHandle,
    pub(super) ledger: Ledger,
    pub(super) book: L1Book,
    pub(super) binary: PathBuf,
    pub(super) factory: Address,
    organiser: Sender,
    pub(super) anybody: Sender,
    config: PathBuf,
    server: Server,
    dir: TempDir,
}

impl World {
    /// Starts everything but the node.
    ///
    /// # Errors
    /// If a part does not start, or the program has no crash points.
    pub async fn start(binary: &Path, batches: Batches) -> eyre::Result<Self> {
        check_binary(binary)?;
        let dir = tempfile::tempdir()?;
        // As root, PostgreSQL runs as another user, who must get to its data.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let l1 = AnvilConfig {
            block_time: Some(L1_BLOCK),
            slots_in_an_epoch: Some(SLOTS_IN_AN_EPOCH),
            mixed_mining: true,
            ..AnvilConfig::default()
        };
        let anvil = Anvil::start(l1).await?;
        let server =
            Server::start(&dir.path().join("postgres"), &ServerOptions { fsync: false, max_connections: 64 }).await?;
        let organiser = Sender::connect(anvil.client(), Anvil::key(ORGANISER), FeeCaps::default()).await?;
        let anybody = Sender::connect(anvil.client(), Anvil::key(ANYBODY), FeeCaps::default()).await?;
        let factory = organiser.deploy_foundation(B256::ZERO, &quick()).await?.factory;
        let info =
            create(&anvil, &organiser, factory, MAIN_KEYS, |_, config| config.daMode = batches.da_mode()).await?;
        // From here on a block a second: one a transaction would let L1's clock run away.
        anvil.client().request::<Option<bool>>("evm_setAutomine", json!([false])).await?;
        anvil.client().request::<Option<bool>>("evm_setIntervalMining", json!([L1_BLOCK.as_secs()])).await?;
        // The creation is older than anything that a run takes back. Waited for, not mined: L1's clock would run ahead.
        while anvil.client().head(BlockTag::Latest).await?.number < info.l1_number + CREATION_DEPTH {
            tokio::time::sleep(VERIFIER_POLL).await;
        }
        let verifier = verify(&anvil, &info)?;
        let database = server.create_database("main").await?;
        let ledger = Ledger::connect(&database).await?;
        let config = write_config(&dir.path().join("node"), &anvil, factory, &database, MAIN_KEYS)?;
        let book = L1Book::new(&info);
        let binary = binary.to_owned();
        Ok(Self {
            anvil,
            info,
            batches,
            verifier,
            ledger,
            book,
            binary,
            factory,
            organiser,
            anybody,
            config,
            server,
            dir,
        })
    }

    /// Starts the main node.
    pub(super) fn spawn(&self, fail_at: &str, ignores_forced: bool) -> eyre::Result<NodeProcess> {
        let text = fs::read_to_string(&self.config)?;
        let (off, on) = ("ignore_forced = false", "ignore_forced = true");
        fs::write(&self.config, if ignores_forced { text.replace(off, on) } else { text.replace(on, off) })?;
        NodeProcess::spawn(&self.binary, &self.config, fail_at)
    }

    /// Starts the main node where no file may grow by more than so many KiB.
    pub(super) fn spawn_with_little_room(&self, kib: u64) -> eyre::Result<NodeProcess> {
        let place = self.config.parent().ok_or_else(|| eyre!("no directory"))?;
        let kib = kib + largest_log(&place.join("data"))?.div_ceil(1 << 10);
        NodeProcess::spawn_with_little_room(&self.binary, &self.config, kib)
    }

    /// A place for another node: its configuration file, on a database of its own.
    pub(super) async fn place(&self, name: &str, keys: Keys) -> eyre::Result<PathBuf> {
        let database = self.server.create_database(name).await?;
        write_config(&self.dir.path().join(name), &self.anvil, self.factory, &database, keys)
    }

    /// Another rollup on the same L1.
    pub(super) async fn create(&self, keys: Keys, change: impl FnOnce(u64, &mut Config)) -> eyre::Result<RollupInfo> {
        create(&self.anvil, &self.organiser, self.factory, keys, change).await
    }

    /// Sends some wei to the rollup, without waiting.
    pub(super) async fn deposit(&self) -> eyre::Result<()> {
        let call = Inbox::depositETHCall { to: Anvil::key(ANYBODY).address() };
        send(&self.anybody, self.info.rollup, &call, U256::from(1)).await
    }

    /// L1 replaces its last blocks by empty ones.
    pub(super) async fn reorg(&self, depth: u64) -> eyre::Result<()> {
        self.anvil.reorg(depth).await?;
        // anvil sets its clock back with its chain, for good.
        let _: Value = self.anvil.client().request("evm_setTime", json!([unix_now()?])).await?;
        Ok(())
    }

    /// anvil now and then has a block, after a reorganisation, and not its receipts. Nobody can follow such an L1: the
    /// block is taken back. Says whether there was one.
    pub(super) async fn mend_l1(&self) -> eyre::Result<bool> {
        let l1 = self.anvil.client();
        let head = l1.head(BlockTag::Latest).await?.number;
        for number in head.saturating_sub(MENDED_BLOCKS)..=head {
            let receipts: Value = l1.request("eth_getBlockReceipts", json!([format!("{number:#x}")])).await?;
            if receipts.is_null() {
                eprintln!("L1 has no receipts of block {number} of {head}: it is taken back");
                self.reorg(head + 1 - number).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// L1 mines on this schedule from now on; never, if zero.
    pub(super) async fn mine_every(&self, seconds: u64) -> eyre::Result<()> {
        self.anvil.client().request::<Option<bool>>("evm_setIntervalMining", json!([seconds])).await?;
        Ok(())
    }

    /// Where everything is, for who looks for a cause.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Keeps the directory when this is gone.
    pub fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// Ends it.
    ///
    /// # Errors
    /// If a part does not stop.
    pub async fn stop(self) -> eyre::Result<()> {
        self.verifier.stop().await;
        self.ledger.close().await;
        self.server.stop().await?;
        let anvil = self.anvil;
        tokio::task::spawn_blocking(move || anvil.stop()).await??;
        Ok(())
    }
}

/// Sends a transaction and does not wait for it.
pub(super) async fn send<C: alloy_sol_types::SolCall>(
    sender: &Sender,
    to: Address,
    call: &C,
    value: U256,
) -> eyre::Result<()> {
    let intent = mayfly_l1::TxIntent::call(to, call.abi_encode()).with_value(value);
    let gas = sender.estimate_gas(&intent).await?;
    let (fees, nonce) = (sender.suggest_fees().await?, sender.pending_nonce().await?);
    let signed = sender.sign(&intent, nonce, gas, fees).await?;
    sender.broadcast(&signed.raw).await?;
    Ok(())
}

pub(super) fn quick() -> SubmitOptions {
    SubmitOptions { poll: Duration::from_millis(50), timeout: PATIENCE, ..SubmitOptions::default() }
}

/// A verifier that follows one rollup from its creation on.
pub(super) fn verify(anvil: &Anvil, info: &RollupInfo) -> eyre::Result<VerifierHandle> {
    let beacon = BeaconClient::new(&[anvil.url().to_owned()], L1Options::default())?;
    let (info, l1) = (info.clone(), anvil.client());
    let config = VerifierConfig { info, l1, beacon, poll: VERIFIER_POLL, roles: Roles::default() };
    Ok(Verifier::spawn(config, CancellationToken::new())?)
}

/// Bytes of the longest block log below a directory.
fn largest_log(dir: &Path) -> eyre::Result<u64> {
    let mut largest = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let size = match entry.path() {
            path if entry.file_type()?.is_dir() => largest_log(&path)?,
            path if path.extension().is_some_and(|ending| ending == "log") => entry.metadata()?.len(),
            _ => 0,
        };
        largest = largest.max(size);
    }
    Ok(largest)
}

fn unix_now() -> eyre::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

async fn create(
    anvil: &Anvil,
    organiser: &Sender,
    factory: Address,
    keys: Keys,
    change: impl FnOnce(u64, &mut Config),
) -> eyre::Result<RollupInfo> {
    // The head may be old: L1 stands still for a while after a reorganisation.
    let now = anvil.client().head(BlockTag::Latest).await?.timestamp.max(unix_now()?);
    let mut config = Config {
        protocolVersion: 1,
        organiser: Anvil::key(ORGANISER).address(),
        sequencer: Anvil::key(keys.sequencer).address(),
        receiptSigner: Anvil::key(keys.receipts).address(),
        endTime: now + 24 * 3_600,
        drain: 60,
        blockGasLimit: 1 << 26,
        blockTimeMs: 20,
        windows: Windows {
            forceWindow: 4,
            livenessWindow: 12 * 3_600,
            freezeDelay: 30,
            proposeWindow: 60,
            challengeWindow: 60,
            resolverTimeout: 60,
            escalationWindow: 60,
            maxOriginLag: 64,
            maxDrift: 600,
            ..Windows::default()
        },
        claimBond: U256::from(10),
        freezeBond: U256::from(10),
        forceGasTarget: U256::from(1_000_000),
        daMode: Batches::Calldata.da_mode(),
        ..Config::default()
    };
    change(now, &mut config);
    let funded = Allocation { to: Anvil::key(3).address(), amount: U256::from(10).pow(U256::from(18)) };
    let creation =
        organiser.create_rollup(factory, config, vec![funded], &quick()).await.wrap_err("creating a rollup")?;
    Ok(rollup_info(&creation))
}

fn write_config(dir: &Path, anvil: &Anvil, factory: Address, database: &str, keys: Keys) -> eyre::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let (data, url, path) = (dir.join("data"), anvil.url(), dir.join("node.toml"));
    let Keys { sequencer, receipts } = keys;
    let text = format!(
        r#"data_dir = {data:?}
log = "info"
[l1]
urls = ["{url}"]
factory = "{factory}"
[database]
url = {database:?}
[rpc]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[keys]
sequencer = "dev:{sequencer}"
receipts = "dev:{receipts}"
[sequencer]
max_unposted_seconds = 1
post_margin_seconds = 5
overdue_margin_seconds = 2
l1_poll_ms = 100
bump_after_seconds = 2
ignore_forced = false
"#
    );
    fs::write(&path, text)?;
    Ok(path)
}
