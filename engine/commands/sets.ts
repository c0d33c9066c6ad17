/** Commands on sets, 0x40 to 0x4f; those for which there was no room in two other ranges. */
import { type CommandRow, type ReplyKind, reads, repeats, writes } from './row.js';

const EACH = 'O(1) for each member';

/** A row of a command all of whose arguments are keys of sets. */
function onSets(code: number, reply: ReplyKind, summary: string, complexity: string): CommandRow {
  return { ...reads(code, 'key, ...', reply, summary, complexity), manyKeys: 'together' };
}

/** A row of a command that counts what is in several sets. */
function counts(code: number, summary: string, complexity: string): CommandRow {
  const row = reads(code, 'key, ..., limit?', 'count', summary, complexity);
  return { ...row, manyKeys: 'together', optionsBehind: 1 };
}

/** A row of a command that stores a set at its first key. */
function stores(code: number, summary: string): CommandRow {
  const row = writes(code, 'key, newKey, ...', 'count', summary, 'as without STORE');
  return { ...row, manyKeys: 'together' };
}

/** In the range of keys and strings, because that of sets is full. */
export const SET_SCAN = {
  SSCAN: reads(
    0x2f,
    'key, cursor, count?, match?',
    'array',
    'A page of a walk over the members: the next cursor, 0 at the end, and some members.',
    'O(1) for each page',
  ),
} as const;

export const SETS = {
  SADD: repeats(0x40, 'key, member, ...', 'count', 'Adds members; how many are new.', EACH),
  SREM: repeats(0x41, 'key, member, ...', 'count', 'Removes members; how many were there.', EACH),
  SISMEMBER: reads(0x42, 'key, member', 'boolean', 'Whether it is a member.'),
  SMISMEMBER: reads(
    0x43,
    'key, member, ...',
    'array',
    'For each of them whether it is a member.',
    EACH,
  ),
  SCARD: reads(0x44, 'key', 'count', 'The number of members, 0 when absent.'),
  SMEMBERS: reads(0x45, 'key', 'array', 'All members, in no order.', 'O(size)'),
  SPOP: writes(
    0x46,
    'key, count?',
    'value',
    'Takes a random member, or nil; with a count an array of up to so many.',
    EACH,
  ),
  SRANDMEMBER: reads(
    0x47,
    'key, count?',
    'value',
    'A random member, or nil; with a count an array of so many different ones, below 0 any.',
    'O(1) for each member; O(size) for more than a 16th of it',
  ),
  SMOVE: {
    ...writes(
      0x48,
      'key, newKey, member',
      'boolean',
      'Moves a member to another set; false when it was not there.',
    ),
    ...{ manyKeys: 'together' as const, lastKey: 1 },
  },
  SINTER: onSets(0x49, 'array', 'The members that all the sets have.', 'O(sets x smallest)'),
  SUNION: onSets(0x4a, 'array', 'The members that any of the sets has.', 'O(sets x all members)'),
  SDIFF: onSets(
    0x4b,
    'array',
    'The members of the first set that no other has.',
    'O(sets x first size)',
  ),
  SINTERSTORE: stores(0x4c, 'SINTER, stored at the first key; how many members there are.'),
  SUNIONSTORE: stores(0x4d, 'SUNION, stored at the first key; how many members there are.'),
  SDIFFSTORE: stores(0x4e, 'SDIFF, stored at the first key; how many members there are.'),
  SINTERCARD: counts(
    0x4f,
    'How many members all the sets have, counted up to limit (nil or 0: all).',
    'O(sets x smallest)',
  ),
} as const;

/** In the range of hashes. */
export const MORE_SETS = {
  SUNIONCARD: counts(
    0x86,
    'How many members any of the sets has, counted up to limit (nil or 0: all).',
    'O(sets x all members)',
  ),
  SDIFFCARD: counts(
    0x87,
    'How many members of the first set no other has, counted up to limit (nil or 0: all).',
    'O(sets x first size)',
  ),
} as const;
