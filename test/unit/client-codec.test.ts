/** The client's hand-made msgpack, held against msgpackr as the slow twin. */
import { isDeepStrictEqual } from 'node:util';
import { Packr, Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { needsPacking, packValue } from '#client/codec.js';
import { ReplyReader } from '#client/reader.js';
import { FrameWriter } from '#client/writer.js';
import { show } from '#engine/units.js';

const settings = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  int64AsType: 'auto' as 'number',
};
const packr = new Packr(settings);
const twin = new Unpackr(settings);

function write(use: (writer: FrameWriter) => void): Uint8Array {
  const writer = new FrameWriter();
  writer.begin(1);
  use(writer);
  writer.commit();
  return writer.end().slice(1);
}

/** Writes a value as the client does. */
function put(writer: FrameWriter, value: unknown): void {
  if (needsPacking(value)) writer.packed(packValue(value));
  else writer.value(value);
}

/** A reader that stands behind the frame id of a message with these bytes. */
function reader(...parts: Uint8Array[]): ReplyReader {
  const reader = new ReplyReader();
  reader.load(new Uint8Array(Buffer.concat([Uint8Array.of(7), ...parts])));
  expect(reader.frameId()).toBe(7);
  return reader;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

const LENGTHS = [
  0, 1, 11, 12, 13, 23, 24, 25, 31, 32, 33, 127, 128, 255, 256, 65_535, 65_536, 200_000,
];
const EDGES = [
  0x20,
  0x80,
  0x100,
  0x8000,
  0x10000,
  2 ** 31,
  2 ** 32,
  2 ** 52,
  Number.MAX_SAFE_INTEGER,
];
const INTEGERS = EDGES.flatMap((n) => [n - 1, n, Math.min(n + 1, Number.MAX_SAFE_INTEGER)]).flatMap(
  (n) => [n, -n],
);
const VALUES: unknown[] = [
  ...INTEGERS,
  0,
  true,
  false,
  0.5,
  -1e300,
  Number.NaN,
  Number.NEGATIVE_INFINITY,
  2n ** 53n + 1n,
  -(2n ** 63n),
  2n ** 64n - 1n,
  ...LENGTHS.flatMap((n) => ['a', 'ä', '€', '😀'].map((c) => c.repeat(n))),
  ...LENGTHS.map((n) => new Uint8Array(n).map((_, i) => i)),
  [],
  {},
  [1, 'two', null, [true, { three: 3n ** 39n }]],
  Array.from({ length: 70_000 }, (_, i) => i),
  Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`key${i}`, i])),
  { bytes: new Uint8Array(300), text: 'ü'.repeat(300), when: new Date(1_700_000_000_123) },
  new Date(0),
];

describe('values', () => {
  it('read back as they were written, and msgpackr reads the same', () => {
    for (const value of VALUES) {
      const bytes = write((writer) => put(writer, value));
      const back = reader(bytes, Uint8Array.of(0xc0));
      expect(isDeepStrictEqual(back.value(), value), show(value)).toBe(true);
      expect(back.value(), 'what follows').toBe(null);
      expect(back.atEnd).toBe(true);
      expect(isDeepStrictEqual(twin.unpack(bytes), value), show(value)).toBe(true);
    }
  });

  it('take the shortest form', () => {
    const sizes: [unknown, number][] = [
      [127, 1],
      [128, 2],
      [255, 2],
      [256, 3],
      [65_536, 5],
      [2 ** 32, 9],
      [-32, 1],
      [-33, 2],
      [-128, 2],
      [-129, 3],
      [-32_769, 5],
      [-(2 ** 31) - 1, 9],
      [5n, 1],
      ['x'.repeat(31), 32],
      ['x'.repeat(32), 34],
      ['ä'.repeat(15), 31],
      ['ä'.repeat(16), 34],
      ['ä'.repeat(127), 256],
      ['ä'.repeat(128), 259],
    ];
    for (const [value, size] of sizes) {
      expect(write((writer) => put(writer, value)).length, String(value)).toBe(size);
    }
  });

  it('keep an integer an integer above 32 bits, so that INCR works on it', () => {
    expect(hex(write((writer) => put(writer, 2 ** 40)))).toBe('cf0000010000000000');
    expect(hex(write((writer) => put(writer, -(2 ** 40))))).toBe('d3ffffff0000000000');
  });

  it('of other types come back as the embedded cache gives them', () => {
    const pairs: [unknown, unknown][] = [
      [-0, 0],
      [2n ** 70n, 2n ** 70n],
      [7n, 7],
      [new Float64Array([1.5, -2]), new Float64Array([1.5, -2])],
      [[new Float32Array([0.5])], [new Float32Array([0.5])]],
      [new ArrayBuffer(3), new ArrayBuffer(3)],
      [new Map([['a', 1]]), { a: 1 }],
      [{ gone: undefined }, { gone: undefined }],
    ];
    for (const [value, expected] of pairs) {
      const bytes = write((writer) => put(writer, value));
      expect(isDeepStrictEqual(reader(bytes).value(), expected), show(value)).toBe(true);
    }
  });

  it('that msgpack cannot say are refused', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    const refused: [unknown, RegExp][] = [
      [undefined, /must not be undefined/],
      [() => 1, /must be data, not a function/],
      [Symbol('s'), /must be data/],
      [new Set([1]), /cannot be encoded: it holds a Set/],
      [{ deep: /x/ }, /cannot be encoded: it holds a Set, a RegExp/],
      [{ deep: () => 1 }, /cannot be encoded: it holds a function/],
      [{ deep: Symbol('s') }, /cannot be encoded/],
      [circle, /contains itself/],
    ];
    for (const [value, message] of refused) {
      expect(() => write((writer) => put(writer, value))).toThrow(
        expect.objectContaining({ code: 'OPTION', message: expect.stringMatching(message) }),
      );
    }
  });

  it('of bytes are copies, not views of the message', () => {
    const value = reader(write((writer) => put(writer, new Uint8Array(5)))).value() as Uint8Array;
    expect(value.buffer.byteLength).toBe(5);
    expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
    const nested = reader(write((w) => put(w, [new Uint8Array(5)]))).value() as [Uint8Array];
    expect(nested[0].buffer.byteLength).toBe(5);
  });
});

