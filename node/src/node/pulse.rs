//! Says on `/readyz` what the node misses: L1, its database, or a rollup that takes no transactions.

use std::{sync::Arc, time::Duration};

use mayfly_l1::{BlockTag, L1Client};
use mayfly_ledger::Ledger;
use mayfly_sequencer::{PauseReason, SequencerHandle, Stage, Status};

use crate::http::Readiness;

/// How long L1 and the database may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks at a sequencer.
const STATUS_POLL: Duration = Duration::from_millis(250);

/// A rollup's part of the readiness.
pub(super) fn part(name: &str) -> String {
    format!("rollup/{name}")
}

/// Watches what all rollups need.
pub(super) async fn watch_services(l1: L1Client, ledger: Ledger, readiness: Arc<Readiness>, poll: Duration) {
    loop {
        let asked_l1 = tokio::time::timeout(ANSWER_TIMEOUT, l1.try_header(BlockTag::Latest));
        let asked_ledger = tokio::time::timeout(ANSWER_TIMEOUT, ledger.l1_head());
        let (l1_answer, ledger_answer) = tokio::join!(asked_l1, asked_ledger);
        for (part, answers) in
            [("l1", matches!(l1_answer, Ok(Ok(_)))), ("database", matches!(ledger_answer, Ok(Ok(_))))]
        {
            if answers {
                readiness.clear(part);
            } else {
                readiness.hold(part, "it does not answer");
            }
        }
        tokio::time::sleep(poll).await;
    }
}

/// Watches one rollup.
pub(super) async fn watch_rollup(handle: SequencerHandle, readiness: Arc<Readiness>, name: String) {
    let part = part(&name);
    loop {
        match held_back(&handle.status()) {
            Some(why) => readiness.hold(part.as_str(), why),
            None => readiness.clear(&part),
        }
        tokio::time::sleep(STATUS_POLL).await;
    }
}

/// Why a rollup that should takes no transactions; without what L1's endpoints or the poster said.
fn held_back(status: &Status) -> Option<String> {
    if status.failure.is_some() {
        return Some("its sequencer failed".to_owned());
    }
    if matches!(status.stage, Stage::Frozen | Stage::Closing | Stage::Closed) {
        return None;
    }
    match &status.pause {
        Some(PauseReason::PostingStalled { seconds, max_seconds, .. }) => {
            Some(format!("blocks unposted for {seconds} s, at most {max_seconds} s allowed"))
        }
        Some(reason) => Some(reason.to_string()),
        None if !status.synced => Some(PauseReason::Syncing.to_string()),
        None => None,
    }
}
