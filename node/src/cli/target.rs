//! Where L1 and the node are, and who acts: flags, then the environment, then the
//! development stack in the data directory.

use std::path::{Path, PathBuf};

use alloy_primitives::Address;
use clap::Args;
use eyre::{WrapErr, bail, eyre};

use crate::{
    dev::DevState,
    keys::{KeySource, KeyStore, PasswordSource},
};

/// Where L1 and the node are, and who acts.
#[derive(Clone, Debug, Default, Args)]
pub struct TargetArgs {
    /// L1 RPC URL, may be given several times [default: the development stack's]
    #[arg(long, global = true, env = "MAYFLY_L1_URL", value_delimiter = ',', value_name = "URL")]
    pub l1_url: Vec<String>,
    /// Beacon API URL [default: the first L1 URL]
    #[arg(long, global = true, env = "MAYFLY_BEACON_URL", value_name = "URL")]
    pub beacon_url: Option<String>,
    /// Address of the RollupFactory [default: the development stack's]
    #[arg(long, global = true, env = "MAYFLY_FACTORY", value_name = "ADDRESS")]
    pub factory: Option<Address>,
    /// The node's public RPC [default: the development stack's]
    #[arg(long, global = true, env = "MAYFLY_RPC_URL", value_name = "URL")]
    pub rpc_url: Option<String>,
    /// The node's operator API [default: the development stack's]
    #[arg(long, global = true, env = "MAYFLY_ADMIN_URL", value_name = "URL")]
    pub admin_url: Option<String>,
    /// A file with the operator API's token [default: admin.token in the data directory]
    #[arg(long, global = true, env = "MAYFLY_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Who signs on L1: a key's name, a keystore file, env:VARIABLE or dev:N [default on the development chain: dev:0]
    #[arg(long, global = true, env = "MAYFLY_KEY", value_name = "KEY")]
    pub key: Option<KeySource>,
    /// A file with the key's password; else MAYFLY_PASSWORD, else the terminal
    #[arg(long, global = true, env = "MAYFLY_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// The arguments, completed.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) l1_urls: Vec<String>,
    pub(crate) beacon_url: String,
    pub(crate) data_dir: PathBuf,
    args: TargetArgs,
    dev: Option<DevState>,
}

impl Target {
    /// Completes what was typed with the development stack's file, if there is one.
    pub(crate) fn resolve(args: &TargetArgs, data_dir: &Path) -> eyre::Result<Target> {
        let dev = DevState::read(data_dir)?;
        let l1_urls = if args.l1_url.is_empty() {
            let state = dev.as_ref().ok_or_else(|| {
                eyre!("no L1: give --l1-url, or start `mayfly dev` with --data-dir {}", data_dir.display())
            })?;
            vec![state.l1_url.clone()]
        } else {
            args.l1_url.clone()
        };
        let beacon_url = args.beacon_url.clone().unwrap_or_else(|| l1_urls[0].clone());
        // The stack's addresses mean nothing on another L1.
        let dev = dev.filter(|state| l1_urls.contains(&state.l1_url));
        Ok(Target { l1_urls, beacon_url, data_dir: data_dir.to_owned(), args: args.clone(), dev })
    }

    pub(crate) fn factory(&self) -> eyre::Result<Address> {
        self.args
            .factory
            .or(self.dev.as_ref().map(|d| d.factory))
            .ok_or_else(|| eyre!("no factory: give --factory with the RollupFactory's address"))
    }

    pub(crate) fn rpc_url(&self) -> eyre::Result<String> {
        let url = self.args.rpc_url.clone().or_else(|| self.dev.as_ref().map(|d| d.rpc_url.clone()));
        url.filter(|u| !u.is_empty()).ok_or_else(|| eyre!("no node: give --rpc-url"))
    }

    /// The operator API's URL and token; `None` if no node was named.
    pub(crate) fn admin(&self) -> eyre::Result<Option<(String, String)>> {
        let url = self.args.admin_url.clone().or_else(|| self.dev.as_ref().map(|d| d.admin_url.clone()));
        let Some(url) = url.filter(|u| !u.is_empty()) else { return Ok(None) };
        let file = self.args.admin_token_file.clone().unwrap_or_else(|| self.data_dir.join("admin.token"));
        let token = std::fs::read_to_string(&file).wrap_err_with(|| format!("admin token {}", file.display()))?;
        Ok(Some((url, token.trim().to_owned())))
    }

    /// The key that acts. On the development chain the first funded account stands in.
    pub(crate) fn signer(&self, l1_chain_id: u64) -> eyre::Result<mayfly_l1::Key> {
        let dev_chain = l1_chain_id == crate::dev::CHAIN_ID;
        let source = match &self.args.key {
            Some(source) => source.clone(),
            None if dev_chain => KeySource::Dev(0),
            None => bail!("no key: give --key with a key's name, a keystore file or env:VARIABLE"),
        };
        self.open_key(&source, l1_chain_id)
    }

    /// Whether --key was given.
    pub(crate) fn names_key(&self) -> bool {
        self.args.key.is_some()
    }

    /// Opens a key that another flag names.
    pub(crate) fn open_key(&self, source: &KeySource, l1_chain_id: u64) -> eyre::Result<mayfly_l1::Key> {
        let store = KeyStore::new(self.data_dir.join("keys"));
        let password = PasswordSource::current(self.args.password_file.clone());
        Ok(store.load(source, &password, l1_chain_id == crate::dev::CHAIN_ID)?)
    }
}
