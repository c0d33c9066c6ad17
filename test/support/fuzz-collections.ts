/**
 * Right commands on lists, sets, hashes and sorted sets in every form that msgpack has for them,
 * and what they are answered, byte by byte, by a plain model.
 */
import type { CommandName } from '#engine/commands.js';
import {
  integerOf,
  packBytes,
  packInteger,
  randomInteger,
  randomLength,
  shortestInteger,
  splitValues,
} from './fuzz-msgpack.js';
import type { Random } from './fuzz-random.mjs';

export type Collection =
  | { readonly type: 'list'; readonly items: Buffer[] }
  | { readonly type: 'set'; readonly items: Map<string, Member> }
  | { readonly type: 'hash'; readonly items: Map<string, Member> }
  | { readonly type: 'zset'; readonly items: Map<string, Scored> };

/** A member of a set, or a field with its value. */
interface Member {
  /** As it is stored, and replied. */
  readonly name: Buffer;
  readonly value: Buffer;
}

/** A member of a sorted set. */
interface Scored {
  readonly name: Buffer;
  readonly score: number;
}

/** A command but for its key, and what to do to the model when it is run. */
export interface CollectionCommand {
  readonly name: CommandName;
  readonly args: Buffer[];
  readonly type: Collection['type'];
  /** Whether it makes a collection that is not there. */
  readonly creates: boolean;
  /** Whether the reply is an array or a map in no order. */
  readonly isUnordered?: boolean;
  /** The reply, or the code of an error; `items` change as the command says. */
  apply(collection: Collection, isThere: boolean): Buffer | string;
}

const NIL = Buffer.of(0xc0);
const TRUE = Buffer.of(0xc3);
const FALSE = Buffer.of(0xc2);
const I64_MAX = 2n ** 63n - 1n;

const flag = (is: boolean): Buffer => (is ? TRUE : FALSE);
const count = (length: number): Buffer => shortestInteger(BigInt(length));

export function emptyOf(type: Collection['type']): Collection {
  return type === 'list' ? { type, items: [] } : ({ type, items: new Map() } as Collection);
}

export function sizeOf(collection: Collection): number {
  return collection.type === 'list' ? collection.items.length : collection.items.size;
}

/** Larger ones are made smaller, so that their replies fit. */
const MOST_ITEMS = 40;

const isNumber = (packed: Buffer): boolean => integerOf(packed) !== undefined;

/** What a member is stored as: the shortest form of its kind. */
function storedForm(packed: Buffer): Buffer {
  const number = integerOf(packed);
  if (number !== undefined) return shortestInteger(number);
  const { isBin, content } = contentOf(packed);
  const { length } = content;
  if (!isBin && length < 32) return Buffer.concat([Buffer.of(0xa0 + length), content]);
  const head =
    length < 0x100
      ? Buffer.of(isBin ? 0xc4 : 0xd9, length)
      : Buffer.of(isBin ? 0xc5 : 0xda, length >> 8, length & 0xff);
  return Buffer.concat([head, content]);
}

function contentOf(packed: Buffer): { isBin: boolean; content: Buffer } {
  const tag = packed[0]!;
  if (tag < 0xc0) return { isBin: false, content: packed.subarray(1) };
  const isBin = tag < 0xd9;
  return { isBin, content: packed.subarray(1 + (1 << (tag - (isBin ? 0xc4 : 0xd9)))) };
}

/** Text and bytes are the same where their bytes are; a number is no text. */
function identityOf(packed: Buffer): string {
  if (isNumber(packed)) return `number ${integerOf(packed)}`;
  return contentOf(packed).content.toString('hex');
}

function head(tags: readonly [number, number], length: number): Buffer {
  return length < 16 ? Buffer.of(tags[0] + length) : Buffer.of(tags[1], length >> 8, length & 0xff);
}

const arrayOf = (items: readonly Buffer[]): Buffer =>
  Buffer.concat([head([0x90, 0xdc], items.length), ...items]);

/** Whether a reply has the same items as another, or the same pairs, in any order. */
export function hasSameItems(reply: Buffer, expected: Buffer): boolean {
  const [one, other] = [reply, expected].map((bytes) => {
    const isMap = bytes[0] === 0xde || bytes[0]! < 0x90;
    const items = splitValues(bytes.subarray(bytes[0]! >= 0xdc ? 3 : 1)) ?? [];
    const texts = items.map((item) => item.toString('hex'));
    const joined = isMap ? texts.flatMap((t, i) => (i % 2 ? [] : [`${t} ${texts[i + 1]}`])) : texts;
    return joined.sort().join();
  });
  return reply[0] === expected[0] && one === other;
}

