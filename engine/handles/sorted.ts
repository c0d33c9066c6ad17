/** Sorted sets: `cache.sorted(key)` and `client.sorted(key)`. */
import type { Key } from '../api.js';
import {
  checkCount,
  checkMember,
  checkMembers,
  checkWhole,
  type Member,
  NO_ARGUMENTS,
  rangeOf,
  type ScanOptions,
  scanArguments,
} from './arguments.js';
import {
  type Page,
  readAny,
  readCount,
  readFirstPair,
  readOptional,
  readOptionals,
  readPage,
  readPairs,
  readPresence,
  readValues,
} from './replies.js';
import { Handle, type Mode, type Reply, type Walk } from './runner.js';
import { otherKeys, type SizeOptions, sizeArguments } from './several.js';
import {
  type Bounds,
  BY_NAME,
  BY_SCORE,
  type CombineOptions,
  checkScore,
  combineArguments,
  countArguments,
  type OrderOptions,
  orderFlags,
  pairsOf,
  type RangeOptions,
  rangeArguments,
  type ScoreOptions,
  scoreFlags,
  WITH_SCORES,
} from './sorted-arguments.js';

/** A member with its score. */
export type Scored = [member: Member, score: number];

/**
 * A sorted set at a key: members, each with a score, in the order of scores, and of their bytes
 * where scores are the same. It comes with the first member and goes with the last; where there is
 * none, reads find an empty one. A method takes O(log size) for each member that it changes, and to
 * find where a range begins.
 *
 * A method is one step that no other thread or client sees half of. Errors are SlabringErrors:
 * `WRONGTYPE` when something else is at the key, `OPTION` for wrong arguments, `TOOLARGE` for
 * arguments or results of more than about 1 MiB, and what `set` throws.
 */
export class SortedSet<M extends Mode = 'sync'> extends Handle<M> {
  /** Gives a member a score; whether that is another one than before, or the member is new. */
  set(member: Member, score: number, options: ScoreOptions = {}): Reply<M, boolean> {
    const args = () => [
      scoreFlags(options),
      checkScore(score, 'score'),
      checkMember(member, 'member'),
    ];
    return this.run('ZADD', args, readAny);
  }

  /**
   * Gives the members of `[member, score]` pairs their scores; how many of them are new, or have
   * another score than before.
   */
  setMany(
    entries: Iterable<readonly [Member, number]>,
    options: ScoreOptions = {},
  ): Reply<M, number> {
    return this.run('ZADD', () => pairsOf(entries, options), readCount, 0);
  }

  /**
   * Adds `delta` to the score of a member, 0 if it is new; the score.
   * @throws SlabringError `OVERFLOW` when the sum is not a number
   */
  increment(member: Member, delta = 1): Reply<M, number> {
    const args = () => [checkScore(delta, 'delta'), checkMember(member, 'member')];
    return this.run('ZINCRBY', args, readCount);
  }

  /** Removes members; how many of them were there. */
  delete(...members: Member[]): Reply<M, number> {
    return this.run('ZREM', () => checkMembers(members, 'member', 'delete'), readCount, 0);
  }

  /** Whether it is a member. */
  has(member: Member): Reply<M, boolean> {
    return this.run('ZSCORE', () => [checkMember(member, 'member')], readPresence);
  }

  /** The score of a member; `undefined` when it is none. */
  score(member: Member): Reply<M, number | undefined> {
    return this.run('ZSCORE', () => [checkMember(member, 'member')], readOptional<number>);
  }

  /** The scores of members in their order, `undefined` for each that is none. */
  scores(members: Iterable<Member>): Reply<M, (number | undefined)[]> {
    const args = () => checkMembers(members, 'member', 'scores');
    return this.run('ZMSCORE', args, readOptionals<number>, []);
  }

  /** How many members there are. */
  size(): Reply<M, number> {
    return this.run('ZCARD', NO_ARGUMENTS, readCount);
  }

  /** How many members come before this one; `undefined` when it is none. */
  rank(member: Member): Reply<M, number | undefined> {
    return this.run('ZRANK', () => [checkMember(member, 'member')], readOptional<number>);
  }

  /** How many members come behind this one; `undefined` when it is none. */
  reverseRank(member: Member): Reply<M, number | undefined> {
    return this.run('ZREVRANK', () => [checkMember(member, 'member')], readOptional<number>);
  }

  /**
   * The members from rank `start` up to `end`, which is not among them, as `Array.prototype.slice`
   * has it: below 0 they count from the end, and without `end` it goes to the end.
   */
  slice<T extends Member = Member>(
    start = 0,
    end?: number,
    options: OrderOptions = {},
  ): Reply<M, T[]> {
    const args = () => [...rangeOf(start, end), orderFlags(options)];
    return this.run('ZRANGE', args, readValues<T>);
  }

