//! `mayfly rollup create`: checks the file, launches on L1, and has the node sequence it.

use std::{path::Path, time::Instant};

use alloy_primitives::{Address, U256};
use eyre::{WrapErr, ensure, eyre};
use mayfly_l1::creation_payment;
use mayfly_rollup::{
    Allocation, Config,
    config::{DEV_CHAIN_ID, Launch, RollupConfig, Span},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    args::{CreateArgs, StartArgs},
    chain::head,
};
use crate::{
    cli::{
        output::{self, Report, ether, progress},
        session::Session,
    },
    keys::dev_key,
    rpc::RollupName,
};

/// The largest rollup file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Attesters of a rollup of the development chain that names none.
const DEV_ATTESTERS: [usize; 2] = [3, 4];

/// Who the node signs as, and what it has room for.
#[derive(Clone, Debug, Deserialize)]
struct NodeInfo {
    sequencer: Address,
    receipt_signer: Address,
    names: Vec<String>,
    free_rollups: usize,
}

impl NodeInfo {
    /// Whether the node will sequence it: asked before anything is paid.
    fn check(&self, name: &RollupName, config: &Config) -> eyre::Result<()> {
        ensure!(!self.names.iter().any(|taken| taken == name.as_str()), "the node has a rollup named {name} already");
        ensure!(self.free_rollups > 0, "the node has no room for another rollup (limits.max_rollups)");
        for (what, named, own) in [
            ("sequencer", config.sequencer, self.sequencer),
            ("receipt_signer", config.receiptSigner, self.receipt_signer),
        ] {
            ensure!(named == own, "{what} is {named}, the node signs as {own}; --no-start launches without it");
        }
        Ok(())
    }
}

/// What the node says of a rollup it sequences.
#[derive(Clone, Debug, Deserialize)]
struct Started {
    rpc_url: String,
}

/// A launched rollup.
#[derive(Serialize)]
pub(crate) struct Created {
    name: RollupName,
    pub(crate) rollup: Address,
    settlement: Address,
    vault: Address,
    pub(crate) chain_id: u64,
    l1_number: u64,
    paid_wei: U256,
    end_time: u64,
    close_time: u64,
    pub(crate) rpc_url: Option<String>,
    seconds: f64,
}

impl Report for Created {
    fn text(&self) -> String {
        let mut lines = vec![
            format!("rollup    {} ({})", self.rollup, self.name),
            format!("chain id  {}", self.chain_id),
            format!("L1        block {}, {} paid", self.l1_number, ether(self.paid_wei)),
            format!("ends      {} (unix time), closes {}", self.end_time, self.close_time),
        ];
        if let Some(url) = &self.rpc_url {
            lines.push(format!("RPC       {url}"));
        }
        lines.join("\n")
    }
}

pub(super) async fn run(session: &Session, args: CreateArgs, json: bool) -> eyre::Result<()> {
    output::print(&create(session, args).await?, json)
}

/// Launches a rollup and, unless that is not wanted, has the node sequence it.
pub(crate) async fn create(session: &Session, args: CreateArgs) -> eyre::Result<Created> {
    let started = Instant::now();
    let file = read_file(args.config.as_deref(), args.ends_in.as_deref())?;
    let sender = session.sender().await?;
    let (config, genesis) = resolve(session, &file, sender.address(), args.no_start).await?;
    if !args.no_start
        && let Some(node) = session.admin::<NodeInfo>("/admin/info", None).await?
    {
        node.check(&args.name, &config)?;
    }
    let paid_wei = creation_payment(&config, &genesis).ok_or_else(|| eyre!("the balances are more than there is"))?;
    let factory = session.target.factory()?;
    progress(format!("creating {} for {}", args.name, ether(paid_wei)));
    let creation = sender
        .create_rollup(factory, config, genesis, &session.submit_options())
        .await
        .wrap_err("creating the rollup")?;
    let rpc_url = if args.no_start {
        None
    } else {
        ask_node(session, &args.name, creation.rollup).await.wrap_err_with(|| {
            format!("{} stands on L1, but is not sequenced; try `mayfly rollup start`", creation.rollup)
        })?
    };
    if rpc_url.is_none() && !args.no_start {
        progress("no node was named: nobody sequences this rollup yet");
    }
    let config = &creation.config;
    Ok(Created {
        name: args.name,
        rollup: creation.rollup,
        settlement: creation.settlement,
        vault: creation.vault,
        chain_id: creation.chain_id,
        l1_number: creation.header.number,
        paid_wei,
        end_time: config.endTime,
        close_time: config.endTime.saturating_add(config.drain),
        rpc_url,
        seconds: started.elapsed().as_secs_f64(),
    })
}

