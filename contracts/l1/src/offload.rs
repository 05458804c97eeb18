//! Work that takes a while, off the async threads.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
    task::JoinError,
};

/// How far work in the background stands behind other threads: it gets what they leave of a core.
const LAST: i32 = 19;
/// For work that waits in vain for that: a third of what each other thread gets. With much less, posting would never catch
/// up beside whatever else is busy on the machine.
const BEHIND: i32 = 5;
/// So long work waits, at most. Nobody without privileges may raise the priority of a thread, so it is begun once more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Threads that were given up on and have not ended. While there are any, no other is tried at the lowest priority.
static LATE: AtomicUsize = AtomicUsize::new(0);

/// Those who cannot wait. While there are any, nothing gives way.
static HURRIED: AtomicUsize = AtomicUsize::new(0);

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
/// proofs take ten times as long as execution, and answers must not wait for them. On a machine that is busy for long,
/// `work` may run twice, and what it returned first is used.
///
/// # Errors
/// If there is no thread to be had, or `work` panicked.
pub async fn background<T: Send + 'static>(work: impl Fn() -> T + Send + Sync + 'static) -> io::Result<T> {
    if is_alone() {
        return Ok(work());
    }
    if HURRIED.load(Ordering::Relaxed) > 0 {
        return offload(work).await.map_err(io::Error::other);
    }
    give_way(PATIENCE, Arc::new(work)).await
}

async fn give_way<T: Send + 'static>(
    patience: Duration,
    work: Arc<impl Fn() -> T + Send + Sync + 'static>,
) -> io::Result<T> {
    let panicked = |_| io::Error::other("work in the background panicked");
    if LATE.load(Ordering::Relaxed) > 0 {
        return start(BEHIND, work)?.await.map_err(panicked);
    }
    let mut last = start(LAST, Arc::clone(&work))?;
    if let Ok(done) = tokio::time::timeout(patience, &mut last).await {
        return done.map_err(panicked);
    }
    let Ok(mut again) = start(BEHIND, work) else { return last.await.map_err(panicked) };
    tokio::select! {
        done = &mut last => done.map_err(panicked),
        done = &mut again => {
            let late = Counted::one_more(&LATE);
            tokio::spawn(async move {
                let _ = (last.await, late);
            });
            done.map_err(panicked)
        }
    }
}

/// One more in a count, until it is dropped.
struct Counted(&'static AtomicUsize);

impl Counted {
    fn one_more(count: &'static AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Somebody in this process cannot wait, until this is dropped: what [`background`] begins meanwhile does not give way.
pub struct Hurry(#[expect(dead_code, reason = "dropped with it")] Counted);

impl Hurry {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        Self(Counted::one_more(&HURRIED))
    }
}

impl std::fmt::Debug for Hurry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hurry")
    }
}

/// On Linux niceness is of the thread that sets it; nowhere else is it set.
fn start<T: Send + 'static>(
    niceness: i32,
    work: Arc<impl Fn() -> T + Send + Sync + 'static>,
) -> io::Result<oneshot::Receiver<T>> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name("background".to_owned()).spawn(move || {
        #[cfg(target_os = "linux")]
        let _ = rustix::process::nice(niceness);
        let _ = done.send(work());
    })?;
    Ok(result)
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
    async fn the_background_gives_way_until_that_takes_too_long() {
        let own = || rustix::process::nice(0).unwrap();
        let before = own();
        let expected = move |niceness: i32| (before + niceness).min(19);
        assert_eq!(background(own).await.unwrap(), expected(LAST));
        assert_eq!((own(), offload(own).await.unwrap()), (before, before), "nobody else does");
        let hurry = Hurry::begin();
        assert_eq!(background(own).await.unwrap(), before, "nor does who cannot wait");
        drop(hurry);
        // As if nothing were left of the cores: what gives way does not end.
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = std::sync::Mutex::new(ended);
        let starved = move || {
            if own() == expected(LAST) && expected(LAST) != expected(BEHIND) {
                let _ = ended.lock().unwrap().recv();
            }
            own()
        };
        assert_eq!(give_way(Duration::from_millis(20), Arc::new(starved)).await.unwrap(), expected(BEHIND));
        assert_eq!(background(own).await.unwrap(), expected(BEHIND), "it would wait as well");
        drop(end);
        while LATE.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(background(own).await.unwrap(), expected(LAST));
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