describe('keys', () => {
  it('are str or bin', () => {
    expect(hex(write((writer) => writer.key('ab')))).toBe('a26162');
    expect(hex(write((writer) => writer.key(Uint8Array.of(1, 2))))).toBe('c4020102');
    expect(write((writer) => writer.key('k'.repeat(65_535))).length).toBe(65_538);
  });

  it('of a wrong type or length are refused', () => {
    for (const key of ['', new Uint8Array(0), 'k'.repeat(65_536), 'ä'.repeat(32_768), 5, null]) {
      expect(() => write((writer) => writer.key(key as string))).toThrow(
        expect.objectContaining({ code: 'OPTION', message: expect.stringMatching(/^a key must/) }),
      );
    }
  });
});

describe('frames', () => {
  const command = (writer: FrameWriter, key: string) => {
    writer.command(0x10, 1);
    writer.key(key);
  };

  it('begin with their id and hold commands back to back', () => {
    const writer = new FrameWriter();
    writer.begin(300);
    command(writer, 'a');
    writer.commit();
    command(writer, 'b');
    writer.commit();
    expect(hex(writer.end())).toBe('cd012c' + '9210a161' + '9210a162');
  });

  it('leave out a command that was taken back', () => {
    const writer = new FrameWriter();
    writer.begin(1);
    command(writer, 'a');
    writer.commit();
    writer.command(0x10, 1);
    writer.rollback();
    command(writer, 'c');
    writer.commit();
    expect(hex(writer.end())).toBe('01' + '9210a161' + '9210a163');
  });

  it('split before the last command', () => {
    const writer = new FrameWriter();
    writer.begin(1);
    command(writer, 'a');
    writer.commit();
    command(writer, 'b');
    expect(hex(writer.split(70_000))).toBe('019210a161');
    writer.commit();
    expect(hex(writer.end())).toBe('ce00011170' + '9210a162');
  });

  it('stay as they are while later ones are written, also beyond the first buffer', () => {
    const writer = new FrameWriter();
    const frames: Uint8Array[] = [];
    for (let id = 1; id <= 100; id++) {
      writer.begin(id);
      for (let i = 0; i < 3; i++) {
        writer.command(0x11, 2);
        writer.key(`key ${id} ${i}`);
        put(writer, new Uint8Array(id * 100).fill(id));
        writer.commit();
      }
      frames.push(writer.end());
    }
    frames.forEach((frame, index) => {
      const id = index + 1;
      const bytes = new Uint8Array(id * 100).fill(id);
      const commands = [0, 1, 2].map((i) => [0x11, `key ${id} ${i}`, bytes]);
      expect(isDeepStrictEqual(twin.unpackMultiple(frame), [id, ...commands])).toBe(true);
    });
  });

  it('write arrays of any length', () => {
    for (const count of [14, 15, 16, 65_534, 65_535, 70_000]) {
      const bytes = write((writer) => {
        writer.command(0x12, count);
        for (let i = 0; i < count; i++) writer.nil();
      });
      expect(twin.unpack(bytes)).toHaveLength(count + 1);
    }
  });
});

