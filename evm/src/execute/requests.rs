//! Deposits to the consensus layer (EIP-6110): what the logs of its contract ask for.

use crate::{EvmError, Receipt};
use alloy_primitives::{Address, B256, Bytes, Log, b256};

/// Topic of `DepositEvent(bytes,bytes,bytes,bytes,bytes)`.
const DEPOSIT_TOPIC: B256 = b256!("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
/// The event's five byte strings (key, withdrawal credentials, amount, signature, index): offset of each one's length,
/// and the length it must have.
const PARTS: [(usize, usize); 5] = [(160, 48), (256, 32), (320, 8), (384, 96), (512, 8)];
const EVENT_BYTES: usize = 576;
const WORD: usize = 32;

/// The requests of a block, one after the other.
pub(super) fn deposit_requests(contract: Address, receipts: &[Receipt]) -> Result<Bytes, EvmError> {
    let mut requests = Vec::new();
    let deposit = |log: &&Log| log.address == contract && log.topics().first() == Some(&DEPOSIT_TOPIC);
    for log in receipts.iter().flat_map(|receipt| &receipt.logs).filter(deposit) {
        append(&mut requests, &log.data.data)
            .ok_or_else(|| EvmError::Evm(format!("a deposit event of {contract} is not laid out as it must be")))?;
    }
    Ok(requests.into())
}

fn append(requests: &mut Vec<u8>, data: &[u8]) -> Option<()> {
    (data.len() == EVENT_BYTES).then_some(())?;
    for (index, (offset, length)) in PARTS.into_iter().enumerate() {
        (word(data, index * WORD)? == offset && word(data, offset)? == length).then_some(())?;
        requests.extend_from_slice(data.get(offset + WORD..offset + WORD + length)?);
    }
    Some(())
}

/// A word that is small enough to be a position.
fn word(data: &[u8], at: usize) -> Option<usize> {
    let (high, low) = data.get(at..at + WORD)?.split_last_chunk::<4>()?;
    high.iter().all(|byte| *byte == 0).then(|| u32::from_be_bytes(*low) as usize)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use alloy_sol_types::{SolEvent, sol};

    sol! {
        event DepositEvent(bytes pubkey, bytes withdrawal_credentials, bytes amount, bytes signature, bytes index);
    }

    fn event(key_bytes: usize) -> DepositEvent {
        DepositEvent {
            pubkey: vec![1; key_bytes].into(),
            withdrawal_credentials: vec![2; 32].into(),
            amount: vec![3; 8].into(),
            signature: vec![4; 96].into(),
            index: vec![5; 8].into(),
        }
    }

    #[test]
    fn a_deposit_is_its_five_parts_and_nothing_else_is_one() {
        assert_eq!(DepositEvent::SIGNATURE_HASH, DEPOSIT_TOPIC);
        let mut requests = Vec::new();
        let data = event(48).encode_data();
        append(&mut requests, &data).unwrap();
        let expected = [vec![1; 48], vec![2; 32], vec![3; 8], vec![4; 96], vec![5; 8]].concat();
        assert_eq!(requests, expected);
        assert!(append(&mut requests, &event(47).encode_data()).is_none());
        assert!(append(&mut requests, &event(80).encode_data()).is_none());
        for cut in 0..data.len() {
            assert!(append(&mut requests, &data[..cut]).is_none());
        }
    }
}
