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
            lines.extend(state_lines(sequencer));
        }
        lines.join("\n")
    }
}

/// What the sequencer does; where that is not building, why, and what would end it; what keeps posting; what was lost.
fn state_lines(sequencer: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let condition = &sequencer["condition"];
    let (state, detail) = (text(&condition["state"]), text(&condition["detail"]));
    let mut lines = vec![format!("state    {state}")];
    if !detail.is_empty() {
        lines[0] = format!("state    {state} ({})", text(&condition["reason"]));
        lines.push(format!("why      {detail}"));
        lines.push(format!("ends     {}", text(&condition["ends"])));
    }
    let trouble = text(&sequencer["poster"]["trouble"]);
    if !trouble.is_empty() && !detail.contains(&trouble) {
        lines.push(format!("posting  {trouble}; ends {}", text(&sequencer["poster"]["trouble_ends"])));
    }
    for lost in sequencer["lost_answers"].as_array().into_iter().flatten() {
        let (first, last, most) = (&lost["first_block"], &lost["last_block"], &lost["transactions"]);
        lines.push(format!("lost     blocks {first} to {last}, up to {most} transactions, answered and not on L1"));
    }
    lines
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::state_lines;

    #[test]
    fn a_pause_is_one_state_with_its_reason_and_its_end() {
        let building = json!({"condition": {"state": "building", "reason": "none", "detail": "", "ends": ""}});
        assert_eq!(state_lines(&building), ["state    building"]);
        let paused = json!({
            "condition": {"state": "paused", "reason": "posting-stalled", "detail": "blocks unposted: no funds", "ends": "once 0x1 has ether"},
            "poster": {"trouble": "no funds", "trouble_ends": "once 0x1 has ether"},
            "lost_answers": [{"first_block": 3, "last_block": 4, "transactions": 7}],
        });
        assert_eq!(
            state_lines(&paused),
            [
                "state    paused (posting-stalled)",
                "why      blocks unposted: no funds",
                "ends     once 0x1 has ether",
                "lost     blocks 3 to 4, up to 7 transactions, answered and not on L1",
            ]
        );
    }
}
