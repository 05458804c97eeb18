//! What can be typed after `mayfly rollup`.

use std::path::PathBuf;

use alloy_primitives::{Address, B256, Bytes, U256};
use clap::{ArgGroup, Args, Subcommand};

use crate::{cli::verify::RoleArgs, rpc::RollupName};

/// The commands of `mayfly rollup`.
#[derive(Debug, Subcommand)]
pub enum RollupCommand {
    /// Launch a rollup on L1 and have the node sequence it
    #[command(after_help = "Example:\n  mayfly rollup create --name mint-night --ends-in 2h --config event.toml")]
    Create(CreateArgs),
    /// Have the node sequence a rollup that stands on L1 already
    #[command(after_help = "Example:\n  mayfly rollup start 0x… --name mint-night")]
    Start(StartArgs),
    /// Say what an event will cost on L1, before anything is paid
    #[command(after_help = "Example:\n  mayfly rollup estimate --ends-in 2h --config event.toml --transactions 100000")]
    Estimate(EstimateArgs),
    /// Show where a rollup stands, on L1 and on the node
    #[command(after_help = "Example:\n  mayfly rollup status mint-night --json")]
    Status(OneRollup),
    /// List the factory's rollups
    #[command(after_help = "Example:\n  mayfly rollup list")]
    List,
    /// End a rollup: early (organiser), or drive its claim and finalisation once it is over
    #[command(
        after_help = "Examples:\n  mayfly rollup close mint-night --early --key organiser\n  mayfly rollup close mint-night --settle --attest env:ATTESTER_KEY"
    )]
    Close(CloseArgs),
    /// Claim on L1 what a closed rollup owes, for one recipient or sponsored for everybody
    #[command(
        after_help = "Examples:\n  mayfly rollup claim mint-night --recipient 0x…\n  mayfly rollup claim mint-night --all --leaf-file leaves.bin"
    )]
    Claim(ClaimArgs),
    /// Freeze a rollup whose sequencer fell silent: ask, wait, freeze
    #[command(after_help = "Example:\n  mayfly rollup freeze 0x… --wait")]
    Freeze(FreezeArgs),
    /// Force a transaction through L1, or post a forced-only batch when the sequencer ignores it
    #[command(
        after_help = "Examples:\n  mayfly rollup force mint-night --raw 0x02f8…\n  mayfly rollup force mint-night --post"
    )]
    Force(ForceArgs),
    /// Move an asset from L1 to the rollup
    #[command(
        after_help = "Examples:\n  mayfly rollup deposit mint-night --eth 0.5 --to 0x…\n  mayfly rollup deposit mint-night --erc721 0x… --id 7"
    )]
    Deposit(DepositArgs),
    /// Finish a withdrawal on L1 that was made on the rollup
    #[command(after_help = "Example:\n  mayfly rollup withdraw mint-night --index 0 --wait")]
    Withdraw(WithdrawArgs),
}

/// A rollup by the address of its Inbox, or by a name the node knows.
#[derive(Clone, Debug, Args)]
pub struct OneRollup {
    /// Address of the rollup, or its name on the node
    #[arg(value_name = "ROLLUP")]
    pub rollup: String,
}

/// `mayfly rollup create`.
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// The rollup's name on this node, and in its RPC's path
    #[arg(long)]
    pub name: RollupName,
    /// When deposits end and the drain begins, from now: 90s, 45m, 2h, 1d; replaces the file's
    #[arg(long, value_name = "DURATION")]
    pub ends_in: Option<String>,
    /// The rollup's TOML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only launch on L1; no node is asked to sequence
    #[arg(long)]
    pub no_start: bool,
}

/// `mayfly rollup start`.
#[derive(Clone, Debug, Args)]
pub struct StartArgs {
    /// Address of the rollup
    #[arg(value_name = "ROLLUP")]
    pub rollup: Address,
    /// The rollup's name on this node, and in its RPC's path
    #[arg(long)]
    pub name: RollupName,
}

