/** Leases: one holder at a time, fences that only grow, and what is no lease. */
import { type Cache, openCache, type SlabringError } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bench } from '../support/kernel-memory.js';
import { command, error, integer, integerOf, NIL, str, type Wire } from '../support/kernel-wire.js';

const NOON = Date.UTC(2030, 0, 1, 12);

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The code that a call is refused with. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (cause) {
    return (cause as SlabringError).code;
  }
}

const open = (options = {}): Cache => openCache({ memory: '8mb', partitions: 2, ...options });

describe.each([
  ['a cache', {}, false],
  ['a namespace', {}, true],
  ['a cache of two arenas', { memory: '16mb', arenas: 2 }, false],
] as const)('a lease of %s', (_, options, isSpace) => {
  const start = () => {
    const cache = open(options);
    return { cache, leases: isSpace ? cache.namespace('leases') : cache };
  };

  it('has one holder, until he releases it', () => {
    const { cache, leases } = start();
    const fence = leases.acquireLease('job', 'a', '1s');
    expect(fence).toBeGreaterThan(0);
    expect(leases.acquireLease('job', 'b', '1s')).toBeUndefined();
    expect(leases.releaseLease('job', 'b')).toBe(false);
    expect(leases.extendLease('job', 'b', '1s')).toBe(false);
    expect(leases.get('job')).toEqual(['a', fence]);
    expect(leases.releaseLease('job', 'a')).toBe(true);
    expect(leases.releaseLease('job', 'a')).toBe(false);
    expect(leases.has('job')).toBe(false);
    expect(leases.acquireLease('job', 'b', '1s')).toBeGreaterThan(fence!);
    expect(cache.checkIntegrity()).toBeUndefined();
  });

  it('is a value of its form, whoever wrote it', () => {
    const { leases } = start();
    leases.set('job', ['a', 15n << 60n]);
    expect(leases.acquireLease('job', 'b', '1s')).toBeUndefined();
    expect(leases.releaseLease('job', 'a')).toBe(true);
    leases.set('job', ['a', 15n << 60n, 'b']);
    expect(codeOf(() => leases.releaseLease('job', 'a'))).toBe('WRONGTYPE');
  });

  it('ends by itself', () => {
    const { leases } = start();
    leases.acquireLease('job', 'a', 1000);
    vi.setSystemTime(NOON + 999);
    expect(leases.acquireLease('job', 'b', 1000)).toBeUndefined();
    vi.setSystemTime(NOON + 1000);
    expect(leases.extendLease('job', 'a', 1000)).toBe(false);
    expect(leases.acquireLease('job', 'b', 1000)).toBeGreaterThan(0);
    expect(leases.releaseLease('job', 'a')).toBe(false);
    expect(leases.get<unknown[]>('job')![0]).toBe('b');
  });

  it('is its owner’s anew with a new fence, and lasts from then on', () => {
    const { leases } = start();
    const first = leases.acquireLease('job', 'a', 60_000)!;
    vi.setSystemTime(NOON + 500);
    const second = leases.acquireLease('job', 'a', 1000)!;
    expect(second).toBeGreaterThan(first);
    expect(leases.ttl('job')).toBe(1000);
    // It was taken twice, and is given up once.
    expect(leases.releaseLease('job', 'a')).toBe(true);
    expect(leases.acquireLease('job', 'b', 1000)).toBeGreaterThan(second);
  });

  it('is extended from now on, and keeps its fence', () => {
    const { leases } = start();
    const fence = leases.acquireLease('job', 'a', 1000);
    vi.setSystemTime(NOON + 700);
    expect(leases.extendLease('job', 'a', 500)).toBe(true);
    expect(leases.ttl('job')).toBe(500);
    expect(leases.get('job')).toEqual(['a', fence]);
    expect(leases.extendLease('job', 'a', 5)).toBe(true);
    expect(leases.ttl('job')).toBe(5);
    // Somebody has made it last for ever: an extension ends that.
    leases.persist('job');
    expect(leases.extendLease('job', 'a', 70)).toBe(true);
    expect(leases.ttl('job')).toBe(70);
  });

  it('has larger fences after whatever became of the last one', () => {
    const { cache, leases } = start();
    let last = 0;
    const ends: (() => void)[] = [
      () => leases.releaseLease('job', 'a'),
      () => vi.setSystemTime(Date.now() + 5000),
      () => leases.delete('job'),
      () => leases.clear(),
      () => cache.clear(),
      () => {
        leases.set('job', 'something else');
        leases.delete('job');
      },
    ];
    for (const end of ends) {
      const fence = leases.acquireLease('job', 'a', 1000)!;
      expect(fence).toBeGreaterThan(last);
      last = fence;
      end();
    }
    expect(leases.acquireLease('job', 'b', 1000)).toBeGreaterThan(last);
    // A cache that is made later.
    vi.setSystemTime(Date.now() + 1000);
    expect(open().acquireLease('job', 'a', 1000)).toBeGreaterThan(last);
  });

  it('has an owner of any bytes, and text is its bytes', () => {
    const { leases } = start();
    const owners = ['x'.repeat(31), 'x'.repeat(32), 'x'.repeat(128), 'ä'.repeat(64), '\0'];
    const all = [...owners, ...owners.map((owner) => Buffer.from(owner)), Buffer.of(0xff, 0xfe)];
    for (const owner of all) {
      const fence = leases.acquireLease('job', owner, 1000);
      expect(leases.get('job')).toEqual([owner, fence]);
      const bytes = typeof owner === 'string' ? Buffer.from(owner) : owner;
      const other = Buffer.from(bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)));
      expect(leases.acquireLease('job', other, 9)).toBeUndefined();
      expect(leases.extendLease('job', bytes, 1000)).toBe(true);
      expect(leases.releaseLease('job', bytes)).toBe(true);
    }
  });

  it('has a key of any length', () => {
    const { cache, leases } = start();
    const lengths = [1, 300, 2048, 2049, 8150, 8180, 65_531];
    for (const key of lengths.map((length) => 'k'.repeat(length))) {
      const fence = leases.acquireLease(key, 'a', 1000)!;
      expect(leases.acquireLease(key, 'b', 1000)).toBeUndefined();
      expect(leases.acquireLease(key, 'a', 1000)).toBeGreaterThan(fence);
      expect(leases.extendLease(key, 'a', 1000)).toBe(true);
      expect(cache.checkIntegrity()).toBeUndefined();
      expect(leases.releaseLease(key, 'a')).toBe(true);
    }
  });

  it('is not taken for one where it is none', () => {
    const { leases } = start();
    const values = [1, 'text', ['a'], ['a', 5], ['a', 5, 5], [5, 2 ** 60], ['', 2 ** 60], {}];
    const longOwner = ['x'.repeat(129), 2 ** 60];
    const lists = [[['a'], 2 ** 60], 'x'.repeat(20_000), longOwner, Buffer.alloc(12, 0x92)];
    for (const value of [...values, ...lists]) {
      leases.set('job', value);
      const calls = [
        () => leases.acquireLease('job', 'a', 1000),
        () => leases.releaseLease('job', 'a'),
        () => leases.extendLease('job', 'a', 1000),
      ];
      expect(calls.map(codeOf)).toEqual(['WRONGTYPE', 'WRONGTYPE', 'WRONGTYPE']);
      expect(leases.get('job')).toEqual(value);
      expect(leases.ttl('job')).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it('is refused for wrong arguments, which change nothing', () => {
    const { leases } = start();
    const acquire = (owner: unknown, ttl: unknown) =>
      codeOf(() => leases.acquireLease('job', owner as string, ttl as number));
    const owners = ['', 'x'.repeat(129), 'ä'.repeat(65), Buffer.alloc(129), 5, undefined, null, {}];
    for (const owner of owners) {
      expect(acquire(owner, 1000)).toBe('OPTION');
      expect(codeOf(() => leases.releaseLease('job', owner as string))).toBe('OPTION');
      expect(codeOf(() => leases.extendLease('job', owner as string, 5))).toBe('OPTION');
    }
    const times = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 63, '0s', 'soon', undefined];
    for (const ttl of times) {
      expect(acquire('a', ttl)).toBe('OPTION');
      expect(codeOf(() => leases.extendLease('job', 'a', ttl as number))).toBe('OPTION');
    }
    expect(codeOf(() => leases.acquireLease('', 'a', 5))).toBe('OPTION');
    expect(leases.size).toBe(0);
  });
});

