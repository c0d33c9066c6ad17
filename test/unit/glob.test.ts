/** Patterns of keys: what Redis says of each, and no pattern that takes long. */
import { describe, expect, it } from 'vitest';
import { Glob, MAX_PATTERN_BYTES } from '#engine/glob.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { GLOB_CASES } from '../support/glob-cases.js';

const matches = (pattern: string | Buffer, key: string | Buffer): boolean => {
  const bytes = Buffer.from(key as string, 'latin1');
  return new Glob(Buffer.from(pattern as string, 'latin1')).matches(bytes, 0, bytes.length);
};

describe('a pattern', () => {
  it.each(GLOB_CASES)('%s for %s: %s', (pattern, key, expected) => {
    expect(matches(pattern, key)).toBe(expected);
  });

  it('is matched from one place to another', () => {
    const glob = new Glob(Buffer.from('b*'));
    const bytes = Buffer.from('abcb');
    expect([
      glob.matches(bytes, 1, 3),
      glob.matches(bytes, 0, 4),
      glob.matches(bytes, 3, 4),
    ]).toEqual([true, false, true]);
  });

  it('that is too long is refused', () => {
    expect(matches('x'.repeat(MAX_PATTERN_BYTES), 'x'.repeat(MAX_PATTERN_BYTES))).toBe(true);
    expect(() => new Glob(Buffer.alloc(MAX_PATTERN_BYTES + 1))).toThrow(
      'match must have at most 256 bytes, not 257',
    );
  });
});

const CHAR = Object.fromEntries([...'*?[]^-\\'].map((char) => [char, char.charCodeAt(0)]));

/** `stringmatchlen` of Redis 7 (src/util.c), byte by byte, with its way of trying again. */
function asRedis(pattern: Buffer, p: number, text: Buffer, t: number): boolean {
  for (; p < pattern.length && t <= text.length; p++) {
    const byte = pattern[p]!;
    if (byte === CHAR['*']) {
      while (pattern[p + 1] === CHAR['*']) p++;
      if (p + 1 === pattern.length) return true;
      for (let from = t; from <= text.length; from++) {
        if (asRedis(pattern, p + 1, text, from)) return true;
      }
      return false;
    }
    if (t === text.length) return false;
    if (byte === CHAR['[']) {
      let isFound = false;
      p++;
      const isNot = pattern[p] === CHAR['^'];
      if (isNot) p++;
      for (; ; p++) {
        if (pattern[p] === CHAR['\\'] && p + 1 < pattern.length) {
          p++;
          if (pattern[p] === text[t]) isFound = true;
        } else if (pattern[p] === CHAR[']']) {
          break;
        } else if (p >= pattern.length) {
          p--;
          break;
        } else if (p + 2 < pattern.length && pattern[p + 1] === CHAR['-']) {
          const ends = [pattern[p]!, pattern[p + 2]!];
          p += 2;
          if (text[t]! >= Math.min(...ends) && text[t]! <= Math.max(...ends)) isFound = true;
        } else if (pattern[p] === text[t]) {
          isFound = true;
        }
      }
      if (isFound === isNot) return false;
    } else if (byte !== CHAR['?']) {
      if (byte === CHAR['\\'] && p + 1 < pattern.length) p++;
      if (pattern[p] !== text[t]) return false;
    }
    t++;
  }
  return p >= pattern.length && t === text.length;
}

it('random patterns match what they match in Redis', () => {
  const seed = freshSeed();
  const random = new Random(seed);
  const pick = (letters: string, most: number) =>
    Buffer.from(
      Array.from({ length: random.below(most) }, () => random.pick([...letters])).join(''),
    );
  const seen = { true: 0, false: 0 };
  for (let i = 0; i < 60_000; i++) {
    // Long ones are of more than one word of bits, and have few stars: trying again takes its time.
    const isLong = i % 10 === 0;
    const pattern = isLong
      ? Buffer.concat([pick('a?', 40), pick('*', 2), pick('aab?', 40), pick('*ab[]^-\\', 4)])
      : pick('aabb**?[]^-\\', 10);
    const text = isLong ? pick('aaaab', 90) : pick('aabb]-^\\', 8);
    const expected = asRedis(pattern, 0, text, 0);
    seen[`${expected}`]++;
    const got = new Glob(pattern).matches(text, 0, text.length);
    if (got !== expected) throw new Error(`'${pattern}' of '${text}': ${got} (seed ${seed}, ${i})`);
  }
  expect(Math.min(seen.true, seen.false)).toBeGreaterThan(1000);
});

it('no pattern takes long, where trying again would take longer than the universe', () => {
  const key = Buffer.alloc(65_535, 0x61);
  const glob = new Glob(Buffer.from(`${'a*'.repeat(127)}b`));
  const start = performance.now();
  expect(glob.matches(key, 0, key.length)).toBe(false);
  expect(performance.now() - start).toBeLessThan(500);
});
