"""The settlement leaves of a rollup's last block, recounted from JSON-RPC alone."""

from chain import BRIDGE, FIXED, REGISTRY, Chain
from encode import abi, append_root, mapping_slot, rlp, sorted_pair_root
from fold import ERC20, ERC721, ERC1155, LIMIT, NOBODY, Fold
from keccak import keccak256
from rpc import data, quantity

NATIVE, DESCRIPTION = 0, 6
BRIDGED = {1: ERC20, 2: ERC721, 3: ERC1155}
BORN = {4: ERC721, 5: ERC1155}
RECEIPT_DEPTH, MESSAGE_DEPTH = 40, 32
MAX_LEAVES, MAX_OF_COLLECTION = 1 << 25, 1 << 20
MESSAGE_SENT = keccak256(b"MessageSent(uint64,(uint64,uint8,address,address,uint256,uint256,address,bytes))")
DELEGATION = bytes.fromhex("ef0100")


def leaf_hash(rollup, index, row):
    """Of (kind, token, token id, recipient, amount)."""
    kind, token, token_id, recipient, amount = row
    return keccak256(keccak256(abi(rollup, index, kind, token, token_id, amount, recipient)))


def merge(rows):
    """Sums rows of the same (kind, token, id, recipient), leaves out nobody and nothing, sorts. Sums stop at 2²⁵⁶ − 1."""
    sums = {}
    for kind, token, token_id, recipient, amount in rows:
        if recipient != NOBODY and amount:
            key = (kind, token, token_id, recipient)
            sums[key] = min(sums.get(key, 0) + amount, LIMIT - 1)
    return [(*key, sums[key]) for key in sorted(sums)]


def admit(rows, places, most=MAX_LEAVES, most_of_one=MAX_OF_COLLECTION):
    """The rows there is room for: native, bridged, then collections as they registered, each after its description."""

    def rank(row):
        kind, token, _, _, amount = row
        place = 1 + places[token] if kind == DESCRIPTION or kind in BORN else 0
        return place, kind != DESCRIPTION, kind, token, -amount, row

    taken, kept = {}, []
    for row in sorted(rows, key=rank):
        if row[0] in BORN:
            taken[row[1]] = taken.get(row[1], 0) + 1
            if taken[row[1]] > most_of_one:
                continue
        kept.append(row)
    return sorted(kept[:most])


class Recount:
    def __init__(self, rpc, rollup, genesis=(), last=None, roots=False):
        self.chain = Chain(rpc, last)
        self.rollup = rollup
        self.genesis = list(genesis)
        self.logs = []
        self.roots = roots
        self.receipt_leaves, self.message_leaves = [], []

    def run(self):
        self.chain.addresses.update(recipient for recipient, _ in self.genesis)
        self.chain.walk(self._visit)
        self.chain.find_children()
        emitters = {contract for contract, _, _ in self.logs}
        self.bridged = self._bridged(emitters)
        fold = Fold(lambda contract: self.bridged.get(contract, (0, b""))[0] == 1)
        for log in self.logs:
            fold.count(*log)
        registered = self._registered()
        held = list(self._native()) + list(self._tokens(fold, registered))
        rows = merge(self._to_recipients(held))
        self.inconsistent = fold.inconsistent
        for collection, (kind, description) in registered.items():
            if collection not in self.inconsistent:
                rows.append((DESCRIPTION, collection, int.from_bytes(description, "big"), collection, kind))
        return admit(rows, {collection: place for place, collection in enumerate(registered)})

    def _visit(self, block, transaction, receipt):
        for log in receipt["logs"]:
            topics = [data(topic) for topic in log["topics"]]
            self.logs.append((data(log["address"]), topics, data(log["data"])))
        if self.roots:
            self._receipt(block, receipt)

    def _receipt(self, block, receipt):
        logs = [[data(log["address"]), [data(topic) for topic in log["topics"]], data(log["data"])] for log in receipt["logs"]]
        row = (
            len(self.receipt_leaves),
            block,
            quantity(receipt["transactionIndex"]),
            data(receipt["transactionHash"]),
            quantity(receipt["status"]),
            quantity(receipt["gasUsed"]),
            keccak256(rlp(logs)),
        )
        self.receipt_leaves.append(keccak256(abi(*row)))

    def _bridged(self, contracts):
        """Contract → (kind, L1 token) for what the bridge made."""
        found = {}
        for contract, value in self.chain.mapping(BRIDGE, 0, contracts).items():
            kind = value[11]
            if kind in BRIDGED:
                found[contract] = (kind, value[12:])
        return found

    def _registered(self):
        """Collection → (kind, description) of what registered."""
        count = int.from_bytes(self.chain.storage(REGISTRY, [2])[0], "big")
        first = int.from_bytes(keccak256(abi(2)), "big")
        collections = [value[12:] for value in self.chain.storage(REGISTRY, range(first, first + count))]
        slots = [mapping_slot(collection, 1) for collection in collections]
        descriptions = self.chain.storage(REGISTRY, slots)
        kinds = self.chain.storage(REGISTRY, [slot + 1 for slot in slots])
        return {c: (kind[31], text) for c, kind, text in zip(collections, kinds, descriptions)}

    def _native(self):
        balances = self.chain.balances(self.chain.addresses)
        self.native_found = sum(balances.values())
        for holder, amount in balances.items():
            yield NATIVE, NOBODY, 0, holder, amount

    def _tokens(self, fold, registered):
        for contract, standard, token_id, holder, amount in fold.balances():
            kind, token = self.bridged.get(contract, (0, None))
            if BRIDGED.get(kind) == standard:
                yield kind, token, token_id, holder, amount
            kind, _ = registered.get(contract, (0, None))
            if BORN.get(kind) == standard:
                yield kind, contract, token_id, holder, amount

    def _to_recipients(self, held):
        held = [row for row in held if row[3] not in FIXED and row[4]]
        holders = {row[3] for row in held}
        codes = self.chain.codes(holders)
        with_code = {h for h, code in codes.items() if code and not (len(code) == 23 and code.startswith(DELEGATION))}
        beneficiaries = self.chain.mapping(REGISTRY, 0, with_code)
        self.contract_held = []
        rows = []
        for kind, token, token_id, holder, amount in held:
            recipient = holder
            if holder in with_code:
                named = beneficiaries[holder][12:]
                recipient = named if named != NOBODY else holder
                self.contract_held.append((kind, token, token_id, holder, amount))
            rows.append((kind, token, token_id, recipient, amount))
        return rows

    def receipt_root(self):
        return append_root(self.receipt_leaves, RECEIPT_DEPTH)

    def withdrawal_root(self, chain_id):
        """Of every MessageSent of the messenger: leaf = keccak(keccak(abi.encode(name, chain id, message)))."""
        from chain import MESSENGER

        leaves = []
        for contract, topics, blob in self.logs:
            if contract == MESSENGER and topics and topics[0] == MESSAGE_SENT:
                # `blob` is abi.encode(message): an offset of 32, then the message with offsets of its own.
                name = b"mayfly message v1"
                head = abi(96, chain_id, 96 + 64) + abi(len(name)) + name.ljust(32, b"\0")
                leaves.append(keccak256(keccak256(head + blob[32:])))
        return append_root(leaves, MESSAGE_DEPTH)

    def native_expected(self):
        return self.chain.minted + sum(amount for _, amount in self.genesis)

    def tree(self, rows):
        hashes = [leaf_hash(self.rollup, index, row) for index, row in enumerate(rows)]
        return hashes, sorted_pair_root(hashes)
