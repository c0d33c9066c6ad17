/** Making keys as a whole (engine/whole-key.ts), for chaos-deaths.ts. */
import { Buffer } from 'node:buffer';
import { writeValue } from '../concurrency/values.mjs';
import { tell } from './chaos-collections.js';
import { type DeathPlan, type Mortal, NEW, NOW_MS, type Operation } from './chaos-deaths.js';
import type { PlannedOperation } from './chaos-run.js';
import { KIB } from './kernel-memory.js';
import { integer, str, type Wire } from './kernel-wire.js';

const PLAN: DeathPlan = { memoryBytes: 3600 * KIB, partitions: 2, policy: 'none', node: 1 };
const TIGHT: DeathPlan = { ...PLAN, memoryBytes: 1400 * KIB, policy: 'lru', fill: [2000, 300] };

const CHUNK_SET = 3;
const CHUNK_HASH = 4;
/** Newer than all that is there. */
const STAMP_HIGH = Number((BigInt(NOW_MS + 10_000) << 22n) >> 32n);
const HALF = 77;
/** The number of a key that has a value in the beginning, and of one that has none. */
const OLD_KEY = 5;
const NEW_KEY = 17;

const members = (count: number): Wire[] =>
  Array.from({ length: count }, (_, i) => str(`member ${i} `.padEnd(12 + (i % 30), '.')));

/** A field's expiry as it travels (engine/kernel/collections/body.ts). */
function expiry(ms: number): Wire {
  const bytes = Buffer.alloc(7, 0xc1);
  bytes.writeUIntLE(ms, 1, 6);
  return bytes;
}

const SET_ITEMS = Buffer.concat(members(400));
const HASH_ITEMS = Buffer.concat(
  members(200).flatMap((field, i) => [
    ...(i % 3 === 0 ? [expiry(NOW_MS + 1000 + i)] : []),
    field,
    integer(i),
  ]),
);

/** Begins, pours, and with `expiryMs` settles. */
function make(mortal: Mortal, key: Buffer, kind: number, items: Buffer, expiryMs?: number): void {
  const { arena, request } = mortal;
  const { kernel, slot } = arena;
  const { length } = key;
  const until = NOW_MS + 60_000;
  request.set(key);
  if (kernel.beginWhole(slot, length, kind, HALF, until, NOW_MS) < 0) return;
  request.set(items, length);
  for (let at = length; at >= 0 && at < length + items.length; ) {
    at = kernel.pourWhole(slot, length, HALF, at, length + items.length, until, NOW_MS);
  }
  if (expiryMs === undefined) kernel.dropWhole(slot, length, HALF);
  else kernel.settleWhole(slot, length, HALF, expiryMs, STAMP_HIGH, 0, NOW_MS);
}

/** How many items the key has; 0: none, or it has a value. */
function sizeOf(mortal: Mortal, key: Buffer): number {
  const type = tell(mortal, ['TYPE', key]);
  if (type === 'set') return tell(mortal, ['SCARD', key]) as number;
  return type === 'hash' ? (tell(mortal, ['HLEN', key]) as number) : 0;
}

function making(
  plan: DeathPlan,
  number: number,
  [kind, items, size]: readonly [number, Buffer, number],
  expiryMs?: number,
): PlannedOperation {
  const run: Operation['run'] = (mortal, { keys }) =>
    make(mortal, keys[number]!.bytes, kind, items, expiryMs);
  return {
    plan,
    ...(process.env.CHAOS_SECONDS ? {} : { stepsMax: 120 }),
    run,
    touches: [number],
    evicts: plan.policy !== 'none',
    verify: (deaths) => {
      const { survivor, keys } = deaths;
      const { bytes } = keys[number]!;
      const found = sizeOf(survivor, bytes);
      const isWhole = expiryMs !== undefined && found === size;
      if (found !== 0 && !isWhole) throw new Error(`the key has ${found} items of ${size}`);
      // Whatever is left, it can be made.
      make(survivor, bytes, kind, items, 0);
      const isMade = sizeOf(survivor, bytes) === size;
      if (!isMade && plan.policy === 'none') throw new Error('the key cannot be made any more');
    },
  };
}

const A_SET = [CHUNK_SET, SET_ITEMS, 400] as const;
const A_HASH = [CHUNK_HASH, HASH_ITEMS, 200] as const;

export const WHOLE_OPERATIONS: Record<string, PlannedOperation> = {
  'a set made as a whole': making(PLAN, NEW_KEY, A_SET, 0),
  'a set made in place of a value, with an expiry': making(PLAN, OLD_KEY, A_SET, NOW_MS + 9000),
  'a hash with fields that expire made as a whole': making(PLAN, NEW_KEY, A_HASH, NOW_MS + 9000),
  'a hash made in place of a value, without an expiry': making(PLAN, OLD_KEY, A_HASH, 0),
  'a half that is dropped': making(PLAN, OLD_KEY, A_HASH),
  'a set made as a whole where others are evicted': making(TIGHT, OLD_KEY, A_SET, 0),
  'a value stored as a whole': {
    plan: PLAN,
    run: ({ arena, request }, { keys }) => {
      const { bytes, number } = keys[OLD_KEY]!;
      const { length } = bytes;
      request.set(bytes);
      const end = writeValue(request, length, number, arena.slot, NEW, 20_000);
      arena.kernel.storeWhole(arena.slot, length, end - length, 0, STAMP_HIGH, 0, NOW_MS);
    },
    touches: [OLD_KEY],
  },
};
