//! Messages from the rollup to L1 and their proofs.

use super::append::append_proof;
use crate::error::SettlementError;
use alloy_primitives::{Address, B256, Log, U256, keccak256};
use alloy_sol_types::{SolEvent, SolValue};
use mayfly_contracts::l2::L2Messenger::MessageSent;
use mayfly_contracts::types::Message;

/// Depth of the messenger's tree.
pub const MESSAGE_TREE_DEPTH: usize = 32;

/// The hash that stands in the messenger's tree for a message.
pub fn message_leaf(rollup_chain_id: u64, message: &Message) -> B256 {
    let chain = U256::from(rollup_chain_id);
    keccak256(keccak256(("mayfly message v1".to_owned(), chain, message.clone()).abi_encode_params()))
}

/// The message in a log, if it is one of the messenger's.
pub fn decode_message(messenger: Address, log: &Log) -> Option<Message> {
    if log.address != messenger {
        return None;
    }
    let sent = MessageSent::decode_log(log).ok()?;
    (sent.index == sent.message.index).then(|| sent.data.message.into())
}

/// The proof that `index` is among `messages`, which are all messages from 0 in order, as they
/// stand at the block of a claim.
///
/// # Errors
/// If the messages have a gap or do not reach `index`.
pub fn message_proof(rollup_chain_id: u64, messages: &[Message], index: u64) -> Result<Vec<B256>, SettlementError> {
    if let Some(at) = messages.iter().enumerate().position(|(at, message)| message.index != at as u64) {
        return Err(SettlementError::Row { index: at, why: "message is not at its index" });
    }
    let leaves: Vec<B256> = messages.iter().map(|message| message_leaf(rollup_chain_id, message)).collect();
    append_proof(&leaves, usize::try_from(index).unwrap_or(usize::MAX), MESSAGE_TREE_DEPTH)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::settlement::{append_root, verify_append};

    fn message(index: u64) -> Message {
        Message { index, amount: U256::from(index + 1), data: vec![index as u8; 40].into(), ..Default::default() }
    }

    fn l2_message(m: Message) -> mayfly_contracts::l2::L2Messenger::Message {
        let Message { index, kind, sender, token, tokenId, amount, to, data } = m;
        mayfly_contracts::l2::L2Messenger::Message { index, kind, sender, token, tokenId, amount, to, data }
    }

    #[test]
    fn messages_are_read_from_the_messenger_only() {
        let messenger = Address::repeat_byte(2);
        let sent = |index: u64, message: Message| MessageSent { index, message: l2_message(message) };
        let event = sent(3, message(3));
        let log = Log { address: messenger, data: event.encode_log_data() };
        assert_eq!(decode_message(messenger, &log), Some(message(3)));
        assert_eq!(decode_message(Address::repeat_byte(3), &log), None);
        let wrong = sent(4, message(3));
        assert_eq!(decode_message(messenger, &Log { address: messenger, data: wrong.encode_log_data() }), None);
    }

    #[test]
    fn message_proofs_hold_and_gaps_are_refused() {
        let messages: Vec<Message> = (0..5).map(message).collect();
        let leaves: Vec<B256> = messages.iter().map(|message| message_leaf(7, message)).collect();
        let root = append_root(&leaves, MESSAGE_TREE_DEPTH);
        let proof = message_proof(7, &messages, 3).unwrap();
        assert!(verify_append(root, message_leaf(7, &messages[3]), 3, &proof));
        assert!(!verify_append(root, message_leaf(8, &messages[3]), 3, &proof));
        assert!(message_proof(7, &messages, 5).is_err());
        assert!(message_proof(7, &messages[1..], 0).is_err());
    }
}
