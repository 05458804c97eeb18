// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Credits} from "../Credits.sol";
import {InboxQueue} from "../InboxQueue.sol";
import {Allocation, Config} from "../Types.sol";
import {Vault} from "../Vault.sol";
import {Predeploys} from "../l2/Predeploys.sol";
import {BadMetadataERC20, FeeOnTransferERC20, RevertingReceiver, SilentNft} from "./Nasty.sol";
import {Rig} from "./Rig.sol";
import {TestERC1155, TestERC20, TestERC721} from "./TestTokens.sol";
import {Vm} from "./Vm.sol";

contract QueueTest is Rig {
    event QueueItem(uint64 indexed index, uint8 kind, address sender, uint64 gasLimit, bytes payload);

    TestERC20 internal erc20;
    TestERC721 internal erc721;
    TestERC1155 internal erc1155;

    function setUp() public override {
        super.setUp();
        erc20 = new TestERC20("Test", "TST", 6);
        erc721 = new TestERC721("Cards", "CRD", "ipfs://cards/");
        erc1155 = new TestERC1155("ipfs://items/{id}");
        erc20.mint(user, 1e9);
        erc721.mint(user, 7);
        erc1155.mint(user, 3, 100);
        vm.deal(user, 100 ether);
        vm.startPrank(user);
        erc20.approve(address(inbox), type(uint256).max);
        erc721.setApprovalForAll(address(inbox), true);
        erc1155.setApprovalForAll(address(inbox), true);
        vm.stopPrank();
    }

    /// @dev The last QueueItem of the recorded logs, after checking its sender and gas.
    function item(uint8 kind, uint64 gasLimit) internal returns (bytes memory payload) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory log;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == QueueItem.selector) log = logs[i];
        }
        eq(log.emitter, address(inbox), "emitter");
        (uint8 k, address sender, uint64 gas_, bytes memory p) = abi.decode(log.data, (uint8, address, uint64, bytes));
        eq(k, kind, "kind");
        eq(sender, user, "sender");
        eq(gas_, gasLimit, "gas");
        return p;
    }

    function test_native_deposits_go_to_the_vault() public {
        vm.recordLogs();
        vm.prank(user);
        inbox.depositETH{value: 2 ether}(address(9));
        eq(keccak256(item(0, 21_000)), keccak256(abi.encode(address(9), 2 ether)), "payload");
        eq(address(vault).balance, 2 ether, "custody");
        vm.expectRevert(InboxQueue.NothingDeposited.selector);
        inbox.depositETH(address(9));
    }

    function test_erc20_deposits_carry_the_tokens_own_words() public {
        vm.recordLogs();
        vm.prank(user);
        inbox.depositERC20(address(erc20), address(9), 500);
        bytes memory want = abi.encode(address(erc20), address(9), 500, "Test", "TST", uint8(6));
        eq(keccak256(item(1, 1_000_000)), keccak256(want), "payload");
        eq(erc20.balanceOf(address(vault)), 500, "custody");
        vm.prank(user);
        vm.expectRevert(InboxQueue.NothingDeposited.selector);
        inbox.depositERC20(address(erc20), address(9), 0);
        bytes memory err = abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, user, 1e9 - 500, 1e9);
        vm.prank(user);
        vm.expectRevert(err);
        inbox.depositERC20(address(erc20), address(9), 1e9);
    }

    function testFuzz_a_fee_on_transfer_is_credited_as_received(uint128 amount) public {
        FeeOnTransferERC20 fee = new FeeOnTransferERC20();
        amount = uint128(bound(amount, 2, type(uint128).max));
        fee.mint(user, amount);
        vm.startPrank(user);
        fee.approve(address(inbox), amount);
        vm.recordLogs();
        inbox.depositERC20(address(fee), address(9), amount);
        vm.stopPrank();
        (,, uint256 credited,,,) = abi.decode(item(1, 1_000_000), (address, address, uint256, string, string, uint8));
        eq(credited, fee.balanceOf(address(vault)), "credited is held");
        ok(credited < amount || amount < 10, "less than sent");
    }

    function test_bad_metadata_cannot_stop_a_deposit() public {
        BadMetadataERC20 bad = new BadMetadataERC20();
        bad.mint(user, 5);
        vm.startPrank(user);
        bad.approve(address(inbox), 5);
        vm.recordLogs();
        uint256 before = gasleft();
        inbox.depositERC20(address(bad), address(9), 5);
        ok(before - gasleft() < 600_000, "gas is bounded");
        vm.stopPrank();
        (,,, string memory name, string memory symbol, uint8 decimals) =
            abi.decode(item(1, 1_000_000), (address, address, uint256, string, string, uint8));
        eq(name, "", "name");
        eq(symbol, "", "symbol");
        eq(decimals, 0, "decimals");
    }

    function test_long_names_are_cut_and_long_uris_left_out() public {
        string memory long = "0123456789012345678901234567890123456789012345678901234567890123456789";
        TestERC721 cards = new TestERC721(long, long, string.concat(long, long, long, long));
        cards.mint(user, 1);
        vm.startPrank(user);
        cards.setApprovalForAll(address(inbox), true);
        vm.recordLogs();
        inbox.depositERC721(address(cards), address(9), 1);
        vm.stopPrank();
        (,,, string memory name, string memory symbol, string memory uri) =
            abi.decode(item(2, 1_000_000), (address, address, uint256, string, string, string));
        string memory cut = "0123456789012345678901234567890123456789012345678901234567890123";
        eq(name, cut, "name");
        eq(symbol, cut, "symbol");
        eq(uri, "", "uri");
    }

    function test_nft_deposits() public {
        vm.recordLogs();
        vm.prank(user);
        inbox.depositERC721(address(erc721), address(9), 7);
        bytes memory want = abi.encode(address(erc721), address(9), 7, "Cards", "CRD", "ipfs://cards/7");
        eq(keccak256(item(2, 1_000_000)), keccak256(want), "721 payload");
        eq(erc721.ownerOf(7), address(vault), "721 custody");
        vm.recordLogs();
        vm.prank(user);
        inbox.depositERC1155(address(erc1155), address(9), 3, 40);
        want = abi.encode(address(erc1155), address(9), 3, 40, "ipfs://items/{id}");
        eq(keccak256(item(3, 1_000_000)), keccak256(want), "1155 payload");
        eq(erc1155.balanceOf(address(vault), 3), 40, "1155 custody");
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.NotReceived.selector, address(erc721), 7));
        inbox.depositERC721(address(erc721), address(9), 7);
    }

    function test_the_vault_takes_nothing_past_the_inbox() public {
        vm.prank(user);
        (bool sent,) = address(vault).call{value: 1}("");
        ok(!sent, "plain payment");
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotInbox.selector, user));
        erc1155.safeTransferFrom(user, address(vault), 3, 1, "");
        uint256[] memory one = new uint256[](1);
        one[0] = 3;
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotInbox.selector, user));
        erc1155.safeBatchTransferFrom(user, address(vault), one, one, "");
    }

    function test_deposits_need_a_recipient_and_end_with_the_rollup() public {
        vm.startPrank(user);
        vm.expectRevert(InboxQueue.ZeroRecipient.selector);
        inbox.depositETH{value: 1}(address(0));
        vm.expectRevert(InboxQueue.ZeroRecipient.selector);
        inbox.depositERC20(address(erc20), address(0), 1);
        vm.warp(inbox.endTime() - 1);
        inbox.depositETH{value: 1}(user);
        vm.warp(inbox.endTime());
        vm.expectRevert(InboxQueue.DepositsClosed.selector);
        inbox.depositETH{value: 1}(user);
        vm.expectRevert(InboxQueue.DepositsClosed.selector);
        inbox.depositERC20(address(erc20), user, 1);
        vm.expectRevert(InboxQueue.DepositsClosed.selector);
        inbox.depositERC721(address(erc721), user, 7);
        vm.expectRevert(InboxQueue.DepositsClosed.selector);
        inbox.depositERC1155(address(erc1155), user, 3, 1);
        vm.stopPrank();
    }

    function test_native_custody_is_capped() public {
        Config memory c = baseConfig();
        c.maxTvl = 3 ether;
        Allocation[] memory genesis = new Allocation[](1);
        genesis[0] = Allocation(user, 1 ether);
        launch(c, genesis);
        inbox.depositETH{value: 2 ether}(user);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.AboveMaxTvl.selector, 3 ether + 1, 3 ether));
        inbox.depositETH{value: 1}(user);
    }

    function testFuzz_rolling_hash(uint8 count, bytes32 seed) public {
        count = uint8(bound(count, 1, 12));
        bytes32 rolling = 0;
        for (uint64 i = 0; i < count; ++i) {
            uint256 pick = uint256(keccak256(abi.encode(seed, i)));
            pass(pick % 3);
            bytes memory payload;
            (uint8 kind, uint64 gasLimit) = (0, 21_000);
            vm.startPrank(user);
            if (pick & 1 == 0) {
                inbox.depositETH{value: 1 + i}(address(9));
                payload = abi.encode(address(9), 1 + i);
            } else {
                (kind, gasLimit) = (4, uint64(21_000 + pick % 100_000));
                payload = abi.encodePacked(pick);
                inbox.forceTransaction{value: 1 ether}(payload, gasLimit);
            }
            vm.stopPrank();
            rolling = keccak256(abi.encode(rolling, i, kind, user, gasLimit, keccak256(payload), uint64(block.number)));
            (bytes32 got, uint64 l1Block, uint64 time) = inbox.queueItem(i);
            eq(got, rolling, "rolling");
            eq(l1Block, block.number, "block");
            eq(time, block.timestamp, "time");
        }
        eq(inbox.queueHash(), rolling, "whole queue");
        eq(inbox.queueLength(), count, "length");
    }

    function test_forced_transactions_are_bounded_and_paid() public {
        uint256 fee = 1 gwei * 21_000;
        vm.startPrank(user);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.ForcedSize.selector, 0, 131_072));
        inbox.forceTransaction{value: 1 ether}("", 21_000);
        bytes memory long = new bytes(131_073);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.ForcedSize.selector, 131_073, 131_072));
        inbox.forceTransaction{value: 1 ether}(long, 21_000);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.ForcedGas.selector, 20_999));
        inbox.forceTransaction{value: 1 ether}("x", 20_999);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.ForcedGas.selector, (1 << 24) + 1));
        inbox.forceTransaction{value: 1 ether}("x", (1 << 24) + 1);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.ForcedPayment.selector, fee - 1, fee));
        inbox.forceTransaction{value: fee - 1}("x", 21_000);
        uint256 before = user.balance;
        vm.recordLogs();
        inbox.forceTransaction{value: 1 ether}("x", 21_000);
        eq(item(4, 21_000).length, 1, "payload");
        eq(before - user.balance, fee, "surplus came back");
        pass(1);
        inbox.forceTransaction{value: 1 ether}(new bytes(131_072), 1 << 24);
        vm.stopPrank();
    }

    function test_a_block_sells_eight_targets_of_forced_gas_or_one_largest_transaction() public {
        Config memory c = baseConfig();
        c.forceGasTarget = 3_000_000;
        launch(c, new Allocation[](0));
        vm.startPrank(user);
        inbox.forceTransaction{value: 1 ether}("x", 1 << 24);
        uint64 rest = 24_000_000 - (1 << 24);
        bytes memory full = abi.encodeWithSelector(InboxQueue.ForcedBlockFull.selector, 24_000_001, 24_000_000);
        vm.expectRevert(full);
        inbox.forceTransaction{value: 1 ether}("x", rest + 1);
        inbox.forceTransaction{value: 1 ether}("x", rest);
        full = abi.encodeWithSelector(InboxQueue.ForcedBlockFull.selector, 24_021_000, 24_000_000);
        vm.expectRevert(full);
        inbox.forceTransaction{value: 1 ether}("x", 21_000);
        pass(1);
        inbox.forceTransaction{value: 1 ether}("x", 1 << 24);
        vm.stopPrank();
        c.forceGasTarget = 1;
        launch(c, new Allocation[](0));
        vm.prank(user);
        inbox.forceTransaction{value: 1 ether}("x", 1 << 24);
    }

    function test_a_token_is_of_one_kind() public {
        // transferFrom and balanceOf of an ERC-721 would do for an ERC-20, and take token number 7.
        vm.startPrank(user);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.WrongTokenKind.selector, address(erc721), 2));
        inbox.depositERC20(address(erc721), address(9), 7);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.WrongTokenKind.selector, address(erc1155), 3));
        inbox.depositERC20(address(erc1155), address(9), 3);
        vm.stopPrank();

        SilentNft silent = new SilentNft();
        silent.mint(user, 5);
        silent.mint(user, 6);
        vm.startPrank(user);
        silent.setApprovalForAll(address(inbox), true);
        inbox.depositERC721(address(silent), address(9), 5);
        eq(inbox.tokenKind(address(silent)), 2, "kind");
        bytes memory wrong = abi.encodeWithSelector(InboxQueue.WrongTokenKind.selector, address(silent), 2);
        vm.expectRevert(wrong);
        inbox.depositERC20(address(silent), address(9), 6);
        vm.expectRevert(wrong);
        inbox.depositERC1155(address(silent), address(9), 6, 1);
        inbox.depositERC721(address(silent), address(9), 6);
        inbox.depositERC20(address(erc20), address(9), 1);
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.WrongTokenKind.selector, address(erc20), 1));
        inbox.depositERC721(address(erc20), address(9), 1);
        vm.stopPrank();
    }

    function test_nothing_is_deposited_to_the_protocols_own_addresses() public {
        address[5] memory fixedOnes = [
            Predeploys.BRIDGE,
            address(uint160(Predeploys.BRIDGE) - 1),
            Predeploys.SYSTEM,
            Predeploys.CREATE2_DEPLOYER,
            Predeploys.BEACON_ROOTS
        ];
        vm.startPrank(user);
        for (uint256 i = 0; i < fixedOnes.length; ++i) {
            bytes memory err = abi.encodeWithSelector(InboxQueue.FixedRecipient.selector, fixedOnes[i]);
            vm.expectRevert(err);
            inbox.depositETH{value: 1}(fixedOnes[i]);
            vm.expectRevert(err);
            inbox.depositERC20(address(erc20), fixedOnes[i], 1);
            vm.expectRevert(err);
            inbox.depositERC721(address(erc721), fixedOnes[i], 7);
            vm.expectRevert(err);
            inbox.depositERC1155(address(erc1155), fixedOnes[i], 3, 1);
        }
        inbox.depositETH{value: 1}(address(uint160(Predeploys.SYSTEM) + 1));
        vm.stopPrank();
    }

    function test_forcing_ends_before_the_close() public {
        uint256 last = inbox.closeTime() - 600;
        vm.warp(last - 1);
        vm.prank(user);
        inbox.forceTransaction{value: 1 ether}("x", 21_000);
        vm.warp(last);
        vm.prank(user);
        vm.expectRevert(InboxQueue.ForceClosed.selector);
        inbox.forceTransaction{value: 1 ether}("x", 21_000);
    }

    function testFuzz_forced_price_follows_demand_by_an_eighth_at_most(uint256 seed) public {
        uint256 last = inbox.forcePrice();
        eq(last, 1 gwei, "initial");
        for (uint256 i = 0; i < 20; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 used = 0;
            for (uint256 j = 0; j < seed % 4; ++j) {
                uint64 gasLimit = uint64(21_000 + (seed >> (8 * j)) % 1_500_000);
                vm.prank(user);
                inbox.forceTransaction{value: 1 ether}("x", gasLimit);
                eq(inbox.forcePrice(), last, "one price in a block");
                used += gasLimit;
            }
            vm.roll(block.number + 1);
            uint256 price = inbox.forcePrice();
            ok(price <= last + last / 8 && price >= last - last / 8, "an eighth");
            if (used > 1_000_000) ok(price > last, "rises above the target");
            if (used < 1_000_000) ok(price < last, "falls below the target");
            if (used >= 2_000_000) eq(price, last + last / 8, "rises fully at twice the target");
            if (used == 0) eq(price, last - last / 8, "falls fully when idle");
            last = price;
        }
        vm.roll(block.number + 1_000_000);
        eq(inbox.forcePrice(), 0.001 gwei, "floor");
    }

    function test_fees_go_to_the_poster_and_what_is_left_to_the_organiser() public {
        vm.startPrank(user);
        uint256 first = 1 gwei * 50_000;
        inbox.forceTransaction{value: 1 ether}("a", 50_000);
        vm.stopPrank();
        pass(1);
        post();
        eq(inbox.creditOf(sequencer), first, "first fee");
        uint256 second = inbox.forcePrice() * 30_000;
        vm.prank(user);
        inbox.forceTransaction{value: 1 ether}("b", 30_000);
        passClose();
        eq(address(inbox).balance, first + second, "held");
        inbox.sweepFees();
        eq(inbox.creditOf(organiser), second, "left over");
        vm.expectRevert(abi.encodeWithSelector(Credits.NothingDue.selector, organiser));
        inbox.sweepFees();
    }

    function test_a_surplus_must_be_taken() public {
        RevertingReceiver nasty = new RevertingReceiver();
        vm.deal(address(nasty), 1 ether);
        vm.prank(address(nasty));
        vm.expectRevert(RevertingReceiver.Refused.selector);
        inbox.forceTransaction{value: 1 ether}("x", 21_000);
        vm.prank(address(nasty));
        inbox.forceTransaction{value: 1 gwei * 21_000}("x", 21_000);
    }
}
