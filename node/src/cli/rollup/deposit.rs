//! `mayfly rollup deposit`: approves what the Inbox needs and deposits.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use eyre::{WrapErr, bail, eyre};
use mayfly_contracts::{
    inbox::Inbox,
    tokens::{TestERC20, TestERC721, TestERC1155},
};
use mayfly_l1::{BlockTag, Sender, TxIntent};
use serde::Serialize;

use super::{args::DepositArgs, force::queue_index};
use crate::cli::{output, output::Report, session::Session};

#[derive(Serialize)]
struct Deposited {
    rollup: Address,
    to: Address,
    queue_index: u64,
    l1_tx: B256,
    l1_number: u64,
}

impl Report for Deposited {
    fn text(&self) -> String {
        format!("queue item {} for {}, L1 transaction {}", self.queue_index, self.to, self.l1_tx)
    }
}

pub(super) async fn run(session: &Session, args: DepositArgs, json: bool) -> eyre::Result<()> {
    let rollup = session.rollup(&args.one.rollup).await?;
    let sender = session.sender().await?;
    let to = args.to.unwrap_or_else(|| sender.address());
    let amount = args.amount.unwrap_or_default();
    let id = args.id.unwrap_or_default();
    let intent = match (&args.eth, args.erc20, args.erc721, args.erc1155) {
        (Some(ether), None, None, None) => {
            let wei = alloy_primitives::utils::parse_ether(ether).wrap_err_with(|| format!("amount {ether:?}"))?;
            TxIntent::call(rollup, Inbox::depositETHCall { to }.abi_encode()).with_value(wei)
        }
        (None, Some(token), None, None) => {
            approve_erc20(session, &sender, token, rollup, amount).await?;
            TxIntent::call(rollup, Inbox::depositERC20Call { token, to, amount }.abi_encode())
        }
        (None, None, Some(token), None) => {
            let call = TestERC721::approveCall { to: rollup, tokenId: id };
            session.send(&sender, "approve the token", TxIntent::call(token, call.abi_encode())).await?;
            TxIntent::call(rollup, Inbox::depositERC721Call { token, to, tokenId: id }.abi_encode())
        }
        (None, None, None, Some(token)) => {
            approve_erc1155(session, &sender, token, rollup).await?;
            TxIntent::call(rollup, Inbox::depositERC1155Call { token, to, id, amount }.abi_encode())
        }
        _ => bail!("give exactly one of --eth, --erc20, --erc721 and --erc1155"),
    };
    let receipt = session.send(&sender, "deposit", intent).await?;
    let queue_index = queue_index(&receipt, rollup).ok_or_else(|| eyre!("the deposit left no queue item"))?;
    let l1_number = receipt.block_number.unwrap_or_default();
    output::print(&Deposited { rollup, to, queue_index, l1_tx: receipt.transaction_hash, l1_number }, json)
}

/// Exactly the amount: nothing stays approved.
async fn approve_erc20(
    session: &Session,
    sender: &Sender,
    token: Address,
    spender: Address,
    amount: U256,
) -> eyre::Result<()> {
    let call = TestERC20::allowanceCall { owner: sender.address(), spender };
    if session.l1.call(token, &call, BlockTag::Latest).await? >= amount {
        return Ok(());
    }
    let call = TestERC20::approveCall { spender, value: amount };
    session.send(sender, "approve the amount", TxIntent::call(token, call.abi_encode())).await.map(drop)
}

/// ERC-1155 knows approval for everything only; it is said on stderr and stays.
async fn approve_erc1155(session: &Session, sender: &Sender, token: Address, operator: Address) -> eyre::Result<()> {
    let call = TestERC1155::isApprovedForAllCall { account: sender.address(), operator };
    if session.l1.call(token, &call, BlockTag::Latest).await? {
        return Ok(());
    }
    let call = TestERC1155::setApprovalForAllCall { operator, approved: true };
    session
        .send(sender, "approve the Inbox for all of the token", TxIntent::call(token, call.abi_encode()))
        .await
        .map(drop)
}
