// {url}: raw transactions that a node must refuse, each with the error it answered: {case: {code, message}}.
import { privateKeyToAccount } from 'viem/accounts';
import { check, fresh } from './common.mjs';

const GAS = 21_000n;

export async function run({ chain, url }) {
  const wallet = fresh();
  const account = privateKeyToAccount(wallet.key);
  const base = { chainId: chain.chain.id, type: 'eip1559', to: wallet.address, value: 0n, gas: GAS, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n };
  const sign = (change) => account.signTransaction({ ...base, ...change });

  let id = 0;
  const rpc = async (method, params) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params });
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const answer = await response.json();
    check(answer.id === id, `${method} was answered under id ${answer.id}`);
    return answer;
  };
  const send = async (change) => rpc('eth_sendRawTransaction', [await sign(change)]);

  const first = await rpc('eth_sendRawTransactionSync', [await sign({ nonce: 0 })]);
  check(first.result?.status === '0x1', `the good transaction was refused: ${JSON.stringify(first)}`);
  // One that waits for the nonce before it: known, and not executed.
  const waiting = await sign({ nonce: 2 });
  const queued = await rpc('eth_sendRawTransaction', [waiting]);
  check(queued.result, `the waiting transaction was refused: ${JSON.stringify(queued)}`);
  const cases = {
    nonce_too_low: await send({ nonce: 0, value: 0n, gas: GAS + 1n }),
    already_known: await rpc('eth_sendRawTransaction', [waiting]),
    insufficient_funds: await send({ nonce: 1, value: 1n }),
    intrinsic_gas: await send({ nonce: 1, gas: GAS - 1n }),
    gas_limit: await send({ nonce: 1, gas: (1n << 24n) + 1n }),
    wrong_chain: await send({ nonce: 1, chainId: chain.chain.id + 1 }),
    blob_type: await rpc('eth_sendRawTransaction', ['0x03c0']),
    trailing_bytes: await rpc('eth_sendRawTransaction', [`${waiting}00`]),
    not_a_transaction: await rpc('eth_sendRawTransaction', ['0xdeadbeef']),
    malformed_hex: await rpc('eth_sendRawTransaction', ['0xzz']),
    missing_parameter: await rpc('eth_sendRawTransaction', []),
    unknown_method: await rpc('eth_nope', []),
  };
  const result = {};
  for (const [name, answer] of Object.entries(cases)) {
    check(answer.error, `${name} was accepted: ${JSON.stringify(answer)}`);
    result[name] = { code: answer.error.code, message: answer.error.message };
  }
  return result;
}