describe('on the wire', () => {
  const KEY = str('job');
  const OWNER_ERROR = error('SYNTAX the owner of a lease is a str or bin of 1 to 128 bytes');
  const TTL_ERROR = error(
    'SYNTAX a lease has a TTL of 1 to 3153600000000 milliseconds (100 years)',
  );
  const one = (bench: Bench, ...parts: Parameters<typeof command>): Wire =>
    bench.run(command(...parts))[0]!;

  it('owners and times that are none are refused', () => {
    const bench = new Bench();
    for (const owner of [NIL, integer(5), str(''), str('x'.repeat(129)), str('x'.repeat(70_000))]) {
      expect(one(bench, 'LOCK', KEY, owner, integer(5))).toEqual(OWNER_ERROR);
      expect(one(bench, 'UNLOCK', KEY, owner)).toEqual(OWNER_ERROR);
      expect(one(bench, 'EXTEND', KEY, owner, integer(5))).toEqual(OWNER_ERROR);
    }
    const times = [NIL, integer(0), integer(-1), integer(2n ** 63n), integer(-(2n ** 63n))];
    for (const ttl of [
      ...times,
      integer(3_153_600_000_001),
      str('5'),
      Buffer.of(0xca, 1, 2, 3, 4),
    ]) {
      expect(one(bench, 'LOCK', KEY, str('a'), ttl)).toEqual(TTL_ERROR);
      expect(one(bench, 'EXTEND', KEY, str('a'), ttl)).toEqual(TTL_ERROR);
    }
    for (const args of [[], [KEY], [KEY, str('a')], [KEY, str('a'), integer(5), NIL]]) {
      expect(one(bench, 'LOCK', ...args).toString('latin1', 3)).toMatch(/^SYNTAX wrong number/);
    }
    expect(bench.arena.stats().entries).toBe(0);
  });

  it('a lease counts as a write, is marked, and is not read as one', () => {
    const bench = new Bench();
    const fence = integerOf(one(bench, 'LOCK', KEY, str('a'), integer(1000)));
    expect(one(bench, 'LOCK', KEY, str('b'), integer(1000))).toEqual(NIL);
    expect(integerOf(one(bench, 'LOCK', KEY, str('a'), integer(1000)))).toBeGreaterThan(fence);
    one(bench, 'UNLOCK', KEY, str('a'));
    expect(bench.arena.stats()).toMatchObject({ sets: 2, deletes: 1, hits: 0, misses: 0 });
  });

  it('a full cache that evicts nothing has no room for one more', () => {
    const cache = openCache({ memory: '8mb', partitions: 1, policy: 'none', maxEntries: 2 });
    cache.acquireLease('a', 'me', 1000);
    cache.acquireLease('b', 'me', 1000);
    expect(codeOf(() => cache.acquireLease('c', 'me', 1000))).toBe('OOM');
    expect(cache.acquireLease('b', 'me', 1000)).toBeGreaterThan(0);
  });
});

it('the change log and decoded values see what becomes of a lease', () => {
  using cache = openCache({ memory: '8mb', partitions: 1, decoded: true });
  const changes = cache.changes();
  const fence = cache.acquireLease('job', 'a', 1000);
  expect(cache.get('job')).toEqual(['a', fence]);
  const next = cache.acquireLease('job', 'a', 1000);
  expect(cache.get('job')).toEqual(['a', next]);
  cache.extendLease('job', 'a', 500);
  vi.setSystemTime(NOON + 700);
  expect(cache.get('job')).toBeUndefined();
  cache.acquireLease('job', 'a', 1000);
  cache.releaseLease('job', 'a');
  expect(cache.get('job')).toBeUndefined();
  const read = changes.read().map((change) => [change.type, 'key' in change ? change.key : '']);
  expect(read).toEqual([
    ['set', 'job'],
    ['set', 'job'],
    ['expire', 'job'],
    ['delete', 'job'],
    ['set', 'job'],
    ['delete', 'job'],
  ]);
});
