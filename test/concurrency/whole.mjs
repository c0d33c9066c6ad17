/** What the threads of whole.test.ts have in common. */

/** Words of the board. */
export const STOP = 0;
export const READY = 1;
/** How many writes there were. */
export const WRITES = 2;
export const BOARD_WORDS = 3;

/** Of each collection: many pages of it. */
export const ITEMS = 6000;
export const LARGE_BYTES = 2 * 1024 ** 2;
