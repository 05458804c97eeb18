//! Work that takes a while, off the async threads.

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::JoinError,
};

/// Runs `work` on the blocking pool. On a runtime of one thread it runs in place: a simulation, whose order of events
/// must be the same each time, has no other.
///
/// # Errors
/// If `work` panicked.
pub async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}
