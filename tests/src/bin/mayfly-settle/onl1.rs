//! The same settlement on a real L1: the contracts, custody of what is paid out, the closing claim, and what claims of
//! each kind cost there, transaction and calldata included.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use crate::state::{COINS, ITEM, Tokens};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolConstructor;
use eyre::{OptionExt, ensure};
use mayfly_contracts::{
    inbox::Inbox,
    settlement::Settlement,
    tokens::{TestERC20, TestERC721, TestERC1155},
    types::{Claim, Config},
};
use mayfly_l1::{Anvil, AnvilConfig, BlockTag, FeeCaps, Sender, SubmitOptions};
use mayfly_rollup::{
    RollupInfo, Windows,
    settlement::{AssetKind, Leaf, Tree},
};
use mayfly_verifier::{Payout, check_settled, pay_out, pay_settled, rollup_info};
use serde::Serialize;

/// Leaves whose cost is measured, of each kind: whole ranges, and with a proof each.
const RANGE_LEAVES: usize = 256;
const SINGLE_LEAVES: usize = 50;
const PAYABLE: [AssetKind; 6] = [
    AssetKind::Native,
    AssetKind::Erc20,
    AssetKind::Erc721,
    AssetKind::Erc1155,
    AssetKind::BornErc721,
    AssetKind::BornErc1155,
];

/// L1 gas for each leaf of a kind, all of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct GasPerLeaf {
    /// Neighbours under one proof.
    pub(crate) range: u64,
    /// A batch with a proof for each leaf.
    pub(crate) single: u64,
}

pub(crate) struct OnL1 {
    anvil: Anvil,
    sender: Sender,
    pub(crate) info: RollupInfo,
    pub(crate) tokens: Tokens,
}

fn submit() -> SubmitOptions {
    SubmitOptions { poll: Duration::from_millis(2), ..SubmitOptions::default() }
}

fn config(now: u64) -> Config {
    let address = |index| Anvil::key(index).address();
    Config {
        protocolVersion: 1,
        organiser: address(0),
        sequencer: address(1),
        receiptSigner: address(2),
        resolver: address(3),
        endTime: now + 2_000,
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
        claimBond: U256::from(1_000_000_000),
        freezeBond: U256::from(1_000_000_000),
        forceGasTarget: U256::from(1_000_000),
        ..Config::default()
    }
}

impl OnL1 {
    pub(crate) async fn start() -> eyre::Result<Self> {
        let anvil = Anvil::start(AnvilConfig::default()).await?;
        let sender = Sender::connect(anvil.client(), Anvil::key(0), FeeCaps::default()).await?;
        let foundation = sender.deploy_foundation(B256::ZERO, &submit()).await?;
        let now = anvil.client().head(BlockTag::Latest).await?.timestamp;
        let creation = sender.create_rollup(foundation.factory, config(now), Vec::new(), &submit()).await?;
        let text = || "Token".to_owned();
        let coin = TestERC20::constructorCall { name_: text(), symbol_: text(), decimals_: 6 }.abi_encode();
        let art = TestERC721::constructorCall { name_: text(), symbol_: text(), baseURI_: text() }.abi_encode();
        let items = TestERC1155::constructorCall { uri_: text() }.abi_encode();
        let tokens = Tokens {
            coin: sender.deploy(&TestERC20::BYTECODE, &coin, &submit()).await?,
            art: sender.deploy(&TestERC721::BYTECODE, &art, &submit()).await?,
            items: sender.deploy(&TestERC1155::BYTECODE, &items, &submit()).await?,
        };
        Ok(Self { info: rollup_info(&creation), anvil, sender, tokens })
    }

    async fn send(&self, to: Address, call: &impl alloy_sol_types::SolCall, value: U256) -> eyre::Result<()> {
        self.sender.transact(to, call, value, &submit()).await?;
        Ok(())
    }

    /// Brings what the leaves say into custody, as deposits; of single tokens only those that will be paid.
    pub(crate) async fn fund(&self, leaves: &[Leaf]) -> eyre::Result<()> {
        let (rollup, vault, to) = (self.info.rollup, self.info.vault, self.sender.address());
        let of = |kind| leaves.iter().filter(move |leaf| leaf.kind == kind);
        let native: U256 = of(AssetKind::Native).map(|leaf| leaf.amount).sum();
        self.send(rollup, &Inbox::depositETHCall { to }, native).await?;
        let amount = U256::from(COINS) * U256::from(of(AssetKind::Erc20).count());
        let Tokens { coin, art, items } = self.tokens;
        self.send(coin, &TestERC20::mintCall { to, amount }, U256::ZERO).await?;
        self.send(coin, &TestERC20::approveCall { spender: rollup, value: amount }, U256::ZERO).await?;
        self.send(rollup, &Inbox::depositERC20Call { token: coin, to, amount }, U256::ZERO).await?;
        let (id, amount) = (U256::from(ITEM), U256::from(COINS) * U256::from(of(AssetKind::Erc1155).count()));
        self.send(items, &TestERC1155::mintCall { to, id, amount }, U256::ZERO).await?;
        let approve = TestERC1155::setApprovalForAllCall { operator: rollup, approved: true };
        self.send(items, &approve, U256::ZERO).await?;
        self.send(rollup, &Inbox::depositERC1155Call { token: items, to, id, amount }, U256::ZERO).await?;
        for index in chosen(leaves, AssetKind::Erc721)?.all() {
            self.send(art, &TestERC721::mintCall { to: vault, tokenId: leaves[index].token_id }, U256::ZERO).await?;
        }
        Ok(())
    }

