// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC1155Errors, IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {DemoCollection} from "../demo/DemoCollection.sol";
import {BridgedERC1155} from "../l2/BridgedERC1155.sol";
import {BridgedERC20} from "../l2/BridgedERC20.sol";
import {BridgedERC721} from "../l2/BridgedERC721.sol";
import {BridgedToken} from "../l2/BridgedToken.sol";
import {L2Bridge} from "../l2/L2Bridge.sol";
import {L2Messenger} from "../l2/L2Messenger.sol";
import {L2Registry} from "../l2/L2Registry.sol";
import {Predeploys} from "../l2/Predeploys.sol";
import {MessageProof} from "../MessageProof.sol";
import {Message} from "../Types.sol";
import {RevertingReceiver} from "./Nasty.sol";
import {Trees} from "./Trees.sol";
import {Checks, Vm} from "./Vm.sol";

contract L2Test is Checks {
    event MessageSent(uint64 indexed index, Message message);

    L2Bridge internal bridge = L2Bridge(Predeploys.BRIDGE);
    L2Messenger internal messenger = L2Messenger(Predeploys.MESSENGER);
    L2Registry internal registry = L2Registry(Predeploys.REGISTRY);
    address internal token = address(0x70);
    address internal alice = address(0xa1);
    bytes32[] internal leaves;

    function setUp() public {
        vm.etch(Predeploys.BRIDGE, type(L2Bridge).runtimeCode);
        vm.etch(Predeploys.MESSENGER, type(L2Messenger).runtimeCode);
        vm.etch(Predeploys.REGISTRY, type(L2Registry).runtimeCode);
        vm.etch(Predeploys.BRIDGED_ERC20, type(BridgedERC20).runtimeCode);
        vm.etch(Predeploys.BRIDGED_ERC721, type(BridgedERC721).runtimeCode);
        vm.etch(Predeploys.BRIDGED_ERC1155, type(BridgedERC1155).runtimeCode);
    }

    function credit20(address to, uint256 amount) internal returns (BridgedERC20) {
        vm.prank(Predeploys.SYSTEM);
        bridge.finalizeERC20(token, to, amount, "Token", "TKN", 6);
        return BridgedERC20(bridge.bridgedAddress(1, token));
    }

    function credit721(address to, uint256 id) internal returns (BridgedERC721) {
        vm.prank(Predeploys.SYSTEM);
        bridge.finalizeERC721(token, to, id, "Cards", "CRD", "ipfs://1");
        return BridgedERC721(bridge.bridgedAddress(2, token));
    }

    function credit1155(address to, uint256 id, uint256 amount) internal returns (BridgedERC1155) {
        vm.prank(Predeploys.SYSTEM);
        bridge.finalizeERC1155(token, to, id, amount, "ipfs://{id}");
        return BridgedERC1155(bridge.bridgedAddress(3, token));
    }

    function test_deposits_make_one_contract_per_token_and_kind() public {
        BridgedERC20 erc20 = credit20(alice, 5);
        eq(address(credit20(alice, 7)), address(erc20), "same contract");
        eq(erc20.balanceOf(alice), 12, "credited");
        eq(erc20.name(), "Token", "name");
        eq(erc20.symbol(), "TKN", "symbol");
        eq(erc20.decimals(), 6, "decimals");
        eq(erc20.l1Token(), token, "origin");
        BridgedERC721 erc721 = credit721(alice, 1);
        eq(erc721.ownerOf(1), alice, "owner");
        eq(erc721.tokenURI(1), "ipfs://1", "uri");
        eq(erc721.name(), "Cards", "collection");
        BridgedERC1155 erc1155 = credit1155(alice, 4, 9);
        eq(erc1155.balanceOf(alice, 4), 9, "units");
        eq(erc1155.uri(4), "ipfs://{id}", "1155 uri");
        ok(address(erc20) != address(erc721) && address(erc721) != address(erc1155), "one per kind");
        // What derivation reads: slot 0, the kind above the L1 token.
        bytes32 word = vm.load(address(bridge), keccak256(abi.encode(address(erc1155), 0)));
        eq(uint256(word), (uint256(3) << 160) | uint160(token), "storage word");
    }

    function test_a_first_deposit_fits_its_gas() public {
        string memory long = "0123456789012345678901234567890123456789012345678901234567890123";
        string memory uri = string.concat(long, long, long, long);
        vm.prank(Predeploys.SYSTEM);
        bridge.finalizeERC721{gas: 900_000}(token, alice, 1, long, long, uri);
        vm.prank(Predeploys.SYSTEM);
        bridge.finalizeERC20{gas: 900_000}(token, alice, 1, long, long, 18);
        vm.prank(Predeploys.SYSTEM);
        bridge.finalizeERC1155{gas: 900_000}(token, alice, 1, 1, uri);
    }

    function test_deposits_call_nobody_back() public {
        address nasty = address(new RevertingReceiver());
        credit721(nasty, 1);
        eq(credit1155(nasty, 1, 1).balanceOf(nasty, 1), 1, "credited");
        credit20(nasty, 1);
    }

    function test_only_the_system_credits_and_only_the_bridge_mints() public {
        vm.expectRevert(abi.encodeWithSelector(L2Bridge.NotSystem.selector, address(this)));
        bridge.finalizeERC20(token, alice, 1, "", "", 0);
        vm.expectRevert(abi.encodeWithSelector(L2Bridge.NotSystem.selector, address(this)));
        bridge.finalizeERC721(token, alice, 1, "", "", "");
        vm.expectRevert(abi.encodeWithSelector(L2Bridge.NotSystem.selector, address(this)));
        bridge.finalizeERC1155(token, alice, 1, 1, "");
        BridgedERC20 erc20 = credit20(alice, 1);
        vm.expectRevert(abi.encodeWithSelector(BridgedToken.NotBridge.selector, address(this)));
        erc20.mint(alice, 1);
        vm.expectRevert(abi.encodeWithSelector(BridgedToken.NotBridge.selector, address(this)));
        erc20.burn(alice, 1);
        vm.expectRevert(abi.encodeWithSelector(BridgedToken.NotBridge.selector, address(this)));
        erc20.initialize(token, "", "", 0);
        vm.prank(Predeploys.BRIDGE);
        vm.expectRevert(BridgedToken.AlreadyInitialized.selector);
        erc20.initialize(token, "", "", 0);
        vm.expectRevert(abi.encodeWithSelector(L2Messenger.NotBridge.selector, address(this)));
        messenger.sendAsset(0, alice, address(0), 0, 1, alice);
    }

    function test_withdrawals_burn_what_the_caller_holds() public {
        BridgedERC20 erc20 = credit20(alice, 10);
        BridgedERC721 erc721 = credit721(alice, 1);
        BridgedERC1155 erc1155 = credit1155(alice, 2, 10);
        vm.deal(alice, 1 ether);
        vm.startPrank(alice);
        bridge.withdrawETH{value: 1 ether}(alice);
        bridge.withdrawERC20(token, alice, 4);
        bridge.withdrawERC721(token, alice, 1);
        bridge.withdrawERC1155(token, alice, 2, 3);
        vm.stopPrank();
        eq(address(bridge).balance, 1 ether, "native is kept");
        eq(erc20.totalSupply(), 6, "erc20");
        eq(erc721.balanceOf(alice), 0, "erc721");
        eq(erc1155.balanceOf(alice, 2), 7, "erc1155");
        eq(messenger.count(), 4, "messages");
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, address(this), 0, 1));
        bridge.withdrawERC20(token, alice, 1);
        credit721(alice, 5);
        vm.expectRevert(abi.encodeWithSelector(BridgedERC721.NotHolder.selector, address(this), 5));
        bridge.withdrawERC721(token, alice, 5);
        vm.expectRevert(
            abi.encodeWithSelector(IERC1155Errors.ERC1155InsufficientBalance.selector, address(this), 0, 1, 2)
        );
        bridge.withdrawERC1155(token, alice, 2, 1);
        vm.expectRevert(abi.encodeWithSelector(L2Bridge.NotBridged.selector, 1, alice));
        bridge.withdrawERC20(alice, alice, 1);
        vm.expectRevert(L2Bridge.NothingWithdrawn.selector);
        bridge.withdrawETH(alice);
        vm.deal(address(this), 1);
        vm.expectRevert(L2Messenger.ZeroRecipient.selector);
        bridge.withdrawETH{value: 1}(address(0));
        credit721(alice, 1);
        eq(erc721.ownerOf(1), alice, "may come again");
    }

    function testFuzz_the_message_tree_is_the_plain_tree(uint256 seed, uint8 count) public {
        eq(messenger.root(), 0, "no messages");
        count = uint8(bound(count, 1, 40));
        for (uint256 i = 0; i < count; ++i) {
            bytes memory data = abi.encode(seed, i);
            vm.recordLogs();
            vm.prank(alice);
            eq(messenger.send(address(0x70), data), i, "index");
            Vm.Log[] memory logs = vm.getRecordedLogs();
            eq(logs[0].topics[0], MessageSent.selector, "event");
            Message memory message = abi.decode(logs[0].data, (Message));
            eq(message.kind, 6, "kind");
            eq(message.sender, alice, "sender");
            leaves.push(keccak256(abi.encode(keccak256(abi.encode("mayfly message v1", block.chainid, message)))));
            eq(messenger.root(), Trees.appendRoot(leaves), "root");
        }
        eq(vm.load(address(messenger), 0), messenger.root(), "slot 0");
        (bytes32 root, bytes32[32] memory proof) = Trees.appendProof(leaves, seed % count);
        eq(this.rootOf(leaves[seed % count], uint64(seed % count), proof), root, "proof");
        ok(this.rootOf(leaves[seed % count], uint64(seed % count) + 1, proof) != root, "position binds");
        eq(this.rootOf(leaves[seed % count], uint64(seed % count) + (1 << 32), proof), 0, "beyond the tree");
    }

    function rootOf(bytes32 leaf, uint64 index, bytes32[32] calldata proof) external pure returns (bytes32) {
        return MessageProof.rootOf(leaf, index, proof);
    }

    function test_calls_are_bounded() public {
        bytes memory long = new bytes(16_385);
        vm.expectRevert(abi.encodeWithSelector(L2Messenger.DataTooLong.selector, 16_385, 16_384));
        messenger.send(alice, long);
        messenger.send(alice, new bytes(16_384));
    }

    function test_beneficiaries() public {
        vm.prank(alice);
        registry.setBeneficiary(address(7));
        eq(registry.beneficiaryOf(alice), address(7), "set");
        eq(vm.load(address(registry), keccak256(abi.encode(alice, 0))), bytes32(uint256(7)), "slot");
    }

    function test_collections_are_registered_by_their_owner() public {
        vm.prank(alice);
        DemoCollection cards = new DemoCollection("Cards", "CRD", "ipfs://");
        vm.expectRevert(abi.encodeWithSelector(L2Registry.NotOwner.selector, address(this), address(cards)));
        registry.registerCollection(address(cards), 4, "Cards", "CRD", "ipfs://");
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(L2Registry.UnknownKind.selector, 3));
        registry.registerCollection(address(cards), 3, "Cards", "CRD", "ipfs://");
        registry.registerCollection(address(cards), 4, "Cards", "CRD", "ipfs://");
        registry.registerCollection(address(cards), 4, "Cards", "CRD", "ipfs://revealed/");
        vm.expectRevert(abi.encodeWithSelector(L2Registry.KindChanged.selector, 5, 4));
        registry.registerCollection(address(cards), 5, "Cards", "CRD", "ipfs://");
        vm.expectRevert(abi.encodeWithSelector(L2Registry.NotBorn.selector, address(0x123)));
        registry.registerCollection(address(0x123), 4, "", "", "");
        vm.expectRevert(abi.encodeWithSelector(L2Registry.TooLong.selector, 513, 512));
        registry.registerCollection(address(cards), 4, "", "", string(new bytes(513)));
        vm.stopPrank();
        eq(registry.registeredCount(), 1, "once");
        eq(registry.registered(0), address(cards), "listed");
        (bytes32 description, uint8 kind) = registry.collections(address(cards));
        eq(description, keccak256(abi.encode("Cards", "CRD", "ipfs://revealed/")), "last description");
        eq(kind, 4, "kind");
        bytes32 slot = keccak256(abi.encode(address(cards), 1));
        eq(vm.load(address(registry), slot), description, "first word");
        eq(vm.load(address(registry), bytes32(uint256(slot) + 1)), bytes32(uint256(4)), "second word");
        eq(vm.load(address(registry), keccak256(abi.encode(2))), bytes32(uint256(uint160(address(cards)))), "array");
    }

    function test_bridged_tokens_and_ownerless_contracts_cannot_be_registered() public {
        address cards = address(credit721(alice, 1));
        vm.prank(cards);
        vm.expectRevert(abi.encodeWithSelector(L2Registry.NotBorn.selector, cards));
        registry.registerCollection(cards, 4, "", "", "");
        address nasty = address(new RevertingReceiver());
        vm.expectRevert(abi.encodeWithSelector(L2Registry.NotOwner.selector, address(this), nasty));
        registry.registerCollection(nasty, 4, "", "", "");
        vm.prank(nasty);
        registry.registerCollection(nasty, 4, "", "", "");
    }
}
