//! `mayfly import`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use eyre::WrapErr;
use mayfly_evm::Chain;
use mayfly_proto::Meter;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::output::{self, Report, progress};
use super::signal::StopSignal;
use crate::archive::{Archive, Imported, import};
use crate::http::{HttpConfig, Public, Readiness, serve_public};
use crate::rpc::{Directory, Rollup, RpcLimits};

/// `mayfly import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The chain's genesis.json
    #[arg(long, value_name = "FILE")]
    pub genesis: PathBuf,
    /// Its blocks, as Ethereum nodes export them: RLP, one after the other
    #[arg(long, value_name = "FILE")]
    pub blocks: Option<PathBuf>,
    /// Port of the JSON-RPC; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    pub rpc_port: u16,
    /// Execute, check, print and end
    #[arg(long)]
    pub no_serve: bool,
    /// Answer testing_* methods
    #[arg(long)]
    pub dev: bool,
}

#[derive(Serialize)]
struct Served {
    #[serde(flatten)]
    imported: Imported,
    /// Nothing with `--no-serve`.
    rpc_url: Option<String>,
}

impl Report for Served {
    fn text(&self) -> String {
        let Imported { chain_id, executed, known, transactions, head_number, head_hash, .. } = &self.imported;
        let chain = format!("chain {chain_id}: block {head_number} {head_hash}, {transactions} transactions");
        let work = format!("{executed} blocks executed and checked, {known} were there");
        let served = self.rpc_url.iter().map(|url| format!("RPC {url}"));
        [chain, work].into_iter().chain(served).collect::<Vec<_>>().join("\n")
    }
}

/// Imports, then serves until Ctrl-C.
pub(crate) async fn run(args: ImportArgs, data_dir: PathBuf, json: bool) -> eyre::Result<()> {
    let stop = StopSignal::listen()?;
    let work = args.clone();
    let (chain, imported) = tokio::task::spawn_blocking(move || read(&work, &data_dir)).await??;
    if args.no_serve {
        return output::print(&Served { imported, rpc_url: None }, json);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.rpc_port)).await?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve_public(listener, public(chain, address, args.dev, shutdown.clone())?));
    output::print_line(&Served { imported, rpc_url: Some(format!("http://{address}")) }, json)?;
    progress("Ctrl-C stops");
    stop.wait().await;
    shutdown.cancel();
    Ok(serving.await??)
}

fn read(args: &ImportArgs, data_dir: &std::path::Path) -> eyre::Result<(Chain, Imported)> {
    let genesis = std::fs::read_to_string(&args.genesis).wrap_err_with(|| args.genesis.display().to_string())?;
    let blocks = match &args.blocks {
        Some(path) => std::fs::read(path).wrap_err_with(|| path.display().to_string())?,
        None => Vec::new(),
    };
    import(&data_dir.join("imported"), &genesis, &blocks)
}

fn public(chain: Chain, listen: SocketAddr, dev: bool, shutdown: CancellationToken) -> eyre::Result<Arc<Public>> {
    let limits = RpcLimits { js_tracers: dev, ..RpcLimits::default() };
    let config = HttpConfig { listen, limits, ..HttpConfig::default() };
    let rollup = Rollup::imported("imported", Archive::new(chain, dev), config.limits.clone());
    let directory = Arc::new(Directory::default());
    directory.insert(Arc::new(rollup));
    let (readiness, meter) = (Arc::new(Readiness::default()), Arc::new(Meter::new(1)));
    Public::new(config, directory, readiness, meter, shutdown).map_err(|why| eyre::eyre!(why))
}
