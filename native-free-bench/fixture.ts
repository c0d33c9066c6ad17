/**
 * Seeded keys, values and key sequences: every contestant of a case gets the same ones, in every
 * run.
 */
import { Buffer } from 'node:buffer';
import type { Setting } from './case.js';

/** The sizes that cases come in. 10 K entries fit the CPU's caches, 1 M do not. */
export const SIZES = ['10k', '1m'] as const;
export type Size = (typeof SIZES)[number];

export interface Scale {
  readonly keys: number;
  /** Length of the key sequence, a multiple of `batch`. */
  readonly operations: number;
  /** Operations a batch. */
  readonly batch: number;
}

const FULL: Readonly<Record<Size, Scale>> = {
  '10k': { keys: 10_000, operations: 2 ** 17, batch: 1024 },
  '1m': { keys: 1_000_000, operations: 2 ** 20, batch: 1024 },
};

const TINY: Readonly<Record<Size, Scale>> = {
  '10k': { keys: 300, operations: 1024, batch: 256 },
  '1m': { keys: 900, operations: 1024, batch: 256 },
};

export function scaleOf(size: Size, setting: Setting): Scale {
  return (setting.scale === 'tiny' ? TINY : FULL)[size];
}

/** Unsigned 32-bit random numbers from a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const SEED = 20_251_123;

/** Every key of 0 to `keys - 1` as likely as any other. */
export function uniformSequence(operations: number, keys: number): Uint32Array {
  const next = random(SEED);
  return Uint32Array.from({ length: operations }, () => Math.floor((next() / 2 ** 32) * keys));
}

/**
 * Key k with a probability in proportion to 1 / (k + 1)^exponent, as popularity is distributed on
 * the web.
 */
export function zipfSequence(operations: number, keys: number, exponent: number): Uint32Array {
  const upTo = new Float64Array(keys);
  let total = 0;
  for (let key = 0; key < keys; key++) {
    total += (key + 1) ** -exponent;
    upTo[key] = total;
  }
  const next = random(SEED);
  return Uint32Array.from({ length: operations }, () => {
    const wanted = (next() / 2 ** 32) * total;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (upTo[middle]! <= wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

export const KEY_BYTES = 16;
const KEY_PREFIX = 'key:';

/** Writes the key with this number at `at`: `key:` and twelve digits. */
export function writeKey(bytes: Uint8Array, at: number, index: number): void {
  let rest = index;
  for (let i = KEY_BYTES - 1; i >= KEY_PREFIX.length; i--) {
    bytes[at + i] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  for (let i = 0; i < KEY_PREFIX.length; i++) bytes[at + i] = KEY_PREFIX.charCodeAt(i);
}

const scratch = Buffer.alloc(KEY_BYTES);

/**
 * A new string each time, flat and not hashed yet: what a program has that has just built its key.
 * A string that was a key before carries its hash, and Map then need not even compare it with the
 * stored one when it is the same object.
 */
export function makeKey(index: number): string {
  writeKey(scratch, 0, index);
  return scratch.toString('latin1', 0, KEY_BYTES);
}
