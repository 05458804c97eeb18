//! What a running node says of its rollups, and what a stopped one would begin with.

use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::Address;
use mayfly_l1::{BlockTag, L1Client};
use mayfly_ledger::{BatchState, Ledger, Role, Rollup};
use mayfly_sequencer::last_stand;
use serde_json::Value;

use super::{Check, Verdict};
use crate::config::NodeConfig;
use crate::node::known::{self, Known};

/// How long a running node may take to answer.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// One check a rollup, of the node that runs, or of what it left.
pub(super) async fn rollups(config: &NodeConfig, l1: &L1Client) -> Vec<Check> {
    match running(config).await {
        Ok(Some(rollups)) if rollups.is_empty() => {
            vec![Check::new("node", Verdict::Ok, "runs, and sequences no rollup")]
        }
        Ok(Some(rollups)) => rollups.iter().map(of_running).collect(),
        Ok(None) => stopped(config, l1).await,
        Err(why) => vec![Check::new("node", Verdict::Warn, why)],
    }
}

/// The rollups of the node that answers at `admin.listen`; none if nothing listens there.
async fn running(config: &NodeConfig) -> Result<Option<Vec<Value>>, String> {
    let client = reqwest::Client::builder().timeout(ADMIN_TIMEOUT).build().map_err(|e| e.to_string())?;
    let token = std::fs::read_to_string(config.path(&config.admin.token_file)).unwrap_or_default();
    let request = client.get(format!("http://{}/admin/rollups", config.admin.listen)).bearer_auth(token.trim());
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Ok(None),
        Err(error) => return Err(format!("{} does not answer: {error}", config.admin.listen)),
    };
    if !answer.status().is_success() {
        return Err(format!("{} answered {}", config.admin.listen, answer.status()));
    }
    let list: Value = answer.json().await.map_err(|error| error.to_string())?;
    Ok(Some(list["rollups"].as_array().cloned().unwrap_or_default()))
}

fn of_running(rollup: &Value) -> Check {
    let name = format!("rollup {}", rollup["name"].as_str().unwrap_or_default());
    let sequencer = &rollup["sequencer"];
    let condition = &sequencer["condition"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (state, reason) = (text(&condition["state"]), text(&condition["reason"]));
    let mut verdict = match state.as_str() {
        "building" | "ended" => Verdict::Ok,
        "failed" => Verdict::Fail,
        _ => Verdict::Warn,
    };
    let mut detail = match state.as_str() {
        "building" => {
            format!("builds blocks; {} unposted, for {} s", sequencer["unposted_blocks"], sequencer["unposted_seconds"])
        }
        _ => format!("{state} ({reason}): {}; ends {}", text(&condition["detail"]), text(&condition["ends"])),
    };
    let trouble = text(&sequencer["poster"]["trouble"]);
    if !trouble.is_empty() && !detail.contains(&trouble) {
        verdict = if verdict == Verdict::Ok { Verdict::Warn } else { verdict };
        let ends = text(&sequencer["poster"]["trouble_ends"]);
        detail = format!("{detail}; posting: {trouble}; ends {ends}");
    }
    for lost in sequencer["lost_answers"].as_array().into_iter().flatten() {
        verdict = if verdict == Verdict::Ok { Verdict::Warn } else { verdict };
        let (first, last, most) = (&lost["first_block"], &lost["last_block"], &lost["transactions"]);
        detail = format!("{detail}; blocks {first} to {last}, up to {most} transactions, were answered and lost");
    }
    Check::new(name, verdict, detail)
}

/// What the data directory and the ledger hold. Neither is changed; a private database is not started for it.
async fn stopped(config: &NodeConfig, l1: &L1Client) -> Vec<Check> {
    let ledger = match config.database.url.as_str() {
        "" => None,
        url => Ledger::look(url).await.ok(),
    };
    let recorded = match &ledger {
        Some(ledger) => ledger.rollups().await.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut checks = vec![Check::new("node", Verdict::Ok, format!("nothing listens at {}", config.admin.listen))];
    let dir = config.data_dir.join("rollups");
    let here = known::all(&dir);
    for Known { name, info, .. } in &here {
        let place = Place { dir: dir.join(format!("{:?}", info.rollup)), rollup: info.rollup };
        let name = format!("rollup {name}");
        checks.push(match place.look(ledger.as_ref(), l1).await {
            Ok((verdict, detail)) => Check::new(name, verdict, detail),
            Err(why) => Check::new(name, Verdict::Fail, why),
        });
    }
    let is_gone = |r: &&Rollup| r.role == Role::Sequencer && !here.iter().any(|known| known.info.rollup == r.address);
    for rollup in recorded.iter().filter(is_gone) {
        let place = Place { dir: dir.join(format!("{:?}", rollup.address)), rollup: rollup.address };
        let found = match &ledger {
            Some(ledger) => place.answers(ledger, 0).await.unwrap_or_else(|why| why),
            None => String::new(),
        };
        let detail = format!("its chain's directory is gone: a start derives it from L1 again{found}");
        checks.push(Check::new(format!("rollup {}", rollup.name), Verdict::Warn, detail));
    }
    if let Some(ledger) = ledger {
        ledger.close().await;
    }
    checks
}

/// Where a rollup's files are.
struct Place {
    dir: PathBuf,
    rollup: Address,
}

impl Place {
    async fn look(&self, ledger: Option<&Ledger>, l1: &L1Client) -> Result<(Verdict, String), String> {
        let Some(stand) = last_stand(&self.dir.join("sequencer")).map_err(|e| e.to_string())? else {
            return Ok((Verdict::Ok, "read from L1's creation of it on".to_owned()));
        };
        let header = l1.try_header(BlockTag::Number(stand.l1.number)).await.map_err(|e| e.to_string())?;
        let agrees = header.is_some_and(|header| header.hash() == stand.l1.hash) || stand.batch_seq == 0;
        let mut verdict = if agrees { Verdict::Ok } else { Verdict::Warn };
        let mut detail = format!("on L1 up to batch {}, block {}", stand.batch_seq, stand.head.number);
        if !agrees {
            detail = format!("{detail}; L1 took block {} back since: so does the next start", stand.l1.number);
        }
        if self.dir.join("sequencer/rescue.bin").exists() {
            verdict = Verdict::Warn;
            detail = format!("{detail}; answered transactions wait to be put on the chain again");
        }
        if let Some(ledger) = ledger {
            detail = format!("{detail}{}", self.answers(ledger, stand.head.number).await?);
        }
        Ok((verdict, detail))
    }

    /// What the ledger knows of answers after block `posted`, and of a batch under way.
    async fn answers(&self, ledger: &Ledger, posted: u64) -> Result<String, String> {
        let say = |error: mayfly_ledger::LedgerError| error.to_string();
        let mut text = String::new();
        if let Some(answered) = ledger.answered(self.rollup).await.map_err(say)?.filter(|a| a.block > posted) {
            text = format!("; answered up to block {} ({} transactions)", answered.block, answered.transactions);
        }
        let last = ledger.last_batch(self.rollup).await.map_err(say)?;
        if let Some(batch) = last.filter(|batch| batch.state == BatchState::Built) {
            let to = batch.content.map_or(0, |content| content.last_block);
            text = format!("{text}; batch {} up to block {to} is on its way", batch.fields.seq);
        }
        Ok(text)
    }
}
