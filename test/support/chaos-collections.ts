/** Operations on collections for chaos-deaths.ts, and several of them as one step (ATOMIC). */
import { Buffer } from 'node:buffer';
import { Packr, Unpackr } from 'msgpackr';
import { COMMANDS } from '#engine/commands.js';
import { BLOCK_REPLY_BYTES } from '#engine/kernel-exports.js';
import { type DeathPlan, type Deaths, type Mortal, NOW_MS } from './chaos-deaths.js';
import type { PlannedOperation } from './chaos-run.js';
import { KIB } from './kernel-memory.js';
import { valuesOf } from './kernel-wire.js';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });

/** A command by name and its arguments. */
type Call = readonly [name: keyof typeof COMMANDS, ...args: unknown[]];

const bytesOf = ([name, ...args]: Call): Buffer => packr.pack([COMMANDS[name].code, ...args]);

export function tell({ arena, request, reply }: Mortal, call: Call, nowMs = NOW_MS): unknown {
  const bytes = Buffer.concat([Buffer.of(1), bytesOf(call)]);
  request.set(bytes);
  arena.kernel.exec(arena.slot, 0, bytes.length, nowMs);
  const [, value] = valuesOf(reply.subarray(0, arena.block[BLOCK_REPLY_BYTES]));
  if (value![0] === 0xc7) throw new Error(`${call[0]} replied ${value!.toString('latin1', 3)}`);
  return unpackr.unpack(value!);
}

const numbers = (count: number, from = 0): number[] =>
  Array.from({ length: count }, (_, i) => from + i);
const texts = (count: number, from = 0): string[] =>
  numbers(count, from).map((i) => `member ${i} `.padEnd(12 + (i % 30), '.'));
const pairs = (count: number, from = 0): unknown[] =>
  texts(count, from).flatMap((name, i) => [name, 'x'.repeat(i % 90)]);
const ranks = (count: number, from = 0): unknown[] =>
  texts(count, from).flatMap((name, i) => [(i * 7919) % 500, name]);
const LONG = 'long '.repeat(4000);

/** What there is in the beginning. */
const PREPARED: readonly Call[] = [
  ['RPUSH', 'few', ...texts(9)],
  ['RPUSH', 'packed', ...texts(60)],
  ['RPUSH', 'list', ...texts(1500), LONG],
  ['SADD', 'set of few', ...texts(9)],
  ['SADD', 'packed set', ...texts(60)],
  ['SADD', 'set', ...texts(700)],
  ['HSET', 'hash of few', ...pairs(9)],
  ['HSET', 'packed hash', ...pairs(35)],
  ['HSET', 'hash', ...pairs(500), 'long', LONG, 'longer', LONG + LONG],
  ['ZADD', 'order of few', null, ...ranks(9)],
  ['ZADD', 'packed order', null, ...ranks(50)],
  ['ZADD', 'order', null, ...ranks(600)],
];

const KEYS = [...PREPARED.map(([, key]) => key as string), 'new'];

/** A key's collection as text; '': none. */
function stateOf(mortal: Mortal, key: string, nowMs: number): string {
  switch (tell(mortal, ['TYPE', key], nowMs)) {
    case 'list':
      return JSON.stringify(tell(mortal, ['LRANGE', key, 0, -1], nowMs));
    case 'set':
      return JSON.stringify([...(tell(mortal, ['SMEMBERS', key], nowMs) as unknown[])].sort());
    case 'hash': {
      const fields = [...(tell(mortal, ['HGETALL', key], nowMs) as Map<unknown, unknown>)];
      const left = tell(mortal, ['HTTL', key, ...fields.map(([name]) => name)], nowMs) as number[];
      return JSON.stringify(fields.map((field, i) => `${field} ${left[i]}`).sort());
    }
    case 'zset':
      return JSON.stringify(tell(mortal, ['ZRANGE', key, 0, -1, 8], nowMs));
    default:
      return '';
  }
}

const NONE: DeathPlan = { memoryBytes: 3600 * KIB, partitions: 2, policy: 'none' };
const EVICTING: DeathPlan = { memoryBytes: 1700 * KIB, partitions: 2, policy: 'lru' };

/** There are many operations, and each has collections to be checked. */
const STEPS_MAX = 100;

interface More {
  readonly plan?: DeathPlan;
  /** After the collections were made. */
  readonly prepared?: readonly Call[];
  readonly run?: (mortal: Mortal) => void;
  /** When the calls come, and it is looked at what they did. Default: when all was prepared. */
  readonly nowMs?: number;
}

