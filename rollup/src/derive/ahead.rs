//! Payloads that are read before their turn: senders are recovered while the batch before is executed.

use super::batches::BatchData;
use super::events::InboxEvent;
use super::l1::L1Block;
use super::payload::{Read, read};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What a batch's data says, if somebody began to read it. It follows from the data alone: two batches that are equal
/// without it are equal.
#[derive(Clone, Default)]
pub struct Ahead(Option<Arc<Place>>);

/// Filled by whoever claims it first. Only who needs the payload waits, never a thread of the pool: recovery needs those.
#[derive(Default)]
struct Place {
    is_claimed: AtomicBool,
    /// `None`: it is not read before its turn, or reading it panicked.
    read: OnceLock<Option<Read>>,
}

impl Place {
    /// Reads it, unless somebody does or did.
    fn fill(&self, data: &BatchData) {
        if self.is_claimed.swap(true, Ordering::AcqRel) {
            return;
        }
        // A thread of the pool must not unwind.
        let read = catch_unwind(AssertUnwindSafe(|| read(data))).ok().flatten();
        let _ = self.read.set(read);
    }
}

impl Ahead {
    /// Begins to read on another thread.
    pub(super) fn begin(data: BatchData) -> Self {
        let place = Arc::new(Place::default());
        let there = place.clone();
        rayon::spawn(move || there.fill(&data));
        Self(Some(place))
    }

    /// What was read; waits if that is under way, and reads if nobody came to it yet. `None`: it is to be read now, by who
    /// needs it, and who then sees why that fails.
    pub(super) fn take(&self, data: &BatchData) -> Option<Read> {
        let place = self.0.as_ref()?;
        place.fill(data);
        place.read.wait().clone()
    }

    /// Whether somebody was asked to read it.
    pub(super) const fn is_begun(&self) -> bool {
        self.0.is_some()
    }
}

/// Payloads of one L1 block that are read ahead, at most.
const MAX_AHEAD: usize = 2;

/// Which payloads may be read before their turn. What earlier ones made everybody execute in vain is waited for first.
#[derive(Debug, Clone, Copy)]
pub struct Lookahead {
    pub(super) owed_until: u64,
}

impl Lookahead {
    /// Begins to read what may be read of the L1 block that comes next.
    pub fn begin(self, block: &mut L1Block) {
        let payloads = block.events.iter_mut().filter_map(|event| match event {
            InboxEvent::Batch(batch) if batch.data != BatchData::None && !batch.ahead.is_begun() => Some(batch),
            _ => None,
        });
        for batch in payloads.take(MAX_AHEAD).filter(|batch| batch.header.includedTime >= self.owed_until) {
            batch.ahead = Ahead::begin(batch.data.clone());
        }
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_begun() { "Ahead" } else { "-" })
    }
}

impl PartialEq for Ahead {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Ahead {}

#[cfg(test)]
mod tests {
    use super::super::batches::PostedBatch;
    use super::*;
    use alloy_primitives::{B256, Bytes};
    use mayfly_contracts::types::BatchHeader;

    fn block(times: &[u64], data: &BatchData) -> L1Block {
        let batch = |time: &u64| {
            let header = BatchHeader { includedTime: *time, ..BatchHeader::default() };
            let (blob_hashes, ahead) = (Vec::new(), Ahead::default());
            let batch = PostedBatch { header, header_hash: B256::ZERO, blob_hashes, data: data.clone(), ahead };
            InboxEvent::Batch(Box::new(batch))
        };
        L1Block {
            number: 1,
            hash: B256::ZERO,
            parent_hash: B256::ZERO,
            timestamp: 1,
            prev_randao: B256::ZERO,
            parent_beacon_root: None,
            events: times.iter().map(batch).collect(),
        }
    }

    fn begun(block: &L1Block) -> Vec<bool> {
        let is_begun = |event: &InboxEvent| matches!(event, InboxEvent::Batch(batch) if batch.ahead.is_begun());
        block.events.iter().map(is_begun).collect()
    }

    #[test]
    fn nothing_is_read_ahead_while_time_is_owed_or_without_end() {
        let data = BatchData::Calldata(Bytes::from_static(b"nonsense"));
        let mut early = block(&[99, 100], &data);
        Lookahead { owed_until: 100 }.begin(&mut early);
        assert_eq!(begun(&early), [false, true]);
        let mut many = block(&[7; 4], &data);
        Lookahead { owed_until: 0 }.begin(&mut many);
        assert_eq!(begun(&many), [true, true, false, false]);
        let mut forced = block(&[7], &BatchData::None);
        Lookahead { owed_until: 0 }.begin(&mut forced);
        assert_eq!(begun(&forced), [false]);
    }

    #[test]
    fn what_was_read_is_what_the_data_says() {
        let data = BatchData::Calldata(Bytes::from_static(b"nonsense"));
        let read_now = read(&data).and_then(Result::err);
        assert!(read_now.is_some());
        assert_eq!(Ahead::begin(data.clone()).take(&data).and_then(Result::err), read_now);
        assert!(Ahead::default().take(&data).is_none());
    }

    /// Whoever needs a payload before a thread of the pool came to it reads it, and that thread does not wait.
    #[test]
    fn who_comes_second_to_a_place_does_not_wait_for_the_first() {
        let data = BatchData::Calldata(Bytes::from_static(b"nonsense"));
        let place = Place { is_claimed: AtomicBool::new(true), ..Place::default() };
        // Returns although nobody has read it yet.
        place.fill(&data);
        assert!(place.read.get().is_none());
        let _ = place.read.set(None);
        // Where reading panicked, it is left to whoever needs it.
        assert!(Ahead(Some(Arc::new(place))).take(&data).is_none());
    }
}
