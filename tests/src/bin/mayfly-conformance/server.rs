//! The program under test: `mayfly import` as a process of its own.

use std::path::Path;
use std::process::Stdio;

use eyre::{OptionExt, WrapErr};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A served chain.
pub(crate) struct Server {
    child: Child,
    url: String,
    client: reqwest::Client,
    /// Its data; gone afterwards.
    _dir: TempDir,
}

impl Server {
    pub(crate) async fn start(genesis: &Path, blocks: &Path) -> eyre::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mayfly = std::env::current_exe()?.with_file_name("mayfly");
        let mut child = Command::new(&mayfly)
            .args(["import", "--dev", "--json", "--genesis"])
            .arg(genesis)
            .arg("--blocks")
            .arg(blocks)
            .arg("--data-dir")
            .arg(dir.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .wrap_err_with(|| mayfly.display().to_string())?;
        let stdout = child.stdout.take().ok_or_eyre("no stdout")?;
        let line = BufReader::new(stdout).lines().next_line().await?.ok_or_eyre("the chain was not imported")?;
        let started: Value = serde_json::from_str(&line)?;
        let url = started["rpc_url"].as_str().ok_or_eyre("no rpc_url")?.to_owned();
        Ok(Self { child, url, client: reqwest::Client::new(), _dir: dir })
    }

    pub(crate) async fn call(&self, request: &str) -> eyre::Result<Value> {
        let request = self.client.post(&self.url).header("content-type", "application/json").body(request.to_owned());
        Ok(request.send().await?.json().await?)
    }

    pub(crate) async fn stop(mut self) -> eyre::Result<()> {
        Ok(self.child.kill().await?)
    }
}
