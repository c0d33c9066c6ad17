/**
 * What a cache shall do, as plain JavaScript: a Map and the clock. Where eviction may take an entry
 * at any moment, a key may be in one of several states; a reply must fit one of them, and the
 * others are dropped. Where nothing is evicted there is one state, and one reply that is right.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Version } from 'slabring';
import { SlabringError } from 'slabring';
import { rangeOf } from './kernel-strings.js';

/** An entry. */
export interface Entry {
  readonly value: unknown;
  /** Unix time in ms; Infinity: it does not expire. */
  readonly deadline: number;
  /** The version that was handed out for it as it is; undefined: none. */
  readonly version: Version | undefined;
  /** The same as long as the key is there all the time, however it is written; 0: not known. */
  readonly born: number;
  /** A sum of `incrementFloat`, which is no integer even where it is whole. */
  readonly isFloat?: boolean;
}

export type State = Entry | undefined;

/** An error, by its code, in place of a reply. */
export class Refusal {
  readonly code: string;

  constructor(code: string) {
    this.code = code;
  }
}

/** What a call returns, or what it is refused with. */
export function outcomeOf(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (error instanceof SlabringError) return new Refusal(error.code);
    throw error;
  }
}

const COUNTERS = ['hits', 'misses', 'sets', 'deletes', 'created'] as const;
export type Counter = (typeof COUNTERS)[number];
type Counts = Partial<Record<Counter, number>>;

/** What a call may do to a key in one state. */
export interface Outcome {
  readonly reply: unknown;
  readonly next: State;
  readonly counts: Counts;
}

/** The options of `set` as the model takes them. */
export interface Write {
  readonly value: unknown;
  /** In ms, 0: none. */
  readonly ttl: number;
  readonly ifAbsent?: boolean;
  readonly ifPresent?: boolean;
  readonly keepTtl?: boolean;
  readonly ifVersion?: Version | undefined;
}

export interface ModelOptions {
  /** Entries may go at any time. */
  readonly mayEvict: boolean;
  /** Whether a write to the key may be refused now. */
  readonly mayRefuse: (key: string) => boolean;
}

/** How a way of calling shows a reply; a frame knows no `undefined`. */
export type Shown = (reply: unknown) => unknown;

export const asIs: Shown = (reply) => reply;

export class CacheModel {
  /** Bounds of what was counted. They are one number where nothing may be evicted. */
  readonly least: Record<Counter, number> = zero();
  readonly most: Record<Counter, number> = zero();
  readonly #options: ModelOptions;
  readonly #states = new Map<string, readonly State[]>();
  /** The last version that was handed out for the key; it holds for the key for good. */
  readonly #versions = new Map<string, number[]>();
  /** The last fence of the key's leases. */
  readonly #fences = new Map<string, number>();
  #births = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  /** Whether a write to the key may be refused now. */
  mayRefuse(key: string): boolean {
    return this.#options.mayRefuse(key);
  }

  /** What the key may be; an entry whose time is up is none. */
  possible(key: string): readonly State[] {
    return this.#stored(key).map(liveOf);
  }

  /** What the cache may have of the key, expired or not. */
  #stored(key: string): readonly State[] {
    const states = this.#states.get(key) ?? [undefined];
    if (!this.#options.mayEvict || states.includes(undefined)) return states;
    return [...states, undefined];
  }

