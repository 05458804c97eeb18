// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Kind} from "../Types.sol";
import {BridgedERC1155} from "./BridgedERC1155.sol";
import {BridgedERC20} from "./BridgedERC20.sol";
import {BridgedERC721} from "./BridgedERC721.sol";
import {L2Messenger} from "./L2Messenger.sol";
import {Predeploys} from "./Predeploys.sol";

/// @title The rollup's side of the Vault
/// @notice Credits deposits and takes withdrawals. A token of L1 has one contract per kind, a clone at a CREATE2
/// address with the L1 token as salt. The bridge's own native balance is what was withdrawn.
contract L2Bridge {
    /// @dev Packed into one word: the L1 token in the low 20 bytes, the kind in the next.
    struct Bridged {
        address l1Token;
        uint8 kind;
    }

    /// @notice What a bridged token stands for; kind 0 if the address is none. Slot 0, read by derivation.
    mapping(address l2Token => Bridged) public bridged;

    /// @notice A token of L1 got its contract here.
    event BridgedDeployed(uint8 indexed kind, address indexed l1Token, address indexed l2Token);

    error NotSystem(address caller);
    error UnknownKind(uint8 kind);
    error NotBridged(uint8 kind, address l1Token);
    error NothingWithdrawn();

    modifier onlySystem() {
        if (msg.sender != Predeploys.SYSTEM) revert NotSystem(msg.sender);
        _;
    }

    /// @notice Credits an ERC-20 deposit; derived from the Inbox only.
    function finalizeERC20(
        address token,
        address to,
        uint256 amount,
        string calldata name,
        string calldata symbol,
        uint8 decimals
    ) external onlySystem {
        (address l2Token, bool isNew) = _deploy(Kind.ERC20, token);
        if (isNew) BridgedERC20(l2Token).initialize(token, name, symbol, decimals);
        BridgedERC20(l2Token).mint(to, amount);
    }

    /// @notice Credits an ERC-721 deposit; derived from the Inbox only.
    function finalizeERC721(
        address token,
        address to,
        uint256 tokenId,
        string calldata name,
        string calldata symbol,
        string calldata uri
    ) external onlySystem {
        (address l2Token, bool isNew) = _deploy(Kind.ERC721, token);
        if (isNew) BridgedERC721(l2Token).initialize(token, name, symbol);
        BridgedERC721(l2Token).mint(to, tokenId, uri);
    }

    /// @notice Credits an ERC-1155 deposit; derived from the Inbox only.
    function finalizeERC1155(address token, address to, uint256 id, uint256 amount, string calldata uri)
        external
        onlySystem
    {
        (address l2Token, bool isNew) = _deploy(Kind.ERC1155, token);
        if (isNew) BridgedERC1155(l2Token).initialize(token);
        BridgedERC1155(l2Token).mint(to, id, amount, uri);
    }

    /// @notice Withdraws the payment to `to` on L1.
    /// @return index Index of the message.
    function withdrawETH(address to) external payable returns (uint64 index) {
        if (msg.value == 0) revert NothingWithdrawn();
        return _send(Kind.ETH, address(0), 0, msg.value, to);
    }

    /// @notice Withdraws an ERC-20 of the caller to `to` on L1.
    /// @return index Index of the message.
    function withdrawERC20(address l1Token, address to, uint256 amount) external returns (uint64 index) {
        if (amount == 0) revert NothingWithdrawn();
        BridgedERC20(_existing(Kind.ERC20, l1Token)).burn(msg.sender, amount);
        return _send(Kind.ERC20, l1Token, 0, amount, to);
    }

    /// @notice Withdraws an ERC-721 of the caller to `to` on L1.
    /// @return index Index of the message.
    function withdrawERC721(address l1Token, address to, uint256 tokenId) external returns (uint64 index) {
        BridgedERC721(_existing(Kind.ERC721, l1Token)).burn(msg.sender, tokenId);
        return _send(Kind.ERC721, l1Token, tokenId, 1, to);
    }

    /// @notice Withdraws units of an ERC-1155 of the caller to `to` on L1.
    /// @return index Index of the message.
    function withdrawERC1155(address l1Token, address to, uint256 id, uint256 amount) external returns (uint64 index) {
        if (amount == 0) revert NothingWithdrawn();
        BridgedERC1155(_existing(Kind.ERC1155, l1Token)).burn(msg.sender, id, amount);
        return _send(Kind.ERC1155, l1Token, id, amount, to);
    }

    /// @notice Where a token of L1 stands on the rollup, deployed or not.
    /// @param kind 1 ERC-20, 2 ERC-721, 3 ERC-1155.
    /// @param l1Token The token on L1.
    function bridgedAddress(uint8 kind, address l1Token) public view returns (address) {
        return Clones.predictDeterministicAddress(_implementation(kind), _salt(l1Token), address(this));
    }

    function _deploy(uint8 kind, address l1Token) private returns (address l2Token, bool isNew) {
        l2Token = bridgedAddress(kind, l1Token);
        isNew = bridged[l2Token].kind == 0;
        if (isNew) {
            Clones.cloneDeterministic(_implementation(kind), _salt(l1Token));
            bridged[l2Token] = Bridged({l1Token: l1Token, kind: kind});
            emit BridgedDeployed(kind, l1Token, l2Token);
        }
    }

    function _existing(uint8 kind, address l1Token) private view returns (address l2Token) {
        l2Token = bridgedAddress(kind, l1Token);
        if (bridged[l2Token].kind != kind) revert NotBridged(kind, l1Token);
    }

    function _send(uint8 kind, address token, uint256 tokenId, uint256 amount, address to) private returns (uint64) {
        return L2Messenger(Predeploys.MESSENGER).sendAsset(kind, msg.sender, token, tokenId, amount, to);
    }

    function _implementation(uint8 kind) private pure returns (address) {
        if (kind == Kind.ERC20) return Predeploys.BRIDGED_ERC20;
        if (kind == Kind.ERC721) return Predeploys.BRIDGED_ERC721;
        if (kind == Kind.ERC1155) return Predeploys.BRIDGED_ERC1155;
        revert UnknownKind(kind);
    }

    function _salt(address l1Token) private pure returns (bytes32) {
        return bytes32(uint256(uint160(l1Token)));
    }
}
