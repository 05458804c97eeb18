//! Polling filters: `eth_newFilter`, `eth_newBlockFilter`, `eth_newPendingTransactionFilter`,
//! `eth_getFilterChanges`, `eth_getFilterLogs`, `eth_uninstallFilter`.
//!
//! A filter of blocks or logs is a position in the chain, not a queue: it costs
//! the same however rarely it is polled. One of waiting transactions has the
//! newest 4,096 hashes, which all of them share. Blocks that replaced others below the position are told
//! again; what was removed is not told (WebSocket subscriptions tell it).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{B128, B256};
use mayfly_sequencer::Arrival;
use parking_lot::Mutex;
use tokio::sync::broadcast::{self, error::TryRecvError};

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{self, NOT_FOUND, RpcError};
use super::filter::LogFilter;
use super::limits::RpcLimits;
use super::logs;
use super::params::Params;

/// Block hashes one poll returns; the next poll goes on.
const MAX_HASHES: u64 = 10_000;

/// What a filter tells.
#[derive(Debug, Clone)]
enum Subject {
    Blocks,
    Logs(Arc<LogFilter>),
    /// Transactions that come to wait; the newest are told to whoever polls rarely.
    Waiting(Arc<Mutex<broadcast::Receiver<Arrival>>>),
}

#[derive(Debug, Clone)]
struct Filter {
    subject: Subject,
    /// The last block told, by number and hash.
    told: (u64, B256),
    polled_at: Instant,
}

/// The polling filters of one rollup.
#[derive(Debug, Default)]
pub(crate) struct Filters(Mutex<HashMap<B128, Filter>>);

impl Filters {
    fn add(&self, subject: Subject, told: (u64, B256), limits: &RpcLimits, now: Instant) -> Result<B128, RpcError> {
        let mut filters = self.0.lock();
        let ttl = Duration::from_millis(limits.filter_ttl_ms);
        filters.retain(|_, filter| now.saturating_duration_since(filter.polled_at) < ttl);
        if filters.len() >= limits.max_filters {
            return Err(RpcError::limit(format!("{} filters are installed, no more", filters.len())));
        }
        let id = B128::from(rand::random::<[u8; 16]>());
        filters.insert(id, Filter { subject, told, polled_at: now });
        Ok(id)
    }

    fn get(&self, id: B128, limits: &RpcLimits, now: Instant) -> Result<Filter, RpcError> {
        let mut filters = self.0.lock();
        let ttl = Duration::from_millis(limits.filter_ttl_ms);
        match filters.get_mut(&id) {
            Some(filter) if now.saturating_duration_since(filter.polled_at) < ttl => {
                filter.polled_at = now;
                Ok(filter.clone())
            }
            _ => {
                filters.remove(&id);
                Err(RpcError::new(NOT_FOUND, format!("filter not found: {id}")))
            }
        }
    }

    fn advance(&self, id: B128, told: (u64, B256)) {
        if let Some(filter) = self.0.lock().get_mut(&id) {
            filter.told = told;
        }
    }
}

fn add(rollup: &Rollup, subject: Subject) -> Reply {
    let head = rollup.reader.head();
    let told = (head.header.number, head.hash);
    reply(&rollup.filters.add(subject, told, &rollup.limits, Instant::now())?)
}

/// `eth_newFilter`.
pub(crate) fn new_logs(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let filter: LogFilter = params.required("filter")?;
    params.end()?;
    filter.check(&rollup.limits)?;
    add(rollup, Subject::Logs(Arc::new(filter)))
}

/// `eth_newBlockFilter`.
pub(crate) fn new_blocks(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    add(rollup, Subject::Blocks)
}

/// `eth_newPendingTransactionFilter`: the hashes of transactions as they come to wait.
pub(crate) fn new_waiting(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    let waiting = rollup.subscribe_waiting()?;
    add(rollup, Subject::Waiting(Arc::new(Mutex::new(waiting))))
}

