// The demo: two rollups from launch to the last claim, on real parts. The first ends as
// planned; the second loses every operator, and its users claim from L1 data alone.
// Progress goes to stderr, the result to stdout: a table, or with --json one document.
import { mkdtempSync, chmodSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Chain, percentile } from './chain.mjs';
import { recover } from './recovery.mjs';
import { Mayfly, say, until } from './stack.mjs';
import * as story from './story.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));

const { values: options } = parseArgs({
  options: {
    bin: { type: 'string' },
    wallets: { type: 'string', default: process.env.MAYFLY_DEMO_WALLETS ?? '1000' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const wallets = Number(options.wallets);
if (!options.bin || !Number.isInteger(wallets) || wallets < 2) {
  say('usage: main.mjs --bin MAYFLY [--wallets N (at least 2)] [--json] [--keep]');
  process.exit(2);
}

const started = performance.now();
let chapter = 0;
function tell(text) {
  chapter += 1;
  say(`[${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s] ${chapter}. ${text}`);
}

const dir = mkdtempSync(path.join(tmpdir(), 'mayfly-demo-'));
// Root's PostgreSQL runs as another user and must reach its files.
chmodSync(dir, 0o755);
const mayfly = new Mayfly(options.bin, path.join(dir, 'logs'));

async function run() {
  tell('mayfly dev: PostgreSQL, an L1, the contracts, a node');
  const devDir = path.join(dir, 'dev');
  const dev = mayfly.start('dev', ['dev', '--data-dir', devDir]);
  const stack = await dev.ready();
  const keys = Object.fromEntries(['organiser', 'proposer'].map((role) => [role, stack.accounts.find((a) => a.role === role).private_key]));
  const users = stack.accounts.filter((a) => a.role === 'user');
  const l1 = new Chain('L1', stack.l1_chain_id, stack.l1_url);
  const common = ['--data-dir', devDir];
  const config = path.join(HERE, 'rollup.toml');
  const context = { mayfly, common, l1, keys: { ...keys, user: users[0].private_key }, source: users[0].key, stack, dir };

  tell('a rollup is launched');
  const rollup = await story.launch({ ...context, name: 'mint-night', config, endsIn: '2h' });
  const verifier = story.startVerifier({
    mayfly, dataDir: path.join(dir, 'verifier'), l1Url: stack.l1_url, rollup: rollup.rollup, attest: ['dev:3'], payer: 'dev:6',
  });
  await verifier.ready();

  tell(`deposits arrive; ${wallets} wallets with nothing in them mint and transfer`);
  const lived = await story.live({ ...context, rollup, wallets });

  tell('a withdrawal and a forced transaction');
  await story.withdraw({ ...context, rollup });
  await story.force({ ...context, rollup });

  tell('an independent verifier compares');
  const compared = await story.compare({ chain: rollup.chain, verifier });

  tell('the end: draining, close block, claim, payouts');
  const ended = await story.end({ ...context, rollup, verifier, lived });
  const costs = await story.batchCosts({ l1, rollup, common, mayfly });
  const fresh = await story.rederive({ mayfly, dataDir: path.join(dir, 'fresh'), l1Url: stack.l1_url, rollup: rollup.rollup });
  await verifier.stop();

  const recovered = await recover({ ...context, tell, config, wallets: Math.max(10, Math.round(wallets / 10)), l1Url: stack.l1_url });
  await dev.stop();

  const sync = lived.latencies;
  return {
    transactions: costs.transactions,
    receipt_p50_ms: round(percentile(sync, 50), 1),
    receipt_p99_ms: round(percentile(sync, 99), 1),
    l1_bytes_per_tx: round(costs.bytes / costs.transactions, 1),
    l1_gas_per_tx: round(Number(costs.gas) / costs.transactions, 1),
    batches: costs.batches,
    claimable_s: round(ended.claimable_s, 1),
    verifier_blocks_per_s: round(fresh.blocks_per_s, 0),
    recovered_percent: round(recovered.percent, 2),
    state_roots_equal: compared.equal && ended.equal && fresh.hash === ended.closeHash && recovered.equal,
    extra: { launch_s: round(rollup.launch_s, 1), wallets, blobs: costs.blobs, recovered_leaves: recovered.leaves, contract_held: recovered.contractHeld },
  };
}

function round(value, digits) {
  if (!Number.isFinite(value)) throw new Error(`a figure is ${value}`);
  return Number(value.toFixed(digits));
}

function table({ extra, ...result }) {
  const rows = [
    ['launch to first answered transaction', `${extra.launch_s} s`],
    ['transactions', `${result.transactions} by ${extra.wallets} wallets`],
    ['send → receipt p50 / p99', `${result.receipt_p50_ms} / ${result.receipt_p99_ms} ms`],
    ['batch data per transaction', `${result.l1_bytes_per_tx} bytes`],
    ['L1 gas per transaction', `${result.l1_gas_per_tx}`],
    ['batches (blobs)', `${result.batches} (${extra.blobs})`],
    ['end to claimable', `${result.claimable_s} s`],
    ['verifier', `${result.verifier_blocks_per_s} blocks/s`],
    ['recovered with every operator gone', `${result.recovered_percent} % of ${extra.recovered_leaves} leaves`],
    ['assets in contracts, reported apart', `${extra.contract_held}`],
    ['state roots equal', result.state_roots_equal ? 'yes' : 'NO'],
  ];
  return rows.map(([name, value]) => `${name.padEnd(38)} ${value}`).join('\n');
}

let code = 0;
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, async () => {
    if (stopping) return;
    stopping = true;
    say('stopping');
    await mayfly.stop();
    process.exit(1);
  });
}
try {
  const result = await run();
  const { extra, ...document } = result;
  process.stdout.write(options.json ? `${JSON.stringify(document)}\n` : `${table(result)}\n`);
  if (!result.state_roots_equal || result.recovered_percent !== 100) {
    say('the result is not what it must be');
    code = 1;
  }
} catch (error) {
  if (!stopping) say(`error: ${error.stack ?? error}`);
  code = 1;
}
await mayfly.stop();
if (code === 0 && !options.keep) rmSync(dir, { recursive: true, force: true });
else say(`logs and data stay in ${dir}`);
process.exit(code);
