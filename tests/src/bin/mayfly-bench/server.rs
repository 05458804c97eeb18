//! The servers under test: a node on a development L1, anvil, and hardhat.

use super::{
    client::Client,
    drive::{Look, Served},
    process::Process,
};
use alloy_primitives::U64;
use clap::ValueEnum;
use eyre::{WrapErr, bail, ensure, eyre};
use mayfly_l1::Anvil;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Seconds between anvil's blocks, as a server and as L1.
const ANVIL_BLOCK_SECONDS: u32 = 1;
/// Never full, so that neither blocks nor fees limit it.
const ANVIL_GAS_LIMIT: u64 = 100_000_000_000;
/// So much that admission never says no: execution is measured, not a quota.
const FREE_GAS_PER_SECOND: u64 = 1_000_000_000_000;
const FREE_BYTES_PER_SECOND: u64 = 1_000_000_000_000;
/// Batches go to L1 this often, so that a run of seconds includes its share of posting.
const POST_SECONDS: u64 = 4;
const L1_POLL_MS: u64 = 250;
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const POSTED_TIMEOUT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(100);
/// After everything was posted, background work may go on for so long before memory is read.
const REST: Duration = Duration::from_secs(2);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// `mayfly node` on the development stack.
    Mayfly,
    /// `anvil --block-time 1`.
    #[value(alias = "anvil")]
    AnvilBlocktime,
    /// The same, asked for the hashes in its blocks instead of their receipts.
    AnvilHashes,
    /// anvil that mines a block for every transaction, or every few that came together.
    AnvilInstant,
    /// `hardhat node`, which does the same.
    Hardhat,
}

impl Target {
    /// Transactions that are sent and not yet seen in a block, at most: so many that it does best with. The receipts of large
    /// blocks make anvil slow, and where it mines at once it forgets to mine what came meanwhile.
    pub(crate) const fn most_open(self) -> usize {
        match self {
            Self::Mayfly | Self::AnvilHashes => 20_000,
            Self::AnvilBlocktime => 2_000,
            Self::AnvilInstant | Self::Hardhat => 100,
        }
    }

    /// How it is asked what became of transactions.
    pub(crate) const fn look(self) -> Look {
        match self {
            Self::Mayfly | Self::AnvilBlocktime | Self::AnvilInstant => Look::Receipts,
            Self::AnvilHashes | Self::Hardhat => Look::Hashes,
        }
    }

    /// Whether blocks of any size can be looked at.
    pub(crate) const fn takes_backlogs(self) -> bool {
        matches!(self, Self::Mayfly | Self::AnvilHashes)
    }

    /// Whether it manages hundreds of transactions a second, not thousands.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::AnvilInstant | Self::Hardhat)
    }
}

/// Where the programs are, and their data.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) mayfly: PathBuf,
    pub(crate) anvil: PathBuf,
    /// The project that has hardhat among its packages.
    pub(crate) hardhat: PathBuf,
    /// Below which the servers keep their data.
    pub(crate) dir: PathBuf,
    /// Instead of what each does best with.
    pub(crate) most_open: Option<usize>,
}

