//! A contract that does what it is told, written in opcodes: it emits ERC-721 Transfer logs, true or not, and passes
//! anything else on to the registry in its own name. No compiler would let us lie so plainly.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use mayfly_contracts::predeploys::L2_REGISTRY;

/// Init code of a puppet. With a payment, it makes a child by CREATE that keeps the payment and has no code.
pub fn init_code() -> Bytes {
    let runtime = runtime();
    let size = u8::try_from(runtime.len()).unwrap();
    let mut code = vec![
        0x34, 0x15, 0x60, 10, 0x57, // CALLVALUE ISZERO PUSH1 10 JUMPI
        0x5f, 0x5f, 0x34, 0xf0, // PUSH0 PUSH0 CALLVALUE CREATE: empty init code
        0x50, // POP
        0x5b, // JUMPDEST at 10
        0x60, size, 0x60, 22, 0x5f, 0x39, // PUSH1 size PUSH1 22 PUSH0 CODECOPY
        0x60, size, 0x5f, 0xf3, // PUSH1 size PUSH0 RETURN
        0x00,
    ];
    assert_eq!(code.len(), 22);
    code.extend(runtime);
    code.into()
}

fn runtime() -> Vec<u8> {
    let transfer = keccak256(b"Transfer(address,address,uint256)");
    let forward_size = 7 + 4 + 5 + 21 + 2 + 1 + 1;
    let log_at = u8::try_from(forward_size).unwrap();
    // Of 96 bytes: a log. Of anything else: a call of the registry. Nothing at all: take the payment.
    let mut code = vec![0x36, 0x60, 96, 0x14, 0x60, log_at, 0x57]; // CALLDATASIZE PUSH1 96 EQ PUSH1 log JUMPI
    code.extend([0x36, 0x5f, 0x5f, 0x37]); // CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY
    code.extend([0x5f, 0x5f, 0x36, 0x5f, 0x5f]); // PUSH0 PUSH0 CALLDATASIZE PUSH0 PUSH0
    code.push(0x73); // PUSH20 registry
    code.extend(L2_REGISTRY.as_slice());
    code.extend([0x5a, 0xf1, 0x50, 0x00]); // GAS CALL POP STOP
    assert_eq!(code.len(), forward_size);
    code.push(0x5b); // JUMPDEST
    code.extend([0x60, 64, 0x35, 0x60, 32, 0x35, 0x5f, 0x35]); // id, to, from
    code.push(0x7f); // PUSH32 topic
    code.extend(transfer.as_slice());
    code.extend([0x5f, 0x5f, 0xa4, 0x00]); // PUSH0 PUSH0 LOG4 STOP
    code
}

/// What to call a puppet with so that it logs `Transfer(from, to, id)`.
pub fn say_transfer(from: Address, to: Address, id: U256) -> Bytes {
    [from.into_word(), to.into_word(), B256::from(id)].concat().into()
}
