//! L1 takes back each step of a rollup's life, 1 to 20 blocks deep; the step is made again, and nothing is paid twice.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_verifier::{ClaimStatus, Payout, Roles, View, pay_out};

use super::world::{ETHER, GRIEFER, HONEST, ORGANISER, USER, World, quick, transaction};

const PAYEE: Address = Address::repeat_byte(0x9a);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Deposit,
    Force,
    Batch,
    Claim,
    Attestation,
    Final,
    Freeze,
    Close,
    Payout,
}

use Step::{Attestation, Batch, Claim, Close, Deposit, Final, Force, Freeze, Payout as Paid};

/// What is there before a step, and how deep L1 goes back after it. Steps come before the ones that need them.
const TABLE: [(Step, u64); 18] = [
    (Deposit, 1),
    (Deposit, 20),
    (Force, 2),
    (Force, 13),
    (Batch, 1),
    (Batch, 20),
    (Claim, 1),
    (Claim, 8),
    (Attestation, 1),
    (Attestation, 5),
    (Final, 1),
    (Final, 20),
    (Freeze, 1),
    (Freeze, 13),
    (Close, 1),
    (Close, 20),
    (Paid, 1),
    (Paid, 20),
];

struct Life<'a> {
    world: &'a World,
    step: Step,
    claim: B256,
    payouts: Vec<Payout>,
}

impl Life<'_> {
    /// Everything up to the step.
    async fn lead_up(&mut self) {
        let world = self.world;
        match self.step {
            Deposit | Force | Batch => {}
            Freeze => {
                world.anvil.advance(601).await.unwrap();
                let freezer = world.sender(HONEST).await;
                let bond = world.info.config.freezeBond;
                freezer.transact(world.info.rollup, &Inbox::requestFreezeCall {}, bond, &quick()).await.unwrap();
                world.anvil.advance(101).await.unwrap();
            }
            Claim | Attestation | Final => {
                self.batch().await;
                world.anvil.advance(60).await.unwrap();
                if self.step != Claim {
                    self.propose(false).await;
                }
                if self.step == Final {
                    world.attest(self.claim).await;
                    world.anvil.mine(10, 1).await.unwrap();
                }
            }
            Close | Paid => {
                self.batch().await;
                let organiser = world.sender(ORGANISER).await;
                organiser.transact(world.info.rollup, &Inbox::endEarlyCall {}, U256::ZERO, &quick()).await.unwrap();
                if self.step == Paid {
                    world.anvil.advance(601).await.unwrap();
                    world.anvil.mine(1, 1).await.unwrap();
                    let view = world.synced().await;
                    self.propose(true).await;
                    world.attest(self.claim).await;
                    world.anvil.mine(10, 1).await.unwrap();
                    world.finalize(self.claim).await.unwrap();
                    self.payouts = view.closing().unwrap().payouts(None).unwrap();
                }
            }
        }
    }

    async fn batch(&self) {
        self.world.post(vec![transaction(&self.world.info, USER, 0, PAYEE, ETHER, vec![])], false).await;
    }

    async fn propose(&mut self, closing: bool) {
        let view = self.world.synced().await;
        let right = view.results.claim(self.world.info.genesis_claim(), view.batches(), closing).unwrap();
        self.claim = self.world.propose(HONEST, right).await;
    }

    async fn take(&mut self) {
        let world = self.world;
        match self.step {
            Deposit => world.deposit(PAYEE, ETHER).await,
            Force => {
                let raw = transaction(&world.info, USER, 0, PAYEE, ETHER, vec![]).encoded_2718();
                let call = Inbox::forceTransactionCall { raw: raw.into(), gasLimit: 21_000 };
                let fee = U256::from(ETHER / 10);
                world.sender(GRIEFER).await.transact(world.info.rollup, &call, fee, &quick()).await.unwrap();
            }
            Batch => self.batch().await,
            Claim => self.propose(false).await,
            Attestation => world.attest(self.claim).await,
            Final => world.finalize(self.claim).await.unwrap(),
            Freeze => {
                let freezer = world.sender(HONEST).await;
                freezer.transact(world.info.rollup, &Inbox::freezeCall {}, U256::ZERO, &quick()).await.unwrap();
            }
            Close => {
                world.anvil.advance(601).await.unwrap();
                world.anvil.mine(1, 1).await.unwrap();
            }
            Paid => {
                let sponsor = world.sender(ORGANISER).await;
                let report = pay_out(&sponsor, world.info.vault, self.payouts.clone(), &quick()).await.unwrap();
                assert_eq!((report.paid.len(), report.already), (self.payouts.len(), 0));
            }
        }
    }

    /// What the step brought about, once: in the verifier's eyes, or on L1.
    async fn effect(&self, view: &View) -> u64 {
        let claim =
            |is: fn(&mayfly_verifier::ProposedClaim) -> bool| view.claims.iter().filter(|c| is(c)).count() as u64;
        match self.step {
            Deposit | Force => view.queued,
            Batch => view.batches(),
            Claim => claim(|_| true),
            Attestation => claim(|c| c.attested.len() == 1),
            Final => claim(|c| c.status == ClaimStatus::Final),
            Freeze => u64::from(view.frozen),
            Close => u64::from(view.closing().is_some()),
            Paid => u64::try_from(self.world.balance(PAYEE).await / U256::from(ETHER)).unwrap(),
        }
    }

    /// Somebody who never saw the blocks that are gone agrees.
    async fn agrees(&self, view: &View) {
        let fresh = self.world.verifier(Roles::default());
        let other = self.world.synced_with(&fresh).await;
        assert_eq!((other.head, other.state_root), (view.head, view.state_root), "{:?}", self.step);
        let claims = |view: &View| view.claims.iter().map(|c| (c.hash, c.status, c.attested.len())).collect::<Vec<_>>();
        assert_eq!(claims(&other), claims(view), "{:?}", self.step);
        let root = |view: &View| view.closing().map(|closing| (closing.l1, closing.tree.root()));
        assert_eq!(root(&other), root(view), "{:?}", self.step);
        fresh.stop().await;
    }
}

