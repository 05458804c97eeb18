// What users do on L1: tokens, deposits, claims.
import { parseEther } from 'viem';
import { L2 } from './chain.mjs';

const KIND = { erc20: 1, erc721: 2, erc1155: 3 };

/** An ERC-20, an ERC-721 and an ERC-1155 on L1, with something in the user's hands. */
export async function deployTokens(l1, key) {
  const erc20 = await l1.deploy(key, 'DemoToken', ['Demo Coin', 'DEMO']);
  const erc721 = await l1.deploy(key, 'DemoCollection', ['Demo Tickets', 'TICKET', 'https://example.org/ticket/']);
  const erc1155 = await l1.deploy(key, 'DemoItems', ['https://example.org/item/{id}']);
  await l1.send(key, erc20, 'DemoToken', 'mint', [10_000n]);
  await l1.send(key, erc721, 'DemoCollection', 'mint');
  await l1.send(key, erc1155, 'DemoItems', 'mint', [7n, 50n]);
  return { erc20, erc721, erc1155 };
}

/** Moves ETH and one of each kind of token to the rollup. */
export async function depositEverything({ mayfly, common, l1, key, source, rollup, to, tokens }) {
  const amounts = { eth: parseEther('1'), erc20: 4_000n, erc721: 1n, erc1155: { id: 7n, amount: 20n } };
  const deposit = (...args) => mayfly.run(['rollup', ...common, 'deposit', rollup, '--key', source, '--to', to, ...args]);
  await deposit('--eth', '1');
  // The command approves what it needs; the user signs nothing else.
  await deposit('--erc20', tokens.erc20, '--amount', '4000');
  await deposit('--erc721', tokens.erc721, '--id', '1');
  await deposit('--erc1155', tokens.erc1155, '--id', '7', '--amount', '20');
  const left = await l1.read(tokens.erc20, 'DemoToken', 'balanceOf', [to]);
  if (left !== 6_000n) throw new Error(`${left} units are left on L1 instead of 6000`);
  return { ...amounts, minted: { erc20: 10_000n, erc1155: 50n } };
}

/** Where a bridged token stands on the rollup. */
export function bridgedToken(chain, kind, l1Token) {
  return chain.read(L2.bridge, 'L2Bridge', 'bridgedAddress', [KIND[kind], l1Token]);
}
