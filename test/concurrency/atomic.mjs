/** What the threads of atomic.test.ts move about. */
export const ACCOUNTS = Array.from({ length: 24 }, (_, i) => `account ${i}`);
/** Hashes with coins in them. */
export const PURSES = Array.from({ length: 12 }, (_, i) => `purse ${i}`);
export const COINS = 1000;
/** Counted up with a guard. */
export const GUARDED = ['guarded 0', 'guarded 1'];
/** Each is made once. */
export const PLACES = 200;

export function prepare(caller) {
  for (const account of ACCOUNTS) caller.call('SET', account, COINS);
  for (const purse of PURSES) caller.call('HSET', purse, 'coins', COINS);
  for (const key of GUARDED) caller.call('SET', key, 0);
}

const sumOf = (numbers) => numbers.reduce((sum, one) => sum + one, 0);

/** @throws Error when coins came or went */
export function checkTotals(caller, withMget) {
  const accounts = withMget
    ? caller.call('MGET', ...ACCOUNTS)
    : caller.atomic(ACCOUNTS.map((account) => ['GET', account]));
  const purses = caller.atomic(PURSES.map((purse) => ['HGET', purse, 'coins']));
  for (const found of [accounts, purses]) {
    if (sumOf(found) !== COINS * found.length) throw new Error(`there are ${sumOf(found)} coins`);
  }
}
