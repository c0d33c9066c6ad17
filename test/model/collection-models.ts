/**
 * Lists, sets and hashes as plain JavaScript, with what each command replies. Replies are values as
 * msgpackr decodes them; an error is a `Failure` with its code.
 */
import { Buffer } from 'node:buffer';
import { pack } from 'msgpackr';
import {
  ALGEBRA,
  COMBINE,
  combineScores,
  SORTED_ALGEBRA,
  splitKeys,
} from './collection-algebra.js';

/** A member or field: text, bytes or a whole number. */
export type Member = string | Uint8Array | number;

export class Failure {
  readonly code: string;

  constructor(code: string) {
    this.code = code;
  }
}

export const WRONG_TYPE = new Failure('WRONGTYPE');

/** What makes two members the same: their bytes as text, or their number. */
export function identityOf(member: Member): string {
  if (typeof member === 'number') return `n${member}`;
  return `t${Buffer.from(member as string).toString('latin1')}`;
}

export type Collection =
  | { readonly type: 'list'; readonly items: unknown[] }
  | { readonly type: 'set'; readonly members: Map<string, Member> }
  | { readonly type: 'zset'; readonly scores: Scores }
  | { readonly type: 'hash'; readonly fields: Fields };

/** By identity; `expiry` is known to a model with a clock. */
type Fields = Map<string, { name: Member; value: unknown; expiry?: number }>;

/** By identity. */
export type Scores = Map<string, { member: Member; score: number }>;

export type Type = Collection['type'];

const empty = (type: Type): Collection => {
  if (type === 'list') return { type, items: [] };
  if (type === 'set') return { type, members: new Map() };
  return type === 'zset' ? { type, scores: new Map() } : { type, fields: new Map() };
};

/** The indexes of a range as Redis reads it: the first, and one past the last. */
export function rangeOf(start: number, stop: number, length: number): [number, number] {
  const from = Math.min(start < 0 ? Math.max(start + length, 0) : start, length);
  const to = Math.min(stop < 0 ? stop + length : stop, length - 1) + 1;
  return [from, Math.max(from, to)];
}

/** All keys and what is at them; a key with a value that is no collection has `undefined`. */
export class CollectionModel {
  readonly keys = new Map<string, Collection | undefined>();

  /** Replies to a command by name; changes what it changes. */
  run(name: string, key: string, args: readonly unknown[]): unknown {
    if (name === 'SET') {
      this.keys.set(key, undefined);
      return true;
    }
    if (name === 'GET') return this.keys.get(key) ? WRONG_TYPE : undefined;
    if (name === 'DEL') return this.keys.delete(key) ? 1 : 0;
    if (name === 'LMOVE') return this.#moveElement(key, args as string[]);
    if (name === 'SMOVE') return this.#moveMember(key, args[0] as string, args[1] as Member);
    const operation = name.replace('CARD', '');
    if (operation in ALGEBRA || SORTED_ALGEBRA.includes(operation)) {
      return this.#readSeveral(name, [key, ...args]);
    }
    if (name.endsWith('STORE')) return this.#store(name, key, args);
    if (name === 'RENAME' || name === 'COPY') return this.#copy(name, key, args[0] as string);
    const type = TYPES[name[0]!]!;
    if (this.keys.has(key) && this.keys.get(key)?.type !== type) return WRONG_TYPE;
    const collection = this.keys.get(key) ?? empty(type);
    const reply = this.#on(collection, name, args, this.keys.has(key));
    if (sizeOf(collection) === 0) this.keys.delete(key);
    else this.keys.set(key, collection);
    return reply;
  }

