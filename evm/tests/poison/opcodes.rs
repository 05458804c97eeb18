//! Poison made of opcodes: computation, memory, state, calls and creations.

use super::asm::{ADDRESS, Asm, GAS, JUMPDEST, POP, PUSH0, STATICCALL, STOP, forever, until_spent};
use super::{HELPER, Poison};
use alloy_primitives::{Bytes, U256, hex};

/// The longest init code (EIP-3860).
const MAX_INIT_CODE_BYTES: usize = 49_152;

/// `op` over and over on the operands that `operands` pushes, bottom first; its results are dropped.
fn repeated(name: &'static str, operands: &[U256], op: u8) -> Poison {
    let depth = operands.len() as u8;
    let setup = operands.iter().fold(Asm::new(), |asm, operand| asm.push(*operand));
    // DUPn n times keeps the operands where they are.
    let body = Asm::new().ops(&vec![0x7f + depth; depth as usize]).ops(&[op, POP]);
    Poison::code(name, forever(setup, body))
}

fn arithmetic() -> Vec<Poison> {
    let max = U256::MAX;
    let (half, odd) = (max >> 127, max - U256::from(188));
    vec![
        Poison::code("jumpdests", forever(Asm::new(), Asm::new().ops(&[JUMPDEST]))),
        Poison::code("pushes", forever(Asm::new(), Asm::new().ops(&[PUSH0, POP]))),
        Poison::code("wide pushes", forever(Asm::new(), Asm::new().push(max).ops(&[POP]))),
        Poison::code("swaps", forever(Asm::new().ops(&[PUSH0; 17]), Asm::new().ops(&[0x9f]))),
        repeated("additions", &[max, odd], 0x01),
        repeated("multiplications", &[max, odd], 0x02),
        repeated("divisions", &[half, max], 0x04),
        repeated("signed divisions", &[half, odd >> 1], 0x05),
        repeated("divisions of negatives", &[U256::ZERO - half, odd], 0x05),
        repeated("divisions by three words", &[max >> 63, max], 0x04),
        repeated("remainders by three words", &[max >> 63, max], 0x06),
        repeated("remainders", &[half, max], 0x06),
        repeated("signed remainders", &[half, odd >> 1], 0x07),
        repeated("modular additions", &[half, max, odd], 0x08),
        repeated("modular multiplications", &[odd, max, max - U256::from(1)], 0x09),
        repeated("modular multiplications by three words", &[max >> 63, max, odd], 0x09),
        repeated("modular additions by three words", &[max >> 63, max, odd], 0x08),
        repeated("powers", &[max, odd], 0x0a),
        repeated("small powers", &[U256::from(255), odd], 0x0a),
        repeated("shifts", &[max, U256::from(77)], 0x1d),
        repeated("block hashes", &[U256::from(1)], 0x40),
    ]
}

fn memory() -> Vec<Poison> {
    let keccak = |name, size: u64| {
        let body = Asm::new().push(size).ops(&[PUSH0, 0x20, POP]);
        Poison::code(name, forever(Asm::new().push(size).ops(&[0x51, POP]), body))
    };
    let copy = |name, op: u8, size: u64| {
        let setup = Asm::new().push(3 * size).ops(&[0x51, POP]);
        Poison::code(name, forever(setup, Asm::new().push(size).ops(&[PUSH0]).push(size + 7).ops(&[op])))
    };
    // The most memory that the gas buys at once, 3 words + words² / 512; then hashed.
    let bomb = Asm::new().push(2_890_000_u64).ops(&[0x51, POP]);
    vec![
        keccak("hashes of nothing", 0),
        keccak("hashes of a word", 32),
        keccak("hashes of a kilobyte", 1_024),
        keccak("hashes of 64 kB", 65_536),
        Poison::code("stores", forever(Asm::new(), Asm::new().ops(&[PUSH0, PUSH0, 0x52]))),
        Poison::code("loads", forever(Asm::new(), Asm::new().ops(&[PUSH0, 0x51, POP]))),
        Poison::code("a memory bomb", forever(bomb, Asm::new().ops(&[JUMPDEST]))),
        copy("memory copies", 0x5e, 32_768),
        copy("code copies", 0x39, 24_576),
        copy("input copies", 0x37, 24_576),
        Poison::code(
            "memory bombs in calls",
            forever(
                Asm::new(),
                Asm::new().ops(&[PUSH0, PUSH0, PUSH0, PUSH0]).push(HELPER).ops(&[GAS, STATICCALL, POP]),
            ),
        )
        .with_helper(Asm::new().push(65_504_u64).ops(&[0x51, STOP]).code()),
    ]
}

fn logs() -> Vec<Poison> {
    let topics = Asm::new().ops(&[GAS; 4]).ops(&[PUSH0, PUSH0, 0xa4]);
    let large = Asm::new().push(65_536_u64).ops(&[PUSH0, 0xa0]);
    vec![
        Poison::code("empty logs", until_spent(Asm::new(), Asm::new().ops(&[PUSH0, PUSH0, 0xa0].repeat(20)), 10_000)),
        Poison::code("logs of four topics", until_spent(Asm::new(), topics, 3_000)),
        Poison::code("large logs", until_spent(Asm::new(), large, 600_000)),
    ]
}

