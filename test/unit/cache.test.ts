import { Worker } from 'node:worker_threads';
import { attachCache, type Cache, type CacheOptions, openCache, SlabringError } from 'slabring';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

let cache: Cache;

function open(options: CacheOptions = {}): Cache {
  cache.close();
  cache = openCache({ memory: '8mb', ...options });
  return cache;
}

beforeEach(() => {
  cache = openCache({ memory: '8mb' });
});

afterEach(() => {
  vi.useRealTimers();
  expect(cache.checkIntegrity()).toBeUndefined();
  cache.close();
});

/** The error a call throws, which must be one of ours. */
function refusal(call: () => unknown): SlabringError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(SlabringError);
    return error as SlabringError;
  }
  throw new Error('the call threw nothing');
}

describe('get and set', () => {
  it.each([
    [null],
    [true],
    [0],
    [-5],
    [3.25],
    [2 ** 40],
    [2n ** 60n],
    [''],
    ['short'],
    ['né ü 語 😀'],
    ['x'.repeat(100_000)],
    [[1, 'two', { three: [3] }]],
    [{ id: 1, name: 'Alice', nested: { list: [1, 2, 3], text: 'y'.repeat(500) } }],
    [new Date(1_700_000_000_123)],
    [Buffer.alloc(70_000, 'abc')],
  ])('stores what comes back equal', (value) => {
    expect(cache.set('key', value)).toBe(true);
    expect(cache.get('key')).toEqual(value);
    expect(cache.has('key')).toBe(true);
    expect(cache.size).toBe(1);
  });

  it('tells a stored null from an absent key', () => {
    cache.set('null', null);
    expect(cache.get('null')).toBeNull();
    expect(cache.get('absent')).toBeUndefined();
    expect(cache.has('null')).toBe(true);
    expect(cache.has('absent')).toBe(false);
    expect(cache.getMany(['null', 'absent', 'null'])).toEqual([null, undefined, null]);
  });

  it('replaces and deletes', () => {
    cache.set('key', 1);
    cache.set('key', 'a longer value than before');
    expect(cache.get('key')).toBe('a longer value than before');
    expect(cache.delete('key')).toBe(true);
    expect(cache.delete('key')).toBe(false);
    expect(cache.get('key')).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  it.each([undefined, () => 1, Symbol('s'), new Set([1]), { deep: [() => 1] }])(
    'refuses a value that msgpack cannot hold and keeps the old one',
    (value) => {
      cache.set('key', 'old');
      expect(refusal(() => cache.set('key', value)).code).toBe('OPTION');
      expect(refusal(() => cache.swap('key', value)).code).toBe('OPTION');
      expect(refusal(() => cache.setMany([['key', value]])).code).toBe('OPTION');
      expect(cache.get('key')).toBe('old');
    },
  );

  it.each([['x'.repeat(1019), new Uint8Array(1021), ['x'.repeat(1020)]]])(
    'stores values up to maxValue and refuses larger ones',
    (text, bytes, list) => {
      open({ maxValue: 1022 });
      for (const value of [text, bytes.subarray(3), [list[0]!.slice(2)]]) {
        expect(cache.set('key', value)).toBe(true);
        expect(cache.get('key')).toEqual(value instanceof Uint8Array ? Buffer.from(value) : value);
      }
      for (const value of [`${text}x`, bytes, list]) {
        cache.set('key', 'old');
        expect(refusal(() => cache.set('key', value)).code).toBe('TOOLARGE');
        expect(refusal(() => cache.setMany([['key', value]])).code).toBe('TOOLARGE');
        expect(cache.get('key')).toBe('old');
      }
    },
  );

  it('lets a value use the cache while it is encoded', () => {
    cache.set('other', { a: 1 });
    const value = {
      get inner() {
        cache.set('written meanwhile', 'a value that overwrites the areas', { ttl: 1000 });
        cache.getMany(['other', 'written meanwhile']);
        return cache.get('other');
      },
      last: 'z',
    };
    cache.set('key', value);
    expect(cache.get('key')).toEqual({ inner: { a: 1 }, last: 'z' });
    expect(cache.ttl('key')).toBe(Infinity);
    cache.setMany([['many', value]]);
    expect(cache.get('many')).toEqual({ inner: { a: 1 }, last: 'z' });
    expect(cache.swap('key', { outer: value })).toEqual({ inner: { a: 1 }, last: 'z' });
  });
});

describe('keys', () => {
  const lengths = [1, 2, 3, 4, 5, 16, 31, 32, 33, 64, 255, 2048, 2049, 65_535];

  it.each(lengths)('of %i bytes, ASCII or not, as strings and as bytes', (length) => {
    const mixed = 'é'.repeat(length >> 1) + 'x'.repeat(length & 1);
    for (const text of ['k'.repeat(length), mixed]) {
      const bytes = new TextEncoder().encode(text);
      expect(bytes.length).toBe(length);
      cache.set(text, length);
      expect(cache.get(bytes)).toBe(length);
      cache.set(bytes, -length);
      expect(cache.get(text)).toBe(-length);
      expect(cache.getMany([text, bytes])).toEqual([-length, -length]);
      expect(cache.ttl(bytes)).toBe(Infinity);
      expect(cache.delete(text)).toBe(true);
    }
  });

  it('differ in every byte', () => {
    const keys = [...'abcdefgh'.repeat(5)].map((_, i) => {
      const bytes = new Uint8Array(40).fill(0x41);
      bytes[i] = 0x42;
      return Buffer.from(bytes).toString();
    });
    keys.forEach((key, i) => {
      cache.set(key, i);
    });
    expect(keys.map((key) => cache.get(key))).toEqual(keys.map((_, i) => i));
  });

  it.each([
    ['', /1 to 65535 bytes, not 0$/],
    [new Uint8Array(0), /1 to 65535 bytes, not 0$/],
    ['k'.repeat(65_536), /1 to 65535 bytes, not 65536 characters$/],
    ['é'.repeat(32_768), /1 to 65535 bytes, not 65536$/],
    [new Uint8Array(65_536), /1 to 65535 bytes, not 65536$/],
    [5, /a string or a Uint8Array, not 5$/],
    [null, /a string or a Uint8Array, not null$/],
    [undefined, /a string or a Uint8Array, not undefined$/],
    [['a'], /a string or a Uint8Array, not an array$/],
    [{ length: 3 }, /a string or a Uint8Array, not an object$/],
  ])('are refused by every method when they are wrong (%#)', (wrong, message) => {
    const key = wrong as string;
    const calls = [
      () => cache.get(key),
      () => cache.set(key, 1),
      () => cache.delete(key),
      () => cache.has(key),
      () => cache.ttl(key),
      () => cache.expire(key, 5),
      () => cache.persist(key),
      () => cache.touch(key),
      () => cache.increment(key),
      () => cache.peek(key),
      () => cache.take(key),
      () => cache.getBytes(key),
      () => cache.setBytes(key, new Uint8Array(1)),
      () => cache.getVersioned(key),
      () => cache.swap(key, 1),
      () => cache.getMany(['fine', key]),
      () =>
        cache.setMany([
          ['fine', 1],
          [key, 1],
        ] as [string, number][]),
      () => cache.deleteMany([key]),
      () => cache.hasMany([key]),
      () => cache.touchMany([key]),
    ];
    for (const call of calls) {
      const error = refusal(call);
      expect(error.code).toBe('OPTION');
      expect(error.message).toMatch(message);
    }
    expect(cache.size).toBe(0);
  });
});

describe('options of set', () => {
  it('ifAbsent and ifPresent', () => {
    expect(cache.set('key', 1, { ifPresent: true })).toBe(false);
    expect(cache.set('key', 2, { ifAbsent: true })).toBe(true);
    expect(cache.set('key', 3, { ifAbsent: true })).toBe(false);
    expect(cache.get('key')).toBe(2);
    expect(cache.set('key', 4, { ifPresent: true })).toBe(true);
    expect(cache.get('key')).toBe(4);
    expect(cache.set('key', 5, { ifAbsent: false, ifPresent: undefined as never })).toBe(true);
  });

  it('ifVersion stores only over the version that was read', () => {
    cache.set('key', 'first');
    const { value, version } = cache.getVersioned<string>('key')!;
    expect(value).toBe('first');
    expect(cache.set('key', 'mine', { ifVersion: version })).toBe(true);
    expect(cache.set('key', 'late', { ifVersion: version })).toBe(false);
    expect(cache.setBytes('key', Buffer.from('late'), { ifVersion: version })).toBe(false);
    expect(cache.setMany([['key', 'late']], { ifVersion: version })).toEqual([false]);
    expect(cache.get('key')).toBe('mine');
    expect(cache.set('absent', 1, { ifVersion: version })).toBe(false);
    expect(cache.getVersioned('absent')).toBeUndefined();
  });

  it('getVersioned tells a stored null from an absent key', () => {
    cache.set('key', null);
    expect(cache.getVersioned('key')!.value).toBeNull();
  });

  it('may be read by code that uses the cache', () => {
    const options = {
      get ifAbsent() {
        cache.set('other', { packed: true }, { ifPresent: true, ttl: 5 });
        return true;
      },
    };
    expect(cache.set('key', { mine: true }, options)).toBe(true);
    expect(cache.get('key')).toEqual({ mine: true });
    expect(cache.ttl('key')).toBe(Infinity);
    expect(cache.set('key', 2, options)).toBe(false);
  });

  it.each([
    [{ tll: 5 }, /^set has no option 'tll'; did you mean 'ttl'\?$/],
    [{ nx: true }, /^set has no option 'nx'; it takes ttl, ifAbsent, /],
    [{ ttl: 'soon' }, /^ttl must be milliseconds/],
    [{ ttl: -1 }, /^ttl must be milliseconds/],
    [{ ttl: null }, /^ttl must be milliseconds/],
    [{ ifAbsent: 1 }, /^ifAbsent must be true or false, not 1$/],
    [{ ifPresent: 'yes' }, /^ifPresent must be true or false, not 'yes'$/],
    [{ keepTtl: null }, /^keepTtl must be true or false, not null$/],
    [{ ifVersion: -1 }, /^ifVersion must be a version that getVersioned returned, not -1$/],
    [{ ifVersion: '1' }, /^ifVersion must be a version that getVersioned returned, not '1'$/],
    [{ ifAbsent: true, ifPresent: true }, /^ifAbsent and ifPresent exclude each other$/],
    [{ ifAbsent: true, ifVersion: 1 }, /^ifAbsent and ifVersion exclude each other$/],
    [{ keepTtl: true, ttl: 5 }, /^ttl and keepTtl exclude each other$/],
    [5000, /^set takes an object of options, not 5000$/],
    [null, /^set takes an object of options, not null$/],
  ])('%j is refused and nothing changes', (wrong, message) => {
    const options = wrong as never;
    cache.set('key', 'old');
    for (const call of [
      () => cache.set('key', 1, options),
      () => cache.setBytes('key', new Uint8Array(1), options),
      () => cache.swap('key', 1, options),
      () => cache.setMany([['key', 1]], options),
    ]) {
      const error = refusal(call);
      expect(error.code).toBe('OPTION');
      expect(error.message).toMatch(message);
    }
    expect(cache.get('key')).toBe('old');
    expect(cache.set('key', 'new')).toBe(true);
    expect(cache.ttl('key')).toBe(Infinity);
  });
});

describe('time to live', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
  });

  const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

  it('ends to the millisecond, for every way of reading', () => {
    cache.set('key', 'value', { ttl: '5s' });
    pass(4999);
    expect(cache.ttl('key')).toBe(1);
    expect(cache.get('key')).toBe('value');
    expect(cache.has('key')).toBe(true);
    expect(cache.getMany(['key'])).toEqual(['value']);
    pass(1);
    expect(cache.get('key')).toBeUndefined();
    expect(cache.has('key')).toBe(false);
    expect(cache.getMany(['key'])).toEqual([undefined]);
    expect(cache.ttl('key')).toBeUndefined();
    expect(cache.set('key', 1, { ifPresent: true })).toBe(false);
  });

  it('is told, set, removed and kept', () => {
    expect(cache.ttl('key')).toBeUndefined();
    expect(cache.expire('key', 5)).toBe(false);
    expect(cache.persist('key')).toBe(false);
    cache.set('key', 1);
    expect(cache.ttl('key')).toBe(Infinity);
    expect(cache.persist('key')).toBe(false);
    expect(cache.expire('key', '10s')).toBe(true);
    pass(1000);
    expect(cache.set('key', 2, { keepTtl: true })).toBe(true);
    expect(cache.ttl('key')).toBe(9000);
    expect(cache.persist('key')).toBe(true);
    expect(cache.ttl('key')).toBe(Infinity);
    cache.expire('key', 50);
    expect(cache.expire('key', 0)).toBe(true);
    expect(cache.ttl('key')).toBe(Infinity);
    cache.expire('key', 50);
    cache.set('key', 3);
    expect(cache.ttl('key')).toBe(Infinity);
    expect(refusal(() => cache.expire('key', 'x')).message).toMatch(/^ttl must be milliseconds/);
  });

  it('has a default for the cache', () => {
    open({ ttl: 1000 });
    cache.set('default', 1);
    cache.set('own', 1, { ttl: 50 });
    cache.set('forever', 1, { ttl: 0 });
    cache.setBytes('bytes', new Uint8Array(1));
    cache.swap('swapped', 1);
    cache.setMany([['many', 1]]);
    cache.increment('counter');
    cache.increment('counter forever', 1, { ttl: 0 });
    cache.set('kept', 1, { keepTtl: true });
    cache.setMany([['kept too', 1]], { keepTtl: true });
    const keys = ['default', 'own', 'forever', 'bytes', 'swapped', 'many', 'counter'];
    expect(keys.map((key) => cache.ttl(key))).toEqual([1000, 50, Infinity, 1000, 1000, 1000, 1000]);
    expect(cache.ttl('counter forever')).toBe(Infinity);
    // There was none to keep.
    expect([cache.ttl('kept'), cache.ttl('kept too')]).toEqual([1000, 1000]);
    cache.set('forever', 2, { keepTtl: true });
    cache.setMany([['own', 2]], { keepTtl: true });
    expect([cache.ttl('forever'), cache.ttl('own')]).toEqual([Infinity, 50]);
    cache.set('as another', 1, { ttl: cache.ttl('forever')! });
    expect(cache.ttl('as another')).toBe(Infinity);
    const other = attachCache(cache.share());
    other.set('default there', 1);
    expect(cache.ttl('default there')).toBe(1000);
    other.close();
  });

  it('of a counter starts when it is created and not again', () => {
    expect(cache.increment('key', 1, { ttl: 1000 })).toBe(1);
    pass(600);
    expect(cache.increment('key', 1, { ttl: 1000 })).toBe(2);
    expect(cache.ttl('key')).toBe(400);
    pass(400);
    expect(cache.increment('key', 1, { ttl: 1000 })).toBe(1);
    expect(cache.ttl('key')).toBe(1000);
  });
});

