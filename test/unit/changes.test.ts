/** `cache.changes()` and `cache.on()`: what they say of each write, and when they are on and off. */
import { once } from 'node:events';
import { type Cache, type CacheOptions, type Change, type Changes, openCache } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Mirror } from '../support/changes-mirror.js';
import { writeSomething } from '../support/changes-writes.mjs';
import { Random } from '../support/fuzz-random.mjs';
import { NOON } from '../support/kernel-memory.js';

let cache: Cache;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOON });
  cache = openCache({ memory: '8mb', partitions: 1 });
});

afterEach(() => {
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
  vi.useRealTimers();
});

function reopen(options: CacheOptions): Cache {
  cache.close();
  return openCache({ memory: '8mb', ...options });
}

/** Without what every change has. */
const told = (changes: Changes): object[] =>
  changes.read().map((change) => {
    const { partition: _, seq: __, ...rest } = change;
    return change.type === 'set' ? { ...rest, value: change.value } : rest;
  });

describe('namespaces', () => {
  it('are told with each change', () => {
    cache = reopen({ partitions: 4 });
    const [users, posts] = [cache.namespace('users'), cache.namespace('posts')];
    const changes = cache.changes();
    users.set('a', { n: 1 }, { ttl: 5 });
    users.expire('a', 7);
    users.setBytes(Buffer.of(0xff), Buffer.of(1));
    posts.set('a', 'x'.repeat(20_000));
    users.delete('a');
    const all = told(changes);
    const key = (name: string | Buffer) => ({ namespace: 'users', key: name });
    for (const expected of [
      { type: 'set', ...key('a'), value: { n: 1 }, expiresAt: NOON + 5 },
      { type: 'expire', ...key('a'), expiresAt: NOON + 7 },
      { type: 'set', ...key(Buffer.of(0xff)), value: Buffer.of(1), expiresAt: undefined },
      { type: 'delete', ...key('a'), reason: 'deleted' },
      // The log has no room for it: it is looked up where it is.
      {
        ...{ type: 'set', namespace: 'posts', key: 'a' },
        ...{ value: 'x'.repeat(20_000), expiresAt: undefined },
      },
    ]) {
      expect(all).toContainEqual(expected);
    }
    changes.close();
  });

  it('tell of a clear once, before all that came after it', () => {
    cache = reopen({ partitions: 4, arenas: 2, memory: '16mb' });
    const users = cache.namespace('users');
    const changes = cache.changes();
    const copy = new Map<unknown, unknown>();
    const apply = (change: Change): void => {
      if (change.type === 'set') copy.set(change.key, change.value);
      if (change.type === 'clear' && change.namespace === 'users') copy.clear();
    };
    for (let i = 0; i < 50; i++) users.set(`old ${i}`, i);
    users.clear();
    users.clear();
    for (let i = 0; i < 50; i++) users.set(`new ${i}`, i);
    const all = changes.read();
    for (const change of all) apply(change);
    // Whichever partition is read first: what was cleared is not told of after that.
    expect(copy).toEqual(new Map(users));
    const clears = all.filter(({ type }) => type === 'clear');
    expect(clears.length).toBeGreaterThan(0);
    expect(clears.length).toBeLessThan(3);
    // Old entries that are swept now are no news.
    users.clear();
    changes.read();
    for (let i = 0; i < 200; i++) cache.set(`fill ${i}`, i);
    expect(changes.read().some(({ type }) => type === 'delete')).toBe(false);
    changes.close();
  });

  it('tell of a clear that was lost, before they say so', () => {
    cache = reopen({ partitions: 1 });
    const users = cache.namespace('users');
    const changes = cache.changes({ bytes: 1 });
    users.clear();
    for (let i = 0; i < 5000; i++) cache.set(`key ${i % 10}`, 'x'.repeat(100));
    for (const wrong of [-1, 1.5, Number.NaN, 'x']) {
      expect(() => changes.read(wrong as number)).toThrow(/^max must be a whole number, not/);
    }
    const [first, second] = changes.read();
    expect(first).toMatchObject({ type: 'clear', namespace: 'users' });
    expect(second).toMatchObject({ type: 'overrun' });
    changes.close();
  });

  it('only where clears are wanted', () => {
    cache = reopen({ partitions: 1 });
    const users = cache.namespace('users');
    const changes = cache.changes({ types: ['set'] });
    users.set('a', 1);
    users.clear();
    users.set('a', 2);
    const all = changes.read();
    expect(all.map(({ type }) => type)).toEqual(['set', 'set']);
    expect(JSON.stringify(all[0])).toContain('"namespace":"users"');
    changes.close();
  });

  it('reach listeners', async () => {
    vi.useRealTimers();
    const users = cache.namespace('users');
    const cleared = new Promise<unknown>((resolve) => {
      cache.on('cleared', ({ namespace }) => resolve(namespace));
    });
    users.set('a', 1);
    users.clear();
    expect(await cleared).toBe('users');
  });

  it('have partitions', () => {
    const users = cache.namespace('users');
    const changes = cache.changes();
    users.set('a', 1);
    const [change] = changes.read();
    expect(changes.partitionOf('a', 'users')).toBe(change!.partition);
    changes.close();
  });
});

