/** Commands on lists, 0x30 to 0x3f. `n` is the number of elements given, taken or walked over. */
import { reads, writes } from './row.js';

const PUSH = 'O(1) for each element';
const POP = 'O(1) for each element';

export const LISTS = {
  LPUSH: writes(
    0x30,
    'key, element, ...',
    'count',
    'Puts elements at the left end, one after the other; the length then.',
    PUSH,
  ),
  RPUSH: writes(
    0x31,
    'key, element, ...',
    'count',
    'Puts elements at the right end, one after the other; the length then.',
    PUSH,
  ),
  LPUSHX: writes(0x32, 'key, element, ...', 'count', 'LPUSH, if there is a list; else 0.', PUSH),
  RPUSHX: writes(0x33, 'key, element, ...', 'count', 'RPUSH, if there is a list; else 0.', PUSH),
  LPOP: writes(
    0x34,
    'key, count?',
    'value',
    'Takes the element at the left end, or nil; with a count an array of up to so many.',
    POP,
  ),
  RPOP: writes(
    0x35,
    'key, count?',
    'value',
    'Takes the element at the right end, or nil; with a count an array of up to so many.',
    POP,
  ),
  LLEN: reads(0x36, 'key', 'count', 'The number of elements, 0 when absent.'),
  LRANGE: reads(
    0x37,
    'key, start, stop',
    'array',
    'The elements from one index to another, both included; negative ones count from the end.',
    'O(log(length) + n)',
  ),
  LINDEX: reads(
    0x38,
    'key, index',
    'value',
    'The element at an index, negative from the end, or nil.',
    'O(log(length))',
  ),
  LSET: writes(
    0x39,
    'key, index, element',
    'boolean',
    'Replaces the element at an index; true, or false when there is none.',
    'O(log(length))',
  ),
  LTRIM: writes(
    0x3a,
    'key, start, stop',
    'boolean',
    'Keeps the elements from one index to another only; true.',
    'O(log(length) + n)',
  ),
  LINSERT: writes(
    0x3b,
    'key, where, pivot, element',
    'integer',
    'Puts an element BEFORE or AFTER the first one that equals the pivot; the length, -1 without pivot, 0 without list.',
    'O(n)',
  ),
  LREM: writes(
    0x3c,
    'key, count, element',
    'count',
    'Removes up to count elements that equal it, from the right below 0, all for 0; how many there were.',
    'O(length)',
  ),
  LPOS: reads(
    0x3d,
    'key, element, rank?, count?, maxLength?',
    'value',
    'The index of an element or nil; with a count an array of up to so many, all for 0.',
    'O(n)',
  ),
  LMOVE: {
    ...writes(
      0x3e,
      'key, newKey, from, to',
      'value',
      'Moves the element at one end (LEFT or RIGHT) of a list to an end of another; it, or nil.',
    ),
    ...{ manyKeys: 'together' as const, lastKey: 1 },
  },
} as const;