describe('increment', () => {
  it('counts, up and down, from any integer', () => {
    expect(cache.increment('key')).toBe(1);
    expect(cache.increment('key', 10)).toBe(11);
    expect(cache.increment('key', -20n)).toBe(-9);
    expect(cache.get('key')).toBe(-9);
    cache.set('large', 2 ** 40);
    expect(cache.increment('large', 5)).toBe(2 ** 40 + 5);
    cache.set('big', 2n ** 62n);
    expect(cache.increment('big', 1n)).toBe(2n ** 62n + 1n);
    expect(cache.increment('big', -(2n ** 62n))).toBe(1);
  });

  it('refuses what is no integer, and sums beyond 64 bits', () => {
    cache.set('text', '5');
    cache.set('float', 1.5);
    cache.set('full', 2n ** 63n - 1n);
    expect(refusal(() => cache.increment('text')).code).toBe('WRONGTYPE');
    expect(refusal(() => cache.increment('float')).code).toBe('WRONGTYPE');
    expect(refusal(() => cache.increment('full')).code).toBe('OVERFLOW');
    expect(cache.get('full')).toBe(2n ** 63n - 1n);
  });

  it.each([1.5, Number.NaN, 2 ** 53, 2n ** 63n, '1', null])('refuses the delta %s', (delta) => {
    expect(refusal(() => cache.increment('key', delta as number)).message).toMatch(
      /^delta must be a whole number/,
    );
    expect(cache.has('key')).toBe(false);
  });

  it('refuses options it does not have', () => {
    expect(refusal(() => cache.increment('key', 1, { ifAbsent: true } as never)).message).toBe(
      "increment has no option 'ifAbsent'; it takes ttl",
    );
  });
});

