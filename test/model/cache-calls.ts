/**
 * Random calls of a cache: how each is made, of the embedded cache and as a command of a frame, and
 * what the model says of its reply. A new method is a function and its line in CALLS.
 */
import type { Cache, Duration, Key, Namespace, SetOptions } from 'slabring';
import { packValue, writeValue } from '#engine/codec.js';
import type { Random } from '../support/kernel-random.js';
import { bin, command, integer, NIL, str, type Wire } from '../support/kernel-wire.js';
import { KEY_CALLS } from './cache-key-calls.js';
import type { ModelKey } from './cache-keys.js';
import { type CacheModel, Refusal, type Shown, type State, type Write } from './cache-model.js';
import {
  append,
  byteLength,
  getAll,
  getAndExpire,
  getRange,
  incrementFloat,
  move,
  setAll,
} from './cache-string-calls.js';
import { LARGEST_BYTES, type ValueSource } from './cache-values.js';
import { wrong } from './cache-wrong.js';

export interface Call {
  /** For the message of a failure. */
  readonly text: string;
  readonly direct: (cache: Cache | Namespace) => unknown;
  /** The same as a command; undefined: there is none. */
  readonly wire?: () => Wire;
  /** The reply to the command, by the reply to the call. */
  readonly shown?: Shown;
  /** The reply to the command is a value with its version. */
  readonly isVersioned?: boolean;
  readonly check: (model: CacheModel, reply: unknown, shown: Shown) => void;
  /** The keys of a call that may be done in part, to be looked at then. */
  readonly keys?: readonly ModelKey[];
}

export interface Source {
  readonly random: Random;
  readonly model: CacheModel;
  readonly values: ValueSource;
  readonly key: () => ModelKey;
  readonly defaultTtl: number;
  readonly maxValueBytes: number;
  readonly maxKeyBytes: number;
}

export const nilOf: Shown = (reply) => reply ?? null;
const countOf: Shown = (reply) => Number(reply);

export function keyWire(source: Source, { bytes }: ModelKey): Wire {
  return source.random.chance(0.7) ? str(bytes) : bin(bytes);
}

const scratch = Buffer.alloc(LARGEST_BYTES + 1000);

function valueWire(value: unknown): Wire {
  const end = writeValue(value, packValue(value), scratch, 0, scratch.length - 16);
  return Buffer.from(scratch.subarray(0, end));
}

export const formOf = (source: Source, key: ModelKey): Key => source.random.pick(key.forms);
export const textOf = ({ id }: ModelKey): string => (id.length > 24 ? `${id.slice(0, 24)}...` : id);

/** A value as a caller has it, who may do with it what he likes once the call is over. */
function lend<T>(value: T, use: (lent: T) => unknown): unknown {
  const lent = copyOf(value) as T;
  try {
    return use(lent);
  } finally {
    spoil(lent);
  }
}

/** structuredClone makes no Buffers. */
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(copyOf);
  if (value instanceof Date) return new Date(value);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copyOf(inner)]));
}

/** So many bytes tell that somebody changed a value. */
const SPOILT_BYTES = 4096;

/** Changes a value that nobody else should have. */
export function spoil(value: unknown): void {
  if (ArrayBuffer.isView(value)) {
    const spoilt = Math.min(value.byteLength, SPOILT_BYTES);
    new Uint8Array(value.buffer, value.byteOffset, spoilt).fill(0);
  } else if (typeof value === 'object' && value !== null) {
    Object.assign(value, { id: 'spoilt' });
  }
}

/** Sometimes none, sometimes as text. */
export function someTtl(source: Source): Duration {
  const { random } = source;
  if (random.chance(0.2)) return 0;
  if (random.chance(0.1)) return random.pick(['2s', '1500ms', '1h', 2 ** 40]);
  return random.between(1, random.pick([100, 4000, 60_000]));
}

