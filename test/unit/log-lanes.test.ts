/** Change records by the links that get them, and digests of slots: as slow twins have them. */
import { describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import type { Arena } from '#engine/arena.js';
import { LogLanes, lanesOf } from '#engine/log-lanes.js';
import { LogReader } from '#engine/log-reader.js';
import { SLOT_COUNT, SlotTable } from '#engine/slot-table.js';
import { freshSeed, Random } from '../support/fuzz-random.mjs';
import { Bench, createArena, KIB, MIB } from '../support/kernel-memory.js';
import { bin, command, integer, str } from '../support/kernel-wire.js';
import { slotOf } from '../support/slot-twin.js';

const SET = 1;
const DELETE = 2;
const EXPIRE = 3;
const CLEAR = 4;
const Detail = { TIME: 0x80, NAMESPACED: 0x40, REMOTE: 0x20, STAMP: 0x10, LEFT_OUT: 1 } as const;
/** Where `readLog` leaves records in the reply area. */
const START = 16;
/** Half of a stamp that none is above. */
const NEWEST = 0xffff_ffff;
const NOTHING = Buffer.alloc(0);
const STAMP = 0x0123_4567_89ab_cdefn;

const { h64Raw } = await xxhash();

interface Change {
  kind: number;
  detail: number;
  key: Buffer;
  value: Buffer;
  stamp: bigint;
}

const change = (key: string, more: Partial<Change> = {}): Change => ({
  ...{ kind: SET, detail: 0, key: Buffer.from(key), value: Buffer.from('value'), stamp: STAMP },
  ...more,
});

/** As engine/kernel/changelog.ts draws it. */
function recordOf({ kind, detail, key, value, stamp }: Change): Buffer {
  const head = Buffer.alloc(8);
  const time = Buffer.alloc(detail & Detail.TIME ? 8 : 0, 0x77);
  const stampBytes = Buffer.alloc(detail & Detail.STAMP ? 8 : 0);
  if (stampBytes.length > 0) stampBytes.writeBigUInt64LE(stamp);
  // The stamp of the entry before.
  const base = Buffer.alloc(stampBytes.length > 0 && kind === EXPIRE ? 8 : 0, 0x66);
  const bytes = Buffer.concat([head, time, stampBytes, base, key, value]);
  const record = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 7)]);
  record.writeUInt16LE(record.length / 8, 0);
  record.writeUInt16LE(key.length, 2);
  record[4] = kind;
  record[5] = detail;
  record.writeUInt16LE(value.length, 6);
  return record;
}

/** Puts records where `readLog` does; where they end. */
function place(arena: Arena, changes: readonly Change[]): number {
  const bytes = Buffer.concat(changes.map(recordOf));
  arena.reply.set(bytes, START);
  return START + bytes.length;
}

function isHandedOn({ kind, detail }: Change, losses: boolean): boolean {
  if (kind === CLEAR || detail & (Detail.REMOTE | Detail.NAMESPACED)) return false;
  return kind !== DELETE || losses || (detail & 15) === 0;
}

/** The records for one link. */
function laneOf(
  changes: readonly Change[],
  table: SlotTable,
  link: number,
  losses = false,
): Buffer {
  const some = changes.filter((one) => {
    const targets = table.targetsOf(slotOf(one.key));
    return isHandedOn(one, losses) && (targets >> BigInt(link)) & 1n;
  });
  return Buffer.concat(some.map(recordOf));
}

function open(): { arena: Arena; table: SlotTable } {
  const arena = createArena({ slots: true });
  return { arena, table: new SlotTable({ arenas: [arena] }) };
}

const randomChange = (random: Random): Change => ({
  kind: random.pick([SET, SET, SET, DELETE, EXPIRE, CLEAR]),
  detail:
    (random.chance(0.3) ? Detail.TIME : 0) |
    (random.chance(0.5) ? Detail.STAMP : 0) |
    (random.chance(0.1) ? Detail.REMOTE : 0) |
    (random.chance(0.1) ? Detail.NAMESPACED : 0) |
    (random.chance(0.2) ? random.below(4) : 0),
  key: Buffer.concat([
    random.bytes(random.between(1, 40)),
    Buffer.from(random.pick(['', '{tag}', '{', '}{a}b'])),
  ]),
  value: random.bytes(random.below(100)),
  stamp: (BigInt(random.word()) << 32n) | BigInt(random.word()),
});

