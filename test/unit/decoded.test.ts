/** Decoded values: kept while nobody writes the key, by whichever way, and never longer. */
import { attachCache, type Cache, type CacheOptions, openCache, SlabringError } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Arena, POLICIES } from '#engine/arena.js';
import { packValue, writeValue } from '#engine/codec.js';
import { DecodedValues } from '#engine/decoded.js';
import { Desk } from '#engine/desk.js';
import { writeKey } from '#engine/keys.js';
import { NO_OS_THREAD } from '#engine/liveness.js';
import { PARTITIONS } from '../support/kernel-memory.js';

const MADE = { id: 1, name: 'Ada', tags: ['a', { deep: true }] };

let cache: Cache;
/** The same cache, opened once more: what it writes, another thread could have written. */
let other: Cache;

function open(options: CacheOptions = {}): void {
  cache = openCache({ memory: '8mb', decoded: true, ...options });
  other = attachCache(cache.share(), { decoded: false });
}

function close(): void {
  expect(cache.checkIntegrity()).toBeUndefined();
  other.close();
  cache.close();
}

beforeEach(() => open());

afterEach(() => {
  vi.useRealTimers();
  close();
});

/** How many calls of the kernel's reading there are, which is what a kept value saves. */
const hitsOf = (): number => cache.stats().hits;

describe('a value that was read', () => {
  it.each([
    [{ ...MADE }],
    [[1, 2, [3]]],
    ['a text that is long enough to be worth something'],
    [42],
    [null],
  ])('is handed out again: %j', (value) => {
    cache.set('key', value);
    const first = cache.get('key');
    expect(first).toEqual(value);
    expect(cache.get('key')).toBe(first);
    expect(hitsOf()).toBe(2);
  });

  it('stays when its neighbours are written', () => {
    cache.set('key', MADE);
    const kept: unknown[] = [];
    for (let i = 0; i < 500; i++) cache.set(`kept ${i}`, { i });
    for (let i = 0; i < 500; i++) kept.push(cache.get(`kept ${i}`));
    for (let i = 0; i < 100; i++) other.set(`new ${i}`, i);
    const still = kept.filter((value, i) => cache.get(`kept ${i}`) === value).length;
    // 8,192 stamps: about one in eighty keys shares its own with one of those.
    expect(still).toBeGreaterThan(470);
  });

  it('stays when its entry is given a version, which moves it', () => {
    other.set('key', MADE);
    const kept = cache.get('key');
    expect(other.getVersioned('key')?.value).toEqual(MADE);
    expect(cache.get('key')).toBe(kept);
  });

  it('is read anew by peek, getMany, getVersioned, values, and a key of bytes', () => {
    cache.set('key', MADE);
    const kept = cache.get('key');
    const key = Buffer.from('key');
    const copies = [cache.peek('key'), cache.getMany(['key'])[0], cache.get(key)];
    copies.push(cache.getVersioned('key')?.value, [...cache.values()][0]);
    for (const copy of copies) {
      expect(copy).toEqual(MADE);
      expect(copy).not.toBe(kept);
      expect(Object.isFrozen(copy)).toBe(false);
    }
  });
});

