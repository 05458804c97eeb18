// A project as `hardhat init` leaves it, but for the compiler, which is this repository's. ROLLUP_URL and ROLLUP_KEY say
// where to deploy and who does.
import path from 'node:path';
import viem from '@nomicfoundation/hardhat-viem';
import ignition from '@nomicfoundation/hardhat-ignition-viem';

export default {
  plugins: [viem, ignition],
  solidity: {
    compilers: [
      { version: '0.8.37', path: path.resolve(import.meta.dirname, '../../contracts/node_modules/solc/soljson.js'), settings: { evmVersion: 'osaka' } },
    ],
  },
  networks: {
    rollup: { type: 'http', chainType: 'l1', url: process.env.ROLLUP_URL ?? 'http://127.0.0.1:1', accounts: [process.env.ROLLUP_KEY ?? `0x${'1'.repeat(64)}`] },
  },
  // A rollup has no blocks without transactions: who waits for five waits for others.
  ignition: { requiredConfirmations: 1 },
};
