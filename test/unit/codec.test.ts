import { addExtension, pack, unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import {
  encodedParts,
  packValue,
  readBytes,
  readOwnValue,
  readValue,
  TOO_LONG,
  writeBytes,
  writeValue,
} from '#engine/codec.js';
import { SlabringError } from '#engine/errors.js';
import { valueEnd } from '#engine/msgpack.js';

const MAX_BYTES = 1024 ** 2;
const AT = 3;
const area = Buffer.from(new SharedArrayBuffer(MAX_BYTES + 1024));

/** Writes the value somewhere in shared memory, as a cache does; its bytes. */
function encode(value: unknown): Buffer {
  const end = writeValue(value, packValue(value), area, AT, MAX_BYTES);
  expect(valueEnd(area, AT)).toBe(end);
  return area.subarray(AT, end);
}

function roundTrip(value: unknown): unknown {
  const bytes = encode(value);
  const read = readValue(area, AT, AT + bytes.length);
  area.fill(0xc1, AT, AT + bytes.length);
  return read;
}

const integers = [0, 1, 31, 32, 63, 64, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1];
const largeIntegers = [2 ** 32 + 1, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER];
const negatives = [-1, -31, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31)];
const lengths = [
  0, 1, 3, 4, 15, 16, 17, 24, 25, 31, 32, 63, 64, 65, 255, 256, 5000, 65_535, 65_536,
];

describe('values written and read by hand', () => {
  it.each([null, true, false, 0.5, -1e300, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])(
    '%s comes back, and msgpackr reads the same',
    (value) => {
      expect(unpack(Buffer.from(encode(value)))).toBe(value);
      expect(roundTrip(value)).toBe(value);
    },
  );

  it.each([...integers, ...negatives])('%s is written as msgpackr writes it', (value) => {
    expect(encode(value)).toEqual(pack(value));
    expect(roundTrip(value)).toBe(value);
  });

  it.each([...largeIntegers, ...largeIntegers.map((value) => -value)])(
    '%s is written as an integer, so that it can be incremented',
    (value) => {
      expect(encode(value)[0]).toBe(value > 0 ? 0xcf : 0xd3);
      expect(Number(unpack(Buffer.from(encode(value))))).toBe(value);
      expect(roundTrip(value)).toBe(value);
    },
  );

  it.each([2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 63n)])(
    '%s stays a bigint',
    (value) => {
      expect(unpack(Buffer.from(encode(value)))).toBe(value);
      expect(roundTrip(value)).toBe(value);
    },
  );

  it('a bigint that a number holds exactly comes back as that number', () => {
    expect(roundTrip(5n)).toBe(5);
    expect(roundTrip(-(2n ** 40n))).toBe(-(2 ** 40));
    expect(roundTrip({ n: 5n })).toEqual({ n: 5 });
  });

  it.each(lengths)('strings of %i characters come back', (length) => {
    for (const character of ['a', 'é', '語', '😀', '\ufeff', '\0', '\x7f', '\x80']) {
      const text = character.repeat(length);
      expect(roundTrip(text) === text, character).toBe(true);
      expect(encode(text).equals(pack(text)), character).toBe(true);
    }
    const mixed = `${'a'.repeat(length)}é`;
    expect(roundTrip(mixed) === mixed).toBe(true);
  });

  it('a lone surrogate becomes the replacement character', () => {
    expect(roundTrip('a\ud800b')).toBe('a\ufffdb');
  });

  it.each(lengths)('%i bytes come back as a Buffer of their own', (length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 7);
    expect(encode(bytes).equals(pack(Buffer.from(bytes)))).toBe(true);
    const read = roundTrip(bytes) as Buffer;
    expect(read).toBeInstanceOf(Buffer);
    expect(read.equals(bytes)).toBe(true);
    expect(read.buffer).not.toBe(area.buffer);
  });

  it('reads any length of integer, also the ones we never write', () => {
    const cases: [number[], number | bigint][] = [
      [[0xcc, 5], 5],
      [[0xce, 0, 0, 0, 5], 5],
      [[0xcf, 0, 0, 0, 0, 0, 0, 0, 5], 5],
      [[0xd0, 0xff], -1],
      [[0xd1, 0xff, 0xff], -1],
      [[0xd2, 0xff, 0xff, 0xff, 0xff], -1],
      [[0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -1],
      [[0xca, 0x3f, 0, 0, 0], 0.5],
    ];
    for (const [bytes, value] of cases) {
      expect(readValue(Buffer.from(bytes), 0, bytes.length)).toBe(value);
    }
  });
});

