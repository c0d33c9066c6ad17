/** The methods on bytes of values and on several keys mean the same here and over the wire. */
import { openCache } from 'slabring';
import { type Client, connect } from 'slabring/client';
import { type SlabringNode, startNode } from 'slabring/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MIB = 1024 ** 2;

let node: SlabringNode;
let client: Client;
const cache = openCache({ memory: '64mb', arenas: 2 });

beforeAll(async () => {
  node = await startNode({ port: 0, memory: '64mb', threads: 1 });
  client = await connect(node.urls[0]!);
});
afterAll(async () => {
  await client.close();
  await node.close();
  cache.close();
});

/** `Cache`, a namespace of it, and `Client`, all as promises. */
type Api = Pick<
  Client,
  | 'append'
  | 'byteLength'
  | 'copy'
  | 'deleteMany'
  | 'get'
  | 'getAll'
  | 'getAndExpire'
  | 'getBytes'
  | 'getRange'
  | 'has'
  | 'incrementFloat'
  | 'rename'
  | 'renameIfAbsent'
  | 'set'
  | 'setAll'
  | 'setAllIfAbsent'
  | 'setRange'
  | 'take'
  | 'ttl'
>;

/** Calls that throw are promises that are rejected. */
function asPromises(target: object): Api {
  return new Proxy(target, {
    get:
      (of, name) =>
      async (...args: unknown[]) =>
        (of as Record<PropertyKey, (...args: unknown[]) => unknown>)[name]!(...args),
  }) as Api;
}

describe.each(['cache', 'namespace', 'client'])('of a %s', (kind) => {
  const api = (): Api => {
    if (kind === 'client') return client;
    return asPromises(kind === 'cache' ? cache : cache.namespace('n'));
  };

  it('bytes of values', async () => {
    const at = api();
    expect(await at.append('text', 'hä')).toBe(3);
    expect(await at.append('text', Buffer.from('!'))).toBe(4);
    expect(await at.get('text')).toBe('hä!');
    expect(await at.byteLength('text')).toBe(4);
    expect(await at.byteLength('absent')).toBe(0);
    expect(Buffer.from(await at.getRange('text', 1, 2)).toString()).toBe('ä');
    expect(Buffer.from(await at.getRange('text', -1)).toString()).toBe('!');
    expect((await at.getRange('absent', 0)).length).toBe(0);
    expect(await at.setRange('bytes', 3, Uint8Array.of(7))).toBe(4);
    expect([...(await at.getBytes('bytes'))!]).toEqual([0, 0, 0, 7]);
    expect(await at.setRange('bytes', 9, '')).toBe(4);
    await at.set('number', 5);
    await expect(at.append('number', 'x')).rejects.toMatchObject({ code: 'WRONGTYPE' });
    await expect(at.byteLength('number')).rejects.toMatchObject({ code: 'WRONGTYPE' });
    for (const wrong of [
      () => at.append('k', 5 as never),
      () => at.setRange('k', -1, 'x'),
      () => at.setRange('k', 0.5, 'x'),
      () => at.getRange('k', 2 ** 63),
      () => at.incrementFloat('k', Number.NaN),
      () => at.getAndExpire('k', -1),
      () => at.setAll([['k']] as never),
      () => at.getAll('keys'),
      () => at.copy('k', 'q', { replace: 1 } as never),
      () => at.rename('k', ''),
    ]) {
      await expect(wrong()).rejects.toMatchObject({ code: 'OPTION' });
    }
    expect(await at.has('k')).toBe(false);
  });

  it('large values', async () => {
    const at = api();
    await at.set('large', Buffer.alloc(3 * MIB, 1));
    expect(await at.append('large', 'x')).toBe(3 * MIB + 1);
    const range = await at.getRange('large', 5);
    expect([range.length, range.at(-1)]).toEqual([3 * MIB - 4, 120]);
    expect((await at.getAndExpire<Buffer>('large', '1h'))!.length).toBe(3 * MIB + 1);
    expect(await at.ttl('large')).toBeGreaterThan(3_500_000);
    expect(await at.copy('large', 'large', {}).catch(({ code }) => code)).toBe('SYNTAX');
    expect((await at.take<Buffer>('large'))!.length).toBe(3 * MIB + 1);
    expect(await at.take('large')).toBeUndefined();
  });

  it('floats', async () => {
    const at = api();
    expect(await at.incrementFloat('float', 0.5, { ttl: 60_000 })).toBe(0.5);
    expect(await at.incrementFloat('float', 1)).toBe(1.5);
    expect(await at.incrementFloat('none', -0)).toBe(0);
    expect(await at.ttl('float')).toBeGreaterThan(50_000);
    await at.set('most', 1.7e308);
    await expect(at.incrementFloat('most', 1.7e308)).rejects.toMatchObject({ code: 'OVERFLOW' });
    expect(await at.get('most')).toBe(1.7e308);
  });

  it('stores and reads more values at once than 16 bits count', async () => {
    const at = api();
    const keys = Array.from({ length: 66_000 }, (_, i) => `{s}${i.toString(36)}`);
    await at.setAll(keys.map((key) => [key, 1]));
    expect(await at.getAll(keys)).toEqual(keys.map(() => 1));
    await at.deleteMany(keys);
  });

  it('several keys in one step', async () => {
    const at = api();
    await at.setAll(
      new Map<string, unknown>([
        ['{t}a', { deep: [1] }],
        ['{t}b', null],
      ]),
      { ttl: 9000 },
    );
    expect(await at.ttl('{t}b')).toBeGreaterThan(8000);
    expect(await at.getAll(['{t}a', '{t}b', '{t}c'])).toEqual([
      { deep: [1] },
      undefined,
      undefined,
    ]);
    expect(await at.getAll([])).toEqual([]);
    await at.setAll([]);
    expect(
      await at.setAllIfAbsent([
        ['{t}c', 1],
        ['{t}a', 2],
      ]),
    ).toBe(false);
    expect(
      await at.setAllIfAbsent([
        ['{t}c', 1],
        ['{t}d', 2],
      ]),
    ).toBe(true);
    await at.rename('{t}c', '{t}e');
    expect([await at.has('{t}c'), await at.get('{t}e')]).toEqual([false, 1]);
    expect(await at.renameIfAbsent('{t}e', '{t}d')).toBe(false);
    expect(await at.copy('{t}e', '{t}d')).toBe(false);
    expect(await at.copy('{t}e', '{t}d', { replace: true })).toBe(true);
    expect(await at.get('{t}d')).toBe(1);
    await expect(at.rename('{t}none', '{t}d')).rejects.toMatchObject({ code: 'UNKNOWN' });
    const large = 'x'.repeat(900_000);
    const pairs = [
      ['{t}x', large],
      ['{t}y', large],
    ] as const;
    await expect(at.setAll(pairs)).rejects.toMatchObject({ code: 'TOOLARGE' });
    if (kind === 'client') return;
    const apart = Array.from({ length: 40 }, (_, i) => [`k${i}`, i] as const);
    await expect(at.setAll(apart)).rejects.toMatchObject({ code: 'CROSSSLOT' });
    await expect(at.getAll(apart.map(([key]) => key))).rejects.toMatchObject({ code: 'CROSSSLOT' });
    expect(await at.has('k0')).toBe(false);
  });
});
