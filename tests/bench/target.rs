//! The two servers.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use eyre::{Result, WrapErr, bail, ensure, eyre};
use mayfly_l1::Anvil;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::{
    load::{Terms, funding},
    process::{Usage, usage},
    rpc::Rpc,
};

const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// A server under load.
pub struct Target {
    name: &'static str,
    child: Child,
    url: String,
    terms: Terms,
    dir: std::path::PathBuf,
}

impl Target {
    /// Mayfly's development stack with one rollup. Its L1 is a process of its own and is not counted.
    pub fn mayfly(dir: &Path) -> Result<Target> {
        // Root's PostgreSQL runs as another user and must reach its files.
        fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/node.toml");
        let child = Command::new(mayfly_binary()?)
            .args(["dev", "--json", "--data-dir"])
            .arg(dir)
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("mayfly.log"))?)
            .spawn()?;
        let terms = Terms { chain_id: 0, max_fee_per_gas: 0 };
        Ok(Target { name: "mayfly", child, url: String::new(), terms, dir: dir.to_owned() })
    }

    /// anvil with a block a second, which is when it is at its best.
    pub fn anvil(dir: &Path) -> Result<Target> {
        let log = dir.join("anvil.log");
        let child = Command::new(Anvil::find_binary()?)
            .args(["--host", "127.0.0.1", "--port", "0", "--block-time", "1", "--base-fee", "0"])
            .args(["--gas-limit", "1000000000", "--order", "fifo"])
            .stdout(fs::File::create(&log)?)
            .stderr(Stdio::null())
            .spawn()?;
        let terms = Terms { chain_id: 31_337, max_fee_per_gas: 1_000_000_000 };
        Ok(Target { name: "anvil", child, url: String::new(), terms, dir: dir.to_owned() })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// CPU and memory so far. PostgreSQL's share counts, the L1's does not.
    pub fn usage(&self) -> Result<Usage> {
        let except = if self.name == "mayfly" { "anvil" } else { "" };
        usage(self.child.id(), except)
    }

    /// Waits until it answers.
    pub async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(url) = self.try_find_url()? {
                self.url = url;
                break;
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}", self.name);
            }
            ensure!(Instant::now() < deadline, "{} did not start", self.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if self.name == "mayfly" {
            self.launch_rollup()?;
        }
        let id = Rpc::new(&self.url)?.call("eth_chainId", json!([])).await?;
        let digits = id.as_str().and_then(|id| id.strip_prefix("0x")).ok_or_else(|| eyre!("chain id {id}"))?;
        self.terms.chain_id = u64::from_str_radix(digits, 16)?;
        Ok(())
    }

    /// Gives accounts what they need to pay gas; Mayfly's need nothing.
    pub async fn fund(&self, rpc: &Rpc, accounts: Vec<Address>) -> Result<()> {
        if self.name == "anvil" {
            for part in accounts.chunks(100) {
                rpc.batch("anvil_setBalance", part.iter().map(|account| funding(*account))).await?;
            }
        }
        Ok(())
    }

    /// As Ctrl-C would, then by force.
    pub fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} had to be killed", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn try_find_url(&self) -> Result<Option<String>> {
        if self.name == "anvil" {
            let log = fs::read_to_string(self.dir.join("anvil.log")).unwrap_or_default();
            return Ok(log
                .lines()
                .find_map(|l| l.strip_prefix("Listening on "))
                .map(|a| format!("http://{}", a.trim())));
        }
        let Ok(text) = fs::read_to_string(self.dir.join("dev.json")) else { return Ok(None) };
        let state: Value = serde_json::from_str(&text)?;
        Ok((state["running"] == true).then(|| state["rpc_url"].as_str().unwrap_or_default().to_owned()))
    }

    fn launch_rollup(&mut self) -> Result<()> {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/rollup.toml");
        let output = Command::new(mayfly_binary()?)
            .args(["rollup", "create", "--json", "--name", "bench", "--ends-in", "2h", "--data-dir"])
            .arg(&self.dir)
            .arg("--config")
            .arg(config)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "mayfly rollup create ended with {}", output.status);
        let created: Value = serde_json::from_slice(&output.stdout).wrap_err("the answer of rollup create")?;
        self.url = created["rpc_url"].as_str().ok_or_else(|| eyre!("no rpc_url in {created}"))?.to_owned();
        Ok(())
    }
}

/// The program beside this one.
fn mayfly_binary() -> Result<std::path::PathBuf> {
    if let Some(path) = std::env::var_os("MAYFLY_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let path = own.with_file_name("mayfly");
    ensure!(path.is_file(), "{} is missing; build the workspace or set MAYFLY_BIN", path.display());
    Ok(path)
}
