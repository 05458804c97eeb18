// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ConfigRules} from "./ConfigRules.sol";
import {Inbox} from "./Inbox.sol";
import {Settlement} from "./Settlement.sol";
import {Allocation, Config} from "./Types.sol";
import {Predeploys} from "./l2/Predeploys.sol";

/// @title Creates rollups
/// @notice One per L1. Three clones per rollup, of which nobody can change anything: Inbox, Settlement, Vault.
contract RollupFactory {
    /// @notice Derived chain ids start here.
    uint64 public constant CHAIN_ID_BASE = uint64(1) << 44;
    uint64 private constant CHAIN_ID_RANGE = uint64(1) << 51;
    /// @notice The escrow pays every attester for this many claims.
    uint256 public constant PAID_CLAIMS = 64;

    address private immutable _inbox;
    address private immutable _settlement;
    address private immutable _vault;

    /// @notice Number of rollups created, and of chain ids passed over.
    uint256 public counter;
    /// @notice The rollup that has a chain id; 0 if none has.
    mapping(uint64 chainId => address rollup) public rollupOf;
    /// @notice Whether an address is a rollup of this factory.
    mapping(address rollup => bool) public isRollup;

    /// @notice A rollup was created; `config.chainId` is the final one.
    event RollupCreated(
        address indexed rollup,
        uint64 indexed chainId,
        address settlement,
        address vault,
        Config config,
        Allocation[] genesis
    );

    error ChainIdTaken(uint64 chainId);
    error WrongPayment(uint256 paid, uint256 expected);
    error InvalidAllocation(uint256 index);
    error AboveMaxTvl(uint256 custody, uint256 limit);

    /// @param inbox Implementation of Inboxes.
    /// @param settlement Implementation of Settlements.
    /// @param vault Implementation of Vaults.
    constructor(address inbox, address settlement, address vault) {
        _inbox = inbox;
        _settlement = settlement;
        _vault = vault;
    }

    /// @notice Creates a rollup. The payment is exactly the genesis' balances, the close reward, and the attestation
    /// fee of every attester for {PAID_CLAIMS} claims.
    /// @param config What the organiser chooses.
    /// @param genesis Native balances at the start; an account may appear more than once.
    /// @return rollup The rollup's address, which is its Inbox.
    function create(Config memory config, Allocation[] memory genesis) external payable returns (address rollup) {
        ConfigRules.check(config);
        uint256 allocated = _sum(genesis);
        if (config.maxTvl != 0 && allocated > config.maxTvl) revert AboveMaxTvl(allocated, config.maxTvl);
        _checkPayment(config, allocated);
        bytes32 salt = bytes32(counter);
        config.chainId = _takeChainId(config.chainId);

        address settlement;
        address vault;
        (rollup, settlement, vault) = _clone(config, salt);
        emit RollupCreated(rollup, config.chainId, settlement, vault, config, genesis);
        bytes32 claim = _genesisClaim(rollup, keccak256(abi.encode(config, genesis)));
        Inbox(rollup).initialize{value: allocated}(settlement, vault, claim);
        Settlement(settlement).initialize{value: msg.value - allocated}(Inbox(rollup));
    }

    /// @notice The longest time from now until every asset of such a rollup can be claimed, in seconds; reverts where
    /// {create} would because of the config.
    function checkConfig(Config memory config) external view returns (uint256 lifetime) {
        ConfigRules.check(config);
        return ConfigRules.lifetimeOf(config);
    }

    function _clone(Config memory config, bytes32 salt)
        private
        returns (address rollup, address settlement, address vault)
    {
        bytes memory args = abi.encode(config);
        rollup = Clones.cloneDeterministicWithImmutableArgs(_inbox, args, salt);
        settlement = Clones.cloneDeterministicWithImmutableArgs(_settlement, args, salt);
        bytes memory vaultArgs = abi.encode(rollup, settlement, config.minter, uint256(config.chainId));
        vault = Clones.cloneDeterministicWithImmutableArgs(_vault, vaultArgs, salt);
        rollupOf[config.chainId] = rollup;
        isRollup[rollup] = true;
    }

    function _checkPayment(Config memory config, uint256 allocated) private view {
        uint256 fees = config.attestationFee * config.attesters.length * PAID_CLAIMS;
        uint256 expected = allocated + config.closeReward + fees;
        if (msg.value != expected) revert WrongPayment(msg.value, expected);
    }

    function _genesisClaim(address rollup, bytes32 genesisHash) private view returns (bytes32) {
        return keccak256(abi.encode("mayfly genesis v1", block.chainid, rollup, genesisHash));
    }

    function _sum(Allocation[] memory genesis) private pure returns (uint256 sum) {
        for (uint256 i = 0; i < genesis.length; ++i) {
            address to = genesis[i].to;
            if (to == address(0) || Predeploys.isFixed(to) || genesis[i].amount == 0) revert InvalidAllocation(i);
            sum += genesis[i].amount;
        }
    }

    function _takeChainId(uint64 wanted) private returns (uint64 chainId) {
        if (wanted != 0) {
            if (rollupOf[wanted] != address(0) || wanted == block.chainid) revert ChainIdTaken(wanted);
            ++counter;
            return wanted;
        }
        do {
            uint256 hash = uint256(keccak256(abi.encode(block.chainid, address(this), counter)));
            chainId = CHAIN_ID_BASE + uint64(hash % CHAIN_ID_RANGE);
            ++counter;
        } while (rollupOf[chainId] != address(0));
    }
}
