//! Transfers of ether as logs.

use alloy_primitives::{Address, B256, Bytes, Log, U256, address, b256};
use revm::{
    Inspector,
    context_interface::{ContextTr, JournalTr},
    interpreter::{CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome},
};

/// Who a transfer of ether is told to be of (ERC-7528).
const ETHER: Address = address!("0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// A log and its index in the block.
type Indexed = (usize, Log);

/// Collects a block's logs, if asked for with one for each transfer of ether: by a transaction's value, a call's, a
/// creation's or a self-destruct's. What a failed call logged goes with it, but keeps its place in the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers {
    /// Whether transfers are told.
    told: bool,
    /// Logs by open call, outermost first.
    open: Vec<Vec<Indexed>>,
    /// Logs of the transaction that has ended.
    done: Vec<Indexed>,
    /// Logs of the block so far.
    count: usize,
}

impl Transfers {
    /// `told` = with transfers.
    pub(super) fn new(told: bool) -> Self {
        Self { told, ..Self::default() }
    }

    /// The logs of the transaction that has ended.
    pub(super) fn take(&mut self) -> Vec<Indexed> {
        self.open.clear();
        std::mem::take(&mut self.done)
    }

    fn enter(&mut self, transfer: Option<Log>) {
        self.open.push(Vec::new());
        self.tell(transfer);
    }

    fn tell(&mut self, transfer: Option<Log>) {
        if let Some(log) = transfer.filter(|_| self.told) {
            self.push(log);
        }
    }

    fn push(&mut self, log: Log) {
        if let Some(logs) = self.open.last_mut() {
            logs.push((self.count, log));
            self.count += 1;
        }
    }

    fn exit(&mut self, success: bool) {
        let logs = self.open.pop().filter(|_| success).unwrap_or_default();
        self.open.last_mut().unwrap_or(&mut self.done).extend(logs);
    }
}

fn transfer(from: Address, to: Address, value: U256) -> Option<Log> {
    let topics = || vec![TRANSFER, from.into_word(), to.into_word()];
    let data = || Bytes::copy_from_slice(&value.to_be_bytes::<32>());
    (!value.is_zero()).then(|| Log::new_unchecked(ETHER, topics(), data()))
}

impl<C: ContextTr> Inspector<C> for Transfers {
    fn log(&mut self, _: &mut C, log: Log) {
        self.push(log);
    }

    fn call(&mut self, _: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let moves = inputs.scheme == CallScheme::Call;
        let log = moves.then(|| transfer(inputs.caller, inputs.target_address, inputs.value.get()));
        self.enter(log.flatten());
        None
    }

    fn call_end(&mut self, _: &mut C, _: &CallInputs, outcome: &mut CallOutcome) {
        self.exit(outcome.result.result.is_ok());
    }

    fn create(&mut self, context: &mut C, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let account = context.journal_mut().load_account(inputs.caller());
        let nonce = account.map_or(0, |account| account.info.nonce);
        self.enter(transfer(inputs.caller(), inputs.created_address(nonce), inputs.value()));
        None
    }

    fn create_end(&mut self, _: &mut C, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.exit(outcome.result.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.tell(transfer(contract, target, value));
    }
}
