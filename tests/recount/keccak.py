"""Keccak-256 as Ethereum uses it (padding 0x01, not SHA-3's 0x06), after the Keccak reference."""

MASK = (1 << 64) - 1
RATE = 136

ROUND_CONSTANTS = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)


def _rotations():
    """For each lane x + 5y: where rho and pi put it, and by how much it is rotated."""
    steps = [(0, 0, 0)]
    x, y = 1, 0
    for t in range(24):
        steps.append((x + 5 * y, y + 5 * ((2 * x + 3 * y) % 5), (t + 1) * (t + 2) // 2 % 64))
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(steps)


ROTATIONS = _rotations()


def _round_source():
    """One round over the lanes a0 … a24 as straight-line code: several times faster than loops."""
    lines = [f"c{x} = a{x} ^ a{x + 5} ^ a{x + 10} ^ a{x + 15} ^ a{x + 20}" for x in range(5)]
    for x in range(5):
        after = f"c{(x + 1) % 5}"
        lines.append(f"d{x} = c{(x + 4) % 5} ^ ({after} << 1 & M | {after} >> 63)")
    for source, target, amount in ROTATIONS:
        lane = f"a{source} ^ d{source % 5}"
        rotated = f"(t << {amount} & M) | t >> {64 - amount}" if amount else "t"
        lines.append(f"t = {lane}; b{target} = {rotated}")
    for y in range(0, 25, 5):
        for x in range(5):
            lines.append(f"a{y + x} = b{y + x} ^ (b{y + (x + 2) % 5} & ~b{y + (x + 1) % 5})")
    return lines + ["a0 ^= constant"]


def _compile_permute():
    lanes = ", ".join(f"a{lane}" for lane in range(25))
    body = "\n        ".join(_round_source())
    source = f"def permute(state, M=MASK):\n    {lanes} = state\n    for constant in ROUND_CONSTANTS:\n        {body}\n    return [{lanes}]\n"
    scope = {"MASK": MASK, "ROUND_CONSTANTS": ROUND_CONSTANTS}
    exec(source, scope)  # noqa: S102 - the text above, nothing from outside
    return scope["permute"]


_permute = _compile_permute()


def keccak256(data):
    """The 32-byte digest of bytes."""
    padded = bytearray(data) + b"\x01" + bytes(RATE - 1 - len(data) % RATE)
    padded[-1] |= 0x80
    state = [0] * 25
    for start in range(0, len(padded), RATE):
        for lane in range(RATE // 8):
            at = start + 8 * lane
            state[lane] ^= int.from_bytes(padded[at:at + 8], "little")
        state = _permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])
