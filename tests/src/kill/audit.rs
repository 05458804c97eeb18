//! What is asked after a cycle, and thoroughly from time to time.

use super::node::NodeProcess;
use super::rpc::Rpc;
use super::wallets::Answered;
use super::world::World;
use alloy_primitives::{B256, U64};
use eyre::{WrapErr, ensure, eyre};
use mayfly_verifier::VerifierHandle;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// How long a node may take to put back what an L1 reorganisation took.
const CONVERGE: Duration = Duration::from_secs(45);
const POLL: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    number: U64,
    hash: B256,
    state_root: B256,
}

async fn block(rpc: &Rpc, at: &str) -> eyre::Result<Option<Block>> {
    rpc.call("eth_getBlockByNumber", json!([at, false])).await
}

/// Whether all that was taken back is on the chain of `status` again, and can be read there: what was put back last may
/// not be durable yet.
pub(super) async fn is_whole(rpc: &Rpc, status: &Value) -> eyre::Result<bool> {
    let latest = block(rpc, "latest").await?;
    Ok(latest.is_some_and(|latest| has_all(status, &latest)))
}

/// Waits for that. Where it takes too long, who looks for what is missing says so.
pub(super) async fn wait_whole(node: &NodeProcess, name: &str, rpc: &Rpc) -> eyre::Result<()> {
    let deadline = Instant::now() + CONVERGE;
    while Instant::now() < deadline {
        let status = node.status(name).await?.ok_or_else(|| eyre!("the node does not run the rollup"))?;
        if is_whole(rpc, &status).await? {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn has_all(status: &Value, latest: &Block) -> bool {
    status["rescued"] == 0 && status["latest"]["hash"] == json!(latest.hash)
}

/// Looks for every receipt. What is elsewhere than answered is wrong, unless L1 reorganised: then it has some time to be
/// anywhere, and `answers` say where afterwards.
pub(super) async fn find_answers(rpc: &Rpc, answers: &mut [Answered], reorged: bool) -> eyre::Result<Vec<String>> {
    let deadline = Instant::now() + CONVERGE;
    let params: Vec<Value> = answers.iter().map(|answer| json!([answer.hash])).collect();
    loop {
        let found: Vec<Option<Answered>> =
            rpc.calls("eth_getTransactionReceipt", &params).await.wrap_err("receipts")?;
        let mut wrong = Vec::new();
        for (answer, found) in answers.iter_mut().zip(found) {
            match found {
                None => {
                    wrong.push(format!("{} was answered in block {} and is gone", answer.hash, answer.block_number))
                }
                Some(found) if reorged => *answer = found,
                Some(found) if found != *answer => wrong.push(format!("{answer:?} became {found:?}")),
                Some(_) => {}
            }
        }
        if wrong.is_empty() || !reorged || Instant::now() > deadline {
            return Ok(wrong);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether the node has the block that derivation from L1 has come to.
pub(super) async fn agrees(rpc: &Rpc, verifier: &VerifierHandle, reorged: bool) -> eyre::Result<Option<String>> {
    let deadline = Instant::now() + CONVERGE;
    loop {
        let view = verifier.view();
        if let Some(trouble) = view.trouble.filter(|_| !reorged) {
            return Ok(Some(format!("the verifier is in trouble: {trouble}")));
        }
        let ours = block(rpc, &format!("{:#x}", view.head.number)).await?;
        let same = |block: &Block| block.hash == view.head.hash && block.state_root == view.state_root;
        if ours.as_ref().is_some_and(same) {
            return Ok(None);
        }
        if !reorged || Instant::now() > deadline {
            let root = view.state_root;
            return Ok(Some(format!("L1 gives block {:?} with state root {root}, the node has {ours:?}", view.head)));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until everything is back on the chain and on L1, and the verifier has derived it: both must have the same head.
/// It may take as long as it goes on.
pub(super) async fn converge(
    node: &NodeProcess,
    name: &str,
    rpc: &Rpc,
    verifier: &VerifierHandle,
) -> eyre::Result<Option<String>> {
    let mut moved = (0, Instant::now());
    loop {
        let status = node.status(name).await?.ok_or_else(|| eyre!("the node does not run the rollup"))?;
        let (latest, safe) = (block(rpc, "latest").await?, block(rpc, "safe").await?);
        let view = verifier.view();
        let head = latest.clone().ok_or_else(|| eyre!("no latest block"))?;
        let derived = view.head.number == head.number.to::<u64>() && view.head.hash == head.hash;
        // Of one moment: what was taken back is not on the chain for a while.
        if derived && has_all(&status, &head) {
            return Ok((view.state_root != head.state_root).then(|| format!("state roots differ in {head:?}")));
        }
        if moved.0 != view.head.number {
            moved = (view.head.number, Instant::now());
        }
        if moved.1.elapsed() > CONVERGE {
            let trouble = view.trouble;
            return Ok(Some(format!(
                "nothing new on L1 within {CONVERGE:?}: latest {head:?}, safe {safe:?}, derived {:?}, trouble {trouble:?}, \
                 the node says {status}",
                view.head
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Walks through the derived chain: every answer is in it once. A verifier forgets its oldest blocks; those were looked
/// at while it had them. The node says where an answer is now: what L1 moved is in another block than it was answered in.
pub(super) async fn once_each(rpc: &Rpc, verifier: &VerifierHandle, answers: &[Answered]) -> eyre::Result<Vec<String>> {
    let reader = verifier.reader();
    let mut found: HashMap<B256, u64> = HashMap::new();
    let head = reader.head().header.number;
    let first = (0..=head).find(|number| reader.block_by_number(*number).is_ok()).unwrap_or(head);
    for number in first..=head {
        let block = reader.block_by_number(number)?.ok_or_else(|| eyre!("block {number} is not derived"))?;
        for tx in &block.transactions {
            *found.entry(tx.hash()).or_default() += 1;
        }
    }
    let count = |answer: &Answered| found.get(&answer.hash).copied().unwrap_or_default();
    let looked = answers.iter().filter(|answer| answer.block_number.to::<u64>() >= first);
    let suspects: Vec<_> = looked.filter(|answer| count(answer) != 1).collect();
    let params: Vec<Value> = suspects.iter().map(|answer| json!([answer.hash])).collect();
    let now: Vec<Option<Answered>> = rpc.calls("eth_getTransactionReceipt", &params).await.wrap_err("receipts")?;
    let forgotten = |now: &Option<Answered>| now.as_ref().is_some_and(|now| now.block_number.to::<u64>() < first);
    let wrong = suspects.into_iter().zip(now).filter(|(answer, now)| count(answer) > 0 || !forgotten(now));
    Ok(wrong.map(|(answer, _)| format!("{} is {} times in the derived chain", answer.hash, count(answer))).collect())
}

/// `mayfly verify --once`, a process that has nothing but L1: number, hash and state root of the last block, and how
/// many it derived.
pub(super) async fn derive_alone(world: &World) -> eyre::Result<(u64, B256, B256, u64)> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(&world.binary)
        .args(["verify", "--once", "--json", "--rollup", &world.info.rollup.to_string()])
        .args(["--l1-url", world.anvil.url(), "--factory", &world.factory.to_string()])
        .env("MAYFLY_DATA_DIR", dir.path())
        .stdin(Stdio::null())
        .output()
        .await?;
    ensure!(output.status.success(), "mayfly verify: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().ok_or_else(|| eyre!("mayfly verify said nothing"))?;
    let said: Value = serde_json::from_str(last)?;
    let field =
        |key: &str| said[key].as_str().and_then(|text| text.parse().ok()).ok_or_else(|| eyre!("no {key}: {said}"));
    let number = |key: &str| said[key].as_u64().ok_or_else(|| eyre!("no {key}: {said}"));
    Ok((number("number")?, field("hash")?, field("state_root")?, number("blocks")?))
}

/// Compares with a derivation from nothing but L1; answers with how many blocks that were.
pub(super) async fn compare_alone(world: &World, rpc: &Rpc) -> eyre::Result<(u64, Option<String>)> {
    let (number, hash, state_root, blocks) = derive_alone(world).await?;
    let ours = block(rpc, &format!("{number:#x}")).await?;
    let same = ours.as_ref().is_some_and(|ours| (ours.hash, ours.state_root) == (hash, state_root));
    let wrong = (!same).then(|| format!("L1 alone gives block {number} {hash} {state_root}, the node has {ours:?}"));
    Ok((blocks, wrong))
}

/// Every account's balance is the sum of its entries.
pub(super) async fn ledger(world: &World) -> eyre::Result<Option<String>> {
    let accounts = world.ledger.audit().await?;
    Ok((!accounts.is_empty()).then(|| format!("the ledger does not add up: {accounts:?}")))
}
