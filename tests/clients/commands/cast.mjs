// {url}: cast as people type it: deploy, send, call, logs, receipt, run, storage, proof.
import { artifact } from '../demo/chain.mjs';
import { check, fresh, program } from './common.mjs';

export async function run({ url }) {
  const [owner, other] = [fresh(), fresh()];
  const env = { ETH_RPC_URL: url };
  const cast = (...args) => program('cast', args, { env });
  const json = async (command, ...args) => JSON.parse(await cast(command, '--json', ...args));
  const send = (...args) => json('send', '--private-key', owner.key, ...args);

  const { bytecode } = artifact('DemoToken');
  const deployed = await send('--create', bytecode, 'constructor(string,string)', 'Points', 'PTS');
  const token = deployed.contractAddress;
  check(deployed.status === '0x1' && token, 'the token was not deployed');
  check((await send(token, 'mint(uint256)', '1000')).status === '0x1', 'the mint failed');
  // Without a tip: `cast run` replays what it sees under Ethereum's rules, and the wallet holds nothing.
  const sent = await send('--gas-price', '0', '--priority-gas-price', '0', token, 'transfer(address,uint256)', other.address, '400');
  check(sent.status === '0x1' && sent.logs.length === 1, 'the transfer failed');

  const balance = await cast('call', token, 'balanceOf(address)(uint256)', other.address);
  check(balance.trim() === '400', `the balance is ${balance}`);
  const logs = await json('logs', '--from-block', '0', '--address', token, 'Transfer(address,address,uint256)');
  check(logs.length === 2 && logs[1].transactionHash === sent.transactionHash, 'other logs were found');
  const receipt = await json('receipt', sent.transactionHash);
  check(receipt.blockHash === sent.blockHash && receipt.gasUsed === sent.gasUsed, 'the receipt is another');
  const transaction = await json('tx', sent.transactionHash);
  check(transaction.hash === sent.transactionHash && transaction.nonce === '0x2', 'the transaction is another');

  // Replays the block on the state before it.
  const replayed = await cast('run', sent.transactionHash);
  check(replayed.includes('Transaction successfully executed') && replayed.includes('emit Transfer'), `run: ${replayed}`);

  // OpenZeppelin's total supply is in slot 2.
  const supply = await cast('storage', token, '2');
  check(BigInt(supply) === 1000n, `slot 2 is ${supply}`);
  const proof = await json('proof', token, '2');
  check(BigInt(proof.storageProof[0].value) === 1000n && proof.accountProof.length > 0, 'the proof is another');
  const overdraft = await program('cast', ['call', '--from', fresh().address, token, 'transfer(address,uint256)', owner.address, '1'], { env, fails: true });
  check(overdraft.includes('ERC20InsufficientBalance') || overdraft.includes('0xe450d38c'), `overdraft: ${overdraft}`);
  const estimate = Number(await cast('estimate', token, 'mint(uint256)', '5', '--from', owner.address));
  check(estimate > 21_000, `estimated ${estimate}`);
  const block = await json('block', String(Number(sent.blockNumber)));
  check(block.hash === sent.blockHash && block.transactions.includes(sent.transactionHash), 'the block is another');
  return { token, logs: logs.length, supply: Number(supply), estimate };
}
