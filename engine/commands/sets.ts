/** Commands on sets, 0x40 to 0x4f. */
import { reads, writes } from './row.js';

const EACH = 'O(1) for each member';

export const SETS = {
  SADD: writes(0x40, 'key, member, ...', 'count', 'Adds members; how many are new.', EACH),
  SREM: writes(0x41, 'key, member, ...', 'count', 'Removes members; how many were there.', EACH),
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
} as const;
