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

#[cfg(target_os = "linux")]
use thread_priority::{
    ThreadPriority,
    unix::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id},
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
    task::JoinError,
};

/// How far a thread in the background stands behind others; set on Linux only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It gets what they leave of a core, and makes room at once when one of them wakes. One of the lowest niceness would
    /// use up its slice first, some milliseconds.
    Last,
    /// For work that waits in vain for that: a third of what each other thread gets. With much less, posting would never
    /// catch up beside whatever else is busy on the machine.
    Behind,
}

/// Of [`Place::Last`].
#[cfg(target_os = "linux")]
const IDLE: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
/// Of [`Place::Behind`].
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;
/// Of [`Place::Last`], where the idle class is forbidden.
#[cfg(target_os = "linux")]
const MOST_NICENESS: i32 = 19;
/// From its start, so long work may take in the lowest place. Nobody without privileges may raise the priority of a
/// thread, so it is begun once more.
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
        return start(Place::Behind, work)?.await.map_err(panicked);
    }
    let mut last = start(Place::Last, Arc::clone(&work))?;
    if let Ok(done) = tokio::time::timeout(patience, &mut last).await {
        return done.map_err(panicked);
    }
    let Ok(mut again) = start(Place::Behind, work) else { return last.await.map_err(panicked) };
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
#[derive(Debug)]
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
#[derive(Debug)]
pub struct Hurry(#[expect(dead_code, reason = "dropped with it")] Counted);

impl Hurry {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        Self(Counted::one_more(&HURRIED))
    }
}

fn start<T: Send + 'static>(
    place: Place,
    work: Arc<impl Fn() -> T + Send + Sync + 'static>,
) -> io::Result<oneshot::Receiver<T>> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name("background".to_owned()).spawn(move || {
        take(place);
        let _ = done.send(work());
    })?;
    Ok(result)
}

/// Puts this thread in its place, as far as the system lets it.
#[cfg(target_os = "linux")]
fn take(place: Place) {
    let niceness = match place {
        Place::Last if enter_idle_class() => return,
        Place::Last => MOST_NICENESS,
        Place::Behind => NICENESS,
    };
    let _ = rustix::process::nice(niceness);
}

/// Moves this thread to the idle class; `false` if the system does not let it.
#[cfg(target_os = "linux")]
fn enter_idle_class() -> bool {
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, IDLE).is_ok()
}

#[cfg(not(target_os = "linux"))]
const fn take(_: Place) {}

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
        let own =
            || (thread_priority::unix::thread_schedule_policy().unwrap() == IDLE, rustix::process::nice(0).unwrap());
        let before = own();
        // Asked of a program that is not ours.
        let chrt = std::process::Command::new("chrt").args(["--idle", "0", "true"]).status();
        let may_idle = chrt.expect("chrt, of util-linux").success();
        let behind = (before.0, (before.1 + NICENESS).min(MOST_NICENESS));
        let is_last = async || {
            while LATE.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let (idle, niceness) = give_way(Duration::from_secs(60), Arc::new(own)).await.unwrap();
            if may_idle { idle } else { niceness == MOST_NICENESS }
        };
        assert!(is_last().await);
        assert!(background(own).await.unwrap() != before || before.0, "unless everybody here gives way");
        assert_eq!((own(), offload(own).await.unwrap()), (before, before), "nobody else does");
        let hurry = Hurry::begin();
        assert_eq!(background(own).await.unwrap(), before, "nor does who cannot wait");
        drop(hurry);
        // As if nothing were left of the cores: what gives way does not end.
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = std::sync::Mutex::new(ended);
        let starved = move || {
            if own() != behind {
                let _ = ended.lock().unwrap().recv();
            }
            own()
        };
        assert_eq!(give_way(Duration::from_millis(20), Arc::new(starved)).await.unwrap(), behind);
        assert_eq!(background(own).await.unwrap(), behind, "it would wait as well");
        drop(end);
        assert!(is_last().await);
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