  /** What is at a key: a collection of the type, empty if there is none; `undefined`: it is another. */
  #at<T extends Type>(key: string, type: T): Extract<Collection, { type: T }> | undefined {
    if (!this.keys.has(key)) return empty(type) as Extract<Collection, { type: T }>;
    const found = this.keys.get(key);
    return found?.type === type ? (found as Extract<Collection, { type: T }>) : undefined;
  }

  #put(key: string, collection: Collection): void {
    if (sizeOf(collection) === 0) this.keys.delete(key);
    else this.keys.set(key, collection);
  }

  #moveElement(key: string, [newKey, from, to]: string[]): unknown {
    const source = this.#at(key, 'list');
    if (source === undefined) return WRONG_TYPE;
    if (source.items.length === 0) return null;
    const target = key === newKey ? source : this.#at(newKey!, 'list');
    if (target === undefined) return WRONG_TYPE;
    const element = from === 'LEFT' ? source.items.shift() : source.items.pop();
    if (to === 'LEFT') target.items.unshift(element);
    else target.items.push(element);
    this.#put(key, source);
    this.#put(newKey!, target);
    return element;
  }

  #moveMember(key: string, newKey: string, member: Member): unknown {
    const source = this.#at(key, 'set');
    if (source === undefined) return WRONG_TYPE;
    if (source.members.size === 0) return false;
    const target = key === newKey ? source : this.#at(newKey, 'set');
    if (target === undefined) return WRONG_TYPE;
    const identity = identityOf(member);
    if (!source.members.has(identity)) return false;
    if (source === target) return true;
    source.members.delete(identity);
    if (!target.members.has(identity)) target.members.set(identity, member);
    this.#put(key, source);
    this.#put(newKey, target);
    return true;
  }

  /** What comes of the sets at keys, by a command's name without STORE and CARD. */
  #combine(name: string, args: readonly unknown[]): Member[] | Failure {
    const sets = splitKeys(args).keys.map((key) => this.#at(key, 'set')?.members);
    return sets.includes(undefined) ? WRONG_TYPE : ALGEBRA[name]!(sets as Map<string, Member>[]);
  }

  #combineSorted(name: string, args: readonly unknown[]): Ranked[] | Failure {
    const { keys, options } = splitKeys(args);
    const sets = keys.map((key) => this.#scoresAt(key));
    return sets.includes(undefined) ? WRONG_TYPE : combineScores(name, sets as Scores[], options);
  }

  /** The scores at a key, which are 1 in a set; `undefined`: it is neither. */
  #scoresAt(key: string): Scores | undefined {
    const members = this.#at(key, 'set')?.members;
    if (members === undefined) return this.#at(key, 'zset')?.scores;
    return new Map([...members].map(([id, member]) => [id, { member, score: 1 }]));
  }

  /** A command on several sets that stores nothing. */
  #readSeveral(name: string, args: readonly unknown[]): unknown {
    const operation = name.replace('CARD', '');
    const isSorted = name[0] === 'Z';
    const result = isSorted ? this.#combineSorted(operation, args) : this.#combine(operation, args);
    if (result instanceof Failure) return result;
    const [option] = splitKeys(args).options as [number?];
    if (name.endsWith('CARD')) return Math.min(result.length, option || Infinity);
    if (!isSorted) return new Set(result as Member[]);
    const ranked = result as Ranked[];
    const withScores = (option ?? 0) & COMBINE.WITHSCORES;
    return withScores ? flat(ranked) : ranked.map(({ member }) => member);
  }

  #store(name: string, key: string, args: readonly unknown[]): unknown {
    if (name[0] === 'Z') {
      const ranked = this.#rankedToStore(name, args);
      if (ranked instanceof Failure) return ranked;
      const scores = new Map(ranked.map((one) => [identityOf(one.member), { ...one }]));
      this.#put(key, { type: 'zset', scores });
      return scores.size;
    }
    const members = this.#combine(name.slice(0, -'STORE'.length), args);
    if (members instanceof Failure) return members;
    this.#put(key, { type: 'set', members: new Map(members.map((one) => [identityOf(one), one])) });
    return members.length;
  }

  #rankedToStore(name: string, args: readonly unknown[]): Ranked[] | Failure {
    if (name !== 'ZRANGESTORE') return this.#combineSorted(name.slice(0, -'STORE'.length), args);
    const source = this.#at(args[0] as string, 'zset');
    return source === undefined ? WRONG_TYPE : rangeOfScores(source.scores, args.slice(1));
  }

  /** RENAME, or COPY with REPLACE. */
  #copy(name: string, key: string, newKey: string): unknown {
    if (name === 'COPY' && key === newKey) return new Failure('SYNTAX');
    if (!this.keys.has(key)) return name === 'COPY' ? false : new Failure('UNKNOWN');
    if (key === newKey) return true;
    this.keys.set(newKey, structuredClone(this.keys.get(key)));
    if (name === 'RENAME') this.keys.delete(key);
    return true;
  }

  #on(collection: Collection, name: string, args: readonly unknown[], isThere: boolean): unknown {
    if (collection.type === 'list') return onList(collection.items, name, args, isThere);
    if (collection.type === 'zset') return onSorted(collection.scores, name, args, isThere);
    if (collection.type === 'set') return onSet(collection.members, name, args as Member[]);
    return onHash(collection.fields, name, args);
  }
}

