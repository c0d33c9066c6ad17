/**
 * Which arena a key belongs to: engine/kernel/route.ts in JavaScript, where that is explained. The
 * cache must know before it writes a key into an arena's memory.
 */
import { Buffer } from 'node:buffer';
import type { Key } from './api.js';
import { MAX_KEY_BYTES } from './commands.js';

const STEP_LENGTH = 0x9e3779b1 | 0;
const STEP = 0x2c1b3c6d;
const FINISH = 0x297a2d39;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPENS = 0x7b7b7b7b;
const TWO_TO_32 = 2 ** 32;

/** Longer strings are faster in Node's C++; as in keys.ts. */
const LOOP_KEY_CHARS = 32;

/** Bits are left where a byte of the word is an opening brace. */
function openIn(word: number): number {
  const bytes = word ^ OPENS;
  return (bytes - 0x01010101) & ~bytes & 0x80808080;
}

function step(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, STEP);
  return product ^ (product >>> 15);
}

export class Routes {
  readonly #seed: number;
  readonly #arenas: number;
  /** Where long keys and those with other characters than ASCII become bytes. */
  readonly #scratch = Buffer.alloc(MAX_KEY_BYTES);

  /** @param seed of 32 bits, the set's; @param arenas how many there are */
  constructor(seed: number, arenas: number) {
    this.#seed = seed | 0;
    this.#arenas = arenas;
  }

  /** The number of the key's arena. 0 for what is no key: whoever writes it there will say so. */
  arenaOf(key: Key): number {
    if (typeof key === 'string' && key.length <= LOOP_KEY_CHARS) {
      const hash = this.#hashAscii(key);
      // No hash: the range of an int32 is left.
      if (hash < TWO_TO_32) return this.#arenaOfHash(hash);
    }
    if (typeof key === 'string') {
      if (key.length > MAX_KEY_BYTES) return 0;
      const length = this.#scratch.write(key, 0);
      return this.#arenaOfHash(this.hashBytes(this.#scratch, 0, length));
    }
    return key instanceof Uint8Array ? this.#arenaOfHash(this.hashBytes(key, 0, key.length)) : 0;
  }

  #arenaOfHash(hash: number): number {
    return (((hash >>> 0) * this.#arenas) / TWO_TO_32) | 0;
  }

  /** The hash of a string of ASCII without a brace; 2^32 for any other. */
  #hashAscii(key: string): number {
    const length = key.length;
    const whole = length & ~3;
    let hash = this.#seed ^ Math.imul(length, STEP_LENGTH);
    let seen = 0;
    let open = 0;
    let i = 0;
    for (; i < whole; i += 4) {
      const a = key.charCodeAt(i);
      const b = key.charCodeAt(i + 1);
      const c = key.charCodeAt(i + 2);
      const d = key.charCodeAt(i + 3);
      seen |= a | b | c | d;
      const word = a | (b << 8) | (c << 16) | (d << 24);
      open |= openIn(word);
      hash = step(hash, word);
    }
    if (i < length) {
      let word = 0;
      for (let shift = 0; i < length; i++, shift += 8) {
        const code = key.charCodeAt(i);
        seen |= code;
        word |= code << shift;
      }
      open |= openIn(word);
      hash = step(hash, word);
    }
    return seen < 0x80 && open === 0 ? finish(hash) : TWO_TO_32;
  }

  /** The hash of a key's bytes, or of its tag's. */
  hashBytes(bytes: Uint8Array, start: number, end: number): number {
    const open = bytes.indexOf(OPEN, start);
    if (open >= start && open < end) {
      const close = bytes.indexOf(CLOSE, open + 1);
      if (close > open + 1 && close < end) return this.#hashPlain(bytes, open + 1, close);
    }
    return this.#hashPlain(bytes, start, end);
  }

  #hashPlain(bytes: Uint8Array, start: number, end: number): number {
    let hash = this.#seed ^ Math.imul(end - start, STEP_LENGTH);
    const whole = start + ((end - start) & ~3);
    let i = start;
    for (; i < whole; i += 4) {
      const low = bytes[i]! | (bytes[i + 1]! << 8);
      hash = step(hash, low | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    }
    if (i < end) {
      let word = 0;
      for (let shift = 0; i < end; i++, shift += 8) word |= bytes[i]! << shift;
      hash = step(hash, word);
    }
    return finish(hash);
  }
}

/** As an int32. */
function finish(hash: number): number {
  const product = Math.imul(hash, FINISH);
  return Math.imul(product ^ (product >>> 13), STEP_LENGTH);
}