impl Programs {
    /// Those that were named, else `mayfly` beside this program and anvil where every test finds it.
    pub(crate) fn find(mayfly: Option<PathBuf>, dir: PathBuf) -> eyre::Result<Self> {
        let beside = || Ok::<_, eyre::Report>(std::env::current_exe()?.with_file_name("mayfly"));
        let mayfly = mayfly.map_or_else(beside, Ok)?;
        ensure!(mayfly.is_file(), "{} is missing: build mayfly-node, or name it with --mayfly", mayfly.display());
        let hardhat = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        Ok(Self { mayfly, anvil: Anvil::find_binary()?, hardhat, dir, most_open: None })
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    target: Target,
    /// Its JSON-RPC.
    pub(crate) url: String,
    /// The chain's id.
    pub(crate) chain_id: u64,
    /// What it consists of, in the order in which it stops; the first is the one under test.
    processes: Vec<Process>,
}

impl Server {
    /// Starts one on fresh data below `dir`.
    pub(crate) async fn start(target: Target, programs: &Programs, dir: &Path) -> eyre::Result<Self> {
        let (url, processes) = match target {
            Target::Mayfly => start_mayfly(&programs.mayfly, &programs.anvil, dir)?,
            Target::AnvilBlocktime | Target::AnvilHashes => {
                start_anvil(&programs.anvil, dir, Some(ANVIL_BLOCK_SECONDS)).await?
            }
            Target::AnvilInstant => start_anvil(&programs.anvil, dir, None).await?,
            Target::Hardhat => start_hardhat(&programs.hardhat, dir).await?,
        };
        let mut client = Client::connect(&url).await?;
        let chain_id = client.call::<U64>("eth_chainId", json!([])).await?.to::<u64>();
        Ok(Self { target, url, chain_id, processes })
    }

    /// The process under test.
    pub(crate) fn pid(&self) -> u32 {
        self.processes[0].pid()
    }

    /// Where to send, and how to see what came of it.
    pub(crate) fn served(&self) -> Served<'_> {
        Served { url: &self.url, look: self.target.look() }
    }

    /// All that was started, whose descendants belong to it too.
    pub(crate) fn roots(&self) -> Vec<u32> {
        self.processes.iter().map(Process::pid).collect()
    }

    /// Fails if a part of it has ended.
    pub(crate) fn check(&mut self) -> eyre::Result<()> {
        self.processes.iter_mut().try_for_each(Process::check)
    }

