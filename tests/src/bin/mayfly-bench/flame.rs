//! A flame graph of a server's process: recorded by `perf`, drawn by inferno.

use eyre::{WrapErr, bail, ensure, eyre};
use inferno::{
    collapse::{Collapse, perf::Folder},
    flamegraph,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Samples a second of each thread that runs, few enough to cost little.
const SAMPLES_PER_S: &str = "199";
/// Stacks are copied, for binaries without frame pointers.
const CALL_GRAPH: &str = "dwarf,16384";

/// Runs until it is drawn.
#[derive(Debug)]
pub(crate) struct Recording {
    perf: Child,
    data: PathBuf,
}

impl Recording {
    /// Records a process into a file below `dir`.
    pub(crate) fn start(pid: u32, dir: &Path) -> eyre::Result<Self> {
        let data = dir.join("perf.data");
        let perf = Command::new("perf")
            .args(["record", "--quiet", "-F", SAMPLES_PER_S, "--call-graph", CALL_GRAPH, "-p", &pid.to_string(), "-o"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .wrap_err("a flame graph needs perf (Debian: linux-perf)")?;
        Ok(Self { perf, data })
    }

    /// Stops and draws.
    pub(crate) fn draw(mut self, svg: &Path) -> eyre::Result<()> {
        kill(Pid::from_raw(i32::try_from(self.perf.id())?), Signal::SIGINT)?;
        // It says how it was stopped.
        self.perf.wait()?;
        ensure!(self.data.exists(), "perf recorded nothing");
        let mut script = Command::new("perf")
            .args(["script", "--no-inline", "-i"])
            .arg(&self.data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let samples = script.stdout.take().ok_or_else(|| eyre!("perf script has no output"))?;
        let mut folded = Vec::new();
        Folder::default().collapse(std::io::BufReader::new(samples), &mut folded)?;
        if !script.wait()?.success() {
            bail!("perf script failed");
        }
        let file = File::create(svg).wrap_err_with(|| svg.display().to_string())?;
        let mut options = flamegraph::Options::default();
        options.title = "CPU of the server during the flood".into();
        flamegraph::from_reader(&mut options, &folded[..], file).wrap_err("drawing")
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Nobody else knows of it.
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}
