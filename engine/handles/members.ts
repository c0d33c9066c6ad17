/** Sets: `cache.members(key)` and `client.members(key)`. */
import type { Key } from '../api.js';
import {
  checkCount,
  checkMember,
  checkMembers,
  checkWhole,
  type Member,
  NO_ARGUMENTS,
  type ScanOptions,
  scanArguments,
} from './arguments.js';
import {
  type Page,
  readBoolean,
  readCount,
  readOptional,
  readPage,
  readValues,
} from './replies.js';
import { Handle, type Mode, OtherKey, type Reply, type Walk } from './runner.js';
import { type SizeOptions, sizeArguments } from './several.js';

const otherKey = (key: Key): OtherKey => new OtherKey(key);

/**
 * A set at a key, named as JavaScript's sets are. It comes with the first member that is added and
 * goes with the last that is removed; where there is none, reads find an empty one. A method takes
 * the same time for each member that it is about, however many there are.
 *
 * A method is one step that no other thread or client sees half of. Errors are SlabringErrors:
 * `WRONGTYPE` when something else is at the key, `OPTION` for wrong arguments, `TOOLARGE` for
 * arguments or results of more than about 1 MiB, and what `set` throws.
 */
export class Members<M extends Mode = 'sync'> extends Handle<M> {
  /** Adds members; how many of them are new. */
  add(...members: Member[]): Reply<M, number> {
    return this.run('SADD', () => checkMembers(members, 'member', 'add'), readCount, 0);
  }

  /** Removes members; how many of them were there. */
  delete(...members: Member[]): Reply<M, number> {
    return this.run('SREM', () => checkMembers(members, 'member', 'delete'), readCount, 0);
  }

  /** Whether it is a member. */
  has(member: Member): Reply<M, boolean> {
    return this.run('SISMEMBER', () => [checkMember(member, 'member')], readBoolean);
  }

  /** For each of them, in their order, whether it is a member. */
  hasMany(members: Iterable<Member>): Reply<M, boolean[]> {
    const args = () => checkMembers(members, 'member', 'hasMany');
    return this.run('SMISMEMBER', args, readValues<boolean>, []);
  }

  /** How many members there are. */
  size(): Reply<M, number> {
    return this.run('SCARD', NO_ARGUMENTS, readCount);
  }

  /**
   * Takes a member, any one; `undefined` when there is none. With a count: up to so many. Each is
   * as likely as any other.
   */
  pop<T extends Member = Member>(): Reply<M, T | undefined>;
  pop<T extends Member = Member>(count: number): Reply<M, T[]>;
  pop<T extends Member>(count?: number): Reply<M, T | undefined> | Reply<M, T[]> {
    if (count === undefined) return this.run('SPOP', NO_ARGUMENTS, readOptional<T>);
    return this.run('SPOP', () => [checkCount(count)], readValues<T>);
  }

  /**
   * A member, any one; `undefined` when there is none. With a count: up to so many different ones;
   * below 0 so many, of which some may be the same. Each is as likely as any other.
   */
  random<T extends Member = Member>(): Reply<M, T | undefined>;
  random<T extends Member = Member>(count: number): Reply<M, T[]>;
  random<T extends Member>(count?: number): Reply<M, T | undefined> | Reply<M, T[]> {
    if (count === undefined) return this.run('SRANDMEMBER', NO_ARGUMENTS, readOptional<T>);
    return this.run('SRANDMEMBER', () => [checkWhole(count, 'count')], readValues<T>);
  }

  /**
   * Moves a member to the set at another key; false when it was not there.
   * @throws SlabringError `CROSSSLOT` when the keys are in several arenas: a common {tag} puts them
   * in one
   */
  moveTo(key: Key, member: Member): Reply<M, boolean> {
    const args = () => [new OtherKey(key), checkMember(member, 'member')];
    return this.run('SMOVE', args, readBoolean);
  }

  /**
   * The members that this set and those at all the other keys have.
   * @throws SlabringError `CROSSSLOT` as `moveTo`
   */
  intersection<T extends Member = Member>(...keys: Key[]): Reply<M, T[]> {
    return this.run('SINTER', () => keys.map(otherKey), readValues<T>);
  }