/** Calls after each of which keys may have what they have then; with ATOMIC in one step. */
function operation(
  calls: readonly Call[],
  { plan = NONE, prepared = [], run, nowMs = NOW_MS }: More = {},
) {
  const evicts = plan.policy !== 'none';
  const words = [...prepared, ...calls].flat();
  const named = new Set(words.filter((word) => KEYS.includes(word as string)));
  // Where nothing is evicted, others are not in the way.
  const first = PREPARED.filter(([, key]) => evicts || named.has(key as string));
  const keys = KEYS.filter((key) => evicts || named.has(key) || key === 'new');
  const states = new Map<string, Set<string>>();
  const note = (mortal: Mortal): void => {
    for (const key of keys) states.get(key)!.add(stateOf(mortal, key, nowMs));
  };
  const before = new Map<string, string>();
  return {
    plan,
    evicts,
    ...(process.env.CHAOS_SECONDS ? {} : { stepsMax: STEPS_MAX }),
    prepare: (deaths: Deaths) => {
      const { survivor } = deaths;
      for (const call of [...first, ...prepared]) tell(survivor, call);
      deaths.save();
      for (const key of keys) {
        states.set(key, new Set(['']));
        before.set(key, stateOf(survivor, key, nowMs));
      }
      note(survivor);
      for (const call of calls) {
        tell(survivor, call, nowMs);
        note(survivor);
      }
      deaths.restore();
    },
    run: run ?? ((mortal: Mortal) => void calls.map((call) => tell(mortal, call, nowMs))),
    verify: ({ survivor }: Deaths) => {
      const wasEmptied = survivor.arena.stats().partitionsEmptied > 0;
      for (const key of keys) {
        const state = stateOf(survivor, key, nowMs);
        const mayChange = named.has(key) || evicts || (wasEmptied && state === '');
        if (state === before.get(key) || (mayChange && states.get(key)!.has(state))) continue;
        throw new Error(`${key} has ${state.slice(0, 100)}`);
      }
      // Whatever is left can be changed.
      for (const key of keys) tell(survivor, ['DEL', key]);
      for (const call of first) tell(survivor, call);
    },
  } satisfies PlannedOperation;
}

const TRANSFER: readonly Call[] = [
  ['HINCRBY', 'hash of few', 'count', -5],
  ['HINCRBY', 'hash', 'count', 5],
  ['RPUSH', 'list', 'moved', 5],
  ['SADD', 'new', 1, 2, 3],
  ['ZINCRBY', 'order', 5, 'member 3 '.padEnd(15, '.')],
  ['DEL', 'packed set'],
];