#[derive(Serialize)]
struct StartedRollup {
    name: RollupName,
    rollup: Address,
    rpc_url: String,
}

impl Report for StartedRollup {
    fn text(&self) -> String {
        format!("{} is sequenced: {}", self.name, self.rpc_url)
    }
}

/// `mayfly rollup start`.
pub(super) async fn start(session: &Session, args: StartArgs, json: bool) -> eyre::Result<()> {
    let rpc_url = ask_node(session, &args.name, args.rollup).await?.ok_or_else(|| eyre!("no node was named"))?;
    output::print(&StartedRollup { name: args.name, rollup: args.rollup, rpc_url }, json)
}

/// The rollup's RPC on the node; `None` if no node was named.
async fn ask_node(session: &Session, name: &RollupName, rollup: Address) -> eyre::Result<Option<String>> {
    let body = json!({"name": name, "rollup": rollup});
    let started: Option<Started> = session.admin("/admin/rollups", Some(body)).await?;
    Ok(started.map(|s| s.rpc_url))
}

/// The organiser's file with what the command line says over it.
pub(super) fn read_file(path: Option<&Path>, ends_in: Option<&str>) -> eyre::Result<RollupConfig> {
    let text = match path {
        Some(path) => {
            let named = || path.display().to_string();
            let size = std::fs::metadata(path).wrap_err_with(named)?.len();
            ensure!(size <= MAX_FILE_BYTES, "{}: file of {size} bytes", path.display());
            std::fs::read_to_string(path).wrap_err_with(named)?
        }
        None => String::new(),
    };
    let mut file = RollupConfig::from_toml(&text)?;
    if let Some(ends_in) = ends_in {
        file.ends_in = Some(ends_in.parse::<Span>()?);
        file.end_time = None;
    }
    Ok(file)
}

/// Fills in what the file leaves open: the node's keys, and on the development chain
/// attesters of its own.
pub(super) async fn resolve(
    session: &Session,
    file: &RollupConfig,
    organiser: Address,
    without_node: bool,
) -> eyre::Result<(Config, Vec<Allocation>)> {
    let named = file.sequencer.zip(file.receipt_signer);
    let (sequencer, receipt_signer) = match named {
        Some(named) => named,
        None => {
            let node = session.admin::<NodeInfo>("/admin/info", None).await?.ok_or_else(|| {
                eyre!(
                    "the file must name sequencer and receipt_signer where no node is named{}",
                    if without_node { "" } else { "; give --admin-url" }
                )
            })?;
            (node.sequencer, node.receipt_signer)
        }
    };
    let dev = session.l1_chain_id == DEV_CHAIN_ID;
    let attesters = if dev {
        DEV_ATTESTERS.iter().map(|index| Ok(dev_key(*index)?.address())).collect::<eyre::Result<_>>()?
    } else {
        Vec::new()
    };
    let launch = Launch {
        l1_chain_id: session.l1_chain_id,
        now: head(&session.l1).await?.timestamp,
        organiser,
        sequencer,
        receipt_signer,
        resolver: Address::ZERO,
        attesters,
    };
    Ok(file.resolve(&launch)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_node_would_refuse_is_not_paid_for() {
        let (sequencer, receipt_signer) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let node = NodeInfo { sequencer, receipt_signer, names: vec!["night".into()], free_rollups: 1 };
        let config = Config { sequencer, receiptSigner: receipt_signer, ..Config::default() };
        let name = |text: &str| text.parse::<RollupName>().unwrap();
        assert!(node.check(&name("day"), &config).is_ok());
        assert!(node.check(&name("night"), &config).unwrap_err().to_string().contains("night"));
        let full = NodeInfo { free_rollups: 0, ..node.clone() };
        assert!(full.check(&name("day"), &config).is_err());
        let other = Config { sequencer: receipt_signer, ..config };
        assert!(node.check(&name("day"), &other).is_err());
    }
}