  /**
   * How many members `intersection` would return. With an array of keys it takes options: a limit
   * up to which is counted.
   */
  intersectionSize(...keys: Key[]): Reply<M, number>;
  intersectionSize(keys: readonly Key[], options?: SizeOptions): Reply<M, number>;
  intersectionSize(...args: unknown[]): Reply<M, number> {
    return this.run('SINTERCARD', () => countingArguments(args, 'intersectionSize'), readCount);
  }

  /** `intersectionSize` for `union`. */
  unionSize(...keys: Key[]): Reply<M, number>;
  unionSize(keys: readonly Key[], options?: SizeOptions): Reply<M, number>;
  unionSize(...args: unknown[]): Reply<M, number> {
    return this.run('SUNIONCARD', () => countingArguments(args, 'unionSize'), readCount);
  }

  /** `intersectionSize` for `difference`. */
  differenceSize(...keys: Key[]): Reply<M, number>;
  differenceSize(keys: readonly Key[], options?: SizeOptions): Reply<M, number>;
  differenceSize(...args: unknown[]): Reply<M, number> {
    return this.run('SDIFFCARD', () => countingArguments(args, 'differenceSize'), readCount);
  }

  /**
   * The members that this set or any of those at the other keys has.
   * @throws SlabringError `CROSSSLOT` as `moveTo`
   */
  union<T extends Member = Member>(...keys: Key[]): Reply<M, T[]> {
    return this.run('SUNION', () => keys.map(otherKey), readValues<T>);
  }

  /**
   * The members that this set has, and none of those at the other keys.
   * @throws SlabringError `CROSSSLOT` as `moveTo`
   */
  difference<T extends Member = Member>(...keys: Key[]): Reply<M, T[]> {
    return this.run('SDIFF', () => keys.map(otherKey), readValues<T>);
  }

  /**
   * Stores what `intersection` would return at a key, in place of what is there; how many members
   * that are. Without any, nothing is at the key then.
   * @throws SlabringError `CROSSSLOT` as `moveTo`
   */
  intersectionInto(target: Key, ...keys: Key[]): Reply<M, number> {
    return this.runInto('SINTERSTORE', target, () => keys.map(otherKey), readCount);
  }

  /** `intersectionInto` for `union`. */
  unionInto(target: Key, ...keys: Key[]): Reply<M, number> {
    return this.runInto('SUNIONSTORE', target, () => keys.map(otherKey), readCount);
  }

  /** `intersectionInto` for `difference`. */
  differenceInto(target: Key, ...keys: Key[]): Reply<M, number> {
    return this.runInto('SDIFFSTORE', target, () => keys.map(otherKey), readCount);
  }

  /**
   * All members, in no order that means anything, a page at a time: those that match the options.
   * This thread and others may write meanwhile. A member that is there all the time comes at least
   * once; one that comes or goes meanwhile may come or not.
   */
  scan<T extends Member = Member>(options: ScanOptions = {}): Walk<M, T> {
    return this.walk('SSCAN', options, readValues<T>);
  }

  /**
   * A page of `scan`, from a cursor on, which is 0 at first; then it is the one that the page has,
   * until that is 0. A page may be empty before the end.
   */
  scanPage<T extends Member = Member>(
    cursor: number,
    options: ScanOptions = {},
  ): Reply<M, Page<T>> {
    return this.run('SSCAN', () => scanArguments(cursor, options), readPage(readValues<T>));
  }

  /** All members, in no order that means anything. */
  values<T extends Member = Member>(): Reply<M, T[]> {
    return this.run('SMEMBERS', NO_ARGUMENTS, readValues<T>);
  }
}

/** Keys one by one, or an array of them and options. */
function countingArguments(args: readonly unknown[], method: string): unknown[] {
  if (!Array.isArray(args[0])) return sizeArguments(args as Key[], {}, method);
  const [keys, options = {}] = args as [Key[], SizeOptions?];
  return sizeArguments(keys, options, method);
}
