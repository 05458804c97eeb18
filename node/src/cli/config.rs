//! `mayfly config`.

use std::path::PathBuf;

use serde::Serialize;

use super::{args::ConfigCommand, output, output::Report};
use crate::config::NodeConfig;

#[derive(Serialize)]
struct Checked {
    file: PathBuf,
    ok: bool,
}

impl Report for Checked {
    fn text(&self) -> String {
        format!("{}: ok", self.file.display())
    }
}

#[derive(Serialize)]
struct Defaults {
    #[serde(flatten)]
    config: NodeConfig,
}

impl Report for Defaults {
    fn text(&self) -> String {
        NodeConfig::template(&self.config.data_dir).trim_end().to_owned()
    }
}

/// Runs a `config` command.
pub(crate) fn run(command: ConfigCommand, data_dir: PathBuf, json: bool) -> eyre::Result<()> {
    match command {
        ConfigCommand::Check { file } => {
            NodeConfig::read(&file)?;
            output::print(&Checked { file, ok: true }, json)
        }
        ConfigCommand::Default => {
            output::print(&Defaults { config: NodeConfig { data_dir, ..NodeConfig::default() } }, json)
        }
    }
}