describe('bytes', () => {
  it.each([0, 1, 31, 32, 33, 64, 65, 255, 256, 4096, 65_536, 500_000])('%i of them', (length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 31 + 7);
    expect(cache.setBytes('key', bytes)).toBe(true);
    const read = cache.getBytes('key')!;
    expect(read).toBeInstanceOf(Buffer);
    expect(read.equals(bytes)).toBe(true);
    expect((cache.get('key') as Buffer).equals(bytes)).toBe(true);
    expect((cache.getMany(['key'])[0] as Buffer).equals(bytes)).toBe(true);
  });

  it('belong to the caller', () => {
    cache.setBytes('key', Buffer.from('original'));
    const read = cache.getBytes('key')!;
    read.fill(0);
    expect(cache.getBytes('key')!.toString()).toBe('original');
    const kept = cache.getBytes('key')!;
    cache.setBytes('key', Buffer.from('changed!'));
    cache.getBytes('key');
    expect(kept.toString()).toBe('original');
  });

  it('of a string are its UTF-8; of anything else there are none', () => {
    cache.set('text', 'né');
    expect(cache.getBytes('text')).toEqual(Buffer.from('né'));
    expect(cache.getBytes('absent')).toBeUndefined();
    for (const value of [5, null, true, [1], { a: 1 }]) {
      cache.set('other', value);
      expect(refusal(() => cache.getBytes('other')).code).toBe('WRONGTYPE');
    }
  });

  it.each(['text', 5, [1], null, new Float64Array(1)])('setBytes refuses %j', (value) => {
    expect(refusal(() => cache.setBytes('key', value as never)).message).toMatch(
      /^setBytes takes a Uint8Array, not /,
    );
    expect(cache.has('key')).toBe(false);
  });
});

