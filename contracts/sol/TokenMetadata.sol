// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC721Metadata} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Metadata.sol";
import {IERC1155MetadataURI} from "@openzeppelin/contracts/token/ERC1155/extensions/IERC1155MetadataURI.sol";

/// @dev Reads what a token says of itself, with a cap on gas and on every byte copied. A token that answers badly
/// has empty strings and zero decimals; nothing it does can make a deposit fail.
library TokenMetadata {
    uint256 private constant READ_GAS = 100_000;
    uint256 private constant MAX_NAME_BYTES = 64;
    uint256 private constant MAX_URI_BYTES = 256;

    /// @dev Names longer than 64 bytes are cut.
    function name(address token) internal view returns (string memory) {
        return _readString(token, abi.encodeCall(IERC20Metadata.name, ()), MAX_NAME_BYTES, true);
    }

    /// @dev Symbols longer than 64 bytes are cut.
    function symbol(address token) internal view returns (string memory) {
        return _readString(token, abi.encodeCall(IERC20Metadata.symbol, ()), MAX_NAME_BYTES, true);
    }

    function decimals(address token) internal view returns (uint8) {
        bytes memory data = _read(token, abi.encodeCall(IERC20Metadata.decimals, ()), 32);
        if (data.length < 32) return 0;
        uint256 value = uint256(_word(data, 0));
        return value <= type(uint8).max ? uint8(value) : 0;
    }

    /// @dev URIs longer than 256 bytes are left out: a cut one would be wrong.
    function uri721(address token, uint256 tokenId) internal view returns (string memory) {
        return _readString(token, abi.encodeCall(IERC721Metadata.tokenURI, (tokenId)), MAX_URI_BYTES, false);
    }

    /// @dev URIs longer than 256 bytes are left out.
    function uri1155(address token, uint256 id) internal view returns (string memory) {
        return _readString(token, abi.encodeCall(IERC1155MetadataURI.uri, (id)), MAX_URI_BYTES, false);
    }

    function _readString(address token, bytes memory input, uint256 maxBytes, bool cut)
        private
        view
        returns (string memory)
    {
        bytes memory data = _read(token, input, 64 + maxBytes);
        if (data.length < 64 || _word(data, 0) != bytes32(uint256(32))) return "";
        uint256 size = uint256(_word(data, 1));
        if (size > maxBytes) {
            if (!cut) return "";
            size = maxBytes;
        }
        if (size > data.length - 64) return "";
        bytes memory text = new bytes(size);
        assembly ("memory-safe") {
            mcopy(add(text, 32), add(data, 96), size)
        }
        return string(text);
    }

    /// @dev The first `maxBytes` of the answer; empty when the call failed.
    function _read(address token, bytes memory input, uint256 maxBytes) private view returns (bytes memory data) {
        data = new bytes(maxBytes);
        assembly ("memory-safe") {
            let ok := staticcall(READ_GAS, token, add(input, 32), mload(input), 0, 0)
            let size := mul(ok, returndatasize())
            if gt(size, maxBytes) { size := maxBytes }
            returndatacopy(add(data, 32), 0, size)
            mstore(data, size)
        }
    }

    function _word(bytes memory data, uint256 index) private pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := mload(add(add(data, 32), shl(5, index)))
        }
    }
}
