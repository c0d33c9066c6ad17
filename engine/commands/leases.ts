/** Commands that walk over keys, and those of leases and rate limits, 0x28 to 0x2d. */
import { ofAllKeys, writes } from './row.js';

export const LEASES = {
  SCAN: ofAllKeys(
    0x28,
    'cursor, options?',
    false,
    'page',
    'Some keys, from a cursor on (0 at first); the next cursor (0: that was all) and the keys.',
    'O(count)',
  ),
  RANDOMKEY: ofAllKeys(0x29, '', false, 'key', 'Any key, or nil when there is none.'),
  LOCK: writes(
    0x2a,
    'key, owner, ttlMs',
    'fence',
    'Takes the lease; its fence, a number that only grows, or nil while another owner has it.',
  ),
  UNLOCK: writes(0x2b, 'key, owner', 'boolean', 'Gives the lease up; true when the owner had it.'),
  EXTEND: writes(
    0x2c,
    'key, owner, ttlMs',
    'boolean',
    'Makes the lease last ttlMs from now on; true when the owner has it.',
  ),
  LIMIT: writes(
    0x2d,
    'key, capacity, refillPerSecond, cost?',
    'limit',
    'Takes cost (1) tokens from a bucket that refills; whether it could, tokens left, two waits.',
  ),
} as const;
