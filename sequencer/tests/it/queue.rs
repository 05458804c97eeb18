//! What comes through L1's queue.

use alloy_primitives::{Address, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{Anvil, Key};
use mayfly_sequencer::{Origin, PauseReason, SubmitError, WaitError};

use super::env::{Env, PATIENCE, User, quick, settings, until};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_too_large_takes_only_what_comes_through_the_queue() {
    let env = Env::start().await;
    let genesis = mayfly_evm::Chain::create(
        None,
        mayfly_rollup::chain_spec(&env.info).unwrap(),
        &mayfly_rollup::genesis(&env.info),
    );
    let mut settings = settings();
    settings.max_state_bytes = genesis.unwrap().state_size().memory_bytes() + 4_000;
    let sequencer = env.sequencer(settings).await;
    let mut user = User::new(Anvil::key(3), &env.info);
    let mut taken = 0u8;
    let refused = loop {
        let raw = user.pay(Address::repeat_byte(0x40 + taken), 1);
        let hash = match sequencer.submit_one(raw, Origin::Local).await {
            Ok(hash) => hash,
            Err(refused) => break refused,
        };
        match sequencer.wait_receipt(hash, PATIENCE).await {
            Err(WaitError::Dropped(refused)) => break refused,
            included => included.unwrap(),
        };
        taken += 1;
        assert!(taken < 20, "no limit");
    };
    assert!(taken >= 5, "{taken}");
    assert!(matches!(&refused, SubmitError::Paused { reason } if reason.contains("bytes of memory")), "{refused}");
    // Who is refused may hear of it before the state is shown.
    until("the state", || async { matches!(sequencer.status().pause, Some(PauseReason::StateTooLarge { .. })) }).await;
    let status = sequencer.status();
    assert!(status.condition.to_string().starts_with("paused (state-too-large)"), "{}", status.condition);
    // What L1 orders is executed: everybody who derives the rollup does.
    let to = Address::repeat_byte(0x99);
    let deposit = Inbox::depositETHCall { to };
    let sender = env.sender(4).await;
    sender.transact(env.info.rollup, &deposit, U256::from(1_000), &quick()).await.unwrap();
    until("the deposit", || async { sequencer.reader().account(&to).is_some_and(|a| a.balance == U256::from(1_000)) })
        .await;
    until("all on l1", || async { sequencer.status().unposted_blocks == 0 }).await;
    let head = sequencer.reader().head();
    assert_eq!(env.derive().await.get(head.header.number as usize), Some(&head.hash));
    sequencer.shutdown().await;
}
