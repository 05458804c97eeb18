// The life of one rollup, from launch to the last claim, with its operators alive.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { encodeFunctionData, keccak256, parseEther } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { Chain, L2, artifact } from './chain.mjs';
import { bridgedToken, deployTokens, depositEverything } from './l1.mjs';
import { say, until } from './stack.mjs';
import { freshWallets, mintAndTransfer } from './wallets.mjs';

const FORCED_GAS = 100_000n;

/** Launches a rollup and returns how long it took until it answered the first transaction. */
export async function launch({ mayfly, common, name, config, endsIn }) {
  const estimate = await mayfly.run(['rollup', ...common, 'estimate', '--config', config, '--ends-in', endsIn, '--transactions', '3000']);
  say(`  estimate: ${estimate.total_eth} ETH on L1, of which ${estimate.refundable_eth} ETH comes back`);
  const before = performance.now();
  const created = await mayfly.run(['rollup', ...common, 'create', '--name', name, '--config', config, '--ends-in', endsIn]);
  const chain = new Chain(name, created.chain_id, created.rpc_url);
  const [first] = freshWallets(1);
  await chain.writer(first.key).sendTransactionSync({ to: first.address, data: '0x', timeout: 20_000 });
  const seconds = (performance.now() - before) / 1000;
  say(`  ${name} is ${created.rollup}, chain ${created.chain_id}; first transaction answered after ${seconds.toFixed(1)} s`);
  return { ...created, chain, launch_s: seconds };
}

/** Starts a verifier process that knows L1 and the rollup's address, nothing else. */
export function startVerifier({ mayfly, dataDir, l1Url, rollup, attest, propose, name = 'verifier' }) {
  const roles = [...attest.flatMap((key) => ['--attest', key]), ...(propose ? ['--propose', propose] : [])];
  return mayfly.start(name, ['verify', '--data-dir', dataDir, '--l1-url', l1Url, '--rollup', rollup, ...roles]);
}

/** Deposits, contracts, wallets: everything that happens on the rollup. */
export async function live({ l1, keys, rollup, wallets: count }) {
  const { chain } = rollup;
  const tokens = await deployTokens(l1, keys.user);
  const user = privateKeyToAccount(keys.user).address;
  const deposits = await depositEverything({ l1, key: keys.user, rollup: rollup.rollup, to: user, tokens });
  await until('the deposits arrive', 60, async () => (await chain.reader.getBalance({ address: user })) >= deposits.eth);
  const bridged = {};
  for (const [kind, token] of Object.entries(tokens)) bridged[kind] = await bridgedToken(chain, kind, token);
  await until('the tokens arrive', 60, async () => (await chain.read(bridged.erc20, 'BridgedERC20', 'balanceOf', [user])) === deposits.erc20);
  const owner = await chain.read(bridged.erc721, 'BridgedERC721', 'ownerOf', [deposits.erc721]);
  if (owner !== user) throw new Error(`bridged ERC-721 belongs to ${owner}`);
  const units = await chain.read(bridged.erc1155, 'BridgedERC1155', 'balanceOf', [user, deposits.erc1155.id]);
  if (units !== deposits.erc1155.amount) throw new Error(`bridged ERC-1155 balance is ${units}`);
  say('  ETH, ERC-20, ERC-721 and ERC-1155 arrived');

  const organiser = keys.organiser;
  const collection = await chain.deploy(organiser, 'DemoCollection', ['Mint Night', 'MINT', 'https://example.org/mint/']);
  const token = await chain.deploy(organiser, 'DemoToken', ['Night Points', 'NIGHT']);
  await chain.send(organiser, L2.registry, 'L2Registry', 'registerCollection', [collection, 4, 'Mint Night', 'MINT', 'https://example.org/mint/']);
  const wallets = freshWallets(count);
  for (const wallet of wallets.slice(0, 3)) {
    const balance = await chain.reader.getBalance({ address: wallet.address });
    if (balance !== 0n) throw new Error('a fresh wallet is not empty');
  }
  const load = await mintAndTransfer({
    chain, wallets, collection, token, collectionName: 'DemoCollection', tokenName: 'DemoToken',
    onProgress: (text) => say(`  ${text}`),
  });
  say(`  sent by ${Object.entries(load.sentBy).map(([client, n]) => `${client} ${n}`).join(', ')}`);
  return { tokens, bridged, collection, token, wallets, user, deposits, ...load };
}

