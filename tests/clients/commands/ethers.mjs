// {url}: ethers from an empty wallet: deploy, call, send, wait, read logs, decode a revert.
// The cache is off: ethers keeps a nonce for 250 ms, longer than a block here.
import { Contract, ContractFactory, JsonRpcProvider, Wallet, isError } from 'ethers';
import { artifact } from '../demo/chain.mjs';
import { check, fresh, refused } from './common.mjs';

const UNITS = 1_000n;

export async function run({ url }) {
  const provider = new JsonRpcProvider(url, undefined, { pollingInterval: 100, cacheTimeout: -1 });
  try {
    const [owner, other] = [fresh(), fresh()].map((wallet) => new Wallet(wallet.key, provider));
    const { abi, bytecode } = artifact('DemoToken');
    const deployed = await new ContractFactory(abi, bytecode, owner).deploy('Points', 'PTS');
    await deployed.waitForDeployment();
    const address = await deployed.getAddress();
    const token = new Contract(address, abi, owner);
    check((await token.symbol()) === 'PTS', 'the symbol is another');

    const minted = await (await token.mint(UNITS)).wait();
    check(minted.status === 1 && minted.logs.length === 1, 'the mint has no log');
    const sent = await (await token.transfer(other.address, 400n)).wait(1, 60_000);
    check((await token.balanceOf(other.address)) === 400n, 'the balance did not arrive');
    check((await provider.getBalance(owner.address)) === 0n, 'the sender had a balance');

    const logs = await token.queryFilter(token.filters.Transfer(owner.address), 0, 'latest');
    check(logs.length === 1 && logs[0].transactionHash === sent.hash, 'the filter finds other logs');
    const block = await provider.getBlock(sent.blockNumber, true);
    check(block.transactions.includes(sent.hash), 'the block does not have the transaction');
    check(block.hash === sent.blockHash && block.baseFeePerGas === 0n, 'the block is another');
    const transaction = await provider.getTransaction(sent.hash);
    check(transaction.from === owner.address && transaction.nonce === 2, 'the transaction is another');

    const reverted = await refused(token.transfer.staticCall(owner.address, UNITS), 'an overdraft');
    check(isError(reverted, 'CALL_EXCEPTION') && reverted.revert?.name === 'ERC20InsufficientBalance', `overdraft: ${reverted}`);
    const estimate = await token.transfer.estimateGas(other.address, 1n);
    return {
      address,
      transfers: logs.length,
      gas_used: Number(sent.gasUsed),
      gas_estimated: Number(estimate),
      gas_price: Number(sent.gasPrice),
      revert: reverted.revert.name,
    };
  } finally {
    provider.destroy();
  }
}
