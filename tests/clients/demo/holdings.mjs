// What everybody owns on a rollup, as its users see it, and whether it is back on L1.
import { parallel } from './chain.mjs';

const WIDTH = 8;
/** Which kind a registered collection is (docs/protocol/settlement.md). */
const COLLECTION = 4;

/**
 * Everything that must settle: native currency of `people` (a list of addresses), what each
 * holder has of the bridged tokens, and every token born in the collection. Amounts stand
 * for what L1 must show: what it shows now and what the rollup owes.
 */
export async function inventory({ chain, l1, people, lived }) {
  const holders = [...new Set([...people, lived.user, lived.friend])];
  const native = await holdings(holders, (address) => l1.reader.getBalance({ address }), (address) => chain.reader.getBalance({ address }));
  const { tokens, bridged, deposits } = lived;
  const coins = await holdings(
    holders,
    (address) => l1.read(tokens.erc20, 'DemoToken', 'balanceOf', [address]),
    (address) => chain.read(bridged.erc20, 'BridgedERC20', 'balanceOf', [address]),
  );
  const items = await holdings(
    holders,
    (address) => l1.read(tokens.erc1155, 'DemoItems', 'balanceOf', [address, deposits.erc1155.id]),
    (address) => chain.read(bridged.erc1155, 'BridgedERC1155', 'balanceOf', [address, deposits.erc1155.id]),
  );
  const ticket = await chain.read(bridged.erc721, 'BridgedERC721', 'ownerOf', [deposits.erc721]);
  const owners = await parallel(lived.wallets, WIDTH, (wallet) => chain.read(lived.collection, 'DemoCollection', 'ownerOf', [wallet.tokenId]));
  const born = new Map(lived.wallets.map((wallet, index) => [wallet.tokenId, owners[index]]));
  return { native, coins, items, ticket, born };
}

/** By address: what L1 shows already plus what is owed. Who is owed nothing is left out. */
async function holdings(addresses, onL1, onRollup) {
  const rows = await parallel(addresses, WIDTH, async (address) => {
    const owed = await onRollup(address);
    return owed > 0n && [address, owed + (await onL1(address))];
  });
  return new Map(rows.filter(Boolean));
}

/** Looks for each of the holdings on L1. `native` can be left out: who pays gas has less. */
export async function audit({ l1, vault, owned, lived, native = true }) {
  const { tokens, deposits } = lived;
  const settled = await l1.read(vault, 'Vault', 'settledCollection', [COLLECTION, lived.collection]);
  const checks = [
    ...(native ? each(owned.native, (address) => l1.reader.getBalance({ address })) : []),
    ...each(owned.coins, (address) => l1.read(tokens.erc20, 'DemoToken', 'balanceOf', [address])),
    ...each(owned.items, (address) => l1.read(tokens.erc1155, 'DemoItems', 'balanceOf', [address, deposits.erc1155.id])),
    ...each(new Map([[deposits.erc721, owned.ticket]]), (id) => l1.read(tokens.erc721, 'DemoCollection', 'ownerOf', [id])),
    ...each(owned.born, (id) => l1.read(settled, 'SettledERC721', 'ownerOf', [id])),
  ];
  const missing = [];
  await parallel(checks, WIDTH, async ({ key, expected, read }) => {
    const found = await read().catch((error) => error.shortMessage ?? error.message);
    if (found !== expected) missing.push(`${key}: ${found} instead of ${expected}`);
  });
  return { expected: checks.length, found: checks.length - missing.length, missing };
}

function each(expectations, read) {
  return [...expectations].map(([key, expected]) => ({ key, expected, read: () => read(key) }));
}

/** Hands bridged tokens on, and one born on the rollup to a contract, which then holds it. */
export async function spread({ chain, key, user, friend, bridged, deposits, collection, contract, giver }) {
  await chain.send(key, bridged.erc20, 'BridgedERC20', 'transfer', [friend.address, deposits.erc20 / 4n]);
  await chain.send(key, bridged.erc1155, 'BridgedERC1155', 'safeTransferFrom', [user, friend.address, deposits.erc1155.id, 3n, '0x']);
  await chain.send(giver.key, collection, 'DemoCollection', 'transferFrom', [giver.address, contract, giver.tokenId]);
}
