//! Nonces that nothing uses. After a reorganisation L1's pool may have forgotten what was mined before, and what is under
//! way waits behind it for ever.

use mayfly_l1::{L1Error, Sender, TxKind};

use super::flights::Flights;

/// Nonces filled at a time: pools take few from one account.
const MAX_AT_ONCE: usize = 16;

/// Fills every nonce before one that is under way for which neither the pool nor anything under way has a transaction.
pub(super) async fn fill(sender: &Sender, flights: &Flights) -> Result<(), L1Error> {
    let mut last = None;
    for _ in 0..MAX_AT_ONCE {
        if flights.is_empty() {
            break;
        }
        let nonce = sender.pending_nonce().await?;
        // An endpoint that lags says the same again.
        if last == Some(nonce) || !flights.wait_behind(nonce) {
            break;
        }
        let filler = sender.sign_cancel(nonce, sender.suggest_fees().await?, TxKind::Plain).await?;
        sender.broadcast(&filler.raw).await?;
        tracing::warn!(nonce, tx = %filler.hash, "filled a nonce that l1 forgot");
        last = Some(nonce);
    }
    Ok(())
}
