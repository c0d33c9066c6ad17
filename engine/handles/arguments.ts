/** Checks arguments of the methods of handles, and says what is allowed. */
import { SlabringError } from '../errors.js';
import { show } from '../units.js';

/**
 * A member of a set or a field of a hash: text, bytes, or a whole number of 64 bits. Text and bytes
 * are the same where their bytes are; a number is no text. It comes back as it was first stored: a
 * number as a bigint where a number would not hold it exactly.
 */
export type Member = string | Uint8Array | number | bigint;

/** The kernel's MAX_MEMBER_BYTES (engine/kernel/collections/member.ts). */
const MAX_MEMBER_BYTES = 4000;

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
  throw new SlabringError('OPTION', `a ${what} may have ${MAX_MEMBER_BYTES} bytes, not ${length}`);
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
