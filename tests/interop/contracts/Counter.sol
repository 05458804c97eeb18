// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

contract Counter {
    uint256 public number;

    event Counted(uint256 number);

    error TooMany(uint256 number);

    constructor(uint256 start) {
        number = start;
    }

    function count(uint256 by) external {
        if (by > 100) revert TooMany(by);
        number += by;
        emit Counted(number);
    }
}
