/*
 * A walk over the items of a set or hash, by cursor, a page at a time, during which anything may be changed between two
 * pages. As Redis states it: what is there during the whole walk is told at least once; here, unless a table is made of
 * a packed body meanwhile, at most once, too.
 *
 * The cursor is where the walk stands in the order of hashes read from their lowest bit on (Pieter Noordhuis's idea in
 * Redis's dictScan). In this order the hashes of a bucket are a run, and so are those of the buckets that it is split
 * into: whatever the table does, what the cursor has behind it was told, and nothing else. 0 is the start and the end.
 * A packed body is told whole.
 */
import { Address } from '../layout';
import { bucketWord } from './directory';
import { hashOfStored } from './member';
import { isRooted, ROOT_BUCKETS, rootOf } from './root';
import { bucketOfHash } from './table';

/** A word with its bits in the opposite order. */
export function reversed(word: u32): u32 {
  let x = word;
  x = ((x >> 1) & 0x55555555) | ((x & 0x55555555) << 1);
  x = ((x >> 2) & 0x33333333) | ((x & 0x33333333) << 2);
  x = ((x >> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
  return bswap<u32>(x);
}

/** The cursors of a bucket are so many in a row, less one: it may have been split already, or be still to be. */
function spanOf(bucket: u32, buckets: u32): u32 {
  let bits: u32 = 31 - clz(buckets);
  if (bucket + ((1 as u32) << bits) < buckets || bucket >= (1 as u32) << bits) bits += 1;
  return bits == 0 ? u32.MAX_VALUE : ((1 as u32) << (32 - bits)) - 1;
}

/** The span of the bucket that a cursor stands at. */
@inline
function spanAt(address: Address, cursor: u32): u32 {
  const buckets = load<u32>(rootOf(address), ROOT_BUCKETS);
  return spanOf(bucketOfHash(reversed(cursor), buckets), buckets);
}

/** The cursor behind the bucket that a cursor stands at; 0: that was the last one. */
@inline
export function nextCursor(address: Address, cursor: u32): u32 {
  if (!isRooted(address)) return 0;
  const span = spanAt(address, cursor);
  return (cursor & ~span) + span + 1;
}

/** Whether a cursor stands within a bucket: it was joined with one that was told of. Not for what is packed. */
@inline
export function isWithinBucket(address: Address, cursor: u32): bool {
  return (cursor & spanAt(address, cursor)) != 0;
}

/** Whether the walk told of a member before it came to a cursor. */
@inline
export function isTold(member: Address, cursor: u32): bool {
  return reversed(hashOfStored(member)) < cursor;
}

/** The first node of the bucket that a cursor stands at, 0: it is empty. Not for what is packed. */
@inline
export function bucketAt(address: Address, cursor: u32): Address {
  const root = rootOf(address);
  return load<u32>(bucketWord(root, bucketOfHash(reversed(cursor), load<u32>(root, ROOT_BUCKETS))));
}
