/** The change log of a node that is one of several, to the byte: other nodes read it. */
import { describe, expect, it } from 'vitest';
import { command, integer, NIL, str } from '../support/kernel-wire.js';
import { StampedBench } from '../support/stamped-arena.js';

/** Its stamps are easy to read: 2^40 ms, in bytes 00 00 00 00 00 00 00 40. */
const NOW_MS = 2 ** 40;
const NODE = 5;

const spaced = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/..(?=.)/g, '$& ');

/** The stamp of the n-th write, as it stands in a record. */
const stamp = (n: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE((BigInt(NOW_MS) << 22n) | (BigInt(n) << 10n) | BigInt(NODE));
  return spaced(bytes);
};
const NONE = spaced(Buffer.alloc(8));

const time = (ms: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(ms));
  return spaced(bytes);
};
const number = (value: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return spaced(bytes);
};

describe('a record with a stamp', () => {
  const open = () => new StampedBench(NODE, {}, NOW_MS);

  it('of a value has it behind the head', () => {
    const bench = open();
    bench.run(command('SET', str('ab'), integer(7)));
    expect(spaced(bench.logged())).toBe(
      `03 00 02 00 01 10 01 00 ${stamp(1)} 61 62 07 00 00 00 00 00`,
    );
  });

  it('of a value that expires has it behind the time', () => {
    const bench = open();
    bench.run(command('SET', str('ab'), integer(7), integer(1000)));
    const fields = `${time(NOW_MS + 1000)} ${stamp(1)}`;
    expect(spaced(bench.logged())).toBe(
      `04 00 02 00 01 90 01 00 ${fields} 61 62 07 00 00 00 00 00`,
    );
  });

  it('of a key that was deleted has a stamp of its own', () => {
    const bench = open();
    bench.run(command('SET', str('ab'), integer(7)));
    bench.logged();
    bench.run(command('DEL', str('ab')));
    expect(spaced(bench.logged())).toBe(
      `03 00 02 00 02 10 00 00 ${stamp(2)} 61 62 00 00 00 00 00 00`,
    );
  });

  it('of a key that expired has that which it had', () => {
    const bench = open();
    bench.run(command('SET', str('ab'), integer(7), integer(1000)));
    bench.logged();
    bench.nowMs += 1000;
    bench.run(command('GET', str('ab')));
    expect(spaced(bench.logged())).toBe(
      `03 00 02 00 02 11 00 00 ${stamp(1)} 61 62 00 00 00 00 00 00`,
    );
  });

  it('of another expiry has that of before, too', () => {
    const bench = open();
    bench.run(command('SET', str('ab'), integer(7)));
    bench.logged();
    bench.run(command('EXPIRE', str('ab'), integer(1000)), command('PERSIST', str('ab')));
    const expired = `05 00 02 00 03 90 00 00 ${time(NOW_MS + 1000)} ${stamp(2)} ${stamp(1)}`;
    const persisted = `04 00 02 00 03 10 00 00 ${stamp(3)} ${stamp(2)}`;
    const key = '61 62 00 00 00 00 00 00';
    expect(spaced(bench.logged())).toBe(`${expired} ${key} ${persisted} ${key}`);
  });

  it('of a collection is the command that changed it', () => {
    const bench = open();
    bench.run(command('SADD', str('ab'), str('x'), integer(3)));
    const value = `${number(NOW_MS)} 40 00 02 00 a1 78 03`;
    // Making the set took a stamp already.
    const fields = `${stamp(2)} ${NONE}`;
    expect(spaced(bench.logged())).toBe(
      `06 00 02 00 05 10 0f 00 ${fields} 61 62 ${value} 00 00 00 00 00 00 00`,
    );
  });

  it('of a collection that expires has its time, and the stamp of before', () => {
    const bench = open();
    bench.run(command('SADD', str('ab'), str('x')), command('EXPIRE', str('ab'), integer(50)));
    bench.logged();
    bench.run(command('SADD', str('ab'), str('y')));
    const value = `${number(NOW_MS)} 40 00 01 00 a1 79`;
    const fields = `${time(NOW_MS + 50)} ${stamp(4)} ${stamp(3)}`;
    expect(spaced(bench.logged())).toBe(`06 00 02 00 05 90 0e 00 ${fields} 61 62 ${value}`);
  });

  it('of a collection that is no more is one of a key that was deleted', () => {
    const bench = open();
    bench.run(command('SADD', str('ab'), str('x')));
    bench.logged();
    bench.run(command('SREM', str('ab'), str('x')));
    expect(spaced(bench.logged())).toBe(
      `03 00 02 00 02 10 00 00 ${stamp(3)} 61 62 00 00 00 00 00 00`,
    );
  });

  it('of all keys has no key', () => {
    const bench = open();
    bench.arena.clear();
    expect(bench.records().map(({ kind, detail, key }) => [kind, detail, key.length])).toEqual([
      [4, 0x10, 0],
    ]);
  });
});