const TYPES: Record<string, Type> = { L: 'list', R: 'list', S: 'set', H: 'hash', Z: 'zset' };

export function sizeOf(collection: Collection): number {
  if (collection.type === 'list') return collection.items.length;
  if (collection.type === 'zset') return collection.scores.size;
  return collection.type === 'set' ? collection.members.size : collection.fields.size;
}

function onList(
  items: unknown[],
  name: string,
  args: readonly unknown[],
  isThere: boolean,
): unknown {
  const [first, second] = args as number[];
  switch (name) {
    case 'LPUSHX':
    case 'RPUSHX':
    case 'LPUSH':
    case 'RPUSH':
      if (name.endsWith('X') && !isThere) return 0;
      for (const element of args) {
        if (name[0] === 'L') items.unshift(element);
        else items.push(element);
      }
      return items.length;
    case 'LPOP':
    case 'RPOP': {
      if (!isThere) return null;
      const taken: unknown[] = [];
      for (let i = 0; i < (first ?? 1) && items.length > 0; i++) {
        taken.push(name === 'LPOP' ? items.shift() : items.pop());
      }
      return first === undefined ? taken[0] : taken;
    }
    case 'LLEN':
      return items.length;
    case 'LRANGE':
      return items.slice(...rangeOf(first!, second!, items.length));
    case 'LINDEX':
      return items.at(first!) ?? null;
    case 'LSET': {
      const place = first! < 0 ? first! + items.length : first!;
      if (place < 0 || place >= items.length) return false;
      items[place] = second;
      return true;
    }
    case 'LINSERT': {
      if (!isThere) return 0;
      const place = items.findIndex((item) => isSame(item, args[1]));
      if (place < 0) return -1;
      items.splice(place + (args[0] === 'BEFORE' ? 0 : 1), 0, args[2]);
      return items.length;
    }
    case 'LREM': {
      let left = first === 0 ? Infinity : Math.abs(first!);
      const keep = (item: unknown): boolean => !(isSame(item, second) && left-- > 0);
      const kept = first! < 0 ? items.toReversed().filter(keep).toReversed() : items.filter(keep);
      const removed = items.length - kept.length;
      items.splice(0, items.length, ...kept);
      return removed;
    }
    case 'LPOS': {
      const [element, rank = 1, count, most = 0] = args as [unknown, number?, number?, number?];
      const places = items.map((_, place) => (rank! < 0 ? items.length - 1 - place : place));
      const looked = most === 0 ? places : places.slice(0, most);
      const found = looked.filter((place) => isSame(items[place], element));
      const ranked = found.slice(Math.abs(rank ?? 1) - 1);
      if (count === undefined || count === null) return ranked[0] ?? null;
      return count === 0 ? ranked : ranked.slice(0, count);
    }
    case 'LTRIM': {
      const kept = items.slice(...rangeOf(first!, second!, items.length));
      items.splice(0, items.length, ...kept);
      return true;
    }
    default:
      throw new Error(`the model has no ${name}`);
  }
}

/** Elements are the same when their msgpack is. */
function isSame(one: unknown, other: unknown): boolean {
  if (one instanceof Uint8Array || other instanceof Uint8Array) {
    return (
      one instanceof Uint8Array && other instanceof Uint8Array && Buffer.compare(one, other) === 0
    );
  }
  return JSON.stringify(one) === JSON.stringify(other);
}

function onSet(members: Map<string, Member>, name: string, args: readonly Member[]): unknown {
  const has = (member: Member): boolean => members.has(identityOf(member));
  switch (name) {
    case 'SADD': {
      const before = members.size;
      for (const member of args) if (!has(member)) members.set(identityOf(member), member);
      return members.size - before;
    }
    case 'SREM':
      return args.filter((member) => members.delete(identityOf(member))).length;
    case 'SISMEMBER':
      return has(args[0]!);
    case 'SMISMEMBER':
      return args.map(has);
    case 'SCARD':
      return members.size;
    case 'SMEMBERS':
      return new Set(members.values());
    default:
      throw new Error(`the model has no ${name}`);
  }
}

