/** Record structures: smaller, and the same values come back, in every thread. */
import { attachCache, type Cache, openCache } from 'slabring';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Arena } from '#engine/arena.js';
import { packValue, readValue, writeValue } from '#engine/codec.js';
import {
  MAX_STRUCTURES,
  openStructures,
  STRUCTURE_BYTES,
  type Structures,
} from '#engine/structures.js';

let arena: Arena;

beforeEach(() => {
  const options = { memoryBytes: 1024 ** 2, policy: 'clock', maxValueBytes: 1024 ** 2 } as const;
  arena = Arena.create({ ...options, maxThreads: 4, structures: true });
});

afterEach(() => arena.close());

/** The structures as one more thread sees them. */
const attach = (): Structures => openStructures(arena)!;

function encode(value: unknown, structures: Structures): Buffer {
  const bytes = Buffer.alloc(100_000);
  const end = writeValue(value, packValue(value, structures), bytes, 0, bytes.length);
  return bytes.subarray(0, end);
}

const decode = (bytes: Buffer, structures: Structures): unknown =>
  readValue(bytes, 0, bytes.length, structures);

/** An object with keys that no other number's has. */
const kindOf = (number: number): Record<string, unknown> => ({
  [`first${number}`]: number,
  [`second${number}`]: `text ${number}`,
  third: 64 + (number % 64),
});

const VALUES: readonly unknown[] = [
  { a: 1, b: 'two', c: null, d: undefined, e: 100, f: [64, 127, 128, -1, 2 ** 40, 1.5] },
  { a: { b: { c: { d: [{ e: 1 }, { e: 2 }] } } } },
  [
    { x: 1, y: 2 },
    { x: 3, y: 4 },
    { y: 5, x: 6 },
  ],
  { at: new Date(5), bytes: Buffer.from('abc'), floats: new Float32Array([1, 2]), big: 2n ** 70n },
  { 'a key': 1, 'né ü 😀': 2, '': 3, '"quoted"': 4, toString: 5, constructor: 6 },
  {},
  [],
  { long: 'x'.repeat(300), list: Array.from({ length: 100 }, (_, i) => ({ i, j: `${i}` })) },
  2n ** 70n,
  [undefined, null, true],
];

describe('a value', () => {
  it.each(VALUES.map((value) => [value]))('comes back, in another thread too: %o', (value) => {
    const writer = attach();
    const reader = attach();
    const plain = encodePlainly(value);
    for (let i = 0; i < 5; i++) {
      const bytes = encode(value, writer);
      expect(decode(bytes, reader)).toEqual(readValue(plain, 0, plain.length));
      expect(decode(bytes, writer)).toEqual(decode(bytes, attach()));
    }
  });

  function encodePlainly(value: unknown): Buffer {
    const bytes = Buffer.alloc(100_000);
    return bytes.subarray(0, writeValue(value, packValue(value), bytes, 0, bytes.length));
  }

  it('is smaller from the third of its kind on', () => {
    const structures = attach();
    const profile = { identifier: 1, fullName: 'Ada', emailAddress: 'a@b.c', isActive: true };
    const plain = encodePlainly(profile).length;
    encode(profile, structures);
    encode(profile, structures);
    expect(encode(profile, structures).length).toBeLessThan(plain - 30);
    expect(structures.count).toBe(1);
  });

  it.each([[new Set([1])], [{ a: new Set([1]) }], [{ a: /x/ }], [{ a: 1, b: [new Error('no')] }]])(
    'is refused where it would be without structures: %o',
    (value) => {
      const structures = attach();
      for (let i = 0; i < 3; i++)
        expect(() => packValue(value, structures)).toThrow(/Set, a RegExp/);
      expect(() => packValue({ f: () => 1 }, structures)).toThrow(/a function/);
    },
  );

  it('may write others while it is encoded', () => {
    const structures = attach();
    const inner: Buffer[] = [];
    class Talkative {
      toJSON() {
        inner.push(Buffer.from(encode({ p: 1, q: 2 }, structures)));
        return { r: 3 };
      }
    }
    const value = { a: 1, b: new Talkative(), c: 2 };
    for (let i = 0; i < 6; i++) {
      const bytes = Buffer.from(encode(value, structures));
      expect(decode(bytes, attach())).toEqual({ a: 1, b: { r: 3 }, c: 2 });
    }
    for (const bytes of inner) expect(decode(bytes, attach())).toEqual({ p: 1, q: 2 });
  });
});

