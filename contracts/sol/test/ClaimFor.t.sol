// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ISettlementMinter} from "../ISettlementMinter.sol";
import {SettledERC1155} from "../SettledERC1155.sol";
import {SettledERC721} from "../SettledERC721.sol";
import {SettledToken} from "../SettledToken.sol";
import {Config} from "../Types.sol";
import {Vault} from "../Vault.sol";
import {VaultRig} from "./VaultRig.sol";

/// @dev A wallet whose owner's signature is good.
contract ContractWallet is IERC1271 {
    address private immutable _owner;

    constructor(address owner_) {
        _owner = owner_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recover(hash, signature) == _owner ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @dev The organiser's own minter.
contract OwnMinter is ISettlementMinter {
    bytes32 public last;

    function mint(address collection, uint8 kind, address to, uint256 tokenId, uint256 amount) external {
        last = keccak256(abi.encode(msg.sender, collection, kind, to, tokenId, amount));
    }
}

contract ClaimForTest is VaultRig {
    uint256 internal constant KEY = 0xa11ce;

    function digest(uint256 index, address to, uint256 deadline) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Mayfly"),
                keccak256("1"),
                block.chainid,
                address(vault)
            )
        );
        bytes32 inner = keccak256(
            abi.encode(keccak256("ClaimFor(uint256 index,address to,uint256 deadline)"), index, to, deadline)
        );
        return keccak256(abi.encodePacked(hex"1901", domain, inner));
    }

    function claimFor(uint256 index, address to, uint256 deadline, bytes memory signature) public {
        vault.claimFor(leaves[index], proofOf(index), to, deadline, signature);
    }

    function test_a_recipient_sends_its_leaf_elsewhere_by_signature() public {
        addLeaf(0, address(0), 0, 1 ether, vm.addr(KEY));
        addLeaf(0, address(0), 0, 2 ether, vm.addr(KEY));
        settleAll();
        uint256 deadline = block.timestamp;
        bytes memory good = sign(KEY, digest(0, address(0x99), deadline));
        bytes memory refused = abi.encodeWithSelector(Vault.InvalidSignature.selector, vm.addr(KEY));
        vm.expectRevert(refused);
        this.claimFor(0, address(0x98), deadline, good);
        vm.expectRevert(refused);
        this.claimFor(1, address(0x99), deadline, good);
        vm.expectRevert(refused);
        this.claimFor(0, address(0x99), deadline + 1, good);
        bytes memory forged = sign(0xbad, digest(0, address(0x99), deadline));
        vm.expectRevert(refused);
        this.claimFor(0, address(0x99), deadline, forged);
        bytes memory nowhere = sign(KEY, digest(0, address(0), deadline));
        vm.expectRevert(Vault.ZeroRecipient.selector);
        this.claimFor(0, address(0), deadline, nowhere);
        this.claimFor(0, address(0x99), deadline, good);
        eq(address(0x99).balance, 1 ether, "paid elsewhere");
        vm.expectRevert(abi.encodeWithSelector(Vault.AlreadyClaimed.selector, 0));
        this.claimFor(0, address(0x99), deadline, good);
        bytes memory late = sign(KEY, digest(1, address(0x99), deadline));
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(Vault.SignatureExpired.selector, deadline));
        this.claimFor(1, address(0x99), deadline, late);
    }

    function test_a_contract_signs_by_erc1271() public {
        ContractWallet wallet = new ContractWallet(vm.addr(KEY));
        addLeaf(0, address(0), 0, 1 ether, address(wallet));
        addLeaf(0, address(0), 0, 1 ether, address(erc20));
        settleAll();
        uint256 deadline = block.timestamp + 1;
        bytes memory forged = sign(0xbad, digest(0, address(0x99), deadline));
        vm.expectRevert(abi.encodeWithSelector(Vault.InvalidSignature.selector, address(wallet)));
        this.claimFor(0, address(0x99), deadline, forged);
        bytes memory other = sign(KEY, digest(1, address(0x99), deadline));
        vm.expectRevert(abi.encodeWithSelector(Vault.InvalidSignature.selector, address(erc20)));
        this.claimFor(1, address(0x99), deadline, other);
        this.claimFor(0, address(0x99), deadline, sign(KEY, digest(0, address(0x99), deadline)));
        eq(address(0x99).balance, 1 ether, "paid elsewhere");
    }

    function description() internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("Cards", "CRD", "ipfs://cards/")));
    }

    function describe(string memory name, uint256 index) public {
        vault.describeCollection(name, "CRD", "ipfs://cards/", leaves[index], proofOf(index));
    }

    function test_collections_are_described_by_their_leaf_once() public {
        addLeaf(4, address(0xc1), 5, 1, address(0xd4));
        addLeaf(5, address(0xc2), 5, 3, address(0xd5));
        addLeaf(6, address(0xc1), description(), 4, address(0xc1));
        addLeaf(6, address(0xc2), description(), 5, address(0xc2));
        addLeaf(6, address(0xc3), description(), 3, address(0xc3));
        settleAll();
        claim(0);
        SettledERC721 cards = SettledERC721(vault.settledCollection(4, address(0xc1)));
        eq(cards.name(), "", "not described yet");
        vm.expectRevert(abi.encodeWithSelector(Vault.WrongDescription.selector, address(0xc1)));
        this.describe("Carbs", 2);
        vm.expectRevert(abi.encodeWithSelector(Vault.WrongDescription.selector, address(0xc1)));
        this.describe("Cards", 0);
        vm.expectRevert(abi.encodeWithSelector(Vault.WrongDescription.selector, address(0xc3)));
        this.describe("Cards", 4);
        vm.expectRevert(abi.encodeWithSelector(Vault.UnknownKind.selector, 6));
        this.claimIt(2);
        describe("Cards", 2);
        eq(cards.name(), "Cards", "name");
        eq(cards.symbol(), "CRD", "symbol");
        eq(cards.tokenURI(5), "ipfs://cards/5", "uri");
        eq(cards.collection(), address(0xc1), "collection");
        eq(cards.rollup(), address(inbox), "rollup");
        vm.expectRevert(abi.encodeWithSelector(Vault.AlreadyClaimed.selector, 2));
        this.describe("Cards", 2);
        describe("Cards", 3);
        SettledERC1155 items = SettledERC1155(vault.settledCollection(5, address(0xc2)));
        eq(items.name(), "Cards", "described before the first mint");
        eq(items.uri(1), "ipfs://cards/", "1155 uri");
        claim(1);
        eq(items.balanceOf(address(0xd5), 5), 3, "minted after");
        vm.expectRevert(abi.encodeWithSelector(SettledToken.NotVault.selector, address(this)));
        cards.mint(address(0xc1), 4, address(this), 9, 1);
        vm.expectRevert(abi.encodeWithSelector(SettledToken.NotVault.selector, address(this)));
        items.describe("", "", "");
    }

    function claimIt(uint256 index) external {
        claim(index);
    }

    function test_the_organisers_minter_mints_instead() public {
        OwnMinter own = new OwnMinter();
        Config memory c = baseConfig();
        c.minter = address(own);
        fill(c);
        addLeaf(4, address(0xc1), 5, 1, address(0xd4));
        addLeaf(6, address(0xc1), description(), 4, address(0xc1));
        settleAll();
        claim(0);
        bytes32 want = keccak256(abi.encode(address(vault), address(0xc1), uint8(4), address(0xd4), 5, 1));
        eq(own.last(), want, "minted");
        vm.expectRevert(abi.encodeWithSelector(Vault.MinterIsNamed.selector, address(own)));
        this.describe("Cards", 1);
    }
}
