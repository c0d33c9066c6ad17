/** Keys that travel as a whole between arenas of two nodes, whose clocks stand still. */
import { expect } from 'vitest';
import type { ArenaOptions } from '#engine/arena.js';
import { KeyReader, KeyWriter, type Outcome } from '#engine/whole-key.js';
import { MIB } from './kernel-memory.js';
import { command, float, integer, map, NIL, str, type Wire } from './kernel-wire.js';
import { Peer } from './replicas.js';

export const NOW_MS = 1_900_000_000_000;
export const KEY = 'some key';

export function openNode(node: number, options: Partial<ArenaOptions> = {}): Peer {
  const given = { memoryBytes: 64 * MIB, maxValueBytes: 64 * MIB, policy: 'none', ...options };
  return new Peer(node, given as Partial<ArenaOptions>, NOW_MS);
}

export const readerOf = (peer: Peer, key = KEY): KeyReader =>
  new KeyReader(peer.arena, Buffer.from(key), () => peer.nowMs);
export const writerOf = (peer: Peer, key = KEY): KeyWriter =>
  new KeyWriter(peer.arena, peer.replica, Buffer.from(key), () => peer.nowMs);

/** All pieces go from the one to the other; how many. `between` is called before each of them. */
export function pourAll(reader: KeyReader, writer: KeyWriter, between = () => {}): number {
  let pieces = 0;
  for (;;) {
    between();
    const piece = reader.next();
    if (piece === undefined) return pieces;
    writer.write(piece);
    pieces++;
  }
}

export function copyWhole(from: Peer, to: Peer, key = KEY): Outcome {
  const writer = writerOf(to, key);
  pourAll(readerOf(from, key), writer);
  const outcome = writer.finish();
  expect(to.arena.checkIntegrity()).toBeUndefined();
  return outcome;
}

/** Commands that make the key a collection of so many items. */
export const makers: Readonly<Record<string, (count: number) => Wire[]>> = {
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

/** One more item for each of these. */
export const growers: Readonly<Record<string, (i: number) => Wire>> = {
  list: (i) => command('RPUSH', str(KEY), integer(i)),
  set: (i) => command('SADD', str(KEY), str(`more ${i}`)),
  hash: (i) => command('HSET', str(KEY), str(`more ${i}`), integer(i)),
  zset: (i) => command('ZADD', str(KEY), NIL, integer(i), str(`more ${i}`)),
};