  /** The keys that are there for sure. */
  sureKeys(): string[] {
    return [...this.#states.keys()].filter((key) => this.possible(key).every(Boolean));
  }

  /** Keys that may have an entry, expired or not. */
  someKeys(): IterableIterator<string> {
    return this.#states.keys();
  }

  /** How many keys may have an entry that has not expired at `time`. */
  mostAt(time: number): number {
    let most = 0;
    for (const states of this.#states.values()) {
      if (states.some((state) => state !== undefined && state.deadline > time)) most++;
    }
    return most;
  }

  versionsOf(key: string): readonly number[] {
    return this.#versions.get(key) ?? [];
  }

  /**
   * Holds the reply to a call on one key against what it may be.
   * @param leaves the call leaves an entry where it is whose time is up
   */
  apply(
    key: string,
    reply: unknown,
    outcomes: (state: State) => Outcome[],
    { shown = asIs, leaves = false }: { shown?: Shown; leaves?: boolean } = {},
  ): void {
    const all = this.#stored(key).flatMap((stored) =>
      outcomes(liveOf(stored)).map((outcome) =>
        leaves ? { ...outcome, next: outcome.next ?? stored } : outcome,
      ),
    );
    const fitting = all.filter((outcome) => isDeepStrictEqual(shown(outcome.reply), reply));
    if (fitting.length === 0) {
      const expected = all.map((outcome) => show(shown(outcome.reply))).join(' or ');
      throw new Error(`expected ${expected}, not ${show(reply)}`);
    }
    this.#count(fitting.map(({ counts }) => counts));
    this.#settle(
      key,
      fitting.map(({ next }) => next),
    );
  }

  /** `apply` for a call on one of several keys, at least one of which was refused for OOM. */
  applyRefused(key: string, outcomes: (state: State) => Outcome[]): void {
    const all = this.#stored(key).flatMap((stored) => outcomes(liveOf(stored)));
    this.#count(all.map(({ counts }) => counts));
    this.#settle(
      key,
      all.map(({ next }) => next),
    );
  }

  /** `apply` for a count over several keys, in which order they came. */
  applyCount(keys: readonly string[], reply: unknown, removes: boolean): void {
    let least = 0;
    let most = 0;
    for (const key of keys) {
      const states = this.possible(key);
      if (states.every(Boolean)) least++;
      if (states.some(Boolean)) most++;
      if (removes) this.#settle(key, [undefined]);
    }
    if (typeof reply !== 'number' || reply < least || reply > most) {
      throw new Error(`expected ${least} to ${most}, not ${show(reply)}`);
    }
    if (removes) this.#count([{ deletes: reply }]);
  }

  clear(): void {
    this.#states.clear();
  }

  read(state: State, counted = true): Outcome[] {
    const counts = counted ? found(state) : {};
    return [{ reply: state?.value, next: state, counts }];
  }

  take(state: State): Outcome[] {
    const counts = { ...found(state), ...(state && { deletes: 1 }) };
    return [{ reply: state?.value, next: undefined, counts }];
  }

  readBytes(state: State): Outcome[] {
    return [{ reply: state && bytesOf(state.value), next: state, counts: found(state) }];
  }

  /** @param actual the version of the reply, or undefined: whether it may be is checked here */
  readVersioned(key: string, actual: number | undefined, state: State): Outcome[] {
    if (!state) return [{ reply: undefined, next: state, counts: found(state) }];
    const last = this.versionsOf(key).at(-1) ?? 0;
    const isNew = actual !== undefined && actual > last;
    const version = state.version ?? (isNew ? actual : Number.NaN);
    const next = { ...state, version };
    const done = { reply: { value: state.value, version }, next, counts: found(state) };
    return this.#orRefused(key, state, done);
  }

  /** To be called with each version that was handed out. */
  remember(key: string, version: number): void {
    const seen = this.versionsOf(key);
    if (seen.at(-1) !== version) this.#versions.set(key, [...seen, version]);
  }

  remove(state: State): Outcome[] {
    return [{ reply: state !== undefined, next: undefined, counts: state ? { deletes: 1 } : {} }];
  }

  has(state: State): Outcome[] {
    return [{ reply: state !== undefined, next: state, counts: {} }];
  }

  ttl(state: State): Outcome[] {
    // Infinity less anything is Infinity.
    return [{ reply: state && state.deadline - Date.now(), next: state, counts: {} }];
  }

  expire(key: string, ttl: number, state: State): Outcome[] {
    if (!state) return [{ reply: false, next: state, counts: {} }];
    const next = { ...state, deadline: deadlineOf(ttl) };
    return this.#orRefused(key, state, { reply: true, next, counts: {} });
  }

  persist(state: State): Outcome[] {
    const had = state !== undefined && state.deadline !== Infinity;
    return [{ reply: had, next: had ? { ...state, deadline: Infinity } : state, counts: {} }];
  }

  /** @param wantsOld whether the reply is the old value, as of `swap` */
  set(key: string, write: Write, wantsOld: boolean, state: State): Outcome[] {
    const old = state?.value ?? undefined;
    const isMet =
      !(write.ifAbsent && state) &&
      !(write.ifPresent && !state) &&
      (write.ifVersion === undefined || (state && state.version === write.ifVersion));
    if (!isMet) return [{ reply: wantsOld ? old : false, next: state, counts: {} }];
    const kept = write.keepTtl && state ? state.deadline : deadlineOf(write.ttl);
    const reply = wantsOld ? old : true;
    return this.#written(key, state, reply, { value: write.value, deadline: kept });
  }

  increment(key: string, delta: bigint, ttl: number, state: State): Outcome[] {
    if (state && (state.isFloat || !isInteger(state.value))) {
      return [{ reply: new Refusal('WRONGTYPE'), next: state, counts: {} }];
    }
    const old = state ? BigInt(state.value as number | bigint) : 0n;
    const sum = old + delta;
    if (old >= 2n ** 63n || sum >= 2n ** 63n || sum < -(2n ** 63n)) {
      return [{ reply: new Refusal('OVERFLOW'), next: state, counts: {} }];
    }
    const value = plainInteger(sum);
    const deadline = state ? state.deadline : deadlineOf(ttl);
    return this.#written(key, state, value, { value, deadline });
  }

  type(state: State): Outcome[] {
    return [{ reply: state && 'string', next: state, counts: {} }];
  }

  /** @param actual the reply: what it may be besides what is checked here is its own matter */
  describe(actual: unknown, state: State): Outcome[] {
    if (!state) return [{ reply: undefined, next: state, counts: {} }];
    const known = { type: 'string', ttlMs: state.deadline - Date.now() };
    const version = state.version === undefined ? {} : { version: state.version };
    return [{ reply: { ...(actual as object), ...known, ...version }, next: state, counts: {} }];
  }

  /** @param actual the fence of the reply, or undefined: whether it may be is checked here */
  acquire(key: string, owner: string, ttl: number, actual: unknown, state: State): Outcome[] {
    const holder = state && holderOf(state.value);
    if (state && holder === undefined) return [wrongType(state)];
    if (state && holder !== owner) return [{ reply: undefined, next: state, counts: {} }];
    const isNew = typeof actual === 'number' && actual > (this.#fences.get(key) ?? 0);
    const fence = isNew ? actual : Number.NaN;
    const entry = { value: [owner, fence], deadline: deadlineOf(ttl) };
    return this.#written(key, state, fence, entry);
  }

  /** To be called with each fence that was handed out. */
  rememberFence(key: string, fence: number): void {
    this.#fences.set(key, fence);
  }

  release(owner: string, state: State): Outcome[] {
    const holder = state && holderOf(state.value);
    if (state && holder === undefined) return [wrongType(state)];
    return holder === owner
      ? [{ reply: true, next: undefined, counts: { deletes: 1 } }]
      : [{ reply: false, next: state, counts: {} }];
  }

  extend(key: string, owner: string, ttl: number, state: State): Outcome[] {
    const holder = state && holderOf(state.value);
    if (state && holder === undefined) return [wrongType(state)];
    return holder === owner
      ? this.expire(key, ttl, state)
      : [{ reply: false, next: state, counts: {} }];
  }

  /** `limit` with whole tokens that come one in `msPerToken`. */
  limit(key: string, capacity: number, msPerToken: number, cost: number, state: State): Outcome[] {
    const now = Date.now();
    let [since, spent] = [now, 0];
    if (state) {
      const { value } = state;
      if (!isBucket(value)) return [wrongType(state)];
      [, , since, , spent] = value;
    }
    if (since + spent * msPerToken <= now) [since, spent] = [now, 0];
    const missingMs = (tokens: number) => since + (spent - tokens) * msPerToken - now;
    const allowed = cost <= capacity && missingMs(capacity - cost) <= 0;
    if (allowed) spent += cost;
    const fullAfterMs = missingMs(0);
    const wait = cost > capacity ? Number.POSITIVE_INFINITY : missingMs(capacity - cost);
    const retryAfterMs = allowed ? 0 : wait;
    const remaining = Math.floor((capacity * msPerToken - fullAfterMs) / msPerToken);
    const reply = { allowed, remaining, retryAfterMs, fullAfterMs };
    if (!allowed || cost === 0) return [{ reply, next: state, counts: {} }];
    const value = [capacity, 1000 / msPerToken, since, now, spent];
    return this.#written(key, state, reply, { value, deadline: now + fullAfterMs });
  }

  append(key: string, data: string | Buffer, maxValueBytes: number, state: State): Outcome[] {
    const old = state ? state.value : data.slice(0, 0);
    const isText = typeof old === 'string';
    if (!isText && !Buffer.isBuffer(old)) {
      return [{ reply: new Refusal('WRONGTYPE'), next: state, counts: {} }];
    }
    const bytes = Buffer.concat([Buffer.from(old as string), Buffer.from(data as string)]);
    const head = isText && bytes.length < 32 ? 1 : bytes.length < 256 ? 2 : 3;
    if ((bytes.length < 65_536 ? head : 5) + bytes.length > maxValueBytes) {
      return [{ reply: new Refusal('TOOLARGE'), next: state, counts: {} }];
    }
    const value = isText ? bytes.toString() : bytes;
    const deadline = state ? state.deadline : Infinity;
    return this.#written(key, state, bytes.length, { value, deadline });
  }

  byteLength(state: State): Outcome[] {
    const bytes = state ? bytesOf(state.value) : Buffer.alloc(0);
    return [{ reply: bytes instanceof Refusal ? bytes : bytes.length, next: state, counts: {} }];
  }

  getRange(start: number, end: number, state: State): Outcome[] {
    const bytes = state ? bytesOf(state.value) : Buffer.alloc(0);
    if (bytes instanceof Refusal) return [{ reply: bytes, next: state, counts: {} }];
    return [{ reply: rangeOf(bytes, start, end), next: state, counts: found(state) }];
  }

  incrementFloat(key: string, delta: number, ttl: number, state: State): Outcome[] {
    const old = state ? state.value : 0;
    if (typeof old !== 'number' && typeof old !== 'bigint') {
      return [{ reply: new Refusal('WRONGTYPE'), next: state, counts: {} }];
    }
    const value = Number(old) + delta;
    if (!Number.isFinite(value)) {
      return [{ reply: new Refusal('OVERFLOW'), next: state, counts: {} }];
    }
    const deadline = state ? state.deadline : deadlineOf(ttl);
    return this.#written(key, state, value, { value, deadline, isFloat: true });
  }

  getAndExpire(key: string, ttl: number, state: State): Outcome[] {
    if (!state) return [{ reply: undefined, next: state, counts: found(state) }];
    const next = { ...state, deadline: deadlineOf(ttl) };
    return this.#orRefused(key, state, { reply: state.value, next, counts: found(state) });
  }

  /** `rename`, `renameIfAbsent` and `copy`. */
  applyMove(name: string, from: string, to: string, replace: boolean, reply: unknown): void {
    const isCopy = name === 'copy';
    const fitting: { from: State; to: State; counts: Counts }[] = [];
    const add = (said: unknown, source: State, target: State, counts: Counts = {}): void => {
      if (isDeepStrictEqual(said, reply)) fitting.push({ from: source, to: target, counts });
    };
    for (const stored of this.#stored(from)) {
      const source = liveOf(stored);
      for (const other of from === to ? [stored] : this.#stored(to)) {
        const target = liveOf(other);
        // Of what is not looked at, an entry whose time is up stays.
        if (from === to && isCopy) add(new Refusal('SYNTAX'), stored, other);
        else if (!source) add(isCopy ? false : new Refusal('UNKNOWN'), source, other);
        else if (from === to) add(name === 'rename' ? undefined : false, source, target);
        else if (target && !replace) add(false, source, target);
        else {
          if (this.mayRefuse(to)) add(new Refusal('OOM'), source, target);
          const born = target ? target.born : ++this.#births;
          const counts = { sets: 1, created: target ? 0 : 1, deletes: isCopy ? 0 : 1 };
          const moved = { ...source, version: undefined, born };
          add(name === 'rename' ? undefined : true, isCopy ? source : undefined, moved, counts);
        }
      }
    }
    if (fitting.length === 0) throw new Error(`unexpected ${show(reply)}`);
    this.#count(fitting.map(({ counts }) => counts));
    this.#settle(
      from,
      fitting.map((one) => one.from),
    );
    if (from === to) return;
    this.#settle(
      to,
      fitting.map((one) => one.to),
    );
  }

  /** `setAll` was refused: what was stored by then was evicted again. */
  refuseAll(keys: readonly string[]): void {
    if (!this.#options.mayEvict) return;
    this.#count(keys.flatMap((_, i) => [{}, { sets: i + 1, created: i + 1 }]));
  }

  #written(
    key: string,
    state: State,
    reply: unknown,
    entry: Pick<Entry, 'value' | 'deadline' | 'isFloat'>,
  ): Outcome[] {
    const born = state ? state.born : ++this.#births;
    const next = { ...entry, version: undefined, born };
    const counts = { sets: 1, created: state ? 0 : 1 };
    return this.#orRefused(key, state, { reply, next, counts });
  }

  #orRefused(key: string, state: State, done: Outcome): Outcome[] {
    if (!this.#options.mayRefuse(key)) return [done];
    return [done, { reply: new Refusal('OOM'), next: state, counts: {} }];
  }

  #count(options: readonly Counts[]): void {
    for (const name of COUNTERS) {
      const counts = options.map((option) => option[name] ?? 0);
      this.least[name] += Math.min(...counts);
      this.most[name] += Math.max(...counts);
    }
  }

  #settle(key: string, states: readonly State[]): void {
    const distinct: State[] = [];
    for (const state of states) {
      const at = distinct.findIndex((other) => isSame(other, state));
      if (at < 0) distinct.push(state);
      else if (state && state.born !== distinct[at]!.born) distinct[at] = { ...state, born: 0 };
    }
    if (distinct.some(Boolean)) this.#states.set(key, distinct);
    else this.#states.delete(key);
  }
}

