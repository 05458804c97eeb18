//! Recovery of the block log: a real log, cut, flipped, overwritten, with foreign tails.
//!
//! A log is as good as its first record that is not what was written. Up to there the chain is exactly what it was then;
//! damage that was durable once refuses to open. Whatever the bytes, nothing panics, and no block is served that was
//! not written.

use crate::input::Input;
use alloy_primitives::{Address, B256, Bytes, U256};
use mayfly_evm::{
    BlockAttributes, Chain, ChainSpec, EvmError, Genesis, GenesisAccount, RecoveredTx, SealedBlock, Transaction,
};
use op_alloy_consensus::TxDeposit;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SEGMENT_HEADER_BYTES: usize = 16;
const RECORD_HEADER_BYTES: usize = 20;
/// A chain makes its first checkpoint so long after its first block.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(5);
/// What an input may do to the log.
const MAX_OPERATIONS: usize = 12;
/// A log grows by no more than this.
const MAX_GROWTH_BYTES: usize = 1 << 16;
/// Emits its input as topics and data of a log, and stores a word of it.
const CONTRACT: Address = Address::repeat_byte(0xa4);
/// `SSTORE(input[0], input[1]); LOG3(0, 32, input[1], input[2], input[3])`.
const CODE: &[u8] = &[
    0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x60, 0x60, 0x35, 0x60, 0x40, 0x35, 0x60, 0x20, 0x35, 0x60, 0x20, 0x60,
    0x00, 0xa3, 0x00,
];

static WRITTEN: LazyLock<Written> = LazyLock::new(Written::new);

/// Runs one input.
pub fn run(data: &[u8]) {
    let written = &*WRITTEN;
    let mut input = Input::new(data);
    let (recorded, beside) = (input.u8(), input.u8());
    let mut bytes = written.log.clone();
    let mut edited = Edited::default();
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        written.operate(&mut input, &mut bytes, &mut edited);
    }
    // Makes records check out that do not hold what was written: their decoding must not rely on the checksum.
    let forged = recorded == 0xff && forge(&mut bytes);
    let dir = written.crashed();
    fs::write(log_file(dir.path()), &bytes).expect("a file in a fresh directory");
    if beside & 0xe0 == 0xe0 {
        // A next segment that a crash left unborn.
        fs::write(dir.path().join("log/00000002.log"), &bytes[..usize::from(beside & 0x0f).min(bytes.len())])
            .expect("a file in a fresh directory");
    }
    let good = written.good(&bytes);
    match Chain::open(dir.path(), spec()) {
        Ok(chain) if forged => served(&chain, None),
        Ok(chain) => written.check(&chain, &bytes, good, edited),
        Err(EvmError::Corrupt { .. } | EvmError::RootMismatch { .. } | EvmError::OtherChain(_)) if forged => {}
        Err(EvmError::Corrupt { .. }) => {
            let torn = edited.cut_only && bytes.len() >= written.ends[0];
            assert!(!torn, "a log cut at {} is only torn", bytes.len());
        }
        Err(error) => assert!(forged, "{error}"),
    }
}

/// What was done to the log.
#[derive(Debug, Clone, Copy)]
struct Edited {
    /// Only its end was cut off.
    cut_only: bool,
    /// Whole records may stand where they were not written.
    moved: bool,
}

impl Default for Edited {
    fn default() -> Self {
        Self { cut_only: true, moved: false }
    }
}

/// A log as a crash leaves it, and what the chain was after each of its records.
struct Written {
    dir: TempDir,
    log: Vec<u8>,
    /// Where each record ends, genesis first.
    ends: Vec<usize>,
    prints: Vec<String>,
    /// Every block that was ever written.
    blocks: Vec<Arc<SealedBlock>>,
}

impl Written {
    /// Anew if it took so long that a checkpoint may have come between: without one, every record is replayed.
    fn new() -> Self {
        loop {
            let started = Instant::now();
            let written = Self::write();
            if started.elapsed() < CHECKPOINT_AFTER / 2 {
                return written;
            }
        }
    }

