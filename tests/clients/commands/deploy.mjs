// {url, contract, args?, key?}: deploys a committed artifact, from an empty wallet unless a key is given.
import { fresh } from './common.mjs';

export async function run({ chain, contract, args = [], key }) {
  const wallet = key ? { key } : fresh();
  const before = performance.now();
  const address = await chain.deploy(wallet.key, contract, args);
  return { address, key: wallet.key, elapsed_ms: performance.now() - before };
}
