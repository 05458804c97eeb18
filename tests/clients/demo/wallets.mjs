// Fresh wallets with nothing in them mint and transfer through unmodified clients:
// most through viem (its Sync path and its polling path), some through ethers and cast.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Contract, JsonRpcProvider, Wallet } from 'ethers';
import { encodeFunctionData, parseEventLogs } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { artifact, parallel } from './chain.mjs';

const run = promisify(execFile);
// Wallets in flight at once: enough to overlap, few enough that the client's own
// queue does not hide the node's latency on a small machine.
const WIDTH = 8;
const SYNC_TIMEOUT_MS = 20_000;
const POINTS = 1_000n;
const GIFT = 400n;

/** Which client a wallet uses: every 20th ethers, a handful cast, every 10th viem by polling. */
function clientOf(index) {
  if (index % 20 === 3) return 'ethers';
  if (index % 200 === 7) return 'cast';
  if (index % 10 === 5) return 'viem-poll';
  return 'viem-sync';
}

/** One wallet's way to send a call and have its receipt: `{ ok, logs }`. */
const senders = {
  'viem-sync': ({ chain, key }) => {
    const writer = chain.writer(key);
    return async (to, data) => {
      const receipt = await writer.sendTransactionSync({ to, data, timeout: SYNC_TIMEOUT_MS });
      return { ok: receipt.status === 'success', logs: receipt.logs };
    };
  },
  'viem-poll': ({ chain, key }) => {
    const writer = chain.writer(key);
    return async (to, data) => {
      const receipt = await chain.mined(await writer.sendTransaction({ to, data }));
      return { ok: true, logs: receipt.logs };
    };
  },
  ethers: ({ key, provider }) => {
    const wallet = new Wallet(key, provider);
    return async (to, data) => {
      const receipt = await (await wallet.sendTransaction({ to, data })).wait(1, 60_000);
      return { ok: receipt.status === 1, logs: receipt.logs };
    };
  },
  cast: ({ chain, key }) => async (to, data) => {
    const { stdout } = await run('cast', ['send', '--json', '--rpc-url', chain.url, '--private-key', key, to, data]);
    const receipt = JSON.parse(stdout);
    return { ok: receipt.status === '0x1', logs: receipt.logs };
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
 * Every wallet mints from the collection; then even wallets hand their token to the
 * next one, odd ones mint points and give some away. Returns what each client sent
 * and the latencies of the Sync path in milliseconds.
 */
export async function mintAndTransfer({ chain, wallets, collection, token, onProgress }) {
  const provider = new JsonRpcProvider(chain.url, chain.chain.id, {
    staticNetwork: true,
    pollingInterval: 100,
    // Blocks are faster than ethers' quarter of a second of cache, which would hand out a used nonce.
    cacheTimeout: -1,
  });
  const nft = artifact('DemoCollection').abi;
  const points = artifact('DemoToken').abi;
  const latencies = [];
  const sentBy = {};
  let done = 0;

  const send = async (wallet, to, abi, functionName, args = []) => {
    const data = encodeFunctionData({ abi, functionName, args });
    const before = performance.now();
    const { ok, logs } = await wallet.send(to, data);
    if (wallet.client === 'viem-sync') latencies.push(performance.now() - before);
    if (!ok) throw new Error(`${functionName} through ${wallet.client} failed`);
    sentBy[wallet.client] = (sentBy[wallet.client] ?? 0) + 1;
    return logs;
  };
  const progress = (what) => {
    if (++done % 100 === 0) onProgress?.(`${done} wallets ${what}`);
  };

  await parallel(wallets, WIDTH, async (wallet, index) => {
    wallet.client = clientOf(index);
    wallet.send = senders[wallet.client]({ chain, key: wallet.key, provider });
    const logs = await send(wallet, collection, nft, 'mint');
    wallet.tokenId = BigInt(parseEventLogs({ abi: nft, eventName: 'Transfer', logs })[0].args.tokenId);
    progress('minted');
  });
  done = 0;
  await parallel(wallets, WIDTH, async (wallet, index) => {
    const next = wallets[(index + 1) % wallets.length];
    if (index % 2 === 0) {
      await send(wallet, collection, nft, 'transferFrom', [wallet.address, next.address, wallet.tokenId]);
    } else {
      await send(wallet, token, points, 'mint', [POINTS]);
      await send(wallet, token, points, 'transfer', [next.address, GIFT]);
    }
    progress('transferred');
  });

  // One look from the other side: ethers reads what viem wrote.
  const owner = await new Contract(collection, nft, provider).ownerOf(wallets[0].tokenId);
  const expected = wallets[1 % wallets.length].address;
  if (owner !== expected) throw new Error(`token ${wallets[0].tokenId} belongs to ${owner}, not ${expected}`);
  provider.destroy();
  return { latencies, sentBy };
}