export class CollectionCommands {
  readonly #members: readonly Buffer[];

  constructor() {
    const lengths = [0, 1, 7, 31, 32, 255, 256, 4000];
    this.#members = lengths.map((length) => Buffer.alloc(length, 0x61 + (length % 26)));
  }

  next(random: Random): CollectionCommand {
    const what = random.below(4);
    if (what === 0) return this.#onList(random);
    if (what === 1) return this.#onSorted(random);
    return what === 2 ? this.#onSet(random) : this.#onHash(random);
  }

  #value(random: Random): Buffer {
    if (random.chance(0.3)) return packInteger(random, randomInteger(random));
    // What goes in one node of a collection, and what does not.
    const length = random.chance(0.03) ? random.below(6000) : Math.min(randomLength(random), 300);
    return packBytes(random, random.bytes(length));
  }

  #member(random: Random): Buffer {
    if (random.chance(0.3)) return packInteger(random, BigInt(random.between(-20, 20)));
    return packBytes(random, random.pick(this.#members));
  }

  #several<T>(random: Random, make: () => T): T[] {
    return Array.from({ length: random.pick([1, 1, 2, 5]) }, make);
  }

  #onList(random: Random): CollectionCommand {
    const list = (
      name: CommandName,
      args: Buffer[],
      creates: boolean,
      apply: (items: Buffer[], isThere: boolean) => Buffer | string,
    ): CollectionCommand => ({
      ...{ name, args, creates, type: 'list' },
      apply: (found, isThere) => apply(found.items as Buffer[], isThere),
    });
    const index = random.between(-45, 45);
    const packedIndex = packInteger(random, BigInt(index));
    const value = this.#value(random);
    switch (random.below(10)) {
      case 0:
      case 1: {
        const isLeft = random.chance(0.5);
        const isIf = random.chance(0.3);
        const values = this.#several(random, () => this.#value(random));
        const name = `${isLeft ? 'L' : 'R'}PUSH${isIf ? 'X' : ''}` as CommandName;
        return list(name, values, !isIf, (items, isThere) => {
          if (isIf && !isThere) return count(0);
          if (isLeft) items.unshift(...values.toReversed());
          else items.push(...values);
          return count(items.length);
        });
      }
      case 2: {
        const isLeft = random.chance(0.5);
        const most = random.chance(0.5) ? undefined : random.below(4);
        const args = most === undefined ? [] : [packInteger(random, BigInt(most))];
        return list(isLeft ? 'LPOP' : 'RPOP', args, false, (items, isThere) => {
          if (!isThere) return NIL;
          const taken: Buffer[] = [];
          while (taken.length < (most ?? 1) && items.length > 0) {
            taken.push((isLeft ? items.shift() : items.pop())!);
          }
          return most === undefined ? taken[0]! : arrayOf(taken);
        });
      }
      case 3:
        return list('LLEN', [], false, (items) => count(items.length));
      case 4: {
        const stop = random.between(-45, 45);
        const args = [packedIndex, packInteger(random, BigInt(stop))];
        return list('LRANGE', args, false, (items) => arrayOf(rangeOf(items, index, stop)));
      }
      case 5:
        return list('LINDEX', [packedIndex], false, (items) => items.at(index) ?? NIL);
      case 6:
        return list('LSET', [packedIndex, value], false, (items) => {
          const place = index < 0 ? index + items.length : index;
          if (items[place] === undefined) return FALSE;
          items[place] = value;
          return TRUE;
        });
      case 7: {
        const few = random.below(MOST_ITEMS / 2);
        const args = [packInteger(random, 0n), packInteger(random, BigInt(few))];
        return list('LTRIM', args, false, (items) => {
          items.splice(few + 1);
          return TRUE;
        });
      }
      case 8:
        return list('LREM', [packInteger(random, 0n), value], false, (items) => {
          const kept = items.filter((item) => !item.equals(value));
          const removed = items.length - kept.length;
          items.splice(0, items.length, ...kept);
          return count(removed);
        });
      default:
        return list('LPOS', [value], false, (items) => {
          const place = items.findIndex((item) => item.equals(value));
          return place < 0 ? NIL : count(place);
        });
    }
  }

  #onSet(random: Random): CollectionCommand {
    const set = (
      name: CommandName,
      args: Buffer[],
      apply: (items: Map<string, Member>) => Buffer,
    ): CollectionCommand => ({
      ...{ name, args, creates: name === 'SADD', isUnordered: name === 'SMEMBERS', type: 'set' },
      apply: (found) => apply(found.items as Map<string, Member>),
    });
    const members = this.#several(random, () => this.#member(random));
    const [member] = members as [Buffer];
    switch (random.below(6)) {
      case 0:
        return set('SADD', members, (items) => {
          const before = items.size;
          for (const each of members) put(items, each, NIL, false);
          return count(items.size - before);
        });
      case 1:
        return set('SREM', members, (items) => count(removeAll(items, members)));
      case 2:
        return set('SISMEMBER', [member], (items) => flag(items.has(identityOf(member))));
      case 3:
        return set('SMISMEMBER', members, (items) =>
          arrayOf(members.map((each) => flag(items.has(identityOf(each))))),
        );
      case 4:
        return set('SCARD', [], (items) => count(items.size));
      default:
        return set('SMEMBERS', [], (items) => arrayOf([...items.values()].map(({ name }) => name)));
    }
  }

  #onSorted(random: Random): CollectionCommand {
    const sorted = (
      name: CommandName,
      args: Buffer[],
      apply: (items: Map<string, Scored>, isThere: boolean) => Buffer,
    ): CollectionCommand => ({
      ...{ name, args, creates: name === 'ZADD' || name === 'ZINCRBY', type: 'zset' },
      apply: (found, isThere) => apply(found.items as Map<string, Scored>, isThere),
    });
    const number = (value: number): Buffer => packInteger(random, BigInt(value));
    const member = this.#member(random);
    const identity = identityOf(member);
    const score = random.between(-8, 8) / random.pick([1, 1, 2]);
    const packedScore = Number.isInteger(score) ? number(score) : scoreOf(score);
    const put = (items: Map<string, Scored>, to: number): void => {
      // It stands elsewhere then, as it was named last.
      if (items.get(identity)?.score === to) return;
      items.set(identity, { name: storedForm(member), score: to });
    };
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2: {
        const flags = random.pick([0, 0, 1, 2, 4, 8, 16, 18, 20]);
        const args = [flags === 0 && random.chance(0.5) ? NIL : number(flags), packedScore, member];
        const command = sorted('ZADD', args, (items) => {
          const old = items.get(identity)?.score;
          const isRefused =
            old === undefined
              ? (flags & 2) !== 0
              : (flags & 1) !== 0 || (flags & 4 && score <= old) || (flags & 8 && score >= old);
          if (isRefused) return count(0);
          put(items, score);
          return count(Number(flags & 16 ? old !== score : old === undefined));
        });
        return { ...command, creates: (flags & 2) === 0 };
      }
      case 3:
        return sorted('ZINCRBY', [packedScore, member], (items) => {
          put(items, (items.get(identity)?.score ?? 0) + score);
          return scoreOf(items.get(identity)!.score);
        });
      case 4:
        return sorted('ZREM', [member], (items) => count(Number(items.delete(identity))));
      case 5:
        return sorted('ZSCORE', [member], (items) => {
          const found = items.get(identity);
          return found === undefined ? NIL : scoreOf(found.score);
        });
      case 6:
        return sorted('ZRANK', [member], (items) => {
          const found = items.get(identity);
          return found === undefined ? NIL : count(inOrder(items).indexOf(found));
        });
      case 7: {
        const min = random.between(-8, 8);
        const flags = random.pick([1, 1 + 4, 1 + 16, 1 + 4 + 32]) + 8;
        const [start, stop] = flags & 4 ? [NIL, number(min)] : [number(min), NIL];
        return sorted('ZRANGE', [start!, stop!, number(flags)], (items) => {
          const isIn = (each: Scored) => (flags & 48 ? each.score > min : each.score >= min);
          const found = inOrder(items).filter(isIn);
          return withScores(flags & 4 ? found.reverse() : found);
        });
      }
      default: {
        const isLowest = random.chance(0.5);
        const most = random.below(5);
        return sorted(isLowest ? 'ZPOPMIN' : 'ZPOPMAX', [number(most)], (items) => {
          const order = isLowest ? inOrder(items) : inOrder(items).reverse();
          const taken = order.slice(0, most);
          for (const { name } of taken) items.delete(identityOf(name));
          return withScores(taken);
        });
      }
    }
  }

  #onHash(random: Random): CollectionCommand {
    const hash = (
      name: CommandName,
      args: Buffer[],
      apply: (items: Map<string, Member>) => Buffer | string,
    ): CollectionCommand => ({
      ...{ name, args, type: 'hash' },
      creates: name === 'HSET' || name === 'HSETNX' || name === 'HINCRBY',
      isUnordered: name === 'HGETALL' || name === 'HKEYS' || name === 'HVALS',
      apply: (found) => apply(found.items as Map<string, Member>),
    });
    const fields = this.#several(random, () => this.#member(random));
    const [field] = fields as [Buffer];
    const value = this.#value(random);
    const valueAt = (items: Map<string, Member>, each: Buffer): Buffer =>
      items.get(identityOf(each))?.value ?? NIL;
    switch (random.below(11)) {
      case 0:
      case 1: {
        const values = fields.map(() => this.#value(random));
        const args = fields.flatMap((each, i) => [each, values[i]!]);
        return hash('HSET', args, (items) => {
          const before = items.size;
          for (const [i, each] of fields.entries()) put(items, each, values[i]!, true);
          return count(items.size - before);
        });
      }
      case 2:
        return hash('HSETNX', [field, value], (items) => {
          const isNew = !items.has(identityOf(field));
          if (isNew) put(items, field, value, true);
          return flag(isNew);
        });
      case 3:
        return hash('HGET', [field], (items) => valueAt(items, field));
      case 4:
        return hash('HMGET', fields, (items) =>
          arrayOf(fields.map((each) => valueAt(items, each))),
        );
      case 5:
        return hash('HDEL', fields, (items) => count(removeAll(items, fields)));
      case 6:
        return hash('HEXISTS', [field], (items) => flag(items.has(identityOf(field))));
      case 7:
        return hash('HLEN', [], (items) => count(items.size));
      case 8:
        return hash('HGETALL', [], (items) => {
          const pairs = [...items.values()].flatMap((each) => [each.name, each.value]);
          return Buffer.concat([head([0x80, 0xde], items.size), ...pairs]);
        });
      case 9: {
        const name = random.pick(['HKEYS', 'HVALS'] as const);
        return hash(name, [], (items) =>
          arrayOf([...items.values()].map((each) => (name === 'HKEYS' ? each.name : each.value))),
        );
      }
      default: {
        const delta = randomInteger(random);
        return hash('HINCRBY', [field, packInteger(random, delta)], (items) => {
          const old = items.get(identityOf(field));
          const number = old === undefined ? 0n : integerOf(old.value);
          if (number === undefined) return 'WRONGTYPE';
          const sum = number + delta;
          if (number > I64_MAX || sum > I64_MAX || sum < -I64_MAX - 1n) return 'OVERFLOW';
          put(items, field, shortestInteger(sum), true);
          return shortestInteger(sum);
        });
      }
    }
  }
}

