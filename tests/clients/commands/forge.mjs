// {url, slow?}: forge create, then a script of four transactions, with --slow and without.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from '../demo/chain.mjs';
import { check, fresh, program } from './common.mjs';

const COUNTER = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

contract Counter {
    uint256 public number;

    event Counted(uint256 number);

    constructor(uint256 start) {
        number = start;
    }

    function count() external {
        number += 1;
        emit Counted(number);
    }
}
`;

const SCRIPT = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

import {Counter} from "../src/Counter.sol";

interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

contract Launch {
    Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external returns (Counter counter) {
        vm.startBroadcast();
        counter = new Counter(40);
        counter.count();
        counter.count();
        new Counter(counter.number());
        vm.stopBroadcast();
    }
}
`;

/** A project whose compiler is that of this repository. */
function project() {
  const dir = mkdtempSync(path.join(tmpdir(), 'mayfly-forge-'));
  for (const folder of ['src', 'script']) mkdirSync(path.join(dir, folder));
  writeFileSync(path.join(dir, 'src/Counter.sol'), COUNTER);
  writeFileSync(path.join(dir, 'script/Launch.s.sol'), SCRIPT);
  const solc = path.join(ROOT, 'scripts/solc');
  writeFileSync(path.join(dir, 'foundry.toml'), `[profile.default]\nsolc = "${solc}"\noffline = true\nevm_version = "osaka"\n`);
  return dir;
}

export async function run({ url, chain }) {
  const dir = project();
  try {
    const forge = (key, command, ...args) =>
      program('forge', [command, '--rpc-url', url, '--private-key', key, '--broadcast', ...args], { cwd: dir });
    const created = await forge(fresh().key, 'create', '--json', 'src/Counter.sol:Counter', '--constructor-args', '7');
    const { deployedTo } = JSON.parse(created.slice(created.indexOf('{')));
    check((await number(chain, deployedTo)) === 7n, 'forge create deployed something else');

    const scripts = {};
    for (const [name, options] of [['slow', ['--slow']], ['fast', []]]) {
      await forge(fresh().key, 'script', 'script/Launch.s.sol:Launch', ...options);
      const run = latest(path.join(dir, 'broadcast'));
      check(run.receipts.length === 4 && run.receipts.every((receipt) => receipt.status === '0x1'), `${name}: a receipt is missing`);
      const [first, last] = [run.receipts[0], run.receipts[3]].map((receipt) => receipt.contractAddress);
      check((await number(chain, first)) === 42n && (await number(chain, last)) === 42n, `${name}: counted otherwise`);
      scripts[name] = run.receipts.length;
    }
    return { created: deployedTo, scripts };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What the last script wrote about its broadcast. */
function latest(dir) {
  const files = readdirSync(dir, { recursive: true }).filter((name) => name.endsWith('run-latest.json'));
  check(files.length === 1, `${files.length} broadcasts`);
  return JSON.parse(readFileSync(path.join(dir, files[0]), 'utf8'));
}

function number(chain, address) {
  const abi = [{ type: 'function', name: 'number', inputs: [], outputs: [{ type: 'uint256' }], stateMutability: 'view' }];
  return chain.reader.readContract({ address, abi, functionName: 'number' });
}