    fn write() -> Self {
        let dir = scratch();
        let mut chain = Chain::create(Some(dir.path()), spec(), &genesis()).expect("a fresh directory");
        let size = |dir: &Path| fs::metadata(log_file(dir)).expect("a log").len() as usize;
        let (mut ends, mut prints, mut blocks) =
            (vec![size(dir.path())], vec![fingerprint(&chain)], vec![chain.head().clone()]);
        for step in 0..10_u64 {
            if step == 5 {
                chain.revert_to(3).expect("block 3 is kept");
            } else {
                blocks.push(block(&mut chain, step));
            }
            chain.flush().expect("the disk takes it");
            ends.push(size(dir.path()));
            prints.push(fingerprint(&chain));
        }
        let crashed = copy(dir.path());
        let log = fs::read(log_file(crashed.path())).expect("a log");
        Self { dir: crashed, log, ends, prints, blocks }
    }

    /// A copy of the directory.
    fn crashed(&self) -> TempDir {
        copy(self.dir.path())
    }

    fn operate(&self, input: &mut Input<'_>, bytes: &mut Vec<u8>, edited: &mut Edited) {
        let what = input.u8() % 8;
        let at = self.place(input, bytes.len());
        if what != 0 {
            edited.cut_only = false;
        }
        match what {
            0 => bytes.truncate(at),
            1 => {
                let bit = 1 << (input.u8() % 8);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bit;
                }
            }
            2 => {
                let new = input.bytes();
                let end = (at + new.len()).min(bytes.len());
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            3 => bytes.extend_from_slice(input.bytes()),
            4 => bytes.resize(bytes.len() + usize::from(input.u16() % 4_096), input.u8()),
            5 => {
                let end = (at + usize::from(input.u16())).min(bytes.len());
                drop(bytes.drain(at..end));
                edited.moved = true;
            }
            6 => {
                let end = (at + usize::from(input.u16())).min(self.log.len());
                let piece = self.log.get(at..end).unwrap_or_default();
                if bytes.len() + piece.len() <= self.log.len() + MAX_GROWTH_BYTES {
                    bytes.extend_from_slice(piece);
                }
                edited.moved = true;
            }
            _ => {
                let end = (at + usize::from(input.u16())).min(bytes.len());
                bytes[at..end].fill(0);
            }
        }
    }

    /// A place in the log: anywhere, or near where a record ends.
    fn place(&self, input: &mut Input<'_>, len: usize) -> usize {
        let (record, offset) = (input.u8(), input.u16());
        let at = match self.ends.get(usize::from(record & 0x3f)) {
            Some(end) if record & 0x40 == 0 => end.saturating_add(usize::from(offset % 64)).saturating_sub(24),
            _ => usize::from(offset),
        };
        at.min(len)
    }

    /// How many records stand as they were written, from the first on.
    fn good(&self, bytes: &[u8]) -> usize {
        self.ends.iter().take_while(|end| bytes.get(..**end) == self.log.get(..**end)).count()
    }

    fn check(&self, chain: &Chain, bytes: &[u8], good: usize, edited: Edited) {
        served(chain, Some(&self.blocks));
        assert!(good > 0, "opened without its genesis");
        if edited.moved {
            return;
        }
        assert_eq!(fingerprint(chain), self.prints[good - 1], "{good} records stand, of {} bytes", bytes.len());
    }
}

/// Every block can be read and is one of `written`, linked to the one before.
fn served(chain: &Chain, written: Option<&[Arc<SealedBlock>]>) {
    let reader = chain.reader();
    let mut parent = None;
    for number in 0..=chain.head().number() {
        let Ok(block) = reader.block_by_number(number) else {
            assert!(written.is_none(), "block {number} cannot be read");
            return;
        };
        let block = block.expect("at or below the head");
        assert_eq!(block.number(), number);
        if let Some(written) = written {
            assert!(written.contains(&block), "block {number} was never written");
            assert!(parent.is_none_or(|parent| block.header.parent_hash == parent));
        }
        parent = Some(block.hash);
    }
}

