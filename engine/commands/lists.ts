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
  LTRIM: writes(
    0x3a,
    'key, start, stop',
    'boolean',
    'Keeps the elements from one index to another only; true.',
    'O(log(length) + n)',
  ),
} as const;
