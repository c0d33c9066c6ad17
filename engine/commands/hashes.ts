/** Commands on hashes, 0x50 to 0x5f, and 0x80 to 0x87. */
import { reads, writes } from './row.js';

const EACH = 'O(1) for each field';
/** They have a place in an order. */
const EACH_EXPIRING = 'O(log size) for each field';
const ALL = 'O(size)';

export const HASHES = {
  HSET: writes(
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
  HDEL: writes(0x55, 'key, field, ...', 'count', 'Removes fields; how many were there.', EACH),
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
    'O(1) for each field; O(size) for more than the root of it',
  ),
  HSCAN: reads(
    0x5e,
    'key, cursor, count?, match?',
    'array',
    'A page of a walk over the fields: the next cursor, 0 at the end, and field, value, field, ...',
    'O(1) for each page',
  ),
  HEXPIRE: writes(
    0x80,
    'key, ttlMs, condition, field, ...',
    'array',
    'Lets fields expire; for each -2 when absent, 0 the condition (see flags) is not met, 1 done, 2 removed by a TTL of 0.',
    EACH_EXPIRING,
  ),
  HPERSIST: writes(
    0x81,
    'key, field, ...',
    'array',
    'Lets fields not expire; for each -2 when absent, -1 it does not anyway, 1 done.',
    EACH_EXPIRING,
  ),
  HTTL: reads(
    0x82,
    'key, field, ...',
    'array',
    'For each field milliseconds left, -1 without expiry, -2 when absent.',
    EACH,
  ),
  HSETEX: writes(
    0x83,
    'key, ttlMs, flags, field, value, ...',
    'boolean',
    'Sets fields that expire, given in pairs; false when a condition (see flags) failed, and then nothing is set.',
    EACH_EXPIRING,
  ),
  HGETEX: writes(
    0x84,
    'key, ttlMs, field, ...',
    'array',
    'The value or nil of each field, and another expiry for it; 0 takes it away, nil lets it be.',
    EACH_EXPIRING,
  ),
  HGETDEL: writes(
    0x85,
    'key, field, ...',
    'array',
    'The value or nil of each field, which is removed.',
    EACH_EXPIRING,
  ),
} as const;
