//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{rollup::RollupCommand, target::TargetArgs};
use crate::logging::LogFormat;

/// Rollups for Ethereum that live for hours or days, and close themselves.
#[derive(Debug, Parser)]
#[command(name = "mayfly", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// Print the result as one JSON document
    #[arg(long, global = true, env = "MAYFLY_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    pub json: bool,
    /// How log lines (stderr) look
    #[arg(long, global = true, env = "MAYFLY_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// What is logged, for example info,mayfly_sequencer=debug
    #[arg(long, global = true, env = "MAYFLY_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Where chains, keys and the development stack live [default: /var/lib/mayfly for root, else ~/.local/share/mayfly]
    #[arg(long, global = true, env = "MAYFLY_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine: PostgreSQL, an L1, the contracts and a node
    #[command(after_help = "Example:\n  mayfly dev --data-dir /tmp/night --rpc-port 8645")]
    Dev(DevArgs),
    /// Run a node: sequence rollups and answer wallets
    #[command(after_help = "Example:\n  mayfly node --config /etc/mayfly/node.toml")]
    Node(NodeArgs),
    /// Launch, watch, use and close rollups
    Rollup(RollupArgs),
    /// Rebuild a rollup from L1 alone and compare; optionally attest, propose, finalize and more
    #[command(
        after_help = "Examples:\n  mayfly verify --rollup 0x… --l1-url http://127.0.0.1:8545 --once\n  mayfly verify --rollup 0x… --attest env:ATTESTER_KEY --propose --finalize --json"
    )]
    Verify(super::verify::VerifyArgs),
    /// Make, import, rotate and list keys
    Keys(KeysArgs),
    /// Check this machine, the database, L1 and the keys
    #[command(after_help = "Example:\n  mayfly doctor --config /etc/mayfly/node.toml --json")]
    Doctor(NodeArgs),
    /// Check or print a configuration
    Config(ConfigArgs),
    /// Execute and check a foreign Ethereum chain, then serve it
    #[command(after_help = "Example:\n  mayfly import --genesis genesis.json --blocks chain.rlp --rpc-port 8545")]
    Import(super::import::ImportArgs),
    /// Run Ethereum's public state tests on this executor
    #[command(name = "statetest", after_help = "Example:\n  mayfly statetest GeneralStateTests/stCallCodes --json")]
    StateTest(super::statetest::StateTestArgs),
}

/// `mayfly dev`.
#[derive(Clone, Debug, Args)]
pub struct DevArgs {
    /// Port of the public JSON-RPC; 0 picks a free one
    #[arg(long, env = "MAYFLY_RPC_PORT", default_value_t = 0)]
    pub rpc_port: u16,
    /// Port of the operator's API; 0 picks a free one
    #[arg(long, env = "MAYFLY_ADMIN_PORT", default_value_t = 0)]
    pub admin_port: u16,
    /// Port of L1; 0 picks a free one
    #[arg(long, env = "MAYFLY_L1_PORT", default_value_t = 0)]
    pub l1_port: u16,
    /// Seconds between L1 blocks
    #[arg(long, env = "MAYFLY_L1_BLOCK_TIME", default_value_t = 1)]
    pub l1_block_time: u64,
    /// The node's settings (see `mayfly config default`); places, ports and keys are the stack's
    #[arg(long, env = "MAYFLY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Start the L1 and the contracts only: the node is run elsewhere
    #[arg(long)]
    pub no_node: bool,
}

/// `mayfly node` and `mayfly doctor`.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    /// The configuration file; without one, the defaults of `mayfly config default`
    #[arg(long, env = "MAYFLY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// L1 RPC URL, may be given several times; replaces l1.urls
    #[arg(long, env = "MAYFLY_L1_URL", value_delimiter = ',', value_name = "URL")]
    pub l1_url: Vec<String>,
    /// PostgreSQL URL; replaces database.url
    #[arg(long, env = "MAYFLY_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// `mayfly rollup`.
#[derive(Debug, Args)]
pub struct RollupArgs {
    /// Where L1 and the node are, and who acts.
    #[command(flatten)]
    pub target: TargetArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: RollupCommand,
}

/// `mayfly keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// The key store [default: keys in the data directory]
    #[arg(long, global = true, env = "MAYFLY_KEYS_DIR", value_name = "DIR")]
    pub keys_dir: Option<PathBuf>,
    /// A file with the password; else MAYFLY_PASSWORD, else the terminal
    #[arg(long, global = true, env = "MAYFLY_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// The commands of `mayfly keys`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a random key and store it encrypted
    #[command(after_help = "Example:\n  mayfly keys new sequencer --password-file /etc/mayfly/password")]
    New {
        /// Its name
        name: String,
    },
    /// Store an existing secret encrypted; read from stdin, or from a variable with --env
    #[command(after_help = "Example:\n  mayfly keys import organiser --env ORGANISER_SECRET")]
    Import {
        /// Its name
        name: String,
        /// The environment variable that holds the secret
        #[arg(long, value_name = "VARIABLE")]
        env: Option<String>,
    },
    /// Encrypt a key anew, under another password
    #[command(after_help = "Example:\n  mayfly keys rotate sequencer --password-file old --new-password-file new")]
    Rotate {
        /// Its name
        name: String,
        /// A file with the new password; else MAYFLY_NEW_PASSWORD, else the terminal
        #[arg(long, env = "MAYFLY_NEW_PASSWORD_FILE", value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// List names and addresses
    #[command(after_help = "Example:\n  mayfly keys list --json")]
    List,
}

/// `mayfly config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The commands of `mayfly config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read a file as the node would and say what is wrong with it
    #[command(after_help = "Example:\n  mayfly config check /etc/mayfly/node.toml")]
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print a file with every key, its default and what it means
    #[command(after_help = "Example:\n  mayfly config default >/etc/mayfly/node.toml")]
    Default,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn visit(command: &clap::Command, path: &str, missing: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !command.has_subcommands() && !help.contains("  mayfly") {
                missing.push(path.clone());
            }
            for sub in command.get_subcommands() {
                visit(sub, &path, missing);
            }
        }
        let mut missing = Vec::new();
        visit(&Cli::command(), "", &mut missing);
        assert!(missing.is_empty(), "{missing:?}");
    }
}