describe('lanes', () => {
  it('have the records that the log has of real writes', () => {
    const bench = new Bench({ slots: true });
    const { arena } = bench;
    const reader = new LogReader(arena, 64 * KIB);
    const table = new SlotTable({ arenas: [arena] });
    table.setTargets(slotOf(Buffer.from('a')), 0b101n);
    table.setTargets(slotOf(Buffer.from('b')), 0b100n);
    bench.run(
      ...[command('SET', str('a'), integer(1)), command('SET', str('b'), integer(2))],
      ...[command('SET', str('c'), integer(3)), command('EXPIRE', str('a'), integer(1000))],
      ...[command('DEL', str('a'), str('c')), command('SET', str('b'), bin(Buffer.alloc(20_000)))],
    );
    const lanes = new LogLanes(arena, 0, 3);
    lanes.clear();
    for (let span = reader.nextInPlace(false); span; span = reader.nextInPlace(false)) {
      expect(lanes.append(span.start, span.end)).toBe(span.end);
    }
    reader.close();
    const [a, b] = [Buffer.from('a'), Buffer.from('b')];
    const setA = recordOf(change('a', { value: integer(1) }));
    const expireA = recordOf(change('a', { kind: EXPIRE, detail: Detail.TIME, value: NOTHING }));
    expireA.writeBigInt64LE(BigInt(bench.nowMs + 1000), 8);
    const deleteA = recordOf(change('a', { kind: DELETE, value: NOTHING }));
    const setB = recordOf(change('b', { value: integer(2) }));
    const longB = recordOf(change('b', { detail: Detail.LEFT_OUT, value: NOTHING }));
    expect(lanes.copyFor(0)).toEqual(Buffer.concat([setA, expireA, deleteA]));
    expect(lanes.bytesFor(1)).toBe(0);
    expect(lanes.copyFor(2)).toEqual(Buffer.concat([setA, setB, expireA, deleteA, longB]));
    expect([lanes.leftOut, lanes.clears]).toEqual([1, 0]);
    expect([a, b].map(slotOf)).toEqual([15_495, 3300]);
  });

  it('leave out what others have already, and what is not theirs', () => {
    const { arena, table } = open();
    table.setTargetsFrom(0, SLOT_COUNT, 1n);
    const changes = [
      change('remote', { detail: Detail.REMOTE | Detail.STAMP }),
      change('namespaced', { detail: Detail.NAMESPACED }),
      change('', { kind: CLEAR, value: NOTHING }),
      change('expired', { kind: DELETE, detail: 1 }),
      change('evicted', { kind: DELETE, detail: 2 }),
      change('deleted', { kind: DELETE, detail: Detail.STAMP }),
    ];
    const end = place(arena, changes);
    const lanes = new LogLanes(arena, 0, 1);
    lanes.clear();
    expect(lanes.append(START, end)).toBe(end);
    expect(lanes.copyFor(0)).toEqual(recordOf(changes[5]!));
    expect(lanes.clears).toBe(1);
    lanes.clear();
    expect(lanes.append(START, end, true)).toBe(end);
    expect(lanes.copyFor(0)).toEqual(Buffer.concat(changes.slice(3).map(recordOf)));
  });

  it('stop in front of a record that one of them has no room for', () => {
    const { arena, table } = open();
    table.setTargetsFrom(0, SLOT_COUNT, 0b11n);
    table.setTargets(slotOf(Buffer.from('only')), 0b10n);
    const value = Buffer.alloc(60_000, 1);
    const one = (key: string) => change(key, { value });
    // Lanes of some 80 KiB: the second is full first.
    const lanes = new LogLanes(arena, 0, 14);
    lanes.clear();
    const first = place(arena, [one('only')]);
    expect(lanes.append(START, first)).toBe(first);
    const end = place(arena, [one('both'), one('other')]);
    expect(lanes.append(START, end)).toBe(START);
    expect([lanes.bytesFor(0), lanes.bytesFor(1)]).toEqual([0, recordOf(one('only')).length]);
    lanes.clear();
    const middle = lanes.append(START, end);
    expect(middle).toBe(START + recordOf(one('both')).length);
    expect(lanes.copyFor(1)).toEqual(recordOf(one('both')));
    lanes.clear();
    expect(lanes.append(middle, end)).toBe(end);
    expect(lanes.copyFor(0)).toEqual(recordOf(one('other')));
  });

  it('are as many as the area has room for what is read at a time', () => {
    expect(lanesOf(createArena({ slots: true }))).toBe(64);
    const { arena } = new Bench({ slots: true, maxValueBytes: 4 * KIB });
    expect(lanesOf(arena)).toBe(7);
    expect(() => new LogLanes(arena, 0, 8)).toThrow('links must be 1 to 7 here, not 8');
    expect(() => new LogLanes(arena, 60, 5)).toThrow('links must be 1 to 4 here, not 5');
    expect(() => new LogLanes(arena, 64, 1)).toThrow('a link is a whole number below 64, not 64');
    expect(() => new LogLanes(createArena(), 0, 1)).toThrow('the arena was made without `slots`');
  });

  const seed = freshSeed();
  it(`have what the twin has of random changes (seed ${seed})`, () => {
    const random = new Random(seed);
    const { arena, table } = open();
    for (let round = 0; round < 200; round++) {
      const links = () => (BigInt(random.word()) << 32n) | BigInt(random.word());
      for (let i = 0; i < 300; i++) table.setTargets(random.below(SLOT_COUNT), links());
      const changes = Array.from({ length: random.between(1, 60) }, () => randomChange(random));
      for (const { key } of changes) table.setTargets(slotOf(key), links() & links());
      const end = place(arena, changes);
      const firstLink = random.below(64);
      const lanes = new LogLanes(arena, firstLink, random.between(1, 64 - firstLink));
      const losses = random.chance(0.5);
      lanes.clear();
      expect(lanes.append(START, end, losses)).toBe(end);
      for (let link = firstLink; link < firstLink + lanes.links; link++) {
        expect(lanes.copyFor(link).equals(laneOf(changes, table, link, losses))).toBe(true);
      }
      expect(lanes.clears).toBe(changes.filter(({ kind }) => kind === CLEAR).length);
    }
  });
});

