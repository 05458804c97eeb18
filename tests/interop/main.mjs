// Drives unmodified tools against a rollup, each from a wallet that holds nothing.
//
//   node main.mjs --bin PATH --python PATH [--json] [TOOL…]
//
// Exit 0: every tool did what it is asked; 1: one did not, and the document says which and why.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Mayfly, say } from '../clients/demo/stack.mjs';

const HERE = import.meta.dirname;
const CLIENTS = path.join(HERE, '../clients');
const TOOL_TIMEOUT_MS = 300_000;

/** What a program prints. */
function program(file, args, { cwd, env = {} }) {
  const options = { cwd, env: { ...process.env, ...env }, timeout: TOOL_TIMEOUT_MS, maxBuffer: 1 << 26 };
  return new Promise((done, failed) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      if (error) failed(new Error(`${path.basename(file)} ${args.join(' ')}: ${stderr || stdout || error.message}`.slice(-3_000)));
      else done(stdout);
    });
  });
}

function expect(found, wanted) {
  const [have, want] = [found, wanted].map((value) => JSON.stringify(value));
  if (have !== want) throw new Error(`${have} instead of ${want}`);
}

/** The last line that is a JSON document. */
function document(text) {
  const line = text.trim().split('\n').findLast((candidate) => candidate.startsWith('{'));
  if (!line) throw new Error(`no document: ${text.slice(-500)}`);
  return JSON.parse(line);
}

function hardhat(url, ...args) {
  const env = {
    ROLLUP_URL: url,
    ROLLUP_KEY: `0x${randomBytes(32).toString('hex')}`,
    HARDHAT_IGNITION_CONFIRM_DEPLOYMENT: 'true',
    HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true',
  };
  return program(process.execPath, ['node_modules/hardhat/dist/src/cli.js', ...args, '--network', 'rollup'], { cwd: HERE, env });
}

async function client(url, name) {
  return document(await program(process.execPath, ['client.mjs', name, JSON.stringify({ url })], { cwd: CLIENTS }));
}

/** Every tool, and what it does. */
const TOOLS = {
  hardhat: async ({ url }) => {
    const said = document(await hardhat(url, 'run', 'scripts/counter.js'));
    expect(said, { number: 42, events: 1, revert: 'TooMany' });
    return said;
  },
  ignition: async ({ url }) => {
    const deployments = path.join(HERE, 'ignition/deployments');
    rmSync(deployments, { recursive: true, force: true });
    await hardhat(url, 'ignition', 'deploy', 'ignition/modules/Counter.js', '--deployment-id', 'interop');
    const deployed = JSON.parse(readFileSync(path.join(deployments, 'interop/deployed_addresses.json'), 'utf8'));
    expect(Object.keys(deployed).toSorted(), ['CounterModule#Counter', 'CounterModule#Second']);
    return deployed;
  },
  web3py: async ({ url, python }) => document(await program(python, ['-B', 'web3py.py', url], { cwd: HERE })),
  ...Object.fromEntries(['viem', 'wagmi', 'ethers', 'web3', 'cast', 'forge'].map((name) => [name, ({ url }) => client(url, name)])),
};

function options() {
  const given = { bin: undefined, python: undefined, json: false, tools: [] };
  const args = process.argv.slice(2);
  while (args.length > 0) {
    const arg = args.shift();
    if (arg === '--json') given.json = true;
    else if (arg === '--bin' || arg === '--python') given[arg.slice(2)] = args.shift();
    else if (arg in TOOLS) given.tools.push(arg);
    else {
      say(`no tool ${arg}: ${Object.keys(TOOLS).join(', ')}`);
      process.exit(2);
    }
  }
  return given;
}

async function main() {
  const { bin, python, json, tools } = options();
  const dir = mkdtempSync(path.join(tmpdir(), 'mayfly-interop-'));
  // As root, PostgreSQL runs as another user, who must get to its data.
  chmodSync(dir, 0o755);
  const mayfly = new Mayfly(bin, path.join(dir, 'logs'));
  const env = { MAYFLY_DATA_DIR: path.join(dir, 'data') };
  const results = {};
  try {
    await mayfly.start('dev', ['dev'], env).ready();
    const { rpc_url: url } = await mayfly.run(['rollup', 'create', '--name', 'interop', '--ends-in', '2h'], env);
    for (const name of tools.length > 0 ? tools : Object.keys(TOOLS)) {
      const begun = performance.now();
      const seconds = () => Math.round((performance.now() - begun) / 100) / 10;
      try {
        results[name] = { passed: true, said: await TOOLS[name]({ url, python }), seconds: seconds() };
      } catch (error) {
        results[name] = { passed: false, error: error.message, seconds: seconds() };
      }
      say(`${name}: ${results[name].passed ? 'passed' : `FAILED: ${results[name].error}`} (${results[name].seconds} s)`);
    }
  } finally {
    await mayfly.stop();
    rmSync(dir, { recursive: true, force: true });
  }
  const passed = Object.values(results).filter((result) => result.passed).length;
  const failed = Object.keys(results).length - passed;
  process.stdout.write(json ? `${JSON.stringify({ passed, failed, tools: results })}\n` : `${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
