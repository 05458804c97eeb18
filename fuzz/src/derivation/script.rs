//! What the input does to L1 and to those who read it.

use super::BLOCK_GAS_LIMIT;
use super::l1::L1;
use super::run::Run;
use super::wallet::WALLETS;
use crate::batch::wrap;
use crate::input::Input;
use alloy_consensus::TxEnvelope;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;
use mayfly_rollup::RollupInfo;
use mayfly_rollup::batch::{BatchBlock, decode, encode, pack_blobs};
use mayfly_rollup::derive::BatchData;
use std::sync::Arc;

/// Blocks that an input's raw payload may hold: more are slow only because they are many.
const MAX_BLOCKS: usize = 64;

pub(super) struct Script {
    info: Arc<RollupInfo>,
    pub(super) l1: L1,
    /// Reads each block as it comes.
    pub(super) following: Run,
    /// Reads when the input says so.
    pub(super) pieces: Run,
}

impl Script {
    pub(super) fn new(info: Arc<RollupInfo>) -> Self {
        let l1 = L1::new(&info);
        let (following, pieces) = (Run::new(info.clone()), Run::new(info.clone()));
        let mut script = Self { info, l1, following, pieces };
        script.follow();
        script
    }

    /// Ends L1.
    pub(super) fn close(mut self) -> Self {
        self.l1.close();
        self
    }

    pub(super) fn operate(&mut self, input: &mut Input<'_>) {
        match input.u8() % 14 {
            0 => self.mine(),
            1 => self.l1.wait(4 * u64::from(input.u8())),
            2 => {
                let (kind, gas_limit) = (input.u8() % 7, 16 * u64::from(input.u16()));
                self.l1.item(kind, gas_limit, input.bytes().to_vec());
            }
            3 => {
                let to = if input.u8() == 0 { WALLETS[0].address } else { Address::repeat_byte(input.u8()) };
                self.l1.item(0, 21_000, (to, U256::from(input.u16())).abi_encode_params());
            }
            4 => self.token(input),
            5 => {
                let tx = self.transactions(input, 1).remove(0);
                self.l1.item(4, 21_000 + 8 * u64::from(input.u16()), tx.encoded_2718());
            }
            6 => {
                let payload = input.bytes().to_vec();
                self.raw(input, payload);
            }
            7 => {
                let columns = input.bytes();
                let payload = wrap(B256::ZERO, columns, input.bytes());
                self.raw(input, payload);
            }
            8 => self.batch(input),
            9 => {
                let (origin, queue_up_to) = self.bounds(input);
                self.l1.batch(origin, queue_up_to, BatchData::None, B256::ZERO);
            }
            10 => match input.u8() % 8 {
                0 => self.l1.end(),
                1 => self.l1.freeze(true),
                2 => self.l1.freeze(false),
                _ => self.l1.cancel_freeze(),
            },
            11 => {
                let stands = self.l1.reorganise(usize::from(input.u8() % 12));
                self.following.reset(stands);
                self.pieces.reset(stands);
            }
            12 => {
                self.pieces.read(&self.l1, usize::from(input.u8() % 8));
                self.pieces.steps(input.u8().into());
            }
            _ => self.pieces.restart(),
        }
    }

    fn mine(&mut self) {
        self.l1.mine();
        self.follow();
    }

    fn follow(&mut self) {
        self.following.read(&self.l1, usize::MAX);
        self.following.steps(usize::MAX);
    }

    /// A deposit of a token whose texts are what the token says.
    fn token(&mut self, input: &mut Input<'_>) {
        let kind = 1 + input.u8() % 3;
        let (token, to) = (Address::repeat_byte(input.u8()), Address::repeat_byte(input.u8()));
        let (id, amount) = (U256::from(input.u8()), U256::from(input.u16()));
        let mut text = || Bytes::from(input.bytes().to_vec());
        // Bytes and strings have one encoding; these need not be UTF-8.
        let payload = match kind {
            1 => (token, to, amount, text(), text(), U256::from(18)).abi_encode_params(),
            2 => (token, to, id, text(), text(), text()).abi_encode_params(),
            _ => (token, to, id, amount, text()).abi_encode_params(),
        };
        self.l1.item(kind, 1_000_000, payload);
    }

    /// Origin and queue position that the Inbox takes.
    fn bounds(&self, input: &mut Input<'_>) -> (u64, u64) {
        let latest = self.l1.next_number() - 1;
        // 0 stands for the latest, and for all items.
        let origin = latest - input.between(0, latest - self.l1.now.origin);
        let most = self.l1.most_items(origin).max(self.l1.now.consumed);
        let queue_up_to = most - input.between(0, most - self.l1.now.consumed);
        (origin, queue_up_to)
    }