describe('swap', () => {
  it('returns what was there', () => {
    expect(cache.swap('key', 'first')).toBeUndefined();
    expect(cache.swap('key', { second: 2 })).toBe('first');
    expect(cache.swap('key', 'x'.repeat(100_000), { ttl: '1h' })).toEqual({ second: 2 });
    expect(cache.swap('key', Buffer.from('b'))).toBe('x'.repeat(100_000));
    expect(cache.ttl('key')).toBe(Infinity);
  });

  it('returns what is there when a condition keeps it', () => {
    cache.set('key', 'here');
    expect(cache.swap('key', 'new', { ifAbsent: true })).toBe('here');
    expect(cache.get('key')).toBe('here');
    expect(cache.swap('absent', 'new', { ifPresent: true })).toBeUndefined();
    expect(cache.has('absent')).toBe(false);
  });
});

describe('many keys at once', () => {
  const keys = Array.from({ length: 3000 }, (_, i) => `key ${i}${i % 7 === 0 ? ' é' : ''}`);
  const valueFor = (i: number) => (i % 3 === 0 ? i : i % 3 === 1 ? `text ${i}` : { i, list: [i] });

  it('are stored, read, counted and deleted in order', () => {
    const entries = keys.map((key, i) => [key, valueFor(i)] as [string, unknown]);
    expect(cache.setMany(entries)).toEqual(keys.map(() => true));
    expect(cache.getMany(keys)).toEqual(keys.map((_, i) => valueFor(i)));
    expect(cache.getMany(['absent', keys[5]!, 'absent too', keys[4]!])).toEqual([
      undefined,
      valueFor(5),
      undefined,
      valueFor(4),
    ]);
    expect(cache.hasMany(keys)).toBe(3000);
    expect(cache.hasMany([keys[0]!, keys[0]!, 'absent'])).toBe(2);
    expect(cache.touchMany(new Set(['absent', ...keys]))).toBe(3000);
    expect(cache.deleteMany(keys.slice(0, 1000))).toBe(1000);
    expect(cache.deleteMany(keys.slice(0, 1001))).toBe(1);
    expect(cache.size).toBe(1999);
  });

  it('come from any iterable', () => {
    expect(
      cache.setMany(
        new Map([
          ['a', 1],
          ['b', 2],
        ]),
      ),
    ).toEqual([true, true]);
    expect(cache.getMany(new Set(['b', 'a']))).toEqual([2, 1]);
    function* some() {
      yield 'a';
      cache.set('c', 3);
      yield Buffer.from('c');
    }
    expect(cache.getMany(some())).toEqual([1, 3]);
    expect(cache.getMany([])).toEqual([]);
    expect(cache.setMany([])).toEqual([]);
    expect(cache.deleteMany([])).toBe(0);
  });

  it('may have more value bytes than an area, and than a frame', () => {
    open({ memory: '64mb' });
    const texts = Array.from({ length: 30 }, (_, i) => `${i}`.padEnd(1_000_000, 'x'));
    cache.setMany(texts.map((text, i) => [`large ${i}`, text]));
    const read = cache.getMany<string>(texts.map((_, i) => `large ${i}`));
    expect(read.every((text, i) => text === texts[i])).toBe(true);
    expect(cache.getMany(texts.map((_, i) => `${i} ${'k'.repeat(65_000)}`))).toEqual(
      texts.map(() => undefined),
    );
  });

  it('take the same options as set', () => {
    cache.set('a', 'old');
    expect(cache.setMany(Object.entries({ a: 1, b: 2 }), { ifAbsent: true, ttl: '1h' })).toEqual([
      false,
      true,
    ]);
    expect(cache.getMany(['a', 'b'])).toEqual(['old', 2]);
    expect(cache.ttl('b')).toBeGreaterThan(3_590_000);
    expect(cache.ttl('a')).toBe(Infinity);
  });

  it('store nothing when one pair is wrong', () => {
    const good = keys.map((key) => [key, 1] as [string, unknown]);
    for (const wrong of [['k'], ['k', 1, 2], 'kv', null, ['k', undefined], [5, 1], new Map()]) {
      expect(refusal(() => cache.setMany([...good, wrong as never])).code).toBe('OPTION');
    }
    expect(cache.size).toBe(0);
  });

  it.each(['ab', 5, null, undefined, { a: 1 }])('refuse %j in place of the keys', (wrong) => {
    for (const method of ['getMany', 'setMany', 'deleteMany', 'hasMany', 'touchMany'] as const) {
      expect(refusal(() => cache[method](wrong as never)).message).toMatch(
        new RegExp(`^${method} takes an iterable of (keys|\\[key, value\\] pairs), not `),
      );
    }
  });
});

