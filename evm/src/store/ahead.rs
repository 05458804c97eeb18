//! Reading rows while those before them are taken: either is half the work of a start.

use crate::EvmError;
use std::{panic::resume_unwind, sync::mpsc, thread};

/// Rows that are handed over together; a code may have 24 KiB.
const CHUNK_ROWS: usize = 256;
/// Chunks that may wait to be taken.
const CHUNKS_AHEAD: usize = 4;
const NAME: &str = "mayfly-load";

/// Takes each row, in order, while a thread reads ahead. What is wrong with the first bad row is the result, as if
/// nobody had read further.
pub(super) fn for_each<T: Send>(
    rows: impl Iterator<Item = Result<T, EvmError>> + Send,
    take: impl FnMut(T) -> Result<(), EvmError>,
) -> Result<(), EvmError> {
    thread::scope(|scope| {
        let (chunks, ahead) = mpsc::sync_channel(CHUNKS_AHEAD);
        let read = move || {
            let mut rows = rows.fuse();
            loop {
                let mut failed = None;
                let good = rows.by_ref().map_while(|row| row.map_err(|error| failed = Some(error)).ok());
                let chunk: Vec<T> = good.take(CHUNK_ROWS).collect();
                // Whoever takes them may have met one that cannot be.
                let ended = chunk.is_empty() || chunks.send(chunk).is_err();
                match failed {
                    Some(error) => return Err(error),
                    None if ended => return Ok(()),
                    None => {}
                }
            }
        };
        let reading = thread::Builder::new().name(NAME.into()).spawn_scoped(scope, read).map_err(EvmError::io(NAME))?;
        let taken = ahead.into_iter().flatten().try_for_each(take);
        let read = reading.join();
        taken?;
        read.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// More than wait to be taken.
    const ROWS: usize = 3 * CHUNKS_AHEAD * CHUNK_ROWS + 7;

    fn corrupt(what: &'static str) -> EvmError {
        EvmError::Corrupt { what, place: "test".into() }
    }

    /// What was taken of rows of which one is bad for the reader, another for the taker.
    fn taken(unread: usize, untaken: usize) -> (usize, Result<(), EvmError>) {
        let mut next = 0;
        let rows = (0..ROWS).map(|row| if row == unread { Err(corrupt("read")) } else { Ok(row) });
        let result = for_each(rows, |row| {
            assert_eq!(row, next);
            if row == untaken {
                return Err(corrupt("taken"));
            }
            next += 1;
            Ok(())
        });
        (next, result)
    }

    #[test]
    fn all_are_taken_in_order_up_to_the_first_bad_one() {
        assert!(matches!(taken(ROWS, ROWS), (ROWS, Ok(()))));
        // Where the taker stops, the reader waits to hand over more.
        assert!(matches!(taken(ROWS, 0), (0, Err(EvmError::Corrupt { what: "taken", .. }))));
        assert!(matches!(taken(5, ROWS), (5, Err(EvmError::Corrupt { what: "read", .. }))));
        assert!(
            matches!(taken(ROWS - 1, ROWS), (taken, Err(EvmError::Corrupt { what: "read", .. })) if taken == ROWS - 1)
        );
        assert!(matches!(taken(9, 8), (8, Err(EvmError::Corrupt { what: "taken", .. }))));
    }

    #[test]
    fn a_panic_of_the_reader_counts_unless_a_row_before_it_was_bad() {
        let rows = || (0..ROWS).map(|row| if row <= CHUNK_ROWS { Ok(row) } else { panic!("on purpose") });
        assert!(catch_unwind(AssertUnwindSafe(|| for_each(rows(), |_| Ok(())))).is_err());
        let refused = for_each(rows(), |_| Err(corrupt("taken")));
        assert!(matches!(refused, Err(EvmError::Corrupt { what: "taken", .. })), "{refused:?}");
    }
}
