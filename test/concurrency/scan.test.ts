/** Pages of keys while another thread writes and the table grows: what stays is met, once. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type CacheOptions, openCache } from 'slabring';
import { describe, expect, test } from 'vitest';

const WORKER = new URL('scan-worker.mjs', import.meta.url);
const STAY = 3000;

const PLANS: [string, CacheOptions][] = [
  ['one partition', { memory: '64mb', partitions: 1, policy: 'none' }],
  ['eight partitions', { memory: '64mb', partitions: 8, policy: 'none' }],
  ['two arenas', { memory: '128mb', partitions: 1, arenas: 2, policy: 'none' }],
];

describe.each(PLANS)('%s', (_, options) => {
  test('each walk has all keys that stay', { timeout: 120_000 }, async () => {
    using cache = openCache(options);
    for (let i = 0; i < STAY; i++) cache.set(`stay ${i}`, i);
    const board = new SharedArrayBuffer(4);
    const workerData = { handle: cache.share(), board, stay: STAY, most: 150_000 };
    const worker = new Worker(WORKER, { workerData });
    const ended = once(worker, 'message');
    await once(worker, 'online');
    const end = Date.now() + 1500;
    let walks = 0;
    let randoms = 0;
    while (Date.now() < end || walks < 3) {
      const seen = new Map<unknown, number>();
      for (const key of cache.scan({ count: 200 })) seen.set(key, (seen.get(key) ?? 0) + 1);
      const missing: string[] = [];
      for (let i = 0; i < STAY; i++) if (seen.get(`stay ${i}`) !== 1) missing.push(`stay ${i}`);
      expect(missing).toEqual([]);
      expect([...cache.scan({ match: 'stay 12*' })].length).toBe(111);
      for (let i = 0; i < 50; i++) {
        const key = cache.randomKey() as string;
        if (key.startsWith('stay ')) randoms++;
        else expect(key).toMatch(/^come \d+$/);
      }
      walks++;
    }
    Atomics.store(new Int32Array(board), 0, 1);
    const [writes] = (await ended) as [number];
    expect(writes).toBeGreaterThan(1000);
    expect(randoms).toBeGreaterThan(0);
    expect(cache.checkIntegrity()).toBeUndefined();
  });
});
