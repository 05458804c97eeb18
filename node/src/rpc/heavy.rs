//! Work that takes a while: on the blocking pool, a few at a time, a bounded number waiting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::dispatch::Reply;
use super::errors::RpcError;
use super::limits::{RpcLimits, prefix};

/// The turns there are, and who waits for one.
#[derive(Debug)]
pub(crate) struct Heavy {
    turns: Arc<Semaphore>,
    most: usize,
    most_per_address: usize,
    line: Arc<Mutex<Line>>,
}

/// Calls that run or wait.
#[derive(Debug, Default)]
struct Line {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Heavy {
    pub(crate) fn new(limits: &RpcLimits) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(limits.heavy_calls().min(Semaphore::MAX_PERMITS))),
            most: limits.max_heavy_waiting,
            most_per_address: limits.max_heavy_waiting_per_address,
            line: Arc::default(),
        }
    }

    /// Runs `work` for a client; an exempt one may fill the whole line.
    ///
    /// Turn and place belong to the work, not to who waits for it: a client that hangs up cannot start more than
    /// its share while what it asked for still runs.
    pub(crate) async fn run(
        &self,
        address: IpAddr,
        exempt: bool,
        work: impl FnOnce() -> Reply + Send + 'static,
    ) -> Reply {
        let place = self.enter(prefix(address), exempt)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(RpcError::internal)?;
        let outcome = mayfly_l1::offload(move || {
            let _held = (place, turn);
            work()
        });
        outcome.await.unwrap_or_else(|cause| Err(RpcError::internal(cause)))
    }

    fn enter(&self, address: IpAddr, exempt: bool) -> Result<Place, RpcError> {
        let mut line = self.line.lock();
        if line.all >= self.most {
            return Err(RpcError::limit(format!("the node is busy: {} calls are waiting", self.most)));
        }
        let own = line.by_address.get(&address).copied().unwrap_or(0);
        if own >= self.most_per_address && !exempt {
            return Err(RpcError::limit(format!("{own} calls of yours are waiting: let them finish first")));
        }
        line.all += 1;
        line.by_address.insert(address, own + 1);
        Ok(Place { line: Arc::clone(&self.line), address })
    }
}

/// A place in the line; left on drop.
struct Place {
    line: Arc<Mutex<Line>>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.line.lock();
        line.all -= 1;
        if let Some(own) = line.by_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                line.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::rpc::dispatch::null;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn heavy(turns: usize, waiting: usize, per_address: usize) -> Heavy {
        Heavy::new(&RpcLimits {
            max_heavy_calls: turns,
            max_heavy_waiting: waiting,
            max_heavy_waiting_per_address: per_address,
            ..RpcLimits::default()
        })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_hangs_up_keeps_its_turn_until_the_work_is_done() {
        let heavy = heavy(1, 2, 2);
        let (finish, finished) = mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let work = move || {
            begun.send(()).unwrap();
            finished.recv().unwrap();
            null()
        };
        {
            let call = heavy.run(ip("192.0.2.1"), false, work);
            tokio::select! {
                _ = call => unreachable!("the work cannot finish yet"),
                begun = begins => begun.unwrap(),
            }
        }
        assert_eq!((heavy.turns.available_permits(), heavy.line.lock().all), (0, 1));
        finish.send(()).unwrap();
        let next = heavy.run(ip("192.0.2.2"), false, null);
        tokio::time::timeout(Duration::from_secs(10), next).await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_address_cannot_fill_the_line() {
        let heavy = heavy(1, 3, 1);
        let place = heavy.enter(ip("192.0.2.1"), false).unwrap();
        assert!(heavy.run(ip("192.0.2.1"), false, null).await.is_err());
        heavy.run(ip("192.0.2.1"), true, null).await.unwrap();
        heavy.run(ip("192.0.2.2"), false, null).await.unwrap();
        drop(place);
        heavy.run(ip("192.0.2.1"), false, null).await.unwrap();
        assert!(heavy.line.lock().by_address.is_empty());
    }
}