/** ETH goes back to L1 while the rollup lives. */
export async function withdraw({ mayfly, common, l1, keys, rollup }) {
  const { chain } = rollup;
  const [recipient] = freshWallets(1);
  const amount = parseEther('0.25');
  const receipt = await chain.send(keys.user, L2.bridge, 'L2Bridge', 'withdrawETH', [recipient.address], amount);
  const done = await mayfly.run(['rollup', ...common, 'withdraw', rollup.rollup, '--tx', receipt.transactionHash, '--wait']);
  const got = await l1.reader.getBalance({ address: recipient.address });
  if (got !== amount) throw new Error(`withdrew ${got} wei instead of ${amount}`);
  say(`  0.25 ETH withdrawn on L1 under claim ${done.claim.slice(0, 10)}… while the rollup is alive`);
}

/** A transaction that reaches the rollup through L1. */
export async function force({ mayfly, common, rollup }) {
  const { chain } = rollup;
  const [wallet] = freshWallets(1);
  const raw = await chain.writer(wallet.key).signTransaction({
    to: wallet.address, value: 0n, data: '0x', nonce: 0, gas: FORCED_GAS, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n, type: 'eip1559',
  });
  await mayfly.run(['rollup', ...common, 'force', rollup.rollup, '--raw', raw]);
  const receipt = await chain.reader.waitForTransactionReceipt({ hash: keccak256(raw), timeout: 60_000 });
  say(`  a transaction forced through L1 is in block ${receipt.blockNumber}`);
  return raw;
}

/** Every block the verifier knows must be the node's. */
export async function compare({ chain, verifier, seconds = 120 }) {
  const head = await chain.reader.getBlock({ blockTag: 'safe' });
  const seen = await until('the verifier reaches the safe head', seconds, () =>
    verifier.documents.findLast((d) => d.event === 'batch' && BigInt(d.number) >= head.number));
  const heads = verifier.documents.filter((d) => d.event === 'batch');
  let equal = 0;
  for (const batch of heads) {
    const block = await chain.reader.getBlock({ blockNumber: BigInt(batch.number) });
    // The hash covers every block before; the state root is compared for itself.
    if (block.hash === batch.hash && block.stateRoot === batch.state_root) equal += 1;
  }
  say(`  the verifier agrees on ${equal} of ${heads.length} batches, up to block ${seen.number}`);
  return { equal: equal === heads.length && heads.length > 0, blocks: Number(seen.number) };
}

/** Bytes and gas of the batches on L1, read from L1. */
export async function batchCosts({ l1, rollup, fromBlock, verifier }) {
  const { abi } = artifact('Inbox');
  const logs = await l1.reader.getContractEvents({ address: rollup, abi, eventName: 'BatchPosted', fromBlock, toBlock: 'latest' });
  let gas = 0n;
  for (const log of logs) {
    const receipt = await l1.reader.getTransactionReceipt({ hash: log.transactionHash });
    gas += receipt.gasUsed + (receipt.blobGasUsed ?? 0n);
  }
  const sizes = new Map(verifier.documents.filter((d) => d.event === 'batch').map((d) => [BigInt(d.seq), d.data_bytes]));
  const bytes = logs.reduce((sum, log) => sum + (sizes.get(log.args.header.seq) ?? 0), 0);
  const blobs = logs.reduce((sum, log) => sum + log.args.blobHashes.length, 0);
  return { batches: logs.length, gas, bytes, blobs };
}

/** Keeps what a user needs to claim without anybody's help. */
export function keepNotes(dir, notes) {
  const text = JSON.stringify(notes, (_, value) => (typeof value === 'bigint' ? value.toString() : value), 2);
  writeFileSync(path.join(dir, 'notes.json'), `${text}\n`);
}

/** Encodes a call of a committed contract. */
export function call(name, functionName, args) {
  return encodeFunctionData({ abi: artifact(name).abi, functionName, args });
}
