//! `mayfly rollup`: launch, watch, use and close rollups. Each command is a few L1
//! transactions or reads; what is read is printed, what was sent is named.

mod args;
mod chain;
mod claim;
mod close;
mod create;
mod deposit;
mod estimate;
mod force;
mod freeze;
mod status;
mod withdraw;

use std::path::PathBuf;

pub(crate) use args::{CreateArgs, RollupCommand};
pub(crate) use create::{Created, create};

use super::{args::RollupArgs, session::Session};

/// Runs a `rollup` command.
pub(crate) async fn run(args: RollupArgs, data_dir: PathBuf, json: bool) -> eyre::Result<()> {
    let session = Session::open(&args.target, &data_dir).await?;
    match args.command {
        RollupCommand::Create(args) => create::run(&session, args, json).await,
        RollupCommand::Start(args) => create::start(&session, args, json).await,
        RollupCommand::Estimate(args) => estimate::run(&session, args, json).await,
        RollupCommand::Status(one) => status::run(&session, one, json).await,
        RollupCommand::List => status::list(&session, json).await,
        RollupCommand::Freeze(args) => freeze::run(&session, args, json).await,
        RollupCommand::Force(args) => force::run(&session, args, json).await,
        RollupCommand::Deposit(args) => deposit::run(&session, args, json).await,
        RollupCommand::Close(args) => close::run(&session, args, json).await,
        RollupCommand::Claim(args) => claim::run(&session, args, json).await,
        RollupCommand::Withdraw(args) => withdraw::run(&session, args, json).await,
    }
}
