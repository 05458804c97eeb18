// What the commands share.
import { execFile } from 'node:child_process';
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

/** What a program prints; fails with what it said unless it ends well, or, with `fails`, unless it does not. */
export function program(name, args, { fails = false, cwd, env } = {}) {
  return new Promise((done, failed) => {
    execFile(name, args, { cwd, env: { ...process.env, ...env }, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (fails === Boolean(error)) done(fails ? stderr : stdout);
      else failed(new Error(`${name} ${args[0]} ${error ? 'failed' : 'was not refused'}: ${stderr || stdout}`));
    });
  });
}
