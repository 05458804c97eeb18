//! The configuration file: what may stand in it, and what is refused.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use mayfly_sequencer::SequencerSettings;
use serde::{Deserialize, Serialize};

use super::default_data_dir;
use crate::{NodeError, http::HttpConfig, keys::KeySource, logging::LogFormat};

/// The largest configuration file that is read.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Everything a node is told. `Default` is a safe local development node: it listens
/// on loopback only.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Chains, keys and, without `database.url`, the private PostgreSQL.
    pub data_dir: PathBuf,
    /// How log lines look: `text` or `json`.
    pub log_format: LogFormat,
    /// What is logged, in `tracing`'s filter syntax.
    pub log: String,
    /// The rollup (name or chain id) that answers at `/`; empty: the first.
    pub default_rollup: String,
    /// L1.
    pub l1: L1Config,
    /// PostgreSQL.
    pub database: DatabaseConfig,
    /// The public listener.
    pub rpc: HttpConfig,
    /// The operator's listener.
    pub admin: AdminConfig,
    /// The keys the node signs with.
    pub keys: KeysConfig,
    /// How rollups are sequenced.
    pub sequencer: SequencerSettings,
    /// Bounds on what one node takes on.
    pub limits: LimitsConfig,
}

/// How to reach L1.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct L1Config {
    /// Execution RPCs, best first; the node fails over between them.
    pub urls: Vec<String>,
    /// Beacon API for blobs; empty: the first execution URL serves it (anvil does).
    pub beacon_url: String,
    /// The chain id L1 must have; 0 takes what it says.
    pub chain_id: u64,
    /// The `RollupFactory`.
    pub factory: Option<Address>,
}

/// Where the ledger is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `postgres://…`; empty: a private server inside the data directory.
    pub url: String,
    /// Whether a private server waits for the disk. False only where losing the database
    /// in a power cut does not matter.
    pub fsync: bool,
}

/// The operator's listener: metrics, status and commands, all behind the token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// A file that holds the token; made with a random one if it is missing.
    /// Relative paths are below the data directory.
    pub token_file: PathBuf,
}

/// Which keys the node signs with, and how they open.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// The key store; relative paths are below the data directory.
    pub dir: PathBuf,
    /// A file with the store's password; without one, `MAYFLY_PASSWORD`.
    pub password_file: Option<PathBuf>,
    /// Posts batches; its address is a rollup's `sequencer`.
    pub sequencer: KeySource,
    /// Signs receipts; its address is a rollup's `receiptSigner`.
    pub receipts: KeySource,
}

/// Bounds on what one node takes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Rollups sequenced at once.
    pub max_rollups: usize,
    /// How long shutdown waits for the last batch and open requests, in seconds.
    pub shutdown_seconds: u64,
}

