"""An independent recount of a rollup over JSON-RPC: who gets what when it settles.

  python3 tests/recount --rpc URL --rollup ADDRESS [--l1 URL | --genesis FILE] [--block N] [--roots]

Needs Python 3.9 and nothing else. Follows docs/protocol/settlement.md and shares no code with the node.
Prints one JSON document: the leaves in order, their root, what contracts hold, and native currency found and expected.
Exit 1 if native currency is missing: then some holder was not found and the leaves are not all.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from chain import ChainError, hex_address  # noqa: E402
from leaves import Recount  # noqa: E402
from rpc import Rpc, RpcError, data, quantity  # noqa: E402


def genesis_from_l1(url, rollup):
    """The allocations of the RollupCreated log of this rollup."""
    topic = "0x" + rollup.rjust(32, b"\0").hex()
    logs = Rpc(url).one("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "topics": [None, topic]})
    created = [log for log in logs if len(log["topics"]) == 3]
    if len(created) != 1:
        raise ChainError(f"{len(created)} creation logs on L1")
    blob = data(created[0]["data"])
    number = lambda at: int.from_bytes(blob[at:at + 32], "big")  # noqa: E731
    # (settlement, vault, offset of config, offset of genesis)
    start = number(96)
    rows = range(start + 32, start + 32 + 64 * number(start), 64)
    return [(blob[at + 12:at + 32], number(at + 32)) for at in rows]


def row_json(row):
    kind, token, token_id, who, amount = row
    return {
        "kind": kind,
        "token": hex_address(token),
        "tokenId": str(token_id),
        "amount": str(amount),
        "recipient": hex_address(who),
    }


def main():
    parser = argparse.ArgumentParser(description="recount a rollup's settlement over JSON-RPC")
    parser.add_argument("--rpc", required=True, help="the rollup's JSON-RPC URL")
    parser.add_argument("--rollup", required=True, help="its address on L1")
    parser.add_argument("--l1", help="L1's JSON-RPC URL, for the genesis allocations")
    parser.add_argument("--genesis", help="the same as a file: [[address, wei], …]")
    parser.add_argument("--block", type=int, help="last block; default: the latest")
    parser.add_argument("--roots", action="store_true", help="also recompute receiptRoot and withdrawalRoot (slow)")
    args = parser.parse_args()
    rpc, rollup = Rpc(args.rpc), data(args.rollup)
    genesis = genesis_from_l1(args.l1, rollup) if args.l1 else []
    if args.genesis:
        with open(args.genesis, encoding="utf-8") as file:
            genesis = [(data(address), int(wei)) for address, wei in json.load(file)]
    recount = Recount(rpc, rollup, genesis, args.block, args.roots)
    rows = recount.run()
    hashes, root = recount.tree(rows)
    expected = recount.native_expected()
    result = {
        "block": recount.chain.last,
        "blockHash": recount.chain.hash,
        "settlementRoot": "0x" + root.hex(),
        "leaves": [
            {"index": index, **row_json(row), "hash": "0x" + digest.hex()}
            for index, (row, digest) in enumerate(zip(rows, hashes))
        ],
        "contractHeld": [row_json(row) for row in sorted(recount.contract_held)],
        "inconsistent": sorted(hex_address(contract) for contract in recount.inconsistent),
        "nativeFound": str(recount.native_found),
        "nativeExpected": str(expected),
    }
    if args.roots:
        result["receiptRoot"] = "0x" + recount.receipt_root().hex()
        result["withdrawalRoot"] = "0x" + recount.withdrawal_root(quantity(rpc.one("eth_chainId"))).hex()
    json.dump(result, sys.stdout, indent=1)
    print()
    if (args.l1 or args.genesis) and recount.native_found != expected:
        print(f"native currency: found {recount.native_found} of {expected}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ChainError, RpcError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
