"""What the recount itself promises: python3 -m unittest discover -s tests/recount."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from encode import abi, append_root, create2_address, create_address, mapping_slot, rlp, sorted_pair_root  # noqa: E402
from fold import ERC20, ERC721, ERC1155, TRANSFER, TRANSFER_BATCH, TRANSFER_SINGLE, Fold  # noqa: E402
from keccak import keccak256  # noqa: E402
from leaves import admit, leaf_hash, merge  # noqa: E402

TOKEN, A, B = bytes([9]) * 20, bytes([1]) * 20, bytes([2]) * 20
NOBODY = bytes(20)


def topic(address):
    return address.rjust(32, b"\0")


class Hashing(unittest.TestCase):
    def test_keccak_of_known_texts(self):
        known = {
            b"": "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
            b"Transfer(address,address,uint256)": "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
            b"TransferSingle(address,address,address,uint256,uint256)":
                "c3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62",
        }
        for text, digest in known.items():
            self.assertEqual(keccak256(text).hex(), digest)

    def test_keccak_differs_from_sha3_by_its_padding_only(self):
        import hashlib

        for size in (0, 1, 71, 135, 136, 137, 271, 272, 1000):
            self.assertNotEqual(keccak256(bytes(size)), hashlib.sha3_256(bytes(size)).digest())
        # EIP-1014's and EIP-155-era examples fix the rest.
        self.assertEqual(keccak256(b"\x80").hex(), "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")

    def test_created_addresses(self):
        creator = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
        children = ["cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d", "343c43a37d37dff08ae8c4a11544c718abb4fcf8"]
        for nonce, child in enumerate(children):
            self.assertEqual(create_address(creator, nonce).hex(), child)
        # EIP-1014, examples 1 and 3
        self.assertEqual(create2_address(NOBODY, bytes(32), b"\0").hex(), "4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38")
        salt = bytes.fromhex("000000000000000000000000feed000000000000000000000000000000000000")
        found = create2_address(bytes.fromhex("deadbeef" + 32 * "0"), salt, b"\0")
        self.assertEqual(found.hex(), "d04116cdd17bebe565eb2422f2497e06cc1c9833")

    def test_rlp_of_the_papers_examples(self):
        self.assertEqual(rlp(b"dog"), b"\x83dog")
        self.assertEqual(rlp([b"cat", b"dog"]), b"\xc8\x83cat\x83dog")
        self.assertEqual(rlp([]), b"\xc0")
        self.assertEqual(rlp(b"\x0f"), b"\x0f")
        self.assertEqual(rlp(b"x" * 56), b"\xb8\x38" + b"x" * 56)

    def test_trees(self):
        a, b, c = (bytes([n]) * 32 for n in (3, 1, 2))
        self.assertEqual(sorted_pair_root([]), bytes(32))
        self.assertEqual(sorted_pair_root([a]), a)
        self.assertEqual(sorted_pair_root([a, b, c]), keccak256(c + keccak256(b + a)))
        self.assertEqual(append_root([], 2), bytes(32))
        empty = keccak256(bytes(64))
        self.assertEqual(append_root([a], 2), keccak256(keccak256(a + bytes(32)) + empty))
        self.assertEqual(append_root([a, b, c], 2), keccak256(keccak256(a + b) + keccak256(c + bytes(32))))
        self.assertEqual(mapping_slot(A, 1), int.from_bytes(keccak256(abi(A, 1)), "big"))


class Folding(unittest.TestCase):
    def setUp(self):
        self.fold = Fold(lambda contract: contract == TOKEN)

    def move(self, name, *args, contract=TOKEN, blob=b""):
        self.fold.count(contract, [name, *args], blob)

    def held(self):
        return {(kind, token_id, holder): amount for _, kind, token_id, holder, amount in self.fold.balances()}

    def test_counts_the_three_standards(self):
        self.move(TRANSFER, topic(NOBODY), topic(A), blob=abi(100))
        self.move(TRANSFER, topic(A), topic(B), blob=abi(40))
        self.move(TRANSFER, topic(NOBODY), topic(A), abi(7))
        self.move(TRANSFER_SINGLE, topic(B), topic(NOBODY), topic(A), blob=abi(5, 9))
        self.move(TRANSFER_BATCH, topic(B), topic(A), topic(B), blob=abi(64, 160, 2, 5, 6, 2, 4, 0))
        self.assertEqual(self.held(), {
            (ERC20, 0, A): 60, (ERC20, 0, B): 40, (ERC721, 7, A): 1, (ERC1155, 5, A): 5, (ERC1155, 5, B): 4,
        })

    def test_ignores_other_shapes(self):
        dirty = b"\1" + bytes(11) + A
        self.move(TRANSFER, topic(NOBODY), topic(A), contract=B, blob=abi(100))
        self.move(TRANSFER, topic(NOBODY), topic(A), blob=abi(100) + b"\0")
        self.move(TRANSFER, topic(NOBODY), topic(A), abi(7), blob=b"\0")
        self.move(TRANSFER, topic(NOBODY), dirty, abi(7))
        self.move(TRANSFER_SINGLE, topic(B), topic(NOBODY), topic(A), blob=abi(5))
        for words in ([64, 128, 1, 5, 1], [64, 128, 1, 5, 2, 9], [96, 128, 1, 5, 1, 9], [64, 160, 1, 5, 1, 9], [64, 128, 1, 5, 1, 9, 0]):
            self.move(TRANSFER_BATCH, topic(B), topic(NOBODY), topic(A), blob=abi(*words))
        self.fold.count(TOKEN, [], b"")
        self.assertEqual(self.held(), {})
        self.assertEqual(self.fold.inconsistent, set())
        self.move(TRANSFER_BATCH, topic(B), topic(NOBODY), topic(A), blob=abi(64, 128, 1, 5, 1, 9))
        self.assertEqual(self.held(), {(ERC1155, 5, A): 9})

    def test_a_contradiction_ends_a_contract(self):
        self.move(TRANSFER, topic(NOBODY), topic(A), blob=abi(100))
        self.move(TRANSFER, topic(A), topic(B), blob=abi(101))
        self.move(TRANSFER, topic(NOBODY), topic(A), blob=abi(1))
        self.assertEqual((self.held(), self.fold.inconsistent), ({}, {TOKEN}))


class Leaves(unittest.TestCase):
    def test_merges_sorts_and_leaves_out(self):
        rows = [(1, TOKEN, 0, B, 5), (0, NOBODY, 0, B, 1), (1, TOKEN, 0, B, 6), (0, NOBODY, 0, NOBODY, 9), (0, NOBODY, 0, A, 0)]
        self.assertEqual(merge(rows), [(0, NOBODY, 0, B, 1), (1, TOKEN, 0, B, 11)])

    def test_sums_stop_at_what_a_leaf_can_say(self):
        most = (1 << 256) - 1
        rows = [(5, TOKEN, 7, A, most), (5, TOKEN, 7, B, 1), (5, TOKEN, 7, A, 1), (5, TOKEN, 7, A, 1)]
        self.assertEqual(merge(rows), [(5, TOKEN, 7, A, most), (5, TOKEN, 7, B, 1)])

    def test_room_goes_to_who_came_first_and_to_the_larger_amounts(self):
        native, coin = [(0, NOBODY, 0, A, 5), (0, NOBODY, 0, B, 6)], [(1, A, 0, A, 5)]
        first = [(5, TOKEN, 0, A, 1), (5, TOKEN, 0, B, 3), (6, TOKEN, 9, TOKEN, 5)]
        second = [(5, B, 0, A, 100), (6, B, 9, B, 5)]
        rows, places = native + coin + first + second, {TOKEN: 0, B: 1}
        self.assertEqual(admit(rows, places), sorted(rows))
        self.assertEqual(admit(rows, places, 1), [native[1]])
        self.assertEqual(admit(rows, places, 5), sorted(native + coin + first[1:]))
        self.assertEqual(admit(rows, places, 8, 1), sorted(native + coin + first[1:] + second))

    def test_hash_is_double_and_depends_on_the_position(self):
        row = (1, TOKEN, 0, B, 11)
        once = keccak256(abi(A, 3, 1, TOKEN, 0, 11, B))
        self.assertEqual(leaf_hash(A, 3, row), keccak256(once))
        self.assertNotEqual(leaf_hash(A, 4, row), leaf_hash(A, 3, row))


if __name__ == "__main__":
    unittest.main()
