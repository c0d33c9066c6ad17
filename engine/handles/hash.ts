/** Hashes: `cache.hash(key)` and `client.hash(key)`. */
import type { Duration, TimeLeft } from '../api.js';
import { SlabringError } from '../errors.js';
import { parseDuration, show } from '../units.js';
import {
  checkDelta,
  checkMember,
  checkMembers,
  checkNumber,
  checkWhole,
  type Member,
  NO_ARGUMENTS,
  type ScanOptions,
  scanArguments,
} from './arguments.js';
import {
  type ExpireOptions,
  expireArguments,
  type FieldOptions,
  fieldArguments,
} from './field-options.js';
import {
  type Page,
  readAny,
  readBoolean,
  readCount,
  readDone,
  readDones,
  readFirst,
  readHowMany,
  readInteger,
  readMap,
  readObject,
  readOptional,
  readOptionals,
  readPage,
  readPairs,
  readTimeLeft,
  readTimesLeft,
  readValues,
} from './replies.js';
import { Handle, type Mode, type Reply, type Walk } from './runner.js';

/** What `Hash.setMany` takes: pairs, such as a Map has, or an object. */
export type Fields = Iterable<readonly [Member, unknown]> | Readonly<Record<string, unknown>>;

/**
 * A hash at a key: values by field, named as JavaScript's maps are. Values are what `set` takes. It
 * comes with the first field that is set and goes with the last that is deleted; where there is
 * none, reads find an empty one. A method takes the same time for each field that it is about,
 * however many there are.
 *
 * A field may expire, as a key may: from that millisecond on it is as if it had been deleted.
 *
 * A method is one step that no other thread or client sees half of. Errors are SlabringErrors:
 * `WRONGTYPE` when something else is at the key, `OPTION` for wrong arguments, `TOOLARGE` for
 * arguments or results of more than about 1 MiB, and what `set` throws.
 */
export class Hash<M extends Mode = 'sync'> extends Handle<M> {
  /**
   * Sets a field, which does not expire; whether it is new. With options (`{}` is some): whether it
   * was set.
   */
  set(field: Member, value: unknown, options?: FieldOptions): Reply<M, boolean> {
    if (options === undefined) {
      return this.run('HSET', () => [checkMember(field, 'field'), value], readAny);
    }
    const args = () => [...fieldArguments(options, 'set'), checkMember(field, 'field'), value];
    return this.run('HSETEX', args, readBoolean);
  }

  /**
   * Sets the fields of `[field, value]` pairs, or of an object, which do not expire; how many of
   * them are new. With options (`{}` is some): whether they were set, all of them or none.
   */
  setMany(fields: Fields): Reply<M, number>;
  setMany(fields: Fields, options: FieldOptions): Reply<M, boolean>;
  setMany(fields: Fields, options?: FieldOptions): Reply<M, number> | Reply<M, boolean> {
    if (options === undefined) return this.run('HSET', () => pairsOf(fields), readCount, 0);
    const args = () => {
      const pairs = pairsOf(fields);
      return pairs.length === 0 ? pairs : [...fieldArguments(options, 'setMany'), ...pairs];
    };
    return this.run('HSETEX', args, readBoolean, true);
  }

  /** Sets a field if it is not there; whether it was set. */
  setIfAbsent(field: Member, value: unknown): Reply<M, boolean> {
    return this.run('HSETNX', () => [checkMember(field, 'field'), value], readBoolean);
  }

  /** The value of a field; `undefined` when it is not there (or null). */
  get<T = unknown>(field: Member): Reply<M, T | undefined> {
    return this.run('HGET', () => [checkMember(field, 'field')], readOptional<T>);
  }

  /** The values of the fields in their order, `undefined` for each that is not there (or null). */
  getMany<T = unknown>(fields: Iterable<Member>): Reply<M, (T | undefined)[]> {
    const args = () => checkMembers(fields, 'field', 'getMany');
    return this.run('HMGET', args, readOptionals<T>, []);
  }

