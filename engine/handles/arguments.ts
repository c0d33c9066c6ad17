/** Checks arguments of the methods of handles, and says what is allowed. */
import { SlabringError } from '../errors.js';
import { checkOptionNames, show } from '../units.js';

/**
 * A member of a set or a field of a hash: text, bytes, or a whole number of 64 bits. Text and bytes
 * are the same where their bytes are; a number is no text. It comes back as it was stored, a number
 * as a bigint where a number would not hold it exactly.
 */
export type Member = string | Uint8Array | number | bigint;

/** The kernel's MAX_MEMBER_BYTES (engine/kernel/collections/member.ts). */
const MAX_MEMBER_BYTES = 4000;

/** The kernel's, and that of SCAN (engine/glob.ts). */
const MAX_PATTERN_BYTES = 256;

/** For commands without arguments behind the key. */
export const NO_ARGUMENTS = (): readonly unknown[] => [];

/** @throws SlabringError `OPTION` */
export function checkWhole(value: number, name: string): number {
  if (Number.isSafeInteger(value)) return value;
  throw new SlabringError('OPTION', `${name} must be a whole number, not ${show(value)}`);
}

/** @throws SlabringError `OPTION` */
export function checkCount(count: number, name = 'count'): number {
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new SlabringError('OPTION', `${name} must be a whole number from 0 on, not ${show(count)}`);
}

/** @throws SlabringError `OPTION` */
export function checkPositive(count: number, name = 'count'): number {
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new SlabringError('OPTION', `${name} must be a whole number from 1 on, not ${show(count)}`);
}

/** @throws SlabringError `OPTION` when it is not an integer of 64 bits with a sign */
export function checkDelta(delta: number | bigint): number | bigint {
  const fits =
    typeof delta === 'bigint' ? BigInt.asIntN(64, delta) === delta : Number.isSafeInteger(delta);
  if (fits) return delta;
  throw new SlabringError(
    'OPTION',
    `delta must be a whole number (a bigint beyond 2^53, of 64 bits at most), not ${show(delta)}`,
  );
}

/** @throws SlabringError `OPTION` when it is not a finite number */
export function checkNumber(value: number, name: string): number {
  if (Number.isFinite(value)) return value;
  throw new SlabringError('OPTION', `${name} must be a finite number, not ${show(value)}`);
}

/**
 * @param what 'member' or 'field'
 * @throws SlabringError `OPTION`
 */
export function checkMember(member: Member, what: string): Member {
  const length = bytesOf(member);
  if (length === undefined) {
    const allowed = 'a string, a Uint8Array, or a whole number of up to 64 bits';
    throw new SlabringError('OPTION', `a ${what} must be ${allowed}, not ${show(member)}`);
  }
  if (length <= MAX_MEMBER_BYTES) return member;
  const most = `a ${what} may have up to ${MAX_MEMBER_BYTES} bytes`;
  throw new SlabringError('OPTION', `${most}, not ${length}`);
}

/** @throws SlabringError `OPTION`, also when `members` is no iterable, or text */
export function checkMembers(members: Iterable<Member>, what: string, method: string): Member[] {
  const checked: Member[] = [];
  for (const member of checkIterable(members, method, `${what}s`)) {
    checked.push(checkMember(member, what));
  }
  return checked;
}

/**
 * @param what what `method` takes an iterable of
 * @throws SlabringError `OPTION`; for text too, whose characters were hardly meant
 */
export function checkIterable<T>(items: Iterable<T>, method: string, what: string): Iterable<T> {
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return items;
  throw new SlabringError('OPTION', `${method} takes an iterable of ${what}, not ${show(items)}`);
}

/**
 * A range whose end is not in it, as commands have ranges: with the last index in it.
 * @throws SlabringError `OPTION`
 */
export function rangeOf(start: number, end: number | undefined): readonly [number, number] {
  const first = checkWhole(start, 'start');
  if (end === undefined) return [first, -1];
  const last = checkWhole(end, 'end') - 1;
  // An end of 0 comes before all elements, where -1 would be the last one.
  return end === 0 ? [1, 0] : [first, last];
}

/** What `scan` and `scanPage` take. */
export interface ScanOptions {
  /** About how many a page has, from 1 on. Default 10 of a page by itself, 100 of `scan`. */
  count?: number;
  /**
   * Only those that match this pattern of Redis, of at most 256 bytes: `*`, `?`, `[a-z]`, `\\`
   * before what is meant literally. A number is matched by its digits.
   */
  match?: string;
}

/**
 * The arguments of a command for a page.
 * @throws SlabringError `OPTION`
 */
export function scanArguments(cursor: number, options: ScanOptions): unknown[] {
  checkOptionNames(options, ['count', 'match'], 'scan');
  const { count, match } = options;
  if (match !== undefined && typeof match !== 'string') {
    throw new SlabringError('OPTION', `match must be a string, not ${show(match)}`);
  }
  const matchBytes = match === undefined ? 0 : utf8Bytes(match);
  if (matchBytes > MAX_PATTERN_BYTES) {
    const most = `match must have at most ${MAX_PATTERN_BYTES} bytes`;
    throw new SlabringError('OPTION', `${most}, not ${matchBytes}`);
  }
  const most = count === undefined ? null : checkPositive(count);
  return [checkCount(cursor, 'cursor'), most, match ?? null];
}

/** What a member takes, of text at least nearly; undefined: it can be none. */
function bytesOf(member: unknown): number | undefined {
  if (typeof member === 'string') {
    // A character has at most 3 bytes: only long texts are worth counting.
    return 3 * member.length <= MAX_MEMBER_BYTES ? member.length : utf8Bytes(member);
  }
  if (member instanceof Uint8Array) return member.length;
  if (typeof member === 'bigint') {
    const fits = BigInt.asIntN(64, member) === member || BigInt.asUintN(64, member) === member;
    return fits ? 0 : undefined;
  }
  return Number.isSafeInteger(member) ? 0 : undefined;
}

/** Of text in UTF-8; half of a pair is written as U+FFFD. */
function utf8Bytes(text: string): number {
  if (text.length > MAX_MEMBER_BYTES) return text.length;
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x80) bytes += 1;
    else if (code < 0x800) bytes += 2;
    else bytes += code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
