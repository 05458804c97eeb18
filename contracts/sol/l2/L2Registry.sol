// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Kind} from "../Types.sol";
import {L2Bridge} from "./L2Bridge.sol";
import {Predeploys} from "./Predeploys.sol";

interface IOwned {
    function owner() external view returns (address);
}

/// @title Who gets a contract's assets at the end, and which collections settle
contract L2Registry {
    /// @dev `description` is `keccak256(abi.encode(name, symbol, baseURI))`.
    struct Collection {
        bytes32 description;
        uint8 kind;
    }

    /// @notice Who gets an account's assets when the rollup settles; 0 = the account itself. Slot 0, read by
    /// derivation.
    mapping(address holder => address) public beneficiaryOf;
    /// @notice Registered collections; kind 0 if the address is none. Slot 1, read by derivation.
    mapping(address collection => Collection) public collections;
    /// @notice Registered collections in order of registration. Slot 2, read by derivation.
    address[] public registered;

    /// @notice Longest name or symbol.
    uint256 public constant MAX_NAME_BYTES = 64;
    /// @notice Longest base URI.
    uint256 public constant MAX_URI_BYTES = 512;
    /// @dev Enough for an `owner()`; a collection must not use up its registrant's gas.
    uint256 private constant OWNER_GAS = 50_000;

    /// @notice `holder` named who gets its assets.
    event BeneficiarySet(address indexed holder, address indexed beneficiary);
    /// @notice A collection settles, under this description.
    event CollectionRegistered(address indexed collection, uint8 kind, string name, string symbol, string baseURI);

    error NotOwner(address caller, address collection);
    error UnknownKind(uint8 kind);
    error KindChanged(uint8 kind, uint8 registeredKind);
    error NotBorn(address collection);
    error TooLong(uint256 size, uint256 limit);

    /// @notice Names who gets the caller's assets when the rollup settles, if the caller is a contract then.
    /// @param beneficiary 0 for the caller itself.
    function setBeneficiary(address beneficiary) external {
        beneficiaryOf[msg.sender] = beneficiary;
        emit BeneficiarySet(msg.sender, beneficiary);
    }

    /// @notice Registers a collection born on the rollup, so that it settles; again to change its description.
    /// The collection itself or its `owner()`.
    /// @param collection The collection.
    /// @param kind 4 ERC-721, 5 ERC-1155; fixed by the first registration.
    /// @param name Name on L1.
    /// @param symbol Symbol on L1.
    /// @param baseURI Base of the token URIs (ERC-721), or the URI (ERC-1155).
    function registerCollection(
        address collection,
        uint8 kind,
        string calldata name,
        string calldata symbol,
        string calldata baseURI
    ) external {
        if (kind != Kind.BORN_ERC721 && kind != Kind.BORN_ERC1155) revert UnknownKind(kind);
        _checkLength(bytes(name).length, MAX_NAME_BYTES);
        _checkLength(bytes(symbol).length, MAX_NAME_BYTES);
        _checkLength(bytes(baseURI).length, MAX_URI_BYTES);
        (, uint8 bridgedKind) = L2Bridge(Predeploys.BRIDGE).bridged(collection);
        if (bridgedKind != 0 || collection.code.length == 0) revert NotBorn(collection);
        if (msg.sender != collection && msg.sender != _ownerOf(collection)) revert NotOwner(msg.sender, collection);
        uint8 registeredKind = collections[collection].kind;
        if (registeredKind == 0) registered.push(collection);
        else if (registeredKind != kind) revert KindChanged(kind, registeredKind);
        bytes32 description = keccak256(abi.encode(name, symbol, baseURI));
        collections[collection] = Collection({description: description, kind: kind});
        emit CollectionRegistered(collection, kind, name, symbol, baseURI);
    }

    /// @notice Number of registered collections.
    function registeredCount() external view returns (uint256) {
        return registered.length;
    }

    function _ownerOf(address collection) private view returns (address owner) {
        bytes memory input = abi.encodeCall(IOwned.owner, ());
        assembly ("memory-safe") {
            mstore(0x00, 0)
            let ok := staticcall(OWNER_GAS, collection, add(input, 32), mload(input), 0x00, 0x20)
            if and(ok, gt(returndatasize(), 31)) { owner := shr(96, shl(96, mload(0x00))) }
        }
    }

    function _checkLength(uint256 size, uint256 limit) private pure {
        if (size > limit) revert TooLong(size, limit);
    }
}
