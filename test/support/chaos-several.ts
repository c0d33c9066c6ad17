/** Operations on parts of values and on several keys for chaos-deaths.ts. */
import { BLOCK_REPLY_BYTES } from '#engine/kernel-exports.js';
import {
  type DeathPlan,
  type Deaths,
  type Mortal,
  NOW_MS,
  type Operation,
} from './chaos-deaths.js';
import { KIB } from './kernel-memory.js';
import {
  bin,
  command,
  frame,
  integer,
  NIL,
  shown,
  str,
  TRUE,
  valuesOf,
  type Wire,
} from './kernel-wire.js';

/** Keys that are no others', of several partitions. */
const NAMES = ['one', 'two', 'three', 'four', 'five', 'six', 'long'.padEnd(3000, '-')];
const LENGTHS = [40, 300, 3000, 20_000];

const NONE: DeathPlan = { memoryBytes: 3000 * KIB, partitions: 4, policy: 'none' };
const EVICTING: DeathPlan = {
  memoryBytes: 1500 * KIB,
  partitions: 4,
  policy: 'clock',
  fill: [3000, 300],
};

function tell(mortal: Mortal, ...commands: readonly Wire[]): Wire[] {
  const { kernel, slot, block } = mortal.arena;
  const bytes = frame(1, ...commands);
  mortal.request.set(bytes);
  kernel.exec(slot, 0, bytes.length, NOW_MS);
  return valuesOf(mortal.reply.subarray(0, block[BLOCK_REPLY_BYTES])).slice(1);
}

const value = (i: number, byte: number): Wire =>
  bin(Buffer.alloc(LENGTHS[i % LENGTHS.length]!, byte));
const OLD = 1;
const NEW = 2;

const prepare = ({ survivor }: Deaths): void => {
  for (const [i, name] of NAMES.entries()) {
    if (name !== 'six') tell(survivor, command('SET', str(name), value(i, OLD), integer(60_000)));
  }
  tell(survivor, command('GETV', str('two')));
};

/** What a key may have afterwards; nil always, where its partition was emptied or the entry torn. */
type States = Readonly<Record<string, readonly Wire[]>>;

function verifyStates({ survivor }: Deaths, states: States): void {
  for (const [i, name] of NAMES.entries()) {
    const allowed = states[name] ?? (name === 'six' ? [] : [value(i, OLD)]);
    const [found] = tell(survivor, command('GET', str(name)));
    if (found!.equals(NIL) || allowed.some((one) => one.equals(found!))) continue;
    throw new Error(`${name} has ${shown(found)}`);
  }
  const pairs = NAMES.flatMap((name, i) => [str(name), value(i, NEW)]);
  const [stored] = tell(survivor, command('MSET', ...pairs));
  if (!stored!.equals(TRUE)) throw new Error(`MSET replied ${shown(stored)}`);
}

/** An operation of one command after which keys may have these values, besides those before. */
function operation(
  plan: DeathPlan,
  wire: Wire,
  after: Readonly<Record<string, Wire>>,
  more: (deaths: Deaths) => void = () => undefined,
): Operation & { plan: DeathPlan } {
  const states = Object.fromEntries(
    Object.entries(after).map(([name, now]) => {
      const i = NAMES.indexOf(name);
      return [name, name === 'six' ? [now] : [value(i, OLD), now]];
    }),
  );
  return {
    plan,
    prepare,
    run: (mortal) => {
      tell(mortal, wire);
    },
    evicts: plan.policy !== 'none',
    verify: (deaths) => {
      more(deaths);
      verifyStates(deaths, states);
    },
  };
}

const appended = (i: number, more: number): Wire =>
  bin(Buffer.concat([Buffer.alloc(LENGTHS[i]!, OLD), Buffer.alloc(more, NEW)]));
const append = (i: number, more: number): Operation & { plan: DeathPlan } =>
  operation(NONE, command('APPEND', str(NAMES[i]!), bin(Buffer.alloc(more, NEW))), {
    [NAMES[i]!]: appended(i, more),
  });

/** Pairs of all keys but two. */
const PAIRS = NAMES.slice(0, 6).flatMap((name, i) => [str(name), value(i, NEW)]);
const PAIRED = Object.fromEntries(NAMES.slice(0, 6).map((name, i) => [name, value(i, NEW)]));

/** Where no partition was emptied, the value is under one of the two keys. */
const isSomewhere =
  (from: string, to: string, moved: Wire) =>
  ({ survivor }: Deaths): void => {
    if (survivor.arena.stats().partitionsEmptied > 0) return;
    const [a, b] = tell(survivor, command('GET', str(from)), command('GET', str(to)));
    if (!a!.equals(moved) && !b!.equals(moved)) throw new Error(`${from} is lost`);
  };

const LONG = NAMES[6]!;

export const SEVERAL_OPERATIONS: Record<string, Operation & { plan: DeathPlan }> = {
  'APPEND in a chunk': append(0, 8),
  'APPEND into another chunk': append(1, 900),
  'APPEND that makes a chain': append(2, 9000),
  'APPEND to a chain': append(3, 100),
  'APPEND of pieces to a chain': append(3, 30_000),
  'SETRANGE in a chain': operation(
    NONE,
    command('SETRANGE', str('four'), integer(10), bin(Buffer.alloc(20_000 - 10, NEW))),
    { four: bin(Buffer.concat([Buffer.alloc(10, OLD), Buffer.alloc(20_000 - 10, NEW)])) },
  ),
  'MSET where nothing is evicted': operation(NONE, command('MSET', ...PAIRS), PAIRED),
  'MSET with a time to live': operation(NONE, command('MSET', ...PAIRS, integer(5000)), PAIRED),
  'MSET where others are evicted': operation(EVICTING, command('MSET', ...PAIRS), PAIRED),
  'MGET of what is there': operation(NONE, command('MGET', ...NAMES.map((name) => str(name))), {}),
  RENAME: operation(
    NONE,
    command('RENAME', str('four'), str('two')),
    { two: value(3, OLD) },
    isSomewhere('four', 'two', value(3, OLD)),
  ),
  'RENAME to a new key, where others are evicted': operation(
    EVICTING,
    command('RENAME', str(LONG), str('six')),
    { six: value(6, OLD) },
  ),
  COPY: operation(NONE, command('COPY', str('three'), str(LONG), integer(1)), {
    [LONG]: value(2, OLD),
  }),
};
