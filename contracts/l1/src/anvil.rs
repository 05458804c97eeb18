//! A real L1 as a child process, for tests and the dev stack.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::{BlockTag, Key, L1Client, L1Error, L1Options};

/// Time to start and to stop; a large state file takes a while.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_POLL: Duration = Duration::from_millis(20);
/// Names the binary to run.
const BINARY_ENV: &str = "MAYFLY_ANVIL";
const LISTENING: &str = "Listening on ";
/// Anvil's well-known development keys, funded with 10,000 ether each.
const DEV_KEYS: [&str; 10] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];

/// How to start anvil. The default mines a block for every transaction, on a free port.
#[derive(Debug, Clone, Default)]
pub struct AnvilConfig {
    /// Mine on this schedule instead of on every transaction.
    pub block_time: Option<Duration>,
    /// With `block_time`: also mine on every transaction.
    pub mixed_mining: bool,
    /// Load from and keep state in this file.
    pub state: Option<PathBuf>,
    /// Write the state file this often, not only at the end.
    pub state_interval: Option<Duration>,
    /// The genesis block's time (Unix seconds); anvil's default is now. Who keeps state gives the same each time: anvil
    /// makes a genesis at every start, and saves a second one beside the first if they differ. Its clock then goes on
    /// from the last block: see [`Anvil::catch_up`].
    pub genesis_time: Option<u64>,
    /// `safe` lags by this many blocks and `finalized` by twice as many; anvil's default is 32.
    pub slots_in_an_epoch: Option<u64>,
    /// Chain id; anvil's default is 31337.
    pub chain_id: Option<u64>,
    /// Port; a free one if none.
    pub port: Option<u16>,
    /// The binary; looked for if none.
    pub binary: Option<PathBuf>,
    /// Further arguments.
    pub args: Vec<String>,
}

/// A running anvil. Dropping it kills the process.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    url: String,
}

impl Anvil {
    /// Starts anvil and waits until it listens.
    pub async fn start(config: AnvilConfig) -> Result<Self, L1Error> {
        Self::start_noted(config, |_| {}).await
    }

    /// The same; `note` gets the process id before anvil is waited for, so that a record of it can outlive us.
    pub async fn start_noted(config: AnvilConfig, note: impl FnOnce(u32) + Send + 'static) -> Result<Self, L1Error> {
        match tokio::task::spawn_blocking(move || Self::launch(&config, note)).await {
            Ok(result) => result,
            Err(error) => Err(L1Error::Anvil(error.to_string())),
        }
    }

    /// Starts anvil on the current thread.
    pub fn start_blocking(config: &AnvilConfig) -> Result<Self, L1Error> {
        Self::launch(config, |_| {})
    }

    fn launch(config: &AnvilConfig, note: impl FnOnce(u32)) -> Result<Self, L1Error> {
        let binary = match &config.binary {
            Some(binary) => binary.clone(),
            None => Self::find_binary()?,
        };
        let mut command = Command::new(&binary);
        command.args(arguments(config)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A process group of its own: Ctrl-C on a terminal reaches us first, and we stop it last.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child =
            command.spawn().map_err(|error| L1Error::Anvil(format!("cannot run {}: {error}", binary.display())))?;
        let Some(stdout) = child.stdout.take() else {
            return Err(L1Error::Anvil("no output to read".into()));
        };
        // From here on dropping kills the child.
        let mut anvil = Self { child, url: String::new() };
        note(anvil.pid());
        anvil.url = format!("http://{}", wait_for_address(stdout)?);
        Ok(anvil)
    }

    /// The environment's choice, else the npm package of a `contracts/` directory here or above,
    /// else what the search path has.
    pub fn find_binary() -> Result<PathBuf, L1Error> {
        if let Some(path) = std::env::var_os(BINARY_ENV) {
            return Ok(path.into());
        }
        let here = std::env::current_dir().map_err(|error| L1Error::Anvil(error.to_string()))?;
        let packaged = here.ancestors().find_map(|dir| packaged(&dir.join("contracts/node_modules/@foundry-rs")));
        if let Some(path) = packaged {
            return Ok(path);
        }
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths)
            .map(|dir| dir.join("anvil"))
            .find(|path| path.is_file())
            .ok_or_else(|| L1Error::Anvil(format!("not found: run npm ci in contracts/, or set {BINARY_ENV}")))
    }