describe('each write', () => {
  const WRITES: [string, (cache: Cache) => unknown, object[]][] = [
    [
      'a new entry',
      () => cache.set('new', { a: [1] }),
      [{ type: 'set', key: 'new', value: { a: [1] }, expiresAt: undefined }],
    ],
    [
      'an entry overwritten where it stands',
      () => cache.set('old', 'owt', { ttl: 5 }),
      [{ type: 'set', key: 'old', value: 'owt', expiresAt: NOON + 5 }],
    ],
    [
      'an entry that moves',
      () => cache.set('old', 'x'.repeat(900)),
      [{ type: 'set', key: 'old', value: 'x'.repeat(900), expiresAt: undefined }],
    ],
    [
      'keepTtl',
      () => cache.set('timed', 2, { keepTtl: true }),
      [{ type: 'set', key: 'timed', value: 2, expiresAt: NOON + 1000 }],
    ],
    ['a condition that fails', () => cache.set('old', 2, { ifAbsent: true }), []],
    [
      'swap',
      () => cache.swap('old', null),
      [{ type: 'set', key: 'old', value: null, expiresAt: undefined }],
    ],
    [
      'bytes, and a key that is no text',
      () => cache.setBytes(Uint8Array.of(0xff, 1), Uint8Array.of(7)),
      [{ type: 'set', key: Buffer.of(0xff, 1), value: Buffer.of(7), expiresAt: undefined }],
    ],
    [
      'increment',
      () => [cache.increment('count', 3), cache.increment('timed')],
      [
        { type: 'set', key: 'count', value: 3, expiresAt: undefined },
        { type: 'set', key: 'timed', value: 2, expiresAt: NOON + 1000 },
      ],
    ],
    [
      'setMany',
      () => cache.setMany([['a', 1], ['b', 2]], { ttl: 7 }), // biome-ignore format: one line
      [
        { type: 'set', key: 'a', value: 1, expiresAt: NOON + 7 },
        { type: 'set', key: 'b', value: 2, expiresAt: NOON + 7 },
      ],
    ],
    [
      'delete, take, deleteMany',
      () => [cache.delete('old'), cache.take('timed'), cache.deleteMany(['chained', 'absent'])],
      ['old', 'timed', 'chained'].map((key) => ({ type: 'delete', key, reason: 'deleted' })),
    ],
    [
      'delete of a long key',
      () => cache.delete('l'.repeat(9000)),
      [{ type: 'delete', key: 'l'.repeat(9000), reason: 'deleted' }],
    ],
    [
      'expire and persist',
      () => [cache.expire('old', 9), cache.persist('old'), cache.persist('old')],
      [
        { type: 'expire', key: 'old', expiresAt: NOON + 9 },
        { type: 'expire', key: 'old', expiresAt: undefined },
      ],
    ],
    ['expire of what is absent', () => cache.expire('absent', 9), []],
    ['clear', () => cache.clear(), [{ type: 'clear' }]],
    [
      'reading',
      () => [cache.get('old'), cache.getVersioned('old'), cache.touch('old'), cache.has('old')],
      [],
    ],
    [
      'an entry found expired by a reader',
      () => [vi.setSystemTime(NOON + 1000), cache.get('timed')],
      [{ type: 'delete', key: 'timed', reason: 'expired' }],
    ],
    [
      'an expired entry overwritten',
      () => [vi.setSystemTime(NOON + 1000), cache.set('timed', 1)],
      [
        { type: 'delete', key: 'timed', reason: 'expired' },
        { type: 'set', key: 'timed', value: 1, expiresAt: undefined },
      ],
    ],
    [
      'a field that has expired, found by a writer that then changes nothing',
      () => [vi.setSystemTime(NOON + 1000), cache.hash('fields').delete('absent')],
      [{ type: 'set', key: 'fields', value: undefined, expiresAt: NOON + 9000 }],
    ],
    [
      'a field that has expired, as readers see it',
      () => [vi.setSystemTime(NOON + 1000), cache.hash('fields').size()],
      [],
    ],
    [
      'an expiry for a field',
      () => cache.hash('fields').expire('stays', 50),
      [{ type: 'set', key: 'fields', value: undefined, expiresAt: NOON + 9000 }],
    ],
    [
      'the last field, which expires',
      () => [
        cache.hash('fields').delete('stays'),
        vi.setSystemTime(NOON + 1000),
        cache.hash('fields').set('new', 1),
      ],
      [
        { type: 'set', key: 'fields', value: undefined, expiresAt: NOON + 9000 },
        { type: 'delete', key: 'fields', reason: 'expired' },
        { type: 'set', key: 'fields', value: undefined, expiresAt: undefined },
      ],
    ],
    [
      'a value that takes a chain of chunks',
      () => cache.set('chained', 'c'.repeat(12_000)),
      [{ type: 'set', key: 'chained', value: 'c'.repeat(12_000), expiresAt: undefined }],
    ],
  ];

  it.each(WRITES)('%s', (_, write, changed) => {
    cache.set('old', 'old');
    cache.set('timed', 1, { ttl: 1000 });
    cache.hash('fields').setMany({ soon: 1, next: 2 }, { ttl: 1000 });
    cache.hash('fields').set('stays', 1);
    cache.expire('fields', 9000);
    cache.set('chained', 'c'.repeat(10_000));
    cache.set('l'.repeat(9000), 1);
    const changes = cache.changes();
    write(cache);
    expect(told(changes)).toEqual(changed);
    expect(changes.read()).toEqual([]);
  });

  it('evicting', () => {
    cache.close();
    cache = openCache({ maxEntries: 2, partitions: 1, policy: 'clock' });
    const changes = cache.changes({ types: ['delete'] });
    for (const key of ['a', 'b', 'c']) cache.set(key, 1);
    expect(told(changes)).toEqual([{ type: 'delete', key: 'a', reason: 'evicted' }]);
  });
});