describe('a write by anybody', () => {
  const WRITES: [string, (writer: Cache) => unknown, unknown][] = [
    [
      'set of the same length',
      (writer) => writer.set('key', { ...MADE, id: 2 }),
      { ...MADE, id: 2 },
    ],
    ['set of another length', (writer) => writer.set('key', 'x'.repeat(5000)), 'x'.repeat(5000)],
    ['setBytes', (writer) => writer.setBytes('key', Buffer.from('b')), Buffer.from('b')],
    ['setMany', (writer) => writer.setMany([['key', [5]]]), [5]],
    ['swap', (writer) => writer.swap('key', [6]), [6]],
    ['delete', (writer) => writer.delete('key'), undefined],
    ['deleteMany', (writer) => writer.deleteMany(['key']), undefined],
    ['take', (writer) => writer.take('key'), undefined],
    ['clear', (writer) => writer.clear(), undefined],
    [
      'delete and set again',
      (writer) => {
        writer.delete('key');
        writer.set('key', { ...MADE, id: 3 });
      },
      { ...MADE, id: 3 },
    ],
  ];

  describe.each([
    ['another thread', () => other],
    ['this thread', () => cache],
  ])('on %s', (_, writer) => {
    it.each(WRITES)('%s: the next get has it', (__, write, expected) => {
      cache.set('key', MADE);
      expect(cache.get('key')).toEqual(MADE);
      expect(cache.get('key')).toEqual(MADE);
      write(writer());
      expect(cache.get('key')).toEqual(expected);
      expect(cache.get('key')).toEqual(expected);
    });

    it('increment: the next get has it', () => {
      cache.set('count', 1);
      for (let i = 1; i < 5; i++) {
        expect(cache.get('count')).toBe(i);
        writer().increment('count');
      }
    });

    it('expire: the value ends when it says', () => {
      vi.useFakeTimers();
      cache.set('key', MADE);
      const kept = cache.get('key');
      expect(cache.get('key')).toBe(kept);
      writer().expire('key', 100);
      vi.advanceTimersByTime(100);
      expect(cache.get('key')).toBeUndefined();
    });

    it('expire, persist and keepTtl: the value ends when they say', () => {
      vi.useFakeTimers();
      cache.set('key', MADE);
      const kept = cache.get('key');
      writer().expire('key', 100);
      vi.advanceTimersByTime(99);
      expect(cache.get('key')).toEqual(kept);
      expect(cache.get('key')).toEqual(kept);
      writer().expire('key', 50);
      vi.advanceTimersByTime(49);
      expect(cache.get('key')).toEqual(kept);
      writer().persist('key');
      vi.advanceTimersByTime(1000);
      expect(cache.get('key')).toEqual(kept);
      writer().expire('key', 10);
      expect(cache.get('key')).toEqual(kept);
      writer().set('key', [1], { keepTtl: true });
      expect(cache.get('key')).toEqual([1]);
      vi.advanceTimersByTime(10);
      expect(cache.get('key')).toBeUndefined();
    });
  });

  it('that died half way: it is read anew', () => {
    const options = { memoryBytes: 2 ** 20, policy: 'none', maxValueBytes: 1024 } as const;
    const arena = Arena.create({ ...options, maxThreads: 2, partitions: 1, stamps: true });
    const desk = new Desk(arena);
    const { kernel, slot, keys } = desk;
    const decoded = new DecodedValues({ entries: 10, freeze: true }, () => desk, undefined);
    const end = writeValue(MADE, packValue(MADE), keys.bytes, writeKey('key', keys), 1024);
    kernel.setDirect(slot, 3, end - 3, 0, 0, 0, Date.now());
    const kept = decoded.get('key');
    expect(decoded.get('key')).toBe(kept);
    // A thread that held the lock of the only partition is gone.
    const dead = Arena.attach(arena.handle);
    const word = new BigInt64Array(arena.bytes.buffer, PARTITIONS, 1);
    word[0]! |= BigInt(dead.slot + 1);
    dead.block[0] = NO_OS_THREAD - 1;
    expect(arena.reapThreads()).toBe(1);
    expect(decoded.get('key')).toEqual(MADE);
    expect(decoded.get('key')).not.toBe(kept);
    arena.close();
  });

  it('evicts it: it is gone', () => {
    close();
    open({ maxEntries: 50, partitions: 1, policy: 'clock' });
    for (let i = 0; i < 50; i++) cache.set(`key ${i}`, { i });
    for (let i = 0; i < 50; i++) cache.get(`key ${i}`);
    for (let i = 0; i < 500; i++) other.set(`new ${i}`, i);
    for (let i = 0; i < 50; i++) {
      const present = other.has(`key ${i}`);
      expect(cache.get(`key ${i}`)).toEqual(present ? { i } : undefined);
    }
    expect(cache.stats().evictions).toBeGreaterThan(400);
  });
});