    /// Execution and beacon URL, which are one.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client on it.
    pub fn client(&self) -> L1Client {
        L1Client::new(std::slice::from_ref(&self.url), L1Options::default()).expect("our own url is one")
    }

    /// The `index`-th of anvil's ten funded development keys.
    pub fn key(index: usize) -> Key {
        Key::from_hex(DEV_KEYS[index % DEV_KEYS.len()]).expect("the keys above are valid")
    }

    /// Mines `count` blocks, each `seconds` after the one before.
    pub async fn mine(&self, count: u64, seconds: u64) -> Result<(), L1Error> {
        let params = json!([format!("{count:#x}"), format!("{seconds:#x}")]);
        self.client().request("anvil_mine", params).await
    }

    /// Moves the clock and mines a block.
    pub async fn advance(&self, seconds: u64) -> Result<(), L1Error> {
        let _: serde_json::Value = self.client().request("evm_increaseTime", json!([seconds])).await?;
        self.mine(1, 0).await
    }

    /// Moves the clock forward to `now` (Unix seconds), if it is behind, and mines a block.
    pub async fn catch_up(&self, now: u64) -> Result<(), L1Error> {
        let head = self.client().head(BlockTag::Latest).await?;
        match now.saturating_sub(head.timestamp) {
            0 => Ok(()),
            behind => self.advance(behind).await,
        }
    }

    /// Replaces the last `depth` blocks by empty ones.
    pub async fn reorg(&self, depth: u64) -> Result<(), L1Error> {
        self.client().request("anvil_reorg", json!([depth, []])).await
    }

    /// Stops it as a signal from a terminal would, so that it writes its state, and waits.
    pub fn stop(mut self) -> Result<(), L1Error> {
        let pid = i32::try_from(self.child.id()).map_err(|error| L1Error::Anvil(error.to_string()))?;
        kill(Pid::from_raw(pid), Signal::SIGINT).map_err(|error| L1Error::Anvil(error.to_string()))?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            match self.child.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) if Instant::now() > deadline => return Err(L1Error::Anvil("does not stop".into())),
                Ok(None) => std::thread::sleep(STOP_POLL),
                Err(error) => return Err(L1Error::Anvil(error.to_string())),
            }
        }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn arguments(config: &AnvilConfig) -> Vec<String> {
    let mut args = vec!["--host".to_owned(), "127.0.0.1".to_owned()];
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            args.extend([name.to_owned(), value]);
        }
    };
    let seconds = |time: Duration| time.as_secs_f64().to_string();
    flag("--port", Some(config.port.unwrap_or(0).to_string()));
    flag("--block-time", config.block_time.map(seconds));
    flag("--state", config.state.as_ref().map(|path| path.display().to_string()));
    flag("--state-interval", config.state_interval.map(|time| time.as_secs().max(1).to_string()));
    flag("--timestamp", config.genesis_time.map(|time| time.to_string()));
    flag("--slots-in-an-epoch", config.slots_in_an_epoch.map(|slots| slots.to_string()));
    flag("--chain-id", config.chain_id.map(|id| id.to_string()));
    if config.mixed_mining {
        args.push("--mixed-mining".to_owned());
    }
    args.extend(config.args.iter().cloned());
    args
}

fn packaged(scope: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(scope).ok()?;
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("anvil-"))
        .map(|entry| entry.path().join("bin/anvil"))
        .find(|path| path.is_file())
}

/// Reads the address from anvil's greeting, then keeps its pipe empty.
fn wait_for_address(stdout: ChildStdout) -> Result<String, L1Error> {
    let (found, address) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix(LISTENING) {
                let _ = found.send(address.trim().to_owned());
            }
        }
    });
    address.recv_timeout(START_TIMEOUT).map_err(|_| L1Error::Anvil("ended, or did not listen in time".into()))
}