describe('limits', () => {
  it('maxEntries with the policy none refuses one more, and the others stay', () => {
    open({ maxEntries: 10, policy: 'none', partitions: 1 });
    const entries = Array.from({ length: 15 }, (_, i) => [`${i}`, i] as [string, number]);
    expect(refusal(() => cache.setMany(entries)).code).toBe('OOM');
    expect(cache.size).toBe(10);
    expect(refusal(() => cache.set('one more', 1)).code).toBe('OOM');
    expect(refusal(() => cache.increment('one more')).code).toBe('OOM');
    expect(cache.set('3', 'changed')).toBe(true);
    expect(cache.get('3')).toBe('changed');
  });

  it('maxEntries with the policy clock evicts', () => {
    open({ maxEntries: 100, partitions: 1 });
    for (let i = 0; i < 1000; i++) cache.set(`${i}`, i);
    expect(cache.size).toBe(100);
    expect(cache.stats().evictions).toBe(900);
    expect(cache.get('999')).toBe(999);
  });

  it('memory that is too little is refused, saying how much is enough', () => {
    const least = Number(/\d+/.exec(refusal(() => openCache({ memory: 1000 })).message)![0]);
    openCache({ memory: least }).close();
    expect(refusal(() => openCache({ memory: least - 1 })).code).toBe('OPTION');
  });
});

