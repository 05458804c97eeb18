//! One run: a fresh server, a flood for its capacity, then a steady rate for its latency.

use super::{
    drive::{self, Pace, Seen},
    flame::Recording,
    process,
    server::{Programs, Server, Target},
    sync,
    workload::{Mode, Plan, Senders, Workload},
};
use eyre::{WrapErr, ensure};
use serde::Serialize;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Answers that are waited for one at a time, and how long at most.
const IDLE_ANSWERS: usize = 1_000;
const IDLE_TIME: Duration = Duration::from_secs(20);
const IDLE_PART: usize = 10;
/// What is left of a round is sent at this rate.
const IDLE_CATCH_UP: u32 = 500;
/// So long transactions are sent at half the flood's rate, each of which waits for its receipt.
const RATE_TIME: Duration = Duration::from_secs(3);

/// How much to send.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Amounts {
    /// Transactions of a run's flood.
    pub(crate) flood: usize,
    /// Transactions of a run's steady part.
    pub(crate) steady: usize,
    /// Their rate.
    pub(crate) steady_per_s: u32,
    /// Transactions of the memory run.
    pub(crate) memory: usize,
    /// Transactions that come at once.
    pub(crate) backlog: usize,
}

/// A server that manages hundreds a second gets so much less.
const SLOW_PART: usize = 10;

impl Amounts {
    /// What a server is given.
    pub(crate) fn of(&self, target: Target) -> Self {
        let part = if target.is_slow() { SLOW_PART } else { 1 };
        Self {
            flood: self.flood.div_ceil(part),
            steady: self.steady.div_ceil(part),
            steady_per_s: self.steady_per_s.div_ceil(part as u32),
            memory: self.memory.div_ceil(part),
            backlog: self.backlog.div_ceil(part),
        }
    }
}

/// What one run found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) target: Target,
    pub(crate) workload: Workload,
    pub(crate) mode: Mode,
    pub(crate) transactions: usize,
    pub(crate) included_tx_per_s: f64,
    pub(crate) server_cpu_us_per_tx: f64,
    /// The same until everything was posted to L1 too.
    pub(crate) posted_cpu_us_per_tx: f64,
    /// L1 and PostgreSQL, which are processes of their own, until then.
    pub(crate) others_cpu_us_per_tx: f64,
    pub(crate) client_cpu_us_per_tx: f64,
    pub(crate) receipt_p50_ms: f64,
    pub(crate) receipt_p99_ms: f64,
    pub(crate) server_rss_mib: f64,
    /// Only of transactions that are sent singly.
    pub(crate) sync: Option<SyncLatency>,
}

/// `eth_sendRawTransactionSync`: from sending to the receipt.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SyncLatency {
    /// One at a time.
    pub(crate) idle_p50_ms: f64,
    pub(crate) idle_p99_ms: f64,
    /// At half the rate that the flood was included at, on a fixed schedule.
    pub(crate) half_per_s: f64,
    pub(crate) half_p50_ms: f64,
    pub(crate) half_p99_ms: f64,
}

/// Times of an append that waits for the disk, in milliseconds: whether durability costs here what it costs elsewhere.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SyncTimes {
    pub(crate) sync_ms: f64,
    pub(crate) sync_p50_ms: f64,
    pub(crate) sync_p99_ms: f64,
}

/// What the backlog found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Backlog {
    pub(crate) target: Target,
    pub(crate) workload: Workload,
    pub(crate) transactions: usize,
    /// From sending to the last receipt.
    pub(crate) included_seconds: f64,
    pub(crate) receipt_p50_ms: f64,
    pub(crate) receipt_p99_ms: f64,
    /// The most that the server's process took in its life.
    pub(crate) peak_rss_mib: f64,
}

/// CPU time at one moment.
struct Spent {
    server: Duration,
    family: Duration,
    client: Duration,
}

impl Spent {
    fn now(server: &Server) -> eyre::Result<Self> {
        Ok(Self {
            server: process::cpu(server.pid())?,
            family: process::tree_cpu(&server.roots())?,
            client: process::cpu(std::process::id())?,
        })
    }
}

/// A server with a token on it and senders that can use it.
pub(crate) struct Bench {
    pub(crate) server: Server,
    senders: Senders,
    mode: Mode,
    most_open: usize,
}

