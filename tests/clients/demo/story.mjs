// The life of one rollup, from launch to the last claim, with its operators alive.
import { keccak256, parseEther } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { Chain, L2, artifact } from './chain.mjs';
import { audit, inventory, spread } from './holdings.mjs';
import { bridgedToken, deployTokens, depositEverything } from './l1.mjs';
import { say, until } from './stack.mjs';
import { freshWallets, mintAndTransfer } from './wallets.mjs';

const FORCED_GAS = 100_000n;

/** Launches a rollup and returns how long it took until it answered the first transaction. */
export async function launch({ mayfly, common, name, config, endsIn }) {
  const estimate = await mayfly.run(['rollup', ...common, 'estimate', '--config', config, '--ends-in', endsIn, '--transactions', '3000']);
  say(`  estimate: ${estimate.total_eth} for 3000 transactions, and ${estimate.refundable_eth} of bonds that come back`);
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
export function startVerifier({ mayfly, dataDir, l1Url, rollup, attest, payer, name = 'verifier' }) {
  const roles = attest.flatMap((key) => ['--attest', key]);
  if (payer) roles.push('--propose', '--finalize', '--key', payer);
  return mayfly.start(name, ['verify', '--data-dir', dataDir, '--l1-url', l1Url, '--rollup', rollup, ...roles]);
}

/** Deposits, contracts, wallets: everything that happens on the rollup. */
export async function live({ mayfly, common, l1, keys, source, rollup, wallets: count }) {
  const { chain } = rollup;
  const tokens = await deployTokens(l1, keys.user);
  const user = privateKeyToAccount(keys.user).address;
  const deposits = await depositEverything({ mayfly, common, l1, source, rollup: rollup.rollup, to: user, tokens });
  await until('the deposits arrive', 60, async () => (await chain.reader.getBalance({ address: user })) >= deposits.eth);
  const bridged = {};
  for (const [kind, token] of Object.entries(tokens)) bridged[kind] = await bridgedToken(chain, kind, token);
  await until('the tokens arrive', 60, async () => {
    const coins = await chain.read(bridged.erc20, 'BridgedERC20', 'balanceOf', [user]);
    const owner = await chain.read(bridged.erc721, 'BridgedERC721', 'ownerOf', [deposits.erc721]);
    const units = await chain.read(bridged.erc1155, 'BridgedERC1155', 'balanceOf', [user, deposits.erc1155.id]);
    return coins === deposits.erc20 && owner === user && units === deposits.erc1155.amount;
  });
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
    chain, wallets, collection, token,
    onProgress: (text) => say(`  ${text}`),
  });
  say(`  sent by ${Object.entries(load.sentBy).map(([client, n]) => `${client} ${n}`).join(', ')}`);
  const [friend] = freshWallets(1);
  // The second wallet keeps what it minted (mintAndTransfer); a contract holds it from now on.
  await spread({ chain, key: keys.user, user, friend, bridged, deposits, collection, contract: token, giver: wallets[1] });
  return { tokens, bridged, collection, token, wallets, user, friend: friend.address, deposits, ...load };
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
  // Everything so far must be in a batch before it can be compared.
  const latest = await chain.reader.getBlock();
  const head = await until('everything is in a batch', seconds, async () => {
    const safe = await chain.reader.getBlock({ blockTag: 'safe' });
    return safe.number >= latest.number && safe;
  });
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

