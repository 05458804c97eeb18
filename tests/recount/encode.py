"""ABI words, RLP and the trees of docs/protocol/settlement.md."""

from keccak import keccak256

ZERO = bytes(32)


def word(value):
    """A static ABI word: an int, an address (20 bytes) or 32 bytes."""
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    assert len(value) in (20, 32), f"{len(value)} bytes are no word"
    return bytes(32 - len(value)) + value


def abi(*values):
    """abi.encode of static values."""
    return b"".join(word(value) for value in values)


def mapping_slot(key, slot):
    """Where Solidity keeps mapping[key] of the mapping at a slot."""
    return int.from_bytes(keccak256(abi(key, slot)), "big")


def rlp(item):
    """RLP of bytes and (nested) lists."""
    if isinstance(item, (list, tuple)):
        payload, short, long = b"".join(rlp(part) for part in item), 0xC0, 0xF7
    elif len(item) == 1 and item[0] < 0x80:
        return bytes(item)
    else:
        payload, short, long = bytes(item), 0x80, 0xB7
    if len(payload) < 56:
        return bytes([short + len(payload)]) + payload
    size = len(payload).to_bytes((len(payload).bit_length() + 7) // 8, "big")
    return bytes([long + len(size)]) + size + payload


def rlp_int(value):
    """An integer as RLP bytes: big-endian, no leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def create_address(creator, nonce):
    """The address of a contract made by CREATE."""
    return keccak256(rlp([creator, rlp_int(nonce)]))[12:]


def create2_address(creator, salt, init_code):
    """The address of a contract made by CREATE2 (EIP-1014)."""
    return keccak256(b"\xff" + creator + salt + keccak256(init_code))[12:]


def sorted_pair_root(leaves):
    """The settlement tree: keccak of sorted pairs, a last odd node moves up; 0 without leaves."""
    layer = list(leaves)
    if not layer:
        return ZERO
    while len(layer) > 1:
        above = [keccak256(min(a, b) + max(a, b)) for a, b in zip(layer[::2], layer[1::2])]
        if len(layer) % 2:
            above.append(layer[-1])
        layer = above
    return layer[0]


def append_root(leaves, depth):
    """The append-only tree: leaf i at position i, empty leaf 0, node = keccak(left ‖ right); 0 without leaves."""
    if not leaves:
        return ZERO
    layer, empty = list(leaves), ZERO
    for _ in range(depth):
        if len(layer) % 2:
            layer.append(empty)
        layer = [keccak256(a + b) for a, b in zip(layer[::2], layer[1::2])]
        empty = keccak256(empty + empty)
    return layer[0]