describe('values through msgpackr', () => {
  const circle: unknown[] = [];
  circle.push(circle);

  it.each([
    [[]],
    [{}],
    [{ id: 1, name: 'Alice', tags: ['a', 'b'], address: { city: 'Bern', zip: null }, ok: true }],
    [[1, 'two', 3.5, null, [2 ** 40, -5], { nested: { deeply: ['x'.repeat(300)] } }]],
    [new Date(1_700_000_000_123)],
    [new Date(-1)],
    [new Float64Array([1.5, -2])],
    [{ vector: new Float32Array([0.5, -0.25]), view: 1 }],
    [new BigInt64Array([5n])],
    [2n ** 80n],
    [-(2n ** 80n)],
    [{ gone: undefined }],
    [{ __proto__x: 1, constructor: 'c', toString: 't' }],
    [Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i]))],
  ])('come back equal', (value) => {
    expect(roundTrip(value)).toEqual(value);
  });

  it('come back with their documented changes', () => {
    class Point {
      x = 1;
      y = 2;
    }
    expect(roundTrip(new Map([['a', 1]]))).toEqual({ a: 1 });
    expect(roundTrip(new Point())).toEqual({ x: 1, y: 2 });
    expect(roundTrip(new URL('http://localhost/x'))).toBe('http://localhost/x');
    expect(Object.is(roundTrip(-0), 0)).toBe(true);
  });

  it('byte arrays inside a value are copies', () => {
    const read = roundTrip({ bytes: Uint8Array.of(1, 2, 3) }) as { bytes: Uint8Array };
    roundTrip({ other: 'x'.repeat(100) });
    expect([...read.bytes]).toEqual([1, 2, 3]);
  });

  it('does not follow __proto__ of what others stored', () => {
    const bytes = Buffer.concat([Buffer.from([0x81]), pack('__proto__'), pack({ polluted: true })]);
    const read = readValue(bytes, 0, bytes.length) as { polluted?: boolean };
    expect(read.polluted).toBeUndefined();
  });

  it.each([
    [undefined, /not undefined \(store null, or delete the key\)$/],
    [() => 1, /not a function$/],
    [Symbol('s'), /not a symbol$/],
    [{ f() {} }, /not a function inside it$/],
    [new Set([1]), /not a Set, a RegExp or an Error$/],
    [{ tags: [new Set(), 1] }, /not a Set, a RegExp or an Error$/],
    [[/x/], /not a Set, a RegExp or an Error$/],
    [{ cause: new TypeError('no') }, /not a Set, a RegExp or an Error$/],
    [[Symbol('s')], /cannot be encoded: Unknown type: symbol$/],
    [circle, /it contains itself, or is nested too deeply$/],
    [
      {
        get bad() {
          throw new Error('my getter');
        },
      },
      /cannot be encoded: my getter$/,
    ],
  ])('refuses what msgpack cannot hold', (value, message) => {
    expect(() => packValue(value)).toThrow(SlabringError);
    expect(() => packValue(value)).toThrow(message);
    expect(roundTrip({ still: 'works' })).toEqual({ still: 'works' });
  });

  it('says so when a stored value is of an unknown extension type', () => {
    const bytes = Buffer.from([0xd4, 0x2f, 0x00]);
    expect(() => readValue(bytes, 0, 3)).toThrow(/^the value cannot be read: Unknown extension/);
    expect(roundTrip([1])).toEqual([1]);
  });

  it('lets a getter use the codec itself', () => {
    const outer = {
      get inner() {
        return roundTrip({ a: [1, 2, 3] });
      },
      z: 'end',
    };
    expect(roundTrip({ outer })).toEqual({
      outer: { inner: { a: [1, 2, 3] }, z: 'end' },
    });
  });
});

describe('an extension that the application gave msgpackr', () => {
  class Money {
    constructor(readonly cents: number) {}
  }

  it('may use the cache while it is read', () => {
    addExtension({
      Class: Money,
      type: 0x41,
      pack: (money: Money) => Buffer.from([money.cents]),
      unpack: (bytes: Uint8Array) => {
        const [cents] = bytes;
        roundTrip({ other: ['value', 'that', 'is', 'longer'] });
        return new Money(cents!);
      },
    });
    const value = { before: 'text', money: [new Money(5), new Money(7)], after: 'text' };
    expect(roundTrip(value)).toEqual(value);
  });
});

