/** Commands about the whole cache, and about what an entry is, 0x70 to 0x7f. */
import { ofAllKeys, reads } from './row.js';

export const ADMINISTRATION = {
  DBSIZE: ofAllKeys(0x70, '', false, 'count', 'The number of entries.'),
  FLUSH: ofAllKeys(0x71, '', true, 'boolean', 'Removes all entries; true.', 'O(memory)'),
  MEMORY: reads(0x72, 'key', 'integer', 'Bytes of memory that the entry takes, or nil.'),
  OBJECT: reads(
    0x73,
    'key',
    'description',
    'What is known of the entry, as a map, or nil. Does not count as a use of it.',
  ),
} as const;