const DURATIONS: Record<string, number> = { '2s': 2000, '1500ms': 1500, '1h': 3_600_000 };
export const msOf = (ttl: Duration): number => (typeof ttl === 'string' ? DURATIONS[ttl]! : ttl);

interface WriteOptions {
  readonly options: SetOptions | undefined;
  readonly write: Omit<Write, 'value'>;
}

function someOptions(source: Source, key: ModelKey | undefined): WriteOptions {
  const { random, defaultTtl } = source;
  if (random.chance(0.4)) return { options: undefined, write: { ttl: defaultTtl } };
  const options: SetOptions = {};
  const seen = key ? source.model.versionsOf(key.id) : [];
  const wantsVersion = seen.length > 0 ? random.chance(0.5) : random.chance(0.02);
  if (wantsVersion) {
    options.ifVersion = random.chance(0.8) ? (seen.at(-1) ?? 1) : random.pick([0, 1, ...seen]);
  }
  if (random.chance(0.2)) options.ifPresent = true;
  else if (!wantsVersion && random.chance(0.3)) options.ifAbsent = true;
  if (random.chance(0.25)) options.keepTtl = true;
  else if (random.chance(0.6)) options.ttl = someTtl(source);
  const ttl = options.ttl === undefined ? defaultTtl : msOf(options.ttl);
  return { options, write: { ...options, ttl } };
}

/** On the wire KEEPTTL excludes a time to live, which an option `keepTtl` has for keys that are new. */
const onWire = (write: WriteOptions['write'], wire: () => Wire): Pick<Call, 'wire'> =>
  write.keepTtl && write.ttl > 0 ? {} : { wire };

/** SET of the wire. */
function setWire(source: Source, key: ModelKey, value: unknown, write: Write, flags = 0): Wire {
  if (write.ifAbsent) flags |= 1;
  if (write.ifPresent) flags |= 2;
  if (write.keepTtl) flags |= 4;
  if (write.ifVersion !== undefined) flags |= 16;
  const version = write.ifVersion === undefined ? NIL : integer(write.ifVersion);
  const args = [integer(write.ttl), integer(flags), version];
  return command('SET', keyWire(source, key), valueWire(value), ...args);
}

export function get(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `get ${textOf(key)}`,
    direct: (cache) => cache.get(form),
    wire: () => command('GET', keyWire(source, key)),
    shown: nilOf,
    check: (model, reply, shown) =>
      model.apply(key.id, reply, (state) => model.read(state), { shown }),
  };
}

function peek(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `peek ${textOf(key)}`,
    direct: (cache) => cache.peek(form),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.read(state, false), { leaves: true }),
  };
}

function take(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `take ${textOf(key)}`,
    direct: (cache) => cache.take(form),
    check: (model, reply) => model.apply(key.id, reply, (state) => model.take(state)),
  };
}

function getBytes(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `getBytes ${textOf(key)}`,
    direct: (cache) => cache.getBytes(form),
    check: (model, reply) => model.apply(key.id, reply, (state) => model.readBytes(state)),
  };
}

function getVersioned(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `getVersioned ${textOf(key)}`,
    direct: (cache) => cache.getVersioned(form),
    wire: () => command('GETV', keyWire(source, key)),
    isVersioned: true,
    check: (model, reply) => {
      const version = (reply as { version?: number } | undefined)?.version;
      model.apply(key.id, reply, (state) => model.readVersioned(key.id, version, state));
      if (version !== undefined) model.remember(key.id, version);
    },
  };
}

function set(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const value = source.values.next(key.isRoomy);
  const { options, write } = someOptions(source, key);
  const isBytes = Buffer.isBuffer(value) && source.random.chance(0.5);
  return {
    text: `set ${textOf(key)} ${JSON.stringify(options) ?? ''}`,
    direct: (cache) =>
      lend(value, (lent) =>
        isBytes ? cache.setBytes(form, lent as Buffer, options) : cache.set(form, lent, options),
      ),
    ...onWire(write, () => setWire(source, key, value, { ...write, value })),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.set(key.id, { ...write, value }, false, state)),
  };
}

