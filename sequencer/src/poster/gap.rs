//! Nonces that L1 lost: a reorganisation, of final blocks even, takes transactions of the posting key away that nothing
//! sends again, since their posts have ended or another program sent them. What comes after them would wait for ever.
//!
//! Each such nonce is used up by a transaction that does nothing. It alone goes out without a place in the ledger: its
//! nonce is given, so that it cannot be mined twice, and whoever finds it unmined sends it anew.

use std::time::Duration;

use mayfly_l1::{Fees, L1Error, Sender, TxKind};
use mayfly_ledger::Post;
use tokio::time::Instant;

use super::drive::l1_error;
use crate::error::SequencerError;

/// Nonces used up at a time: pools take few from one account.
const MAX_AT_ONCE: usize = 16;

/// The gap that was seen last.
#[derive(Debug)]
pub(super) struct Gap {
    first: u64,
    /// When it was first seen, or last offered for.
    since: Instant,
    offered: Option<Fees>,
    kind: TxKind,
}

/// The nonces from `mined` on, before the last one that an open post has, that no open post has.
fn missing(taken: &[u64], mined: u64) -> Vec<u64> {
    let last = taken.iter().copied().max().unwrap_or(0);
    (mined..last).filter(|nonce| !taken.contains(nonce)).take(MAX_AT_ONCE).collect()
}

/// Looks for a gap, and closes one that stays. Says what is missing, if something is.
pub(super) async fn close(
    gap: &mut Option<Gap>,
    sender: &Sender,
    open: &[Post],
    bump_after: Duration,
) -> Result<Option<String>, SequencerError> {
    let taken: Vec<u64> = open.iter().filter_map(|post| post.nonce).collect();
    let nonces = missing(&taken, sender.mined_nonce().await.map_err(l1_error)?);
    let (Some(first), Some(last)) = (nonces.first().copied(), nonces.last().copied()) else {
        *gap = None;
        return Ok(None);
    };
    let seen = match gap.take() {
        Some(seen) if seen.first == first => seen,
        // What a reorganisation took may come back by itself, and an endpoint may be behind.
        _ => Gap { first, since: Instant::now(), offered: None, kind: TxKind::Plain },
    };
    let wait = if seen.offered.is_some() { bump_after } else { bump_after / 4 };
    let mut why = format!("l1 lost what used the nonces {first} to {last} of the posting key; they are used up anew");
    if seen.since.elapsed() >= wait {
        let (next, trouble) = use_up(seen, sender, &nonces).await?;
        *gap = Some(next);
        if let Some(error) = trouble {
            why = format!("{why}: {error}");
        }
    } else {
        *gap = Some(seen);
    }
    Ok(Some(why))
}

async fn use_up(seen: Gap, sender: &Sender, nonces: &[u64]) -> Result<(Gap, Option<L1Error>), SequencerError> {
    let mut kind = seen.kind;
    let offer = match sender.quote(kind).await.map_err(l1_error)?.within_caps() {
        Ok(fees) => seen.offered.map_or(Ok(fees), |before| before.bump(fees, kind, sender.caps())),
        Err(error) => Err(error),
    };
    let fees = match offer {
        Ok(fees) => fees,
        Err(error) => return Ok((seen, Some(error))),
    };
    let mut trouble = None;
    for nonce in nonces {
        let signed = sender.sign_cancel(*nonce, fees, kind).await.map_err(l1_error)?;
        match sender.broadcast(&signed.raw).await {
            Ok(_) => tracing::warn!(nonce, hash = %signed.hash, "using up a nonce that l1 lost"),
            // Somebody else's transaction, or the lost one, is back.
            Err(L1Error::NonceTooLow(_) | L1Error::ReplacementUnderpriced(_)) => {}
            Err(error) => {
                if matches!(error, L1Error::KindBlocked(_)) {
                    kind = TxKind::Blob;
                }
                trouble = Some(error);
                break;
            }
        }
    }
    Ok((Gap { since: Instant::now(), offered: Some(fees), kind, ..seen }, trouble))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_open_post_has_is_missing() {
        assert_eq!(missing(&[7, 9], 5), [5, 6, 8]);
        assert_eq!(missing(&[7, 9], 7), [8]);
        assert_eq!(missing(&[7, 9], 9), [0; 0]);
        assert_eq!(missing(&[100], 0).len(), MAX_AT_ONCE);
        assert_eq!(missing(&[], 3), [0; 0]);
    }
}
