/*
 * Ghosts: the keys that were evicted lately, as fingerprints of 16 bits. A key that comes back while its ghost is
 * there was evicted too early (s3fifo.ts).
 *
 * A unit of the side table is four buckets of eight fingerprints, each bucket a queue of its own: the newest in lane
 * 0, the oldest falls out of lane 7. There are as many fingerprints as entries, so a ghost lasts for about as many
 * evictions. One key in 8,000 is taken for a ghost and is none. (Fingerprints of 12 bits are too few: where new keys
 * seldom come back, the false ones fill the main queue.)
 */
import { Address } from '../layout';
import { Partition } from '../partition';
import { mixed, unitFor, UNIT_BYTES, wantUnits } from './sidetable';

const GHOST_BYTES: u32 = 2;
const GHOSTS_PER_UNIT: u32 = UNIT_BYTES / GHOST_BYTES;

/** Asks for a table that fits the entries there are now; called when something is evicted. */
@inline
export function wantGhosts(partition: Partition): void {
  wantUnits(partition, (partition.entries + GHOSTS_PER_UNIT - 1) / GHOSTS_PER_UNIT);
}

@inline
function fingerprint(mixedHash: u32): u16 {
  const print = <u16>(mixedHash * 0xc2b2ae3d >> 16);
  return print ? print : 1;
}

/** The bucket of a key, or 0 when there is no table yet. */
@inline
function bucketFor(partition: Partition, mixedHash: u32): Address {
  const unit = unitFor(partition, mixedHash);
  // Low bits: the unit is chosen by the high ones.
  return unit ? unit + ((mixedHash & 3) << 4) : 0;
}

/** Remembers a key that is evicted. */
export function addGhost(partition: Partition, hash: u32): void {
  const x = mixed(hash);
  const bucket = bucketFor(partition, x);
  if (bucket == 0) return;
  const print = i16x8.splat(<i16>fingerprint(x));
  v128.store(bucket, v128.shuffle<i16>(v128.load(bucket), print, 8, 0, 1, 2, 3, 4, 5, 6));
}

/** Whether a key is remembered; it then is no more. */
export function takeGhost(partition: Partition, hash: u32): bool {
  const x = mixed(hash);
  const bucket = bucketFor(partition, x);
  if (bucket == 0) return false;
  const prints = v128.load(bucket);
  const equal = i16x8.eq(prints, i16x8.splat(<i16>fingerprint(x)));
  if (!v128.any_true(equal)) return false;
  v128.store(bucket, v128.andnot(prints, equal));
  return true;
}
