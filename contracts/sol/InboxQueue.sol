// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ConfigArgs} from "./CloneArgs.sol";
import {Credits} from "./Credits.sol";
import {TokenMetadata} from "./TokenMetadata.sol";
import {Kind} from "./Types.sol";
import {Predeploys} from "./l2/Predeploys.sol";

/// @dev One queue for everything that L1 puts into a rollup: deposits and forced transactions, in one rolling hash.
abstract contract InboxQueue is Credits, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev `fees` is the sum of the fees of all items up to and including this one.
    struct Item {
        bytes32 rolling;
        uint64 l1Block;
        uint64 time;
        uint128 fees;
    }

    /// @dev The price of forced gas, as it stood in L1 block `number`, in which `gasUsed` was bought so far.
    struct ForceMarket {
        uint128 price;
        uint64 number;
        uint64 gasUsed;
    }

    /// @notice Gas of a deposit of native value on the rollup.
    uint64 public constant ETH_DEPOSIT_GAS = 21_000;
    /// @notice Gas of a deposit of a token on the rollup.
    uint64 public constant TOKEN_DEPOSIT_GAS = 1_000_000;
    /// @notice Longest forced transaction in bytes.
    uint256 public constant MAX_FORCED_BYTES = 131_072;
    /// @notice Most gas of a forced transaction.
    uint64 public constant MAX_FORCED_GAS = 1 << 24;
    /// @notice Price of forced gas when the rollup is created, in wei.
    uint128 public constant INITIAL_FORCE_PRICE = 1 gwei;
    /// @notice The price of forced gas never falls below this, in wei.
    uint128 public constant MIN_FORCE_PRICE = 0.001 gwei;

    uint256 private constant PRICE_CHANGE_DENOMINATOR = 8;
    /// @dev Forced gas that one L1 block may sell, in targets; the price alone rises too slowly to stop a burst.
    uint256 private constant FORCED_BLOCK_TARGETS = 8;

    Item[] private _items;
    ForceMarket private _market;

    /// @notice Custody of the rollup's assets.
    address public vault;

    /// @notice The kind as which a token was first deposited, 1 … 3, which is its kind for good; 0 before.
    mapping(address token => uint8 kind) public tokenKind;

    /// @notice An item joined the queue.
    event QueueItem(uint64 indexed index, uint8 kind, address sender, uint64 gasLimit, bytes payload);

    /// @notice Deposits are over, or the rollup is frozen.
    error DepositsClosed();
    /// @notice It is too late to force a transaction.
    error ForceClosed();
    /// @notice Nothing can be credited to the zero address.
    error ZeroRecipient();
    /// @notice Nothing at the protocol's own addresses settles.
    error FixedRecipient(address to);
    /// @notice The token is of another kind than the deposit says.
    error WrongTokenKind(address token, uint8 kind);
    /// @notice The custody would rise above the rollup's limit.
    error AboveMaxTvl(uint256 custody, uint256 limit);
    /// @notice The Vault's balance did not rise.
    error NothingDeposited();
    /// @notice The Vault does not own the token after the transfer, or did before.
    error NotReceived(address token, uint256 tokenId);
    /// @notice The forced transaction is empty or longer than allowed.
    error ForcedSize(uint256 size, uint256 limit);
    /// @notice The gas limit of the forced transaction is outside of 21,000 … 2²⁴.
    error ForcedGas(uint64 gasLimit);
    /// @notice This L1 block has sold as much forced gas as it may; try in the next.
    error ForcedBlockFull(uint256 gasSold, uint256 limit);
    /// @notice The payment does not cover the forced gas.
    error ForcedPayment(uint256 paid, uint256 price);
    /// @notice There is no item with this index.
    error NoSuchItem(uint256 index, uint256 length);

    modifier whenDepositsOpen(address to) {
        if (!_depositsOpen()) revert DepositsClosed();
        if (to == address(0)) revert ZeroRecipient();
        if (Predeploys.isFixed(to)) revert FixedRecipient(to);
        _;
    }

    /// @notice Credits the payment to `to` on the rollup.
    /// @param to Recipient on the rollup.
    function depositETH(address to) external payable nonReentrant whenDepositsOpen(to) {
        if (msg.value == 0) revert NothingDeposited();
        uint256 limit = ConfigArgs.maxTvl();
        uint256 custody = vault.balance + msg.value;
        if (limit != 0 && custody > limit) revert AboveMaxTvl(custody, limit);
        _enqueue(Kind.ETH, ETH_DEPOSIT_GAS, abi.encode(to, msg.value), 0);
        Address.sendValue(payable(vault), msg.value);
    }

    /// @notice Takes `amount` of an ERC-20 from the caller and credits what the Vault received to `to`.
    /// Tokens whose balances change by themselves lose the difference.
    /// @param token The token on L1; the caller has approved this contract.
    /// @param to Recipient on the rollup.
    /// @param amount Units to take.
    function depositERC20(address token, address to, uint256 amount) external nonReentrant whenDepositsOpen(to) {
        _fixKind(token, Kind.ERC20);
        uint256 before = IERC20(token).balanceOf(vault);
        IERC20(token).safeTransferFrom(msg.sender, vault, amount);
        uint256 balance = IERC20(token).balanceOf(vault);
        if (balance <= before) revert NothingDeposited();
        bytes memory payload = abi.encode(
            token,
            to,
            balance - before,
            TokenMetadata.name(token),
            TokenMetadata.symbol(token),
            TokenMetadata.decimals(token)
        );
        _enqueue(Kind.ERC20, TOKEN_DEPOSIT_GAS, payload, 0);
    }

    /// @notice Takes an ERC-721 from the caller and credits it to `to`.
    /// @param token The collection on L1; the caller has approved this contract.
    /// @param to Recipient on the rollup.
    /// @param tokenId The token.
    function depositERC721(address token, address to, uint256 tokenId) external nonReentrant whenDepositsOpen(to) {
        _fixKind(token, Kind.ERC721);
        if (IERC721(token).ownerOf(tokenId) == vault) revert NotReceived(token, tokenId);
        IERC721(token).transferFrom(msg.sender, vault, tokenId);
        if (IERC721(token).ownerOf(tokenId) != vault) revert NotReceived(token, tokenId);
        bytes memory payload = abi.encode(
            token,
            to,
            tokenId,
            TokenMetadata.name(token),
            TokenMetadata.symbol(token),
            TokenMetadata.uri721(token, tokenId)
        );
        _enqueue(Kind.ERC721, TOKEN_DEPOSIT_GAS, payload, 0);
    }

    /// @notice Takes `amount` of an ERC-1155 id from the caller and credits what the Vault received to `to`.
    /// @param token The contract on L1; the caller has approved this contract.
    /// @param to Recipient on the rollup.
    /// @param id The token's id.
    /// @param amount Units to take.
    function depositERC1155(address token, address to, uint256 id, uint256 amount)
        external
        nonReentrant
        whenDepositsOpen(to)
    {
        _fixKind(token, Kind.ERC1155);
        uint256 before = IERC1155(token).balanceOf(vault, id);
        IERC1155(token).safeTransferFrom(msg.sender, vault, id, amount, "");
        uint256 balance = IERC1155(token).balanceOf(vault, id);
        if (balance <= before) revert NothingDeposited();
        bytes memory payload = abi.encode(token, to, id, balance - before, TokenMetadata.uri1155(token, id));
        _enqueue(Kind.ERC1155, TOKEN_DEPOSIT_GAS, payload, 0);
    }

    /// @notice Puts a signed transaction into the queue, past the sequencer. Pays `gasLimit` at {forcePrice}; the
    /// surplus comes back.
    /// @param raw The transaction as EIP-2718 bytes.
    /// @param gasLimit At least the transaction's own gas limit; else it will be skipped.
    function forceTransaction(bytes calldata raw, uint64 gasLimit) external payable nonReentrant {
        if (block.timestamp + ConfigArgs.forceWindow() >= closeTime()) revert ForceClosed();
        if (raw.length == 0 || raw.length > MAX_FORCED_BYTES) revert ForcedSize(raw.length, MAX_FORCED_BYTES);
        if (gasLimit < ETH_DEPOSIT_GAS || gasLimit > MAX_FORCED_GAS) revert ForcedGas(gasLimit);
        uint256 fee = forcePrice() * gasLimit;
        if (msg.value < fee) revert ForcedPayment(msg.value, fee);
        _buy(gasLimit);
        _enqueue(Kind.FORCED, gasLimit, raw, uint128(fee));
        if (msg.value > fee) Address.sendValue(payable(msg.sender), msg.value - fee);
    }

    /// @notice Price of one unit of forced gas in this L1 block, in wei.
    function forcePrice() public view returns (uint256 price) {
        ForceMarket memory market = _market;
        price = market.price;
        uint256 blocks = block.number - market.number;
        if (blocks == 0) return price;
        price = _step(price, market.gasUsed);
        // Idle blocks. The price falls by an eighth each time, so this ends long before the counter does.
        for (uint256 i = 1; i < blocks && price > MIN_FORCE_PRICE; ++i) {
            price -= price / PRICE_CHANGE_DENOMINATOR;
        }
        if (price < MIN_FORCE_PRICE) price = MIN_FORCE_PRICE;
    }

    /// @notice Number of items in the queue.
    function queueLength() public view returns (uint64) {
        return uint64(_items.length);
    }

    /// @notice Rolling hash of the whole queue; 0 while it is empty.
    function queueHash() public view returns (bytes32) {
        return _rollingUpTo(_items.length);
    }

    /// @notice What is kept of an item.
    /// @param index The item.
    /// @return rolling Rolling hash up to and including this item.
    /// @return l1Block L1 block that holds it.
    /// @return time Timestamp of that block.
    function queueItem(uint64 index) external view returns (bytes32 rolling, uint64 l1Block, uint64 time) {
        Item storage item = _item(index);
        return (item.rolling, item.l1Block, item.time);
    }

    /// @notice When the rollup closes.
    function closeTime() public view virtual returns (uint64);

    function _depositsOpen() internal view virtual returns (bool);

    function _openMarket() internal {
        _market = ForceMarket({price: INITIAL_FORCE_PRICE, number: uint64(block.number), gasUsed: 0});
    }

    function _item(uint256 index) internal view returns (Item storage) {
        if (index >= _items.length) revert NoSuchItem(index, _items.length);
        return _items[index];
    }

    /// @dev Rolling hash of the first `count` items.
    function _rollingUpTo(uint256 count) internal view returns (bytes32) {
        return count == 0 ? bytes32(0) : _items[count - 1].rolling;
    }

    /// @dev Fees of the first `count` items.
    function _feesUpTo(uint256 count) internal view returns (uint256) {
        return count == 0 ? 0 : _items[count - 1].fees;
    }

    function _enqueue(uint8 kind, uint64 gasLimit, bytes memory payload, uint128 fee) private {
        uint64 index = uint64(_items.length);
        bytes32 rolling = keccak256(
            abi.encode(_rollingUpTo(index), index, kind, msg.sender, gasLimit, keccak256(payload), uint64(block.number))
        );
        uint128 fees = uint128(_feesUpTo(index)) + fee;
        _items.push(Item({rolling: rolling, l1Block: uint64(block.number), time: uint64(block.timestamp), fees: fees}));
        emit QueueItem(index, kind, msg.sender, gasLimit, payload);
    }

    /// @dev ERC-721 has ERC-20's `transferFrom` and `balanceOf`, so a token's own word decides first, and its first
    /// deposit for those that say nothing.
    function _fixKind(address token, uint8 kind) private {
        uint8 known = tokenKind[token];
        if (known == kind) return;
        if (known == 0 && kind == Kind.ERC20) {
            if (ERC165Checker.supportsInterface(token, type(IERC721).interfaceId)) known = Kind.ERC721;
            else if (ERC165Checker.supportsInterface(token, type(IERC1155).interfaceId)) known = Kind.ERC1155;
        }
        if (known != 0) revert WrongTokenKind(token, known);
        tokenKind[token] = kind;
    }

    function _buy(uint64 gasLimit) private {
        uint128 price = uint128(forcePrice());
        uint64 used = gasLimit + (_market.number == block.number ? _market.gasUsed : 0);
        uint256 limit = FORCED_BLOCK_TARGETS * ConfigArgs.forceGasTarget();
        // The largest transaction fits into an empty block, however low the target.
        if (limit < MAX_FORCED_GAS) limit = MAX_FORCED_GAS;
        if (used > limit) revert ForcedBlockFull(used, limit);
        _market = ForceMarket({price: price, number: uint64(block.number), gasUsed: used});
    }

    /// @dev Price of the next block, after one in which `gasUsed` was bought.
    function _step(uint256 price, uint256 gasUsed) private view returns (uint256) {
        uint256 target = ConfigArgs.forceGasTarget();
        if (gasUsed > target) {
            uint256 over = gasUsed - target > target ? target : gasUsed - target;
            uint256 rise = price * over / target / PRICE_CHANGE_DENOMINATOR;
            uint256 next = price + (rise == 0 ? 1 : rise);
            // Leaves room for the fee of the largest item in 128 bits.
            return next > type(uint96).max ? type(uint96).max : next;
        }
        uint256 lower = price - price * (target - gasUsed) / target / PRICE_CHANGE_DENOMINATOR;
        return lower < MIN_FORCE_PRICE ? MIN_FORCE_PRICE : lower;
    }
}