    /// Lets the rollup end and settles it under this root.
    pub(crate) async fn settle(&self, root: B256, state_root: B256) -> eyre::Result<()> {
        let client = self.anvil.client();
        let (rollup, settlement) = (self.info.rollup, self.info.settlement);
        let now = client.head(BlockTag::Latest).await?.timestamp;
        let close = client.call(rollup, &Inbox::closeTimeCall {}, BlockTag::Latest).await?;
        self.anvil.advance(close.saturating_sub(now)).await?;
        self.anvil.mine(2, 1).await?;
        // The first block at or after the close time.
        let mut closed = client.head(BlockTag::Latest).await?;
        loop {
            let before = client.header_by_hash(closed.parent_hash).await?;
            if U256::from(before.timestamp) < U256::from(close) {
                break;
            }
            closed = before;
        }
        let claim = Claim {
            parent: self.info.genesis_claim(),
            batchSeq: 0,
            batchHash: client.call(rollup, &Inbox::batchHashCall { seq: 0 }, BlockTag::Latest).await?,
            queueHash: client.call(rollup, &Inbox::queueHashCall {}, BlockTag::Latest).await?,
            closeNumber: closed.number,
            closeHash: closed.hash(),
            blockNumber: 1,
            blockHash: B256::repeat_byte(1),
            stateRoot: state_root,
            settlementRoot: root,
            ..Claim::default()
        };
        let claim_hash = self.info.claim_hash(&claim);
        let propose = Settlement::proposeClaimCall { claim_: claim, leaves: Bytes::new() };
        self.send(settlement, &propose, self.info.config.claimBond).await?;
        self.anvil.advance(self.info.config.windows.challengeWindow + 1).await?;
        self.send(settlement, &Settlement::finalizeCall { claimHash_: claim_hash }, U256::ZERO).await?;
        Ok(check_settled(&client, &self.info, root).await?)
    }

    /// Claims some leaves of each kind with the tree that a claimant made; every recipient is paid for the first time.
    pub(crate) async fn pay(&self, leaves: &[Leaf], tree: &Tree) -> eyre::Result<BTreeMap<AssetKind, GasPerLeaf>> {
        let mut found = BTreeMap::new();
        for kind in PAYABLE {
            let chosen = chosen(leaves, kind)?;
            // The first claim of a born collection deploys its contract.
            self.pay_single(leaves, tree, chosen.warm_up..chosen.warm_up + 1).await?;
            let single = self.pay_single(leaves, tree, chosen.single.clone()).await?;
            let wanted = |index: usize, _: &Leaf| chosen.range.contains(&index);
            let report = pay_settled(&self.sender, self.info.vault, leaves, tree, wanted, &submit()).await?;
            ensure!(report.paid.len() == RANGE_LEAVES && report.skipped.is_empty(), "{kind:?}: {report:?}");
            found.insert(kind, GasPerLeaf { range: report.gas_used / RANGE_LEAVES as u64, single });
        }
        Ok(found)
    }

    async fn pay_single(&self, leaves: &[Leaf], tree: &Tree, indexes: Range<usize>) -> eyre::Result<u64> {
        let payout = |index: usize| -> eyre::Result<Payout> {
            Ok(Payout { index: index as u64, leaf: leaves[index], proof: tree.proof(index)? })
        };
        let payouts: Vec<Payout> = indexes.map(payout).collect::<eyre::Result<_>>()?;
        let count = payouts.len();
        let report = pay_out(&self.sender, self.info.vault, payouts, &submit()).await?;
        ensure!(report.paid.len() == count, "{report:?}");
        Ok(report.gas_used / count as u64)
    }
}

/// Which leaves of a kind are paid to see what it costs.
struct Chosen {
    warm_up: usize,
    single: Range<usize>,
    range: Range<usize>,
}

impl Chosen {
    fn all(&self) -> impl Iterator<Item = usize> {
        (self.warm_up..=self.warm_up).chain(self.single.clone()).chain(self.range.clone())
    }
}

fn chosen(leaves: &[Leaf], kind: AssetKind) -> eyre::Result<Chosen> {
    let start = leaves.partition_point(|leaf| leaf.kind < kind);
    let end = leaves.partition_point(|leaf| leaf.kind <= kind);
    // The last whole ranges; what comes before them is paid one by one.
    let last = end / RANGE_LEAVES * RANGE_LEAVES;
    let range = last.checked_sub(RANGE_LEAVES).ok_or_eyre("too few holders")?..last;
    ensure!(start + 1 + SINGLE_LEAVES <= range.start, "too few holders: {} leaves of {kind:?}", end - start);
    Ok(Chosen { warm_up: start, single: start + 1..start + 1 + SINGLE_LEAVES, range })
}
