// Unmodified clients as programs: node client.mjs COMMAND '{"url": …}' prints one JSON document.
// Exit 0: what the command says happened; 1: it did not, and the document says why; 2: wrong usage.
import { createPublicClient, http } from 'viem';
import { Chain } from './demo/chain.mjs';

// Libraries repeat whole requests in their errors.
const MAX_TEXT = 500;
const COMMANDS = ['deploy', 'mint', 'ethers', 'viem', 'web3', 'wagmi', 'cast', 'forge', 'errors', 'withdraw'];

/** bigint as decimal text: JSON has no integers of that size. */
function plain(_, value) {
  return typeof value === 'bigint' ? value.toString() : value;
}

async function main() {
  const [command, text] = process.argv.slice(2);
  if (!COMMANDS.includes(command) || !text) {
    process.stderr.write(`usage: node client.mjs {${COMMANDS.join(',')}} '{"url": "http://…", …}'\n`);
    process.exit(2);
  }
  const args = JSON.parse(text);
  const id = await createPublicClient({ transport: http(args.url) }).getChainId();
  const { run } = await import(`./commands/${command}.mjs`);
  const result = await run({ ...args, chain: new Chain(args.name ?? 'rollup', id, args.url) });
  // web3.js leaves timers behind that run for half a minute.
  process.stdout.write(`${JSON.stringify(result, plain)}\n`, () => process.exit());
}

main().catch((error) => {
  const text = error.shortMessage ?? error.message ?? String(error);
  process.stdout.write(`${JSON.stringify({ error: text.slice(0, MAX_TEXT), details: error.details?.slice(0, MAX_TEXT) })}\n`);
  process.exitCode = 1;
});