  /**
   * The value of a field, which from now on lives so long (0: it does not expire); `undefined` when
   * it is not there (or null).
   */
  getAndExpire<T = unknown>(field: Member, ttl: Duration): Reply<M, T | undefined> {
    const args = () => [parseDuration(ttl, 'ttl'), checkMember(field, 'field')];
    return this.run('HGETEX', args, readFirst<T>);
  }

  /** `getAndExpire` of several fields, in their order. */
  getManyAndExpire<T = unknown>(
    fields: Iterable<Member>,
    ttl: Duration,
  ): Reply<M, (T | undefined)[]> {
    const args = () => {
      const names = checkMembers(fields, 'field', 'getManyAndExpire');
      const ttlMs = parseDuration(ttl, 'ttl');
      return names.length === 0 ? names : [ttlMs, ...names];
    };
    return this.run('HGETEX', args, readOptionals<T>, []);
  }

  /** The value of a field, which is removed; `undefined` when it is not there (or null). */
  take<T = unknown>(field: Member): Reply<M, T | undefined> {
    return this.run('HGETDEL', () => [checkMember(field, 'field')], readFirst<T>);
  }

  /** `take` of several fields, in their order. */
  takeMany<T = unknown>(fields: Iterable<Member>): Reply<M, (T | undefined)[]> {
    const args = () => checkMembers(fields, 'field', 'takeMany');
    return this.run('HGETDEL', args, readOptionals<T>, []);
  }

  /**
   * Lets a field live so long from now on, which is more than 0; whether it was there, and a
   * condition of the options met.
   */
  expire(field: Member, ttl: Duration, options: ExpireOptions = {}): Reply<M, boolean> {
    const args = () => [...expireArguments(ttl, options, 'expire'), checkMember(field, 'field')];
    return this.run('HEXPIRE', args, readDone);
  }

  /** `expire` of several fields, in their order. */
  expireMany(
    fields: Iterable<Member>,
    ttl: Duration,
    options: ExpireOptions = {},
  ): Reply<M, boolean[]> {
    const args = () => {
      const names = checkMembers(fields, 'field', 'expireMany');
      const before = expireArguments(ttl, options, 'expireMany');
      return names.length === 0 ? names : [...before, ...names];
    };
    return this.run('HEXPIRE', args, readDones, []);
  }

  /** Lets fields not expire any more; how many of them did. */
  persist(...fields: Member[]): Reply<M, number> {
    return this.run('HPERSIST', () => checkMembers(fields, 'field', 'persist'), readHowMany, 0);
  }

  /**
   * Milliseconds that a field has left, `Infinity` when it does not expire, `undefined` when it is
   * not there.
   */
  ttl(field: Member): Reply<M, TimeLeft> {
    return this.run('HTTL', () => [checkMember(field, 'field')], readTimeLeft);
  }

  /** `ttl` of several fields, in their order. */
  ttlMany(fields: Iterable<Member>): Reply<M, TimeLeft[]> {
    return this.run('HTTL', () => checkMembers(fields, 'field', 'ttlMany'), readTimesLeft, []);
  }

  /** Whether the field is there. */
  has(field: Member): Reply<M, boolean> {
    return this.run('HEXISTS', () => [checkMember(field, 'field')], readBoolean);
  }

  /** Removes fields; how many of them were there. */
  delete(...fields: Member[]): Reply<M, number> {
    return this.run('HDEL', () => checkMembers(fields, 'field', 'delete'), readCount, 0);
  }

  /**
   * Adds `delta` to an integer; the sum, as a bigint beyond what a number holds exactly. A field
   * that is not there counts as 0.
   * @throws SlabringError `WRONGTYPE` when the value is no integer, `OVERFLOW` beyond 64 bits
   */
  increment(field: Member, delta: number | bigint = 1): Reply<M, number | bigint> {
    const args = () => [checkMember(field, 'field'), checkDelta(delta)];
    return this.run('HINCRBY', args, readInteger);
  }

  /**
   * Adds `delta` to a number; the sum, which is kept as a float. A field that is not there counts
   * as 0.
   * @throws SlabringError `WRONGTYPE` when the value is no number, `OVERFLOW` when the sum is not
   * finite
   */
  incrementFloat(field: Member, delta: number): Reply<M, number> {
    const args = () => [checkMember(field, 'field'), checkNumber(delta, 'delta')];
    return this.run('HINCRBYFLOAT', args, readCount);
  }