function liveOf(state: State): State {
  return state && state.deadline > Date.now() ? state : undefined;
}

/** Whether two states are the same to whoever sees only what is there now. */
function isSame(a: State, b: State): boolean {
  if (!a || !b) return a === b;
  if (a.deadline !== b.deadline || a.version !== b.version) return false;
  return a.value === b.value || isDeepStrictEqual(a.value, b.value);
}

function zero(): Record<Counter, number> {
  return Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<Counter, number>;
}

function found(state: State): Counts {
  return state ? { hits: 1 } : { misses: 1 };
}

function deadlineOf(ttl: number): number {
  return ttl > 0 ? Date.now() + ttl : Infinity;
}

function bytesOf(value: unknown): Buffer | Refusal {
  if (typeof value === 'string') return Buffer.from(value);
  return Buffer.isBuffer(value) ? value : new Refusal('WRONGTYPE');
}

/** The owner of a lease; undefined: the value is none. Fences count from the clock, by 1,024 a ms. */
function holderOf(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [owner, fence] = value as unknown[];
  return typeof owner === 'string' && Number(fence) > 2 ** 50 ? owner : undefined;
}

function isBucket(value: unknown): value is [number, number, number, number, number] {
  return (
    Array.isArray(value) && value.length === 5 && value.every((one) => typeof one === 'number')
  );
}

function wrongType(state: State): Outcome {
  return { reply: new Refusal('WRONGTYPE'), next: state, counts: {} };
}

/** Whether a value is stored as an integer. */
function isInteger(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}

/** An integer as the cache hands it out: a bigint only beyond what a number holds exactly. */
export function plainInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A reply as a failure shows it. */
export function show(reply: unknown): string {
  if (reply instanceof Refusal) return `the error ${reply.code}`;
  if (Buffer.isBuffer(reply)) return `${reply.length} bytes ${reply.toString('hex', 0, 20)}`;
  const text =
    JSON.stringify(reply, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)) ??
    'undefined';
  return text.length > 100 ? `${text.slice(0, 100)}... (${text.length})` : text;
}
