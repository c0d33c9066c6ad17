/**
 * The client against real nodes, with both front ends, and against the embedded cache: the same
 * calls, the same results.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openCache } from 'slabring';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '#client/client.js';
import { type SlabringNode, startNode } from '#server/index.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const code = (error: unknown) => (error as { code?: string }).code;

/** Seeded, so that a failure can be repeated: mulberry32. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const VALUES: unknown[] = [
  0,
  1,
  -1,
  255,
  -129,
  2 ** 31,
  2 ** 40,
  -(2 ** 52),
  2n ** 62n,
  2n ** 64n - 1n,
  0.5,
  Number.NaN,
  true,
  false,
  '',
  'short',
  'ä€😀',
  'long '.repeat(100),
  new Uint8Array(0),
  new Uint8Array([1, 2, 3]),
  new Uint8Array(5_000).fill(9),
  [],
  {},
  [1, [2, { three: null }]],
  { name: 'Ada', tags: ['x', 'y'], when: new Date(1_700_000_000_000), raw: new Uint8Array(3) },
  new Float64Array([1.5, 2]),
];

type Call = [method: string, ...args: unknown[]];

/** One random call that the embedded cache and the client both have. */
function randomCall(random: (below: number) => number): Call {
  const key = () => {
    const name = `key ${random(20)}`;
    return random(4) === 0 ? new TextEncoder().encode(name) : name;
  };
  const value = () => VALUES[random(VALUES.length)];
  const keys = () => Array.from({ length: random(6) }, key);
  switch (random(18)) {
    case 0:
      return ['delete', key()];
    case 1:
      return ['has', key()];
    case 2:
      return ['touch', key()];
    case 3:
      return ['persist', key()];
    case 4:
      return ['expire', key(), [0, '1h', 7_200_000][random(3)]];
    case 5:
      return ['increment', key(), [1, -5, 2 ** 40, 2n ** 60n][random(4)]];
    case 6:
      return ['getMany', keys()];
    case 7:
      return ['setMany', keys().map((one) => [one, value()])];
    case 8:
      return [['deleteMany', 'hasMany', 'touchMany'][random(3)]!, keys()];
    case 9:
      return ['getBytes', key()];
    case 10:
      return ['setBytes', key(), new Uint8Array(random(100)).fill(random(256))];
    case 11:
      return ['swap', key(), value()];
    case 12:
      return ['set', key(), value(), [{ ifAbsent: true }, { ifPresent: true }][random(2)]];
    case 13:
      return ['set', key(), value(), [{ ttl: '1h' }, { keepTtl: true }, { ttl: 0 }][random(3)]];
    case 14:
      return ['set', key(), value(), { ifVersion: 1 }];
    case 15:
      return ['ttl', key()];
    case 16:
      return ['set', key(), value()];
    default:
      return ['get', key()];
  }
}

/**
 * What a call came to, in a form that compares: Buffers as plain bytes, times to live without the
 * milliseconds.
 */
function normal(method: string, result: unknown): unknown {
  if (result instanceof Error) return `error ${code(result)}`;
  if (method === 'ttl' && typeof result === 'number' && Number.isFinite(result)) {
    return Math.round(result / 60_000);
  }
  return plain(result);
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null && value.constructor === Object) {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
  }
  return value;
}

