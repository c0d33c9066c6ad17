/**
 * The kernel against a plain model: random frames of all commands, over all axes of an arena.
 * MODEL_SEED sets other commands, MODEL_ROUNDS more of them.
 */
import { describe, expect, it } from 'vitest';
import { isFault } from '#engine/frame.js';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { Bench, KIB, MIB, NOON } from '../support/kernel-memory.js';
import { Random, SEED } from '../support/kernel-random.js';
import {
  endOf,
  error,
  FALSE,
  frame,
  integer,
  integerOf,
  NIL,
  shown,
  TRUE,
  valuesOf,
  type Wire,
} from '../support/kernel-wire.js';
import { CommandSource, type Generated } from './kernel-commands.js';
import { makeKeys } from './kernel-keys.js';
import { GET, IFVERSION, KernelModel, type Spec } from './kernel-model.js';

const ROUNDS = Number(process.env.MODEL_ROUNDS ?? 1);
const FRAMES = 100 * ROUNDS;
const MAX_VALUE_BYTES = 400 * KIB;
/**
 * What frames are made of stays below the request area; the margin is for one more wrong command.
 */
const MAX_FRAME_BYTES = MAX_VALUE_BYTES + 40 * KIB;

interface Axes {
  readonly partitions: 1 | 4 | 64;
  readonly memory: 'small' | 'ample';
  readonly policy: 'adaptive' | 'lru' | 'lfu' | 'none';
  readonly limit: 'maxEntries' | 'no limit';
}

/**
 * By partitions: memory that is soon full of `keys` keys and memory that holds them all, and
 * entries to limit.
 */
const SIZES = {
  1: { small: 700 * KIB, ample: 96 * MIB, maxEntries: 61, keys: 100, checkEvery: 1 },
  4: { small: 1600 * KIB, ample: 96 * MIB, maxEntries: 63, keys: 150, checkEvery: 1 },
  64: { small: 21 * MIB, ample: 256 * MIB, maxEntries: 300, keys: 1500, checkEvery: 20 },
} as const;

const ALL_AXES: Axes[] = ([1, 4, 64] as const).flatMap((partitions) =>
  (['small', 'ample'] as const).flatMap((memory) =>
    (['adaptive', 'lru', 'lfu', 'none'] as const).flatMap((policy) =>
      (['maxEntries', 'no limit'] as const).map((limit) => ({ partitions, memory, policy, limit })),
    ),
  ),
);

/** A tick of the wheel (engine/kernel/wheel.ts). */
const TICK_MS = 512;

/** What was replied so far: error texts, and commands with the kind of their reply. */
const seen = new Set<string>();

/** One arena and its model, side by side. */
class Pair {
  readonly bench: Bench;
  readonly model: KernelModel;
  readonly isExact: boolean;
  readonly maxEntries: number | undefined;

  constructor(axes: Axes) {
    const sizes = SIZES[axes.partitions];
    this.maxEntries = axes.limit === 'maxEntries' ? sizes.maxEntries : undefined;
    this.bench = new Bench({
      memoryBytes: sizes[axes.memory],
      partitions: axes.partitions,
      policy: axes.policy,
      maxValueBytes: MAX_VALUE_BYTES,
      ...(this.maxEntries ? { maxEntries: this.maxEntries } : {}),
    });
    const isFull = axes.memory === 'small';
    this.isExact = axes.policy === 'none' || (!isFull && !this.maxEntries);
    const partitions = new Map<string, number>();
    this.model = new KernelModel(
      {
        maxValueBytes: MAX_VALUE_BYTES,
        mayEvict: !this.isExact,
        mayRunOut: isFull,
        partitions: axes.partitions,
        maxEntries: axes.policy === 'none' ? this.maxEntries : undefined,
        partitionOf: (key) => {
          const known = partitions.get(key);
          if (known !== undefined) return known;
          const index = this.bench.memory.partitionIndexOf(Buffer.from(key, 'latin1'));
          partitions.set(key, index);
          return index;
        },
      },
      NOON,
    );
  }

  advance(ms: number): void {
    this.model.nowMs += ms;
    this.bench.nowMs = this.model.nowMs;
  }

  /** Runs the commands as one frame and holds each reply against the model. */
  run(id: number, commands: readonly Generated[]): void {
    const bytes = frame(id, ...commands.map(({ wire }) => wire));
    const reply = this.bench.executor.execute(bytes, undefined);
    if (isFault(reply)) throw new Error(`closed with ${reply.closeCode} ${reply.reason}`);
    const [replyId, ...replies] = valuesOf(reply);
    expect(replyId).toEqual(integer(id));
    expect(replies).toHaveLength(commands.length);
    for (const [index, { spec }] of commands.entries()) this.#apply(spec, replies[index]!, index);
  }

