/** Keys as a whole: what is read on one node is made on another, in one step and with its stamp. */
import { describe, expect, it } from 'vitest';
import type { ArenaOptions } from '#engine/arena.js';
import { REMOTE } from '#engine/log-record.js';
import { KeyReader, KeyWriter, type Outcome } from '#engine/whole-key.js';
import { KIB, MIB } from '../support/kernel-memory.js';
import {
  array,
  bin,
  command,
  float,
  integer,
  map,
  NIL,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';
import { Peer } from '../support/replicas.js';

const NOW_MS = 1_900_000_000_000;
const KEY = 'some key';

const open = (node: number, options: Partial<ArenaOptions> = {}): Peer =>
  new Peer(
    node,
    { memoryBytes: 64 * MIB, maxValueBytes: 64 * MIB, policy: 'none', ...options },
    NOW_MS,
  );

const readerOf = (peer: Peer, key = KEY): KeyReader =>
  new KeyReader(peer.arena, Buffer.from(key), () => peer.nowMs);
const writerOf = (peer: Peer, key = KEY): KeyWriter =>
  new KeyWriter(peer.arena, peer.replica, Buffer.from(key), () => peer.nowMs);

function pour(reader: KeyReader, writer: KeyWriter): void {
  for (let piece = reader.next(); piece; piece = reader.next()) writer.write(piece);
}

function copy(from: Peer, to: Peer, key = KEY): Outcome {
  const writer = writerOf(to, key);
  pour(readerOf(from, key), writer);
  const outcome = writer.finish();
  expect(to.arena.checkIntegrity()).toBeUndefined();
  return outcome;
}

/** What makes the key something of each kind, with so many items. */
const makers: Record<string, (count: number) => Wire[]> = {
  list: (count) => inRuns(count, (i) => [str(`element ${i % 100}`)], 'RPUSH'),
  set: (count) => inRuns(count, (i) => [i % 3 === 0 ? integer(i) : str(`member ${i}`)], 'SADD'),
  hash: (count) => [
    ...inRuns(count, (i) => [str(`field ${i}`), map([str('n'), integer(i)])], 'HSET'),
    ...(count > 2
      ? [command('HSETEX', str(KEY), integer(5_000), NIL, str('field 1'), float(1.5))]
      : []),
  ],
  zset: (count) => inRuns(count, (i) => [float((i * 7) % 101), str(`member ${i}`)], 'ZADD', NIL),
};

function inRuns(
  count: number,
  itemOf: (i: number) => Wire[],
  name: Parameters<typeof command>[0],
  ...before: Wire[]
): Wire[] {
  const commands: Wire[] = [];
  for (let first = 0; first < count; first += 100) {
    const run = Array.from({ length: Math.min(100, count - first) }, (_, i) => itemOf(first + i));
    commands.push(command(name, str(KEY), ...before, ...run.flat()));
  }
  return commands;
}

const sizes = [1, 10, 200, 10_000];
const others: Partial<ArenaOptions> = { packedItems: 0, partitions: 4 };

describe.each(Object.keys(makers))('a %s', (kind) => {
  it.each(sizes)('of %i items is the same elsewhere', (count) => {
    const from = open(1);
    const to = open(2, others);
    for (const request of makers[kind]!(count)) from.run(request);
    from.run(command('EXPIRE', str(KEY), integer(60_000)));
    expect(copy(from, to)).toBe('stored');
    expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
    // And back, into what is packed.
    const back = open(3);
    expect(copy(to, back)).toBe('stored');
    expect(back.contentOf(KEY)).toBe(from.contentOf(KEY));
    expect(copy(to, back)).toBe('stored');
  });

  it('takes the place of what is older, and is told of once, as another node’s', () => {
    const from = open(1);
    const to = open(2);
    to.nowMs -= 1000;
    to.run(command('SET', str(KEY), str('old')));
    to.logged();
    for (const request of makers[kind]!(300)) from.run(request);
    to.nowMs += 1000;
    expect(copy(from, to)).toBe('stored');
    expect(to.contentOf(KEY)).toBe(from.contentOf(KEY));
    const [record, ...rest] = to.records();
    expect(rest).toEqual([]);
    expect(record!.detail & REMOTE).toBe(REMOTE);
    expect(record!.stamp).toBe(from.replica.stampOf(Buffer.from(KEY), NOW_MS).stamp);
    expect(to.arena.stats().entries).toBe(1);
  });

  it('that was written here since stays', () => {
    const from = open(1);
    const to = open(2);
    for (const request of makers[kind]!(300)) from.run(request);
    const reader = readerOf(from);
    const writer = writerOf(to);
    pour(reader, writer);
    expect(to.contentOf(KEY)).toBeUndefined();
    expect(to.arena.stats().entries).toBe(0);
    to.replica.raiseClock(from.replica.clock());
    to.run(command('SET', str(KEY), str('newer')));
    expect(writer.finish()).toBe('newer');
    expect(to.one(command('GET', str(KEY)))).toEqual(str('newer'));
    expect(to.arena.checkIntegrity()).toBeUndefined();
    expect(to.arena.stats().entries).toBe(1);
  });

  it('whose reader is gone leaves nothing', () => {
    const from = open(1);
    const to = open(2, { memoryBytes: 2 * MIB, maxValueBytes: MIB });
    for (const request of makers[kind]!(5_000)) from.run(request);
    // Far more than there is memory for, if any of it stayed.
    for (let i = 0; i < 50; i++) {
      const writer = writerOf(to);
      const reader = readerOf(from);
      writer.write(reader.next()!);
      expect(to.arena.checkIntegrity()).toBeUndefined();
      if (i % 2 === 0) writer.abandon();
      if (i % 4 === 0) to.nowMs += 100_000;
    }
    expect(copy(from, to)).toBe('stored');
    expect(to.arena.stats().entries).toBe(1);
  });
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
    for (const key of [KEY, long]) {
      const from = open(1);
      const to = open(2, others);
      from.run(command('SET', str(key), value, integer(60_000)));
      expect(copy(from, to, key)).toBe('stored');
      expect(to.contentOf(key)).toBe(from.contentOf(key));
      expect(copy(from, to, key)).toBe('stored');
    }
  });
});