impl Bench {
    /// On empty data.
    pub(crate) async fn start(
        target: Target,
        workload: Workload,
        mode: Mode,
        programs: &Programs,
        dir: &Path,
    ) -> eyre::Result<Self> {
        let server = Server::start(target, programs, dir).await.wrap_err("starting the server")?;
        let mut senders = Senders::new(server.chain_id, workload);
        if let Some(deployment) = senders.deployment() {
            drive::run(&server.served(), Plan::new(&[deployment], Mode::Single), Pace::Flood, target.most_open())
                .await
                .wrap_err("deploying the contract")?;
        }
        drive::run(
            &server.served(),
            Plan::new(&senders.preparation()?, Mode::Batch100),
            Pace::Flood,
            target.most_open(),
        )
        .await
        .wrap_err("preparing the senders")?;
        Ok(Self { server, senders, mode, most_open: programs.most_open.unwrap_or_else(|| target.most_open()) })
    }

    /// Sends so many and waits until each is in a block.
    pub(crate) async fn drive(&mut self, count: usize, pace: Pace) -> eyre::Result<Seen> {
        let plan = Plan::new(&self.senders.load(count)?, self.mode);
        let outcome = drive::run(&self.server.served(), plan, pace, self.most_open).await;
        // Why it stopped answering says more than that it did.
        self.server.check()?;
        outcome
    }
}

impl Bench {
    /// Singly and one at a time for some seconds, then at a rate.
    async fn sync(&mut self, per_second: f64) -> eyre::Result<SyncLatency> {
        let begun = Instant::now();
        let mut idle = Vec::new();
        // Rounds of all senders; where blocks take a second, a few answers must do.
        while idle.len() < IDLE_ANSWERS && begun.elapsed() < IDLE_TIME {
            let all = self.senders.load(1)?;
            for part in all.chunks(IDLE_PART) {
                if begun.elapsed() < IDLE_TIME {
                    idle.extend(sync::idle(&self.server.url, part).await?);
                } else {
                    // Every sender goes on from its next nonce.
                    sync::paced(&self.server.url, part.to_vec(), f64::from(IDLE_CATCH_UP)).await?;
                }
            }
        }
        idle.sort_unstable();
        let count = (per_second * RATE_TIME.as_secs_f64()).ceil() as usize;
        let half = sync::paced(&self.server.url, self.senders.load(count)?, per_second).await;
        self.server.check()?;
        let half = half?;
        Ok(SyncLatency {
            idle_p50_ms: percentile_ms(&idle, 50),
            idle_p99_ms: percentile_ms(&idle, 99),
            half_per_s: per_second,
            half_p50_ms: percentile_ms(&half, 50),
            half_p99_ms: percentile_ms(&half, 99),
        })
    }
}

/// One run.
pub(crate) async fn run(
    target: Target,
    workload: Workload,
    mode: Mode,
    amounts: &Amounts,
    programs: &Programs,
    flame: Option<&Path>,
) -> eyre::Result<Run> {
    let (dir, amounts) = (work_dir(programs)?, amounts.of(target));
    let mut bench = Bench::start(target, workload, mode, programs, dir.path()).await?;
    let plan = Plan::new(&bench.senders.load(amounts.flood)?, mode);
    let transactions = plan.len();
    bench.server.settle().await?;

    let recording = flame.map(|_| Recording::start(bench.server.pid(), dir.path())).transpose()?;
    let before = Spent::now(&bench.server)?;
    let outcome = drive::run(&bench.server.served(), plan, Pace::Flood, bench.most_open).await;
    let after = Spent::now(&bench.server)?;
    bench.server.check()?;
    if let (Some(recording), Some(flame)) = (recording, flame) {
        let mut name = flame.with_extension("").into_os_string();
        name.push(format!("-{workload:?}-{mode:?}.svg").to_lowercase());
        recording.draw(Path::new(&name))?;
    }
    let flood = outcome.wrap_err("the flood")?;
    bench.server.settle().await?;
    let posted = Spent::now(&bench.server)?;
    let server_rss_mib = process::resident_mib(bench.server.pid())?;

    let steady =
        bench.drive(amounts.steady, Pace::PerSecond(amounts.steady_per_s)).await.wrap_err("the steady part")?;
    let included = included_per_s(flood.started, &flood.blocks);
    let sync = match mode {
        // Hardhat has no such method, and anvil was asked as anvil-blocktime.
        Mode::Single if !matches!(target, Target::AnvilHashes | Target::Hardhat) => {
            Some(bench.sync(included / 2.0).await.wrap_err("sending and waiting")?)
        }
        Mode::Single | Mode::Batch100 | Mode::Ws => None,
    };
    bench.server.stop()?;
    let per_tx = |time: Duration| time.as_secs_f64() * 1e6 / transactions as f64;
    let others = posted.family.saturating_sub(posted.server).saturating_sub(before.family - before.server);
    Ok(Run {
        target,
        workload,
        mode,
        transactions,
        included_tx_per_s: included,
        server_cpu_us_per_tx: per_tx(after.server - before.server),
        posted_cpu_us_per_tx: per_tx(posted.server - before.server),
        others_cpu_us_per_tx: per_tx(others),
        client_cpu_us_per_tx: per_tx(after.client - before.client),
        receipt_p50_ms: percentile_ms(&steady.latencies, 50),
        receipt_p99_ms: percentile_ms(&steady.latencies, 99),
        server_rss_mib,
        sync,
    })
}

