// {url, wallets, width?, collection?}: fresh wallets without any balance mint a token each and hand it on,
// through viem's own sendTransactionSync; every latency is from the call to the receipt.
import { encodeFunctionData, parseEventLogs } from 'viem';
import { artifact, parallel, percentile } from '../demo/chain.mjs';
import { check, fresh } from './common.mjs';

const WIDTH = 8;
const TIMEOUT_MS = 20_000;

export async function run({ chain, wallets: count, width = WIDTH, collection }) {
  check(Number.isInteger(count) && count > 0, 'wallets must be a positive integer');
  const { abi } = artifact('DemoCollection');
  const nft = collection ?? (await chain.deploy(fresh().key, 'DemoCollection', ['Night', 'N', 'https://example.org/']));
  // Everybody hands on to somebody new: a gas estimate holds only while the recipient's balance is what it was.
  const wallets = Array.from({ length: count }, () => ({ ...fresh(), heir: fresh().address }));
  const latencies = [];
  const send = async (writer, functionName, args) => {
    const before = performance.now();
    const data = encodeFunctionData({ abi, functionName, args });
    const receipt = await writer.sendTransactionSync({ to: nft, data, timeout: TIMEOUT_MS });
    latencies.push(performance.now() - before);
    check(receipt.status === 'success', `${functionName} reverted in ${receipt.transactionHash}`);
    return receipt;
  };
  const started = performance.now();
  await parallel(wallets, width, async (wallet, index) => {
    const writer = chain.writer(wallet.key);
    const minted = await send(writer, 'mint', []);
    const [transfer] = parseEventLogs({ abi, logs: minted.logs, eventName: 'Transfer' });
    check(transfer.args.to === wallet.address, `the mint of wallet ${index} went to ${transfer.args.to}`);
    wallet.tokenId = transfer.args.tokenId;
    await send(writer, 'transferFrom', [wallet.address, wallet.heir, wallet.tokenId]);
  });
  const elapsed = performance.now() - started;
  await parallel(wallets, width, async (wallet, index) => {
    const owner = await chain.read(nft, 'DemoCollection', 'ownerOf', [wallet.tokenId]);
    check(owner === wallet.heir, `token ${wallet.tokenId} belongs to ${owner}`);
    const balance = await chain.reader.getBalance({ address: wallet.address });
    check(balance === 0n, `wallet ${index} has ${balance} wei`);
  });
  const distinct = new Set(wallets.map((wallet) => wallet.tokenId)).size;
  check(distinct === count, `${distinct} tokens of ${count} wallets`);
  return {
    collection: nft,
    transactions: latencies.length,
    elapsed_ms: elapsed,
    receipt_p50_ms: percentile(latencies, 50),
    receipt_p99_ms: percentile(latencies, 99),
    receipt_max_ms: percentile(latencies, 100),
  };
}
