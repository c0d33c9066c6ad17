/** An arena with little memory, and the models of what is in it, side by side. */
import { Buffer } from 'node:buffer';
import { expect } from 'vitest';
import type { ArenaOptions, Policy } from '#engine/arena.js';
import { isFault } from '#engine/frame.js';
import { Bench, NOON } from '../support/kernel-memory.js';
import { splitKeys } from './collection-algebra.js';
import { Failure, type Member, sizeOf } from './collection-models.js';
import { comparable, frameOf, readReply } from './collection-replies.js';
import type { Step } from './collection-source.js';
import { ExpiringModel } from './expiring-model.js';

const OUT_OF_MEMORY = 'OOM';
const TOO_LARGE = 'TOOLARGE';

/** Commands with further keys among their arguments: where those are. */
const firstKey = (args: readonly unknown[]): string[] => [args[0] as string];
const allKeys = (args: readonly unknown[]): string[] => splitKeys(args).keys;
const MORE_KEYS: Record<string, (args: readonly unknown[]) => string[]> = {
  ...{ LMOVE: firstKey, SMOVE: firstKey, RENAME: firstKey, COPY: firstKey },
  ...{ SINTER: allKeys, SUNION: allKeys, SDIFF: allKeys, SINTERCARD: allKeys },
  ...{ SINTERSTORE: allKeys, SUNIONSTORE: allKeys, SDIFFSTORE: allKeys, ZRANGESTORE: firstKey },
  ...{ SUNIONCARD: allKeys, SDIFFCARD: allKeys, ZINTERCARD: allKeys },
  ...{ ZINTER: allKeys, ZUNION: allKeys, ZDIFF: allKeys },
  ...{ ZINTERSTORE: allKeys, ZUNIONSTORE: allKeys, ZDIFFSTORE: allKeys },
};

/** Commands of which a part may be done when memory ends: units of so many arguments, after others. */
const IN_PARTS: Record<string, { readonly skip: number; readonly unit: number }> = {
  HSET: { skip: 0, unit: 2 },
  SADD: { skip: 0, unit: 1 },
  ZADD: { skip: 1, unit: 2 },
  HSETEX: { skip: 2, unit: 2 },
  HEXPIRE: { skip: 2, unit: 1 },
  HGETEX: { skip: 1, unit: 1 },
};

/** All of a collection. */
const READS = {
  list: ['LRANGE', [0, -1]],
  set: ['SMEMBERS', []],
  hash: ['HGETALL', []],
  zset: ['ZRANGE', [0, -1, 8]],
} as const;

export class PressurePair {
  readonly bench: Bench;
  readonly evicts: boolean;
  model = new ExpiringModel(NOON);
  /** Of plain values: the byte they consist of, and their length. */
  readonly values = new Map<string, Buffer>();
  /** What memory was refused for; what was found, or found gone when it was looked at. */
  refused = 0;
  found = 0;
  vanished = 0;

  constructor(policy: Policy, options: Partial<ArenaOptions>) {
    this.bench = new Bench({ ...options, policy });
    this.evicts = policy !== 'none';
  }

  send(name: string, key: string, args: readonly unknown[]): unknown {
    const bytes = this.bench.executor.execute(frameOf(name, key, args), undefined);
    if (isFault(bytes)) throw new Error(`closed with ${bytes.reason}`);
    return readReply(Buffer.from(bytes).subarray(1));
  }

  check(): void {
    const broken = this.bench.arena.checkIntegrity();
    if (broken !== undefined) throw new Error(`the arena is broken: ${broken}`);
  }

  /** Items of a collection, as far as is known. */
  sizeAt(key: string): number {
    const collection = this.model.keys.get(key);
    return collection ? sizeOf(collection) : 0;
  }

  /** Time goes by. */
  pass(ms: number): void {
    this.bench.nowMs += ms;
    this.model.nowMs = this.bench.nowMs;
  }

  /** A slice of upkeep; 0: there is more to do. */
  upkeep(): number {
    const { kernel, slot } = this.bench.arena;
    return kernel.upkeep(slot, this.bench.nowMs);
  }