describe('limits', () => {
  const write = (value: unknown, maxBytes: number) =>
    writeValue(value, packValue(value), area, 0, maxBytes);

  it.each([
    ['x'.repeat(31), 32],
    ['x'.repeat(32), 34],
    ['x'.repeat(98), 100],
    ['é'.repeat(49), 100],
    [new Uint8Array(98), 100],
    [['x'.repeat(97)], 100],
  ])('accepts a value of just the largest size and not of one more', (value, bytes) => {
    expect(write(value, bytes)).toBe(bytes);
    expect(write(value, bytes - 1)).toBe(TOO_LONG);
    expect(() => encodedParts(value, packValue(value), bytes - 1)).toThrow(
      `a value may have at most ${bytes - 1} bytes once encoded, this one has ${bytes}`,
    );
  });

  it.each([
    ['text', 'é'.repeat(40_000)],
    ['bytes', Buffer.alloc(70_000, 'abc')],
    ['an array', Array.from({ length: 20_000 }, (_, i) => i * i)],
  ])('gives %s beyond a size in parts that are the value', (_name, value) => {
    expect(write(value, 65_536)).toBe(TOO_LONG);
    const whole = Buffer.concat(encodedParts(value, packValue(value), 1_000_000));
    expect(whole).toEqual(encode(value));
    expect(readOwnValue(whole, undefined)).toEqual(value);
  });
});

describe('readBytes', () => {
  it.each(lengths)('gives the payload of bin and str of %i bytes', (length) => {
    const payload = Buffer.alloc(length, 'abc');
    const end = writeBytes(payload, area, AT, MAX_BYTES);
    expect(readBytes(area, AT, end).equals(payload)).toBe(true);
    const text = encode(payload.toString());
    expect(readBytes(area, AT, AT + text.length).equals(payload)).toBe(true);
  });

  it.each([null, true, 5, -5, 300, 1.5, [1], { a: 1 }, new Date(0)])('refuses %j', (value) => {
    const bytes = encode(value);
    expect(() => readBytes(area, AT, AT + bytes.length)).toThrow(
      'the value is neither bytes nor a string: read it with get',
    );
  });
});

describe('valueEnd', () => {
  it('finds the end of every value, also inside others', () => {
    const values = [
      null,
      5,
      -5,
      300,
      'text',
      'x'.repeat(300),
      'x'.repeat(70_000),
      [1, [2, [3]]],
      { a: { b: [1, 2] } },
      Array.from({ length: 70_000 }, () => 1),
      Buffer.alloc(70_000),
      new Date(),
      1.5,
    ];
    const parts = values.map((value) => pack(value));
    const all = Buffer.concat(parts);
    let at = 0;
    for (const part of parts) {
      expect(valueEnd(all, at)).toBe(at + part.length);
      at += part.length;
    }
    for (const part of parts) {
      for (let cut = 0; cut < Math.min(part.length, 20); cut++) {
        expect(() => valueEnd(part.subarray(0, cut), 0)).toThrow(RangeError);
      }
    }
  });

  it('refuses the byte that begins no value', () => {
    expect(() => valueEnd(Buffer.from([0xc1]), 0)).toThrow('0xc1 begins no msgpack value');
  });

  it('reads all the extension forms', () => {
    for (const [bytes, end] of [
      [[0xd4, 1, 0], 3],
      [[0xd5, 1, 0, 0], 4],
      [[0xd6, 1, 0, 0, 0, 0], 6],
      [[0xd7, 1, ...Array(8).fill(0)], 10],
      [[0xd8, 1, ...Array(16).fill(0)], 18],
      [[0xc7, 3, 1, 0, 0, 0], 6],
      [[0xc8, 0, 3, 1, 0, 0, 0], 7],
      [[0xc9, 0, 0, 0, 3, 1, 0, 0, 0], 9],
    ] as [number[], number][]) {
      expect(valueEnd(Buffer.from(bytes), 0)).toBe(end);
      expect(() => valueEnd(Buffer.from(bytes.slice(0, -1)), 0)).toThrow(RangeError);
    }
  });
});
