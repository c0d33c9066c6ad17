/** Sorted sets: `cache.sorted(key)` and `client.sorted(key)`. */
import type { Key } from '../api.js';
import { SlabringError } from '../errors.js';
import { checkOptionNames, show } from '../units.js';
import {
  checkCount,
  checkIterable,
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
import { Handle, type Mode, type Reply } from './runner.js';

/** A member with its score. */
export type Scored = [member: Member, score: number];

/** When a score is set. Of the last three one at the most. */
export interface ScoreOptions {
  /** Only of members that are there. */
  ifPresent?: boolean;
  /** Only of members that are not there. */
  ifAbsent?: boolean;
  /** Only of members that are not there, or have a lower score. */
  ifHigher?: boolean;
  /** Only of members that are not there, or have a higher score. */
  ifLower?: boolean;
}

/** Which way members come. */
export interface OrderOptions {
  /** From the highest score to the lowest one. Default false. */
  reverse?: boolean;
}

/** Members from one bound to another; bounds are numbers where scores are meant, else text or bytes. */
export interface Bounds<B> {
  /** Absent: from the lowest one. */
  min?: B;
  /** Absent: to the highest one. */
  max?: B;
  /** Whether what equals `min` is left out. Default false. */
  excludeMin?: boolean;
  /** Whether what equals `max` is left out. Default false. */
  excludeMax?: boolean;
}

/** Which of the members within bounds, and which way. */
export interface RangeOptions<B> extends Bounds<B>, OrderOptions {
  /** So many are passed over first. Default 0. */
  offset?: number;
  /** The most that are returned. Default: all. */
  count?: number;
}

/* Flags of ZADD. */
const IF_ABSENT = 1;
const IF_PRESENT = 2;
const IF_HIGHER = 4;
const IF_LOWER = 8;
const COUNT_CHANGED = 16;
/* Flags of ZRANGE, ZCOUNT and ZLEXCOUNT. */
const BY_SCORE = 1;
const BY_NAME = 2;
const REVERSE = 4;
const WITH_SCORES = 8;
const WITHOUT_START = 16;
const WITHOUT_STOP = 32;

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
   * @throws SlabringError `CROSSSLOT` when the keys are in several arenas: a common {tag} puts them
   * in one
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
   * A page of a walk over the members and their scores, in no order, which begins with the cursor 0
   * and goes on with the one that the page has, until that is 0. A member that is there all the
   * time comes at least once; one that comes or goes meanwhile may come or not. A page may be empty
   * before the end.
   */
  scan(cursor = 0, options: ScanOptions = {}): Reply<M, Page<Scored>> {
    return this.run('ZSCAN', () => scanArguments(cursor, options), readPage(readPairs<number>));
  }
}

/** Scores may be infinite. */
function checkScore(score: number, name: string): number {
  if (typeof score === 'number' && !Number.isNaN(score)) return score;
  throw new SlabringError('OPTION', `${name} must be a number, not ${show(score)}`);
}

function pairsOf(entries: Iterable<readonly [Member, number]>, options: ScoreOptions): unknown[] {
  const flags = scoreFlags(options);
  const args: unknown[] = [];
  for (const entry of checkIterable(entries, 'setMany', '[member, score] pairs')) {
    if (!Array.isArray(entry) || entry.length !== 2) {
      throw new SlabringError('OPTION', `setMany takes [member, score] pairs, not ${show(entry)}`);
    }
    const [member, score] = entry as [Member, number];
    args.push(checkScore(score, 'score'), checkMember(member, 'member'));
  }
  return args.length === 0 ? args : [flags, ...args];
}

function scoreFlags(options: ScoreOptions): number {
  const names = ['ifPresent', 'ifAbsent', 'ifHigher', 'ifLower'] as const;
  checkOptionNames(options, names, 'set');
  for (const name of names) readSwitch(options[name], name);
  const { ifPresent, ifAbsent, ifHigher, ifLower } = options;
  const conditions = [ifAbsent, ifHigher, ifLower].filter((condition) => condition === true);
  if (conditions.length > 1 || (ifAbsent === true && ifPresent === true)) {
    const rule = 'ifAbsent, ifHigher and ifLower exclude each other, and ifAbsent ifPresent';
    throw new SlabringError('OPTION', rule);
  }
  let flags = COUNT_CHANGED;
  if (ifAbsent === true) flags |= IF_ABSENT;
  if (ifPresent === true) flags |= IF_PRESENT;
  if (ifHigher === true) flags |= IF_HIGHER;
  if (ifLower === true) flags |= IF_LOWER;
  return flags;
}

function orderFlags(options: OrderOptions): number {
  checkOptionNames(options, ['reverse'], 'a range');
  return readSwitch(options.reverse, 'reverse') ? REVERSE : 0;
}

const BOUND_NAMES = ['min', 'max', 'excludeMin', 'excludeMax'] as const;

/** What comes behind the key of a ZRANGE that is no range of ranks. */
function rangeArguments<B>(options: RangeOptions<B>, by: number, flags: number): unknown[] {
  checkOptionNames(options, [...BOUND_NAMES, 'reverse', 'offset', 'count'], 'a range');
  const { reverse, offset = 0, count } = options;
  const isReverse = readSwitch(reverse, 'reverse');
  const { min, max, minFlag, maxFlag } = readBounds(options, by, isReverse);
  const all = by | flags | minFlag | maxFlag | (isReverse ? REVERSE : 0);
  const ends = isReverse ? [max, min] : [min, max];
  const most = count === undefined ? null : checkCount(count);
  return [...ends, all, checkCount(offset, 'offset'), most];
}

function countArguments<B>(bounds: Bounds<B>, by: number): unknown[] {
  checkOptionNames(bounds, BOUND_NAMES, 'a range');
  const { min, max, minFlag, maxFlag } = readBounds(bounds, by, false);
  return [min, max, minFlag | maxFlag];
}

/** Bounds, nil for none, and the flags that leave out what equals them. */
function readBounds<B>(bounds: Bounds<B>, by: number, isReverse: boolean) {
  const isOut = {
    min: readSwitch(bounds.excludeMin, 'excludeMin'),
    max: readSwitch(bounds.excludeMax, 'excludeMax'),
  };
  return {
    min: checkBound(bounds.min, 'min', by),
    max: checkBound(bounds.max, 'max', by),
    minFlag: isOut.min ? (isReverse ? WITHOUT_STOP : WITHOUT_START) : 0,
    maxFlag: isOut.max ? (isReverse ? WITHOUT_START : WITHOUT_STOP) : 0,
  };
}

function checkBound(bound: unknown, name: string, by: number): unknown {
  if (bound === undefined) return null;
  if (by === BY_SCORE) return checkScore(bound as number, name);
  if (typeof bound === 'string' || bound instanceof Uint8Array) return checkMember(bound, 'bound');
  throw new SlabringError('OPTION', `${name} must be a string or bytes, not ${show(bound)}`);
}

function readSwitch(value: unknown, name: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw new SlabringError('OPTION', `${name} must be true or false, not ${show(value)}`);
}