export const COLLECTION_OPERATIONS: Record<string, PlannedOperation> = {
  'RPUSH to a packed list': operation([['RPUSH', 'few', 1, 'two']]),
  'LPUSH that makes a tree': operation([['LPUSH', 'packed', ...texts(70, 100)]]),
  'RPUSH of long elements': operation([['RPUSH', 'list', LONG, LONG, 1]]),
  'RPUSH of a new list': operation([['RPUSH', 'new', LONG, 1]]),
  'LPUSH that splits leaves and branches': operation([['LPUSH', 'list', ...texts(900)]]),
  'LINSERT in the middle': operation([
    ['LINSERT', 'list', 'BEFORE', texts(1, 700)[0], 'x'.repeat(900)],
    ['LINSERT', 'list', 'AFTER', texts(1, 700)[0], 'y'.repeat(900)],
  ]),
  'LSET of a long element': operation([
    ['LSET', 'list', -1, 1],
    ['LSET', 'list', 700, LONG],
  ]),
  'LPOP of most elements': operation([['LPOP', 'list', 1400]]),
  'LTRIM to the middle': operation([['LTRIM', 'list', 600, 620]]),
  LREM: operation([['LREM', 'list', 0, texts(1, 700)[0]]]),
  'LMOVE of a long element': operation([['LMOVE', 'list', 'few', 'RIGHT', 'LEFT']]),
  'SADD to a packed set': operation([['SADD', 'set of few', 1, 'two']]),
  'SADD that makes a table': operation([['SADD', 'packed set', ...texts(80, 100)]]),
  'SADD that splits buckets': operation([['SADD', 'set', ...texts(100, 1000)]]),
  'SREM of most members': operation([['SREM', 'set', ...texts(650)]]),
  'SREM of all members': operation([['SREM', 'packed set', ...texts(60)]]),
  SMOVE: operation([['SMOVE', 'set', 'set of few', texts(1, 300)[0]]]),
  'HSET to a packed hash': operation([['HSET', 'hash of few', ...pairs(3, 7)]]),
  'HSET that makes a table': operation([['HSET', 'packed hash', 'long', LONG]]),
  'HSET of fields that grow': operation([
    ['HSET', 'hash', ...pairs(60, 30).map((one, i) => (i % 2 ? 'y'.repeat(800) : one))],
  ]),
  'HSET of a long value in place of one': operation([
    ['HSET', 'hash', 'longer', LONG, 'long', 1, texts(1)[0], LONG],
  ]),
  HINCRBY: operation([['HINCRBY', 'hash', 'count', 5]]),
  'HDEL of most fields': operation([['HDEL', 'hash', 'longer', ...texts(460)]]),
  'ZADD to a packed order': operation([['ZADD', 'order of few', null, 3.5, 'x', -1, 'y']]),
  'ZADD that makes a tree': operation([['ZADD', 'packed order', null, ...ranks(90, 100)]]),
  'ZADD that splits leaves': operation([['ZADD', 'order', null, ...ranks(80, 1000)]]),
  'ZADD of other scores': operation([
    ['ZADD', 'order', null, ...ranks(60).map((one) => (typeof one === 'number' ? -one : one))],
  ]),
  'ZREM of most members': operation([['ZREM', 'order', ...texts(560)]]),
  ZPOPMIN: operation([['ZPOPMIN', 'order', 300]]),
  'DEL of a large hash': operation([['DEL', 'hash']]),
  'upkeep after a large set was deleted': operation([], {
    prepared: [
      ...[0, 1, 2, 3].map((i): Call => ['SADD', 'new', ...texts(1000, 1000 * i)]),
      ['DEL', 'new'],
    ],
    run: ({ arena }) => {
      // Whichever of them has the turn of the partition.
      for (let i = 0; i < 6; i++) arena.kernel.upkeep(arena.slot, NOW_MS + i * 512);
    },
  }),
  'COPY of a hash': operation([['COPY', 'hash', 'new']]),
  'RENAME of a list over an order': operation([['RENAME', 'list', 'order']]),
  'EXPIRE of a large hash': operation([['EXPIRE', 'hash', 5000]]),
  'HEXPIRE in a packed hash': operation([['HEXPIRE', 'hash of few', 5000, 0, ...texts(5)]]),
  'HEXPIRE that makes a table': operation(
    [['HEXPIRE', 'packed hash', 5000, 0, 'long', ...texts(35)]],
    { prepared: [['HSET', 'packed hash', 'long', 'z'.repeat(500)]] },
  ),
  'HEXPIRE in a large hash': operation([
    ['HEXPIRE', 'hash', 5000, 0, ...texts(60), 'long'],
    ['HEXPIRE', 'hash', 4000, 0, ...texts(60, 30), 'longer'],
    ['HPERSIST', 'hash', ...texts(60, 10), 'long'],
  ]),
  'HSETEX in a large hash': operation([
    ['HSETEX', 'hash', 5000, 0, ...pairs(40, 480), 'long', LONG, 'longer', 1],
    ['HSET', 'hash', ...pairs(30, 490), 'long', 1],
    ['HGETDEL', 'hash', ...texts(30, 480), 'longer'],
  ]),
  'EXPIRE and PERSIST of a hash whose fields expire': operation(
    [
      ['EXPIRE', 'hash', 3000],
      ['PERSIST', 'hash'],
    ],
    { prepared: [['HEXPIRE', 'hash', 5000, 0, ...texts(9)]] },
  ),
  'COPY of a hash whose fields expire': operation([['COPY', 'hash', 'new']], {
    prepared: [['HEXPIRE', 'hash', 5000, 0, ...texts(100)]],
  }),
  'HSET to a hash of which fields have expired': operation([['HSET', 'hash', 'new', 1]], {
    prepared: [['HEXPIRE', 'hash', 1000, 0, ...texts(100)]],
    nowMs: NOW_MS + 1000,
  }),
  'upkeep that removes fields': operation([], {
    prepared: [
      ['HEXPIRE', 'hash', 1000, 0, ...texts(200), 'long'],
      ['HEXPIRE', 'packed hash', 1000, 0, ...texts(9)],
    ],
    nowMs: NOW_MS + 2048,
    run: ({ arena }) => {
      for (let i = 0; i < 6; i++) arena.kernel.upkeep(arena.slot, NOW_MS + 2048 + i * 512);
    },
  }),
  'HSET that evicts': operation([['HSET', 'new', ...pairs(300, 2000), 'long', LONG]], {
    plan: EVICTING,
  }),
  'RPUSH that evicts': operation([['RPUSH', 'list', ...texts(900), LONG, LONG, LONG, LONG]], {
    plan: EVICTING,
  }),
  'ZADD that evicts': operation([['ZADD', 'order', null, ...ranks(600, 3000)]], {
    plan: EVICTING,
  }),
  ATOMIC: operation(TRANSFER, {
    run: (mortal) => {
      tell(mortal, ['ATOMIC', TRANSFER.map(([name, ...args]) => [COMMANDS[name].code, ...args])]);
    },
  }),
};
