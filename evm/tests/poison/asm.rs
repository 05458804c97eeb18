//! Bytecode by hand.

use alloy_primitives::{Bytes, U256};

pub(crate) const STOP: u8 = 0x00;
pub(crate) const POP: u8 = 0x50;
pub(crate) const JUMPDEST: u8 = 0x5b;
pub(crate) const PUSH0: u8 = 0x5f;
pub(crate) const GAS: u8 = 0x5a;
pub(crate) const ADDRESS: u8 = 0x30;
pub(crate) const STATICCALL: u8 = 0xfa;

/// The longest code an account may have (EIP-170).
const MAX_CODE_BYTES: usize = 24_576;
/// `PUSH2 to JUMP`, with room to spare.
const LOOP_BYTES: usize = 8;

/// Code under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asm(pub(crate) Vec<u8>);

impl Asm {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn ops(mut self, ops: &[u8]) -> Self {
        self.0.extend_from_slice(ops);
        self
    }

    /// The shortest push of a number.
    pub(crate) fn push(self, value: impl TryInto<U256, Error: std::fmt::Debug>) -> Self {
        let bytes = value.try_into().unwrap().to_be_bytes_trimmed_vec();
        let length = u8::try_from(bytes.len()).unwrap();
        self.ops(&[PUSH0 + length]).ops(&bytes)
    }

    /// Copies the transaction's input to the start of memory.
    pub(crate) fn input_to_memory(self) -> Self {
        self.ops(&[0x36, PUSH0, PUSH0, 0x37])
    }

    /// `STATICCALL` with all gas; the result is dropped.
    pub(crate) fn static_call(self, address: u64, input_bytes: u64) -> Self {
        self.ops(&[PUSH0, PUSH0]).push(input_bytes).ops(&[PUSH0]).push(address).ops(&[GAS, STATICCALL, POP])
    }

    pub(crate) fn code(self) -> Bytes {
        self.0.into()
    }
}

/// `setup`, then `body` until the gas is used up: unrolled as often as one account's code holds.
pub(crate) fn forever(setup: Asm, body: Asm) -> Bytes {
    let start = setup.0.len() as u64;
    let times = (MAX_CODE_BYTES - setup.0.len() - LOOP_BYTES) / body.0.len();
    let code = setup.ops(&[JUMPDEST]).ops(&body.0.repeat(times));
    code.push(start).ops(&[0x56]).code()
}

/// `setup`, then `body` as long as more than `reserve` gas is left; what it did stands.
pub(crate) fn until_spent(setup: Asm, body: Asm, reserve: u64) -> Bytes {
    let start = setup.0.len() as u64;
    let code = setup.ops(&[JUMPDEST]).ops(&body.0);
    code.push(reserve).ops(&[GAS, 0x10, 0x15]).push(start).ops(&[0x57, STOP]).code()
}
