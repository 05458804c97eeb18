// The second rollup: everything that ran it is killed and wiped, and its users get what
// they own from L1 alone, through commands that anybody can type.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { keccak256, parseEther } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { say, until } from './stack.mjs';
import * as story from './story.mjs';
import { freshWallets } from './wallets.mjs';

const SEQUENCER = 'dev:8';
const RECEIPTS = 'dev:9';
// Anybody: pays for what saves the others.
const ANYBODY = 'dev:6';
const GIFT = parseEther('0.01');

/** Runs the second story; returns what share of what was owned came back. */
export async function recover({ mayfly, l1, keys, source, stack, dir, tell, config, wallets, l1Url }) {
  tell('a second rollup, run by a node of its own');
  const operator = await startOperator({ mayfly, stack, dir });
  const token = path.join(operator.dataDir, 'admin.token');
  const named = ['--l1-url', l1Url, '--factory', stack.factory];
  const common = ['--data-dir', path.join(dir, 'nobody'), ...named, '--admin-url', operator.adminUrl, '--admin-token-file', token, '--rpc-url', operator.rpcUrl];
  const rollup = await story.launch({ mayfly, common: [...common, '--key', 'dev:0'], name: 'lost-night', config, endsIn: '2h' });
  const lived = await story.live({ mayfly, common, l1, keys, source, rollup, wallets, name: 'lost' });
  const owned = await inventory({ chain: rollup.chain, keys, lived });
  await until('everything is on L1', 120, async () => {
    const [safe, latest] = await Promise.all(['safe', 'latest'].map((blockTag) => rollup.chain.reader.getBlock({ blockTag })));
    return safe.number === latest.number;
  });

  tell('every operator is killed (kill -9) and every data directory wiped');
  const verifier = story.startVerifier({ mayfly, dataDir: path.join(dir, 'verifier-2'), l1Url, rollup: rollup.rollup, attest: [], name: 'verifier-2' });
  await verifier.ready();
  const chainId = rollup.chain_id;
  const writer = rollup.chain.writer(keys.user);
  const nonce = await rollup.chain.reader.getTransactionCount({ address: writer.account.address });
  await verifier.kill();
  await operator.destroy();
  rmSync(path.join(dir, 'verifier-2'), { recursive: true, force: true });

  // From here on: L1, the rollup's address and a key. Nothing else.
  const alone = ['--data-dir', path.join(dir, 'anybody'), ...named, '--key', ANYBODY];
  const [saved] = freshWallets(1);
  const raw = await writer.account.signTransaction({
    chainId, type: 'eip1559', to: saved.address, value: GIFT, nonce, gas: 21_000n, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n,
  });
  const forced = await mayfly.run(['rollup', ...alone, 'force', rollup.rollup, '--raw', raw]);
  owned.native.set(saved.address, GIFT);
  say(`  transaction ${keccak256(raw).slice(0, 10)}… is forced into the queue; nobody sequences it`);
  await until('the forced transaction is overdue', 120, async () => (await l1.reader.getBlock()).timestamp > BigInt(forced.include_by));
  const posted = await mayfly.run(['rollup', ...alone, 'force', rollup.rollup, '--post']);
  say(`  anybody posted forced-only batch ${posted.batch}`);

  tell('anybody freezes, derives, proposes and pays out');
  await mayfly.run(['rollup', ...alone, 'freeze', rollup.rollup, '--wait']);
  const settled = await mayfly.run(['rollup', ...alone, 'close', rollup.rollup, '--settle', '--attest', 'dev:3']);
  say(`  settled with ${settled.leaves} leaves`);
  const claimed = await mayfly.run(['rollup', ...alone, 'claim', rollup.rollup, '--all', '--derive']);
  const { found, expected } = await audit({ l1, vault: rollup.vault, owned });
  say(`  ${found} of ${expected} holdings are back on L1; ${claimed.paid} leaves paid in ${claimed.transactions.length} transactions`);
  return { percent: (100 * found) / expected, leaves: claimed.leaves, contractHeld: claimed.contract_held };
}

/** `mayfly node` with a data directory and a database of its own. */
async function startOperator({ mayfly, stack, dir }) {
  const dataDir = path.join(dir, 'operator');
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  const file = path.join(dir, 'operator.toml');
  writeFileSync(file, `data_dir = "${dataDir}"
[l1]
urls = ["${stack.l1_url}"]
factory = "${stack.factory}"
[database]
fsync = false
[rpc]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[keys]
sequencer = "${SEQUENCER}"
receipts = "${RECEIPTS}"
[sequencer]
max_unposted_seconds = 4
post_margin_seconds = 2
overdue_margin_seconds = 10
l1_poll_ms = 250
bump_after_seconds = 10
confirmations = 2
`);
  const node = mayfly.start('operator', ['node', '--config', file]);
  const serving = await node.ready();
  return {
    dataDir,
    rpcUrl: serving.rpc_url,
    adminUrl: serving.admin_url,
    async destroy() {
      // Its PostgreSQL is a process of its own, which would outlive it for a while.
      const { pid } = JSON.parse(readFileSync(path.join(dataDir, 'postgres/server.json'), 'utf8'));
      await node.kill();
      process.kill(pid, 'SIGKILL');
      await until('PostgreSQL is gone', 30, () => !alive(pid));
      rmSync(dataDir, { recursive: true, force: true });
      rmSync(file);
    },
  };
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** What everybody owns on the rollup, as its users see it before the disaster. */
async function inventory({ chain, keys, lived }) {
  const native = new Map();
  for (const wallet of freshWallets(5)) {
    const hash = await chain.writer(keys.user).sendTransaction({ to: wallet.address, value: GIFT });
    await chain.mined(hash);
    native.set(wallet.address, GIFT);
  }
  const born = new Map();
  for (const wallet of lived.wallets) {
    born.set(wallet.tokenId, await chain.read(lived.collection, 'DemoCollection', 'ownerOf', [wallet.tokenId]));
  }
  return { native, born, collection: lived.collection, tokens: lived.tokens, deposits: lived.deposits, user: privateKeyToAccount(keys.user).address };
}

/** Looks for each of the holdings on L1. */
async function audit({ l1, vault, owned }) {
  const checks = [];
  for (const [address, amount] of owned.native) checks.push(async () => (await l1.reader.getBalance({ address })) === amount);
  const settled = await l1.read(vault, 'Vault', 'settledCollection', [4, owned.collection]);
  for (const [id, owner] of owned.born) {
    checks.push(async () => (await l1.read(settled, 'SettledERC721', 'ownerOf', [id])) === owner);
  }
  const { tokens, deposits, user } = owned;
  checks.push(async () => (await l1.read(tokens.erc20, 'DemoToken', 'balanceOf', [user])) === deposits.minted.erc20);
  checks.push(async () => (await l1.read(tokens.erc721, 'DemoCollection', 'ownerOf', [deposits.erc721])) === user);
  checks.push(async () => (await l1.read(tokens.erc1155, 'DemoItems', 'balanceOf', [user, deposits.erc1155.id])) === deposits.minted.erc1155);
  let found = 0;
  for (const check of checks) if (await check().catch(() => false)) found += 1;
  return { found, expected: checks.length };
}