function onHash(fields: Fields, name: string, args: readonly unknown[]): unknown {
  const members = args as Member[];
  const valueAt = (field: Member): unknown => fields.get(identityOf(field))?.value ?? null;
  const set = (field: Member, value: unknown): void => {
    fields.set(identityOf(field), { name: field, value });
  };
  const change = (field: Member, value: unknown): unknown => {
    fields.set(identityOf(field), { ...fields.get(identityOf(field)), name: field, value });
    return value;
  };
  switch (name) {
    case 'HSET': {
      const before = fields.size;
      for (let i = 0; i < args.length; i += 2) set(members[i]!, args[i + 1]);
      return fields.size - before;
    }
    case 'HSETNX':
      if (fields.has(identityOf(members[0]!))) return false;
      set(members[0]!, args[1]);
      return true;
    case 'HGET':
      return valueAt(members[0]!);
    case 'HMGET':
      return members.map(valueAt);
    case 'HGETALL':
      return new Map([...fields.values()].map(({ name: field, value }) => [field, value]));
    case 'HSTRLEN': {
      const value = valueAt(members[0]!);
      if (value === null) return 0;
      const isText = typeof value === 'string' || value instanceof Uint8Array;
      return isText ? Buffer.byteLength(value) : WRONG_TYPE;
    }
    case 'HINCRBY': {
      const value = valueAt(members[0]!) ?? 0;
      if (!Number.isInteger(value)) return WRONG_TYPE;
      return change(members[0]!, (value as number) + (args[1] as number));
    }
    case 'HINCRBYFLOAT': {
      const value = valueAt(members[0]!) ?? 0;
      if (typeof value !== 'number') return WRONG_TYPE;
      return change(members[0]!, value + (args[1] as number));
    }
    case 'HDEL':
      return members.filter((field) => fields.delete(identityOf(field))).length;
    case 'HEXISTS':
      return fields.has(identityOf(members[0]!));
    case 'HLEN':
      return fields.size;
    case 'HKEYS':
      return new Set([...fields.values()].map((field) => field.name));
    case 'HVALS':
      return [...fields.values()].map(({ value }) => value);
    default:
      throw new Error(`the model has no ${name}`);
  }
}

/** What the order of members with one score goes by. */
function bytesOf(member: Member): Uint8Array {
  return typeof member === 'number' ? pack(member) : Buffer.from(member as string);
}

/** A difference of infinities is none. */
const compareScores = (one: number, other: number): number =>
  one < other ? -1 : Number(one > other);

export type Ranked = { member: Member; score: number };

export function inOrder(scores: Scores): Ranked[] {
  return [...scores.values()].sort(
    (one, other) =>
      compareScores(one.score, other.score) ||
      Buffer.compare(bytesOf(one.member), bytesOf(other.member)),
  );
}

const flat = (ranked: Ranked[]): unknown[] => ranked.flatMap((one) => [one.member, one.score]);

/** Flags of ZADD and ZRANGE. */
export const ADD = { NX: 1, XX: 2, GT: 4, LT: 8, CH: 16, INCR: 32 } as const;
export const RANGE = {
  BYSCORE: 1,
  BYLEX: 2,
  REV: 4,
  WITHSCORES: 8,
  NOSTART: 16,
  NOSTOP: 32,
} as const;

