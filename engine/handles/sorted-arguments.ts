/** Options of the methods of sorted sets, and the arguments of commands that they become. */
import type { Key } from '../api.js';
import { SlabringError } from '../errors.js';
import { checkOptionNames, show } from '../units.js';
import { checkCount, checkIterable, checkMember, type Member } from './arguments.js';
import { ArrayHead } from './runner.js';
import { otherKeys } from './several.js';

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

/** How the scores that a member has in several sets become one. */
export interface CombineOptions {
  /**
   * A number for each set, which its scores are multiplied by: first this one's, then those of the
   * keys in their order. Default: 1 for each.
   */
  weights?: readonly number[];
  /** What comes of several scores of a member: their sum (the default), the least or the greatest. */
  aggregate?: 'sum' | 'min' | 'max';
}

/* Flags of ZADD. */
const IF_ABSENT = 1;
const IF_PRESENT = 2;
const IF_HIGHER = 4;
const IF_LOWER = 8;
const COUNT_CHANGED = 16;
/* Flags of ZRANGE, ZCOUNT and ZLEXCOUNT. */
export const BY_SCORE = 1;
export const BY_NAME = 2;
const REVERSE = 4;
export const WITH_SCORES = 8;
const WITHOUT_START = 16;
const WITHOUT_STOP = 32;

/* Flags of ZUNION and ZINTER, besides WITH_SCORES. */
const AGGREGATES = { sum: 0, min: 1, max: 2 } as const;

/** Scores may be infinite. */
export function checkScore(score: number, name: string): number {
  if (typeof score === 'number' && !Number.isNaN(score)) return score;
  throw new SlabringError('OPTION', `${name} must be a number, not ${show(score)}`);
}

export function pairsOf(
  entries: Iterable<readonly [Member, number]>,
  options: ScoreOptions,
): unknown[] {
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

export function scoreFlags(options: ScoreOptions): number {
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

export function orderFlags(options: OrderOptions): number {
  checkOptionNames(options, ['reverse'], 'a range');
  return readSwitch(options.reverse, 'reverse') ? REVERSE : 0;
}

const BOUND_NAMES = ['min', 'max', 'excludeMin', 'excludeMax'] as const;

/** What comes behind the key of a ZRANGE that is no range of ranks. */
export function rangeArguments<B>(options: RangeOptions<B>, by: number, flags: number): unknown[] {
  checkOptionNames(options, [...BOUND_NAMES, 'reverse', 'offset', 'count'], 'a range');
  const { reverse, offset = 0, count } = options;
  const isReverse = readSwitch(reverse, 'reverse');
  const { min, max, minFlag, maxFlag } = readBounds(options, by, isReverse);
  const all = by | flags | minFlag | maxFlag | (isReverse ? REVERSE : 0);
  const ends = isReverse ? [max, min] : [min, max];
  const most = count === undefined ? null : checkCount(count);
  return [...ends, all, checkCount(offset, 'offset'), most];
}

export function countArguments<B>(bounds: Bounds<B>, by: number): unknown[] {
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

/**
 * The arguments of a command on this set and those at further keys.
 * @param flags besides those of the options
 */
export function combineArguments(
  keys: Iterable<Key>,
  options: CombineOptions,
  flags: number,
  method: string,
): unknown[] {
  checkOptionNames(options, ['weights', 'aggregate'], method);
  const args: unknown[] = otherKeys(keys, method);
  const { aggregate = 'sum', weights } = options;
  if (!Object.hasOwn(AGGREGATES, aggregate)) {
    const allowed = "aggregate must be 'sum', 'min' or 'max'";
    throw new SlabringError('OPTION', `${allowed}, not ${show(aggregate)}`);
  }
  const all = flags | AGGREGATES[aggregate];
  if (weights === undefined) return all === 0 ? args : [...args, all];
  const sets = 1 + args.length;
  if (!Array.isArray(weights) || weights.length !== sets) {
    const allowed = `weights must be an array of ${sets}: a number for this set and for each key`;
    throw new SlabringError('OPTION', `${allowed}, not ${showWeights(weights)}`);
  }
  const numbers = weights.map((weight: number) => checkScore(weight, 'a weight'));
  return [...args, all, new ArrayHead(numbers.length), ...numbers];
}

function showWeights(weights: unknown): string {
  return Array.isArray(weights) ? `of ${weights.length}` : show(weights);
}
