/** Commands on fields of hashes that expire, 0x80 to 0x87. */
import { reads, writes } from './row.js';

/** Fields that expire have places in an order. */
const EACH = 'O(log(size)) for each field';

export const FIELDS = {
  HEXPIRE: writes(
    0x80,
    'key, ttlMs, condition, field, ...',
    'array',
    'Lets fields expire; for each -2 when absent, 0 the condition (see flags) is not met, 1 done, 2 removed by a TTL of 0.',
    EACH,
  ),
  HPERSIST: writes(
    0x81,
    'key, field, ...',
    'array',
    'Lets fields not expire; for each -2 when absent, -1 it does not anyway, 1 done.',
    EACH,
  ),
  HTTL: reads(
    0x82,
    'key, field, ...',
    'array',
    'For each field milliseconds left, -1 without expiry, -2 when absent.',
    'O(1) for each field',
  ),
  HSETEX: writes(
    0x83,
    'key, ttlMs, flags, field, value, ...',
    'boolean',
    'Sets fields that expire, given in pairs; false when a condition (see flags) failed, and then nothing is set.',
    EACH,
  ),
  HGETEX: writes(
    0x84,
    'key, ttlMs, field, ...',
    'array',
    'The value or nil of each field, and another expiry for it; 0 takes it away, nil lets it be.',
    EACH,
  ),
  HGETDEL: writes(
    0x85,
    'key, field, ...',
    'array',
    'The value or nil of each field, which is removed.',
    EACH,
  ),
} as const;
