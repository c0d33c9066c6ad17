/**
 * A new entry whose own record of expiry evicts all other entries of its partition keeps its record
 * in the queue: else it could never be evicted.
 */
import { expect, test } from 'vitest';
import { openCache } from '#engine/index.js';
import { RECORDS_PER_BLOCK } from '../support/kernel-memory.js';

const [FEWEST_BLOCKS, MOST_BLOCKS] = [120, 127];
const MANY = 60_000;

test.each(['clock', 'adaptive'] as const)('%s', { timeout: 120_000 }, (policy) => {
  for (let blocks = FEWEST_BLOCKS; blocks <= MOST_BLOCKS; blocks++) {
    const cache = openCache({ memory: '4mb', partitions: 2, policy, maxNamespaces: 0 });
    const changes = cache.changes();
    const [filled, other]: [string[], string[]] = [[], []];
    const count = RECORDS_PER_BLOCK * blocks - 60;
    for (let i = 0; filled.length < count + 2 || other.length < MANY; i++) {
      const key = `k${String(i).padStart(15, '0')}`;
      (changes.partitionOf(key) === 0 ? filled : other).push(key);
    }
    changes.close();
    // In one partition an entry, and so many records that no block has room; all pages are in use.
    const value = Buffer.alloc(32);
    for (const key of filled.slice(0, count)) cache.setBytes(key, value);
    for (const key of filled.slice(1, count)) cache.delete(key);
    for (const key of other) {
      cache.setBytes(key, value);
      if (cache.stats().evictions > 0) break;
    }
    cache.setBytes(filled[count + 1]!, Buffer.alloc(24), { ttl: '1h' });
    expect([blocks, cache.checkIntegrity()]).toEqual([blocks, undefined]);
    cache.close();
  }
});
