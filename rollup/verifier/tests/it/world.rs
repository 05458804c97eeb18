//! An L1 with one rollup and a sequencer that does what a test says.

use std::time::Duration;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use mayfly_contracts::{
    inbox::Inbox,
    settlement::Settlement,
    types::{Allocation, Claim, Config},
};
use mayfly_l1::{
    Anvil, AnvilConfig, BeaconClient, BlockTag, FeeCaps, Key, L1Error, L1Options, Sender, SubmitOptions, TxIntent,
};
use mayfly_rollup::{
    RollupInfo, Windows,
    batch::{BatchBlock, encode, pack_blobs},
    settlement::Tree,
};
use mayfly_verifier::{Roles, Verifier, VerifierConfig, VerifierHandle, View, attestation, rollup_info};

pub(crate) const ORGANISER: usize = 1;
pub(crate) const ATTESTER: usize = 3;
pub(crate) const HONEST: usize = 4;
pub(crate) const ATTACKER: usize = 5;
pub(crate) const RESOLVER: usize = 6;
pub(crate) const USER: usize = 7;
pub(crate) const GRIEFER: usize = 8;
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) info: RollupInfo,
    pub(crate) sequencer: Sender,
    /// Follows and does nothing else.
    pub(crate) verifier: VerifierHandle,
}

pub(crate) fn quick() -> SubmitOptions {
    SubmitOptions { poll: Duration::from_millis(5), timeout: Duration::from_secs(180), ..SubmitOptions::default() }
}

