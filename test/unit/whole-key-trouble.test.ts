/** Keys as a whole, while others write them, where memory is short, and of pieces that are none. */
import { describe, expect, it } from 'vitest';
import { dataSection, endSection, headSection, Section } from '#engine/whole-piece.js';
import { KIB, MIB, PAGE_BYTES } from '../support/kernel-memory.js';
import { bin, command, integer, str } from '../support/kernel-wire.js';
import {
  copyWhole,
  growers,
  KEY,
  makers,
  NOW_MS,
  openNode,
  pourAll,
  readerOf,
  writerOf,
} from '../support/whole-keys.js';

const key = Buffer.from(KEY);

describe.each(Object.keys(makers))('a %s', (kind) => {
  it('that is written while it is read is one of its states', () => {
    for (const [times, count] of [1, 3, 1000].flatMap((n) => [5, 5000].map((m) => [n, m]))) {
      const from = openNode(1);
      const to = openNode(2);
      for (const request of makers[kind]!(count!)) from.run(request);
      const states = new Set([from.contentOf(KEY)]);
      let written = 0;
      const writer = writerOf(to);
      const pieces = pourAll(readerOf(from), writer, () => {
        if (written === times) return;
        from.run(growers[kind]!(written++));
        states.add(from.contentOf(KEY));
      });
      // However hot it is.
      expect(pieces).toBeLessThan(40);
      expect(writer.finish()).toBe('stored');
      expect(states).toContain(to.contentOf(KEY));
      expect(to.arena.checkIntegrity()).toBeUndefined();
    }
  });

  it('that is gone or another one before all was read is not mixed', () => {
    for (const last of [command('DEL', str(KEY)), command('SET', str(KEY), str('v'))]) {
      const from = openNode(1);
      const to = openNode(2);
      for (const request of makers[kind]!(5000)) from.run(request);
      let pieces = 0;
      const writer = writerOf(to);
      pourAll(readerOf(from), writer, () => {
        if (pieces++ === 1) from.run(last);
      });
      // What was deleted comes as its tombstone.
      expect(writer.finish()).toBe('stored');
      expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
    }
  });

  it('whose reader is gone leaves nothing', () => {
    const from = openNode(1);
    const to = openNode(2, { memoryBytes: 2 * MIB, maxValueBytes: MIB });
    for (const request of makers[kind]!(5_000)) from.run(request);
    // Far more than there is memory for, if any of it stayed.
    for (let i = 0; i < 50; i++) {
      const writer = writerOf(to);
      writer.write(readerOf(from).next()!);
      expect(to.arena.checkIntegrity()).toBeUndefined();
      if (i % 2 === 0) writer.abandon();
    }
    expect(copyWhole(from, to)).toBe('stored');
    expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
    expect(to.arena.stats().entries).toBe(1);
  });

  it('that nobody goes on with is gone after a minute', () => {
    const from = openNode(1);
    const to = openNode(2);
    for (const request of makers[kind]!(5_000)) from.run(request);
    const reader = readerOf(from);
    const writer = writerOf(to);
    writer.write(reader.next()!);
    const { usedBytes } = to.arena.stats();
    to.nowMs += 30_000;
    writer.write(reader.next()!);
    to.nowMs += 59_000;
    for (let i = 0; i < 100; i++) to.arena.kernel.upkeep(to.arena.slot, to.nowMs);
    expect(to.arena.stats().usedBytes).toBeGreaterThanOrEqual(usedBytes);
    to.nowMs += 2_000;
    for (let i = 0; i < 1000; i++) to.arena.kernel.upkeep(to.arena.slot, to.nowMs);
    expect(to.arena.checkIntegrity()).toBeUndefined();
    pourAll(reader, writer);
    expect(writer.finish()).toBe('incomplete');
    expect(to.records()).toEqual([]);
  });

  it('for which there is no memory changes nothing', () => {
    const from = openNode(1);
    const to = openNode(2, { memoryBytes: MIB, maxValueBytes: MIB });
    to.run(command('SET', str(KEY), str('old')));
    const { usedBytes } = to.arena.stats();
    from.nowMs += 10;
    for (const request of makers[kind]!(40_000)) from.run(request);
    expect(copyWhole(from, to)).toBe('no memory');
    expect(to.one(command('GET', str(KEY)))).toEqual(str('old'));
    expect(to.arena.stats().entries).toBe(1);
    // All of it is given back, but for a page of the wheel's.
    for (let i = 0; i < 1000; i++) to.arena.kernel.upkeep(to.arena.slot, to.nowMs);
    expect(to.arena.stats().usedBytes).toBeLessThanOrEqual(usedBytes + PAGE_BYTES);
    from.run(command('DEL', str(KEY)));
    for (const request of makers[kind]!(50)) from.run(request);
    expect(copyWhole(from, to)).toBe('stored');
  });

  it('may be evicted while it is built, and then nobody is told', () => {
    const from = openNode(1);
    const to = openNode(2, { memoryBytes: 3 * MIB, maxValueBytes: MIB, policy: 'lru' });
    for (const request of makers[kind]!(5_000)) from.run(request);
    const writer = writerOf(to);
    const reader = readerOf(from);
    writer.write(reader.next()!);
    let isTold = false;
    for (let i = 0; i < 10_000; i++) {
      to.run(command('SET', str(`key ${i}`), bin(Buffer.alloc(500))));
      if (i % 100 === 0) isTold ||= to.records().some((record) => record.key.equals(key));
    }
    pourAll(reader, writer);
    expect(writer.finish()).toBe('incomplete');
    expect(to.arena.checkIntegrity()).toBeUndefined();
    expect(isTold).toBe(false);
  });

  it('is begun anew by whoever comes second', () => {
    const from = openNode(1);
    const to = openNode(2);
    for (const request of makers[kind]!(5_000)) from.run(request);
    const [first, second] = [writerOf(to), writerOf(to)];
    const [one, other] = [readerOf(from), readerOf(from)];
    first.write(one.next()!);
    second.write(other.next()!);
    pourAll(one, first);
    expect(first.finish()).toBe('incomplete');
    pourAll(other, second);
    expect(second.finish()).toBe('stored');
    expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
  });

  it('is dropped by a command that builds the key, too', () => {
    const from = openNode(1);
    const to = openNode(2);
    for (const request of makers[kind]!(5_000)) from.run(request);
    to.run(command('SADD', str('other'), integer(1), integer(2)));
    const writer = writerOf(to);
    const reader = readerOf(from);
    writer.write(reader.next()!);
    to.run(command('COPY', str('other'), str(KEY)));
    pourAll(reader, writer);
    expect(writer.finish()).toBe('incomplete');
    expect(to.one(command('SCARD', str(KEY)))).toEqual(integer(2));
    expect(to.arena.checkIntegrity()).toBeUndefined();
    // It was older then; with a later stamp it is not.
    from.nowMs += 10;
    from.run(growers[kind]!(1));
    expect(copyWhole(from, to)).toBe('stored');
  });
});