describe('replies', () => {
  const errorReply = (payload: string, header: number[]) =>
    Buffer.concat([Uint8Array.from([...header, 1]), Buffer.from(payload)]);

  it('are errors when they are extension type 1, of any length', () => {
    const replies: [Buffer, string, string][] = [
      [errorReply('OOM no room', [0xc7, 11]), 'OOM', 'no room'],
      [errorReply('BUSY', [0xd6]), 'BUSY', ''],
      [errorReply('OOM 1234', [0xd7]), 'OOM', '1234'],
      [errorReply('DENIED 123456789', [0xd8]), 'DENIED', '123456789'],
      [errorReply(`SYNTAX ${'x'.repeat(293)}`, [0xc8, 1, 44]), 'SYNTAX', 'x'.repeat(293)],
      [errorReply('FROBNICATE x', [0xc7, 12]), 'INTERNAL', 'FROBNICATE x'],
    ];
    for (const [bytes, code, message] of replies) {
      for (const read of ['value', 'payload', 'versioned'] as const) {
        const back = reader(bytes, Uint8Array.of(0x2a));
        expect(back[read]()).toBeUndefined();
        const failure = back.takeFailure();
        if (code !== 'BUSY') expect(failure).toMatchObject({ code, message });
        expect(failure.code).toBe(code);
        expect(back.failure).toBeUndefined();
        expect(back.value(), 'what follows').toBe(42);
      }
    }
  });

  it('of an unknown extension type fail alone', () => {
    const back = reader(Uint8Array.of(0xd4, 55, 0), Uint8Array.of(0x91, 0xd4, 55, 0, 0x2a));
    for (let i = 0; i < 2; i++) {
      expect(back.value()).toBeUndefined();
      expect(back.takeFailure()).toMatchObject({ code: 'WRONGTYPE' });
    }
    expect(back.value()).toBe(42);
  });

  it('as payload are the bytes of bin and str, and of nothing else', () => {
    for (const length of [0, 5, 31, 32, 255, 256, 65_535, 65_536]) {
      const bytes = new Uint8Array(length).fill(97);
      const text = 'a'.repeat(length);
      for (const value of [bytes, text]) {
        const payload = reader(write((w) => put(w, value))).payload();
        expect(isDeepStrictEqual(payload, bytes), show(value)).toBe(true);
      }
    }
    expect(reader(Uint8Array.of(0xc0)).payload()).toBeUndefined();
    for (const value of [1, 300, true, 0.5, [], {}]) {
      const back = reader(write((w) => put(w, value)));
      expect(back.payload()).toBeUndefined();
      expect(back.takeFailure()).toMatchObject({ code: 'WRONGTYPE' });
    }
  });

  it('with a version are a pair', () => {
    const pair = packr.pack(['x', 2n ** 50n]);
    expect(reader(pair).versioned()).toEqual({ value: 'x', version: 2 ** 50 });
    expect(reader(packr.pack([[1, 2], 9])).versioned()).toEqual({ value: [1, 2], version: 9 });
    expect(reader(Uint8Array.of(0xc0)).versioned()).toBeUndefined();
    expect(() => reader(Uint8Array.of(5)).versioned()).toThrow(RangeError);
    expect(() => reader(packr.pack(['x', 'y'])).versioned()).toThrow(RangeError);
  });

  it('cut anywhere are noticed, and never read past the end', () => {
    const whole = Buffer.concat([
      ...VALUES.filter((value) => {
        const size = (value as { length?: number })?.length ?? 0;
        return size < 500;
      }).map((value) => Buffer.from(write((writer) => put(writer, value)))),
    ]).subarray(0, 3000);
    const values: unknown[] = [];
    const all = reader(whole.subarray(0, 2900));
    expect(() => {
      for (;;) values.push(all.value());
    }).toThrow(RangeError);
    for (const value of [
      300,
      70_000,
      2 ** 40,
      0.5,
      'abc',
      'x'.repeat(40),
      [1, [2, 'x']],
      { a: 0.5 },
    ]) {
      const bytes = write((writer) => put(writer, value));
      for (let end = 0; end < bytes.length; end++) {
        // The bytes behind the cut exist in memory, as they do in a message inside a larger buffer.
        const padded = Buffer.concat([Uint8Array.of(7), bytes, Buffer.alloc(8, 1)]);
        const cut = new ReplyReader();
        cut.load(new Uint8Array(padded.buffer, padded.byteOffset, 1 + end));
        cut.frameId();
        expect(() => cut.value(), `${value} cut at ${end}`).toThrow(RangeError);
      }
    }
  });

  it('are bounded however deep and however long they claim to be', () => {
    const deep = reader(new Uint8Array(100_000).fill(0x91), Uint8Array.of(0xc0));
    expect(deep.value()).toBeUndefined();
    expect(deep.takeFailure()).toMatchObject({ code: 'WRONGTYPE' });
    for (const header of [
      [0xdd, 255, 255, 255, 255],
      [0xdf, 255, 255, 255, 255],
      [0xdb, 255, 255, 255, 255],
      [0xc6, 255, 255, 255, 255],
      [0xc9, 255, 255, 255, 255, 1],
      [0x91, 0xc1],
      [0xc1],
    ]) {
      expect(() => reader(Uint8Array.from(header)).value(), String(header)).toThrow(RangeError);
    }
  });

  it('need a frame id that is an unsigned integer', () => {
    for (const bytes of [[], [0xc0], [0xe0], [0xa1, 97], [0xcb, 63, 0xe0, 0, 0, 0, 0, 0, 0]]) {
      const bad = new ReplyReader();
      bad.load(Uint8Array.from(bytes));
      expect(() => bad.frameId()).toThrow(RangeError);
    }
  });
});
