/**
 * Patterns of keys as Redis has them, matched byte by byte in a time that no pattern makes long.
 *
 * A pattern is a row of tokens, each of which takes one byte, with stars between some of them. All
 * ways to match are followed at once, as bits: bit i says that the bytes so far may be what the
 * first i tokens match. Each byte moves the bits whose token takes it, and leaves those where they
 * are that stand before a star. So a byte costs a step for every 32 tokens, at most nine, where the
 * usual way, which tries again from the last star, costs one for each token.
 */
import { SlabringError } from './errors.js';

/** Longer ones would be no use, and with this many a key of 64 KiB takes a millisecond. */
export const MAX_PATTERN_BYTES = 256;

const STAR = 0x2a;
const ANY = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const NOT = 0x5e;
const RANGE = 0x2d;
const ESCAPE = 0x5c;

export class Glob {
  /** Words of 32 bits for the bits of all tokens, and one for the end. */
  readonly #words: number;
  readonly #tokens: number;
  /** By byte, `#words` each: bit i + 1 is set where token i takes the byte. */
  readonly #takes: Int32Array;
  /** Bit i is set where a star stands before token i. */
  readonly #stars: Int32Array;
  readonly #state: Int32Array;

  /** @throws SlabringError `OPTION` when the pattern is too long */
  constructor(pattern: Uint8Array) {
    const { length } = pattern;
    if (length > MAX_PATTERN_BYTES) {
      const most = `match must have at most ${MAX_PATTERN_BYTES} bytes`;
      throw new SlabringError('OPTION', `${most}, not ${length}`);
    }
    // No pattern has more tokens than bytes.
    this.#words = (length + 32) >> 5;
    this.#takes = new Int32Array(256 * this.#words);
    this.#stars = new Int32Array(this.#words);
    this.#state = new Int32Array(this.#words);
    this.#tokens = this.#compile(pattern);
  }

  /** Whether the bytes from `start` to `end` match, all of them. */
  matches(bytes: Uint8Array, start: number, end: number): boolean {
    const words = this.#words;
    const takes = this.#takes;
    const stars = this.#stars;
    const state = this.#state.fill(0);
    state[0] = 1;
    const last = this.#tokens >> 5;
    const isLast = 1 << (this.#tokens & 31);
    const endsWithStar = (stars[last]! & isLast) !== 0;
    for (let at = start; at < end; at++) {
      if (endsWithStar && (state[last]! & isLast) !== 0) return true;
      const first = bytes[at]! * words;
      let carry = 0;
      let some = 0;
      for (let i = 0; i < words; i++) {
        const before = state[i]!;
        const moved = ((before << 1) | carry) & takes[first + i]!;
        carry = before >>> 31;
        const after = moved | (before & stars[i]!);
        state[i] = after;
        some |= after;
      }
      if (some === 0) return false;
    }
    return (state[last]! & isLast) !== 0;
  }

  /** Reads the tokens; how many there are. */
  #compile(pattern: Uint8Array): number {
    const { length } = pattern;
    let token = 0;
    for (let at = 0; at < length; at++) {
      const byte = pattern[at]!;
      if (byte === STAR) {
        this.#stars[token >> 5]! |= 1 << (token & 31);
        continue;
      }
      if (byte === ANY) this.#addRange(token, 0, 255);
      else if (byte === OPEN) at = this.#compileClass(pattern, at + 1, token);
      else if (byte === ESCAPE && at + 1 < length) this.#add(token, pattern[++at]!);
      else this.#add(token, byte);
      token++;
    }
    return token;
  }

  /** Reads a class behind its bracket; where it ends. One that is not closed ends the pattern. */
  #compileClass(pattern: Uint8Array, start: number, token: number): number {
    const { length } = pattern;
    let at = start;
    const isNot = pattern[at] === NOT;
    if (isNot) at++;
    for (; at < length && pattern[at] !== CLOSE; at++) {
      const byte = pattern[at]!;
      if (byte === ESCAPE && at + 1 < length) {
        this.#add(token, pattern[++at]!);
      } else if (pattern[at + 1] === RANGE && at + 2 < length) {
        const other = pattern[at + 2]!;
        this.#addRange(token, Math.min(byte, other), Math.max(byte, other));
        at += 2;
      } else {
        this.#add(token, byte);
      }
    }
    if (isNot)
      for (let byte = 0; byte < 256; byte++)
        this.#takes[this.#wordOf(token, byte)]! ^= this.#bitOf(token);
    return at;
  }

  #wordOf(token: number, byte: number): number {
    return byte * this.#words + ((token + 1) >> 5);
  }

  #bitOf(token: number): number {
    return 1 << ((token + 1) & 31);
  }

  #add(token: number, byte: number): void {
    this.#takes[this.#wordOf(token, byte)]! |= this.#bitOf(token);
  }

  #addRange(token: number, first: number, last: number): void {
    for (let byte = first; byte <= last; byte++) this.#add(token, byte);
  }
}