function swap(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const value = source.values.next(key.isRoomy);
  const { options, write } = someOptions(source, key);
  return {
    text: `swap ${textOf(key)} ${JSON.stringify(options) ?? ''}`,
    direct: (cache) => lend(value, (lent) => cache.swap(form, lent, options)),
    ...onWire(write, () => setWire(source, key, value, { ...write, value }, 8)),
    shown: nilOf,
    check: (model, reply, shown) =>
      model.apply(key.id, reply, (state) => model.set(key.id, { ...write, value }, true, state), {
        shown,
      }),
  };
}

function remove(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `delete ${textOf(key)}`,
    direct: (cache) => cache.delete(form),
    wire: () => command('DEL', keyWire(source, key)),
    shown: countOf,
    check: (model, reply, shown) =>
      model.apply(key.id, reply, (state) => model.remove(state), { shown }),
  };
}

function has(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const isTouch = source.random.chance(0.3);
  return {
    text: `${isTouch ? 'touch' : 'has'} ${textOf(key)}`,
    direct: (cache) => (isTouch ? cache.touch(form) : cache.has(form)),
    wire: () => command(isTouch ? 'TOUCH' : 'EXISTS', keyWire(source, key)),
    shown: countOf,
    check: (model, reply, shown) =>
      model.apply(key.id, reply, (state) => model.has(state), { shown }),
  };
}

function ttl(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `ttl ${textOf(key)}`,
    direct: (cache) => cache.ttl(form),
    wire: () => command('TTL', keyWire(source, key)),
    shown: (left) => (left === undefined ? -2 : left === Infinity ? -1 : left),
    check: (model, reply, shown) =>
      model.apply(key.id, reply, (state) => model.ttl(state), { shown }),
  };
}

function expire(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  const time = someTtl(source);
  return {
    text: `expire ${textOf(key)} ${time}`,
    direct: (cache) => cache.expire(form, time),
    wire: () => command('EXPIRE', keyWire(source, key), integer(msOf(time))),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.expire(key.id, msOf(time), state)),
  };
}

function persist(source: Source): Call {
  const key = source.key();
  const form = formOf(source, key);
  return {
    text: `persist ${textOf(key)}`,
    direct: (cache) => cache.persist(form),
    wire: () => command('PERSIST', keyWire(source, key)),
    check: (model, reply) => model.apply(key.id, reply, (state) => model.persist(state)),
  };
}

const DELTAS = [1n, 1n, -7n, 2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)];

function increment(source: Source): Call {
  const { random } = source;
  const key = source.key();
  const form = formOf(source, key);
  const delta = random.pick(DELTAS);
  const given = random.chance(0.7) && Number.isSafeInteger(Number(delta)) ? Number(delta) : delta;
  const time = random.chance(0.3) ? someTtl(source) : undefined;
  const ms = time === undefined ? source.defaultTtl : msOf(time);
  return {
    text: `increment ${textOf(key)} by ${delta}`,
    direct: (cache) =>
      time === undefined
        ? cache.increment(form, given)
        : cache.increment(form, given, { ttl: time }),
    wire: () => command('INCR', keyWire(source, key), integer(delta), integer(ms)),
    check: (model, reply) =>
      model.apply(key.id, reply, (state) => model.increment(key.id, delta, ms, state)),
  };
}

/** That a key is in a call: each time is one more value it may have if the call is refused. */
const MOST_TIMES = 8;

export function someKeys(source: Source, most: number): ModelKey[] {
  const { random } = source;
  const keys = Array.from({ length: random.below(random.chance(0.05) ? most : 20) }, source.key);
  const times = new Map<string, number>();
  return keys.filter(({ id }) => {
    const before = times.get(id) ?? 0;
    times.set(id, before + 1);
    return before < MOST_TIMES;
  });
}

