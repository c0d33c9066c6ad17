/** What the kernel compares and copies in words that overlap: every length, every place. */
import { expect, test } from 'vitest';
import { openCache } from '#engine/index.js';

const KEY_BYTES_MAX = 70;
const VALUE_BYTES_MAX = 300;

const pattern = (length: number, start: number) =>
  Buffer.from(Array.from({ length }, (_, i) => (start + i * 7) & 0xff));

test('keys that differ in one byte are different keys', () => {
  const cache = openCache({ memory: '8mb', policy: 'none' });
  for (let length = 1; length <= KEY_BYTES_MAX; length++) {
    const key = pattern(length, length);
    cache.set(key, length);
    for (let at = 0; at < length; at++) {
      const other = Buffer.from(key);
      other[at]! ^= 0x10;
      expect([length, at, cache.get(other)]).toEqual([length, at, undefined]);
    }
    expect(cache.get(key)).toBe(length);
  }
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
});

test('values of every length are what was stored, and so are their neighbours', () => {
  const cache = openCache({ memory: '8mb', policy: 'none' });
  const keyOf = (length: number) => `key ${length}`.padEnd(1 + (length % 40), '.');
  for (let round = 0; round < 2; round++) {
    for (let length = 0; length <= VALUE_BYTES_MAX; length++) {
      cache.setBytes(keyOf(length), pattern(length, length + round));
    }
    for (let length = 0; length <= VALUE_BYTES_MAX; length++) {
      expect(cache.getBytes(keyOf(length))).toEqual(pattern(length, length + round));
    }
  }
  const keys = Array.from({ length: VALUE_BYTES_MAX + 1 }, (_, length) => keyOf(length));
  cache.setMany(keys.map((key, length) => [key, pattern(length, length + 9)]));
  expect(cache.getMany(keys)).toEqual(keys.map((_, length) => pattern(length, length + 9)));
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
});
