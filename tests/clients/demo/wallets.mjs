// Fresh wallets with nothing in them mint and transfer through unmodified clients:
// most through viem (its Sync path and its polling path), some through ethers and cast.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Contract, FetchRequest, JsonRpcProvider, Wallet } from 'ethers';
import { encodeFunctionData } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { artifact, parallel } from './chain.mjs';

const run = promisify(execFile);
// Wallets in flight at once: enough to overlap, few enough that the client's own
// queue does not hide the node's latency on a small machine.
const WIDTH = 8;
const SYNC_TIMEOUT_MS = 20_000;

/** Which client a wallet uses: every 20th ethers, a handful cast, every 10th viem by polling. */
function clientOf(index) {
  if (index % 20 === 3) return 'ethers';
  if (index % 200 === 7) return 'cast';
  if (index % 10 === 5) return 'viem-poll';
  return 'viem-sync';
}

/** One wallet's way to send a transaction and have its receipt, in milliseconds. */
const senders = {
  'viem-sync': ({ chain, key }) => {
    const writer = chain.writer(key);
    return async (to, data) => {
      const receipt = await writer.sendTransactionSync({ to, data, timeout: SYNC_TIMEOUT_MS });
      return receipt.status === 'success' ? receipt.transactionHash : undefined;
    };
  },
  'viem-poll': ({ chain, key }) => {
    const writer = chain.writer(key);
    return async (to, data) => (await chain.mined(await writer.sendTransaction({ to, data }))).transactionHash;
  },
  ethers: ({ chain, key, provider }) => {
    const wallet = new Wallet(key, provider);
    return async (to, data) => {
      const sent = await wallet.sendTransaction({ to, data });
      const receipt = await sent.wait(1, 60_000);
      return receipt.status === 1 ? sent.hash : undefined;
    };
  },
  cast: ({ chain, key }) => async (to, data) => {
    // The secret goes by the environment, as cast itself suggests.
    const { stdout } = await run('cast', ['send', '--json', '--rpc-url', chain.url, to, data], {
      env: { ...process.env, ETH_PRIVATE_KEY: key },
    });
    const receipt = JSON.parse(stdout);
    return receipt.status === '0x1' ? receipt.transactionHash : undefined;
  },
};

/** Fresh keys. */
export function freshWallets(count) {
  return Array.from({ length: count }, () => {
    const key = generatePrivateKey();
    return { key, address: privateKeyToAccount(key).address };
  });
}

/**
 * Every wallet mints from the collection; then every wallet hands something on:
 * even ones transfer their token to the next wallet, odd ones send ERC-20 units.
 * Returns the latencies of the Sync path and what each client sent.
 */
export async function mintAndTransfer({ chain, wallets, collection, token, tokenName, collectionName, onProgress }) {
  const request = new FetchRequest(chain.url);
  const provider = new JsonRpcProvider(request, chain.chain.id, { staticNetwork: true, pollingInterval: 100 });
  const nft = artifact(collectionName).abi;
  const erc20 = artifact(tokenName).abi;
  const reader = new Contract(collection, nft, provider);
  const latencies = [];
  const sentBy = {};
  let done = 0;

  const send = async (client, sender, to, data) => {
    const before = performance.now();
    const hash = await sender(to, data);
    if (client === 'viem-sync') latencies.push(performance.now() - before);
    if (!hash) throw new Error(`a ${client} transaction failed`);
    sentBy[client] = (sentBy[client] ?? 0) + 1;
    return hash;
  };

  await parallel(wallets, WIDTH, async (wallet, index) => {
    wallet.client = clientOf(index);
    wallet.send = senders[wallet.client]({ chain, key: wallet.key, provider });
    wallet.tokenId = BigInt(index + 1);
    const mint = encodeFunctionData({ abi: nft, functionName: 'mint', args: [wallet.address, wallet.tokenId] });
    await send(wallet.client, wallet.send, collection, mint);
    if (++done % 100 === 0) onProgress?.(`${done} wallets minted`);
  });
  done = 0;
  await parallel(wallets, WIDTH, async (wallet, index) => {
    const next = wallets[(index + 1) % wallets.length].address;
    const [to, data] =
      index % 2 === 0
        ? [collection, encodeFunctionData({ abi: nft, functionName: 'transferFrom', args: [wallet.address, next, wallet.tokenId] })]
        : [token, encodeFunctionData({ abi: erc20, functionName: 'mint', args: [next, 1_000n] })];
    await send(wallet.client, wallet.send, to, data);
    if (++done % 100 === 0) onProgress?.(`${done} wallets transferred`);
  });

  // One look from the other side: ethers reads what viem wrote.
  const owner = await reader.ownerOf(wallets[0].tokenId);
  if (wallets.length > 1 && owner !== wallets[1].address) throw new Error(`token 1 belongs to ${owner}`);
  provider.destroy();
  return { latencies, sentBy };
}