describe('values', () => {
  const TOO_LONG = 'v'.repeat(20_000);

  it('that the log has no room for are the present ones, when they are asked for', () => {
    const changes = cache.changes();
    const { hits } = cache.stats();
    cache.set('a', TOO_LONG);
    cache.set('b', TOO_LONG);
    const [a, b] = changes.read() as [Change & { value: unknown }, Change & { value: unknown }];
    cache.set('a', 'now');
    cache.delete('b');
    expect([a.value, b.value]).toEqual(['now', undefined]);
    cache.set('a', 'later');
    expect(a.value).toBe('now');
    expect(cache.stats().hits).toBe(hits);
  });

  it('are left out with values: false', () => {
    const changes = cache.changes({ values: false });
    cache.set('a', 1);
    expect(told(changes)).toMatchObject([{ type: 'set', key: 'a', value: undefined }]);
  });

  it('are shown by JSON.stringify', () => {
    const changes = cache.changes();
    cache.set('a', [1]);
    expect(JSON.stringify(changes.read())).toMatch(/"key":"a","value":\[1\]/);
  });
});

describe('numbers', () => {
  it('are contiguous in a partition, whatever types are wanted', () => {
    const all = cache.changes();
    const some = cache.changes({ types: ['delete'] });
    for (let i = 0; i < 100; i++) cache.set(`key ${i}`, i);
    cache.delete('key 7');
    expect(all.read().map(({ seq }) => seq)).toEqual(Array.from({ length: 101 }, (_, i) => i + 1));
    expect(some.read()).toMatchObject([{ seq: 101, type: 'delete' }]);
  });

  it('do not come again when the log was off', () => {
    cache.set('a', 1);
    const before = cache.changes();
    cache.set('a', 2);
    expect(before.read()).toMatchObject([{ seq: 1 }]);
    before.close();
    cache.set('a', 3);
    const after = cache.changes();
    cache.set('a', 4);
    expect(after.read()).toMatchObject([{ seq: 3, value: 4 }]);
  });

  it('name partitions, as partitionOf does', () => {
    cache.close();
    cache = openCache({ memory: '16mb', partitions: 8 });
    const changes = cache.changes();
    for (let i = 0; i < 50; i++) cache.set(`key ${i}`, i);
    const seen = changes.read() as (Change & { key: string })[];
    expect(seen.length).toBe(50);
    for (const { key, partition } of seen) expect(changes.partitionOf(key)).toBe(partition);
    expect(new Set(seen.map(({ partition }) => partition)).size).toBe(8);
  });
});

