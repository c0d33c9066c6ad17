/** Commands on sorted sets, 0x60 to 0x6f and 0x88 to 0x8f. */
import { type CommandRow, reads, writes } from './row.js';

const LOG = 'O(log(size))';
const EACH = 'O(log(size)) for each member';
const RANGE = 'O(log(size) + n)';

/** A row of a command on several sets; `options` are names of what comes behind the keys. */
function onSets(code: number, options: readonly string[], summary: string): CommandRow {
  const args = ['key, ...', ...options].join(', ');
  const row = reads(code, args, 'array', summary, 'O(sets x members + n x log(n))');
  return { ...row, manyKeys: 'together', optionsBehind: options.length };
}

/** A row of a command that stores what comes of several sets at its first key. */
function stores(code: number, options: readonly string[], summary: string): CommandRow {
  const args = ['key, newKey, ...', ...options].join(', ');
  const row = writes(code, args, 'count', summary, 'as without STORE');
  return { ...row, manyKeys: 'together', optionsBehind: options.length };
}

export const SORTED = {
  ZADD: writes(
    0x60,
    'key, flags, score, member, ...',
    'value',
    'Gives members scores, as flags (or nil) allow; how many are new, with CH how many changed, with INCR the new score.',
    EACH,
  ),
  ZREM: writes(0x61, 'key, member, ...', 'count', 'Removes members; how many were there.', EACH),
  ZSCORE: reads(0x62, 'key, member', 'value', 'The score of the member, or nil.'),
  ZMSCORE: reads(
    0x63,
    'key, member, ...',
    'array',
    'The score or nil of each member.',
    'O(1) for each member',
  ),
  ZINCRBY: writes(
    0x64,
    'key, delta, member',
    'value',
    'Adds delta to the score of a member, 0 if it is new; the score.',
    LOG,
  ),
  ZCARD: reads(0x65, 'key', 'count', 'The number of members, 0 when absent.'),
  ZCOUNT: reads(
    0x66,
    'key, min, max, flags?',
    'count',
    'How many members have scores from min to max; nil is no bound, flags 16 and 32 exclude them.',
    LOG,
  ),
  ZRANK: reads(
    0x67,
    'key, member',
    'value',
    'How many members come before the member, or nil.',
    LOG,
  ),
  ZREVRANK: reads(
    0x68,
    'key, member',
    'value',
    'How many members come behind the member, or nil.',
    LOG,
  ),
  ZRANGE: reads(
    0x69,
    'key, start, stop, flags?, offset?, count?',
    'array',
    'The members from one bound to another, in order, as flags say.',
    RANGE,
  ),
  ZPOPMIN: writes(
    0x6a,
    'key, count?',
    'array',
    'Takes the member with the lowest score, or up to so many: member, score, ...',
    EACH,
  ),
  ZPOPMAX: writes(
    0x6b,
    'key, count?',
    'array',
    'Takes the member with the highest score, or up to so many: member, score, ...',
    EACH,
  ),
  ZRANDMEMBER: reads(
    0x6c,
    'key, count?, withScores?',
    'value',
    'A random member, or nil; with a count an array of so many different ones, below 0 any, and their scores for true.',
    'O(log(size)) for each member; O(size) for more than a 16th of it',
  ),
  ZRANGESTORE: {
    ...writes(
      0x6d,
      'key, newKey, start, stop, flags?, offset?, count?',
      'count',
      'ZRANGE of the sorted set at newKey, stored at key; how many members there are.',
      'O(log(size) + n x log(n))',
    ),
    ...{ manyKeys: 'together' as const, lastKey: 1 },
  },
  ZSCAN: reads(
    0x6e,
    'key, cursor, count?, match?',
    'array',
    'A page of a walk over the members: the next cursor, 0 at the end, and member, score, ...',
    'O(1) for each page',
  ),
  ZLEXCOUNT: reads(
    0x6f,
    'key, min, max, flags?',
    'count',
    'How many members are from min to max by their bytes, all scores being equal; otherwise as ZCOUNT.',
    LOG,
  ),
} as const;

export const MORE_SORTED = {
  ZUNION: onSets(
    0x88,
    ['flags?', 'weights?'],
    'The members that any of the sets has, sorted or not, in the order of the scores that flags and weights make.',
  ),
  ZINTER: onSets(
    0x89,
    ['flags?', 'weights?'],
    'The members that all the sets have, sorted or not, as ZUNION.',
  ),
  ZDIFF: onSets(
    0x8a,
    ['flags?'],
    'The members of the first set that no other has, sorted or not, in order, as flags say.',
  ),
  ZUNIONSTORE: stores(
    0x8b,
    ['flags?', 'weights?'],
    'ZUNION, stored at the first key; how many members there are.',
  ),
  ZINTERSTORE: stores(
    0x8c,
    ['flags?', 'weights?'],
    'ZINTER, stored at the first key; how many members there are.',
  ),
  ZDIFFSTORE: stores(0x8d, [], 'ZDIFF, stored at the first key; how many members there are.'),
  ZINTERCARD: {
    ...reads(
      0x8e,
      'key, ..., limit?',
      'count',
      'How many members all the sets have, sorted or not, counted up to limit (nil or 0: all).',
      'O(sets x smallest)',
    ),
    ...{ manyKeys: 'together' as const, optionsBehind: 1 },
  },
} as const;
