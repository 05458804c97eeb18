// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @title Refuses every payment and every callback
contract RevertingReceiver {
    error Refused();

    receive() external payable {
        revert Refused();
    }

    fallback() external payable {
        revert Refused();
    }
}

/// @title Answers a payment with a revert of a megabyte
contract ReturnBomb {
    receive() external payable {
        assembly {
            revert(0, 1048576)
        }
    }
}

/// @title Uses up all gas when it is paid
contract GasBurner {
    receive() external payable {
        while (true) {}
    }
}

/// @title Takes a tenth of every transfer
contract FeeOnTransferERC20 is ERC20 {
    constructor() ERC20("Fee", "FEE") {}

    /// @notice Mints to anyone.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, value);
        uint256 fee = value / 10;
        super._update(from, address(0xfee), fee);
        super._update(from, to, value - fee);
    }
}

/// @title An ERC-20 whose metadata is as bad as can be: a bomb for a name, a number for a symbol, no decimals
contract BadMetadataERC20 is ERC20 {
    constructor() ERC20("", "") {}

    /// @notice Mints to anyone.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice A megabyte of zeros.
    function name() public pure override returns (string memory) {
        assembly {
            return(0, 1048576)
        }
    }

    /// @notice Not a string.
    function symbol() public pure override returns (string memory) {
        assembly {
            mstore(0, not(0))
            mstore(32, not(0))
            mstore(64, not(0))
            return(0, 96)
        }
    }

    /// @notice Too large for a byte.
    function decimals() public pure override returns (uint8) {
        assembly {
            mstore(0, 256)
            return(0, 32)
        }
    }
}

/// @title An ERC-721 from before ERC-165, which does not say what it is
contract SilentNft is ERC721 {
    constructor() ERC721("Silent", "SIL") {}

    /// @notice Mints to anyone.
    function mint(address to, uint256 tokenId) external {
        _mint(to, tokenId);
    }

    /// @notice Knows nothing of interfaces.
    function supportsInterface(bytes4) public pure override returns (bool) {
        return false;
    }
}
