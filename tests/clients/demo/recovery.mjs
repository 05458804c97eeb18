// The second rollup: everything that ran it is killed and wiped, and its users get what
// they own from L1 alone, through commands that anybody can type.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { keccak256, parseEther } from 'viem';
import { audit, inventory } from './holdings.mjs';
import { say, until } from './stack.mjs';
import * as story from './story.mjs';
import { freshWallets } from './wallets.mjs';

const SEQUENCER = 'dev:8';
const RECEIPTS = 'dev:9';
// Anybody: pays for what saves the others.
const ANYBODY = 'dev:6';
const GIFT = parseEther('0.01');
const CHALLENGE_WINDOW = '15s';

/** Runs the second story; returns what share of what was owned came back. */
export async function recover({ mayfly, l1, keys, source, stack, dir, tell, config, wallets, l1Url }) {
  tell('a second rollup, run by a node of its own');
  const operator = await startOperator({ mayfly, stack, dir });
  const token = path.join(operator.dataDir, 'admin.token');
  const named = ['--l1-url', l1Url, '--factory', stack.factory];
  const common = ['--data-dir', path.join(dir, 'nobody'), ...named, '--admin-url', operator.adminUrl, '--admin-token-file', token, '--rpc-url', operator.rpcUrl];
  const rules = withoutAttesters(config, path.join(dir, 'lost-night.toml'));
  const rollup = await story.launch({ mayfly, common: [...common, '--key', 'dev:0'], name: 'lost-night', config: rules, endsIn: '2h' });
  const lived = await story.live({ mayfly, common, l1, keys, source, rollup, wallets, name: 'lost' });
  const people = await giveAway({ chain: rollup.chain, keys });
  const verifier = story.startVerifier({ mayfly, dataDir: path.join(dir, 'verifier-2'), l1Url, rollup: rollup.rollup, attest: [], name: 'verifier-2' });
  await verifier.ready();
  const compared = await story.compare({ chain: rollup.chain, verifier });
  const owned = await inventory({ chain: rollup.chain, l1, people, lived });

  tell('every operator is killed (kill -9) and every data directory wiped');
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
  owned.native.set(lived.user, owned.native.get(lived.user) - GIFT);
  say(`  transaction ${keccak256(raw).slice(0, 10)}… is forced into the queue; nobody sequences it`);
  await until('the forced transaction is overdue', 120, async () => (await l1.reader.getBlock()).timestamp > BigInt(forced.include_by));
  const posted = await mayfly.run(['rollup', ...alone, 'force', rollup.rollup, '--post']);
  say(`  anybody posted forced-only batch ${posted.batch}`);

  tell('anybody freezes, derives, proposes and pays out');
  await mayfly.run(['rollup', ...alone, 'freeze', rollup.rollup, '--wait']);
  const settled = await mayfly.run(['rollup', ...alone, 'close', rollup.rollup, '--settle']);
  say(`  settled with ${settled.leaves} leaves, after the challenge window: nobody attested`);
  const claimed = await mayfly.run(['rollup', ...alone, 'claim', rollup.rollup, '--all', '--derive']);
  const { found, expected, missing } = await audit({ l1, vault: rollup.vault, owned, lived });
  say(`  ${found} of ${expected} holdings are back on L1; ${claimed.paid} leaves paid in ${claimed.transactions.length} transactions`);
  for (const holding of missing) say(`  missing: ${holding}`);
  if (claimed.contract_held !== 1) throw new Error(`${claimed.contract_held} leaves of contracts, not the one that was given to one`);
  const final = await story.closingClaim({ l1, rollup });
  const fresh = await story.rederive({ mayfly, dataDir: path.join(dir, 'fresh-2'), l1Url, rollup: rollup.rollup, name: 'fresh-verifier-2' });
  const equal = compared.equal && fresh.hash === final.args.claim.blockHash;
  return { percent: (100 * found) / expected, leaves: claimed.leaves, contractHeld: claimed.contract_held, equal };
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
post_margin_seconds = 3
overdue_margin_seconds = 10
l1_poll_ms = 250
bump_after_seconds = 10
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

/** The same rules, and a challenge window that a demo can wait for: nobody attests here. */
function withoutAttesters(config, file) {
  const rules = readFileSync(config, 'utf8');
  const shortened = rules.replace(/^challenge_window = .*$/m, `challenge_window = "${CHALLENGE_WINDOW}"`);
  if (shortened === rules) throw new Error(`${config} has no challenge window`);
  writeFileSync(file, shortened);
  return file;
}

/** Wallets that are given some ETH on the rollup. */
async function giveAway({ chain, keys }) {
  const wallets = freshWallets(5);
  for (const wallet of wallets) {
    const hash = await chain.writer(keys.user).sendTransaction({ to: wallet.address, value: GIFT });
    await chain.mined(hash);
  }
  return wallets.map((wallet) => wallet.address);
}