    /// Waits until the head is in a batch on L1, and is quiet. Anvil has nothing left to do.
    pub(crate) async fn settle(&mut self) -> eyre::Result<()> {
        if self.target == Target::Mayfly {
            let mut client = Client::connect(&self.url).await?;
            let deadline = Instant::now() + POSTED_TIMEOUT;
            loop {
                let head = block_number(&mut client, "latest").await?;
                let safe = block_number(&mut client, "safe").await?;
                if safe >= head {
                    break;
                }
                ensure!(Instant::now() < deadline, "block {head} is not on L1 within {POSTED_TIMEOUT:?}, {safe} is");
                self.check()?;
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// The same, and a moment more for what nobody waits for.
    pub(crate) async fn rest(&mut self) -> eyre::Result<()> {
        self.settle().await?;
        tokio::time::sleep(REST).await;
        self.check()
    }

    /// Stops everything.
    pub(crate) fn stop(mut self) -> eyre::Result<()> {
        self.processes.iter_mut().try_for_each(Process::stop)
    }
}

async fn block_number(client: &mut Client, tag: &str) -> eyre::Result<u64> {
    #[derive(Deserialize)]
    struct Block {
        number: U64,
    }
    let block: Option<Block> = client.call("eth_getBlockByNumber", json!([tag, false])).await?;
    Ok(block.map_or(0, |block| block.number.to()))
}

async fn start_anvil(binary: &Path, dir: &Path, block_seconds: Option<u32>) -> eyre::Result<(String, Vec<Process>)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new(binary);
    // Quiet: what it prints for every transaction is no part of the comparison. Older states go below its home, and would
    // stay there.
    command
        .env("HOME", dir)
        .args(["--quiet", "--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--gas-limit", &ANVIL_GAS_LIMIT.to_string()])
        .args(["--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee"]);
    if let Some(seconds) = block_seconds {
        command.args(["--block-time", &seconds.to_string()]);
    }
    listening("anvil", command, port, &dir.join("anvil.log")).await
}

/// Prices, limits and chain id stand in `bench.config.js` of the project.
async fn start_hardhat(project: &Path, dir: &Path) -> eyre::Result<(String, Vec<Process>)> {
    let cli = project.join("node_modules/.bin/hardhat");
    ensure!(cli.exists(), "{} is missing: run scripts/setup.sh --interop", cli.display());
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new("node");
    command.arg(fs::canonicalize(cli)?).args(["--config", "bench.config.js", "--network", "bench", "node"]);
    command.args(["--hostname", "127.0.0.1", "--port", &port.to_string()]).current_dir(project);
    listening("hardhat", command, port, &dir.join("hardhat.log")).await
}

/// Starts a server and waits until it listens.
async fn listening(
    name: &'static str,
    mut command: Command,
    port: u16,
    log: &Path,
) -> eyre::Result<(String, Vec<Process>)> {
    let mut process = Process::spawn(name, &mut command, log)?;
    process.drain()?;
    let url = format!("http://127.0.0.1:{port}");
    let deadline = Instant::now() + READY_TIMEOUT;
    while Client::connect(&url).await.is_err() {
        process.check()?;
        ensure!(Instant::now() < deadline, "{name} does not listen on port {port}");
        tokio::time::sleep(POLL).await;
    }
    Ok((url, vec![process]))
}

/// L1 and the contracts from `mayfly dev --no-node`; the node by itself, as in production: its own process, its own
/// PostgreSQL that waits for the disk.
fn start_mayfly(binary: &Path, anvil: &Path, dir: &Path) -> eyre::Result<(String, Vec<Process>)> {
    let (l1_dir, node_dir) = (dir.join("l1"), dir.join("node"));
    let mayfly = || {
        let mut command = Command::new(binary);
        command.env("MAYFLY_ANVIL", anvil).env_remove("MAYFLY_CONFIG");
        command
    };
    let mut dev = mayfly();
    dev.args(["dev", "--no-node", "--json", "--data-dir"]).arg(&l1_dir);
    let mut dev = Process::spawn("mayfly dev", &mut dev, &dir.join("dev.log"))?;
    let l1: Value = serde_json::from_str(&dev.first_line()?)?;

    let config = dir.join("node.toml");
    fs::write(&config, node_config(&node_dir, text(&l1, "l1_url")?, text(&l1, "factory")?))?;
    let mut node = mayfly();
    node.args(["node", "--json", "--log", "warn", "--config"]).arg(&config);
    let mut node = Process::spawn("mayfly node", &mut node, &dir.join("node.log"))?;
    let serving: Value = serde_json::from_str(&node.first_line()?)?;

    // As long a drain as on any other L1: no more may be unposted than fits into it, were the rollup ended now.
    let terms = dir.join("rollup.toml");
    fs::write(&terms, "drain = \"1h\"\n")?;
    let mut create = mayfly();
    create
        .args(["rollup", "create", "--name", "bench", "--ends-in", "12h", "--json", "--config"])
        .arg(&terms)
        .arg("--data-dir")
        .arg(&l1_dir)
        .args(["--admin-url", text(&serving, "admin_url")?, "--admin-token-file"])
        .arg(node_dir.join("admin.token"));
    let created = create.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !created.status.success() {
        bail!("mayfly rollup create: {}", String::from_utf8_lossy(&created.stderr));
    }
    let created: Value = serde_json::from_slice(&created.stdout).wrap_err("what rollup create printed")?;
    Ok((text(&created, "rpc_url")?.to_owned(), vec![node, dev]))
}

/// The defaults, but for places, development keys, the free budget, and how often batches are posted.
fn node_config(data_dir: &Path, l1_url: &str, factory: &str) -> String {
    format!(
        r#"data_dir = {data_dir:?}
[l1]
urls = ["{l1_url}"]
factory = "{factory}"
[rpc]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[keys]
sequencer = "dev:1"
receipts = "dev:2"
[sequencer]
max_unposted_seconds = {POST_SECONDS}
l1_poll_ms = {L1_POLL_MS}
[sequencer.admission]
gas_per_second = {FREE_GAS_PER_SECOND}
bytes_per_second = {FREE_BYTES_PER_SECOND}
"#
    )
}

fn text<'a>(value: &'a Value, key: &str) -> eyre::Result<&'a str> {
    value[key].as_str().ok_or_else(|| eyre!("no {key} in {value}"))
}