  /** Lets the model forget what has expired or, where the policy allows it, was evicted. */
  #settle(key: string): void {
    this.model.drop();
    const isThere = this.send('EXISTS', key, []) === 1;
    if (isThere === this.model.keys.has(key)) return;
    if (isThere) throw new Error(`${key} should not be there`);
    if (!this.evicts) throw new Error(`${key} is lost`);
    this.vanished += 1;
    this.#forget(key);
  }

  #forget(key: string): void {
    this.model.keys.delete(key);
    this.model.own.delete(key);
  }

  /** Runs the step on both; throws where they differ. */
  run({ name, key, args }: Step): void {
    const keys = [...new Set([key, ...(MORE_KEYS[name]?.(args) ?? [])])];
    for (const one of keys) this.#settle(one);
    const reply = this.send(name, key, args);
    if (isFailure(reply, OUT_OF_MEMORY)) {
      this.refused += 1;
      this.#afterRefusal({ name, key, args }, keys);
      return;
    }
    // Longer than the reply area: nothing was done.
    if (isFailure(reply, TOO_LARGE)) return;
    const mayBeSource = this.evicts && args.includes(key);
    const sources = keys.filter((one) => one !== key || mayBeSource);
    if (name.endsWith('STORE') && this.#hasLost(sources)) {
      // The result is that of a moment when some of them were evicted already.
      this.send('DEL', key, []);
      this.#forget(key);
      return;
    }
    const expected = this.model.run(name, key, args);
    if (name === 'GET' && !(expected instanceof Failure)) return;
    expect(comparable(name, reply)).toEqual(comparable(name, expected));
  }

  /** Whether some of the keys were there before the command, and are not any more. */
  #hasLost(keys: readonly string[]): boolean {
    const before = this.vanished;
    for (const one of keys) this.#settle(one);
    return this.vanished > before;
  }

  /** Nothing was done, or of some commands the first parts. */
  #afterRefusal({ name, key, args }: Step, keys: readonly string[]): void {
    const parts = IN_PARTS[name];
    for (const other of keys) if (other !== key) this.#compare(other);
    if (!parts) {
      this.#compare(key);
      return;
    }
    if (this.evicts && this.send('EXISTS', key, []) === 0) {
      this.#forget(key);
      return;
    }
    const { skip, unit } = parts;
    // The condition that was met is not asked for each part again.
    const before = name === 'HSETEX' ? [args[0], (args[1] as number) & 4] : args.slice(0, skip);
    for (let done = skip; ; done += unit) {
      if (this.#differs(key) === undefined) return;
      if (done + unit >= args.length) break;
      this.model.run(name, key, [...before, ...args.slice(done, done + unit)]);
    }
    throw new Error(`a refused ${name} has changed ${key}: ${this.#differs(key)}`);
  }

  /** A key's collection is as in the model, or gone if it may be. */
  #compare(key: string): void {
    this.#settle(key);
    const difference = this.#differs(key);
    if (difference !== undefined) throw new Error(`${key}: ${difference}`);
  }

  #differs(key: string): string | undefined {
    const collection = this.model.keys.get(key);
    const isThere = this.send('EXISTS', key, []) === 1;
    if (isThere !== this.model.keys.has(key)) return isThere ? 'it is there' : 'it is not there';
    if (!collection) return undefined;
    const [name, args] = READS[collection.type];
    const reply = this.send(name, key, args);
    if (isFailure(reply, TOO_LARGE)) return undefined;
    const expected = this.model.run(name, key, args);
    const difference = firstDifference(comparable(name, reply), comparable(name, expected));
    if (difference !== undefined) return `of ${sizeOf(collection)}: ${difference}`;
    return collection.type === 'hash' ? this.#differsInTime(key) : undefined;
  }

  /** Whether the fields of a hash expire at other times, as far as they fit a reply. */
  #differsInTime(key: string): string | undefined {
    const collection = this.model.keys.get(key);
    if (collection?.type !== 'hash') return undefined;
    const names: Member[] = [...collection.fields.values()].slice(0, 200).map(({ name }) => name);
    const times = this.send('HTTL', key, names);
    return firstDifference(times, this.model.run('HTTL', key, names));
  }

  /** Everything is as in the models, or gone as a whole. */
  compareAll(): void {
    for (const key of [...this.model.keys.keys()]) {
      this.#compare(key);
      if (this.model.keys.has(key)) this.found += 1;
    }
    for (const key of [...this.values.keys()]) this.look(key);
  }

  /** EXPIRE, or with 0 PERSIST. */
  expire(key: string, ttlMs: number): void {
    this.#settle(key);
    const reply = this.send('EXPIRE', key, [ttlMs]);
    if (isFailure(reply, OUT_OF_MEMORY)) {
      this.refused += 1;
      this.#compare(key);
      return;
    }
    expect(reply).toBe(this.model.run('EXPIRE', key, [ttlMs]));
  }

  /** Stores a plain value. */
  store(key: string, value: Buffer): void {
    const reply = this.send('SET', key, [value]);
    if (isFailure(reply, OUT_OF_MEMORY)) this.refused += 1;
    else this.values.set(key, value);
  }

  remove(key: string): void {
    if (this.send('DEL', key, []) === 0) this.#mayBeGone(key);
    this.values.delete(key);
  }

  look(key: string): void {
    const reply = this.send('GET', key, []);
    const value = this.values.get(key);
    if (reply === null) this.#mayBeGone(key);
    else if (!value?.equals(reply as Buffer)) throw new Error(`${key} has another value`);
  }

  #mayBeGone(key: string): void {
    if (this.values.delete(key) && !this.evicts) throw new Error(`${key} is lost`);
  }
}

function isFailure(reply: unknown, code: string): boolean {
  return reply instanceof Failure && reply.code === code;
}

function firstDifference(one: unknown, other: unknown): string | undefined {
  const left = JSON.stringify(one) ?? '';
  const right = JSON.stringify(other) ?? '';
  if (left === right) return undefined;
  let at = 0;
  while (left[at] === right[at]) at += 1;
  const from = Math.max(0, at - 30);
  return `${left.slice(from, at + 60)} instead of ${right.slice(from, at + 60)}`;
}