  /** `slice`, with the scores. */
  entries(start = 0, end?: number, options: OrderOptions = {}): Reply<M, Scored[]> {
    const args = () => [...rangeOf(start, end), orderFlags(options) | WITH_SCORES];
    return this.run('ZRANGE', args, readPairs<number>);
  }

  /**
   * Stores what `entries` would return at a key, in place of what is there; how many members that
   * are. Without any, nothing is at the key then.
   * @throws SlabringError `CROSSSLOT` when the keys are in several arenas: a common {tag} puts them
   * in one
   */
  sliceInto(target: Key, start = 0, end?: number, options: OrderOptions = {}): Reply<M, number> {
    const args = () => [...rangeOf(start, end), orderFlags(options)];
    return this.runInto('ZRANGESTORE', target, args, readCount);
  }

  /** The members whose scores are within bounds. */
  byScore<T extends Member = Member>(options: RangeOptions<number> = {}): Reply<M, T[]> {
    return this.run('ZRANGE', () => rangeArguments(options, BY_SCORE, 0), readValues<T>);
  }

  /** `byScore`, with the scores. */
  entriesByScore(options: RangeOptions<number> = {}): Reply<M, Scored[]> {
    const args = () => rangeArguments(options, BY_SCORE, WITH_SCORES);
    return this.run('ZRANGE', args, readPairs<number>);
  }

  /**
   * Stores what `entriesByScore` would return at a key, in place of what is there; how many members
   * that are. Without any, nothing is at the key then.
   * @throws SlabringError `CROSSSLOT` as `sliceInto`
   */
  byScoreInto(target: Key, options: RangeOptions<number> = {}): Reply<M, number> {
    const args = () => rangeArguments(options, BY_SCORE, 0);
    return this.runInto('ZRANGESTORE', target, args, readCount);
  }

  /** How many members have scores within bounds. */
  countByScore(bounds: Bounds<number> = {}): Reply<M, number> {
    return this.run('ZCOUNT', () => countArguments(bounds, BY_SCORE), readCount);
  }

  /** The members that are within bounds by their bytes. Only where all have the same score. */
  byName<T extends Member = Member>(
    options: RangeOptions<string | Uint8Array> = {},
  ): Reply<M, T[]> {
    return this.run('ZRANGE', () => rangeArguments(options, BY_NAME, 0), readValues<T>);
  }

  /** `byScoreInto` for `byName`. */
  byNameInto(target: Key, options: RangeOptions<string | Uint8Array> = {}): Reply<M, number> {
    const args = () => rangeArguments(options, BY_NAME, 0);
    return this.runInto('ZRANGESTORE', target, args, readCount);
  }

  /** How many members are within bounds by their bytes. Only where all have the same score. */
  countByName(bounds: Bounds<string | Uint8Array> = {}): Reply<M, number> {
    return this.run('ZLEXCOUNT', () => countArguments(bounds, BY_NAME), readCount);
  }

  /**
   * Takes the member with the lowest score; `undefined` when there is none. With a count: up to so
   * many, the lowest one first.
   */
  popLowest(): Reply<M, Scored | undefined>;
  popLowest(count: number): Reply<M, Scored[]>;
  popLowest(count?: number): Reply<M, Scored | undefined> | Reply<M, Scored[]> {
    if (count === undefined) return this.run('ZPOPMIN', NO_ARGUMENTS, readFirstPair<number>);
    return this.run('ZPOPMIN', () => [checkCount(count)], readPairs<number>);
  }

  /**
   * Takes the member with the highest score; `undefined` when there is none. With a count: up to so
   * many, the highest one first.
   */
  popHighest(): Reply<M, Scored | undefined>;
  popHighest(count: number): Reply<M, Scored[]>;
  popHighest(count?: number): Reply<M, Scored | undefined> | Reply<M, Scored[]> {
    if (count === undefined) return this.run('ZPOPMAX', NO_ARGUMENTS, readFirstPair<number>);
    return this.run('ZPOPMAX', () => [checkCount(count)], readPairs<number>);
  }

  /**
   * A member, any one; `undefined` when there is none. With a count: up to so many different ones;
   * below 0 so many, of which some may be the same. Each is as likely as any other.
   */
  random<T extends Member = Member>(): Reply<M, T | undefined>;
  random<T extends Member = Member>(count: number): Reply<M, T[]>;
  random<T extends Member>(count?: number): Reply<M, T | undefined> | Reply<M, T[]> {
    if (count === undefined) return this.run('ZRANDMEMBER', NO_ARGUMENTS, readOptional<T>);
    return this.run('ZRANDMEMBER', () => [checkWhole(count, 'count')], readValues<T>);
  }

