//! `mayfly rollup status` and `list`.

use alloy_primitives::Address;
use alloy_sol_types::SolEvent;
use mayfly_contracts::factory::RollupFactory;
use serde::Serialize;
use serde_json::Value;

use super::{args::OneRollup, chain::OnL1};
use crate::cli::{
    output::{self, Report, ether, progress},
    session::Session,
};

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    l1: OnL1,
    /// What the node says; null if it does not run the rollup, or none was named.
    node: Option<Value>,
}

impl Report for Status {
    fn text(&self) -> String {
        let l1 = &self.l1;
        let stage = format!("{:?}", l1.stage).to_lowercase();
        let left = |time: u64| match time.checked_sub(l1.l1_time) {
            Some(seconds) => format!("{time}, in {seconds} s"),
            None => format!("{time}, {} s ago", l1.l1_time - time),
        };
        let mut lines = vec![
            format!("rollup   {} (chain {})", l1.rollup, l1.chain_id),
            format!("stage    {stage}"),
            format!("ends     {}", left(l1.end_time)),
            format!("closes   {}", left(l1.close_time)),
            format!(
                "on L1    {} batches, {} queue items, {} in custody",
                l1.batches,
                l1.queue_length,
                ether(l1.custody_wei)
            ),
        ];
        if let Some(node) = &self.node {
            let (sequencer, posted) = (&node["sequencer"], &node["posted"]);
            let number = |head: &str| sequencer[head]["number"].clone();
            lines.push(format!("RPC      {}", node["rpc_url"].as_str().unwrap_or_default()));
            lines.push(format!(
                "blocks   latest {}, posted {}, safe {}, finalized {}",
                number("latest"),
                number("posted"),
                number("safe"),
                number("finalized")
            ));
            lines.push(format!(
                "posted   {} transactions, {} bytes, {} blobs; {} blocks unposted for {} s",
                posted["transactions"],
                posted["payload_bytes"],
                posted["blobs"],
                sequencer["unposted_blocks"],
                sequencer["unposted_seconds"]
            ));
            for (name, trouble) in
                [("paused", &sequencer["pause_reason"]), ("trouble", &sequencer["poster"]["trouble"])]
            {
                if let Some(text) = trouble.as_str().filter(|text| !text.is_empty()) {
                    lines.push(format!("{name:<8} {text}"));
                }
            }
        }
        lines.join("\n")
    }
}

#[derive(Serialize)]
struct Listed {
    rollup: Address,
    chain_id: u64,
    l1_number: u64,
    end_time: u64,
}

#[derive(Serialize)]
struct List {
    factory: Address,
    rollups: Vec<Listed>,
}

impl Report for List {
    fn text(&self) -> String {
        let line =
            |r: &Listed| format!("{}  chain {}  L1 block {}  ends {}", r.rollup, r.chain_id, r.l1_number, r.end_time);
        self.rollups.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

pub(super) async fn run(session: &Session, one: OneRollup, json: bool) -> eyre::Result<()> {
    let rollup = session.rollup(&one.rollup).await?;
    let l1 = OnL1::read(&session.l1, rollup).await?;
    let node = match session.admin::<Value>("/admin/rollups", None).await {
        Ok(list) => list.and_then(|l| {
            let of_rollup = |r: &&Value| r["rollup"].as_str().and_then(|a| a.parse().ok()) == Some(rollup);
            l["rollups"].as_array()?.iter().find(of_rollup).cloned()
        }),
        Err(e) => {
            // L1 answers also when the node is gone: that is what it is for.
            progress(format!("the node does not answer: {e:#}"));
            None
        }
    };
    output::print(&Status { l1, node }, json)
}

pub(super) async fn list(session: &Session, json: bool) -> eyre::Result<()> {
    let factory = session.target.factory()?;
    let logs = super::chain::creations(&session.l1, factory).await?;
    let rollups = logs
        .into_iter()
        .filter_map(|log| {
            let created = RollupFactory::RollupCreated::decode_log_data(&log.log.data).ok()?;
            Some(Listed {
                rollup: created.rollup,
                chain_id: created.chainId,
                l1_number: log.header.number,
                end_time: created.config.endTime,
            })
        })
        .collect();
    output::print(&List { factory, rollups }, json)
}
