// Deploys, sends, reads, finds the event and decodes a revert through hardhat-viem.
import { network } from 'hardhat';

const { viem } = await network.connect();
const counter = await viem.deployContract('Counter', [40n]);
const reader = await viem.getPublicClient();
await reader.waitForTransactionReceipt({ hash: await counter.write.count([2n]) });
const number = await counter.read.number();
const events = await counter.getEvents.Counted({}, { fromBlock: 0n });
let revert = 'none';
try {
  await counter.simulate.count([101n]);
} catch (error) {
  revert = `${error}`.includes('TooMany') ? 'TooMany' : `${error}`;
}
console.log(JSON.stringify({ number: Number(number), events: events.length, revert }));
