// What the commands share.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

/** A key nobody has used. */
export function fresh() {
  const key = generatePrivateKey();
  return { key, address: privateKeyToAccount(key).address };
}

/** Throws unless `what` holds. */
export function check(holds, what) {
  if (!holds) throw new Error(what);
}

/** The error of a promise that must fail. */
export async function refused(promise, what) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`${what} was not refused`);
}