describe('statistics', () => {
  it('count what happened', () => {
    cache.set('a', 1);
    cache.set('b', 'x'.repeat(1000));
    cache.get('a');
    cache.get('absent');
    cache.getMany(['a', 'b', 'absent']);
    cache.delete('b');
    expect(cache.stats()).toMatchObject({
      entries: 1,
      hits: 3,
      misses: 2,
      sets: 2,
      deletes: 1,
      threads: 1,
      memoryBytes: 8 * 1024 ** 2,
    });
    cache.clear();
    expect(cache.size).toBe(0);
    expect(cache.get('a')).toBeUndefined();
  });
});

describe('closing', () => {
  it('ends every method but close', () => {
    const closed = openCache({ memory: '8mb' });
    closed.set('key', 1);
    closed.close();
    closed.close();
    closed[Symbol.dispose]();
    for (const call of [
      () => closed.get('key'),
      () => closed.peek('key'),
      () => closed.take('key'),
      () => closed.keys(),
      () => closed.values(),
      () => closed.entries(),
      () => closed[Symbol.iterator](),
      () => closed.forEach(() => {}),
      () => closed.getBytes('key'),
      () => closed.set('key', 1),
      () => closed.setBytes('key', new Uint8Array(1)),
      () => closed.delete('key'),
      () => closed.has('key'),
      () => closed.ttl('key'),
      () => closed.expire('key', 1),
      () => closed.persist('key'),
      () => closed.touch('key'),
      () => closed.increment('key'),
      () => closed.getVersioned('key'),
      () => closed.swap('key', 1),
      () => closed.getMany(['key']),
      () => closed.setMany([['key', 1]]),
      () => closed.deleteMany(['key']),
      () => closed.hasMany(['key']),
      () => closed.touchMany(['key']),
      () => closed.size,
      () => closed.stats(),
      () => closed.checkIntegrity(),
      () => closed.clear(),
      () => closed.share(),
    ]) {
      expect(refusal(call).code).toBe('CLOSED');
    }
  });

  it('comes at the end of the block with `using`', () => {
    let used: Cache;
    {
      using scoped = openCache({ memory: '8mb' });
      scoped.set('key', 1);
      used = scoped;
      expect(used.get('key')).toBe(1);
    }
    expect(refusal(() => used.get('key')).code).toBe('CLOSED');
  });

  it('by a value while it is encoded refuses to store it', () => {
    const closing = openCache({ memory: '8mb' });
    const value = {
      get inner() {
        closing.close();
        return 1;
      },
    };
    expect(refusal(() => closing.set('key', value)).code).toBe('CLOSED');
    expect(refusal(() => closing.setMany([['key', value]])).code).toBe('CLOSED');
  });

  it('gives the thread slot back', () => {
    open({ maxThreads: 2 });
    const handle = cache.share();
    for (let i = 0; i < 5; i++) {
      const other = attachCache(handle);
      expect(refusal(() => attachCache(handle)).message).toMatch(/^all 2 thread slots are taken/);
      other.close();
    }
  });
});

