"""The chain as JSON-RPC shows it: every block, transaction and log from block 0."""

from encode import create2_address, create_address, mapping_slot
from rpc import data, quantity

BLOCKS_AT_ONCE = 20
DEPOSIT_TYPE = 0x7E
CREATE2_DEPLOYER = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")

# docs/protocol/derivation.md, "Fixed addresses on the rollup"
BRIDGE = bytes.fromhex("4d61796600000000000000000000000000000001")
MESSENGER = bytes.fromhex("4d61796600000000000000000000000000000002")
REGISTRY = bytes.fromhex("4d61796600000000000000000000000000000003")
FIXED = {
    BRIDGE,
    MESSENGER,
    REGISTRY,
    bytes.fromhex("4d61796600000000000000000000000000000011"),
    bytes.fromhex("4d61796600000000000000000000000000000012"),
    bytes.fromhex("4d61796600000000000000000000000000000013"),
    bytes.fromhex("4d617966000000000000000000000000000000ff"),
    CREATE2_DEPLOYER,
    bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935"),
    bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02"),
}


class ChainError(Exception):
    """What the node says contradicts itself."""


def hex_address(address):
    return "0x" + address.hex()


def words_of(blob):
    """Addresses among the 32-byte words of calldata (after a selector, and without one) or log data."""
    for offset in (0, 4):
        for at in range(offset, len(blob) - 31, 32):
            if blob[at:at + 12] == bytes(12) and blob[at + 12:at + 32] != bytes(20):
                yield blob[at + 12:at + 32]


class Chain:
    """Walks all blocks once; `visit(block, transaction, receipt)` sees every transaction in order."""

    def __init__(self, rpc, last=None):
        self.rpc = rpc
        self.last = quantity(rpc.one("eth_blockNumber")) if last is None else last
        self.tag = hex(self.last)
        self.minted = 0
        self.addresses = set()
        self.hash = None

    def walk(self, visit):
        parent = None
        for start in range(0, self.last + 1, BLOCKS_AT_ONCE):
            span = range(start, min(start + BLOCKS_AT_ONCE, self.last + 1))
            blocks = self.rpc.many([("eth_getBlockByNumber", (hex(n), True)) for n in span])
            receipts = self.rpc.many([("eth_getBlockReceipts", (hex(n),)) for n in span])
            for number, block, done in zip(span, blocks, receipts):
                self._check(number, block, done, parent)
                parent = block["hash"]
                self.addresses.add(data(block["miner"]))
                for transaction, receipt in zip(block["transactions"], done):
                    self._note(transaction, receipt)
                    visit(number, transaction, receipt)
        self.hash = parent

    def _check(self, number, block, receipts, parent):
        if block is None or receipts is None:
            raise ChainError(f"no block {number}")
        if quantity(block["number"]) != number or (parent is not None and block["parentHash"] != parent):
            raise ChainError(f"block {number} does not follow the one before")
        hashes = [transaction["hash"] for transaction in block["transactions"]]
        if hashes != [receipt["transactionHash"] for receipt in receipts]:
            raise ChainError(f"receipts of block {number} are of other transactions")

    def _note(self, transaction, receipt):
        """Whom a transaction may have given something to, and what a deposit minted."""
        sender, blob = data(transaction["from"]), data(transaction["input"])
        self.addresses.add(sender)
        if transaction.get("to"):
            self.addresses.add(data(transaction["to"]))
            if data(transaction["to"]) == CREATE2_DEPLOYER and len(blob) >= 32:
                self.addresses.add(create2_address(CREATE2_DEPLOYER, blob[:32], blob[32:]))
        if receipt.get("contractAddress"):
            self.addresses.add(data(receipt["contractAddress"]))
        if quantity(transaction["type"]) == DEPOSIT_TYPE:
            self.minted += quantity(transaction.get("mint") or "0x0")
        self.addresses.update(words_of(blob))
        for authorization in transaction.get("authorizationList") or []:
            self.addresses.add(data(authorization["address"]))
        for log in receipt["logs"]:
            self.addresses.add(data(log["address"]))
            self.addresses.update(words_of(data(log["data"])))
            for topic in log["topics"][1:]:
                self.addresses.update(words_of(data(topic)))

    def storage(self, account, slots):
        """Words of an account's storage after the last block."""
        calls = [("eth_getStorageAt", (hex_address(account), hex(slot), self.tag)) for slot in slots]
        return [data(value).rjust(32, b"\0") for value in self.rpc.many(calls)]

    def mapping(self, account, slot, keys):
        """mapping[key] for every key; of a struct, its first word."""
        keys = list(keys)
        return dict(zip(keys, self.storage(account, [mapping_slot(key, slot) for key in keys])))

    def codes(self, accounts):
        accounts = list(accounts)
        calls = [("eth_getCode", (hex_address(account), self.tag)) for account in accounts]
        return dict(zip(accounts, map(data, self.rpc.many(calls))))

    def balances(self, accounts):
        accounts = list(accounts)
        calls = [("eth_getBalance", (hex_address(account), self.tag)) for account in accounts]
        return dict(zip(accounts, map(quantity, self.rpc.many(calls))))

    def find_children(self):
        """Adds every contract that a known contract made by CREATE, by its nonce, down to the last generation."""
        fresh = set(self.addresses)
        while fresh:
            contracts = [account for account, code in self.codes(fresh).items() if code]
            calls = [("eth_getTransactionCount", (hex_address(account), self.tag)) for account in contracts]
            children = set()
            for account, count in zip(contracts, map(quantity, self.rpc.many(calls))):
                children.update(create_address(account, nonce) for nonce in range(1, count))
            fresh = children - self.addresses
            self.addresses |= fresh
