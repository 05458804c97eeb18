//! Sending a plan, and watching for its receipts.

use super::{
    client::{Client, accepted},
    workload::{Mode, Packet, Plan},
};
use alloy_primitives::{B256, U64};
use eyre::{WrapErr, bail, ensure};
use futures::future::try_join;
use serde::Deserialize;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};

/// A run without a new receipt for so long has failed.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How fast to send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends as soon as its last request was answered.
    Flood,
    /// So many transactions a second, all connections together, on a fixed schedule.
    PerSecond(u32),
}

impl Pace {
    fn timetable(self, lane: u32, lanes: u32, per_packet: usize) -> Timetable {
        Timetable { pace: self, lane, lanes, per_packet }
    }

    /// Pause after a look that found no new block.
    fn look_again(self) -> Duration {
        match self {
            Self::Flood => Duration::from_millis(5),
            Self::PerSecond(_) => Duration::from_millis(2),
        }
    }
}

/// When one connection sends.
#[derive(Clone, Copy, Debug)]
struct Timetable {
    pace: Pace,
    lane: u32,
    lanes: u32,
    /// Transactions of a packet, the last of each lane apart, which may have fewer.
    per_packet: usize,
}

impl Timetable {
    /// When its `index`-th packet is due, after the start: connections take turns at equal distances.
    fn due(self, index: usize) -> Option<Duration> {
        let Pace::PerSecond(rate) = self.pace else { return None };
        let turn = index as f64 * f64::from(self.lanes) + f64::from(self.lane);
        Some(Duration::from_secs_f64(turn * self.per_packet as f64 / f64::from(rate.max(1))))
    }
}

/// Where a plan goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served<'a> {
    pub(crate) url: &'a str,
    pub(crate) look: Look,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    /// When sending began.
    pub(crate) started: Instant,
    /// Each block that held transactions of ours: when its receipts had been read, and how many they were.
    pub(crate) blocks: Vec<(Instant, usize)>,
    /// From the moment at which a transaction was (or should have been) sent to its receipt, sorted.
    pub(crate) latencies: Vec<Duration>,
}

/// What sender tasks and the watcher share.
struct Board {
    started: Instant,
    /// When each transaction was sent, in µs after the start.
    sent_us: Vec<AtomicU64>,
    open: Semaphore,
}

/// Sends all of a plan and returns when every receipt was read; any refusal or failed transaction is an error.
///
/// At most `most_open` are sent and not yet seen in a block, however fast the server accepts them.
pub(crate) async fn run(server: &Served<'_>, plan: Plan, pace: Pace, most_open: usize) -> eyre::Result<Seen> {
    let url = server.url;
    let mut watcher = Client::connect(url).await?;
    let next_block = watcher.call::<U64>("eth_blockNumber", json!([])).await?.to::<u64>() + 1;
    let mut clients = Vec::new();
    for _ in &plan.lanes {
        clients.push(match plan.mode {
            Mode::Ws => Client::connect_ws(url).await?,
            Mode::Single | Mode::Batch100 => Client::connect(url).await?,
        });
    }
    let board = Arc::new(Board {
        started: Instant::now(),
        sent_us: (0..plan.len()).map(|_| AtomicU64::new(0)).collect(),
        open: Semaphore::new(most_open),
    });
    let (numbers, per_packet) = (plan.numbers, plan.mode.per_request());
    let mut tasks = JoinSet::new();
    let lanes = clients.len() as u32;
    for ((client, lane), index) in clients.into_iter().zip(plan.lanes).zip(0..) {
        tasks.spawn(send(Arc::clone(&board), client, lane, pace.timetable(index, lanes, per_packet)));
    }
    let sending = async {
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    };
    let watching = async {
        let mut seen =
            Seen { started: board.started, blocks: Vec::new(), latencies: Vec::with_capacity(numbers.len()) };
        let mut block = next_block;
        let mut progress = Instant::now();
        while seen.latencies.len() < numbers.len() {
            let receipts = receipts(&mut watcher, block, server.look).await?;
            let now = Instant::now();
            let Some(receipts) = receipts else {
                ensure!(
                    now - progress < STALL_TIMEOUT,
                    "{} of {} receipts, and no more within {STALL_TIMEOUT:?}",
                    seen.latencies.len(),
                    numbers.len()
                );
                tokio::time::sleep(pace.look_again()).await;
                continue;
            };
            let before = seen.latencies.len();
            for receipt in &receipts {
                let Some(&number) = numbers.get(&receipt.transaction_hash) else { continue };
                if receipt.status.to::<u64>() != 1 {
                    bail!("transaction {} failed in block {block}", receipt.transaction_hash);
                }
                let sent = Duration::from_micros(board.sent_us[number as usize].load(Ordering::Acquire));
                seen.latencies.push((now - board.started).saturating_sub(sent));
            }
            let ours = seen.latencies.len() - before;
            if ours > 0 {
                board.open.add_permits(ours);
                seen.blocks.push((now, ours));
                progress = now;
            }
            block += 1;
        }
        Ok(seen)
    };
    let ((), mut seen) = try_join(sending, watching).await?;
    seen.latencies.sort_unstable();
    Ok(seen)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    transaction_hash: B256,
    status: U64,
}

/// What tells that transactions are in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// All receipts of a block, in one answer.
    Receipts,
    /// The hashes in a block, and one receipt.
    Hashes,
}

/// The receipts of a block; `None`: there is no such block yet.
async fn receipts(client: &mut Client, block: u64, look: Look) -> eyre::Result<Option<Vec<Receipt>>> {
    #[derive(Deserialize)]
    struct Block {
        transactions: Vec<B256>,
    }
    let block = format!("{block:#x}");
    if look == Look::Receipts {
        return client.call("eth_getBlockReceipts", json!([block])).await;
    }
    let block: Option<Block> = client.call("eth_getBlockByNumber", json!([block, false])).await?;
    let Some(Block { transactions }) = block else { return Ok(None) };
    let Some(last) = transactions.last() else { return Ok(Some(Vec::new())) };
    let one: Receipt = client.call("eth_getTransactionReceipt", json!([last])).await?;
    Ok(Some(transactions.iter().map(|hash| Receipt { transaction_hash: *hash, status: one.status }).collect()))
}

/// One connection's work.
async fn send(board: Arc<Board>, mut client: Client, lane: Vec<Packet>, timetable: Timetable) -> eyre::Result<()> {
    for (index, packet) in lane.into_iter().enumerate() {
        board.open.acquire_many(packet.transactions.len() as u32).await?.forget();
        let at = match timetable.due(index) {
            None => board.started.elapsed(),
            Some(due) => {
                tokio::time::sleep_until((board.started + due).into()).await;
                // Counted from when it was due, however late this connection is.
                due
            }
        };
        for number in &packet.transactions {
            board.sent_us[*number as usize].store(at.as_micros() as u64, Ordering::Release);
        }
        let answer = client.post(packet.body).await?;
        accepted(&answer, packet.transactions.len())
            .wrap_err_with(|| format!("transactions from number {}", packet.transactions.first().unwrap_or(&0)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn connections_take_turns_at_equal_distances() {
        let due = |lane, index| Pace::PerSecond(1_000).timetable(lane, 4, 100).due(index).unwrap().as_millis();
        assert_eq!([due(0, 0), due(1, 0), due(3, 0), due(0, 1), due(1, 1)], [0, 100, 300, 400, 500]);
        assert!(Pace::Flood.timetable(0, 4, 100).due(3).is_none());
    }
}