    /// Posts these bytes, on top of the chain as it stands.
    fn raw(&mut self, input: &mut Input<'_>, mut payload: Vec<u8>) {
        if let Some(parent) = payload.get_mut(1..33) {
            parent.copy_from_slice(self.following.chain.head().hash.as_slice());
        }
        if decode(&payload).is_ok_and(|payload| payload.blocks.len() > MAX_BLOCKS) {
            return;
        }
        let (origin, queue_up_to) = self.bounds(input);
        self.post(input, origin, queue_up_to, payload);
    }

    /// Posts blocks that are right but for what the input breaks.
    fn batch(&mut self, input: &mut Input<'_>) {
        let (origin, queue_up_to) = self.bounds(input);
        let start = self.l1.now.origin;
        let count = input.between(1, 3);
        let mut left = queue_up_to - self.l1.now.consumed;
        let transactions = usize::from(input.u8() % 5);
        let mut transactions = self.transactions(input, transactions).into_iter();
        let mut blocks = Vec::new();
        for row in 1..=count {
            let (place, fault, take) = (input.u8(), input.u8(), u64::from(input.u8()));
            let block_origin = if row == count { origin } else { start + u64::from(place) % (origin - start + 1) };
            let parent = self.following.chain.head().timestamp();
            let queue_items = if row == count { left } else { take.min(left) };
            left -= queue_items;
            let timestamp = self.l1.time_of(block_origin).max(parent).max(self.l1.time_of(origin));
            let (block_origin, timestamp, queue_items) = match fault {
                0xff => (block_origin + 1, timestamp, queue_items),
                0xfe => (block_origin, timestamp + u64::from(place), queue_items),
                0xfd => (block_origin, timestamp, queue_items + 1),
                0xfc => (block_origin, timestamp.saturating_sub(place.into()), queue_items),
                _ => (block_origin, timestamp, queue_items),
            };
            let queue_items = u32::try_from(queue_items).unwrap_or(u32::MAX);
            let transactions = if row == count {
                transactions.by_ref().collect()
            } else {
                transactions.by_ref().take(usize::from(place % 3)).collect()
            };
            blocks.push(BatchBlock {
                origin: block_origin,
                timestamp,
                queue_items,
                transactions,
                sponsors: Vec::new(),
            });
        }
        let parent = self.following.chain.head().hash;
        let payload = encode(parent, &blocks).expect("a few blocks can be encoded");
        self.post(input, origin, queue_up_to, payload);
    }

    /// Puts a payload into calldata or blobs. The Inbox sees only hashes, so blobs may be anything.
    fn post(&mut self, input: &mut Input<'_>, origin: u64, queue_up_to: u64, payload: Vec<u8>) {
        let how = input.u8();
        let blobs = if how % 4 == 3 { pack_blobs(&payload).ok() } else { None };
        let (data, hash) = match blobs {
            None => (BatchData::Calldata(payload.clone().into()), keccak256(&payload)),
            Some(mut blobs) => {
                if how > 0xf0 {
                    let last = blobs.len() - 1;
                    blobs[last][usize::from(input.u8())] ^= how;
                }
                let blobs: Vec<Bytes> = blobs.into_iter().map(Bytes::from).collect();
                let hashes: Vec<u8> = blobs.iter().flat_map(|blob| keccak256(blob).0).collect();
                (BatchData::Blobs(blobs), keccak256(hashes))
            }
        };
        self.l1.batch(origin, queue_up_to, data, hash);
        // What follows in the same block does not know what this batch becomes.
        if how & 0x10 == 0 {
            self.mine();
        }
    }

    fn transactions(&self, input: &mut Input<'_>, count: usize) -> Vec<TxEnvelope> {
        let mut nonces = [0; 3];
        for (nonce, wallet) in nonces.iter_mut().zip(WALLETS.iter()) {
            *nonce = self.following.chain.account(&wallet.address).map_or(0, |account| account.nonce);
        }
        let mut transaction = |_| {
            let from = usize::from(input.u8()) % WALLETS.len();
            let tx = WALLETS[from].transaction(input, self.info.chain_id, nonces[from]);
            nonces[from] += 1;
            tx
        };
        (0..count).map(&mut transaction).collect()
    }
}

const _: () = assert!(BLOCK_GAS_LIMIT >= 1_000_000, "a token's deposit fits in a block");
