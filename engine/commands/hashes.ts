/** Commands on hashes, 0x50 to 0x5f; more of them are in fields.ts. */
import { reads, repeats, writes } from './row.js';

const EACH = 'O(1) for each field';
const ALL = 'O(size)';

export const HASHES = {
  HSET: repeats(
    0x50,
    'key, field, value, ...',
    'count',
    'Sets fields to values, given in pairs; how many fields are new.',
    EACH,
  ),
  HSETNX: writes(
    0x51,
    'key, field, value',
    'boolean',
    'Sets the field if it is not there; whether it was set.',
  ),
  HGET: reads(0x52, 'key, field', 'value', 'The value of the field, or nil.'),
  HMGET: reads(0x53, 'key, field, ...', 'array', 'The value or nil of each field.', EACH),
  HGETALL: reads(0x54, 'key', 'map', 'All fields with their values, in no order.', ALL),
  HDEL: repeats(0x55, 'key, field, ...', 'count', 'Removes fields; how many were there.', EACH),
  HEXISTS: reads(0x56, 'key, field', 'boolean', 'Whether the field is there.'),
  HLEN: reads(0x57, 'key', 'count', 'The number of fields, 0 when absent.'),
  HKEYS: reads(0x58, 'key', 'array', 'All fields, in no order.', ALL),
  HVALS: reads(0x59, 'key', 'array', 'All values, in no order.', ALL),
  HSTRLEN: reads(
    0x5a,
    'key, field',
    'count',
    'The length of a str or bin in bytes, 0 when absent.',
  ),
  HINCRBY: writes(
    0x5b,
    'key, field, delta',
    'integer',
    'Adds delta to an integer; the sum. A missing field counts as 0.',
  ),
  HINCRBYFLOAT: writes(
    0x5c,
    'key, field, delta',
    'float',
    'Adds delta to a number; the sum, a float. A missing field counts as 0.',
  ),
  HRANDFIELD: reads(
    0x5d,
    'key, count?, withValues?',
    'value',
    'A random field, or nil; with a count an array of so many different ones, below 0 any, and their values for true.',
    'O(1) for each field; O(size) for more than a 16th of it',
  ),
  HSCAN: reads(
    0x5e,
    'key, cursor, count?, match?',
    'array',
    'A page of a walk over the fields: the next cursor, 0 at the end, and field, value, field, ...',
    'O(1) for each page',
  ),
} as const;
