/** What the writers of walk.test.ts and the walking thread know of each other. */

/** Words of the board. */
export const STOP = 0;
export const READY = 1;
export const BOARD_WORDS = 2;

/** A value that tells whether it is whole, and of which key. */
export function changingValue(key, repeats) {
  return [key, repeats, key.repeat(repeats)];
}

export function isChangingValue(key, value) {
  return Array.isArray(value) && value[0] === key && value[2] === key.repeat(value[1]);
}