/// Writes the checksum that each record would have. False if there is none.
fn forge(bytes: &mut [u8]) -> bool {
    let mut at = SEGMENT_HEADER_BYTES;
    let mut forged = false;
    while let Some(header) = bytes.get(at..at + RECORD_HEADER_BYTES) {
        let len = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let start = at + RECORD_HEADER_BYTES;
        let Some(payload) = bytes.get(start..start.saturating_add(len)) else { break };
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header[4..16]);
        hasher.update(payload);
        bytes[at + 16..start].copy_from_slice(&hasher.finalize().to_be_bytes());
        (at, forged) = (start + len, true);
    }
    forged
}

/// A directory in memory where there is such a place: what is tested is what is read, not the disk.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a temporary directory")
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("log/00000001.log")
}

fn copy(from: &Path) -> TempDir {
    fn copy_into(from: &Path, to: &Path) -> std::io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy_into(&entry.path(), &target)?;
            } else {
                fs::copy(entry.path(), target)?;
            }
        }
        Ok(())
    }
    let to = scratch();
    copy_into(from, to.path()).expect("a directory is copied");
    to
}

fn spec() -> ChainSpec {
    ChainSpec::rollup(4_242, 1).expect("version 1")
}

fn genesis() -> Genesis {
    let code = Bytes::from_static(CODE);
    let contract = GenesisAccount { address: CONTRACT, nonce: 1, code, ..Default::default() };
    let rich = GenesisAccount { address: Address::repeat_byte(1), balance: U256::from(1_000), ..Default::default() };
    Genesis { accounts: vec![contract, rich], timestamp: 1_000, gas_limit: 1 << 24, ..Default::default() }
}

/// A block with a few deposits: some mint, some run the contract.
fn block(chain: &mut Chain, step: u64) -> Arc<SealedBlock> {
    let attributes = BlockAttributes {
        timestamp: chain.head().timestamp() + 1,
        prev_randao: B256::repeat_byte(step as u8),
        parent_beacon_block_root: B256::ZERO,
        extra_data: Bytes::from_static(b"\x01extra"),
        gas_limit: 1 << 24,
        beneficiary: Address::ZERO,
        consensus: Default::default(),
    };
    let mut block = chain.begin(attributes).expect("a child of the head");
    for index in 0..step % 4 {
        let words = [step, index, 7, index + 1].map(|word| U256::from(word).to_be_bytes::<32>());
        let deposit = TxDeposit {
            source_hash: B256::from(U256::from(100 * step + index)),
            from: Address::repeat_byte(0xf0),
            to: if index == 1 { Address::repeat_byte(step as u8) } else { CONTRACT }.into(),
            mint: u128::from(step),
            value: U256::from(index),
            gas_limit: 100_000,
            is_system_transaction: false,
            input: words.concat().into(),
        };
        let tx: RecoveredTx = Transaction::deposit(deposit).recover().expect("a deposit names its sender");
        block.execute(&Arc::new(tx)).expect("a deposit is executable");
    }
    block.seal().expect("a block seals")
}

/// Everything that two chains in the same state agree on.
fn fingerprint(chain: &Chain) -> String {
    let mut accounts = Vec::new();
    chain.for_each_account(|address, info| accounts.push((address, *info)));
    accounts.sort_unstable_by_key(|(address, _)| *address);
    let mut tokens = Vec::new();
    chain.fold().for_each(|contract, kind, id, holder, amount| tokens.push((contract, kind, id, holder, amount)));
    tokens.sort_unstable();
    format!("{:?} {accounts:?} {tokens:?} {:?}", chain.head().header, chain.receipt_tree())
}
