//! A nonce that nothing uses. After a reorganisation L1's pool may have forgotten what was mined before, and what is under
//! way waits behind it for ever.

use mayfly_l1::{L1Error, Sender, TxKind};

use super::flights::Flights;

/// Fills the account's next nonce if neither the pool nor anything under way has a transaction for it.
pub(super) async fn fill(sender: &Sender, flights: &Flights) -> Result<(), L1Error> {
    if flights.is_empty() {
        return Ok(());
    }
    let nonce = sender.mined_nonce().await?;
    if flights.reach_down_to(nonce) || sender.pending_nonce().await? > nonce {
        return Ok(());
    }
    let filler = sender.sign_cancel(nonce, sender.suggest_fees().await?, TxKind::Plain).await?;
    sender.broadcast(&filler.raw).await?;
    tracing::warn!(nonce, tx = %filler.hash, "filled a nonce that l1 forgot");
    Ok(())
}