/// `eth_uninstallFilter`: whether there was such a filter.
pub(crate) fn uninstall(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let id: B128 = params.required("filter id")?;
    params.end()?;
    reply(&rollup.filters.0.lock().remove(&id).is_some())
}

/// `eth_getFilterLogs`: everything the filter matches, from its own range.
pub(crate) fn all_logs(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let id: B128 = params.required("filter id")?;
    params.end()?;
    match rollup.filters.get(id, &rollup.limits, Instant::now())?.subject {
        Subject::Logs(filter) => logs::answer(rollup, &filter),
        Subject::Blocks | Subject::Waiting(_) => {
            Err(RpcError::new(NOT_FOUND, format!("filter not found: {id} is not a log filter")))
        }
    }
}

/// `eth_getFilterChanges`: what is new since the last poll.
pub(crate) fn changes(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let id: B128 = params.required("filter id")?;
    params.end()?;
    let filter = rollup.filters.get(id, &rollup.limits, Instant::now())?;
    if let Subject::Waiting(waiting) = &filter.subject {
        return reply(&came_to_wait(&mut waiting.lock()));
    }
    let head = rollup.reader.head();
    let from = first_untold(rollup, filter.told)?;
    let to = head.header.number.min(from.saturating_add(MAX_HASHES - 1));
    if from > to {
        return reply(&[(); 0]);
    }
    let answer = match &filter.subject {
        Subject::Blocks => reply(&hashes(rollup, from, to)?)?,
        Subject::Logs(wanted) => logs::between(rollup, wanted, from, to)?,
        Subject::Waiting(_) => reply(&[(); 0])?,
    };
    let last = rollup.reader.block_by_number(to).map_err(errors::reading)?;
    if let Some(last) = last {
        rollup.filters.advance(id, (to, last.hash));
    }
    Ok(answer)
}

fn came_to_wait(waiting: &mut broadcast::Receiver<Arrival>) -> Vec<B256> {
    let mut hashes = Vec::new();
    loop {
        match waiting.try_recv() {
            Ok(arrival) => hashes.push(arrival.hash),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return hashes,
        }
    }
}

/// The block after the last one told; if that was undone, the first that
/// replaced something. A rollup's `latest` can only be undone down to `safe`.
fn first_untold(rollup: &Rollup, told: (u64, B256)) -> Result<u64, RpcError> {
    let (number, hash) = told;
    let block = rollup.reader.block_by_number(number).map_err(errors::reading)?;
    if block.is_some_and(|block| block.hash == hash) {
        return Ok(number + 1);
    }
    let head = rollup.reader.head().header.number;
    Ok(rollup.marks.safe().min(head).saturating_add(1).min(number))
}

fn hashes(rollup: &Rollup, from: u64, to: u64) -> Result<Vec<B256>, RpcError> {
    let mut hashes = Vec::new();
    for number in from..=to {
        let block = rollup.reader.block_by_number(number).map_err(errors::reading)?;
        hashes.extend(block.map(|block| block.hash));
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn filters_are_bounded_and_expire() {
        let limits = RpcLimits { max_filters: 2, filter_ttl_ms: 1_000, ..RpcLimits::default() };
        let filters = Filters::default();
        let start = Instant::now();
        let add = |now| filters.add(Subject::Blocks, (0, B256::ZERO), &limits, now);
        let first = add(start).unwrap();
        add(start).unwrap();
        assert_eq!(add(start).unwrap_err().code, -32005);
        let later = start + Duration::from_millis(900);
        filters.get(first, &limits, later).unwrap();
        let much_later = start + Duration::from_millis(1_500);
        add(much_later).unwrap();
        filters.get(first, &limits, much_later).unwrap();
        let end = much_later + Duration::from_secs(2);
        assert_eq!(filters.get(first, &limits, end).unwrap_err().code, -32001);
    }
}
