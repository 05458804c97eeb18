//! Nonces that nothing uses. After a reorganisation L1's pool may have forgotten what was mined before, and what is under
//! way waits behind it for ever.

use std::time::Duration;

use mayfly_l1::{Fees, L1Error, Sender, TxKind};
use tokio::time::Instant;

use super::flights::Flights;

/// Nonces filled at a time: pools take few from one account.
const MAX_AT_ONCE: usize = 16;
/// So long a nonce is missing before it is filled: pools give back by themselves what a reorganisation took, and an
/// endpoint may be behind.
const FILL_AFTER: Duration = Duration::from_secs(3);

/// A transaction that does nothing but use its nonce.
#[derive(Debug)]
struct Filler {
    nonce: u64,
    fees: Fees,
    offered: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gap {
    /// The first missing nonce, and since when it is.
    seen: Option<(u64, Instant)>,
    fillers: Vec<Filler>,
}

impl Gap {
    /// Fills every nonce before one that is under way for which neither the pool nor anything under way has a
    /// transaction, and offers more for fillers that are not mined. False if it is too early to fill what is missing.
    pub(super) async fn close(
        &mut self,
        sender: &Sender,
        flights: &Flights,
        bump_after: Duration,
    ) -> Result<bool, L1Error> {
        if flights.is_empty() {
            self.seen = None;
            return Ok(true);
        }
        self.offer_more(sender, flights, bump_after).await?;
        let first = sender.pending_nonce().await?;
        if !flights.wait_behind(first) {
            self.seen = None;
            return Ok(true);
        }
        let since = self.seen.filter(|(nonce, _)| *nonce == first).map_or_else(Instant::now, |(_, since)| since);
        self.seen = Some((first, since));
        if since.elapsed() < FILL_AFTER {
            return Ok(false);
        }
        let mut next = Some(first);
        for _ in 0..MAX_AT_ONCE {
            let Some(nonce) = next.filter(|nonce| flights.wait_behind(*nonce)) else { break };
            self.fill(sender, nonce, sender.suggest_fees().await?).await?;
            // An endpoint that lags says the same again.
            next = Some(sender.pending_nonce().await?).filter(|next| *next > nonce);
        }
        Ok(true)
    }

    async fn offer_more(&mut self, sender: &Sender, flights: &Flights, bump_after: Duration) -> Result<(), L1Error> {
        if self.fillers.is_empty() {
            return Ok(());
        }
        let (mined, suggested) = (sender.mined_nonce().await?, sender.suggest_fees().await?);
        // Where the pool forgot a filler, something useful may have its nonce now.
        self.fillers.retain(|filler| filler.nonce >= mined && !flights.uses(filler.nonce));
        let old = |filler: &&Filler| filler.offered.elapsed() >= bump_after;
        let old: Vec<(u64, Fees)> = self.fillers.iter().filter(old).map(|filler| (filler.nonce, filler.fees)).collect();
        for (nonce, fees) in old {
            match fees.bump(suggested, TxKind::Plain, sender.caps()) {
                Ok(fees) => self.fill(sender, nonce, fees).await?,
                Err(error) => tracing::warn!(%error, nonce, "cannot offer more for a filler"),
            }
        }
        Ok(())
    }

    async fn fill(&mut self, sender: &Sender, nonce: u64, fees: Fees) -> Result<(), L1Error> {
        let filler = sender.sign_cancel(nonce, fees, TxKind::Plain).await?;
        match sender.broadcast(&filler.raw).await {
            Ok(_) => tracing::warn!(nonce, tx = %filler.hash, "filled a nonce that l1 forgot"),
            // What was forgotten is back.
            Err(L1Error::NonceTooLow(_) | L1Error::ReplacementUnderpriced(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.fillers.retain(|filler| filler.nonce != nonce);
        self.fillers.push(Filler { nonce, fees, offered: Instant::now() });
        Ok(())
    }
}