  #apply(spec: Spec, reply: Wire, index: number): void {
    seen.add(isError(reply) ? errorText(reply) : `${spec.name} ${kindOf(spec, reply)}`);
    try {
      this.model.apply(spec, reply);
    } catch (cause) {
      throw new Error(`command ${index}, ${describeSpec(spec)}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /**
   * Runs a command on one key without a frame, as embedding does. False: there is no such way for
   * it.
   */
  runDirectly(spec: Spec): boolean {
    const { arena } = this.bench;
    const { kernel, slot, request, reply } = arena;
    const keys = 'key' in spec ? [spec.key] : 'keys' in spec ? spec.keys : [];
    if (keys.length !== 1) return false;
    const key = Buffer.from(keys[0]!, 'latin1');
    request.set(key);
    const { nowMs } = this.model;
    const bytes = (length: number): Wire => Buffer.from(reply.slice(0, length));
    if (spec.name === 'GET') {
      const length = kernel.getDirect(slot, key.length, nowMs);
      this.#apply(spec, length < 0 ? NIL : bytes(length), 0);
    } else if (spec.name === 'DEL') {
      this.#apply(spec, integer(kernel.deleteDirect(slot, key.length, nowMs)), 0);
    } else if (spec.name === 'EXISTS') {
      this.#apply(spec, integer(kernel.hasDirect(slot, key.length, nowMs)), 0);
    } else if (spec.name === 'SET' && isSound(spec)) {
      const { value, ttlMs, flags, version } = spec;
      request.set(value, key.length);
      const given = Number(version ?? 0n);
      const status = kernel.setDirect(slot, key.length, value.length, ttlMs, flags, given, nowMs);
      const old = flags & GET ? bytes(endOf(Buffer.from(reply), 0)) : status === 1 ? TRUE : FALSE;
      this.#apply(spec, status < 0 ? this.#errorReply(status) : old, 0);
    } else {
      return false;
    }
    return true;
  }

  #errorReply(status: number): Wire {
    const { code, message } = this.bench.arena.errorOf(status);
    return error(`${code} ${message}`);
  }

  /** What the arena counted must be what the model saw. */
  checkStats(): void {
    const { model, isExact } = this;
    const stats = this.bench.arena.stats();
    for (const name of ['hits', 'misses', 'sets', 'deletes'] as const) {
      expect(stats[name], name).toBeGreaterThanOrEqual(model.least[name]);
      expect(stats[name], name).toBeLessThanOrEqual(model.most[name]);
    }
    const created = stats.entries + stats.deletes + stats.evictions + stats.expired;
    expect(created, 'entries and those that went').toBeGreaterThanOrEqual(model.least.created);
    expect(created, 'entries and those that went').toBeLessThanOrEqual(model.most.created);
    expect(stats.entries).toBeLessThanOrEqual(this.maxEntries ?? Number.POSITIVE_INFINITY);
    expect(stats.usedBytes).toBeLessThanOrEqual(stats.memoryBytes);
    expect(stats.payloadBytes).toBeLessThanOrEqual(stats.chunkBytes);
    if (!isExact) return;
    expect(stats.evictions).toBe(0);
    // The model knows of those that were met; the wheel may have taken others before.
    expect(stats.expired + stats.entries).toBe(model.least.expired + model.entries);
    const left = model.leftAt(model.nowMs);
    expect(stats.expired).toBeGreaterThanOrEqual(model.least.expired);
    expect(stats.entries).toBeGreaterThanOrEqual(left.entries);
    expect(stats.payloadBytes).toBeGreaterThanOrEqual(left.payloadBytes);
    expect(stats.payloadBytes).toBeLessThanOrEqual(model.payloadBytes);
  }

  /** Lets upkeep do all that it finds: what expired before this tick of the wheel is gone then. */
  keepUp(): void {
    const { model, isExact } = this;
    const { kernel, slot } = this.bench.arena;
    while (kernel.upkeep(slot, model.nowMs) === 0);
    if (!isExact) return;
    const most = model.leftAt(model.nowMs - (model.nowMs % TICK_MS) - 1);
    const { entries, payloadBytes } = this.bench.arena.stats();
    expect(entries).toBeLessThanOrEqual(most.entries);
    expect(payloadBytes).toBeLessThanOrEqual(most.payloadBytes);
  }

  /** Reads every key: what is there must be what is counted. */
  sweep(keys: readonly string[]): void {
    const before = this.bench.arena.stats().hits;
    for (const key of keys) this.runDirectly({ name: 'GET', key });
    const { hits, entries } = this.bench.arena.stats();
    expect(entries).toBe(hits - before);
  }
}

const isError = (reply: Wire): boolean => reply[0] === 0xc7 && reply[2] === 1;
const errorText = (reply: Wire): string => reply.toString('utf8', 3);

/** How a reply tells that a command went one way or the other. */
function kindOf(spec: Spec, reply: Wire): string {
  if (spec.name === 'SET' && spec.flags & IFVERSION) {
    return reply.equals(TRUE) ? 'if version: stored' : 'if version: not';
  }
  if (reply.equals(NIL)) return 'nil';
  if (reply.equals(TRUE) || reply.equals(FALSE)) return String(reply.equals(TRUE));
  return spec.name === 'TTL' && integerOf(reply) < 0n ? String(integerOf(reply)) : 'something';
}

/** What must have been seen in the end, so that no part of the test dries up unnoticed. */
const ALWAYS_SEEN = [
  ...[
    'PING something',
    'HELLO something',
    'GET nil',
    'GET something',
    'GETV nil',
    'GETV something',
  ],
  ...['SET true', 'SET false', 'SET nil', 'SET something'],
  ...['SET if version: stored', 'SET if version: not'],
  ...['DEL something', 'EXISTS something', 'TOUCH something', 'INCR something'],
  ...['TTL something', 'TTL -1', 'TTL -2', 'EXPIRE true', 'EXPIRE false'],
  ...['PERSIST true', 'PERSIST false'],
  ...['APPEND something', 'SETRANGE something', 'STRLEN something', 'GETRANGE something'],
  ...['MGET something', 'MSET true', 'MSETNX true', 'MSETNX false', 'RENAME true'],
  ...['RENAMENX true', 'RENAMENX false', 'COPY true', 'COPY false'],
  ...['INCRFLOAT something', 'GETDEL nil', 'GETDEL something', 'GETEX nil', 'GETEX something'],
];

/**
 * Take more than chance brings into one frame (test/golden/replies.test.ts has them), several
 * arenas, collections (collections.test.ts), or ATOMIC.
 */
const RARE_ERRORS = [
  ...['ERROR_HOST_COMMANDS', 'ERROR_REPLY_TOO_LARGE', 'ERROR_CROSS_ARENA'],
  ...['ERROR_TOO_MANY_VALUES', 'ERROR_WRONG_TYPE', 'ERROR_COLLECTION_KEY', 'ERROR_REPLY_SIZE'],
  ...['ERROR_WHERE', 'ERROR_SIDE', 'ERROR_LPOS', 'ERROR_CURSOR', 'ERROR_MATCH'],
  ...['ERROR_ATOMIC', 'ERROR_GUARD'],
  ...['ERROR_SCORE', 'ERROR_ZADD_FLAGS', 'ERROR_ZRANGE', 'ERROR_SCORE_PAIRS', 'ERROR_NOT_A_SCORE'],
  ...['ERROR_FIELD_TTL', 'ERROR_EXPIRE_CONDITION', 'ERROR_HSETEX_FLAGS', 'ERROR_AGGREGATE'],
  'ERROR_WEIGHTS',
];

const MUST_BE_SEEN = [
  ...ALWAYS_SEEN,
  ...Object.entries(KERNEL_ERROR_TEXTS)
    .filter(([name]) => !RARE_ERRORS.includes(name))
    .map(([, text]) => text),
];

/** Embedding checks flags and versions before it calls the kernel. */
function isSound({ flags, ttlMs, version }: Extract<Spec, { readonly name: 'SET' }>): boolean {
  const isConflict = (flags & 3) === 3 || ((flags & 4) !== 0 && ttlMs > 0);
  return (
    !isConflict && ((flags & 16) !== 0) === (version !== undefined) && (version ?? 0n) < 2n ** 53n
  );
}

function describeSpec(spec: Spec): string {
  return JSON.stringify(spec, (name, value) => {
    if (typeof value === 'bigint') return `${value}n`;
    if (name === 'value') return shown(Buffer.from(value.data));
    return typeof value === 'string' && value.length > 60 ? `${value.slice(0, 60)}...` : value;
  });
}

describe('the kernel and a plain model', () => {
  it.each(ALL_AXES)(
    `agree with $partitions partition(s), $memory memory, policy $policy, $limit (seed ${SEED})`,
    (axes) => {
      const random = new Random(SEED);
      const pair = new Pair(axes);
      const { keys: ordinary, checkEvery } = SIZES[axes.partitions];
      const keys = makeKeys(pair.bench.memory, random, ordinary);
      const source = new CommandSource(random, {
        keys,
        blobs: axes.partitions === 64 ? [0.1, 0.7] : [0, 0.1, 0.4],
        maxValueBytes: MAX_VALUE_BYTES,
        versionsOf: (key) => pair.model.versionsOf(key),
      });
      for (let id = 1; id <= FRAMES; id++) {
        pair.advance(random.pick([0, 0, 0, 1, 50, 700, 3000]));
        const commands: Generated[] = [];
        const wanted = random.chance(0.2) ? 1 : random.between(1, 100);
        let bytes = 0;
        while (commands.length < wanted) {
          const next = source.next();
          bytes += next.wire.length;
          if (bytes > MAX_FRAME_BYTES && commands.length > 0) break;
          commands.push(next);
        }
        if (commands.length > 1 || !pair.runDirectly(commands[0]!.spec)) pair.run(id, commands);
        if (id % checkEvery === 0)
          expect(pair.bench.arena.checkIntegrity(), `frame ${id}`).toBeUndefined();
        if (random.chance(0.1)) pair.keepUp();
        pair.checkStats();
      }
      pair.keepUp();
      pair.sweep(keys);
      pair.checkStats();
      if (!pair.isExact) expect(pair.bench.arena.stats().evictions).toBeGreaterThan(50);
      expect(pair.bench.arena.checkIntegrity()).toBeUndefined();
    },
  );

  it('met every kind of reply on the way', () => {
    expect(MUST_BE_SEEN.filter((kind) => !seen.has(kind))).toEqual([]);
  });
});