/// `mayfly rollup estimate`.
#[derive(Clone, Debug, Args)]
pub struct EstimateArgs {
    /// When deposits end and the drain begins, from now; replaces the file's
    #[arg(long, value_name = "DURATION")]
    pub ends_in: Option<String>,
    /// The rollup's TOML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Transactions expected
    #[arg(long, default_value_t = 10_000)]
    pub transactions: u64,
    /// Recipients expected to claim at the end
    #[arg(long, default_value_t = 1_000)]
    pub claims: u64,
}

/// `mayfly rollup close`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("how").required(true).multiple(true))]
pub struct CloseArgs {
    /// The rollup.
    #[command(flatten)]
    pub one: OneRollup,
    /// End it now (only its organiser may)
    #[arg(long, group = "how")]
    pub early: bool,
    /// Wait for the close block, propose the closing claim and finalise it
    #[arg(long, group = "how")]
    pub settle: bool,
    /// Beyond proposing and finalising: attest, rival, vote, freeze or force as a verifier would.
    #[command(flatten)]
    pub roles: RoleArgs,
    /// Give up after this long: 90s, 45m, 2h
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub timeout: String,
}

/// `mayfly rollup claim`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("whose").required(true))]
pub struct ClaimArgs {
    /// The rollup.
    #[command(flatten)]
    pub one: OneRollup,
    /// Claim what this address is owed
    #[arg(long, group = "whose", value_name = "ADDRESS")]
    pub recipient: Option<Address>,
    /// Claim for everybody, in batches that --key pays for
    #[arg(long, group = "whose")]
    pub all: bool,
    /// The leaf file [default: what the closing claim carries, else derived from L1]
    #[arg(long, value_name = "FILE")]
    pub leaf_file: Option<PathBuf>,
    /// Where to keep the leaf file
    #[arg(long, value_name = "FILE")]
    pub save_leaves: Option<PathBuf>,
    /// Derive the leaves from L1's batches even if the closing claim carries them
    #[arg(long, conflicts_with = "leaf_file")]
    pub derive: bool,
}

/// `mayfly rollup freeze`.
#[derive(Clone, Debug, Args)]
pub struct FreezeArgs {
    /// The rollup.
    #[command(flatten)]
    pub one: OneRollup,
    /// Wait for every delay and do both steps
    #[arg(long)]
    pub wait: bool,
}

/// `mayfly rollup force`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct ForceArgs {
    /// The rollup.
    #[command(flatten)]
    pub one: OneRollup,
    /// A signed transaction of the rollup, in hex
    #[arg(long, group = "what", value_name = "HEX")]
    pub raw: Option<Bytes>,
    /// Post a forced-only batch with everything that is overdue
    #[arg(long, group = "what")]
    pub post: bool,
    /// Gas it may use on the rollup [default: its own gas limit]
    #[arg(long)]
    pub gas_limit: Option<u64>,
}

/// `mayfly rollup deposit`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("asset").required(true))]
pub struct DepositArgs {
    /// The rollup.
    #[command(flatten)]
    pub one: OneRollup,
    /// Who gets it there [default: the key's address]
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<Address>,
    /// An amount of ETH, for example 0.25
    #[arg(long, group = "asset", value_name = "AMOUNT")]
    pub eth: Option<String>,
    /// An ERC-20 contract; with --amount
    #[arg(long, group = "asset", value_name = "TOKEN", requires = "amount")]
    pub erc20: Option<Address>,
    /// An ERC-721 contract; with --id
    #[arg(long, group = "asset", value_name = "TOKEN", requires = "id")]
    pub erc721: Option<Address>,
    /// An ERC-1155 contract; with --id and --amount
    #[arg(long, group = "asset", value_name = "TOKEN", requires_all = ["id", "amount"])]
    pub erc1155: Option<Address>,
    /// Base units
    #[arg(long)]
    pub amount: Option<U256>,
    /// Token id
    #[arg(long)]
    pub id: Option<U256>,
}

/// `mayfly rollup withdraw`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub struct WithdrawArgs {
    /// The rollup.
    #[command(flatten)]
    pub one: OneRollup,
    /// The message's index in the messenger's tree
    #[arg(long, group = "which")]
    pub index: Option<u64>,
    /// The transaction on the rollup that made the withdrawal
    #[arg(long, group = "which", value_name = "HASH")]
    pub tx: Option<B256>,
    /// Wait for a claim that holds it
    #[arg(long)]
    pub wait: bool,
}