/** A score as replies have it. */
function scoreOf(score: number): Buffer {
  if (Number.isInteger(score)) return shortestInteger(BigInt(score));
  const bytes = Buffer.alloc(9, 0xcb);
  bytes.writeDoubleBE(score, 1);
  return bytes;
}

/** Members in their order, and with the same score in that of their bytes. */
function inOrder(items: Map<string, Scored>): Scored[] {
  const bytesOf = ({ name }: Scored) => (isNumber(name) ? name : contentOf(name).content);
  return [...items.values()].sort(
    (one, other) => one.score - other.score || Buffer.compare(bytesOf(one), bytesOf(other)),
  );
}

const withScores = (members: readonly Scored[]): Buffer =>
  arrayOf(members.flatMap(({ name, score }) => [name, scoreOf(score)]));

/** A member stays as it came first; a field has the name that it was set by last. */
function put(items: Map<string, Member>, packed: Buffer, value: Buffer, isField: boolean): void {
  const identity = identityOf(packed);
  const old = items.get(identity);
  if (old === undefined || isField) items.set(identity, { name: storedForm(packed), value });
}

function removeAll(items: Map<string, Member>, members: readonly Buffer[]): number {
  return members.filter((member) => items.delete(identityOf(member))).length;
}

function rangeOf(items: readonly Buffer[], start: number, stop: number): Buffer[] {
  const from = start < 0 ? Math.max(start + items.length, 0) : start;
  const to = stop < 0 ? stop + items.length : stop;
  return items.slice(from, Math.max(to + 1, 0));
}
