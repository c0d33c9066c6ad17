/*
 * Stamps tell a thread that keeps a decoded value (engine/decoded.ts) whether the value's key was written since. Only
 * in arenas whose creator asked for them.
 *
 *   stamps   u32 x 2^(32 - stampShift), at Header.stamps (0: there are none)
 *
 * Stamp number i counts the writes to keys whose hash begins with the bits of i. The bits of the partition come first,
 * so a partition has a run of stamps of its own: it is changed under that partition's lock only, by plain stores, and
 * read by anybody. Its memory never becomes anything else, and a stamp never goes back.
 *
 * A write here is whatever changes what a read of the key returns, or until when: a value, an expiry, an end by
 * deletion, expiry, eviction, clear, or the recovery of the partition. Not where the entry lies: moving it, or giving
 * it a version, changes no stamp. Other keys share the stamp; a write to them makes the value be decoded once more.
 *
 * Why an equal stamp means that the value is the key's. The reader loads the stamp, s, then reads the value the way of
 * all readers (read.ts). Take the first write W that comes after what it read, in the order of the partition's lock.
 * - W raises the stamp between taking the lock and giving it up.
 * - s does not contain W's raise. The raise comes after W's compare-and-swap of the lock's word (on ARM by the fence
 *   there). The reader loaded s, atomically, before it loaded the word: had it seen the raise, it would have found the
 *   word W's or later, and so read W's value or a later one.
 * - Whoever was told that W is done, by the lock's word or by anything that its thread did after W, sees the raise too,
 *   because the unlocking store comes after it. For him the stamp differs from s.
 * So a value is handed out only as long as no later write is known to be done: a `get` that begins after another
 * thread's `set` returned sees the new value, and no thread sees values of a key go backwards. Nothing can be torn: one
 * aligned word of 32 bits is all that is compared, and what it vouches for is the thread's own.
 *
 * A stamp comes round after 2^32 writes. A value that a thread keeps and does not ask for while just so many writes
 * hit its stamp would pass for the key's: at the full speed of one partition that takes ten minutes of nothing else,
 * and then one chance in four thousand million.
 */
import { Address, header } from './layout';
import { Partition, partitionIndex } from './partition';

/** Where the stamp of a key stands. */
@inline
export function stampAddressOf(hash: u32): Address {
  return header().stamps + ((hash >> header().stampShift) << 2);
}

@inline
function raise(at: Address): void {
  store<u32>(at, load<u32>(at) + 1);
}

/** To be called under the partition's lock by whatever writes a key. */
@inline
export function stampKey(hash: u32): void {
  if (header().stamps != 0) raise(stampAddressOf(hash));
}

/** Likewise by what writes all keys of a partition. */
export function stampPartition(partition: Partition): void {
  const head = header();
  if (head.stamps == 0) return;
  const count = ((1 as u64) << (32 - head.stampShift)) / head.partitionCount;
  const first = head.stamps + ((<u32>count * partitionIndex(partition)) << 2);
  for (let i: u32 = 0; i < <u32>count; i++) raise(first + (i << 2));
}
