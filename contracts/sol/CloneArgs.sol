// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Config} from "./Types.sol";

/// @dev Reads single words of the immutable arguments behind an OpenZeppelin clone.
/// Reading one word costs about 110 gas; copying and decoding all of them would cost thousands.
library CloneArgs {
    /// @dev Length of the proxy code in front of the arguments.
    uint256 private constant PROXY_SIZE_BYTES = 0x2d;

    function word(uint256 index) internal view returns (uint256 value) {
        assembly ("memory-safe") {
            extcodecopy(address(), 0x00, add(PROXY_SIZE_BYTES, shl(5, index)), 0x20)
            value := mload(0x00)
        }
    }

    function addressAt(uint256 index) internal view returns (address) {
        return address(uint160(word(index)));
    }
}

/// @dev Reads the fields of `abi.encode(config)` kept in a clone's arguments. Word 0 is the offset of the struct,
/// so field i (ABI order) is word i + 1; the attesters, the only dynamic field, follow the 32 words of the head.
library ConfigArgs {
    uint256 private constant TAIL = 33;

    function full() internal view returns (Config memory) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (Config));
    }

    function organiser() internal view returns (address) {
        return CloneArgs.addressAt(3);
    }

    function sequencer() internal view returns (address) {
        return CloneArgs.addressAt(4);
    }

    function resolver() internal view returns (address) {
        return CloneArgs.addressAt(6);
    }

    function quorum() internal view returns (uint256) {
        return CloneArgs.word(8);
    }

    function endTime() internal view returns (uint256) {
        return CloneArgs.word(9);
    }

    function drain() internal view returns (uint256) {
        return CloneArgs.word(10);
    }

    function forceWindow() internal view returns (uint256) {
        return CloneArgs.word(13);
    }

    function livenessWindow() internal view returns (uint256) {
        return CloneArgs.word(14);
    }

    function freezeDelay() internal view returns (uint256) {
        return CloneArgs.word(15);
    }

    function challengeWindow() internal view returns (uint256) {
        return CloneArgs.word(17);
    }

    function resolverTimeout() internal view returns (uint256) {
        return CloneArgs.word(18);
    }

    function escalationWindow() internal view returns (uint256) {
        return CloneArgs.word(19);
    }

    function minDelayBlocks() internal view returns (uint256) {
        return CloneArgs.word(20);
    }

    function maxOriginLag() internal view returns (uint256) {
        return CloneArgs.word(22);
    }

    function claimBond() internal view returns (uint256) {
        return CloneArgs.word(25);
    }

    function freezeBond() internal view returns (uint256) {
        return CloneArgs.word(26);
    }

    function closeReward() internal view returns (uint256) {
        return CloneArgs.word(27);
    }

    function attestationFee() internal view returns (uint256) {
        return CloneArgs.word(28);
    }

    function maxTvl() internal view returns (uint256) {
        return CloneArgs.word(29);
    }

    function forceGasTarget() internal view returns (uint256) {
        return CloneArgs.word(32);
    }

    function attesterCount() internal view returns (uint256) {
        return CloneArgs.word(TAIL);
    }

    function attester(uint256 index) internal view returns (address) {
        return CloneArgs.addressAt(TAIL + 1 + index);
    }
}