  /**
   * Bytes of the value of a field, text in UTF-8; 0 when it is not there.
   * @throws SlabringError `WRONGTYPE` when it is neither text nor bytes
   */
  byteLength(field: Member): Reply<M, number> {
    return this.run('HSTRLEN', () => [checkMember(field, 'field')], readCount);
  }

  /**
   * A field, any one; `undefined` when there is none. With a count: up to so many different ones;
   * below 0 so many, of which some may be the same. Each is as likely as any other.
   */
  random<F extends Member = Member>(): Reply<M, F | undefined>;
  random<F extends Member = Member>(count: number): Reply<M, F[]>;
  random<F extends Member>(count?: number): Reply<M, F | undefined> | Reply<M, F[]> {
    if (count === undefined) return this.run('HRANDFIELD', NO_ARGUMENTS, readOptional<F>);
    return this.run('HRANDFIELD', () => [checkWhole(count, 'count')], readValues<F>);
  }

  /** `random` with a count, and with the values of the fields. */
  randomEntries<T = unknown>(count: number): Reply<M, [Member, T][]> {
    return this.run('HRANDFIELD', () => [checkWhole(count, 'count'), true], readPairs<T>);
  }

  /**
   * All `[field, value]` pairs, in no order that means anything, a page at a time: those whose
   * fields match the options. This thread and others may write meanwhile. A field that is there all
   * the time comes at least once; one that comes or goes meanwhile may come or not.
   */
  scan<T = unknown>(options: ScanOptions = {}): Walk<M, [Member, T]> {
    return this.walk('HSCAN', options, readPairs<T>);
  }

  /**
   * A page of `scan`, from a cursor on, which is 0 at first; then it is the one that the page has,
   * until that is 0. A page may be empty before the end.
   */
  scanPage<T = unknown>(cursor: number, options: ScanOptions = {}): Reply<M, Page<[Member, T]>> {
    return this.run('HSCAN', () => scanArguments(cursor, options), readPage(readPairs<T>));
  }

  /** How many fields there are. */
  size(): Reply<M, number> {
    return this.run('HLEN', NO_ARGUMENTS, readCount);
  }

  /** All fields, in no order that means anything. */
  fields<F extends Member = Member>(): Reply<M, F[]> {
    return this.run('HKEYS', NO_ARGUMENTS, readValues<F>);
  }

  /** The values of all fields, in no order that means anything. */
  values<T = unknown>(): Reply<M, T[]> {
    return this.run('HVALS', NO_ARGUMENTS, readValues<T>);
  }

  /** All `[field, value]` pairs, in no order that means anything. */
  entries<T = unknown>(): Reply<M, [Member, T][]> {
    return this.run('HGETALL', NO_ARGUMENTS, readPairs<T>);
  }

  /** All fields with their values. A field that is bytes is found in it by that very object only. */
  toMap<T = unknown>(): Reply<M, Map<Member, T>> {
    return this.run('HGETALL', NO_ARGUMENTS, readMap<T>);
  }

  /**
   * All fields with their values, as an object; a field that is a number becomes text.
   * @throws SlabringError `WRONGTYPE` when a field is bytes
   */
  toObject<T = unknown>(): Reply<M, Record<string, T>> {
    return this.run('HGETALL', NO_ARGUMENTS, readObject<T>);
  }
}

/** Fields and values in turn. */
function pairsOf(fields: Fields): unknown[] {
  if (typeof fields !== 'object' || fields === null || fields instanceof Uint8Array) {
    const allowed = 'setMany takes [field, value] pairs or an object';
    throw new SlabringError('OPTION', `${allowed}, not ${show(fields)}`);
  }
  const pairs = Symbol.iterator in fields ? fields : Object.entries(fields);
  const args: unknown[] = [];
  for (const pair of pairs as Iterable<unknown>) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new SlabringError('OPTION', `setMany takes [field, value] pairs, not ${show(pair)}`);
    }
    args.push(checkMember(pair[0] as Member, 'field'), pair[1]);
  }
  return args;
}