describe('a large value', () => {
  const large = (byte: number) => bin(Buffer.alloc(3 * MIB, byte));

  it('that is written while it is read is one of its states', () => {
    for (const times of [1, 3, 1000]) {
      const from = openNode(1);
      const to = openNode(2);
      from.run(command('SET', str(KEY), large(0)));
      let written = 0;
      const writer = writerOf(to);
      const pieces = pourAll(readerOf(from), writer, () => {
        if (written++ < times) from.run(command('SET', str(KEY), large(written)));
      });
      expect(pieces).toBeLessThan(60);
      expect(writer.finish()).toBe('stored');
      const value = to.one(command('GET', str(KEY)));
      expect(value.equals(large(value.at(-1)!))).toBe(true);
      expect(to.arena.checkIntegrity()).toBeUndefined();
    }
  });

  it('whose expiry changes all the time is read all the same, with the last one', () => {
    const from = openNode(1);
    const to = openNode(2);
    from.run(command('SET', str(KEY), large(1), integer(60_000)));
    let pieces = 0;
    const writer = writerOf(to);
    pourAll(readerOf(from), writer, () => {
      if (pieces++ < 12) from.run(command('EXPIRE', str(KEY), integer(60_000 + pieces)));
    });
    expect(writer.finish()).toBe('stored');
    expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
  });

  it('for which there is no memory changes nothing', () => {
    const from = openNode(1);
    const to = openNode(2, { memoryBytes: 3 * MIB });
    from.run(command('SET', str(KEY), large(1)));
    expect(copyWhole(from, to)).toBe('no memory');
    const tooShort = openNode(2, { maxValueBytes: 2 * MIB });
    expect(copyWhole(from, tooShort)).toBe('no memory');
    for (const node of [to, tooShort]) expect(node.contentOf(KEY)).toBeUndefined();
  });
});