describe('use', () => {
  it.each(POLICIES.filter((policy) => policy !== 'none'))(
    'counts for eviction with %s: what is hit here is not evicted',
    (policy) => {
      close();
      open({ maxEntries: 200, partitions: 1, policy });
      const hot = Array.from({ length: 20 }, (_, i) => `hot ${i}`);
      for (const key of hot) cache.set(key, { key });
      let lost = 0;
      for (let i = 0; i < 10_000; i++) {
        other.set(`cold ${i}`, i);
        const key = hot[i % hot.length]!;
        if (cache.get(key) === undefined) {
          lost++;
          cache.set(key, { key });
        }
      }
      expect(cache.stats().evictions).toBeGreaterThan(9000);
      // The policy sees a use of a hot key once in a sixteenth of a round.
      expect(lost).toBeLessThanOrEqual(20);
    },
  );

  it('is counted as hits, for all threads to see', () => {
    cache.set('key', MADE);
    for (let i = 0; i < 5000; i++) cache.get('key');
    cache.get('absent');
    expect(other.stats().hits).toBeGreaterThan(3000);
    expect(cache.stats()).toMatchObject({ hits: 5000, misses: 1 });
    expect(other.stats().hits).toBe(5000);
  });

  it('that was not told yet is told by close', () => {
    const third = attachCache(cache.share());
    cache.set('key', MADE);
    for (let i = 0; i < 10; i++) third.get('key');
    third.close();
    expect(hitsOf()).toBe(10);
  });
});

describe('objects', () => {
  it('are frozen all the way down', () => {
    cache.set('key', MADE);
    const value = cache.get<typeof MADE>('key')!;
    expect(Object.isFrozen(value)).toBe(true);
    expect(() => value.tags.push('b')).toThrow(TypeError);
    expect(() => Object.assign(value.tags[1]!, { deep: 1 })).toThrow(TypeError);
    expect(cache.get('key')).toEqual(MADE);
  });

  it.each([
    ['bytes', Buffer.from('abc')],
    ['an object with bytes in it', { a: [Buffer.from('abc')] }],
    ['a Date', new Date(5)],
    ['an object with a Date in it', { at: new Date(5) }],
    ['a typed array', new Float32Array([1])],
  ])('that cannot be frozen are the caller’s own: %s', (_, value) => {
    cache.set('key', value);
    const first = cache.get('key');
    expect(first).toEqual(value);
    expect(cache.get('key')).not.toBe(first);
    expect(Object.isFrozen(first)).toBe(false);
  });

  it('are not frozen where that is not wanted', () => {
    close();
    open({ decoded: { freeze: false } });
    const value = { at: new Date(5), list: [1] };
    cache.set('key', value);
    const first = cache.get<typeof value>('key')!;
    expect(first).toEqual(value);
    expect(cache.get('key')).toBe(first);
    expect(Object.isFrozen(first.list)).toBe(false);
    cache.set('bytes', Buffer.from('abc'));
    expect(cache.get('bytes')).not.toBe(cache.get('bytes'));
  });
});

describe('the table', () => {
  it('keeps as many values as it may, and those in use', () => {
    close();
    open({ decoded: { entries: 10 } });
    for (let i = 0; i < 100; i++) cache.set(`key ${i}`, { i });
    const hot = cache.get('key 0');
    cache.get('key 0');
    let same = 0;
    for (let i = 1; i < 100; i++) {
      expect(cache.get(`key ${i}`)).toEqual({ i });
      if (cache.get('key 0') === hot) same++;
    }
    expect(same).toBe(99);
    const values = Array.from({ length: 100 }, (_, i) => cache.get(`key ${i}`));
    const again = values.filter((value, i) => cache.get(`key ${i}`) === value).length;
    expect(again).toBeLessThanOrEqual(10);
  });

  it('is gone when the cache is closed', () => {
    cache.set('key', MADE);
    const third = attachCache(cache.share());
    third.get('key');
    third.close();
    expect(() => third.get('key')).toThrow(/closed/);
  });

  it('is each thread’s own business, where the cache was opened for it', () => {
    const third = attachCache(cache.share());
    third.set('key', MADE);
    expect(third.get('key')).toBe(third.get('key'));
    expect(third.get('key')).not.toBe(cache.get('key'));
    expect(other.get('key')).not.toBe(other.get('key'));
    third.close();
    const plain = openCache();
    expect(() => attachCache(plain.share(), { decoded: true })).toThrow(SlabringError);
    plain.close();
  });

  it.each([
    [{ entries: 0 }, /^decoded.entries must be a whole number from 1 to 1000000, not 0$/],
    [{ entries: 1.5 }, /^decoded.entries must be/],
    [{ freeze: 1 }, /^decoded.freeze must be true or false, not 1$/],
    [{ size: 1 }, /^decoded has no option 'size'/],
    ['yes', /^decoded must be true, false or options, not 'yes'$/],
    [null, /^decoded takes an object of options, not null$/],
  ])('refuses %j', (decoded, message) => {
    expect(() => openCache({ decoded: decoded as unknown as boolean })).toThrow(message);
  });
});
