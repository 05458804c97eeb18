// {url}: wagmi's core actions with a local account: read, simulate, write, wait, watch, batch of reads.
import * as wagmi from '@wagmi/core';
import { privateKeyToAccount } from 'viem/accounts';
import { encodeFunctionData } from 'viem';
import { artifact } from '../demo/chain.mjs';
import { check, fresh, refused } from './common.mjs';

export async function run({ url, chain }) {
  const [owner, other] = [fresh(), fresh()];
  const account = privateKeyToAccount(owner.key);
  const config = wagmi.createConfig({
    chains: [chain.chain],
    transports: { [chain.chain.id]: wagmi.http(url) },
    pollingInterval: 100,
    storage: null,
  });
  const { abi, bytecode } = artifact('DemoToken');
  check(wagmi.getChainId(config) === chain.chain.id, 'the chain id is another');

  const creation = await wagmi.deployContract(config, { abi, bytecode, args: ['Points', 'PTS'], account });
  const { contractAddress: address } = await wagmi.waitForTransactionReceipt(config, { hash: creation });
  const token = { address, abi };
  const seen = [];
  const stop = wagmi.watchContractEvent(config, { ...token, eventName: 'Transfer', onLogs: (logs) => seen.push(...logs), poll: true });
  const { request } = await wagmi.simulateContract(config, { ...token, functionName: 'mint', args: [1000n], account });
  const minted = await wagmi.waitForTransactionReceipt(config, { hash: await wagmi.writeContract(config, { ...request, account }) });
  check(minted.status === 'success', 'the mint failed');

  const data = encodeFunctionData({ abi, functionName: 'transfer', args: [other.address, 400n] });
  const sent = await wagmi.sendTransaction(config, { to: address, data, account });
  check((await wagmi.waitForTransactionReceipt(config, { hash: sent })).status === 'success', 'the transfer failed');
  const balances = await wagmi.readContracts(config, {
    contracts: [owner, other].map((wallet) => ({ ...token, functionName: 'balanceOf', args: [wallet.address] })),
  });
  check(balances[0].result === 600n && balances[1].result === 400n, 'the balances are others');
  check((await wagmi.readContract(config, { ...token, functionName: 'symbol' })) === 'PTS', 'the symbol is another');
  const { value } = await wagmi.getBalance(config, { address: owner.address });
  const block = await wagmi.getBlock(config);
  const transaction = await wagmi.getTransaction(config, { hash: sent });
  check(value === 0n && block.number >= transaction.blockNumber && transaction.nonce === 2, 'the chain is another');
  const fees = await wagmi.estimateFeesPerGas(config);
  const gas = await wagmi.estimateGas(config, { to: address, data, account });
  check(fees.maxFeePerGas === 0n && gas > 21_000n, `fees ${fees.maxFeePerGas}, gas ${gas}`);

  const overdraft = { ...token, functionName: 'transfer', args: [other.address, 10_000n], account };
  const error = await refused(wagmi.simulateContract(config, overdraft), 'an overdraft');
  check(`${error}`.includes('ERC20InsufficientBalance'), `overdraft: ${error}`);
  for (let tries = 0; seen.length < 2 && tries < 100; tries += 1) await new Promise((done) => setTimeout(done, 100));
  stop();
  check(seen.length === 2, `${seen.length} events were watched`);
  return { token: address, events: seen.length, revert: 'ERC20InsufficientBalance' };
}
