//! What an L1 endpoint answers: a real HTTP server that says what the input says, and the client that must not believe
//! it. Whatever comes, it is an error or proven; headers hash to their hash, receipts to the header's root.

mod forge;
mod server;

use crate::input::Input;
use alloy_primitives::{Address, B256, Bytes, LogData};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{
    BeaconClient, BlockRef, BlockTag, FeeCaps, FollowerConfig, Key, L1Client, L1Error, L1Follower, L1Header, L1Log,
    L1Options, LogSearch, RollupContracts, Sender, TxIntent,
};
use mayfly_rollup::derive::InboxEvent;
use server::Server;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;

const CONTRACT: Address = Address::repeat_byte(0xaa);

static ENDPOINT: LazyLock<Endpoint> = LazyLock::new(Endpoint::new);

/// Runs one input: what is asked, how answers are sent, the answers with zeros between them.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let what = input.u8() % 16;
    if what == 15 {
        return event(&mut input);
    }
    let endpoint = &*ENDPOINT;
    endpoint.server.set(&mut input);
    endpoint.runtime.block_on(async {
        // An error is an answer like any other; what came as a result is looked at.
        drop(endpoint.ask(what).await);
    });
}

struct Endpoint {
    runtime: Runtime,
    server: Server,
    client: L1Client,
    sender: Sender,
}

impl Endpoint {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = runtime.block_on(Server::start());
        let client = L1Client::new(std::slice::from_ref(&server.url), options()).expect("a url");
        server.set(&mut Input::new(b"\0\"0x1\""));
        let key = Key::from_bytes(B256::repeat_byte(1)).expect("a key");
        let sender = runtime.block_on(Sender::connect(client.clone(), key, FeeCaps::default()));
        Self { runtime, server, client, sender: sender.expect("a chain id") }
    }

    async fn ask(&self, what: u8) -> Result<(), L1Error> {
        let client = &self.client;
        match what {
            0 => checked(&client.head(BlockTag::Latest).await?),
            1 => client.headers(5, 7).await?.iter().for_each(checked),
            2 => {
                let header = client.head(BlockTag::Number(5)).await?;
                checked(&header);
                let block = client.block_with_logs(&header, &[CONTRACT], &[]).await?;
                assert!(block.logs.iter().all(|log| log.address == CONTRACT));
                for log in &block.logs {
                    drop(contracts().decode(log));
                }
            }
            3 => drop(client.transaction(self.server.transaction_hash()).await?),
            4 => drop(client.receipts(&[B256::ZERO, B256::repeat_byte(1)]).await?),
            5 => {
                drop(client.call(CONTRACT, &Inbox::configCall {}, BlockTag::Latest).await?);
                drop(client.calls(CONTRACT, &[Inbox::batchCall { seq: 0 }], BlockTag::Latest).await?);
            }
            6 => {
                client.check_chain_id(1).await?;
                drop((client.balance(CONTRACT).await?, client.code(CONTRACT).await?));
                let _: u64 = client.nonce(CONTRACT, BlockTag::Pending).await?;
            }
            7 => {
                let fees = self.sender.suggest_fees().await?;
                assert!(fees.max_fee_per_gas <= FeeCaps::default().max_fee_per_gas);
                assert!(fees.max_priority_fee_per_gas <= fees.max_fee_per_gas);
            }
            8 => drop(self.sender.estimate_gas(&TxIntent::call(CONTRACT, vec![1; 5])).await?),
            9 => drop(self.sender.broadcast(&Bytes::from_static(&[2, 3])).await?),
            10 => self.follow().await?,
            11 => {
                let topics = vec![None, Some(B256::ZERO)];
                let search = LogSearch { address: Some(CONTRACT), topics, from: 0, to: 150_000 };
                drop(client.find_log(&search).await?);
            }
            12 => drop(client.find_creation(CONTRACT, None, 100).await?),
            13 => drop(client.batch_calldata(CONTRACT, self.server.transaction_hash(), B256::ZERO).await?),
            _ => self.blobs().await?,
        }
        Ok(())
    }

    async fn follow(&self) -> Result<(), L1Error> {
        let start = BlockRef { number: 5, hash: self.server.block_hash() };
        let mut config = FollowerConfig::new(start, vec![CONTRACT]);
        (config.range, config.memory) = (3, 4);
        let mut follower = L1Follower::new(self.client.clone(), config);
        for _ in 0..4 {
            drop(follower.try_next().await?);
        }
        Ok(())
    }

    async fn blobs(&self) -> Result<(), L1Error> {
        let beacon = BeaconClient::new(std::slice::from_ref(&self.server.url), options())?;
        let wanted = [B256::repeat_byte(1)];
        // Nothing has this hash, whatever the endpoint says.
        assert!(beacon.blobs(5, 1_000, &wanted).await.is_err());
        Ok(())
    }
}

/// One attempt, and an endpoint that is silent is given up soon.
fn options() -> L1Options {
    L1Options { timeout: Duration::from_millis(400), attempts: 1, backoff: Duration::ZERO }
}

fn checked(header: &L1Header) {
    assert_eq!(header.header().hash_slow(), header.hash());
}

fn contracts() -> RollupContracts {
    RollupContracts { inbox: CONTRACT, settlement: Address::repeat_byte(0xbb), vault: Address::repeat_byte(0xcc) }
}

/// A log of one of a rollup's contracts, whatever it says.
fn event(input: &mut Input<'_>) {
    let contracts = contracts();
    let address = [contracts.inbox, contracts.settlement, contracts.vault][usize::from(input.u8()) % 3];
    let known = InboxEvent::topics();
    let first = match input.u8() {
        known_topic if usize::from(known_topic) < known.len() => known[usize::from(known_topic)],
        _ => B256::from(input.array()),
    };
    let more = usize::from(input.u8()) % 4;
    let topics = std::iter::once(first).chain((0..more).map(|_| B256::from(input.array()))).collect();
    let data = LogData::new_unchecked(topics, input.rest().to_vec().into());
    drop(InboxEvent::decode(&data, 5, 1_000));
    drop(contracts.decode(&L1Log { address, data, index: 0, tx_index: 0, tx_hash: B256::ZERO }));
}