function onSorted(
  scores: Scores,
  name: string,
  args: readonly unknown[],
  isThere: boolean,
): unknown {
  const at = (member: unknown): Ranked | undefined => scores.get(identityOf(member as Member));
  switch (name) {
    case 'ZADD':
      return addScores(scores, (args[0] as number | null) ?? 0, args.slice(1));
    case 'ZINCRBY':
      return addScores(scores, ADD.INCR, args);
    case 'ZREM':
      return args.filter((member) => scores.delete(identityOf(member as Member))).length;
    case 'ZSCORE':
      return at(args[0])?.score ?? null;
    case 'ZMSCORE':
      return args.map((member) => at(member)?.score ?? null);
    case 'ZCARD':
      return scores.size;
    case 'ZRANK':
    case 'ZREVRANK': {
      const order = name === 'ZRANK' ? inOrder(scores) : inOrder(scores).reverse();
      const rank = order.indexOf(at(args[0])!);
      return rank < 0 ? null : rank;
    }
    case 'ZCOUNT':
    case 'ZLEXCOUNT': {
      const [min, max, flags = 0] = args as [unknown, unknown, number?];
      const by = name === 'ZCOUNT' ? RANGE.BYSCORE : RANGE.BYLEX;
      return between(inOrder(scores), min, max, by | (flags ?? 0)).length;
    }
    case 'ZRANGE': {
      const ranked = rangeOfScores(scores, args);
      const withScores = ((args[2] as number | undefined) ?? 0) & RANGE.WITHSCORES;
      return withScores ? flat(ranked) : ranked.map(({ member }) => member);
    }
    case 'ZPOPMIN':
    case 'ZPOPMAX': {
      if (!isThere) return [];
      const order = name === 'ZPOPMIN' ? inOrder(scores) : inOrder(scores).reverse();
      const taken = order.slice(0, (args[0] as number | undefined) ?? 1);
      for (const { member } of taken) scores.delete(identityOf(member));
      return flat(taken);
    }
    default:
      throw new Error(`the model has no ${name}`);
  }
}

function addScores(scores: Scores, flags: number, pairs: readonly unknown[]): unknown {
  let added = 0;
  let changed = 0;
  let result: unknown = null;
  for (let i = 0; i < pairs.length; i += 2) {
    const member = pairs[i + 1] as Member;
    const found = scores.get(identityOf(member));
    let score = pairs[i] as number;
    if (found === undefined) {
      if (flags & ADD.XX) continue;
      scores.set(identityOf(member), { member, score });
      added++;
      result = score;
      continue;
    }
    if (flags & ADD.NX) continue;
    if (flags & ADD.INCR) score += found.score;
    if (Number.isNaN(score)) return new Failure('OVERFLOW');
    if (flags & ADD.GT && score <= found.score) continue;
    if (flags & ADD.LT && score >= found.score) continue;
    if (score !== found.score) changed++;
    scores.set(identityOf(member), { member: found.member, score });
    result = score;
  }
  if (flags & ADD.INCR) return result;
  return flags & ADD.CH ? added + changed : added;
}

/** Those between two bounds, of ones in order. */
function between(order: Ranked[], low: unknown, high: unknown, flags: number): Ranked[] {
  const compare = (one: Ranked, bound: unknown): number =>
    flags & RANGE.BYLEX
      ? Buffer.compare(bytesOf(one.member), bytesOf(bound as Member))
      : compareScores(one.score, bound as number);
  const isReverse = (flags & RANGE.REV) !== 0;
  const lowOut = flags & (isReverse ? RANGE.NOSTOP : RANGE.NOSTART);
  const highOut = flags & (isReverse ? RANGE.NOSTART : RANGE.NOSTOP);
  return order.filter((one) => {
    const isAbove = low === null || (lowOut ? compare(one, low) > 0 : compare(one, low) >= 0);
    return (
      isAbove && (high === null || (highOut ? compare(one, high) < 0 : compare(one, high) <= 0))
    );
  });
}

function rangeOfScores(scores: Scores, args: readonly unknown[]): Ranked[] {
  const [start, stop, flags, offset, count] = args as [unknown, unknown, number?, number?, number?];
  const bits = flags ?? 0;
  const isReverse = (bits & RANGE.REV) !== 0;
  const order = inOrder(scores);
  let ranked: Ranked[];
  if (bits & (RANGE.BYSCORE | RANGE.BYLEX)) {
    const [low, high] = isReverse ? [stop, start] : [start, stop];
    ranked = between(order, low, high, bits);
    if (isReverse) ranked.reverse();
  } else {
    if (isReverse) order.reverse();
    ranked = order.slice(...rangeOf(start as number, stop as number, order.length));
  }
  const from = offset ?? 0;
  const most = count ?? -1;
  if (from < 0) return [];
  return ranked.slice(from, most < 0 ? undefined : from + most);
}
