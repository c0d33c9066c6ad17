/** Keys as a whole: what is read on one node is made on another, in one step and with its stamp. */
import { describe, expect, it } from 'vitest';
import type { ArenaOptions } from '#engine/arena.js';
import { ArenaSet } from '#engine/arena-set.js';
import { FrameExecutor } from '#engine/frame.js';
import { REMOTE } from '#engine/log-record.js';
import { WholeKeys } from '#engine/whole-key.js';
import { endSection, headSection } from '#engine/whole-piece.js';
import { KIB, MIB } from '../support/kernel-memory.js';
import {
  array,
  bin,
  command,
  float,
  frame,
  integer,
  map,
  NIL,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';
import type { Peer } from '../support/replicas.js';
import {
  copyWhole,
  KEY,
  makers,
  NOW_MS,
  openNode,
  pourAll,
  readerOf,
  writerOf,
} from '../support/whole-keys.js';

const key = Buffer.from(KEY);
const others: Partial<ArenaOptions> = { packedItems: 0, partitions: 4 };

describe.each(Object.keys(makers))('a %s', (kind) => {
  it.each([1, 10, 200, 10_000])('of %i items is the same elsewhere', (count) => {
    const from = openNode(1);
    const to = openNode(2, others);
    for (const request of makers[kind]!(count)) from.run(request);
    from.run(command('EXPIRE', str(KEY), integer(60_000)));
    expect(copyWhole(from, to)).toBe('stored');
    expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
    // And back, into what is packed.
    const back = openNode(3);
    expect(copyWhole(to, back)).toBe('stored');
    expect(back.contentOf(KEY)).toBe(from.contentOf(KEY));
    expect(copyWhole(to, back)).toBe('stored');
  });

  it('takes the place of what is older, and is told of once, as another node’s', () => {
    const from = openNode(1);
    const to = openNode(2);
    to.nowMs -= 1000;
    to.run(command('SET', str(KEY), str('old')));
    to.logged();
    for (const request of makers[kind]!(300)) from.run(request);
    to.nowMs += 1000;
    expect(copyWhole(from, to)).toBe('stored');
    expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
    const [record, ...rest] = to.records();
    expect(rest).toEqual([]);
    expect(record!.detail & REMOTE).toBe(REMOTE);
    expect(record!.stamp).toBe(from.replica.stampOf(key, NOW_MS).stamp);
    expect(to.arena.stats().entries).toBe(1);
  });

  it('is seen by nobody before it is there', () => {
    const from = openNode(1);
    const to = openNode(2);
    for (const request of makers[kind]!(300)) from.run(request);
    const writer = writerOf(to);
    pourAll(readerOf(from), writer);
    expect(to.contentOf(KEY)).toBeUndefined();
    expect(to.arena.stats().entries).toBe(0);
    expect(to.replica.scanRecords(0, NOW_MS).bytes).toHaveLength(0);
    expect(to.records()).toEqual([]);
    expect(writer.finish()).toBe('stored');
    expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
  });

  it('yields to what was written here since', () => {
    const from = openNode(1);
    const to = openNode(2);
    for (const request of makers[kind]!(300)) from.run(request);
    const writer = writerOf(to);
    pourAll(readerOf(from), writer);
    to.replica.raiseClock(from.replica.clock());
    to.run(command('SET', str(KEY), str('newer')));
    expect(writer.finish()).toBe('newer');
    expect(to.one(command('GET', str(KEY)))).toEqual(str('newer'));
    expect(to.arena.checkIntegrity()).toBeUndefined();
    expect(to.arena.stats().entries).toBe(1);
    // The next time it is seen at once.
    expect(copyWhole(from, to)).toBe('newer');
  });

  it('that has expired by the time that it comes takes away what is older', () => {
    const from = openNode(1);
    const to = openNode(2);
    to.nowMs -= 1000;
    to.run(command('SET', str(KEY), str('old')));
    for (const request of makers[kind]!(300)) from.run(request);
    from.run(command('EXPIRE', str(KEY), integer(500)));
    to.nowMs += 2000;
    expect(copyWhole(from, to)).toBe('stored');
    expect(to.contentOf(KEY)).toBeUndefined();
    expect(to.arena.stats().entries).toBe(0);
  });
});

it('fields that have expired by the time that they come are left out', () => {
  const from = openNode(1);
  const to = openNode(2);
  for (const request of makers.hash!(300)) from.run(request);
  to.nowMs += 6_000;
  expect(copyWhole(from, to)).toBe('stored');
  from.nowMs += 6_000;
  expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
});

it('a hash all of whose fields have expired by then is none', () => {
  const from = openNode(1);
  const to = openNode(2);
  from.run(command('HSETEX', str(KEY), integer(100), NIL, str('a'), integer(1)));
  to.nowMs += 100;
  expect(copyWhole(from, to)).toBe('stored');
  expect(to.contentOf(KEY)).toBeUndefined();
});

it('items that are longer than a piece come in several', () => {
  const from = openNode(1);
  const to = openNode(2, others);
  const long = bin(Buffer.alloc(900 * KIB, 'long'));
  const before = array([str('before'), NIL]);
  from.run(command('HSET', str(KEY), str('a'), before, str('b'), long));
  from.run(command('HSET', str(KEY), str('c'), long));
  for (let i = 0; i < 300; i++) from.run(command('HSET', str(KEY), integer(i), integer(i)));
  const writer = writerOf(to);
  const reader = readerOf(from);
  for (let piece = reader.next(); piece; piece = reader.next()) {
    expect(piece.length).toBeLessThan(300 * KIB);
    writer.write(piece);
  }
  expect(writer.finish()).toBe('stored');
  for (const field of ['a', 'b', 'c']) {
    const get = command('HGET', str(KEY), str(field));
    expect(to.one(get).equals(from.one(get))).toBe(true);
  }
  expect(to.arena.checkIntegrity()).toBeUndefined();
});

describe('a value', () => {
  const contents: [name: string, value: Wire][] = [
    ['short', str('v')],
    ['of any type', array([map([str('a'), float(1.5)]), NIL, TRUE, integer(-70_000)])],
    ['of a chain', bin(Buffer.alloc(100 * KIB, 7))],
    ['that just fits an area', bin(Buffer.alloc(MIB - 5, 8))],
    ['above that', bin(Buffer.alloc(MIB + 1, 9))],
    ['of some MiB', bin(Buffer.alloc(5 * MIB, 'abcdefg'))],
  ];
  const long = 'k'.repeat(65_000);

  it.each(contents)('%s is the same elsewhere, whatever its key', (_name, value) => {
    for (const name of [KEY, long]) {
      const from = openNode(1);
      const to = openNode(2, others);
      from.run(command('SET', str(name), value, integer(60_000)));
      expect(copyWhole(from, to, name)).toBe('stored');
      expect(to.contentOf(name)).toBe(from.contentOf(name));
      expect(copyWhole(from, to, name)).toBe('stored');
    }
  });

  it.each(contents)('%s yields to what was written here since', (_name, value) => {
    const from = openNode(1);
    const to = openNode(2);
    from.run(command('SET', str(KEY), value));
    const writer = writerOf(to);
    pourAll(readerOf(from), writer);
    to.replica.raiseClock(from.replica.clock());
    to.run(command('SET', str(KEY), str('newer')));
    expect(writer.finish()).toBe('newer');
    expect(to.one(command('GET', str(KEY)))).toEqual(str('newer'));
    expect(to.arena.checkIntegrity()).toBeUndefined();
  });

  it.each(contents)('%s that has expired takes away what is older', (_name, value) => {
    const from = openNode(1);
    const to = openNode(2);
    to.nowMs -= 1000;
    to.run(command('SET', str(KEY), str('old')));
    from.run(command('SET', str(KEY), value, integer(500)));
    to.nowMs += 2000;
    expect(copyWhole(from, to)).toBe('stored');
    to.nowMs += 1;
    expect(to.contentOf(KEY)).toBeUndefined();
  });
});

describe('a key that is not there', () => {
  /** As if another node had deleted it. */
  const bury = (peer: Peer, name = KEY) => {
    const writer = writerOf(peer, name);
    const stamp = BigInt(peer.nowMs) << 22n;
    writer.write(headSection({ kind: 0, bytes: 0, stamp }));
    writer.write(endSection({ stamp, expiryMs: 0 }));
    expect(writer.finish()).toBe('stored');
    return stamp;
  };

  it('but was deleted is deleted here', () => {
    for (const name of [KEY, 'k'.repeat(65_000)]) {
      const from = openNode(1);
      const to = openNode(2);
      to.run(command('SET', str(name), str('old')));
      from.nowMs += 10;
      const stamp = bury(from, name);
      expect(copyWhole(from, to, name)).toBe('stored');
      expect(to.contentOf(name)).toBeUndefined();
      expect(to.replica.stampOf(Buffer.from(name), to.nowMs).tombstone).toBe(stamp);
      expect(copyWhole(from, to, name)).toBe('stored');
    }
  });

  it('and of which nothing is known leaves what is here', () => {
    const from = openNode(1);
    const to = openNode(2);
    to.run(command('SET', str(KEY), str('v')));
    expect(copyWhole(from, to)).toBe('absent');
    expect(to.one(command('GET', str(KEY)))).toEqual(str('v'));
  });

  it('here because it was deleted later does not come back', () => {
    const values = [command('SET', str(KEY), bin(Buffer.alloc(2 * MIB))), ...makers.set!(3)];
    for (const request of [command('SET', str(KEY), str('v')), ...values]) {
      const from = openNode(1);
      const to = openNode(2);
      from.run(request);
      const writer = writerOf(to);
      pourAll(readerOf(from), writer);
      to.nowMs += 10;
      bury(to);
      expect(writer.finish()).toBe('newer');
      expect(copyWhole(from, to)).toBe('newer');
      expect(to.contentOf(KEY)).toBeUndefined();
    }
  });
});

it('keys are found in whichever of a node’s arenas they are', () => {
  const options = {
    ...{ memoryBytes: 24 * MIB, arenas: 3, partitions: 1, maxThreads: 1 },
    ...{ policy: 'none' as const, maxValueBytes: MIB },
  };
  const [from, to] = [1, 2].map((node) => ArenaSet.create({ ...options, node }));
  const source = new WholeKeys(from!, () => NOW_MS);
  const target = new WholeKeys(to!, () => NOW_MS);
  const now = () => NOW_MS;
  for (let i = 0; i < 30; i++) {
    const name = Buffer.from(`key ${i}`);
    const arena = from!.arenas[from!.routes!.arenaOf(name)]!;
    const executor = new FrameExecutor(arena, () => undefined, { now });
    executor.execute(frame(1, command('SADD', str(name), integer(i))), undefined);
    const writer = target.write(name);
    pourAll(source.read(name), writer);
    expect(writer.finish()).toBe('stored');
    const there = new FrameExecutor(to!.arenas[to!.routes!.arenaOf(name)]!, () => undefined, {
      now,
    });
    const reply = there.execute(frame(1, command('SCARD', str(name))), undefined);
    expect(valuesOf(reply as Uint8Array)[1]).toEqual(integer(1));
  }
  expect(to!.arenas.every((arena) => arena.stats().entries > 0)).toBe(true);
  expect(() => source.read(new Uint8Array(0))).toThrow('a key has 1 to 65535 bytes, not 0');
  for (const set of [from!, to!]) set.close();
});
