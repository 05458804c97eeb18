//! The next step of one post: a pure function of what the ledger and L1 say.

use std::time::Duration;

/// One signed transaction of the post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AttemptState {
    /// Whether it only uses up the nonce.
    pub(super) cancels: bool,
    /// Whether it was handed to L1 before.
    pub(super) was_broadcast: bool,
    /// Since it was signed.
    pub(super) age: Duration,
    /// The L1 block that includes it, if one does.
    pub(super) mined_in: Option<u64>,
}

/// Everything the decision depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Situation {
    /// Oldest first.
    pub(super) attempts: Vec<AttemptState>,
    /// The post's nonce, once it has one.
    pub(super) nonce: Option<u64>,
    /// The sender's next nonce by L1's latest block.
    pub(super) mined_nonce: u64,
    /// And by its newest final block.
    pub(super) final_nonce: u64,
    /// Whether another transaction that used the nonce was seen in an L1 block.
    pub(super) taken: bool,
    /// L1's newest final block.
    pub(super) final_block: u64,
    /// Whether the ledger has it as mined.
    pub(super) noted: bool,
    /// Whether the post would still do what it is for.
    pub(super) wanted: bool,
    /// Whether pool or chain know the newest attempt.
    pub(super) known: bool,
    /// When to offer more.
    pub(super) bump_after: Duration,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Take a nonce, sign, store, send.
    Sign,
    /// No nonce yet and not wanted: take it back.
    Withdraw,
    /// Send the newest attempt (again).
    Broadcast,
    /// Offer more under the same nonce.
    Bump,
    /// Use up the nonce without doing anything.
    Cancel,
    /// This attempt is on L1.
    Mined(usize),
    /// This attempt is in a final block.
    Final(usize),
    /// It was mined and is not any more.
    Reopen,
    /// Something else used the nonce: nothing comes of the post unless L1 takes that back.
    NonceTaken,
    /// Something else used the nonce, finally.
    NonceGone,
    /// Nothing to do now.
    Wait,
}

/// The next step.
pub(super) fn decide(now: &Situation) -> Step {
    // Receipts before anything else: an attempt that is on L1 must not be sent again in any form.
    if let Some((at, block)) = now.attempts.iter().enumerate().find_map(|(i, a)| Some((i, a.mined_in?))) {
        return if block <= now.final_block { Step::Final(at) } else { Step::Mined(at) };
    }
    if now.noted {
        return Step::Reopen;
    }
    let (Some(nonce), Some(last)) = (now.nonce, now.attempts.last()) else {
        return if now.wanted { Step::Sign } else { Step::Withdraw };
    };
    if now.mined_nonce > nonce {
        // Used, yet no receipt of ours: an endpoint may lag behind, so only what was seen in a block counts, and only a
        // final block settles it.
        return match (now.final_nonce > nonce, now.taken) {
            (true, _) => Step::NonceGone,
            (false, true) => Step::NonceTaken,
            (false, false) => Step::Wait,
        };
    }
    if !now.wanted && !last.cancels {
        return Step::Cancel;
    }
    if !last.was_broadcast || !now.known {
        return Step::Broadcast;
    }
    if last.age >= now.bump_after { Step::Bump } else { Step::Wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: AttemptState =
        AttemptState { cancels: false, was_broadcast: true, age: Duration::from_secs(5), mined_in: None };

    fn situation(attempts: &[AttemptState]) -> Situation {
        Situation {
            attempts: attempts.to_vec(),
            nonce: (!attempts.is_empty()).then_some(7),
            mined_nonce: 7,
            final_nonce: 7,
            taken: false,
            final_block: 100,
            noted: false,
            wanted: true,
            known: true,
            bump_after: Duration::from_secs(48),
        }
    }

    #[test]
    fn a_new_post_is_signed_or_taken_back() {
        assert_eq!(decide(&situation(&[])), Step::Sign);
        assert_eq!(decide(&Situation { wanted: false, ..situation(&[]) }), Step::Withdraw);
    }

    #[test]
    fn after_a_crash_between_record_and_broadcast_the_same_bytes_are_sent() {
        let stored = AttemptState { was_broadcast: false, ..SENT };
        assert_eq!(decide(&situation(&[stored])), Step::Broadcast);
    }

    #[test]
    fn after_a_crash_between_broadcast_and_its_record_the_receipt_is_found_first() {
        let mined = AttemptState { was_broadcast: false, mined_in: Some(101), ..SENT };
        let after = Situation { mined_nonce: 8, ..situation(&[mined]) };
        assert_eq!(decide(&after), Step::Mined(0));
        assert_eq!(decide(&Situation { wanted: false, ..after.clone() }), Step::Mined(0));
        assert_eq!(decide(&Situation { final_block: 101, ..after }), Step::Final(0));
    }

    #[test]
    fn an_older_attempt_may_be_the_one_that_was_mined() {
        let mined = AttemptState { mined_in: Some(101), ..SENT };
        assert_eq!(decide(&Situation { mined_nonce: 8, ..situation(&[mined, SENT]) }), Step::Mined(0));
    }

    #[test]
    fn a_mined_post_without_a_receipt_waits_again() {
        let gone = Situation { noted: true, ..situation(&[SENT]) };
        assert_eq!(decide(&gone), Step::Reopen);
        assert_eq!(decide(&Situation { mined_nonce: 8, final_nonce: 8, ..gone.clone() }), Step::Reopen);
        let there = AttemptState { mined_in: Some(101), ..SENT };
        assert_eq!(decide(&Situation { attempts: vec![there], ..gone }), Step::Mined(0));
    }

    #[test]
    fn a_used_nonce_without_a_receipt_never_leads_to_another_send() {
        let used = Situation { mined_nonce: 8, ..situation(&[SENT]) };
        assert_eq!(decide(&used), Step::Wait);
        assert_eq!(decide(&Situation { known: false, wanted: false, ..used.clone() }), Step::Wait);
        assert_eq!(decide(&Situation { final_nonce: 8, ..used }), Step::NonceGone);
    }

    #[test]
    fn a_nonce_that_another_transaction_took_is_given_up_before_it_is_final() {
        let taken = Situation { mined_nonce: 8, taken: true, ..situation(&[SENT]) };
        assert_eq!(decide(&taken), Step::NonceTaken);
        assert_eq!(decide(&Situation { final_nonce: 8, ..taken.clone() }), Step::NonceGone);
        // L1 took the other one back.
        assert_eq!(decide(&Situation { mined_nonce: 7, taken: false, known: false, ..taken }), Step::Broadcast);
    }

    #[test]
    fn what_pools_forgot_is_sent_again_and_what_waits_too_long_is_bumped() {
        assert_eq!(decide(&Situation { known: false, ..situation(&[SENT]) }), Step::Broadcast);
        assert_eq!(decide(&situation(&[SENT])), Step::Wait);
        let old = AttemptState { age: Duration::from_secs(48), ..SENT };
        assert_eq!(decide(&situation(&[old])), Step::Bump);
    }

    #[test]
    fn an_unwanted_post_is_cancelled_once_and_then_pushed() {
        let unwanted = Situation { wanted: false, ..situation(&[SENT]) };
        assert_eq!(decide(&unwanted), Step::Cancel);
        let cancel = AttemptState { cancels: true, ..SENT };
        assert_eq!(decide(&Situation { wanted: false, ..situation(&[SENT, cancel]) }), Step::Wait);
        let old = AttemptState { age: Duration::from_secs(50), ..cancel };
        assert_eq!(decide(&Situation { wanted: false, ..situation(&[SENT, old]) }), Step::Bump);
    }
}