/** The end: the organiser ends it early, everybody is paid on L1. */
export async function end({ mayfly, common, l1, rollup, verifier, lived, source }) {
  const owned = await inventory({ chain: rollup.chain, l1, people: [], lived });
  const ending = await mayfly.run(['rollup', ...common, 'close', rollup.rollup, '--early']);
  const final = await until('the closing claim is final', 180, () => closingClaim({ l1, rollup }));
  const { timestamp } = await l1.reader.getBlock({ blockNumber: final.blockNumber });
  const claimable = Number(timestamp) - ending.end_time;
  await checkAttested({ l1, rollup, final, timestamp });
  const closed = await until('the verifier has the close block', 60, () => verifier.last('closed'));
  const block = await until('the node has the close block', 60, async () => chainBlock(rollup.chain, closed.number));
  const equal = block.hash === closed.hash && block.stateRoot === closed.state_root && closed.hash === final.args.claim.blockHash;
  say(`  closed with block ${closed.number} and ${closed.leaves} leaves; claimable ${claimable} s after the end`);

  const own = await mayfly.run(['rollup', ...common, 'claim', rollup.rollup, '--recipient', lived.user, '--key', source]);
  const rest = await mayfly.run(['rollup', ...common, 'claim', rollup.rollup, '--all', '--derive', '--key', 'dev:6']);
  say(`  one user claims ${own.paid} leaves; ${rest.paid} more are sponsored in ${rest.transactions.length} transactions`);
  if (own.paid + rest.paid !== rest.leaves) throw new Error(`${own.paid} + ${rest.paid} of ${rest.leaves} leaves were paid`);
  // Users pay for their own claims here, so their ETH is not what it would be; the second story looks at it.
  const { missing } = await audit({ l1, vault: rollup.vault, owned, lived, native: false });
  if (missing.length > 0) throw new Error(`not on L1: ${missing.slice(0, 5).join('; ')}`);
  const settled = await l1.read(rollup.vault, 'Vault', 'settledCollection', [4, lived.collection]);
  const name = await l1.read(settled, 'SettledERC721', 'name');
  if (name !== 'Mint Night') throw new Error(`the collection is called ${JSON.stringify(name)} on L1`);
  return { claimable_s: claimable, equal, closeHash: closed.hash };
}

/** The log that made the closing claim final, if it is. */
export async function closingClaim({ l1, rollup }) {
  const logs = await settlementLogs({ l1, rollup }, 'ClaimFinal');
  return logs.find((log) => log.args.claim.closeNumber !== 0n);
}

function settlementLogs({ l1, rollup }, eventName, args) {
  const { abi } = artifact('Settlement');
  return l1.reader.getContractEvents({ address: rollup.settlement, abi, eventName, args, fromBlock: BigInt(rollup.l1_number) });
}

/** Attesters made the claim final, not the passing of the challenge window. */
async function checkAttested({ l1, rollup, final, timestamp }) {
  const { claimHash } = final.args;
  const attested = await settlementLogs({ l1, rollup }, 'Attested', { claimHash });
  const [proposed] = await settlementLogs({ l1, rollup }, 'ClaimProposed', { claimHash });
  const { timestamp: since } = await l1.reader.getBlock({ blockNumber: proposed.blockNumber });
  const { windows } = await l1.read(rollup.rollup, 'Inbox', 'config');
  if (attested.length === 0) throw new Error('nobody attested the closing claim');
  if (timestamp - since >= windows.challengeWindow) throw new Error(`attested, and yet final only after ${timestamp - since} s`);
  say(`  ${attested.length} attestation made the closing claim final ${timestamp - since} s after it was proposed`);
}

function chainBlock(chain, number) {
  return chain.reader.getBlock({ blockNumber: BigInt(number) });
}

/** Derives the whole rollup once more, in a process that has never seen it. */
export async function rederive({ mayfly, dataDir, l1Url, rollup, name = 'fresh-verifier' }) {
  const child = mayfly.start(name, ['verify', '--data-dir', dataDir, '--l1-url', l1Url, '--rollup', rollup, '--once']);
  const { code } = await child.ended;
  if (code !== 0) throw new Error(`verify --once ended with ${code}`);
  const summary = child.last('summary');
  say(`  derived again from L1 alone: ${summary.blocks} blocks, ${summary.transactions} transactions, ${summary.blocks_per_s.toFixed(0)} blocks/s`);
  return summary;
}

/** Bytes and gas of the batches: gas from L1's receipts, payload sizes from the node's ledger. */
export async function batchCosts({ l1, rollup, common, mayfly }) {
  const { abi } = artifact('Inbox');
  const logs = await l1.reader.getContractEvents({ address: rollup.rollup, abi, eventName: 'BatchPosted', fromBlock: BigInt(rollup.l1_number) });
  let gas = 0n;
  for (const log of logs) {
    const receipt = await l1.reader.getTransactionReceipt({ hash: log.transactionHash });
    gas += receipt.gasUsed;
  }
  const { node } = await mayfly.run(['rollup', ...common, 'status', rollup.rollup]);
  const blobs = logs.reduce((sum, log) => sum + log.args.blobHashes.length, 0);
  return { batches: logs.length, gas, blobs, bytes: node.posted.payload_bytes, transactions: node.posted.transactions };
}
