/** Hashes: `cache.hash(key)` and `client.hash(key)`. */
import { SlabringError } from '../errors.js';
import { show } from '../units.js';
import { checkMember, checkMembers, type Member, NO_ARGUMENTS } from './arguments.js';
import {
  readAny,
  readBoolean,
  readCount,
  readMap,
  readObject,
  readOptional,
  readOptionals,
  readPairs,
  readValues,
} from './replies.js';
import { Handle, type Mode, type Reply } from './runner.js';

/** What `Hash.setMany` takes: pairs, such as a Map has, or an object. */
export type Fields = Iterable<readonly [Member, unknown]> | Readonly<Record<string, unknown>>;

/**
 * A hash at a key: values by field, named as JavaScript's maps are. Values are what `set` takes. It
 * comes with the first field that is set and goes with the last that is deleted; where there is
 * none, reads find an empty one. A method takes the same time for each field that it is about,
 * however many there are.
 *
 * A method is one step that no other thread or client sees half of. Errors are SlabringErrors:
 * `WRONGTYPE` when something else is at the key, `OPTION` for wrong arguments, `TOOLARGE` for
 * arguments or results of more than about 1 MiB, and what `set` throws.
 */
export class Hash<M extends Mode = 'sync'> extends Handle<M> {
  /** Sets a field; whether it is new. */
  set(field: Member, value: unknown): Reply<M, boolean> {
    return this.run('HSET', () => [checkMember(field, 'field'), value], readAny);
  }

  /** Sets the fields of `[field, value]` pairs, or of an object; how many of them are new. */
  setMany(fields: Fields): Reply<M, number> {
    return this.run('HSET', () => pairsOf(fields), readCount, 0);
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

  /** Whether the field is there. */
  has(field: Member): Reply<M, boolean> {
    return this.run('HEXISTS', () => [checkMember(field, 'field')], readBoolean);
  }

  /** Removes fields; how many of them were there. */
  delete(...fields: Member[]): Reply<M, number> {
    return this.run('HDEL', () => checkMembers(fields, 'field', 'delete'), readCount, 0);
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
