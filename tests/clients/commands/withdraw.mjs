// {url, key, to, amount} or {url, key, to, token, kind, amount?, token_id?}: takes assets out of the rollup.
// kind: eth (default), erc20, erc721, erc1155; token is the one on L1. Prints the message that L1 will want.
import { parseEventLogs } from 'viem';
import { L2, artifact } from '../demo/chain.mjs';
import { check } from './common.mjs';

const CALLS = {
  eth: ({ to, amount }) => ['withdrawETH', [to], BigInt(amount)],
  erc20: ({ token, to, amount }) => ['withdrawERC20', [token, to, BigInt(amount)], 0n],
  erc721: ({ token, to, token_id }) => ['withdrawERC721', [token, to, BigInt(token_id)], 0n],
  erc1155: ({ token, to, token_id, amount }) => ['withdrawERC1155', [token, to, BigInt(token_id), BigInt(amount)], 0n],
};

export async function run({ chain, key, kind = 'eth', ...rest }) {
  check(CALLS[kind], `unknown kind ${kind}`);
  const [name, args, value] = CALLS[kind](rest);
  const receipt = await chain.send(key, L2.bridge, 'L2Bridge', name, args, value);
  const { abi } = artifact('L2Messenger');
  const [sent] = parseEventLogs({ abi, logs: receipt.logs, eventName: 'MessageSent' });
  check(sent, 'no message was sent');
  return { hash: receipt.transactionHash, block: receipt.blockNumber, message: sent.args.message };
}
