/** Which arena a key belongs to: the same in JavaScript and in the kernel, and even shares. */
import { describe, expect, it } from 'vitest';
import { instantiate, kernelModule } from '#engine/arena.js';
import { Routes } from '#engine/route.js';
import { Random } from '../support/fuzz-random.mjs';

const memory = new WebAssembly.Memory({ initial: 3, maximum: 65536, shared: true });
const kernel = instantiate(kernelModule(), memory);
const AT = 64;
const bytes = new Uint8Array(memory.buffer, AT);

/** What the kernel says. Bytes behind the key must not count. */
function inKernel(key: Uint8Array, seed: number, arenas: number, behind = 0x7b): number {
  bytes.fill(behind, key.length, key.length + 32);
  bytes.set(key);
  return kernel.routeKey(AT, key.length, seed, arenas) >>> 0;
}

const le64 = (i: number): Buffer => {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(BigInt(i));
  return key;
};
const be64 = (i: number): Buffer => Buffer.from(le64(i).reverse());

/** Key number i, as people name theirs. */
const FAMILIES: Record<string, (i: number) => string | Buffer> = {
  'a prefix and padded numbers': (i) => `key:${String(i).padStart(12, '0')}`,
  'bare numbers': (i) => String(i),
  'numbers in the middle': (i) => `user:${i}:profile`,
  'numbers in front': (i) => `${i}:some:long:suffix:of:a:key`,
  'two numbers': (i) => `tenant${i % 1000}:user${Math.floor(i / 1000)}`,
  'hex digits': (i) => i.toString(16).padStart(8, '0'),
  'steps of 4096': (i) => String(i * 4096),
  'binary counters': le64,
  'binary counters, big end first': be64,
  'binary counters in the upper half': (i) => le64(i * 2 ** 32),
  'binary counters, big end first, in steps of 1024': (i) => be64(i * 1024),
  doubles: (i) => Buffer.from(Float64Array.of(i).buffer),
};

describe('the arena of a key', () => {
  it('is the same in JavaScript and in the kernel', () => {
    const random = new Random(5);
    for (let i = 0; i < 20_000; i++) {
      const seed = random.word();
      const arenas = random.between(1, 64);
      const routes = new Routes(seed, arenas);
      const alphabet = random.pick(['ab{}', 'xyz:0123456789', 'aé€🙂{}']);
      const length = random.pick([1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 100, 2000]);
      const text = Array.from({ length }, () => random.pick([...alphabet])).join('');
      const asBytes = Buffer.from(text);
      const expected = inKernel(asBytes, seed, arenas, random.pick([0, 0x7b, 0x7d]));
      expect([text, routes.arenaOf(text)]).toEqual([text, expected]);
      expect(routes.arenaOf(asBytes)).toBe(expected);
      expect(expected).toBeLessThan(arenas);
      const noise = random.bytes(random.between(1, 70));
      expect(routes.arenaOf(noise)).toBe(inKernel(noise, seed, arenas));
    }
  });

  it.each([
    ['{user:1}:name', 'user:1'],
    ['mail:{user:1}', 'user:1'],
    ['a{b}c{d}e', 'b'],
    ['a{{b}}c', '{b'],
    ['{x}', 'x'],
    ['some very long key, longer than a loop likes, of {7}', '7'],
    ['ключ {тег} и', 'тег'],
  ])('of %s is that of %s', (key, tag) => {
    for (let seed = 0; seed < 20; seed++) {
      const routes = new Routes(seed, 64);
      expect(routes.arenaOf(key)).toBe(routes.arenaOf(tag));
      expect(inKernel(Buffer.from(key), seed, 64)).toBe(routes.arenaOf(tag));
    }
  });

  it.each(['a{}b', '{}', 'a{b', 'a}b{', 'b}', '{', 'a{}b{c}', 'quite a long key, with {'])(
    'of %s, which has no tag, depends on all of it',
    (key) => {
      const differ = Array.from({ length: 50 }, (_, seed) => new Routes(seed, 64)).filter(
        (routes) => routes.arenaOf(key) !== routes.arenaOf(`${key}!`),
      );
      expect(differ.length).toBeGreaterThan(40);
      for (let seed = 0; seed < 20; seed++) {
        expect(inKernel(Buffer.from(key), seed, 64)).toBe(new Routes(seed, 64).arenaOf(key));
      }
    },
  );

  it('of what is no key is 0', () => {
    const routes = new Routes(7, 64);
    for (const key of [undefined, null, 5, {}, 'x'.repeat(70_000)]) {
      expect(routes.arenaOf(key as string)).toBe(0);
    }
  });

  it.each(Object.entries(FAMILIES))('makes even shares of %s', (_, keyOf) => {
    const keys = 1_000_000;
    const all = [2, 3, 16].map((arenas) => ({ arenas, counts: new Uint32Array(arenas) }));
    const routes = new Routes(0x5eed, 3 * 16);
    for (let i = 0; i < keys; i++) {
      // The arena of 48 is the hash's first digits, and so is that of 2, 3 and 16.
      const arena = routes.arenaOf(keyOf(i));
      for (const { arenas, counts } of all) counts[Math.floor((arena * arenas) / 48)]!++;
    }
    for (const { arenas, counts } of all) {
      const mean = keys / arenas;
      // Five standard deviations of a fair die; at two and three arenas that is half a per cent.
      const most = 5 * Math.sqrt(mean);
      for (const count of counts) expect(Math.abs(count - mean)).toBeLessThan(most);
    }
  });

  it('says nothing about the partition inside of it', () => {
    const routes = new Routes(99, 4);
    const counts = new Uint32Array(4 * 64);
    const keys = 256_000;
    for (let i = 0; i < keys; i++) {
      const key = `key:${i}`;
      bytes.set(Buffer.from(key));
      const hash = kernel.xxh32(AT, key.length, 7) >>> 0;
      counts[routes.arenaOf(key) * 64 + (hash >>> 26)]!++;
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
  });
});
