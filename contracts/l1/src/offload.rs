//! Work that takes a while, off the async threads.

use std::{io, thread};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
    task::JoinError,
};

/// How far work in the background stands behind other threads: it gets a third of what each of them gets of a core. With
/// much less, posting would never catch up beside whatever else is busy on the machine.
const NICENESS: i32 = 5;

/// Runs `work` on the blocking pool. On a runtime of one thread it runs in place: a simulation, whose order of events
/// must be the same each time, has no other.
///
/// # Errors
/// If `work` panicked.
pub async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if is_alone() {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}

/// Like [`offload`], on a thread of its own that gives way to all others: for what takes long and hurries nobody. Blob
/// proofs take ten times as long as execution, and answers must not wait for them.
///
/// # Errors
/// If there is no thread to be had, or `work` panicked.
pub async fn background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    if is_alone() {
        return Ok(work());
    }
    let (done, result) = oneshot::channel();
    thread::Builder::new().name("background".to_owned()).spawn(move || {
        give_way();
        let _ = done.send(work());
    })?;
    result.await.map_err(|_| io::Error::other("work in the background panicked"))
}

/// On Linux this is of the thread that calls it.
fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

fn is_alone() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[cfg(target_os = "linux")]
    async fn the_background_gives_way_and_nobody_else_does() {
        let own = || rustix::process::nice(0).unwrap();
        let before = own();
        assert_eq!(background(own).await.unwrap(), (before + NICENESS).min(19));
        assert_eq!((own(), offload(own).await.unwrap()), (before, before));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_in_the_background_is_an_error() {
        let work: fn() = || panic!("on purpose");
        assert!(background(work).await.unwrap_err().to_string().contains("panicked"));
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_works_in_place() {
        let here = thread::current().id();
        assert_eq!(background(|| thread::current().id()).await.unwrap(), here);
        assert_eq!(offload(|| thread::current().id()).await.unwrap(), here);
    }
}