  /** `random` with a count, and with the scores. */
  randomEntries(count: number): Reply<M, Scored[]> {
    return this.run('ZRANDMEMBER', () => [checkWhole(count, 'count'), true], readPairs<number>);
  }

  /**
   * The members that this set or any of those at the other keys has, in the order of the scores
   * that come of theirs. At the keys may be sorted sets, and sets, in which all scores are 1.
   * Scores are added in the order of the keys; what would be no number, as the sum of infinity and
   * minus infinity, is 0.
   * @throws SlabringError `CROSSSLOT` when the keys are in several arenas: a common {tag} puts them
   * in one
   */
  union<T extends Member = Member>(
    keys: Iterable<Key>,
    options: CombineOptions = {},
  ): Reply<M, T[]> {
    return this.run('ZUNION', () => combineArguments(keys, options, 0, 'union'), readValues<T>);
  }

  /** `union`, with the scores. */
  unionEntries(keys: Iterable<Key>, options: CombineOptions = {}): Reply<M, Scored[]> {
    const args = () => combineArguments(keys, options, WITH_SCORES, 'unionEntries');
    return this.run('ZUNION', args, readPairs<number>);
  }

  /**
   * Stores what `unionEntries` would return at a key, in place of what is there; how many members
   * that are. Without any, nothing is at the key then.
   * @throws SlabringError `CROSSSLOT` as `union`
   */
  unionInto(target: Key, keys: Iterable<Key>, options: CombineOptions = {}): Reply<M, number> {
    const args = () => combineArguments(keys, options, 0, 'unionInto');
    return this.runInto('ZUNIONSTORE', target, args, readCount);
  }

  /** The members that this set and those at all the other keys have; otherwise as `union`. */
  intersection<T extends Member = Member>(
    keys: Iterable<Key>,
    options: CombineOptions = {},
  ): Reply<M, T[]> {
    const args = () => combineArguments(keys, options, 0, 'intersection');
    return this.run('ZINTER', args, readValues<T>);
  }

  /** `intersection`, with the scores. */
  intersectionEntries(keys: Iterable<Key>, options: CombineOptions = {}): Reply<M, Scored[]> {
    const args = () => combineArguments(keys, options, WITH_SCORES, 'intersectionEntries');
    return this.run('ZINTER', args, readPairs<number>);
  }

  /** `unionInto` for `intersection`. */
  intersectionInto(
    target: Key,
    keys: Iterable<Key>,
    options: CombineOptions = {},
  ): Reply<M, number> {
    const args = () => combineArguments(keys, options, 0, 'intersectionInto');
    return this.runInto('ZINTERSTORE', target, args, readCount);
  }

  /** How many members `intersection` would return, counted up to a limit. */
  intersectionSize(keys: Iterable<Key>, options: SizeOptions = {}): Reply<M, number> {
    const args = () => sizeArguments(keys, options, 'intersectionSize');
    return this.run('ZINTERCARD', args, readCount);
  }

  /**
   * The members that this set has, and none of those at the other keys, in order. At the keys may
   * be sorted sets and sets.
   * @throws SlabringError `CROSSSLOT` as `union`
   */
  difference<T extends Member = Member>(keys: Iterable<Key>): Reply<M, T[]> {
    return this.run('ZDIFF', () => otherKeys(keys, 'difference'), readValues<T>);
  }

  /** `difference`, with the scores. */
  differenceEntries(keys: Iterable<Key>): Reply<M, Scored[]> {
    const args = () => [...otherKeys(keys, 'differenceEntries'), WITH_SCORES];
    return this.run('ZDIFF', args, readPairs<number>);
  }

  /** `unionInto` for `difference`. */
  differenceInto(target: Key, keys: Iterable<Key>): Reply<M, number> {
    const args = () => otherKeys(keys, 'differenceInto');
    return this.runInto('ZDIFFSTORE', target, args, readCount);
  }

  /**
   * All members and their scores, in no order, a page at a time: those that match the options. This
   * thread and others may write meanwhile. A member that is there all the time comes at least once;
   * one that comes or goes meanwhile may come or not.
   */
  scan(options: ScanOptions = {}): Walk<M, Scored> {
    return this.walk('ZSCAN', options, readPairs<number>);
  }

  /**
   * A page of `scan`, from a cursor on, which is 0 at first; then it is the one that the page has,
   * until that is 0. A page may be empty before the end.
   */
  scanPage(cursor: number, options: ScanOptions = {}): Reply<M, Page<Scored>> {
    return this.run('ZSCAN', () => scanArguments(cursor, options), readPage(readPairs<number>));
  }
}
