// {url}: web3.js from an empty wallet, over HTTP and WebSocket: deploy, send, call, past events, heads.
import { Web3, WebSocketProvider } from 'web3';
import { artifact } from '../demo/chain.mjs';
import { check, fresh, refused } from './common.mjs';

export async function run({ url }) {
  const [owner, other] = [fresh(), fresh()];
  const web3 = new Web3(url);
  web3.eth.accounts.wallet.add(owner.key);
  const { abi, bytecode } = artifact('DemoToken');
  const deployment = new web3.eth.Contract(abi).deploy({ data: bytecode, arguments: ['Points', 'PTS'] });
  const token = await deployment.send({ from: owner.address });
  check((await token.methods.symbol().call()) === 'PTS', 'the symbol is another');

  const provider = new WebSocketProvider(url.replace(/^http/, 'ws'), {}, { autoReconnect: false });
  const socket = new Web3(provider);
  const heads = await socket.eth.subscribe('newBlockHeaders');
  const told = new Promise((done, failed) => {
    heads.on('data', done);
    heads.on('error', failed);
  });
  const minted = await token.methods.mint(1000).send({ from: owner.address });
  const head = await told;
  check(BigInt(head.number) <= minted.blockNumber, `head ${head.number} was told for block ${minted.blockNumber}`);
  await heads.unsubscribe();
  provider.disconnect();

  const sent = await token.methods.transfer(other.address, 400).send({ from: owner.address });
  check(sent.status === 1n && sent.events.Transfer.returnValues.value === 400n, 'the transfer has another event');
  check((await token.methods.balanceOf(other.address).call()) === 400n, 'the balance did not arrive');
  const events = await token.getPastEvents('Transfer', { fromBlock: 0, filter: { from: owner.address } });
  check(events.length === 1 && events[0].transactionHash === sent.transactionHash, 'other events were found');
  const block = await web3.eth.getBlock(sent.blockNumber, true);
  check(block.hash === sent.blockHash && block.transactions[0].hash === sent.transactionHash, 'the block is another');
  check((await web3.eth.getBalance(owner.address)) === 0n, 'the sender had a balance');
  const error = await refused(token.methods.transfer(owner.address, 1).call({ from: fresh().address }), 'an overdraft');
  const name = error.cause?.errorName ?? error.innerError?.errorName ?? error.message;
  check(`${name}`.includes('ERC20InsufficientBalance'), `overdraft: ${name}`);
  return { token: token.options.address, events: events.length, revert: 'ERC20InsufficientBalance' };
}