describe('a reader that is too slow', () => {
  it('is told which changes it lost, and goes on from the present', () => {
    const changes = cache.changes({ bytes: 65_536 });
    for (let i = 1; i <= 10_000; i++) cache.set('key', i);
    expect(changes.read()).toEqual([{ type: 'overrun', partition: 0, seq: 1, lastSeq: 10_000 }]);
    cache.set('key', 'next');
    expect(changes.read()).toMatchObject([{ type: 'set', seq: 10_001, value: 'next' }]);
  });

  it('loses nothing of the last three quarters of the log', () => {
    // 16 records to a granule, four granules. The position is at the end of the first one, which is
    // then written over: its number is that of the first record of the second one.
    for (let more = 48; more <= 64; more++) {
      using other = openCache({ memory: '8mb', partitions: 1 });
      using changes = other.changes({ bytes: 65_536 });
      const write = (count: number) => {
        for (let i = 0; i < count; i++) other.set(`key ${i % 10}`, `${i % 10}`.repeat(1000));
      };
      write(16);
      expect(changes.read()).toHaveLength(16);
      write(more);
      const seen = changes.read();
      expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: more }, (_, i) => 17 + i));
      expect(seen.map(({ type }) => type)).toEqual(Array(more).fill('set'));
      expect(changes.read()).toEqual([]);
    }
  });

  it('is told also by types that it did not ask for', () => {
    const changes = cache.changes({ bytes: 65_536, types: ['clear'] });
    for (let i = 1; i <= 10_000; i++) cache.set('key', i);
    expect(changes.read()).toMatchObject([{ type: 'overrun' }]);
  });

  it('so is one when a key is too long for the log', () => {
    const changes = cache.changes();
    cache.set('a', 1);
    cache.set('k'.repeat(20_000), 1);
    cache.delete('k'.repeat(20_000));
    cache.set('b', 1);
    expect(changes.read()).toMatchObject([{ type: 'overrun', seq: 1, lastSeq: 4 }]);
    cache.set('c', 1);
    expect(changes.read()).toMatchObject([{ type: 'set', seq: 5, key: 'c' }]);
  });

  it('is not told of it by another one', () => {
    const slow = cache.changes();
    const quick = cache.changes();
    for (let i = 1; i <= 10_000; i++) {
      cache.set('key', i);
      if (i % 100 === 0) expect(quick.read()).toHaveLength(100);
    }
    expect(slow.read()).toMatchObject([{ type: 'overrun' }]);
    expect(quick.read()).toEqual([]);
  });
});