describe('the structures', () => {
  it('grow to numbers of two bytes, and are the same for all', () => {
    const writers = [attach(), attach(), attach()];
    const reader = attach();
    const written: [number, Buffer][] = [];
    for (let number = 0; number < 300; number++) {
      for (const writer of writers) {
        for (let i = 0; i < 3; i++) {
          written.push([number, Buffer.from(encode(kindOf((number * 7) % 300), writer))]);
        }
      }
    }
    expect(reader.count).toBe(300);
    for (const [number, bytes] of written) {
      expect(decode(bytes, reader)).toEqual(kindOf((number * 7) % 300));
    }
    for (const writer of writers) {
      expect(decode(written.at(-1)![1], writer)).toEqual(kindOf((299 * 7) % 300));
    }
  });

  it('are numbered once, also when another thread takes the number meanwhile', () => {
    const [writer, intruder] = [attach(), attach()];
    const intruded: Buffer[] = [];
    class Meanwhile {
      toJSON() {
        for (let i = 0; i < 3; i++) intruded.push(encode({ p: i, q: 2 }, intruder));
        return 5;
      }
    }
    encode({ a: 1, b: 2 }, writer);
    const bytes = encode({ a: 1, b: new Meanwhile() }, writer);
    for (const reader of [attach(), writer, intruder]) {
      expect(decode(bytes, reader)).toEqual({ a: 1, b: 5 });
      expect(decode(intruded[2]!, reader)).toEqual({ p: 2, q: 2 });
    }
  });

  it('are not used up by dictionaries, which come once', () => {
    const structures = attach();
    for (let i = 0; i < 5000; i++) {
      const value = { [`user${i}`]: { visits: i }, [`page${i}`]: { visits: i } };
      const bytes = encode(value, structures);
      if (i % 100 === 0) expect(decode(bytes, attach())).toEqual(value);
    }
    expect(structures.count).toBe(1);
  });

  it('are bounded: what finds no place is a plain map', () => {
    const structures = attach();
    const pad = 'k'.repeat(200);
    const make = (i: number) => ({ [`${pad}${i}`]: i, [`${pad}x${i}`]: { known: i } });
    for (let i = 0; i < 400; i++) {
      for (let j = 0; j < 3; j++) {
        expect(decode(encode(make(i), structures), structures)).toEqual(make(i));
      }
    }
    const { count } = structures;
    expect(count).toBeGreaterThan(100);
    expect(count).toBeLessThan(200);
    expect(decode(encode(make(399), structures), attach())).toEqual(make(399));
    // Those that have one still use it.
    expect(encode(make(1), structures).length).toBeLessThan(20);
    const words = new Int32Array(arena.bytes.buffer, arena.kernel.structuresAt(), 1);
    expect(words[0]).toBeLessThanOrEqual(STRUCTURE_BYTES);
  });

  it('are at most so many', () => {
    const structures = attach();
    for (let i = 0; i < MAX_STRUCTURES + 50; i++) {
      for (let j = 0; j < 3; j++) encode({ [`k${i}`]: i }, structures);
    }
    expect(structures.count).toBe(MAX_STRUCTURES);
    for (const i of [0, 31, 32, 63, 64, 500, MAX_STRUCTURES - 1, MAX_STRUCTURES + 49]) {
      expect(decode(encode({ [`k${i}`]: i }, structures), attach())).toEqual({ [`k${i}`]: i });
    }
  });

  it('outlast a thread that died while it added one', () => {
    const structures = attach();
    for (let i = 0; i < 3; i++) encode({ a: i }, structures);
    // It had taken room and written half of the keys.
    const words = new Int32Array(arena.bytes.buffer, arena.kernel.structuresAt(), 2);
    words[0]! += 32;
    for (let i = 0; i < 3; i++) encode({ b: i }, structures);
    expect(structures.count).toBe(2);
    expect(decode(encode({ b: 7 }, structures), attach())).toEqual({ b: 7 });
  });
});

describe('a cache with structures', () => {
  let cache: Cache;

  beforeEach(() => {
    cache = openCache({ memory: '8mb', structures: true });
  });

  afterEach(() => {
    expect(cache.checkIntegrity()).toBeUndefined();
    cache.close();
  });

  it('stores and returns objects by all its methods', () => {
    const make = (i: number) => ({ id: i, name: `name ${i}`, list: [{ x: i }] });
    cache.setMany(Array.from({ length: 9 }, (_, i) => [`key ${i}`, make(i)]));
    for (let i = 0; i < 9; i++) cache.set(`one ${i}`, make(i));
    expect(cache.get('key 8')).toEqual(make(8));
    expect(cache.peek('one 8')).toEqual(make(8));
    expect(cache.getMany(['key 7', 'absent', 'one 7'])).toEqual([make(7), undefined, make(7)]);
    expect(cache.getVersioned('one 6')?.value).toEqual(make(6));
    expect(cache.getVersioned('absent')).toBeUndefined();
    expect(cache.swap('one 5', make(50))).toEqual(make(5));
    expect(cache.take('one 5')).toEqual(make(50));
    expect(new Map(cache.entries()).get('key 8')).toEqual(make(8));
    expect([...cache.values()]).toHaveLength(17);
    expect(() => cache.increment('key 1')).toThrow(/not an integer/);
    expect(() => cache.getBytes('key 1')).toThrow(/neither bytes nor a string/);
    const other = attachCache(cache.share());
    expect(other.get('key 3')).toEqual(make(3));
    other.close();
    cache.clear();
    for (let i = 0; i < 3; i++) cache.set('key', make(i));
    expect(cache.get('key')).toEqual(make(2));
  });

  it('tells changes with their values', () => {
    const changes = cache.changes();
    for (let i = 0; i < 4; i++) cache.set('key', { id: i, name: 'Ada' });
    const values = changes.read().map((change) => change.type === 'set' && change.value);
    expect(values).toEqual([0, 1, 2, 3].map((id) => ({ id, name: 'Ada' })));
    changes.close();
  });

  it('holds values up to maxValue, header included', () => {
    const small = openCache({ memory: '8mb', structures: true, maxValue: '1kb' });
    const fits = { text: 'x'.repeat(1024 - 4 - 6 - 3) };
    expect(small.set('key', fits)).toBe(true);
    expect(small.get('key')).toEqual(fits);
    expect(() => small.set('key', { texx: `${fits.text}x` })).toThrow(/has 1025$/);
    small.close();
  });

  it('takes true or false only', () => {
    expect(() => openCache({ structures: 1 as unknown as boolean })).toThrow(
      /^structures must be true or false, not 1$/,
    );
  });
});
