"""Who holds which token: the fold over Transfer logs of docs/protocol/settlement.md, "Settlement leaves"."""

from keccak import keccak256

TRANSFER = keccak256(b"Transfer(address,address,uint256)")
TRANSFER_SINGLE = keccak256(b"TransferSingle(address,address,address,uint256,uint256)")
TRANSFER_BATCH = keccak256(b"TransferBatch(address,address,address,uint256[],uint256[])")

ERC20, ERC721, ERC1155 = "erc20", "erc721", "erc1155"
NOBODY = bytes(20)
LIMIT = 1 << 256


def address_of(topic):
    """The address in a topic; None if there is anything above it."""
    return topic[12:] if topic[:12] == bytes(12) else None


def numbers(blob):
    return [int.from_bytes(blob[at:at + 32], "big") for at in range(0, len(blob), 32)]


def batch_moves(blob):
    """(id, amount) pairs of abi.encode(uint256[], uint256[]) in canonical form; None for anything else."""
    if len(blob) % 32 or len(blob) < 128:
        return None
    words = numbers(blob)
    count = words[2]
    if count > len(words) or len(words) != 4 + 2 * count:
        return None
    if words[0] != 64 or words[1] != 96 + 32 * count or words[3 + count] != count:
        return None
    return list(zip(words[3:3 + count], words[4 + count:]))


class Fold:
    """`is_bridged_erc20(contract)` says whose 3-topic transfers count."""

    def __init__(self, is_bridged_erc20):
        self.is_bridged_erc20 = is_bridged_erc20
        self.amounts = {}
        self.inconsistent = set()

    def count(self, contract, topics, blob):
        shape = self._shape(contract, topics, blob)
        if shape is None or contract in self.inconsistent:
            return
        kind, sender, receiver, moves = shape
        for token_id, amount in moves:
            for holder, change in ((sender, -amount), (receiver, amount)):
                if holder == NOBODY:
                    continue
                key = (contract, kind, token_id, holder)
                total = self.amounts.get(key, 0) + change
                if not 0 <= total < LIMIT:
                    self.inconsistent.add(contract)
                    return
                self.amounts[key] = total

    def _shape(self, contract, topics, blob):
        if not topics:
            return None
        name, ends, moves = topics[0], topics[-2:], None
        if name == TRANSFER and len(topics) == 4 and not blob:
            kind, ends, moves = ERC721, topics[1:3], [(int.from_bytes(topics[3], "big"), 1)]
        elif name == TRANSFER and len(topics) == 3 and len(blob) == 32 and self.is_bridged_erc20(contract):
            kind, moves = ERC20, [(0, int.from_bytes(blob, "big"))]
        elif name == TRANSFER_SINGLE and len(topics) == 4 and len(blob) == 64:
            kind, moves = ERC1155, [tuple(numbers(blob))]
        elif name == TRANSFER_BATCH and len(topics) == 4:
            kind, moves = ERC1155, batch_moves(blob)
        if moves is None:
            return None
        sender, receiver = address_of(ends[0]), address_of(ends[1])
        if sender is None or receiver is None:
            return None
        return kind, sender, receiver, moves

    def balances(self):
        """(contract, kind, id, holder, amount) that settle: not zero, contract consistent."""
        for (contract, kind, token_id, holder), amount in self.amounts.items():
            if amount and contract not in self.inconsistent:
                yield contract, kind, token_id, holder, amount