describe('sharing', () => {
  it.each([undefined, null, {}, 'handle', { slabring: 'cache' }, { slabring: 'cache', arena: {} }])(
    'refuses %j as a handle',
    (handle) => {
      expect(refusal(() => attachCache(handle as never)).code).toBe('OPTION');
    },
  );

  it('opens the same entries in a worker thread, which sees the same options', async () => {
    open({ ttl: '1h', maxValue: 1000 });
    cache.setMany([
      ['from main', { hello: 'worker' }],
      ['counter', 5],
    ]);
    const source = `
      const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.module).then(({ attachCache }) => {
        const cache = attachCache(workerData.handle);
        cache.set('from worker', { hello: 'main', got: cache.get('from main') });
        for (let i = 0; i < 1000; i++) cache.increment('counter');
        let refused;
        try { cache.set('large', 'x'.repeat(1000)); } catch (error) { refused = error.code; }
        parentPort.postMessage({ size: cache.size, threads: cache.stats().threads, refused });
        cache.close();
      });
    `;
    const worker = new Worker(source, {
      eval: true,
      workerData: { module: import.meta.resolve('slabring'), handle: cache.share() },
    });
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    const [message] = await Promise.race([
      new Promise<unknown[]>((resolve) => worker.once('message', (...args) => resolve(args))),
      new Promise<never>((_, reject) => worker.once('error', reject)),
    ]);
    for (let i = 0; i < 1000; i++) cache.increment('counter');
    expect(message).toEqual({ size: 3, threads: 2, refused: 'TOOLARGE' });
    expect(cache.get('from worker')).toEqual({ hello: 'main', got: { hello: 'worker' } });
    expect(cache.get('counter')).toBe(2005);
    expect(cache.ttl('from worker')).toBeGreaterThan(3_590_000);
    await exited;
    expect(cache.stats().threads).toBe(1);
  });
});
