// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ConfigRules} from "../ConfigRules.sol";
import {Inbox} from "../Inbox.sol";
import {RollupFactory} from "../RollupFactory.sol";
import {Settlement} from "../Settlement.sol";
import {Allocation, Config, Stage} from "../Types.sol";
import {Predeploys} from "../l2/Predeploys.sol";
import {Rig} from "./Rig.sol";

contract FactoryTest is Rig {
    function test_creates_three_contracts_that_know_each_other() public {
        Config memory c = baseConfig();
        c.closeReward = 3 ether;
        c.attestationFee = 1 gwei;
        Allocation[] memory genesis = new Allocation[](2);
        genesis[0] = Allocation(user, 2 ether);
        genesis[1] = Allocation(user, 5 ether);
        launch(c, genesis);

        eq(vault.inbox(), address(inbox), "vault's inbox");
        eq(vault.settlement(), address(settlement), "vault's settlement");
        eq(address(settlement.inbox()), address(inbox), "settlement's inbox");
        eq(address(vault).balance, 7 ether, "genesis in custody");
        eq(settlement.attestationEscrow(), 3 * 64 * 1 gwei, "escrow");
        eq(address(settlement).balance, 3 ether + 3 * 64 * 1 gwei, "rewards");
        ok(factory.isRollup(address(inbox)), "known");
        c.chainId = uint64(vault.rollupChainId());
        eq(keccak256(abi.encode(inbox.config())), keccak256(abi.encode(c)), "config kept");
        eq(factory.rollupOf(c.chainId), address(inbox), "chain id taken");
        bytes32 claim = keccak256(
            abi.encode("mayfly genesis v1", block.chainid, address(inbox), keccak256(abi.encode(c, genesis)))
        );
        eq(inbox.genesisClaim(), claim, "genesis claim");
        eq(inbox.batchHash(0), claim, "parent of the first batch");
        eq(inbox.endTime(), c.endTime, "end");
        eq(inbox.closeTime(), c.endTime + c.drain, "close");
        ok(inbox.stage() == Stage.Created, "stage");
    }

    function test_refuses_to_initialize_again() public {
        vm.expectRevert(Inbox.AlreadyInitialized.selector);
        inbox.initialize(address(1), address(2), 0);
        vm.expectRevert(Settlement.AlreadyInitialized.selector);
        settlement.initialize(inbox);
    }

    function test_chain_ids_differ_and_fit_wallets() public {
        uint256 first = vault.rollupChainId();
        launch(baseConfig(), new Allocation[](0));
        uint256 second = vault.rollupChainId();
        ok(first != second, "different");
        ok(first >= 1 << 44 && first < 1 << 52 && second >= 1 << 44 && second < 1 << 52, "range");
    }

    function test_a_chain_id_is_chosen_on_the_dev_chain_only_and_once() public {
        Config memory c = baseConfig();
        c.chainId = 777;
        launch(c, new Allocation[](0));
        eq(vault.rollupChainId(), 777, "chosen");
        vm.expectRevert(abi.encodeWithSelector(RollupFactory.ChainIdTaken.selector, 777));
        factory.create(c, new Allocation[](0));
        c.chainId = 31337;
        vm.expectRevert(abi.encodeWithSelector(RollupFactory.ChainIdTaken.selector, 31337));
        factory.create(c, new Allocation[](0));
        vm.chainId(1);
        c.chainId = 778;
        refuses(c, "chainId");
    }

    function test_payment_is_exact() public {
        Config memory c = baseConfig();
        c.closeReward = 1 ether;
        Allocation[] memory genesis = new Allocation[](1);
        genesis[0] = Allocation(user, 1 ether);
        vm.deal(address(this), 10 ether);
        vm.expectRevert(abi.encodeWithSelector(RollupFactory.WrongPayment.selector, 2 ether - 1, 2 ether));
        factory.create{value: 2 ether - 1}(c, genesis);
        vm.expectRevert(abi.encodeWithSelector(RollupFactory.WrongPayment.selector, 2 ether + 1, 2 ether));
        factory.create{value: 2 ether + 1}(c, genesis);
        genesis[0].to = address(0);
        vm.expectRevert(abi.encodeWithSelector(RollupFactory.InvalidAllocation.selector, 0));
        factory.create{value: 2 ether}(c, genesis);
        genesis[0].to = Predeploys.SYSTEM;
        vm.expectRevert(abi.encodeWithSelector(RollupFactory.InvalidAllocation.selector, 0));
        factory.create{value: 2 ether}(c, genesis);
        genesis[0].to = user;
        c.maxTvl = 1 ether - 1;
        vm.expectRevert(abi.encodeWithSelector(RollupFactory.AboveMaxTvl.selector, 1 ether, 1 ether - 1));
        factory.create{value: 2 ether}(c, genesis);
    }

    function refuses(Config memory c, string memory field) internal {
        vm.expectRevert(abi.encodeWithSelector(ConfigRules.InvalidConfig.selector, field));
        factory.create(c, new Allocation[](0));
    }

    function test_structural_rules_bind_the_dev_chain_too() public {
        Config memory c = baseConfig();
        c.protocolVersion = 2;
        refuses(c, "protocolVersion");
        c = baseConfig();
        c.organiser = address(0);
        refuses(c, "organiser");
        c = baseConfig();
        c.sequencer = address(0);
        refuses(c, "sequencer");
        c = baseConfig();
        c.receiptSigner = address(0);
        refuses(c, "receiptSigner");
        c = baseConfig();
        c.endTime = uint64(block.timestamp);
        refuses(c, "endTime");
        c = baseConfig();
        c.drain = 0;
        refuses(c, "drain");
        // Nothing could be forced into a frozen rollup.
        c.drain = c.windows.forceWindow;
        refuses(c, "drain");
        c.drain += 1;
        launch(c, new Allocation[](0));
        c = baseConfig();
        c.blockGasLimit = (1 << 24) - 1;
        refuses(c, "blockGasLimit");
        c.blockGasLimit = (1 << 30) + 1;
        refuses(c, "blockGasLimit");
        c = baseConfig();
        c.blockTimeMs = 0;
        refuses(c, "blockTimeMs");
        c = baseConfig();
        c.windows.livenessWindow = c.windows.forceWindow;
        refuses(c, "livenessWindow");
        c = baseConfig();
        c.windows.escalationWindow = 0;
        refuses(c, "escalationWindow");
        c = baseConfig();
        c.windows.maxOriginLag = 8191;
        refuses(c, "maxOriginLag");
        c = baseConfig();
        c.claimBond = 0;
        refuses(c, "claimBond");
        c = baseConfig();
        c.daMode = 3;
        refuses(c, "daMode");
        c = baseConfig();
        c.forceGasTarget = 0;
        refuses(c, "forceGasTarget");
        c.forceGasTarget = c.blockGasLimit + 1;
        refuses(c, "forceGasTarget");
    }

    function test_keys_differ_and_the_quorum_is_a_majority() public {
        Config memory c = baseConfig();
        c.resolver = sequencer;
        refuses(c, "resolver");
        c = baseConfig();
        c.attesters[1] = c.attesters[0];
        refuses(c, "attesters");
        c.attesters[1] = sequencer;
        refuses(c, "attesters");
        c.attesters[1] = c.resolver;
        refuses(c, "attesters");
        c.attesters[1] = address(0);
        refuses(c, "attesters");
        c.attesters = new address[](33);
        for (uint256 i = 0; i < 33; ++i) {
            c.attesters[i] = address(uint160(i + 1));
        }
        c.quorum = 20;
        refuses(c, "attesters");
        c = baseConfig();
        c.quorum = 1;
        refuses(c, "quorum");
        c.quorum = 4;
        refuses(c, "quorum");
        c.quorum = 0;
        launch(c, new Allocation[](0));
    }

    function test_minimums_bind_every_chain_but_the_dev_chain() public {
        Config[] memory low = new Config[](13);
        for (uint256 i = 0; i < low.length; ++i) {
            low[i] = baseConfig();
        }
        low[0].endTime = uint64(block.timestamp) + 59;
        low[1].drain = 59;
        low[1].windows.forceWindow = 58;
        low[2].windows.forceWindow = 599;
        low[3].windows.livenessWindow = 1199;
        low[4].windows.freezeDelay = 599;
        low[5].windows.proposeWindow = 599;
        low[6].windows.challengeWindow = 86_399;
        low[7].windows.resolverTimeout = 3599;
        low[8].windows.escalationWindow = 3599;
        low[9].windows.minDelayBlocks = 95;
        low[10].windows.maxOriginLag = 31;
        low[11].windows.maxDrift = 59;
        low[12].freezeBond = 0.1 ether - 1;
        string[13] memory fields = [
            "endTime",
            "drain",
            "forceWindow",
            "livenessWindow",
            "freezeDelay",
            "proposeWindow",
            "challengeWindow",
            "resolverTimeout",
            "escalationWindow",
            "minDelayBlocks",
            "maxOriginLag",
            "maxDrift",
            "freezeBond"
        ];
        for (uint256 i = 0; i < low.length; ++i) {
            vm.chainId(31337);
            launch(low[i], new Allocation[](0));
            vm.chainId(1);
            refuses(low[i], fields[i]);
        }
        Config memory c = baseConfig();
        c.claimBond = 0.1 ether - 1;
        refuses(c, "claimBond");
        launch(baseConfig(), new Allocation[](0));
    }

    function testFuzz_lifetime_formula(uint64[6] memory times, uint64 escalation, bool dev) public {
        if (!dev) vm.chainId(1);
        Config memory c = baseConfig();
        c.endTime = uint64(block.timestamp + bound(times[0], 60, 5 days));
        c.drain = uint64(bound(times[1], 601, 3 days));
        c.windows.freezeDelay = uint64(bound(times[2], 600, 2 days));
        c.windows.proposeWindow = uint64(bound(times[3], 600, 2 days));
        c.windows.challengeWindow = uint64(bound(times[4], 1 days, 4 days));
        c.windows.resolverTimeout = uint64(bound(times[5], 1 hours, 2 days));
        c.windows.escalationWindow = uint64(bound(escalation, 1 hours, 8 hours));
        uint256 lifetime = c.endTime - block.timestamp + c.drain + c.windows.freezeDelay + c.windows.proposeWindow
            + c.windows.challengeWindow + c.windows.resolverTimeout + 12 * c.windows.escalationWindow + 2 days;
        if (lifetime > 14 days) {
            vm.expectRevert(abi.encodeWithSelector(ConfigRules.LifetimeTooLong.selector, lifetime, 14 days));
            factory.create(c, new Allocation[](0));
        } else {
            eq(factory.checkConfig(c), lifetime, "lifetime");
            launch(c, new Allocation[](0));
        }
    }

    function test_lifetime_may_reach_the_limit_but_not_pass_it() public {
        Config memory c = baseConfig();
        c.endTime = uint64(block.timestamp);
        uint256 rest = 0;
        c.endTime = uint64(block.timestamp) + 60;
        rest = 14 days - factory.checkConfig(c);
        c.endTime += uint64(rest);
        eq(factory.checkConfig(c), 14 days, "at the limit");
        c.endTime += 1;
        vm.expectRevert(abi.encodeWithSelector(ConfigRules.LifetimeTooLong.selector, 14 days + 1, 14 days));
        factory.checkConfig(c);
        uint256 others = 14 days + 1 - c.windows.challengeWindow;
        c.windows.challengeWindow = type(uint64).max;
        uint256 huge = others + type(uint64).max;
        vm.expectRevert(abi.encodeWithSelector(ConfigRules.LifetimeTooLong.selector, huge, 14 days));
        factory.checkConfig(c);
    }
}
