//! Send → receipt in one call: `eth_sendRawTransactionSync`, as a wallet waits for it.

use super::{client::Client, workload::Signed};
use eyre::{WrapErr, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::{Duration, Instant};
use tokio::{sync::mpsc, task::JoinSet};

/// Connections that wait for answers, where more than one does.
const CONNECTIONS: usize = 200;

/// From the moment a transaction was sent, or should have been, to its receipt, sorted.
pub(crate) type Latencies = Vec<Duration>;

/// One transaction at a time: the next is sent when the last was answered.
pub(crate) async fn idle(url: &str, transactions: &[Signed]) -> eyre::Result<Latencies> {
    let mut client = Client::connect(url).await?;
    let mut latencies = Vec::with_capacity(transactions.len());
    for signed in transactions {
        let sent = Instant::now();
        ask(&mut client, signed).await?;
        latencies.push(sent.elapsed());
    }
    latencies.sort_unstable();
    Ok(latencies)
}

/// So many a second on a fixed schedule, however long answers take; a late connection does not reset the clock. The
/// transactions of a sender share a connection if its place in every round of [`CONNECTIONS`] is the same.
pub(crate) async fn paced(url: &str, transactions: Vec<Signed>, per_second: f64) -> eyre::Result<Latencies> {
    let mut tasks = JoinSet::new();
    let mut lanes = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(url).await?;
        let (lane, mut due) = mpsc::channel::<(Instant, Signed)>(transactions.len().div_ceil(CONNECTIONS).max(1));
        lanes.push(lane);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while let Some((due, signed)) = due.recv().await {
                ask(&mut client, &signed).await?;
                latencies.push(due.elapsed());
            }
            eyre::Ok(latencies)
        });
    }
    let mut latencies = Vec::with_capacity(transactions.len());
    // A thread of its own: the runtime's timers are a millisecond late, which would count as the server's.
    std::thread::Builder::new().name("schedule".to_owned()).spawn(move || {
        let begun = Instant::now();
        for (index, signed) in transactions.into_iter().enumerate() {
            let due = begun + Duration::from_secs_f64(index as f64 / per_second.max(1.0));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // One that failed has said so.
            let _ = lanes[index % CONNECTIONS].try_send((due, signed));
        }
    })?;
    while let Some(lane) = tasks.join_next().await {
        latencies.extend(lane??);
    }
    latencies.sort_unstable();
    Ok(latencies)
}

async fn ask(client: &mut Client, signed: &Signed) -> eyre::Result<()> {
    let answer = client.post(signed.call("eth_sendRawTransactionSync", 0).into()).await?;
    succeeded(&answer).wrap_err_with(|| String::from_utf8_lossy(&answer).into_owned())
}

/// Whether the answer is the receipt of a transaction that succeeded.
fn succeeded(answer: &[u8]) -> eyre::Result<()> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        result: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Receipt {
        status: String,
    }
    let answer: Answer<'_> = serde_json::from_slice(answer)?;
    let receipt: Receipt = serde_json::from_str(answer.result.map_or("null", RawValue::get))?;
    ensure!(receipt.status == "0x1", "it failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_receipt_of_a_success_counts() {
        assert!(succeeded(br#"{"id":0,"result":{"status":"0x1","logs":[]}}"#).is_ok());
        for bad in
            [&br#"{"id":0,"result":{"status":"0x0"}}"#[..], br#"{"id":0,"error":{"code":4}}"#, br#"{"result":"0x12"}"#]
        {
            assert!(succeeded(bad).is_err());
        }
    }
}
