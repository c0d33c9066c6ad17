/**
 * Lists, sets and hashes as plain JavaScript, with what each command replies. Replies are values as
 * msgpackr decodes them; an error is a `Failure` with its code.
 */
import { Buffer } from 'node:buffer';

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
  | { readonly type: 'hash'; readonly fields: Map<string, { name: Member; value: unknown }> };

export type Type = Collection['type'];

const empty = (type: Type): Collection => {
  if (type === 'list') return { type, items: [] };
  return type === 'set' ? { type, members: new Map() } : { type, fields: new Map() };
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
    if (name in ALGEBRA) return this.#combine(name, [key, ...(args as string[])]);
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

  #combine(name: string, keys: string[]): unknown {
    const sets = keys.map((key) => this.#at(key, 'set')?.members);
    if (sets.includes(undefined)) return WRONG_TYPE;
    const result = ALGEBRA[name]!(sets as Map<string, Member>[]);
    return name === 'SINTERCARD' ? result.length : new Set(result);
  }

  #on(collection: Collection, name: string, args: readonly unknown[], isThere: boolean): unknown {
    if (collection.type === 'list') return onList(collection.items, name, args, isThere);
    if (collection.type === 'set') return onSet(collection.members, name, args as Member[]);
    return onHash(collection.fields, name, args);
  }
}

type Members = Map<string, Member>;

const intersection = ([first, ...others]: Members[]): Member[] =>
  [...first!].filter(([id]) => others.every((set) => set.has(id))).map(([, member]) => member);

const ALGEBRA: Record<string, (sets: Members[]) => Member[]> = {
  SINTER: intersection,
  SINTERCARD: intersection,
  SUNION: (sets) => [...new Map(sets.flatMap((set) => [...set])).values()],
  SDIFF: ([first, ...others]) =>
    [...first!].filter(([id]) => !others.some((set) => set.has(id))).map(([, member]) => member),
};

const TYPES: Record<string, Type> = { L: 'list', R: 'list', S: 'set', H: 'hash' };

export function sizeOf(collection: Collection): number {
  if (collection.type === 'list') return collection.items.length;
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
    return one instanceof Uint8Array && other instanceof Uint8Array && Buffer.compare(one, other) === 0;
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

function onHash(
  fields: Map<string, { name: Member; value: unknown }>,
  name: string,
  args: readonly unknown[],
): unknown {
  const members = args as Member[];
  const valueOf = (field: Member): unknown => fields.get(identityOf(field))?.value ?? null;
  const set = (field: Member, value: unknown): void => {
    fields.set(identityOf(field), { name: field, value });
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
      return valueOf(members[0]!);
    case 'HMGET':
      return members.map(valueOf);
    case 'HGETALL':
      return new Map([...fields.values()].map(({ name: field, value }) => [field, value]));
    case 'HSTRLEN': {
      const value = valueOf(members[0]!);
      if (value === null) return 0;
      const isText = typeof value === 'string' || value instanceof Uint8Array;
      return isText ? Buffer.byteLength(value) : WRONG_TYPE;
    }
    case 'HINCRBY': {
      const value = valueOf(members[0]!) ?? 0;
      if (!Number.isInteger(value)) return WRONG_TYPE;
      set(members[0]!, (value as number) + (args[1] as number));
      return valueOf(members[0]!);
    }
    case 'HINCRBYFLOAT': {
      const value = valueOf(members[0]!) ?? 0;
      if (typeof value !== 'number') return WRONG_TYPE;
      set(members[0]!, value + (args[1] as number));
      return valueOf(members[0]!);
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
