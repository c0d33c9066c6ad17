/** The client's commands about keys, leases and rate limits, on nodes of one and of two arenas. */
import { type Client, connect } from 'slabring/client';
import { type SlabringNode, startNode } from 'slabring/server';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

describe.each([
  ['one thread', { memory: '64mb', threads: 1 }],
  ['two arenas and threads', { memory: '4gb', threads: 2 }],
] as const)('with %s', (_, options) => {
  let node: SlabringNode;
  let client: Client;

  beforeAll(async () => {
    node = await startNode({ port: 0, ...options });
    client = await connect(node.urls[0]!);
  });
  afterAll(async () => {
    await client.close();
    await node.close();
  });
  beforeEach(() => client.clear());

  const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
    const all: T[] = [];
    for await (const item of items) all.push(item);
    return all;
  };

  const fill = async (count: number): Promise<string[]> => {
    const keys = Array.from({ length: count }, (_, i) => `key ${i}`);
    await client.setMany(keys.map((key, i) => [key, i]));
    return keys.sort();
  };

  it('keys are walked over, counted, and removed all at once', async () => {
    const keys = await fill(3000);
    expect(await client.size()).toBe(3000);
    expect((await collect(client.keys())).sort()).toEqual(keys);
    expect((await collect(client.scan({ count: 7 }))).sort()).toEqual(keys);
    expect((await collect(client.scan({ match: 'key 29?' }))).length).toBe(10);
    expect(await collect(client.scan({ match: Buffer.from('key 5'), type: 'string' }))).toEqual([
      'key 5',
    ]);
    const entries = await collect(client);
    expect(entries.length).toBe(3000);
    for (const [key, value] of entries) expect(key).toBe(`key ${value}`);
    const values = (await collect(client.values<number>())).sort((a, b) => a - b);
    expect(values).toEqual(keys.map((_, i) => i));
    expect(keys).toContain(await client.randomKey());
    expect(await client.clear()).toBeUndefined();
    expect(await client.size()).toBe(0);
    expect(await client.randomKey()).toBeUndefined();
    expect(await collect(client.keys())).toEqual([]);
  });

  it('keys that are no text come as bytes', async () => {
    await client.set(Uint8Array.of(0xff, 1), 'x');
    const [key] = await collect(client.keys());
    expect([...(key as Uint8Array)]).toEqual([0xff, 1]);
    expect(await client.get(key!)).toBe('x');
  });

  it('pages go on from a cursor', async () => {
    const keys = await fill(1000);
    const seen: unknown[] = [];
    let cursor = 0;
    let pages = 0;
    do {
      const page = await client.scanPage(cursor, { count: 100 });
      seen.push(...page.keys);
      ({ cursor } = page);
      pages++;
    } while (cursor !== 0);
    expect(seen.sort()).toEqual(keys);
    expect(pages).toBeGreaterThan(4);
  });

  it('an entry is described', async () => {
    await client.set('k', 'text', { ttl: '1h' });
    expect(await client.type('k')).toBe('string');
    expect(await client.type('absent')).toBeUndefined();
    const { ttlMs, memoryBytes, ...rest } = (await client.describe('k'))!;
    expect(rest).toMatchObject({
      type: 'string',
      encoding: 'inline',
      bytes: 5,
      version: undefined,
    });
    expect(ttlMs).toBeGreaterThan(3_500_000);
    expect(await client.memoryUsage('k')).toBe(memoryBytes);
    expect(await client.describe('absent')).toBeUndefined();
    expect(await client.memoryUsage('absent')).toBeUndefined();
  });

  it('a lease has one holder', async () => {
    const fence = (await client.acquireLease('job', 'a', '10s'))!;
    expect(fence).toBeGreaterThan(0);
    expect(await client.acquireLease('job', 'b', '10s')).toBeUndefined();
    expect(await client.extendLease('job', 'a', '20s')).toBe(true);
    expect(await client.extendLease('job', 'b', '20s')).toBe(false);
    expect(await client.get('job')).toEqual(['a', fence]);
    expect(await client.releaseLease('job', 'b')).toBe(false);
    expect(await client.releaseLease('job', Buffer.from('a'))).toBe(true);
    expect(await client.acquireLease('job', Buffer.from('b'), 1000)).toBeGreaterThan(fence);
    await client.set('job', 1);
    await expect(client.acquireLease('job', 'b', 1000)).rejects.toMatchObject({
      code: 'WRONGTYPE',
    });
  });

  it('a limit is kept', async () => {
    const take = (cost?: number) =>
      client.limit('k', { capacity: 3, refillPerSecond: 0.01, ...(cost && { cost }) });
    const taken = await Promise.all([take(), take(), take(), take()]);
    expect(taken.map(({ allowed }) => allowed)).toEqual([true, true, true, false]);
    expect(taken[0]).toMatchObject({ remaining: 2, retryAfterMs: 0, fullAfterMs: 100_000 });
    expect(await take(4)).toMatchObject({ retryAfterMs: Number.POSITIVE_INFINITY });
  });

  it('wrong arguments are refused before anything is sent', async () => {
    const wrong: Promise<unknown>[] = [
      client.acquireLease('k', '', 5),
      client.acquireLease('k', 'me', 0),
      client.extendLease('k', 'me', undefined as never),
      client.releaseLease('k', undefined as never),
      client.limit('k', { capacity: 0, refillPerSecond: 1 }),
      client.scanPage(-1),
      client.scanPage(0, { count: 0 }),
      client.scanPage(0, { type: 'blob' as never }),
      client.type(''),
    ];
    for (const promise of wrong) await expect(promise).rejects.toMatchObject({ code: 'OPTION' });
    expect(() => client.scan({ match: 5 as never })).toThrow('match must be');
    await expect(client.scanPage(0, { match: 'x'.repeat(300) })).rejects.toMatchObject({
      code: 'OPTION',
      message: 'match must have at most 256 bytes, not 300',
    });
    expect(() => client.scan({ match: Buffer.alloc(257) })).toThrow('at most 256 bytes, not 257');
    await expect(client.scanPage(2 ** 50)).rejects.toMatchObject({ code: 'SYNTAX' });
  });
});
