//! Batch data that travels in a transaction's input.

use alloy_primitives::{Address, B256, Bytes, keccak256};

use crate::{L1Client, L1Error};

const SELECTOR_BYTES: usize = 4;
const WORD_BYTES: usize = 32;
/// Place of `bytes data` among `postBatch`'s arguments.
const DATA_ARGUMENT: usize = 7;

impl L1Client {
    /// The `data` of the `postBatch` call that a transaction makes. The endpoint can lie about which
    /// transaction emitted a log, so the data must also hash to what the log says: data that does
    /// not is the endpoint's fault, never the sequencer's, since the Inbox took the hash from the
    /// very same bytes.
    pub async fn batch_calldata(&self, inbox: Address, tx_hash: B256, data_hash: B256) -> Result<Bytes, L1Error> {
        let transaction = self.transaction(tx_hash).await?;
        let data = match transaction.to() {
            Some(to) if to == inbox => data_argument(transaction.input()),
            _ => None,
        };
        match data {
            Some(data) if keccak256(data) == data_hash => Ok(Bytes::copy_from_slice(data)),
            _ => self.checked(Err(L1Error::Inconsistent(format!("transaction {tx_hash} does not carry {data_hash}")))),
        }
    }
}

/// Reads `data` exactly where the EVM's own decoder does: offsets may point anywhere and padding may
/// be missing, so a strict decoder would refuse what the contract took.
fn data_argument(input: &[u8]) -> Option<&[u8]> {
    let arguments = input.get(SELECTOR_BYTES..)?;
    let number = |at: usize| -> Option<usize> {
        let word = arguments.get(at..at.checked_add(WORD_BYTES)?)?;
        let (high, low) = word.split_at(WORD_BYTES - size_of::<u64>());
        let low = u64::from_be_bytes(low.try_into().ok()?);
        high.iter().all(|byte| *byte == 0).then_some(low).and_then(|low| usize::try_from(low).ok())
    };
    let offset = number(DATA_ARGUMENT * WORD_BYTES)?;
    let length = number(offset)?;
    let start = offset.checked_add(WORD_BYTES)?;
    arguments.get(start..start.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(value: u64) -> [u8; 32] {
        alloy_primitives::U256::from(value).to_be_bytes()
    }

    fn input(offset: u64, tail: &[&[u8]]) -> Vec<u8> {
        let mut input = vec![1, 2, 3, 4];
        for _ in 0..DATA_ARGUMENT {
            input.extend(word(9));
        }
        input.extend(word(offset));
        input.extend(tail.concat());
        input
    }

    #[test]
    fn reads_what_the_evm_reads() {
        let usual = input(256, &[&word(3), b"abc", &[0; 29]]);
        assert_eq!(data_argument(&usual), Some(&b"abc"[..]));
        let unpadded = input(256, &[&word(3), b"abc"]);
        assert_eq!(data_argument(&unpadded), Some(&b"abc"[..]));
        let further_back = input(256 + 5, &[&[7; 5], &word(3), b"abcd"]);
        assert_eq!(data_argument(&further_back), Some(&b"abc"[..]));
        let into_the_head = input(0, &[&[5; 9]]);
        assert_eq!(data_argument(&into_the_head).map(<[u8]>::len), Some(9));
    }

    #[test]
    fn refuses_what_is_not_there() {
        for input in [
            vec![],
            vec![1, 2, 3, 4],
            input(256, &[]),
            input(256, &[&word(4), b"abc"]),
            input(u64::MAX, &[&word(3), b"abc"]),
            input(256, &[&word(u64::MAX), b"abc"]),
            input(256, &[&[255; 32], b"abc"]),
        ] {
            assert_eq!(data_argument(&input), None);
        }
    }
}