/// Everything at once: on so many connections each its part in one request.
pub(crate) async fn backlog(target: Target, count: usize, programs: &Programs) -> eyre::Result<Backlog> {
    const CONNECTIONS: usize = 200;
    let (workload, mode) = (Workload::Erc20, Mode::Batch100);
    let dir = work_dir(programs)?;
    let mut bench = Bench::start(target, workload, mode, programs, dir.path()).await?;
    let plan = Plan::over(&bench.senders.load(count)?, mode, CONNECTIONS);
    let transactions = plan.len();
    let outcome = drive::run(&bench.server.served(), plan, Pace::Flood, transactions).await;
    bench.server.check()?;
    let seen = outcome.wrap_err("the backlog")?;
    let end = seen.blocks.last().map_or(seen.started, |(at, _)| *at);
    let peak_rss_mib = process::peak_mib(bench.server.pid())?;
    bench.server.stop()?;
    Ok(Backlog {
        target,
        workload,
        transactions,
        included_seconds: (end - seen.started).as_secs_f64(),
        receipt_p50_ms: percentile_ms(&seen.latencies, 50),
        receipt_p99_ms: percentile_ms(&seen.latencies, 99),
        peak_rss_mib,
    })
}

/// A directory of its own on the disk that is measured, removed at the end. PostgreSQL's user must be able to pass.
pub(crate) fn work_dir(programs: &Programs) -> eyre::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let everybody_passes = std::fs::Permissions::from_mode(0o711);
    tempfile::Builder::new()
        .prefix("mayfly-bench-")
        .permissions(everybody_passes)
        .tempdir_in(&programs.dir)
        .wrap_err_with(|| programs.dir.display().to_string())
}

/// Included transactions per second: from the first block to the last but one, for the first may have begun before
/// we did, and the last may have waited half empty. Too few blocks: from the start of sending to the last receipt.
fn included_per_s(started: Instant, blocks: &[(Instant, usize)]) -> f64 {
    const ENOUGH_BLOCKS: usize = 5;
    let (span, count) = match blocks {
        [] => return 0.0,
        [(first, _), inner @ .., (end, _), _] if blocks.len() >= ENOUGH_BLOCKS => {
            (*end - *first, inner.iter().map(|block| block.1).sum::<usize>() + blocks[blocks.len() - 2].1)
        }
        [.., (end, _)] => (*end - started, blocks.iter().map(|block| block.1).sum()),
    };
    count as f64 / span.as_secs_f64().max(1e-6)
}

/// The least of the sorted values that at least `percent` of them do not exceed.
fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |value| value.as_secs_f64() * 1e3)
}

/// Appends pages and waits each time until the page is on the disk.
pub(crate) fn sync_times(programs: &Programs) -> eyre::Result<SyncTimes> {
    use std::io::Write;
    const APPENDS: usize = 200;
    let mut file = tempfile::NamedTempFile::new_in(&programs.dir)?;
    let mut times = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let start = Instant::now();
        file.write_all(&[7; 4096])?;
        file.as_file().sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let mean = times.iter().sum::<Duration>().as_secs_f64() * 1e3 / APPENDS as f64;
    ensure!(mean > 0.0, "the clock stands still");
    Ok(SyncTimes { sync_ms: mean, sync_p50_ms: percentile_ms(&times, 50), sync_p99_ms: percentile_ms(&times, 99) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((percentile_ms(&values, 50), percentile_ms(&values, 99)), (100.0, 198.0));
        assert_eq!(percentile_ms(&values[..1], 99), 1.0);
        assert_eq!(percentile_ms(&[], 50), 0.0);
    }

    #[test]
    fn the_rate_leaves_out_the_ends() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let blocks = [(at(1), 7), (at(2), 100), (at(3), 100), (at(4), 100), (at(5), 3)];
        assert_eq!(included_per_s(start, &blocks), 100.0);
        assert_eq!(included_per_s(start, &blocks[..2]), 53.5);
        assert_eq!(included_per_s(start, &[]), 0.0);
    }
}