pub(crate) fn config(now: u64) -> Config {
    Config {
        protocolVersion: 1,
        organiser: Anvil::key(ORGANISER).address(),
        sequencer: Anvil::key(0).address(),
        receiptSigner: Anvil::key(2).address(),
        resolver: Anvil::key(RESOLVER).address(),
        attesters: vec![Anvil::key(ATTESTER).address()],
        quorum: 1,
        endTime: now + 20_000,
        drain: 600,
        blockGasLimit: 1 << 25,
        blockTimeMs: 20,
        windows: Windows {
            forceWindow: 300,
            livenessWindow: 600,
            freezeDelay: 100,
            proposeWindow: 600,
            challengeWindow: 1_000,
            resolverTimeout: 500,
            escalationWindow: 200,
            minDelayBlocks: 5,
            confDepth: 0,
            maxOriginLag: 64,
            maxDrift: 600,
            claimInterval: 50,
        },
        claimBond: U256::from(ETHER),
        freezeBond: U256::from(ETHER),
        closeReward: U256::from(7),
        attestationFee: U256::from(3),
        forceGasTarget: U256::from(1_000_000),
        ..Config::default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let anvil = Anvil::start(AnvilConfig::default()).await.unwrap();
        let sequencer = Sender::connect(anvil.client(), Anvil::key(0), FeeCaps::default()).await.unwrap();
        let foundation = sequencer.deploy_foundation(B256::ZERO, &quick()).await.unwrap();
        let now = anvil.client().head(BlockTag::Latest).await.unwrap().timestamp;
        let mut config = config(now);
        change(&mut config);
        let genesis = vec![Allocation { to: Anvil::key(USER).address(), amount: U256::from(100 * ETHER) }];
        let creation = sequencer.create_rollup(foundation.factory, config, genesis, &quick()).await.unwrap();
        let info = rollup_info(&creation);
        let verifier = verifier(&anvil, &info, Roles::default());
        Self { anvil, info, sequencer, verifier }
    }

    pub(crate) async fn sender(&self, index: usize) -> Sender {
        Sender::connect(self.anvil.client(), Anvil::key(index), FeeCaps::default()).await.unwrap()
    }

    /// The honest account's roles, none taken yet.
    pub(crate) async fn roles(&self) -> Roles {
        Roles { sender: Some(self.sender(HONEST).await), submit: quick(), ..Roles::default() }
    }

    pub(crate) fn verifier(&self, roles: Roles) -> VerifierHandle {
        verifier(&self.anvil, &self.info, roles)
    }

    /// The verifier's state once it has all of L1.
    pub(crate) async fn synced(&self) -> View {
        self.synced_with(&self.verifier).await
    }

    pub(crate) async fn synced_with(&self, verifier: &VerifierHandle) -> View {
        let head = self.anvil.client().head(BlockTag::Latest).await.unwrap().block_ref();
        wait(verifier, |view| view.l1.number > head.number || view.l1 == head).await
    }

    pub(crate) async fn call<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        self.anvil.client().call(to, call, BlockTag::Latest).await.unwrap()
    }

    pub(crate) async fn balance(&self, address: Address) -> U256 {
        self.anvil.client().balance(address).await.unwrap()
    }

    pub(crate) async fn deposit(&self, to: Address, amount: u128) {
        let sender = self.sender(USER).await;
        let call = Inbox::depositETHCall { to };
        sender.transact(self.info.rollup, &call, U256::from(amount), &quick()).await.unwrap();
    }

    /// One block with these transactions and everything in the queue.
    pub(crate) async fn post(&self, transactions: Vec<TxEnvelope>, blobs: bool) {
        let view = self.synced().await;
        let origin = self.anvil.client().head(BlockTag::Latest).await.unwrap();
        let (seq, consumed) = self.position().await;
        let block = BatchBlock {
            origin: origin.number,
            timestamp: origin.timestamp,
            queue_items: (view.queued - consumed) as u32,
            transactions,
            sponsors: Vec::new(),
        };
        let payload = encode(view.head.hash, &[block]).unwrap();
        self.post_payload(seq + 1, payload, view.queued, blobs).await.unwrap();
    }

    pub(crate) async fn post_payload(
        &self,
        seq: u64,
        payload: Vec<u8>,
        up_to: u64,
        blobs: bool,
    ) -> Result<(), L1Error> {
        let origin = self.anvil.client().head(BlockTag::Latest).await.unwrap();
        let call = Inbox::postBatchCall {
            seq,
            parentHash: self.call(self.info.rollup, &Inbox::batchHashCall { seq: seq - 1 }).await,
            originNumber: origin.number,
            originHash: origin.hash(),
            queueUpTo: up_to,
            codec: if blobs { 1 } else { 2 },
            extraRoot: B256::ZERO,
            data: if blobs { Bytes::new() } else { payload.clone().into() },
        };
        let mut intent = TxIntent::call(self.info.rollup, call.abi_encode());
        if blobs {
            let packed = pack_blobs(&payload).unwrap();
            intent = intent.with_blobs(packed.iter().map(|blob| blob.as_slice().try_into().unwrap()).collect());
        }
        self.sequencer.send_and_confirm(&intent, &quick()).await.map(|_| ())
    }

    /// Batches posted, and queue items they consume.
    pub(crate) async fn position(&self) -> (u64, u64) {
        let seq = self.call(self.info.rollup, &Inbox::batchCountCall {}).await;
        (seq, self.call(self.info.rollup, &Inbox::batchCall { seq }).await.queueUpTo)
    }

    /// A claim with a state root that is off.
    pub(crate) fn wrong(&self, view: &View, closing: bool) -> Claim {
        let right = view.results.claim(self.info.genesis_claim(), view.batches(), closing).unwrap();
        Claim { stateRoot: B256::repeat_byte(0xbd), ..right }
    }

    /// The closing claim with the settlement root of leaves of which one has one unit more.
    pub(crate) fn off_by_one(&self, view: &View) -> Claim {
        let right = view.results.claim(self.info.genesis_claim(), view.batches(), true).unwrap();
        let mut leaves = view.closing().unwrap().leaves.leaves.clone();
        leaves.last_mut().unwrap().amount += U256::ONE;
        let tree = Tree::new(self.info.rollup, &leaves).unwrap();
        assert_ne!(tree.root(), right.settlementRoot);
        Claim { settlementRoot: tree.root(), ..right }
    }

    /// The organiser ends the rollup, L1 passes the close, everybody has seen it.
    pub(crate) async fn close(&self) -> View {
        let organiser = self.sender(ORGANISER).await;
        organiser.transact(self.info.rollup, &Inbox::endEarlyCall {}, U256::ZERO, &quick()).await.unwrap();
        self.anvil.advance(601).await.unwrap();
        self.anvil.mine(1, 1).await.unwrap();
        wait(&self.verifier, |view| view.closing().is_some()).await
    }

    pub(crate) async fn attest(&self, claim_hash: B256) {
        let signature = attestation(&self.info, &Anvil::key(ATTESTER), claim_hash).unwrap();
        let call = Settlement::attestCall { claimHash_: claim_hash, signatures: vec![signature] };
        self.sender(ATTACKER).await.transact(self.info.settlement, &call, U256::ZERO, &quick()).await.unwrap();
    }

    pub(crate) async fn propose(&self, who: usize, claim: Claim) -> B256 {
        self.propose_with(who, claim, Bytes::new()).await
    }

    pub(crate) async fn propose_with(&self, who: usize, claim: Claim, leaves: Bytes) -> B256 {
        let hash = self.info.claim_hash(&claim);
        let call = Settlement::proposeClaimCall { claim_: claim, leaves };
        let bond = self.info.config.claimBond;
        self.sender(who).await.transact(self.info.settlement, &call, bond, &quick()).await.unwrap();
        hash
    }

    pub(crate) async fn status(&self, claim_hash: B256) -> u8 {
        self.call(self.info.settlement, &Settlement::statusOfCall { claimHash_: claim_hash }).await
    }

    pub(crate) async fn finalize(&self, claim_hash: B256) -> Result<(), L1Error> {
        let sender = self.sender(GRIEFER).await;
        let call = Settlement::finalizeCall { claimHash_: claim_hash };
        sender.transact(self.info.settlement, &call, U256::ZERO, &quick()).await.map(|_| ())
    }

    /// Waits until the honest account has spent no more than gas.
    pub(crate) async fn all_bonds_back(&self) {
        let spent = async || U256::from(10_000 * ETHER) - self.balance(Anvil::key(HONEST).address()).await;
        for _ in 0..300 {
            if spent().await < U256::from(ETHER / 10) {
                return;
            }
            self.anvil.mine(1, 1).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} wei spent", spent().await);
    }

    /// Mines until `done`, so that L1's time passes for those who wait for it.
    pub(crate) async fn mine_until(&self, verifier: &VerifierHandle, mut done: impl FnMut(&View) -> bool) -> View {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Ok(view) = verifier.wait_at_most(Duration::from_millis(300), &mut done).await {
                return view;
            }
            let view = verifier.view();
            assert!(tokio::time::Instant::now() < deadline, "{:?} {:#?}", view.trouble, view.claims);
            self.anvil.mine(1, 1).await.unwrap();
        }
    }
}