async fn survives(step: Step, depth: u64) {
    let world = World::new().await;
    let mut life = Life { world: &world, step, claim: B256::ZERO, payouts: Vec::new() };
    life.lead_up().await;
    world.anvil.mine(20, 1).await.unwrap();
    let custody = world.balance(world.info.vault).await;
    assert_eq!(life.effect(&world.synced().await).await, 0, "{step:?}");
    let before = world.anvil.client().head(mayfly_l1::BlockTag::Latest).await.unwrap().number;
    life.take().await;
    let made = world.anvil.client().head(mayfly_l1::BlockTag::Latest).await.unwrap().number;
    let view = world.synced().await;
    assert_eq!(life.effect(&view).await, 1, "{step:?}");
    // All of the step is gone, and as much as is left of the depth.
    let taken = made - before;
    world.anvil.mine(depth.saturating_sub(taken), 1).await.unwrap();
    world.synced().await;
    world.anvil.reorg(depth.max(taken)).await.unwrap();
    let view = world.synced().await;
    assert_eq!(world.balance(world.info.vault).await, custody);
    // Time alone closes a rollup: what L1 put in place of its blocks may be as late.
    if step != Close {
        assert_eq!(life.effect(&view).await, 0, "{step:?} {depth}: L1 took it back");
    }
    if life.effect(&view).await == 0 {
        life.take().await;
    }
    let view = world.synced().await;
    assert_eq!(life.effect(&view).await, 1, "{step:?} {depth}: made again");
    life.agrees(&view).await;
    if step == Paid {
        let sponsor = world.sender(ORGANISER).await;
        let again = pay_out(&sponsor, world.info.vault, life.payouts.clone(), &quick()).await.unwrap();
        assert_eq!((again.already, again.paid.len()), (life.payouts.len(), 0));
        assert_eq!(world.balance(world.info.vault).await, U256::ZERO, "all that was held, once");
    }
    if matches!(step, Deposit) {
        assert_eq!(world.balance(world.info.vault).await, custody + U256::from(ETHER));
    }
}

/// One test a step, so that they run beside each other; on threads, for a verifier reads ahead only there.
macro_rules! steps {
    ($($name:ident: $step:expr),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            for (step, depth) in TABLE.into_iter().filter(|(step, _)| *step == $step) {
                survives(step, depth).await;
            }
        }
    )*};
}

steps! {
    a_deposit_that_l1_takes_back_is_made_once: Deposit,
    a_forced_transaction_that_l1_takes_back_is_made_once: Force,
    a_batch_that_l1_takes_back_is_derived_once: Batch,
    a_claim_that_l1_takes_back_is_proposed_again: Claim,
    an_attestation_that_l1_takes_back_counts_once: Attestation,
    a_final_claim_that_l1_takes_back_is_final_again: Final,
    a_freeze_that_l1_takes_back_is_made_again: Freeze,
    a_close_that_l1_takes_back_closes_everybody_alike: Close,
    a_leaf_that_l1_takes_back_is_paid_once: Paid,
}
