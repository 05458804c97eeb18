// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CallExecutor} from "../CallExecutor.sol";
import {CommitteeResolver, IDisputes} from "../CommitteeResolver.sol";
import {Inbox} from "../Inbox.sol";
import {RollupFactory} from "../RollupFactory.sol";
import {SettledERC1155} from "../SettledERC1155.sol";
import {SettledERC721} from "../SettledERC721.sol";
import {Settlement} from "../Settlement.sol";
import {Allocation, Claim, Config} from "../Types.sol";
import {Vault} from "../Vault.sol";
import {Checks} from "./Vm.sol";

/// @dev A factory, one rollup on the dev chain with production windows, and the hands that work it.
abstract contract Rig is Checks {
    uint8 internal constant BLOBS = 1;
    uint8 internal constant CALLDATA = 2;
    uint256 internal constant BOND = 0.1 ether;
    uint64 internal constant START = 1_800_000_000;
    uint64 internal constant START_BLOCK = 10_000;

    address internal organiser = address(0xa11ce);
    address internal sequencer = address(0x5e0);
    address internal member = address(0x3e3);
    address internal user = address(0xbeef);
    uint256[3] internal attesterKeys = [uint256(0xa1), 0xa2, 0xa3];

    RollupFactory internal factory;
    CommitteeResolver internal committee;
    Inbox internal inbox;
    Settlement internal settlement;
    Vault internal vault;

    function setUp() public virtual {
        vm.warp(START);
        vm.roll(START_BLOCK);
        factory = new RollupFactory(address(new Inbox()), address(new Settlement()), _vaultImplementation());
        address[] memory members = new address[](1);
        members[0] = member;
        committee = new CommitteeResolver(1, members);
        launch(baseConfig(), new Allocation[](0));
    }

    function _vaultImplementation() private returns (address) {
        return
            address(new Vault(address(new SettledERC721()), address(new SettledERC1155()), address(new CallExecutor())));
    }

    function baseConfig() internal view returns (Config memory c) {
        c.protocolVersion = 1;
        c.organiser = organiser;
        c.sequencer = sequencer;
        c.receiptSigner = sequencer;
        c.resolver = address(committee);
        c.attesters = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            c.attesters[i] = vm.addr(attesterKeys[i]);
        }
        c.quorum = 2;
        c.endTime = uint64(block.timestamp) + 2 hours;
        c.drain = 1 hours;
        c.blockGasLimit = 1 << 24;
        c.blockTimeMs = 20;
        c.windows.forceWindow = 600;
        c.windows.livenessWindow = 1200;
        c.windows.freezeDelay = 600;
        c.windows.proposeWindow = 600;
        c.windows.challengeWindow = 1 days;
        c.windows.resolverTimeout = 1 hours;
        c.windows.escalationWindow = 1 hours;
        c.windows.minDelayBlocks = 96;
        c.windows.maxOriginLag = 32;
        c.windows.maxDrift = 60;
        c.claimBond = BOND;
        c.freezeBond = BOND;
        c.forceGasTarget = 1_000_000;
    }

    function payment(Config memory c, Allocation[] memory genesis) internal pure returns (uint256 sum) {
        sum = c.closeReward + c.attestationFee * c.attesters.length * 64;
        for (uint256 i = 0; i < genesis.length; ++i) {
            sum += genesis[i].amount;
        }
    }

    function launch(Config memory c, Allocation[] memory genesis) internal {
        uint256 value = payment(c, genesis);
        vm.deal(address(this), address(this).balance + value);
        inbox = Inbox(factory.create{value: value}(c, genesis));
        settlement = Settlement(inbox.settlement());
        vault = Vault(payable(inbox.vault()));
    }

    /// @dev Lets `blocks` blocks of 12 seconds pass.
    function pass(uint256 blocks) internal {
        vm.roll(block.number + blocks);
        vm.warp(block.timestamp + 12 * blocks);
    }

    function passSeconds(uint256 time) internal {
        pass((time + 11) / 12);
    }

    function blobs(uint256 count) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            hashes[i] = bytes32(uint256(1 << 248) + i + 1);
        }
    }

    /// @dev A correct batch of one blob with the block before as origin, up to the end of the queue as of there.
    function post() internal {
        post(uint64(block.number - 1), queueAt(uint64(block.number - 1)));
    }

    function post(uint64 origin, uint64 queueUpTo) internal {
        vm.blobhashes(blobs(1));
        uint64 last = inbox.batchCount();
        bytes32 parent = inbox.batchHash(last);
        vm.prank(sequencer);
        inbox.postBatch(last + 1, parent, origin, blockhash(origin), queueUpTo, BLOBS, 0, "");
    }

    function queueAt(uint64 origin) internal view returns (uint64 count) {
        count = inbox.queueLength();
        while (count > 0) {
            (, uint64 l1Block,) = inbox.queueItem(count - 1);
            if (l1Block <= origin) break;
            --count;
        }
    }

    /// @dev A claim that the contract accepts about a batch; `salt` tells rivals apart.
    function interim(bytes32 parent, uint64 seq, uint256 salt) internal view returns (Claim memory c) {
        c.parent = parent;
        c.batchSeq = seq;
        c.batchHash = inbox.batchHash(seq);
        c.queueHash = inbox.batchQueueHash(seq);
        c.blockNumber = seq;
        c.blockHash = keccak256(abi.encode("block", salt));
        c.stateRoot = keccak256(abi.encode("state", salt));
    }

    function closing(bytes32 parent, uint256 salt) internal view returns (Claim memory c) {
        c = interim(parent, inbox.batchCount(), salt);
        c.queueHash = inbox.queueHash();
        c.closeNumber = uint64(block.number - 1);
        c.closeHash = blockhash(block.number - 1);
        c.settlementRoot = keccak256(abi.encode("settlement", salt));
    }

    function propose(address by, Claim memory c) internal returns (bytes32) {
        vm.deal(by, by.balance + BOND);
        vm.prank(by);
        return settlement.proposeClaim{value: BOND}(c, "");
    }

    function signatures(bytes32 claimHash, uint256 count) internal view returns (bytes[] memory all) {
        all = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            all[i] = sign(attesterKeys[i], settlement.attestationDigest(claimHash));
        }
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function passClose() internal {
        uint256 close = inbox.closeTime();
        if (block.timestamp < close) passSeconds(close - block.timestamp);
        pass(1);
    }

    /// @dev Closes, settles under `root` and `withdrawals` by the slow path, and returns the claim's hash.
    function settle(bytes32 root, bytes32 withdrawals) internal returns (bytes32 hash) {
        passClose();
        Claim memory c = closing(inbox.genesisClaim(), 0);
        c.settlementRoot = root;
        c.withdrawalRoot = withdrawals;
        hash = propose(user, c);
        passSeconds(1 days);
        settlement.finalize(hash);
    }

    function escalate(address by, bytes32 claimHash, uint256 amount) internal {
        uint256 staked = settlement.stakeOf(claimHash, by);
        vm.deal(by, by.balance + amount);
        vm.prank(by);
        settlement.escalate{value: amount}(claimHash, staked + amount);
    }

    function resolve(bytes32 winner) internal {
        vm.prank(member);
        committee.vote(IDisputes(address(settlement)), winner);
    }

    receive() external payable {}
}
