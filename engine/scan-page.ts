/**
 * Pages of keys by cursor, and keys at random, over all arenas. Nothing is kept between two pages,
 * so a walk may be given up at any time, and gone on with by another thread.
 *
 * A cursor is that of the kernel (engine/kernel/scan.ts), below 2^38, plus the arena's number
 * times that: the arenas come one after the other. What the kernel says of its cursors is true of
 * these: an entry that is there during the whole walk is in one of its pages.
 */
import type { ScanPage } from './api.js';
import { copyOf } from './copy.js';
import type { Desk } from './desk.js';
import { SlabringError } from './errors.js';
import { Glob } from './glob.js';
import type { ReadScan } from './keyoptions.js';
import { readKey } from './keys.js';
import {
  type FoundKey,
  KEY_BYTES_MASK,
  RECORD_KEY,
  SCAN_END,
  SCAN_ENTRIES,
  SCAN_RECORDS,
} from './walk.js';

/** Cursors of the kernel are below this. */
const ARENA_CURSORS = 2 ** 38;
/** Where there are few keys, a call of the kernel, of some tens of microseconds, finds none. */
const MOST_CALLS = 8;
/** Bytes of keys that are looked at for a page: a pattern takes a nanosecond for each, or ten. */
const MOST_KEY_BYTES = 128 * 1024;
/** The most that a random number may be asked for. */
const MOST_RANDOM = 2 ** 47;
/** Of a record's first word. */
const KIND_SHIFT = 16;
const KIND_MASK = 0xff;

/** The prefix of the keys of a desk's namespace, 0: keys of none. Another one once it was cleared. */
export function prefixOf({ space }: Desk): number {
  return space === undefined ? 0 : space.prefix();
}

/**
 * The page at a cursor.
 * @param desks those of all arenas
 * @throws SlabringError `OPTION` for a cursor that no page can have given, or a wrong pattern
 */
export function scanPage(
  desks: readonly Desk[],
  cursor: number,
  { match, count, kind }: ReadScan,
): ScanPage<FoundKey> {
  const glob = match === undefined ? undefined : new Glob(match);
  let index = Math.floor(cursor / ARENA_CURSORS);
  if (index >= desks.length) {
    throw new SlabringError('OPTION', `cursor must be 0 or that of the page before, not ${cursor}`);
  }
  let at = cursor % ARENA_CURSORS;
  const keys: FoundKey[] = [];
  let looked = 0;
  let keyBytes = 0;
  for (let calls = 0; calls < MOST_CALLS && looked < count && keyBytes < MOST_KEY_BYTES; calls++) {
    const desk = desks[index]!;
    const { kernel, slot, reply } = desk;
    at = kernel.scan(slot, at, count - looked, 0, Date.now(), prefixOf(desk));
    const entries = reply.readInt32LE(SCAN_ENTRIES);
    const end = reply.readInt32LE(SCAN_END);
    if (entries > 0) takeKeys(copyOf(reply.subarray(0, end)), entries, glob, kind, keys);
    looked += entries;
    keyBytes += end;
    if (at !== 0) continue;
    index++;
    if (index === desks.length) return { cursor: 0, keys };
  }
  return { cursor: index * ARENA_CURSORS + at, keys };
}

/** Adds the keys of records that match. */
function takeKeys(
  bytes: Buffer,
  entries: number,
  glob: Glob | undefined,
  kind: number,
  keys: FoundKey[],
): void {
  let record = SCAN_RECORDS;
  for (let i = 0; i < entries; i++) {
    const word = bytes.readUInt32LE(record);
    const start = record + RECORD_KEY;
    const end = start + (word & KEY_BYTES_MASK);
    record = (end + 7) & ~7;
    if (kind !== 0 && ((word >>> KIND_SHIFT) & KIND_MASK) !== kind) continue;
    if (glob === undefined || glob.matches(bytes, start, end))
      keys.push(readKey(bytes, start, end));
  }
}

/** How many entries there are; expired ones count until they are met. */
export function countKeys(desks: readonly Desk[]): number {
  return desks.reduce((sum, desk) => sum + desk.kernel.countEntries(prefixOf(desk)), 0);
}

/**
 * A key, each as likely as any other; undefined: there is none.
 * @param random a random whole number from 0 to below a limit of up to 2^47
 */
export function randomKey(
  desks: readonly Desk[],
  random: (limit: number) => number,
): FoundKey | undefined {
  const counts = desks.map((desk) => desk.kernel.countEntries(prefixOf(desk)));
  const first = drawArena(counts, random);
  // Where that arena has only what has expired, the next one is asked.
  for (let i = 0; i < desks.length; i++) {
    const desk = desks[(first + i) % desks.length]!;
    const { kernel, slot, reply } = desk;
    const length = kernel.randomKey(slot, random(MOST_RANDOM), Date.now(), prefixOf(desk));
    if (length >= 0) return readKey(copyOf(reply.subarray(0, length)), 0, length);
  }
  return undefined;
}

/** The number of an arena, each as likely as it has many keys. */
function drawArena(counts: readonly number[], random: (limit: number) => number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 0;
  let left = random(total);
  for (const [index, count] of counts.entries()) {
    if (left < count) return index;
    left -= count;
  }
  return 0;
}