describe('memory', () => {
  it('is taken for the first reader, counted, and given back with the last', () => {
    const before = cache.stats();
    const first = cache.changes({ bytes: '256kb' });
    const second = cache.changes({ bytes: '2mb' });
    const during = cache.stats();
    expect(during.logPages).toBe(4);
    expect(during.usedBytes - before.usedBytes).toBe(256 * 1024);
    expect(before.freePages - during.freePages).toBe(4);
    first.close();
    first.close();
    expect(cache.stats().logPages).toBe(4);
    second.close();
    expect(cache.stats()).toEqual(before);
  });

  it('is evicted for when there is none left', () => {
    let i = 0;
    while (cache.stats().evictions === 0) cache.set(`key ${i++}`, 'x'.repeat(1000));
    const changes = cache.changes({ bytes: '2mb' });
    expect(cache.stats().logPages).toBe(32);
    cache.set('more', 1);
    expect(changes.read().at(-1)).toMatchObject({ type: 'set', key: 'more' });
  });

  it('that cannot be had is an error', () => {
    cache.close();
    cache = openCache({ memory: '1mb', partitions: 1, policy: 'none' });
    expect(() => {
      for (let i = 0; ; i++) cache.set(`key ${i}`, 'x'.repeat(1000));
    }).toThrow(/no memory/);
    expect(() => cache.changes({ bytes: '256kb' })).toThrow(/no memory/);
    expect(cache.stats().logPages).toBe(0);
  });
});

describe('waiting', () => {
  it('comes to the next change', async () => {
    const changes = cache.changes();
    const next = changes.next();
    cache.set('a', 1);
    expect((await next).value).toMatchObject({ type: 'set', key: 'a' });
  });

  it('ends when the changes are closed, the loop is left, or the cache is closed', async () => {
    const first = cache.changes();
    const waiting = first.next();
    first.close();
    expect(await waiting).toEqual({ value: undefined, done: true });
    const second = cache.changes();
    cache.set('a', 1);
    for await (const _ of second) break;
    expect(second.closed).toBe(true);
    const third = cache.changes();
    const last = third.next();
    cache.close();
    expect(await last).toEqual({ value: undefined, done: true });
    expect(third.read()).toEqual([]);
    expect(() => third.partitionOf('a')).toThrow(/closed/);
    cache = openCache();
  });

  it('lets the rest of the program run while there is always more', async () => {
    const changes = cache.changes();
    let turns = 0;
    const turn = () => {
      turns++;
      immediate = setImmediate(turn);
    };
    let immediate = setImmediate(turn);
    let seen = 0;
    cache.set('a', 0);
    for await (const _ of changes) {
      cache.set('a', seen);
      if (++seen === 10_000) break;
    }
    clearImmediate(immediate);
    expect(turns).toBeGreaterThanOrEqual(8);
  });

  it('is over when the changes are disposed', async () => {
    const changes = cache.changes();
    {
      using _ = changes;
    }
    expect(changes.closed).toBe(true);
    await using other = cache.changes();
    expect(other.closed).toBe(false);
  });
});

describe('options', () => {
  const WRONG: [object, string][] = [
    [{ size: 1 }, "changes has no option 'size'"],
    [{ bytes: 0 }, 'bytes must be from 1 to a quarter of memory, 2097152, not 0'],
    [{ bytes: '3mb' }, 'bytes must be from 1 to a quarter of memory'],
    [
      { types: ['evict'] },
      "types must be an array of set, delete, expire, clear, overrun, not 'ev",
    ],
    [{ types: 'set' }, 'types must be an array'],
    [{ values: 1 }, 'values must be true or false, not 1'],
    [{ keepAlive: null }, 'keepAlive must be true or false'],
  ];
  it.each(WRONG)('%j is refused', (options, message) => {
    expect(() => cache.changes(options)).toThrow(message);
    expect(cache.stats().logPages).toBe(0);
  });
});