pub(crate) fn verifier(anvil: &Anvil, info: &RollupInfo, roles: Roles) -> VerifierHandle {
    let beacon = BeaconClient::new(&[anvil.url().to_owned()], L1Options::default()).unwrap();
    let poll = Duration::from_millis(10);
    let config = VerifierConfig { info: info.clone(), l1: anvil.client(), beacon, poll, roles };
    Verifier::spawn(config, Default::default()).unwrap()
}

pub(crate) async fn wait(verifier: &VerifierHandle, done: impl FnMut(&View) -> bool) -> View {
    match verifier.wait_at_most(PATIENCE, done).await {
        Ok(view) => view,
        Err(view) => panic!("stuck at l1 {:?}, head {:?}: {:?} {:#?}", view.l1, view.head, view.trouble, view.claims),
    }
}

/// A free transaction on the rollup by one of the dev accounts.
pub(crate) fn transaction(
    info: &RollupInfo,
    who: usize,
    nonce: u64,
    to: Address,
    value: u128,
    data: Vec<u8>,
) -> TxEnvelope {
    signed(info, &Anvil::key(who), nonce, TxKind::Call(to), value, data)
}

/// A free transaction on the rollup.
pub(crate) fn signed(info: &RollupInfo, key: &Key, nonce: u64, to: TxKind, value: u128, data: Vec<u8>) -> TxEnvelope {
    let tx = TxEip1559 {
        chain_id: info.chain_id,
        nonce,
        gas_limit: match to {
            TxKind::Create => 5_000_000,
            TxKind::Call(_) if data.is_empty() => 21_000,
            TxKind::Call(_) => 200_000,
        },
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        to,
        value: U256::from(value),
        access_list: Default::default(),
        input: data.into(),
    };
    let signature = key.sign_hash(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}
