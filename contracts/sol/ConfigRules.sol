// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Config} from "./Types.sol";

/// @dev What a config must fulfil before a rollup is created from it. The chain of local development keeps only the
/// structural rules and the lifetime formula, so that tests can use windows of seconds.
library ConfigRules {
    /// @dev A value is outside of what the field allows; `field` is its name in the config.
    error InvalidConfig(string field);
    /// @dev The rollup could outlive the time for which L1 keeps its data.
    error LifetimeTooLong(uint256 lifetime, uint256 limit);

    uint32 internal constant PROTOCOL_VERSION = 1;
    uint256 internal constant DEV_CHAIN_ID = 31337;
    uint256 internal constant MAX_ATTESTERS = 32;
    uint256 internal constant MAX_LIFETIME = 14 days;
    uint256 internal constant LIFETIME_MARGIN = 2 days;
    uint256 internal constant MAX_ESCALATIONS = 12;
    /// @dev EIP-2935 serves no older block hash.
    uint256 internal constant MAX_ORIGIN_LAG = 8190;
    uint256 private constant MIN_BLOCK_GAS_LIMIT = 1 << 24;
    uint256 private constant MAX_BLOCK_GAS_LIMIT = 1 << 30;
    uint8 private constant MAX_DA_MODE = 2;

    function check(Config memory c) internal view {
        _checkStructure(c);
        _checkKeys(c);
        if (block.chainid != DEV_CHAIN_ID) {
            _checkMinimums(c);
        }
        uint256 lifetime = lifetimeOf(c);
        if (lifetime > MAX_LIFETIME) revert LifetimeTooLong(lifetime, MAX_LIFETIME);
    }

    /// @dev The longest time from now until every asset can be claimed.
    function lifetimeOf(Config memory c) internal view returns (uint256) {
        return (uint256(c.endTime) - block.timestamp) + c.drain + c.windows.freezeDelay + c.windows.proposeWindow
            + c.windows.challengeWindow + c.windows.resolverTimeout + MAX_ESCALATIONS
            * uint256(c.windows.escalationWindow) + LIFETIME_MARGIN;
    }

    function _checkStructure(Config memory c) private view {
        _require(c.protocolVersion == PROTOCOL_VERSION, "protocolVersion");
        _require(c.chainId == 0 || block.chainid == DEV_CHAIN_ID, "chainId");
        _require(c.endTime > block.timestamp, "endTime");
        // A frozen rollup lasts for the drain, and nothing can be forced in its last forceWindow.
        _require(c.drain > c.windows.forceWindow, "drain");
        _require(c.blockGasLimit >= MIN_BLOCK_GAS_LIMIT && c.blockGasLimit <= MAX_BLOCK_GAS_LIMIT, "blockGasLimit");
        _require(c.blockTimeMs > 0, "blockTimeMs");
        _require(c.windows.livenessWindow > c.windows.forceWindow, "livenessWindow");
        _require(c.windows.escalationWindow > 0, "escalationWindow");
        _require(c.windows.maxOriginLag > 0 && c.windows.maxOriginLag <= MAX_ORIGIN_LAG, "maxOriginLag");
        _require(c.claimBond > 0 && c.claimBond <= type(uint96).max, "claimBond");
        _require(c.freezeBond <= type(uint96).max, "freezeBond");
        _require(c.closeReward <= type(uint96).max, "closeReward");
        _require(c.attestationFee <= type(uint96).max, "attestationFee");
        _require(c.daMode <= MAX_DA_MODE, "daMode");
        _require(c.forceGasTarget > 0 && c.forceGasTarget <= c.blockGasLimit, "forceGasTarget");
    }

    function _checkKeys(Config memory c) private pure {
        _require(c.organiser != address(0), "organiser");
        _require(c.sequencer != address(0), "sequencer");
        _require(c.receiptSigner != address(0), "receiptSigner");
        _require(c.resolver != c.sequencer, "resolver");
        uint256 count = c.attesters.length;
        _require(count <= MAX_ATTESTERS, "attesters");
        for (uint256 i = 0; i < count; ++i) {
            address attester = c.attesters[i];
            _require(attester != address(0) && attester != c.sequencer && attester != c.resolver, "attesters");
            for (uint256 j = 0; j < i; ++j) {
                _require(attester != c.attesters[j], "attesters");
            }
        }
        _require(c.quorum == 0 || (c.quorum <= count && 2 * uint256(c.quorum) > count), "quorum");
    }

    function _checkMinimums(Config memory c) private view {
        _require(c.endTime >= block.timestamp + 60, "endTime");
        _require(c.drain >= 60, "drain");
        _require(c.windows.forceWindow >= 600, "forceWindow");
        _require(c.windows.livenessWindow >= 1200, "livenessWindow");
        _require(c.windows.freezeDelay >= 600, "freezeDelay");
        _require(c.windows.proposeWindow >= 600, "proposeWindow");
        _require(c.windows.challengeWindow >= 86_400, "challengeWindow");
        _require(c.windows.resolverTimeout >= 3600, "resolverTimeout");
        _require(c.windows.escalationWindow >= 3600, "escalationWindow");
        _require(c.windows.minDelayBlocks >= 96, "minDelayBlocks");
        _require(c.windows.maxOriginLag >= 32, "maxOriginLag");
        _require(c.windows.maxDrift >= 60, "maxDrift");
        _require(c.claimBond >= 0.1 ether, "claimBond");
        _require(c.freezeBond >= 0.1 ether, "freezeBond");
    }

    function _require(bool holds, string memory field) private pure {
        if (!holds) revert InvalidConfig(field);
    }
}
