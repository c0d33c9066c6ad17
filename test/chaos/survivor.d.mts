import type { Arena } from '#engine/arena.js';

/** Keys that all threads write. */
export const SHARED_KEYS: number;
/** Keys from `OWNED + self * OWNED_KEYS` on are written by one survivor only. */
export const OWNED: number;
export const OWNED_KEYS: number;
/** The key of a number. */
export function keyOf(number: number): Buffer;

export class Survivor {
  /** @param emptied where the first partition counts how often it was emptied, and the bytes to the next one's */
  constructor(arena: Arena, seed: number, self: number, emptied: { at: number; stride: number });
  /** The longest time that one operation took. */
  longestMs: number;
  /** Owned keys that were found to be lost with their partition. */
  lost: number;
  /** One read or write, checked. */
  turn(): void;
  close(): void;
}
