/**
 * What the kernel shall do, as plain JavaScript: a Map and a clock. Where eviction may take an
 * entry at any moment, a key is in one of several possible states; a reply must fit one of them,
 * and those that it does not fit are dropped.
 */
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import {
  bin,
  endOf,
  error,
  FALSE,
  integer,
  integerOf,
  itemsOf,
  NIL,
  shown,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';
import { leaseValue, type Owner, ownerOf, take } from './kernel-leases.js';
import { contentOf, floatOf, numberIn, rangeOf, wireOf, written } from './kernel-strings.js';

export const NX = 1;
export const XX = 2;
export const KEEPTTL = 4;
export const GET = 8;
export const IFVERSION = 16;

export type ErrorName = keyof typeof KERNEL_ERROR_TEXTS;

/** Commands of which the key is the only argument. */
export type KeyName =
  | ('GET' | 'GETV' | 'TTL' | 'PERSIST' | 'STRLEN' | 'GETDEL')
  | ('TYPE' | 'MEMORY' | 'OBJECT');

/** A command as the model sees it. Keys are bytes as latin1 text. */
export type Spec =
  | { readonly name: 'PING' }
  | { readonly name: 'HELLO' }
  | { readonly name: 'UNLOCK'; readonly key: string; readonly owner: Owner }
  | {
      readonly name: 'LOCK' | 'EXTEND';
      readonly key: string;
      readonly owner: Owner;
      readonly ttlMs: number;
    }
  | { readonly name: 'LIMIT'; readonly key: string; readonly cost: number }
  | { readonly name: KeyName; readonly key: string }
  | { readonly name: 'DEL' | 'EXISTS' | 'TOUCH'; readonly keys: readonly string[] }
  | { readonly name: 'EXPIRE'; readonly key: string; readonly ttlMs: number }
  | { readonly name: 'INCR'; readonly key: string; readonly delta: bigint; readonly ttlMs: number }
  | {
      readonly name: 'SET';
      readonly key: string;
      readonly value: Wire;
      readonly ttlMs: number;
      readonly flags: number;
      readonly version: bigint | undefined;
    }
  | WriteSpec
  | { readonly name: 'MGET'; readonly keys: readonly string[] }
  | SeveralSpec
  | MoveSpec
  | {
      readonly name: 'GETRANGE';
      readonly key: string;
      readonly start: number;
      readonly end: number;
    }
  | {
      readonly name: 'INCRFLOAT';
      readonly key: string;
      readonly delta: number;
      readonly ttlMs: number;
    }
  | { readonly name: 'GETEX'; readonly key: string; readonly ttlMs: number | undefined }
  | { readonly name: 'WRONG'; readonly error: ErrorName };

/** MSET, MSETNX. */
interface SeveralSpec {
  readonly name: 'MSET' | 'MSETNX';
  readonly pairs: readonly (readonly [key: string, value: Wire])[];
  readonly ttlMs: number;
}

interface MoveSpec {
  readonly name: 'RENAME' | 'RENAMENX' | 'COPY';
  readonly from: string;
  readonly to: string;
  /** Of COPY. */
  readonly replace: boolean;
}

/** APPEND, or with an offset SETRANGE. */
interface WriteSpec {
  readonly name: 'APPEND' | 'SETRANGE';
  readonly key: string;
  readonly offset: number | undefined;
  readonly data: Wire;
}

type KeySpec = Extract<Spec, { readonly key: string }>;
type LeaseSpec = Extract<Spec, { readonly owner: Owner }>;
type SetSpec = Extract<Spec, { readonly name: 'SET' }>;

interface State {
  readonly value: Wire;
  /** 0: never. */
  readonly expiryMs: number;
  /**
   * `unseen`: the entry has one that nobody asked for yet; undefined: it will get one when somebody
   * does.
   */
  readonly version: bigint | 'unseen' | undefined;
}

const COUNTERS = ['hits', 'misses', 'sets', 'deletes', 'expired', 'created'] as const;
type Counter = (typeof COUNTERS)[number];
type Counts = Partial<Record<Counter, number>>;

/** One thing that may happen to a key in a state. */
interface Outcome {
  readonly reply: Wire;
  readonly next: State | undefined;
  readonly counts: Counts;
  /** The reply is this one, a version, and nothing else. */
  readonly isVersioned?: boolean;
  /** The reply is the fence of a lease that this owner has got, and nothing else. */
  readonly fenceOf?: Owner;
  /** The reply is whatever this says yes to; `reply` is what a failure shows. */
  readonly accepts?: (reply: Wire) => boolean;
}

export interface ModelOptions {
  readonly maxValueBytes: number;
  /** Entries may go at any time. */
  readonly mayEvict: boolean;
  /** A write may be refused with OOM. */
  readonly mayRunOut: boolean;
  readonly partitions: number;
  readonly partitionOf: (key: string) => number;
  /** Only with the policy `none`, where it is exact. */
  readonly maxEntries: number | undefined;
}

export function errorReply(name: ErrorName): Wire {
  return error(KERNEL_ERROR_TEXTS[name]!);
}

const I64_LEAST = -(2n ** 63n);
const I64_MOST = 2n ** 63n - 1n;

export class KernelModel {
  nowMs: number;
  /**
   * Bounds of what the arena must have counted. They are one number where nothing may be evicted.
   */
  readonly least: Record<Counter, number>;
  readonly most: Record<Counter, number>;
  readonly #options: ModelOptions;
  readonly #states = new Map<string, readonly (State | undefined)[]>();
  /** Versions that were handed out, by key, ascending. They hold for the key for good. */
  readonly #versions = new Map<string, bigint[]>();
  /** Entries by partition, expired ones too; true where nothing may be evicted. */
  readonly #entries: number[];
  #payloadBytes = 0;
  /** Of any lease. */
  #lastFence = 0n;

  constructor(options: ModelOptions, nowMs: number) {
    this.#options = options;
    this.nowMs = nowMs;
    this.#entries = new Array<number>(options.partitions).fill(0);
    const zero = (): Record<Counter, number> =>
      Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<Counter, number>;
    this.least = zero();
    this.most = zero();
  }

  get entries(): number {
    return this.#entries.reduce((sum, count) => sum + count, 0);
  }

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** Entries, and bytes of keys and values, that would not have expired at some time. */
  leftAt(timeMs: number, partition?: number): { entries: number; payloadBytes: number } {
    let entries = 0;
    let payloadBytes = 0;
    for (const [key, [state]] of this.#states) {
      if (!state || (state.expiryMs !== 0 && state.expiryMs <= timeMs)) continue;
      if (partition !== undefined && this.#options.partitionOf(key) !== partition) continue;
      entries += 1;
      payloadBytes += key.length + state.value.length;
    }
    return { entries, payloadBytes };
  }

  versionsOf(key: string): readonly bigint[] {
    return this.#versions.get(key) ?? [];
  }

  /** Holds a reply against the model, which then knows what it knew and what the reply told. */
  apply(spec: Spec, reply: Wire): void {
    const fixed = fixedReply(spec);
    if (fixed) this.#expect(reply, fixed);
    else if ('pairs' in spec) this.#applyPairs(spec, reply);
    else if ('from' in spec) this.#applyMove(spec, reply);
    else if (spec.name === 'MGET') this.#applyReads(spec.keys, reply);
    else if ('keys' in spec) this.#applyToMany(spec.name, spec.keys, reply);
    else if ('key' in spec) this.#applyToOne(spec, reply);
  }

  #applyToOne(spec: KeySpec, reply: Wire): void {
    const wrong = spec.name === 'SET' ? this.#wrongSet(spec) : undefined;
    if (wrong) {
      this.#expect(reply, errorReply(wrong));
      return;
    }
    const outcomes = this.#possible(spec.key).flatMap((state) => this.#outcomes(spec, state));
    const fitting = outcomes.flatMap((outcome) => this.#fit(spec.key, outcome, reply));
    if (fitting.length === 0) {
      const expected = outcomes.map((outcome) => shown(outcome.reply)).join(' or ');
      throw new Error(`expected ${expected}, not ${shown(reply)}`);
    }
    const version = fitting.find(({ isVersioned }) => isVersioned)?.next?.version;
    if (typeof version === 'bigint') this.#remember(spec.key, version);
    if (fitting.some(({ fenceOf }) => fenceOf)) this.#lastFence = integerOf(reply);
    this.#count(fitting.map(({ counts }) => counts));
    this.#settle(
      spec.key,
      fitting.map(({ next }) => next),
    );
  }

  #expect(reply: Wire, expected: Wire): void {
    if (!reply.equals(expected)) {
      throw new Error(`expected ${shown(expected)}, not ${shown(reply)}`);
    }
  }

  #possible(key: string): readonly (State | undefined)[] {
    const states = this.#states.get(key) ?? [undefined];
    if (!this.#options.mayEvict || states.includes(undefined)) return states;
    return [...states, undefined];
  }

  /** The outcome, with the version of the reply in it, where the reply fits it. */
  #fit(key: string, outcome: Outcome, reply: Wire): Outcome[] {
    if (outcome.accepts) return outcome.accepts(reply) ? [outcome] : [];
    if (outcome.fenceOf) return this.#fitFence(outcome.fenceOf, outcome, reply);
    if (!outcome.isVersioned) return reply.equals(outcome.reply) ? [outcome] : [];
    const start = outcome.reply.length;
    const state = outcome.next!;
    if (!reply.subarray(0, start).equals(outcome.reply) || endOf(reply, 0) !== reply.length)
      return [];
    const version = integerOf(reply.subarray(start));
    const seen = this.versionsOf(key);
    if (typeof state.version === 'bigint') return version === state.version ? [outcome] : [];
    if (seen.length > 0 && version <= seen.at(-1)!) return [];
    return [{ ...outcome, next: { ...state, version } }];
  }

  #fitFence(owner: Owner, outcome: Outcome, reply: Wire): Outcome[] {
    if (reply[0] !== 0xcf || reply.length !== 9) return [];
    const fence = integerOf(reply);
    if (fence <= this.#lastFence) return [];
    return [{ ...outcome, next: { ...outcome.next!, value: leaseValue(owner, fence) } }];
  }

  #remember(key: string, version: bigint): void {
    const seen = this.versionsOf(key);
    if (seen.at(-1) !== version) this.#versions.set(key, [...seen, version]);
  }

  #count(options: readonly Counts[]): void {
    for (const name of COUNTERS) {
      const counts = options.map((option) => option[name] ?? 0);
      this.least[name] += Math.min(...counts);
      this.most[name] += Math.max(...counts);
    }
  }

  #settle(key: string, states: readonly (State | undefined)[]): void {
    const old = this.#states.get(key)?.[0];
    const distinct = states.filter(
      (state, index) => states.findIndex((s) => same(s, state)) === index,
    );
    this.#states.set(key, distinct);
    const now = distinct[0];
    this.#entries[this.#options.partitionOf(key)]! += Number(!!now) - Number(!!old);
    this.#payloadBytes +=
      (now ? key.length + now.value.length : 0) - (old ? key.length + old.value.length : 0);
  }

  /** DEL, EXISTS, TOUCH: what is true of each key must add up to the number in the reply. */
  #applyToMany(name: 'DEL' | 'EXISTS' | 'TOUCH', keys: readonly string[], reply: Wire): void {
    const count = Number(integerOf(reply));
    let least = 0;
    let most = 0;
    const settle: (() => void)[] = [];
    for (const key of keys) {
      const live = this.#possible(key).map((state) => this.#live(state));
      const states = live.map(({ next }) => next);
      this.#count(live.map(({ counts }) => counts));
      const isSure = states.every((state) => state !== undefined);
      least += Number(isSure);
      most += Number(states.some((state) => state !== undefined));
      // For keys that come twice, the second one must see what the first one did.
      if (name === 'DEL') this.#settle(key, [undefined]);
      else if (!this.#options.mayEvict) this.#settle(key, states);
      else settle.push(() => this.#settle(key, states));
    }
    for (const action of settle) action();
    if (count < least || count > most)
      throw new Error(`expected ${least} to ${most}, not ${count}`);
    if (name === 'DEL') this.#count([{ deletes: count }]);
  }

  #applyReads(keys: readonly string[], reply: Wire): void {
    if (reply.equals(errorReply('ERROR_TOO_MANY_VALUES'))) {
      const most = (key: string) =>
        Math.max(...this.#possible(key).map((state) => state?.value.length ?? 1));
      const bytes = keys.reduce((sum, key) => sum + most(key), 0);
      if (bytes > this.#options.maxValueBytes) return;
    }
    const values = itemsOf(reply);
    if (values.length !== keys.length) throw new Error(`${values.length} values`);
    for (const [i, key] of keys.entries()) this.#applyToOne({ name: 'GET', key }, values[i]!);
  }

  #applyPairs({ name, pairs, ttlMs }: SeveralSpec, reply: Wire): void {
    const { maxValueBytes, mayRunOut, mayEvict } = this.#options;
    if (pairs.some(([, value]) => value.length > maxValueBytes)) {
      this.#expect(reply, errorReply('ERROR_VALUE_TOO_LARGE'));
      return;
    }
    const keys = [...new Set(pairs.map(([key]) => key))];
    const liveOf = (key: string) => this.#possible(key).map((state) => this.#live(state).next);
    if (name === 'MSETNX') {
      if (reply.equals(FALSE) && keys.some((key) => liveOf(key).some(Boolean))) return;
      const taken = keys.find((key) => liveOf(key).every(Boolean));
      if (taken !== undefined) throw new Error(`expected false, not ${shown(reply)}`);
    }
    const refusals = keys.map((key) => this.#refusalOf(keys, key));
    if (reply.equals(errorReply('ERROR_ENTRIES_FULL'))) {
      if (refusals.every((refusal) => refusal === 'no')) throw new Error('there is room');
      return;
    }
    if (reply.equals(errorReply('ERROR_OUT_OF_MEMORY')) && mayRunOut) {
      // As if those stored before had been evicted.
      if (!mayEvict) return;
      this.#count([{}, { sets: pairs.length, created: pairs.length }]);
      for (const key of keys) this.#settle(key, [...this.#possible(key), undefined]);
      return;
    }
    if (refusals.includes('yes')) throw new Error('there is no room');
    this.#expect(reply, TRUE);
    for (const [i, [key, value]] of pairs.entries()) {
      const states = this.#possible(key).map((state) => this.#live(state));
      // Of a key that comes twice, the first write may be left out.
      const isAgain = pairs.slice(0, i).some(([other]) => other === key);
      if (isAgain) this.#count([{ sets: 0 }, { sets: 1 }]);
      const sets = isAgain ? 0 : 1;
      this.#count(states.map(({ next, counts }) => ({ ...counts, sets, created: next ? 0 : 1 })));
      this.#settle(
        key,
        states.map(({ next }) => ({
          value,
          expiryMs: this.#expiry(ttlMs),
          version: next?.version === undefined ? undefined : 'unseen',
        })),
      );
    }
  }

  /** `#refusal` of a key that comes with others. */
  #refusalOf(keys: readonly string[], key: string): 'yes' | 'no' | 'perhaps' {
    const { maxEntries, partitions, partitionOf } = this.#options;
    if (maxEntries === undefined) return 'no';
    const partition = partitionOf(key);
    const share =
      Math.floor(maxEntries / partitions) + (partition < maxEntries % partitions ? 1 : 0);
    const isNew = (other: string) => !this.#live(this.#possible(other)[0]).next;
    const added = keys.filter((other) => partitionOf(other) === partition && isNew(other)).length;
    if (added === 0 || this.#entries[partition]! + added <= share) return 'no';
    return this.leftAt(this.nowMs, partition).entries + added > share ? 'yes' : 'perhaps';
  }

  #applyMove({ name, from, to, replace }: MoveSpec, reply: Wire): void {
    if (from === to && name === 'COPY') {
      this.#expect(reply, errorReply('ERROR_SAME_KEY'));
      return;
    }
    const isCopy = name === 'COPY';
    const done: { counts: Counts; from: State | undefined; to: State | undefined }[] = [];
    const replies: Wire[] = [];
    const add = (
      said: Wire,
      counts: Counts,
      source: State | undefined,
      target: State | undefined,
    ) => {
      replies.push(said);
      if (said.equals(reply)) done.push({ counts, from: source, to: target });
    };
    for (const before of this.#possible(from)) {
      const { next: source, counts: met } = this.#live(before);
      for (const stored of from === to ? [before] : this.#possible(to)) {
        if (!source) {
          add(isCopy ? FALSE : errorReply('ERROR_NO_SUCH_KEY'), met, source, stored);
          continue;
        }
        const { next: target, counts: more } = this.#live(stored);
        const counts = { expired: (met.expired ?? 0) + (more.expired ?? 0) };
        if (from === to) {
          add(name === 'RENAME' ? TRUE : FALSE, met, source, source);
          continue;
        }
        const replaces = name === 'RENAME' || (isCopy && replace);
        if (target && !replaces) {
          add(FALSE, counts, source, target);
          continue;
        }
        const refusal = this.#refusal(to, target, more);
        if (refusal !== 'no') add(errorReply('ERROR_ENTRIES_FULL'), counts, source, target);
        if (refusal === 'yes') continue;
        if (this.#options.mayRunOut) {
          add(errorReply('ERROR_OUT_OF_MEMORY'), counts, source, target);
        }
        const version = target?.version === undefined ? undefined : ('unseen' as const);
        const moved = { value: source.value, expiryMs: source.expiryMs, version };
        const written = { ...counts, sets: 1, created: target ? 0 : 1, deletes: isCopy ? 0 : 1 };
        add(TRUE, written, isCopy ? source : undefined, moved);
      }
    }
    if (done.length === 0) {
      throw new Error(`expected ${replies.map(shown).join(' or ')}, not ${shown(reply)}`);
    }
    this.#count(done.map(({ counts }) => counts));
    this.#settle(
      from,
      done.map((one) => one.from),
    );
    if (from === to) return;
    this.#settle(
      to,
      done.map((one) => one.to),
    );
  }

  /** An entry that has expired goes when it is met. */
  #live(state: State | undefined): { next: State | undefined; counts: Counts } {
    const isExpired = state && state.expiryMs !== 0 && state.expiryMs <= this.nowMs;
    return isExpired ? { next: undefined, counts: { expired: 1 } } : { next: state, counts: {} };
  }

  /** What is wrong with a SET whatever the key's state is. */
  #wrongSet({ flags, ttlMs, version, value }: SetSpec): ErrorName | undefined {
    if ((flags & (NX | XX)) === (NX | XX)) return 'ERROR_FLAGS_CONFLICT';
    if (flags & KEEPTTL && ttlMs > 0) return 'ERROR_FLAGS_CONFLICT';
    if (((flags & IFVERSION) !== 0) !== (version !== undefined)) return 'ERROR_VERSION';
    return value.length > this.#options.maxValueBytes ? 'ERROR_VALUE_TOO_LARGE' : undefined;
  }

  #outcomes(spec: KeySpec, before: State | undefined): Outcome[] {
    const { next: state, counts } = this.#live(before);
    const outcome = (reply: Wire, next = state, more: Counts = {}): Outcome => ({
      reply,
      next,
      counts: { ...counts, ...more },
    });
    const stay = [outcome(this.#options.mayRunOut ? errorReply('ERROR_OUT_OF_MEMORY') : NIL)];
    /** Where memory may run out, a write may also be refused. */
    const orRefused = (done: Outcome): Outcome[] =>
      this.#options.mayRunOut ? [done, ...stay] : [done];
    switch (spec.name) {
      case 'GET':
        return [
          state ? outcome(state.value, state, { hits: 1 }) : outcome(NIL, state, { misses: 1 }),
        ];
      case 'GETV': {
        if (!state) return [outcome(NIL, state, { misses: 1 })];
        const reply = Buffer.concat([Buffer.of(0x92), state.value]);
        const found = { ...outcome(reply, state, { hits: 1 }), isVersioned: true };
        return state.version === undefined ? orRefused(found) : [found];
      }
      case 'TTL':
        if (!state) return [outcome(integer(-2))];
        return [outcome(integer(state.expiryMs === 0 ? -1 : state.expiryMs - this.nowMs))];
      case 'PERSIST':
        if (!state || state.expiryMs === 0) return [outcome(FALSE)];
        return [outcome(TRUE, { ...state, expiryMs: 0 })];
      case 'EXPIRE':
        if (!state) return [outcome(FALSE)];
        return orRefused(outcome(TRUE, { ...state, expiryMs: this.#expiry(spec.ttlMs) }));
      case 'SET':
        return this.#setOutcomes(spec, state, outcome, orRefused);
      case 'INCR':
        return this.#incrementOutcomes(spec, state, outcome, orRefused);
      case 'TYPE':
        return [outcome(str(state ? 'string' : 'none'))];
      case 'MEMORY':
      case 'OBJECT':
        // An expired entry stays where it is.
        return [this.#inspected(spec.name, state, before)];
      case 'LOCK':
      case 'UNLOCK':
      case 'EXTEND':
        return this.#leaseOutcomes(spec, state, outcome, orRefused);
      case 'LIMIT':
        return this.#limitOutcomes(spec, state, outcome, orRefused);
      case 'INCRFLOAT': {
        const old = state ? numberIn(state.value) : 0;
        if (old === undefined) return [outcome(errorReply('ERROR_NOT_A_NUMBER'))];
        const sum = floatOf(old + spec.delta);
        if (sum === undefined) return [outcome(errorReply('ERROR_NOT_FINITE'))];
        return this.#stored(spec.key, sum, sum, spec.ttlMs, state, outcome, orRefused);
      }
      case 'STRLEN': {
        const length = state ? contentOf(state.value)?.bytes.length : 0;
        return [outcome(length === undefined ? errorReply('ERROR_NOT_BYTES') : integer(length))];
      }
      case 'GETRANGE': {
        if (!state) return [outcome(bin(''), state, { misses: 1 })];
        const content = contentOf(state.value);
        if (content === undefined) return [outcome(errorReply('ERROR_NOT_BYTES'))];
        return [outcome(bin(rangeOf(content.bytes, spec.start, spec.end)), state, { hits: 1 })];
      }
      case 'APPEND':
      case 'SETRANGE':
        return this.#writeOutcomes(spec, state, outcome, orRefused);
      case 'GETDEL':
        if (!state) return [outcome(NIL, state, { misses: 1 })];
        return [{ ...outcome(state.value, state, { hits: 1, deletes: 1 }), next: undefined }];
      case 'GETEX': {
        if (!state) return [outcome(NIL, state, { misses: 1 })];
        if (spec.ttlMs === undefined) return [outcome(state.value, state, { hits: 1 })];
        const next = { ...state, expiryMs: this.#expiry(spec.ttlMs) };
        return orRefused(outcome(state.value, next, { hits: 1 }));
      }
    }
  }

  #inspected(
    name: 'MEMORY' | 'OBJECT',
    state: State | undefined,
    before: State | undefined,
  ): Outcome {
    if (!state) return { reply: NIL, next: before, counts: {} };
    const { length } = state.value;
    const bytes = Buffer.concat([str('bytes'), integer(length)]);
    const ttl = integer(state.expiryMs === 0 ? -1 : state.expiryMs - this.nowMs);
    const ttlMs = Buffer.concat([str('ttlMs'), ttl, str('mark')]);
    const accepts = (reply: Wire): boolean =>
      name === 'MEMORY'
        ? !reply.equals(NIL) && integerOf(reply) > BigInt(length)
        : reply[0] === 0x87 && reply.includes(bytes) && reply.includes(ttlMs);
    return { reply: Buffer.concat([bytes, ttlMs]), next: state, counts: {}, accepts };
  }

  #leaseOutcomes(
    spec: LeaseSpec,
    state: State | undefined,
    outcome: (reply: Wire, next?: State, counts?: Counts) => Outcome,
    orRefused: (done: Outcome) => Outcome[],
  ): Outcome[] {
    const owner = state && ownerOf(state.value);
    if (state && !owner) return [outcome(errorReply('ERROR_NOT_A_LEASE'))];
    const isHis = owner?.equals(spec.owner.bytes) ?? false;
    if (spec.name === 'LOCK') {
      if (owner && !isHis) return [outcome(NIL)];
      const next: State = {
        value: leaseValue(spec.owner, 0n),
        expiryMs: this.#expiry(spec.ttlMs),
        version: state?.version === undefined ? undefined : 'unseen',
      };
      const locked = outcome(str('a fence'), next, { sets: 1, created: state ? 0 : 1 });
      const refused = outcome(errorReply('ERROR_ENTRIES_FULL'));
      const done = orRefused({ ...locked, fenceOf: spec.owner });
      return this.#written(spec.key, state, refused, done);
    }
    if (!state || !isHis) return [outcome(FALSE)];
    if (spec.name === 'EXTEND') {
      return orRefused(outcome(TRUE, { ...state, expiryMs: this.#expiry(spec.ttlMs) }));
    }
    return [{ ...outcome(TRUE, state, { deletes: 1 }), next: undefined }];
  }

  #limitOutcomes(
    { key, cost }: Extract<Spec, { readonly name: 'LIMIT' }>,
    state: State | undefined,
    outcome: (reply: Wire, next?: State, counts?: Counts) => Outcome,
    orRefused: (done: Outcome) => Outcome[],
  ): Outcome[] {
    const taken = take(state?.value, cost, this.nowMs);
    if (!taken) return [outcome(errorReply('ERROR_NOT_A_LIMIT'))];
    const { reply, value, expiryMs } = taken;
    if (!value) return [outcome(reply)];
    const version = state?.version === undefined ? undefined : 'unseen';
    const next: State = { value, expiryMs, version };
    const refused = outcome(errorReply('ERROR_ENTRIES_FULL'));
    const done = orRefused(outcome(reply, next, { sets: 1, created: state ? 0 : 1 }));
    return this.#written(key, state, refused, done);
  }

  #expiry(ttlMs: number): number {
    return ttlMs === 0 ? 0 : this.nowMs + ttlMs;
  }

  /**
   * Whether one more entry is refused: for sure, not at all, or perhaps, because it depends on how
   * many of the expired ones are gone by now. An expired one of the same key has made room.
   */
  #refusal(key: string, state: State | undefined, counts: Counts): 'yes' | 'no' | 'perhaps' {
    const { maxEntries, partitions, partitionOf } = this.#options;
    if (maxEntries === undefined || state !== undefined) return 'no';
    const partition = partitionOf(key);
    const rest = maxEntries % partitions;
    const share = Math.floor(maxEntries / partitions) + (partition < rest ? 1 : 0);
    const most = this.#entries[partition]! - (counts.expired ?? 0);
    if (most < share) return 'no';
    return this.leftAt(this.nowMs, partition).entries >= share ? 'yes' : 'perhaps';
  }

  /** What comes of a write that would make an entry. */
  #written(
    key: string,
    state: State | undefined,
    refused: Outcome,
    written: readonly Outcome[],
  ): Outcome[] {
    const refusal = this.#refusal(key, state, refused.counts);
    if (refusal === 'no') return [...written];
    return refusal === 'yes' ? [refused] : [refused, ...written];
  }

  #setOutcomes(
    { key, value, ttlMs, flags, version }: SetSpec,
    state: State | undefined,
    outcome: (reply: Wire, next?: State, counts?: Counts) => Outcome,
    orRefused: (done: Outcome) => Outcome[],
  ): Outcome[] {
    const old = state?.value ?? NIL;
    const isMet =
      !(flags & NX && state) &&
      !(flags & XX && !state) &&
      !(flags & IFVERSION && (!state || state.version !== version));
    if (!isMet) return [outcome(flags & GET ? old : FALSE)];
    const refused = outcome(errorReply('ERROR_ENTRIES_FULL'));
    const next: State = {
      value,
      expiryMs: flags & KEEPTTL ? (state?.expiryMs ?? 0) : this.#expiry(ttlMs),
      version: state?.version === undefined ? undefined : 'unseen',
    };
    const counts = { sets: 1, created: state ? 0 : 1 };
    const done = orRefused(outcome(flags & GET ? old : TRUE, next, counts));
    return this.#written(key, state, refused, done);
  }

  #writeOutcomes(
    { name, key, offset, data }: WriteSpec,
    state: State | undefined,
    outcome: (reply: Wire, next?: State, counts?: Counts) => Outcome,
    orRefused: (done: Outcome) => Outcome[],
  ): Outcome[] {
    const old = state && contentOf(state.value);
    if (state && !old) return [outcome(errorReply('ERROR_NOT_BYTES'))];
    const length = old?.bytes.length ?? 0;
    const added = contentOf(data)!;
    if (name === 'SETRANGE' && added.bytes.length === 0) return [outcome(integer(length))];
    const from = offset ?? length;
    if (from + added.bytes.length > this.#options.maxValueBytes) {
      return [outcome(errorReply('ERROR_VALUE_TOO_LARGE'))];
    }
    const content = written(old, from, added);
    const value = wireOf(content);
    if (value.length > this.#options.maxValueBytes) {
      return [outcome(errorReply('ERROR_VALUE_TOO_LARGE'))];
    }
    const reply = integer(content.bytes.length);
    return this.#stored(key, value, reply, 0, state, outcome, orRefused);
  }

  /** A value in place of another one, whose expiry it gets. */
  #stored(
    key: string,
    value: Wire,
    reply: Wire,
    ttlMs: number,
    state: State | undefined,
    outcome: (reply: Wire, next?: State, counts?: Counts) => Outcome,
    orRefused: (done: Outcome) => Outcome[],
  ): Outcome[] {
    const refused = outcome(errorReply('ERROR_ENTRIES_FULL'));
    const next: State = {
      value,
      expiryMs: state ? state.expiryMs : this.#expiry(ttlMs),
      version: state?.version === undefined ? undefined : 'unseen',
    };
    const done = orRefused(outcome(reply, next, { sets: 1, created: state ? 0 : 1 }));
    return this.#written(key, state, refused, done);
  }

  #incrementOutcomes(
    { key, delta, ttlMs }: Extract<Spec, { readonly name: 'INCR' }>,
    state: State | undefined,
    outcome: (reply: Wire, next?: State, counts?: Counts) => Outcome,
    orRefused: (done: Outcome) => Outcome[],
  ): Outcome[] {
    let sum = delta;
    if (state) {
      const old = integerIn(state.value);
      if (old === undefined) return [outcome(errorReply('ERROR_NOT_AN_INTEGER'))];
      sum = old + delta;
      if (old > I64_MOST || sum > I64_MOST || sum < I64_LEAST) {
        return [outcome(errorReply('ERROR_OVERFLOW'))];
      }
    }
    return this.#stored(key, integer(sum), integer(sum), ttlMs, state, outcome, orRefused);
  }
}

/** The reply to a command that says nothing of any key. */
function fixedReply(spec: Spec): Wire | undefined {
  if (spec.name === 'WRONG') return errorReply(spec.error);
  if (spec.name === 'PING') return str('PONG');
  return spec.name === 'HELLO' ? str('host') : undefined;
}

function same(a: State | undefined, b: State | undefined): boolean {
  if (!a || !b || a === b) return a === b;
  return a.expiryMs === b.expiryMs && a.version === b.version && a.value.equals(b.value);
}

/** The integer that a value is, if it is one. */
function integerIn(value: Wire): bigint | undefined {
  const tag = value[0]!;
  const isInteger = tag < 0x80 || tag >= 0xe0 || (tag >= 0xcc && tag <= 0xd3);
  return isInteger ? integerOf(value) : undefined;
}
