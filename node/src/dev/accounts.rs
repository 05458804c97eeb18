//! Who is who among the funded accounts, and settings that make sense on a chain of
//! one-second blocks.

use mayfly_sequencer::SequencerSettings;

use super::DevAccount;
use crate::keys::{DEV_ACCOUNTS, dev_key, dev_secret};

/// Deploys the contracts and organises rollups.
pub(super) const ORGANISER: usize = 0;
/// Posts the node's batches.
pub(super) const SEQUENCER: usize = 1;
/// Signs the node's receipts.
pub(super) const RECEIPTS: usize = 2;

/// The funded accounts with what the stack uses them for.
pub(super) fn accounts() -> eyre::Result<Vec<DevAccount>> {
    (0..DEV_ACCOUNTS)
        .map(|index| {
            let role = match index {
                ORGANISER => "organiser",
                SEQUENCER => "sequencer",
                RECEIPTS => "receipts",
                3..=5 => "attester",
                6 => "proposer",
                _ => "user",
            };
            Ok(DevAccount {
                role: role.into(),
                key: format!("dev:{index}"),
                address: dev_key(index)?.address(),
                private_key: dev_secret(index).unwrap_or_default(),
            })
        })
        .collect()
}

/// L1 blocks come every second and windows are seconds: post and look more often.
pub(super) fn quicken(settings: &mut SequencerSettings) {
    settings.max_unposted_seconds = settings.max_unposted_seconds.min(4);
    settings.post_margin_seconds = settings.post_margin_seconds.min(3);
    settings.overdue_margin_seconds = settings.overdue_margin_seconds.min(2);
    settings.l1_poll_ms = settings.l1_poll_ms.min(250);
    settings.bump_after_seconds = settings.bump_after_seconds.min(10);
}