describe('what a command on collections is told as', () => {
  const CASES: [string, string[][], unknown[][]][] = [
    [
      'SPOP of one',
      [
        ['SADD', 'k', 'x', 'y', 'z'],
        ['SPOP', 'k'],
      ],
      [
        ['SADD', 3],
        ['SREM', 1],
      ],
    ],
    [
      'SPOP of some',
      [
        ['SADD', 'k', 'x', 'y', 'z'],
        ['SPOP', 'k', '2'],
      ],
      [
        ['SADD', 3],
        ['SREM', 2],
      ],
    ],
    [
      'SMOVE',
      [
        ['SADD', 'k', 'x', 'y'],
        ['SMOVE', 'k', 'other', 'x'],
      ],
      [
        ['SADD', 2],
        ['SADD', 1, 'other'],
        ['SREM', 1],
      ],
    ],
    [
      'LMOVE',
      [
        ['RPUSH', 'k', 'x', 'y'],
        ['LMOVE', 'k', 'other', 'LEFT', 'RIGHT'],
      ],
      [
        ['RPUSH', 2],
        ['RPUSH', 1, 'other'],
        ['LPOP', 0],
      ],
    ],
    [
      'LMOVE to itself',
      [
        ['RPUSH', 'k', 'x', 'y'],
        ['LMOVE', 'k', 'k', 'LEFT', 'RIGHT'],
      ],
      [['RPUSH', 2], []],
    ],
    [
      'SUNIONSTORE',
      [
        ['SADD', 'k', 'x'],
        ['SUNIONSTORE', 'other', 'k'],
      ],
      [['SADD', 1], ['other']],
    ],
    [
      'nothing changed',
      [
        ['SADD', 'k', 'x'],
        ['SADD', 'k', 'x'],
        ['SREM', 'k', 'z'],
      ],
      [['SADD', 1]],
    ],
  ];
  const NAMES = new Map([
    [0x40, 'SADD'],
    [0x41, 'SREM'],
    [0x31, 'RPUSH'],
    [0x34, 'LPOP'],
  ]);

  it.each(CASES)('%s', (_name, commands, expected) => {
    const bench = new StampedBench(NODE, {}, NOW_MS);
    for (const [name, ...args] of commands) {
      const wire = args.map((arg) => (/^\d+$/.test(arg) ? integer(Number(arg)) : str(arg)));
      bench.run(command(name as 'SADD', ...wire));
    }
    const told = bench.records().map(({ kind, key, value }) => {
      const others = key.toString() === 'k' ? [] : [key.toString()];
      if (kind !== 5) return others;
      return [NAMES.get(value.readUInt16LE(8)), value.readUInt16LE(10), ...others];
    });
    expect(told).toEqual(expected);
  });

  it('has no value where its arguments are too long', () => {
    const bench = new StampedBench(NODE, {}, NOW_MS);
    const long = Array.from({ length: 5 }, (_, i) => str(String(i).repeat(3500)));
    bench.run(command('SADD', str('k'), ...long));
    expect(bench.records().map(({ kind, detail }) => [kind, detail])).toEqual([[1, 0x11]]);
  });
});

describe('a stamp', () => {
  it('grows where the clock goes back', () => {
    const bench = new StampedBench(NODE, {}, NOW_MS);
    bench.run(command('SET', str('k'), integer(1)));
    bench.nowMs -= 1000;
    bench.run(command('SET', str('k'), integer(1)));
    const [first, second] = bench.records();
    expect(second!.stamp).toBe(first!.stamp + 1024n);
  });

  it('is above one that was seen', () => {
    const bench = new StampedBench(NODE, {}, NOW_MS);
    const seen = (BigInt(NOW_MS + 5) << 22n) | 700n;
    bench.arena.kernel.raiseClock(Number(seen >> 32n), Number(seen & 0xffff_ffffn));
    bench.run(command('SET', str('k'), integer(1)));
    expect(bench.records()[0]!.stamp).toBe((BigInt(NOW_MS + 5) << 22n) + 1024n + BigInt(NODE));
  });

  it('is the version of the entry', () => {
    const bench = new StampedBench(NODE, {}, NOW_MS);
    bench.run(command('SET', str('k'), integer(1)));
    const told = bench.records()[0]!.stamp;
    const got = bench.one(command('GETV', str('k')));
    expect(got.subarray(-8).readBigUInt64BE()).toBe(told);
    const version = integer(told);
    const set = (value: number) =>
      command('SET', str('k'), integer(value), NIL, integer(16), version);
    expect([bench.one(set(2))[0], bench.one(set(3))[0]]).toEqual([0xc3, 0xc2]);
  });

  it('is another one after each write', () => {
    const bench = new StampedBench(NODE, { policy: 'none' }, NOW_MS);
    const key = str('k');
    const writes = [
      command('SET', key, str('a')),
      command('SET', key, str('b')),
      command('APPEND', key, str('b')),
      command('APPEND', key, str('b'.repeat(10_000))),
      command('SETRANGE', key, integer(3), str('b')),
      command('EXPIRE', key, integer(1000)),
      command('PERSIST', key),
      command('GETEX', key, integer(1000)),
      command('GETEX', key, integer(0)),
      command('MSET', key, integer(1)),
      command('INCR', key),
      command('INCRFLOAT', key, integer(1)),
      command('RENAME', key, str('other')),
      command('COPY', str('other'), key),
      command('DEL', key),
      command('LOCK', key, str('me'), integer(1000)),
      command('EXTEND', key, str('me'), integer(1000)),
      command('DEL', key),
      command('RPUSH', key, str('b')),
    ];
    const stamps = new Set<bigint>();
    for (const write of writes) {
      bench.run(write);
      const stamp = bench.memory.u64(bench.memory.partition(0, 'version'));
      expect(stamps).not.toContain(stamp);
      stamps.add(stamp);
      const told = bench.records().map((record) => record.stamp);
      expect(told.at(-1)).toBe(stamp);
      expect(bench.arena.checkIntegrity()).toBeUndefined();
    }
  });
});
