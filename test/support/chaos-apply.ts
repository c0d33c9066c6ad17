/** Operations of applying another node's records for chaos-deaths.ts. */
import {
  LOG_DELETE,
  LOG_EFFECT,
  LOG_EXPIRE,
  LOG_SET,
  readRecord,
  writeRecord,
} from '#engine/log-record.js';
import { type Applied, Replica } from '#engine/replica.js';
import { writeValue } from '../concurrency/values.mjs';
import {
  type DeathPlan,
  type Deaths,
  FRESH,
  type Mortal,
  NEW,
  NOW_MS,
  type Operation,
} from './chaos-deaths.js';
import { KIB } from './kernel-memory.js';
import { command, frame, integer, str } from './kernel-wire.js';

const NODE = 7;
const NONE: DeathPlan = { memoryBytes: 2400 * KIB, partitions: 2, policy: 'none', node: NODE };
const EVICTING: DeathPlan = {
  memoryBytes: 1000 * KIB,
  partitions: 2,
  policy: 'clock',
  fill: [3000, 300],
  node: NODE,
};

/** Above all stamps of the arena. */
const stampAt = (ms: number): bigint => (BigInt(NOW_MS + 1000 + ms) << 22n) | 900n;
const SET_KEY = Buffer.from('a set');
/* Keys by what becomes of them. */
const STORED = [3, 1, FRESH, 8];
const LENGTHS = [100, 700, 60, 12_000];
const EXPIRING = 2;
const DELETED = 10;
const BURIED = FRESH + 1;

const SADD = 0x40;

/** What comes from another node; it needs stamps that the arena has. */
let records = Buffer.alloc(0);

function apply(mortal: Mortal): Applied {
  return new Replica(mortal.arena).applyRecords(records, NOW_MS);
}

function prepare({ survivor, keys }: Deaths): void {
  const { kernel, slot } = survivor.arena;
  const request = frame(1, command('SADD', str(SET_KEY), str('first')));
  survivor.request.set(request);
  kernel.exec(slot, 0, request.length, NOW_MS);
  const replica = new Replica(survivor.arena);
  const baseOf = (key: Uint8Array) => replica.stampOf(key, NOW_MS).stamp;
  const value = Buffer.alloc(16 * KIB);
  const stored = STORED.map((key, i) => {
    const end = writeValue(value, 0, keys[key]!.number, slot, NEW, LENGTHS[i]!);
    const parts = { key: keys[key]!.bytes, stamp: stampAt(i), value: value.subarray(0, end) };
    return writeRecord({ kind: LOG_SET, ...parts });
  });
  const effect = Buffer.alloc(12);
  effect.writeDoubleLE(NOW_MS, 0);
  effect.writeUInt16LE(SADD, 8);
  effect.writeUInt16LE(2, 10);
  const added = Buffer.concat([effect, str('second'), integer(3)]);
  const expiring = keys[EXPIRING]!.bytes;
  records = Buffer.concat([
    ...stored,
    writeRecord({
      ...{ kind: LOG_EXPIRE, key: expiring, stamp: stampAt(5) },
      ...{ base: baseOf(expiring), expiryMs: NOW_MS + 7000 },
    }),
    writeRecord({ kind: LOG_DELETE, key: keys[DELETED]!.bytes, stamp: stampAt(6) }),
    writeRecord({ kind: LOG_DELETE, key: keys[BURIED]!.bytes, stamp: stampAt(7) }),
    writeRecord({
      ...{ kind: LOG_EFFECT, key: SET_KEY, stamp: stampAt(8) },
      ...{ base: baseOf(SET_KEY), value: added },
    }),
  ]);
}

/** As a host does: what may not have been applied is sent again. Then it is as if nobody had died. */
function verify({ survivor, keys }: Deaths): void {
  const { missing, unstored } = apply(survivor);
  if (unstored.length > 0) throw new Error(`no memory for records at ${unstored}`);
  const lost = missing.map((at) => readRecord(records, at).key.toString());
  const replica = new Replica(survivor.arena);
  for (const [i, key] of STORED.entries()) {
    if (survivor.look(keys[key]!) !== NEW) throw new Error(`key ${key} was not stored`);
    const { stamp } = replica.stampOf(keys[key]!.bytes, NOW_MS);
    if (stamp !== stampAt(i)) throw new Error(`key ${key} has the stamp ${stamp}`);
  }
  for (const [key, ms] of [
    [DELETED, 6],
    [BURIED, 7],
  ] as const) {
    const { stamp, tombstone } = replica.stampOf(keys[key]!.bytes, NOW_MS);
    if (stamp !== 0n || tombstone !== stampAt(ms)) throw new Error(`key ${key} is not buried`);
  }
  for (const [key, ms] of [
    [keys[EXPIRING]!.bytes, 5],
    [SET_KEY, 8],
  ] as const) {
    const { stamp } = replica.stampOf(key, NOW_MS);
    if (stamp === stampAt(ms)) continue;
    // Its partition was emptied, or it was being written: it has to be fetched.
    if (stamp !== 0n || !lost.includes(key.toString()))
      throw new Error(`${key} has stamp ${stamp}`);
  }
}

const touches = [...STORED, EXPIRING, DELETED];

/** Of all sorts: short, with an expiry, in pieces, of a long key. */
const DELETED_HERE = [0, EXPIRING, 6, 8, 9];

function deleteHere(mortal: Mortal, { keys }: Deaths): void {
  for (const key of DELETED_HERE) mortal.delete(keys[key]!);
}

export const APPLY_OPERATIONS: Record<string, Operation & { plan: DeathPlan }> = {
  'applying records': { plan: NONE, prepare, run: apply, touches, verify },
  'applying records where others are evicted': {
    ...{ plan: EVICTING, prepare, run: apply, touches },
    evicts: true,
  },
  'deleting in a node': { plan: NONE, run: deleteHere, touches: DELETED_HERE },
  'deleting in a node where others are evicted': {
    ...{ plan: EVICTING, run: deleteHere, touches: DELETED_HERE },
    evicts: true,
  },
};
