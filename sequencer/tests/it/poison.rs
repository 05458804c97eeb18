//! Transactions made to be work: their senders' budget pays for all of it.

use alloy_primitives::{Address, TxKind, hex};
use mayfly_l1::Anvil;
use mayfly_sequencer::{Origin, SubmitError};

use super::env::{Env, PATIENCE, User, settings};

const MOST: u64 = 1 << 24;

#[tokio::test(flavor = "multi_thread")]
async fn poison_takes_its_gas_from_the_budget_and_what_is_not_used_comes_back() {
    let env = Env::start().await;
    // Two of the largest transactions and a bit, and ten seconds until there is enough for another.
    let mut settings = settings();
    (settings.admission.gas_per_second, settings.admission.burst_seconds) = (1_000_000, 40);
    let sequencer = env.sequencer(settings).await;
    let mut user = User::new(Anvil::key(3), &env.info);

    // A large limit that is not used: reserved, and given back.
    for _ in 0..4 {
        let idle = user.send(TxKind::Call(Address::repeat_byte(9)), Default::default(), MOST);
        let hash = sequencer.submit_one(idle, Origin::Local).await.unwrap();
        let included = sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
        assert_eq!(included.block.receipts[included.index].gas_used, 21_000);
    }
    // Init code that jumps for ever: it fails, and all of its gas is gone.
    let mut poison = || user.send(TxKind::Create, hex!("5b600056").into(), MOST);
    for _ in 0..2 {
        let hash = sequencer.submit_one(poison(), Origin::Local).await.unwrap();
        let included = sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
        let receipt = &included.block.receipts[included.index];
        assert!(!receipt.status && receipt.gas_used == MOST, "{receipt:?}");
    }
    let refused = sequencer.submit_one(poison(), Origin::Local).await.unwrap_err();
    assert!(matches!(&refused, SubmitError::Refused { rule } if rule.starts_with("free-budget")), "{refused}");
    sequencer.shutdown().await;
}