describe('on', () => {
  it('calls listeners of each event, and has the log on for as long as there is one', async () => {
    cache.close();
    cache = openCache({ maxEntries: 2, partitions: 1, policy: 'clock' });
    const events: string[] = [];
    const names = ['set', 'deleted', 'expired', 'evicted', 'cleared'] as const;
    const stops = names.map((name) => {
      return cache.on(name, (change) =>
        events.push(`${name} ${'key' in change ? change.key : ''}`),
      );
    });
    const cleared = new Promise<void>((resolve) =>
      stops.push(cache.on('cleared', () => resolve())),
    );
    for (const key of ['a', 'b', 'c']) cache.set(key, 1);
    cache.delete('c');
    cache.expire('b', 1);
    vi.setSystemTime(NOON + 1);
    cache.get('b');
    cache.clear();
    await cleared;
    expect(events).toEqual(
      ['set a', 'set b', 'evicted a', 'set c', 'deleted c', 'expired b', 'cleared '],
    ); // biome-ignore format: one line
    for (const stop of stops) stop();
    expect(cache.stats().logPages).toBe(0);
    const again = new Promise((resolve) => cache.on('set', resolve));
    cache.set('again', 1);
    expect(await again).toMatchObject({ key: 'again' });
  });

  it('throws what a listener throws where nobody catches it, and calls the others', async () => {
    const faults: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => faults.push(error));
    const fault = new Error('of the listener');
    cache.on('set', () => {
      throw fault;
    });
    const thrown = once(process, 'uncaughtException');
    const seen = new Promise((resolve) => cache.on('set', resolve));
    cache.set('a', 1);
    await Promise.all([seen, thrown]);
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
    expect(faults).toEqual([fault]);
    cache.set('b', 2);
  });

  it('refuses names that are no event', () => {
    expect(() => cache.on('evict' as 'evicted', () => {})).toThrow(
      "there is no event 'evict'; there are set, deleted, expired, evicted, cleared, overrun",
    );
    expect(() => cache.on('set', 1 as never)).toThrow('a listener is a function, not 1');
  });
});

describe('a mirror made of changes alone', () => {
  const PLANS = [
    { name: 'ample', options: { memory: '16mb' }, bytes: undefined },
    { name: 'evicting', options: { memory: '1mb', partitions: 1 }, bytes: undefined },
    { name: 'few', options: { maxEntries: 100, partitions: 2 }, bytes: undefined },
    { name: 'slow', options: { memory: '8mb', partitions: 1 }, bytes: 65_536 },
  ] as const;
  it.each(PLANS)('equals the cache: $name', ({ options, bytes }) => {
    for (const seed of [1, 2, 3]) {
      cache.close();
      cache = openCache(options);
      const random = new Random(seed);
      for (let i = 0; i < 500; i++) writeSomething(cache, random, 600);
      const mirror = new Mirror(cache, cache.changes(bytes ? { bytes } : {}));
      for (let i = 0; i < 6000; i++) {
        writeSomething(cache, random, 600);
        if (random.chance(0.1)) vi.setSystemTime(Date.now() + 1);
        if (!bytes && i % 2 === 0) mirror.catchUp();
        if (i % 1000 === 0) expect(cache.checkIntegrity()).toBeUndefined();
      }
      mirror.catchUp();
      expect(mirror.difference(), `seed ${seed}`).toBeUndefined();
      if (bytes) expect(mirror.counts.overrun).toBeGreaterThan(0);
      else expect(mirror.counts.overrun).toBe(0);
    }
  });
});

it('commands that fail, or change nothing, are no changes', () => {
  cache.hash('hash').set('field', 'text');
  const changes = cache.changes();
  const { replies } = cache.atomic([
    ['HINCRBYFLOAT', 'none', 'field', Number.POSITIVE_INFINITY],
    ['HINCRBYFLOAT', 'hash', 'field', 1.5],
    ['HSETEX', 'none', 5, 2, 'field', 1],
    ['HEXPIRE', 'hash', 5, 2, 'field'],
    ['HGETEX', 'hash', 0, 'field'],
    ['ZADD', 'none', 2, 1, 'member'],
  ]) as { replies: unknown[] };
  expect(replies.slice(0, 2)).toMatchObject([{ code: 'OVERFLOW' }, { code: 'WRONGTYPE' }]);
  expect(replies.slice(2)).toEqual([false, [0], ['text'], 0]);
  expect(told(changes)).toEqual([]);
  changes.close();
});
