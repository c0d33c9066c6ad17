/**
 * The commands about keys, as the cache and the client have them: reads what their methods are
 * given, of which what is wrong is an `OPTION`, and what comes back.
 */
import type {
  Duration,
  Key,
  KeyDescription,
  KeyScanOptions,
  KeyType,
  LimitOptions,
  LimitResult,
  TimeLeft,
  Version,
} from './api.js';
import { KEY_TYPES } from './commands.js';
import { SlabringError } from './errors.js';
import { checkOptionNames, MAX_TTL_MS, parseDuration, show } from './units.js';

/** As many keys are looked at for a page when it is not said. */
const DEFAULT_COUNT = 100;
/** A page should take less than a millisecond. */
const MOST_COUNT = 1000;
/** engine/glob.ts has the same. */
const MAX_PATTERN_BYTES = 256;
/** engine/kernel/types/lease.ts has the same. */
const MAX_OWNER_BYTES = 128;
/** engine/kernel/types/limit.ts has the same. */
const MAX_TOKENS = 1_000_000_000;

const encoder = new TextEncoder();

/** Options of `scan` as they were read. */
export interface ReadScan {
  /** The pattern's bytes. */
  readonly match: Uint8Array | undefined;
  readonly count: number;
  /** The kind of entries, as an index of `KEY_TYPES`; 0: any. */
  readonly kind: number;
}

/** @throws SlabringError `OPTION` */
export function readScanOptions(options: KeyScanOptions | undefined): ReadScan {
  if (options === undefined) return { match: undefined, count: DEFAULT_COUNT, kind: 0 };
  checkOptionNames(options, ['match', 'count', 'type'], 'scan');
  const { match, count, type } = options;
  return { match: readMatch(match), count: readCount(count), kind: readType(type) };
}

function readMatch(match: unknown): Uint8Array | undefined {
  if (match === undefined) return match;
  const bytes = typeof match === 'string' ? encoder.encode(match) : match;
  if (!(bytes instanceof Uint8Array)) throw wrong('match', 'a string or a Uint8Array', match);
  if (bytes.length <= MAX_PATTERN_BYTES) return bytes;
  const most = `match must have at most ${MAX_PATTERN_BYTES} bytes`;
  throw new SlabringError('OPTION', `${most}, not ${bytes.length}`);
}

function readCount(count: unknown): number {
  if (count === undefined) return DEFAULT_COUNT;
  const isWhole = typeof count === 'bigint' || Number.isInteger(count);
  if (!isWhole || Number(count) < 1) throw wrong('count', 'a whole number from 1 on', count);
  return Math.min(Number(count), MOST_COUNT);
}

function readType(type: unknown): number {
  if (type === undefined) return 0;
  const kind = (KEY_TYPES as readonly unknown[]).indexOf(type);
  if (kind < 1) throw wrong('type', `one of ${KEY_TYPES.slice(1).join(', ')}`, type);
  return kind;
}

/** @throws SlabringError `OPTION` when it is no cursor of a cache of whatever size */
export function readCursor(cursor: unknown): number {
  const number = typeof cursor === 'bigint' ? Number(cursor) : cursor;
  if (Number.isSafeInteger(number) && (number as number) >= 0) return number as number;
  throw wrong('cursor', '0 or the cursor of the page before', cursor);
}

/** @throws SlabringError `OPTION` when it is no owner of a lease */
export function checkOwner(owner: Key): void {
  const bytes = typeof owner === 'string' ? encoder.encode(owner) : owner;
  const isRight = bytes instanceof Uint8Array;
  if (isRight && bytes.length >= 1 && bytes.length <= MAX_OWNER_BYTES) return;
  throw wrong('owner', `text or bytes of 1 to ${MAX_OWNER_BYTES} bytes`, owner);
}

/** @throws SlabringError `OPTION` */
export function readLeaseTtl(ttl: Duration): number {
  const ttlMs = parseDuration(ttl, 'ttl');
  if (ttlMs > 0) return ttlMs;
  throw wrong('ttl', 'more than 0: a lease must end by itself', ttl);
}

/** @throws SlabringError `OPTION` */
export function readLimitOptions(options: LimitOptions): Required<LimitOptions> {
  checkOptionNames(options, ['capacity', 'refillPerSecond', 'cost'], 'limit');
  const { capacity, refillPerSecond, cost = 1 } = options;
  const isTokens = (value: unknown, least: number) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= MAX_TOKENS;
  const range = `a whole number from 1 to ${MAX_TOKENS}`;
  if (!isTokens(capacity, 1)) throw wrong('capacity', range, capacity);
  if (!isTokens(cost, 0)) throw wrong('cost', range.replace('1', '0'), cost);
  const isRate = typeof refillPerSecond === 'number' && refillPerSecond > 0;
  if (!isRate || refillPerSecond > MAX_TOKENS) {
    throw wrong('refillPerSecond', `a number above 0, up to ${MAX_TOKENS}`, refillPerSecond);
  }
  if (capacity * 1000 > refillPerSecond * MAX_TTL_MS) {
    throw wrong('refillPerSecond', 'enough to fill the bucket in 100 years', refillPerSecond);
  }
  return { capacity, refillPerSecond, cost };
}

function wrong(name: string, allowed: string, found: unknown): SlabringError {
  return new SlabringError('OPTION', `${name} must be ${allowed}, not ${show(found)}`);
}

/** The replies to LIMIT and OBJECT. */
export type WireLimit = readonly [boolean, number, number, number];
export interface WireDescription {
  readonly type: KeyType;
  readonly encoding: KeyDescription['encoding'];
  readonly bytes: number;
  readonly memoryBytes: number;
  readonly ttlMs: number;
  readonly mark: number;
  readonly version: Version | null;
}

export function readTypeName(reply: unknown): KeyType | undefined {
  return reply === 'none' ? undefined : (reply as KeyType);
}

export function readLimit([allowed, remaining, waitMs, fullAfterMs]: WireLimit): LimitResult {
  return { allowed, remaining, retryAfterMs: orInfinity(waitMs), fullAfterMs };
}

export function readDescription(reply: WireDescription | null): KeyDescription | undefined {
  if (reply === null) return undefined;
  const ttlMs: TimeLeft = orInfinity(reply.ttlMs);
  return { ...reply, ttlMs, version: reply.version ?? undefined };
}

/** -1 stands for it on the wire. */
function orInfinity(ms: number): number {
  return ms === -1 ? Number.POSITIVE_INFINITY : ms;
}
