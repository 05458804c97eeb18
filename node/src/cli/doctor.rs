//! `mayfly doctor`.

use serde::Serialize;

use super::{output, output::Report};
use crate::{
    config::NodeConfig,
    doctor::{self, Check, Verdict},
};

#[derive(Serialize)]
struct Diagnosis {
    ok: bool,
    checks: Vec<Check>,
}

impl Report for Diagnosis {
    fn text(&self) -> String {
        let line = |check: &Check| {
            let verdict = match check.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            format!("{verdict}  {:<18} {}", check.name, check.detail)
        };
        self.checks.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Runs every check; fails if one did.
pub(crate) async fn run(config: NodeConfig, json: bool) -> eyre::Result<()> {
    let mut checks = doctor::local_checks(&config);
    checks.extend(doctor::remote_checks(&config).await);
    let failed = checks.iter().filter(|c| c.verdict == Verdict::Fail).count();
    output::print(&Diagnosis { ok: failed == 0, checks }, json)?;
    eyre::ensure!(failed == 0, "{failed} of the checks failed");
    Ok(())
}