function getMany(source: Source): Call {
  const keys = someKeys(source, 600);
  const forms = keys.map((key) => formOf(source, key));
  return {
    text: `getMany of ${keys.length}`,
    direct: (cache) => cache.getMany(forms),
    check: (model, reply) => {
      for (const [i, value] of checkedList(reply, keys.length).entries()) {
        // A null is looked at once more, by `peek`, which counts nothing.
        model.apply(keys[i]!.id, value, (state) => model.read(state));
      }
    },
  };
}

function setMany(source: Source): Call {
  const keys = someKeys(source, 600);
  const entries = keys.map((key): [Key, unknown] => [
    formOf(source, key),
    source.values.next(key.isRoomy),
  ]);
  return setManyOf(source, keys, entries, someOptions(source, undefined));
}

export function setManyOf(
  source: Source,
  keys: readonly ModelKey[],
  entries: readonly [Key, unknown][],
  { options, write }: WriteOptions,
): Call {
  const isSet = source.random.chance(0.5);
  return {
    text: `setMany of ${keys.length} ${JSON.stringify(options) ?? ''}`,
    keys,
    direct: (cache) => cache.setMany(isSet ? new Set(entries) : entries, options),
    check: (model, reply) => {
      const isRefused = reply instanceof Refusal && reply.code === 'OOM';
      const list = isRefused ? [] : checkedList(reply, keys.length);
      for (const [i, { id }] of keys.entries()) {
        const value = entries[i]![1];
        const outcomes = (state: State) => model.set(id, { ...write, value }, false, state);
        // Some were refused, and the others stored.
        if (isRefused) model.applyRefused(id, outcomes);
        else model.apply(id, list[i], outcomes);
      }
      if (isRefused && !keys.some(({ id }) => model.mayRefuse(id))) {
        throw new Error('expected no OOM');
      }
    },
  };
}

function checkedList(reply: unknown, length: number): unknown[] {
  if (!Array.isArray(reply) || reply.length !== length) throw new Error(`not ${length} replies`);
  return reply as unknown[];
}

/** The calls that count. */
function countMany(source: Source): Call {
  const keys = someKeys(source, 300);
  const forms = keys.map((key) => formOf(source, key));
  const [name, code] = source.random.pick([
    ['deleteMany', 'DEL'],
    ['hasMany', 'EXISTS'],
    ['touchMany', 'TOUCH'],
  ] as const);
  return {
    text: `${name} of ${keys.length}`,
    direct: (cache) => cache[name](forms),
    ...(keys.length > 0 &&
      keys.length < 250 && {
        wire: () => command(code, ...keys.map((key) => keyWire(source, key))),
      }),
    check: (model, reply) =>
      model.applyCount(
        keys.map(({ id }) => id),
        reply,
        code === 'DEL',
      ),
  };
}

/** Each with how often it is drawn. */
const WEIGHTS: readonly (readonly [number, (source: Source) => Call])[] = [
  [22, get],
  [3, peek],
  [2, take],
  [4, getBytes],
  [8, getVersioned],
  [30, set],
  [8, swap],
  [3, remove],
  [4, has],
  [4, ttl],
  [5, expire],
  [3, persist],
  [9, increment],
  [3, getMany],
  [3, setMany],
  [3, countMany],
  ...KEY_CALLS,
  [6, append],
  [2, byteLength],
  [3, getRange],
  [4, incrementFloat],
  [3, getAndExpire],
  [5, move],
  [2, getAll],
  [4, setAll],
  [1, wrong],
];
const DRAWN = WEIGHTS.flatMap(([weight, call]) => new Array<typeof call>(weight).fill(call));

/** Each once. */
export const CALLS = WEIGHTS.map(([, call]) => call);

export function nextCall(source: Source): Call {
  return source.random.pick(DRAWN)(source);
}