impl Default for NodeConfig {
    fn default() -> NodeConfig {
        NodeConfig {
            data_dir: default_data_dir(),
            log_format: LogFormat::Text,
            log: "info".into(),
            default_rollup: String::new(),
            l1: L1Config::default(),
            database: DatabaseConfig::default(),
            rpc: HttpConfig::default(),
            admin: AdminConfig::default(),
            keys: KeysConfig::default(),
            sequencer: SequencerSettings::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl Default for L1Config {
    fn default() -> L1Config {
        L1Config { urls: vec!["http://127.0.0.1:8545".into()], beacon_url: String::new(), chain_id: 0, factory: None }
    }
}

impl Default for DatabaseConfig {
    fn default() -> DatabaseConfig {
        DatabaseConfig { url: String::new(), fsync: true }
    }
}

impl Default for AdminConfig {
    fn default() -> AdminConfig {
        AdminConfig { listen: SocketAddr::from(([127, 0, 0, 1], 8646)), token_file: "admin.token".into() }
    }
}

impl Default for KeysConfig {
    fn default() -> KeysConfig {
        KeysConfig {
            dir: "keys".into(),
            password_file: None,
            sequencer: KeySource::Name("sequencer".into()),
            receipts: KeySource::Name("receipts".into()),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> LimitsConfig {
        LimitsConfig { max_rollups: 16, shutdown_seconds: 20 }
    }
}

impl NodeConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// If it is unreadable, too long, no TOML, has an unknown key or a senseless value.
    pub fn read(path: &Path) -> Result<NodeConfig, NodeError> {
        let size = std::fs::metadata(path).map_err(NodeError::file(path))?.len();
        if size > MAX_FILE_BYTES {
            return Err(NodeError::Config { path: path.into(), reason: format!("file of {size} bytes") });
        }
        let text = std::fs::read_to_string(path).map_err(NodeError::file(path))?;
        NodeConfig::parse(&text).map_err(|reason| NodeError::Config { path: path.into(), reason })
    }

    /// Parses and checks a file's text.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn parse(text: &str) -> Result<NodeConfig, String> {
        let config: NodeConfig = toml::from_str(text).map_err(|e| e.to_string())?;
        config.validate()?;
        Ok(config)
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        if self.l1.urls.is_empty() {
            return Err("l1.urls: at least one is needed".into());
        }
        for url in self.l1.urls.iter().chain((!self.l1.beacon_url.is_empty()).then_some(&self.l1.beacon_url)) {
            let parsed = reqwest::Url::parse(url).map_err(|e| format!("l1: {url:?}: {e}"))?;
            if !matches!(parsed.scheme(), "http" | "https") {
                return Err(format!("l1: {url:?}: not http or https"));
            }
        }
        if !self.database.url.is_empty() && !self.database.url.starts_with("postgres") {
            // The URL may hold a password: it is not repeated.
            return Err("database.url: does not start with postgres://".into());
        }
        let admin = self.admin.listen;
        if !admin.ip().is_loopback() {
            return Err(format!("admin.listen: {admin} is reachable from outside; bind loopback and tunnel to it"));
        }
        if self.rpc.listen == admin && admin.port() != 0 {
            return Err(format!("admin.listen: {admin} is rpc.listen too"));
        }
        self.rpc.validate()?;
        // What L1's chain id decides is looked at once more when L1 has said it.
        let l1_chain_id = if self.l1.chain_id == 0 { crate::dev::CHAIN_ID } else { self.l1.chain_id };
        self.sequencer.validate(l1_chain_id).map_err(|e| e.to_string())?;
        if self.keys.sequencer == self.keys.receipts {
            return Err(format!(
                "keys: sequencer and receipts are both {}; a rollup asks for different keys",
                self.keys.sequencer
            ));
        }
        if self.limits.max_rollups == 0 {
            return Err("limits.max_rollups: 0 is no node".into());
        }
        tracing_subscriber::EnvFilter::try_new(&self.log).map_err(|e| format!("log: {:?}: {e}", self.log))?;
        Ok(())
    }

    /// A path of the configuration, below the data directory unless absolute.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.data_dir.join(path)
    }

    /// The beacon API's URL.
    #[must_use]
    pub fn beacon_url(&self) -> &str {
        if self.l1.beacon_url.is_empty() {
            self.l1.urls.first().map_or("", String::as_str)
        } else {
            &self.l1.beacon_url
        }
    }

    /// The file `mayfly config default` prints: every key with its default and what it means. The data directory's
    /// default is not the same for everybody.
    #[must_use]
    pub fn template(data_dir: &Path) -> String {
        let data_dir = toml::Value::from(data_dir.to_string_lossy().into_owned());
        include_str!("default.toml").replacen("\"/var/lib/mayfly\"", &data_dir.to_string(), 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_template_is_the_default() {
        let dir = NodeConfig::default().data_dir;
        let config = NodeConfig::parse(&NodeConfig::template(&dir)).unwrap();
        let as_text = |c: &NodeConfig| toml::to_string(c).unwrap();
        assert_eq!(as_text(&config), as_text(&NodeConfig::default()));
        let home = Path::new("/home/a \"b\"/.local/share/mayfly");
        assert_eq!(NodeConfig::parse(&NodeConfig::template(home)).unwrap().data_dir, home);
    }

    #[test]
    fn the_template_names_every_key() {
        let every_key = toml::to_string(&NodeConfig::default()).unwrap();
        let template = NodeConfig::template(Path::new("/"));
        for key in every_key.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
            assert!(template.contains(&format!("{key} = ")), "{key} is missing in default.toml");
        }
    }

    #[test]
    fn refuses_unknown_keys_and_senseless_values() {
        for (text, word) in [
            ("colour = 1", "colour"),
            ("[rpc]\nlistne = \"127.0.0.1:1\"", "listne"),
            ("[l1]\nurls = []", "l1.urls"),
            ("[l1]\nurls = [\"ftp://x\"]", "ftp"),
            ("[admin]\nlisten = \"0.0.0.0:1\"", "admin.listen"),
            ("[admin]\nlisten = \"127.0.0.1:8645\"", "rpc.listen"),
            ("[rpc]\ncors_origins = [\"example\"]", "cors_origins"),
            ("[rpc]\ncors_origins = [\"https://a.example/\"]", "cors_origins"),
            ("[rpc]\npublic_url = \"rpc.example\"", "public_url"),
            ("[sequencer]\npause_after_seconds = 1", "pause_after_seconds"),
            ("[l1]\nchain_id = 1\n[sequencer]\nignore_forced = true", "ignore_forced"),
            ("[keys]\nreceipts = \"sequencer\"", "different keys"),
            ("[limits]\nmax_rollups = 0", "max_rollups"),
            ("log = \"mayfly=loudest\"", "log"),
        ] {
            let error = NodeConfig::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_database_url_is_never_repeated() {
        let error = NodeConfig::parse("[database]\nurl = \"mysql://u:hunter2@h/d\"").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