describe('digests', () => {
  const term = ({ key, stamp }: Change) => h64Raw(key, stamp);

  it('are sums of XXH64 of keys, seeded with their stamps', () => {
    const { arena, table } = open();
    const { kernel, slot } = arena;
    const [a, b] = [change('{t}a', { detail: Detail.STAMP }), change('{t}b', { stamp: 5n })];
    b.detail = Detail.STAMP | Detail.TIME | Detail.REMOTE;
    const others = [
      change('{t}c'),
      change('{t}d', { detail: Detail.STAMP | Detail.NAMESPACED }),
      change('', { kind: CLEAR, value: NOTHING }),
    ];
    expect(kernel.digestRecords(slot, START, place(arena, [a, ...others, b]), NEWEST, NEWEST)).toBe(
      2,
    );
    const tag = slotOf(Buffer.from('t'));
    expect(table.digestOf(tag)).toBe(BigInt.asUintN(64, term(a) + term(b)));
    expect(table.digestOf(tag - 1)).toBe(0n);
    table.clearDigests();
    expect(table.digestOf(tag)).toBe(0n);
  });

  it('leave out what is newer than they are asked for, and tombstones', () => {
    const { arena, table } = open();
    const { kernel, slot } = arena;
    const detail = Detail.STAMP;
    const old = change('{t}a', { detail, stamp: (7n << 32n) | 5n });
    const newer = change('{t}b', { detail, stamp: (7n << 32n) | 6n });
    const gone = change('{t}c', { kind: DELETE, detail, stamp: 1n, value: NOTHING });
    const end = place(arena, [newer, gone, old]);
    expect(kernel.digestRecords(slot, START, end, 7, 5)).toBe(1);
    expect(table.digestOf(slotOf(Buffer.from('t')))).toBe(term(old));
  });

  it('are the same on nodes with other seeds, in any order', () => {
    const random = new Random(3);
    const changes = Array.from({ length: 60 }, () => randomChange(random));
    const tables = [7, 8].map((hashSeed) => {
      const arena = createArena({ slots: true }, hashSeed);
      const some = hashSeed === 7 ? changes : changes.toReversed();
      arena.kernel.digestRecords(arena.slot, START, place(arena, some), NEWEST, NEWEST);
      return new SlotTable({ arenas: [arena] });
    });
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      expect(tables[0]!.digestOf(slot)).toBe(tables[1]!.digestOf(slot));
    }
  });

  const seed = freshSeed();
  it(`are those of the twin (seed ${seed})`, () => {
    const random = new Random(seed);
    const { arena, table } = open();
    const sums = new Map<number, bigint>();
    for (let round = 0; round < 300; round++) {
      const changes = Array.from({ length: random.between(1, 30) }, () => randomChange(random));
      const long = change('x'.repeat(random.between(1, 200)), { detail: Detail.STAMP });
      changes.push(long);
      const counted = changes.filter(
        ({ kind, detail }) =>
          kind === SET && (detail & Detail.STAMP) !== 0 && (detail & Detail.NAMESPACED) === 0,
      );
      for (const one of counted) {
        const slot = slotOf(one.key);
        sums.set(slot, BigInt.asUintN(64, (sums.get(slot) ?? 0n) + term(one)));
      }
      const { kernel, slot } = arena;
      const count = kernel.digestRecords(slot, START, place(arena, changes), NEWEST, NEWEST);
      expect(count).toBe(counted.length);
    }
    for (const [slot, sum] of sums) expect(table.digestOf(slot)).toBe(sum);
  });

  it('of several arenas are added up', () => {
    const arenas = [createArena({ slots: true }, 7), createArena({ slots: true }, 8)];
    const changes = [change('{t}a'), change('{t}b')];
    for (const [index, { kernel, slot }] of arenas.entries()) {
      changes[index]!.detail = Detail.STAMP;
      kernel.digestRecords(slot, START, place(arenas[index]!, [changes[index]!]), NEWEST, NEWEST);
    }
    const sum = BigInt.asUintN(64, term(changes[0]!) + term(changes[1]!));
    expect(new SlotTable({ arenas }).digestOf(slotOf(Buffer.from('t')))).toBe(sum);
  });

  it('and what else is kept of slots count as memory', () => {
    const { arena } = open();
    expect(arena.facts.slotBytes).toBe(arena.kernel.KEY_SLOT_BYTES.value);
    expect(arena.stats().memoryBytes).toBe(4 * MIB);
    expect(arena.checkIntegrity()).toBeUndefined();
  });
});
