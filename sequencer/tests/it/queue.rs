//! What comes through L1's queue.

use alloy_primitives::{Address, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{Anvil, Key};

use super::env::{Env, User, quick, settings, until};

#[tokio::test(flavor = "multi_thread")]
async fn deposits_and_forced_transactions_arrive() {
    let env = Env::start().await;
    let sequencer = env.sequencer(settings()).await;
    let sender = env.sender(4).await;
    let mut forced = User::new(Key::random(), &env.info);
    let to = forced.key.address();
    let deposit = Inbox::depositETHCall { to };
    sender.transact(env.info.rollup, &deposit, U256::from(1_000), &quick()).await.unwrap();
    until("the deposit", || async { sequencer.reader().account(&to).is_some_and(|a| a.balance == U256::from(1_000)) })
        .await;

    let raw = forced.pay(Address::repeat_byte(7), 300);
    let hash = alloy_primitives::keccak256(&raw);
    let call = Inbox::forceTransactionCall { raw, gasLimit: 21_000 };
    sender.transact(env.info.rollup, &call, U256::from(10).pow(U256::from(17)), &quick()).await.unwrap();
    until("the forced transaction", || async { sequencer.find(hash).is_some() }).await;
    let paid = sequencer.reader().account(&Address::repeat_byte(7)).unwrap().balance;
    assert_eq!(paid, U256::from(300));

    // Both go to L1 and come out of it again.
    until("both on l1", || async { sequencer.status().unposted_blocks == 0 }).await;
    let head = sequencer.reader().head();
    let derived = env.derive().await;
    assert_eq!(derived.get(head.header.number as usize), Some(&head.hash));
    assert_eq!(Anvil::key(1).address(), env.info.config.sequencer);
    sequencer.shutdown().await;
}
