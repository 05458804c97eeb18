// viem clients and the committed contracts.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPublicClient, createWalletClient, defineChain, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

/** This repository. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

/** `{abi, bytecode}` of a contract in contracts/artifacts. */
export function artifact(name) {
  return JSON.parse(readFileSync(path.join(ROOT, 'contracts/artifacts', `${name}.json`), 'utf8'));
}

/** The rollup's fixed addresses (docs/protocol/derivation.md). */
export const L2 = {
  bridge: '0x4d61796600000000000000000000000000000001',
  messenger: '0x4d61796600000000000000000000000000000002',
  registry: '0x4d61796600000000000000000000000000000003',
};

/** One chain: a reader, and writers by private key. */
export class Chain {
  constructor(name, id, url) {
    this.url = url;
    this.chain = defineChain({
      id,
      name,
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [url] } },
    });
    this.reader = createPublicClient({ chain: this.chain, transport: http(url), pollingInterval: 100 });
  }

  writer(privateKey) {
    return createWalletClient({
      account: privateKeyToAccount(privateKey),
      chain: this.chain,
      transport: http(this.url),
      pollingInterval: 100,
    });
  }

  /** Waits for success. */
  async mined(hash) {
    const receipt = await this.reader.waitForTransactionReceipt({ hash, timeout: 60_000 });
    if (receipt.status !== 'success') throw new Error(`${this.chain.name}: ${hash} reverted`);
    return receipt;
  }

  /** Deploys an artifact; returns its address. */
  async deploy(privateKey, name, args = []) {
    const { abi, bytecode } = artifact(name);
    const hash = await this.writer(privateKey).deployContract({ abi, bytecode, args });
    return (await this.mined(hash)).contractAddress;
  }

  /** Calls a contract's function in a transaction and waits. */
  async send(privateKey, address, name, functionName, args = [], value = 0n) {
    const { abi } = artifact(name);
    const hash = await this.writer(privateKey).writeContract({ address, abi, functionName, args, value });
    return this.mined(hash);
  }

  /** Reads from a contract. */
  read(address, name, functionName, args = []) {
    return this.reader.readContract({ address, abi: artifact(name).abi, functionName, args });
  }
}

/** The p-th percentile (0..100) of numbers, by nearest rank. */
export function percentile(values, p) {
  if (values.length === 0) throw new Error('no values');
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1))];
}

/** Runs `work(item, index)` over items, `width` at a time. */
export async function parallel(items, width, work) {
  let next = 0;
  const results = new Array(items.length);
  const lane = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