it('a hot key of more than can be copied in one go is given up', () => {
  const from = openNode(1, { memoryBytes: 160 * MIB });
  const to = openNode(2, { memoryBytes: 160 * MIB });
  const element = bin(Buffer.alloc(1000 * KIB));
  for (let i = 0; i < 70; i++) from.run(command('RPUSH', str(KEY), element));
  const writer = writerOf(to);
  pourAll(readerOf(from), writer, () => from.run(growers.list!(0)));
  expect(writer.finish()).toBe('incomplete');
  expect(copyWhole(from, to)).toBe('stored');
});

describe('what is no piece', () => {
  const head = (kind: number, bytes = 0) =>
    headSection({ kind, bytes, stamp: BigInt(NOW_MS) << 22n });
  const end = endSection({ stamp: BigInt(NOW_MS) << 22n, expiryMs: 0 });
  const items = dataSection(str('m'), false);
  const otherFormat = head(3);
  otherFormat[8] = 9;
  const otherType = Buffer.from(end);
  otherType[0] = 9;
  const [LIST, SET, HASH, ZSET] = [2, 3, 4, 5] as const;
  const unfinished = (...bytes: number[]) => dataSection(Buffer.from(bytes), false);
  const cases: [name: string, pieces: Buffer[]][] = [
    ['cut off', [head(SET), items.subarray(0, -1)]],
    ['cut off in the head of a section', [head(SET), items.subarray(0, 5)]],
    ['of another format', [otherFormat]],
    ['of a type that is none', [head(SET), otherType]],
    ['without a head', [items]],
    ['of a kind that is none', [head(9)]],
    ['behind the end', [head(SET), end, items]],
    ['longer than its value', [head(1, 3), dataSection(Buffer.alloc(4), false)]],
    [
      'an end of another length',
      [head(SET), dataSection(Buffer.alloc(3), false).fill(Section.END, 0, 1)],
    ],
    ['an element that is none', [head(LIST), unfinished(0xc1)]],
    ['an element that ends too late', [head(LIST), unfinished(0xa5, 1)]],
    ['a member that is none', [head(SET), unfinished(0xc0)]],
    ['a member that is too long', [head(SET), dataSection(bin(Buffer.alloc(4001)), false)]],
    ['a field without a value', [head(HASH), items]],
    ['an expiry without a field', [head(HASH), unfinished(0xc1, 1, 2, 3, 4, 5, 6)]],
    ['an expiry that is cut off', [head(HASH), unfinished(0xc1, 1, 2)]],
    ['a score without a member', [head(ZSET), unfinished(1)]],
    ['a score that is none', [head(ZSET), unfinished(0xa1, 1, 0xa1, 1)]],
  ];

  it.each(cases)('is refused: %s', (_name, pieces) => {
    const to = openNode(2);
    const writer = writerOf(to);
    expect(() => writer.write(Buffer.concat(pieces))).toThrow(
      /^a piece of a key that another node sent |^SYNTAX/,
    );
    expect(writer.finish()).toBe('incomplete');
    expect(to.contentOf(KEY)).toBeUndefined();
    expect(to.arena.stats().entries).toBe(0);
    expect(to.arena.checkIntegrity()).toBeUndefined();
  });

  it('a value of which something is missing is not stored', () => {
    const to = openNode(2);
    const writer = writerOf(to);
    writer.write(Buffer.concat([head(1, 3), dataSection(Buffer.alloc(2), false), end]));
    expect(writer.finish()).toBe('incomplete');
  });

  it('nothing at all is incomplete', () => {
    expect(writerOf(openNode(2)).finish()).toBe('incomplete');
  });
});