describe.each(['uws', 'ws'] as const)('a node with the front end %s', (frontEnd) => {
  let node: SlabringNode;
  let client: Client;

  beforeAll(async () => {
    const unix = join(tmpdir(), `slabring-client-${process.pid}-${frontEnd}.sock`);
    node = await startNode({
      port: 0,
      memory: '256mb',
      maxValue: '1mb',
      threads: 1,
      frontEnd,
      unix,
    });
  });
  afterAll(() => node.close());

  const open = async (url = node.urls[0]!, options = {}) => {
    client = await connect(url, { timeout: 20_000, ...options });
    cleanups.push(() => client.close({ wait: false }));
    await client.deleteMany(Array.from({ length: 20 }, (_, i) => `key ${i}`));
    return client;
  };

  it('greets', async () => {
    await open();
    expect(client.facts).toMatchObject({ version: 1, server: 'slabring', nodeId: node.nodeId });
    expect(await client.ping()).toBe('PONG');
  });

  it.each([1, 2, 3])(
    'does what the embedded cache does, random calls with seed %i',
    async (seed) => {
      await open();
      const cache = openCache({ memory: '64mb' });
      cleanups.push(() => cache.close());
      const random = randomFrom(seed);
      for (let round = 0; round < 40; round++) {
        const calls = Array.from({ length: 1 + random(100) }, () => randomCall(random));
        // All of a round are called at once: they must run in order all the same.
        const ours = await Promise.all(
          calls.map(([method, ...args]) =>
            (client as never as Record<string, (...args: unknown[]) => Promise<unknown>>)[method]!(
              ...args,
            ).catch((error: unknown) => error),
          ),
        );
        calls.forEach(([method, ...args], i) => {
          let theirs: unknown;
          try {
            theirs = (cache as never as Record<string, (...args: unknown[]) => unknown>)[method]!(
              ...args,
            );
          } catch (error) {
            theirs = error;
          }
          const same = isDeepStrictEqual(normal(method, ours[i]), normal(method, theirs));
          if (!same)
            expect.fail(`round ${round}, ${method}: ${String(ours[i])} != ${String(theirs)}`);
        });
      }
    },
  );

  it('compares versions', async () => {
    await open();
    await client.set('key 1', { n: 1 });
    const seen = (await client.getVersioned<{ n: number }>('key 1'))!;
    expect(seen.value).toEqual({ n: 1 });
    expect(await client.set('key 1', { n: 2 }, { ifVersion: seen.version })).toBe(true);
    expect(await client.set('key 1', { n: 3 }, { ifVersion: seen.version })).toBe(false);
    expect(await client.get('key 1')).toEqual({ n: 2 });
    expect(await client.getVersioned('key 2')).toBeUndefined();
    await client.set('key 2', null);
    expect(await client.get('key 2')).toBeUndefined();
    expect((await client.getVersioned('key 2'))!.value).toBeNull();
  });

  it('lets entries expire', async () => {
    await open();
    await client.set('key 1', 1, { ttl: 30 });
    expect(await client.has('key 1')).toBe(true);
    const deadlineMs = Date.now() + 5_000;
    while (await client.has('key 1')) expect(Date.now()).toBeLessThan(deadlineMs);
    expect(await client.ttl('key 1')).toBeUndefined();
  });

  it('takes a hundred thousand commands of one turn', async () => {
    await open();
    const keys = Array.from({ length: 50_000 }, (_, i) => `bulk ${i}`);
    const stored = await Promise.all(keys.map((key, i) => client.set(key, i)));
    expect(stored.every((one) => one === true)).toBe(true);
    const values = await Promise.all(keys.map((key) => client.get(key)));
    expect(values.every((value, i) => value === i)).toBe(true);
    expect(await client.deleteMany(keys)).toBe(50_000);
  });

  it('moves long values both ways, many at once', async () => {
    await open();
    const keys = Array.from({ length: 100 }, (_, i) => `long ${i}`);
    const value = (i: number) => new Uint8Array(300_000 + i).fill(i);
    await client.setMany(keys.map((key, i) => [key, value(i)] as const));
    const back = await client.getMany<Uint8Array>(keys);
    expect(back.every((bytes, i) => Buffer.compare(bytes!, value(i)) === 0)).toBe(true);
    await client.deleteMany(keys);
  });

  it('refuses a value that is too long, and goes on', async () => {
    await open();
    const results = await Promise.all([
      client.set('key 1', 1),
      client.setBytes('key 2', new Uint8Array(1024 ** 2 + 1)).catch(code),
      client.setBytes('key 3', new Uint8Array(3 * 1024 ** 2)).catch(code),
      client.get('key 1'),
    ]);
    expect(results).toEqual([true, 'TOOLARGE', 'TOOLARGE', 1]);
    expect(client.state).toBe('ready');
  });

  it('serves the same over its Unix-domain socket', async () => {
    await open(node.urls[1]);
    expect(node.urls[1]).toMatch(/^ws\+unix:/);
    expect(await client.set('via unix', frontEnd)).toBe(true);
    await open(node.urls[0]);
    expect(await client.get('via unix')).toBe(frontEnd);
  });
});

describe('a node', () => {
  it('lets in who knows the token', async () => {
    const node = await startNode({ port: 0, memory: '64mb', threads: 1, token: 'secret' });
    cleanups.push(() => node.close());
    const url = node.urls[0]!;
    expect(await connect(url).catch(code)).toBe('NOAUTH');
    expect(await connect(url, { token: 'wrong' }).catch(code)).toBe('DENIED');
    const client = await connect(url, { token: 'secret' });
    expect(await client.set('a', 1)).toBe(true);
    await client.close();
  });

  it('that is full refuses writes one by one with the policy none', async () => {
    const node = await startNode({ port: 0, memory: '64mb', threads: 1, policy: 'none' });
    cleanups.push(() => node.close());
    const client = await connect(node.urls[0]!, { timeout: 20_000, bufferLimit: '256mb' });
    cleanups.push(() => client.close({ wait: false }));
    const value = new Uint8Array(100_000);
    const results = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => client.setBytes(`k${i}`, value).catch(code)),
    );
    expect(new Set(results)).toEqual(new Set([true, 'OOM']));
    expect(await client.has('k0')).toBe(true);
  });

  it('that stops and comes back is used again, and what waited is carried out', async () => {
    const first = await startNode({ port: 0, memory: '64mb', threads: 1, frontEnd: 'ws' });
    const client = await connect(first.urls[0]!, { reconnectDelay: 10, timeout: 20_000 });
    cleanups.push(() => client.close({ wait: false }));
    await client.set('a', 1);
    const lost = new Promise<Error>((resolve) => client.on('disconnect', resolve));
    await first.close();
    expect((await lost).message).toMatch(/1001.*shutting down/);
    const waiting = Promise.all([client.get('a'), client.set('a', 2), client.get('a')]);
    const second = await startNode({
      port: first.port,
      memory: '64mb',
      threads: 1,
      frontEnd: 'ws',
    });
    cleanups.push(() => second.close());
    expect(await waiting).toEqual([undefined, true, 2]);
  });
});
