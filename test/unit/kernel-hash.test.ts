import { describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { createArena } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';

const { h32Raw } = await xxhash();
const { kernel, request } = createArena();

/** The kernel's XXH32 of bytes that lie `offset` bytes behind an aligned address. */
function xxh32(bytes: Uint8Array, seed: number, offset: number): number {
  request.set(bytes, offset);
  return kernel.xxh32(request.byteOffset + offset, bytes.length, seed) >>> 0;
}

describe('the hash', () => {
  const random = new Random(SEED);
  const seeds = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, random.below(2 ** 32)];

  it.each(seeds)('is XXH32 for all lengths from 0 to 300, seed %d', (seed) => {
    for (let length = 0; length <= 300; length++) {
      const bytes = random.bytes(length);
      const hash = h32Raw(bytes, seed);
      expect([length, xxh32(bytes, seed, 0)]).toEqual([length, hash]);
      expect([length, xxh32(bytes, seed, 1 + (length % 7))]).toEqual([length, hash]);
    }
  });

  it('is XXH32 for long keys', () => {
    for (const length of [2048, 2049, 8000, 65_535]) {
      const bytes = random.bytes(length);
      expect(xxh32(bytes, 99, 3)).toBe(h32Raw(bytes, 99));
    }
  });

  it('reads nothing behind the bytes', () => {
    const bytes = random.bytes(300);
    for (let length = 1; length < 40; length++) {
      const before = xxh32(bytes.subarray(0, length), 5, 0);
      request.fill(0xa5, length, 400);
      expect(kernel.xxh32(request.byteOffset, length, 5) >>> 0).toBe(before);
    }
  });
});