fn state() -> Vec<Poison> {
    let fresh = |op: &[u8]| Asm::new().ops(&[GAS]).ops(op);
    let gift = Asm::new().ops(&[PUSH0, PUSH0, PUSH0, PUSH0]).push(1_u64).ops(&[GAS, PUSH0, 0xf1, POP]);
    vec![
        Poison::code("warm slot reads", forever(Asm::new(), Asm::new().ops(&[PUSH0, 0x54, POP]))),
        Poison::code("cold slot reads", forever(Asm::new(), fresh(&[0x54, POP]))),
        Poison::code("new slots", until_spent(Asm::new(), Asm::new().ops(&[GAS, GAS, 0x55]), 25_000)),
        Poison::code("new accounts", until_spent(Asm::new(), gift.clone(), 50_000)),
        Poison::code(
            "warm slot writes",
            until_spent(Asm::new(), Asm::new().ops(&[GAS, PUSH0, 0x55].repeat(20)), 25_000),
        ),
        Poison::code("transient slots", forever(Asm::new(), Asm::new().ops(&[GAS, GAS, 0x5d]))),
        Poison::code("transient reads", forever(Asm::new(), fresh(&[0x5c, POP]))),
        Poison::code("cold balances", forever(Asm::new(), fresh(&[0x31, POP]))),
        Poison::code("own balances", forever(Asm::new(), Asm::new().ops(&[0x47, POP]))),
        Poison::code("warm balances", forever(Asm::new(), Asm::new().ops(&[ADDRESS, 0x31, POP]))),
        Poison::code("code hashes", forever(Asm::new(), Asm::new().ops(&[ADDRESS, 0x3f, POP]))),
        Poison::code(
            "foreign code copies",
            forever(
                Asm::new().push(24_576_u64).ops(&[0x51, POP]),
                Asm::new().push(24_576_u64).ops(&[PUSH0, PUSH0]).push(HELPER).ops(&[0x3c]),
            ),
        )
        .with_helper(vec![JUMPDEST; 24_576].into()),
    ]
}

fn calls() -> Vec<Poison> {
    let itself = Asm::new().ops(&[PUSH0, PUSH0, PUSH0, PUSH0, ADDRESS, GAS, STATICCALL, POP]);
    let helper = |op: u8| {
        let args = if op == 0xf1 { vec![PUSH0; 5] } else { vec![PUSH0; 4] };
        forever(Asm::new(), Asm::new().ops(&args).push(HELPER).ops(&[GAS, op, POP]))
    };
    let returned = Asm::new().push(98_304_u64).ops(&[PUSH0]);
    let copy = Asm::new().ops(&[0x3d, PUSH0, PUSH0, 0x3e]);
    let copied = Asm::new().ops(&[PUSH0, PUSH0, PUSH0, PUSH0]).push(HELPER).ops(&[GAS, STATICCALL, POP]);
    vec![
        // Twice itself: as deep as 1,024 frames or the gas goes, and everything again on the way back.
        Poison::code("a tree of calls", itself.clone().ops(&itself.0).code()),
        Poison::code(
            "deep calls that hold memory",
            Asm::new().push(2_048_u64).ops(&[0x51, POP]).ops(&itself.0.repeat(2)).code(),
        ),
        Poison::code("calls of nothing", helper(0xfa)).with_helper(Bytes::new()),
        Poison::code("calls", helper(0xf1)).with_helper(vec![STOP].into()),
        Poison::code("delegate calls of 24 kB", helper(0xf4))
            .with_helper([vec![STOP], vec![JUMPDEST; 24_575]].concat().into()),
        Poison::code("huge returns", helper(0xfa)).with_helper(returned.clone().ops(&[0xf3]).code()),
        Poison::code("huge reverts", helper(0xfa)).with_helper(returned.clone().ops(&[0xfd]).code()),
        Poison::code("return data copies", forever(copied, copy)).with_helper(returned.ops(&[0xf3]).code()),
    ]
}

fn creations() -> Vec<Poison> {
    let create = |size: u64| Asm::new().push(size).ops(&[PUSH0, PUSH0, 0xf0, POP]);
    let create2 = |size: u64| Asm::new().ops(&[GAS]).push(size).ops(&[PUSH0, PUSH0, 0xf5, POP]);
    let init = |code: &[u8]| Asm::new().push(U256::from_be_slice(code) << (256 - 8 * code.len())).ops(&[PUSH0, 0x52]);
    let jumps = [vec![STOP], vec![JUMPDEST; MAX_INIT_CODE_BYTES - 1]].concat();
    // `GAS PUSH0 MSTORE PUSH2 24,576 PUSH0 RETURN`: another code each time.
    let large = hex!("5a5f526160005ff3");
    let small = hex!("5a5f5260205ff3");
    vec![
        Poison::code("empty creations", until_spent(Asm::new(), create(0), 60_000)),
        Poison::code(
            "creations from large init code",
            until_spent(Asm::new().input_to_memory(), create(jumps.len() as u64), 60_000),
        )
        .with_input(jumps.clone()),
        Poison::code(
            "hashed creations",
            until_spent(Asm::new().input_to_memory(), create2(jumps.len() as u64), 60_000),
        )
        .with_input(jumps.clone()),
        Poison::code("floods of 24 kB code", until_spent(init(&large), create(8), 5_200_000)),
        Poison::code("floods of small code", until_spent(init(&small), create2(7), 60_000)),
        Poison::code("short-lived contracts", until_spent(init(&hex!("33ff")), create2(2), 60_000)),
        Poison::creation("a large creation", jumps),
    ]
}

pub(super) fn all() -> Vec<Poison> {
    [arithmetic(), memory(), logs(), state(), calls(), creations()].concat()
}
