/** Patterns of SSCAN, HSCAN and ZSCAN: they match what those of SCAN match, and take a bounded time. */
import { describe, expect, it } from 'vitest';
import { Glob, MAX_PATTERN_BYTES } from '#engine/glob.js';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { GLOB_CASES } from '../support/glob-cases.js';
import { Bench, MIB } from '../support/kernel-memory.js';
import {
  array,
  bin,
  command,
  error,
  integer,
  NIL,
  str,
  type Wire,
} from '../support/kernel-wire.js';

const KEY = str('key');
const ALL = integer(100_000);

const open = (): Bench => new Bench({ memoryBytes: 16 * MIB, policy: 'none', partitions: 1 });

/** The reply to a page that is the only one. */
const only = (...members: readonly Wire[]): Wire => array([integer(0), array([...members])]);

describe('a pattern of SSCAN', () => {
  it.each(GLOB_CASES)('%s for %s: %s', (pattern, text, expected) => {
    const bench = open();
    const member = bin(Buffer.from(text, 'latin1'));
    bench.one(command('SADD', KEY, member));
    const match = bin(Buffer.from(pattern, 'latin1'));
    const reply = bench.one(command('SSCAN', KEY, integer(0), ALL, match));
    expect(reply).toEqual(expected ? only(member) : only());
  });

  it('matches an integer by its digits', () => {
    const bench = open();
    const numbers = [0, 7, 17, -17, 2n ** 53n, -(2n ** 63n), 2n ** 64n - 1n];
    for (const number of numbers) {
      bench.one(command('SADD', KEY, integer(number)));
      const match = (pattern: string) =>
        bench.one(command('SSCAN', KEY, integer(0), ALL, str(pattern)));
      expect(match(`${number}`)).toEqual(only(integer(number)));
      expect(match(`${number}?`)).toEqual(only());
      bench.one(command('SREM', KEY, integer(number)));
    }
  });

  it('may have 256 bytes', () => {
    const bench = open();
    const scan = (pattern: string) =>
      bench.one(command('SSCAN', KEY, integer(0), NIL, str(pattern)));
    expect(scan('x'.repeat(MAX_PATTERN_BYTES))).toEqual(only());
    const refused = error(KERNEL_ERROR_TEXTS.ERROR_MATCH!);
    expect(scan('x'.repeat(MAX_PATTERN_BYTES + 1))).toEqual(refused);
  });
});

it('random patterns match what they match in SCAN', () => {
  const seed = freshSeed();
  const random = new Random(seed);
  const pick = (letters: string, most: number) =>
    Array.from({ length: random.below(most) }, () => random.pick([...letters])).join('');
  const bench = open();
  const texts = [...new Set(Array.from({ length: 100 }, () => pick('aabb]-^\\', 8)))];
  bench.one(command('SADD', KEY, ...texts.map((text) => str(text))));
  for (let i = 0; i < 2000; i++) {
    const pattern = pick('aabb**?[]^-\\', 10);
    const glob = new Glob(Buffer.from(pattern));
    const expected = texts.filter((text) => glob.matches(Buffer.from(text), 0, text.length));
    const reply = bench.one(command('SSCAN', KEY, integer(0), ALL, str(pattern)));
    const count = expected.length;
    // Heads of the two arrays and the cursor; then one byte before each, all of them short.
    const headBytes = count < 16 ? 3 : 5;
    const expectedBytes = expected.reduce((sum, text) => sum + 1 + text.length, headBytes);
    const message = `'${pattern}' (seed ${seed}, ${i})`;
    expect(reply.length, message).toBe(expectedBytes);
    for (const text of expected) expect(reply.includes(str(text)), message).toBe(true);
  }
});

it('a page ends where matching takes long, and the walk comes to its end all the same', () => {
  const bench = open();
  const members = 2000;
  for (let i = 0; i < members; i++) {
    bench.one(command('SADD', KEY, str(`${'a'.repeat(1000)}${i}`)));
  }
  const pattern = str(`*${'a'.repeat(MAX_PATTERN_BYTES - 2)}b`);
  const pages: number[] = [];
  let cursor = 0;
  do {
    const start = performance.now();
    const reply = bench.one(command('SSCAN', KEY, integer(cursor), ALL, pattern));
    pages.push(performance.now() - start);
    expect([reply[0], reply.at(-1)]).toEqual([0x92, 0x90]);
    cursor = reply[1] === 0xce ? reply.readUInt32BE(2) : reply[1]!;
  } while (cursor !== 0);
  expect(pages.length).toBeGreaterThan(50);
  // A page is a millisecond or so; what else the machine does is not to count.
  expect(pages.sort((a, b) => a - b)[pages.length >> 1]).toBeLessThan(100);
});
