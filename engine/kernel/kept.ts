/*
 * What the host needs to keep a value decoded (engine/decoded.ts): the value with its stamp (stamps.ts), and ways to
 * tell that what is kept was used.
 */
import { lengthOrWhy } from './direct';
import { sample } from './eviction/adaptive';
import { KeyWord, lengthOf } from './entry';
import { hashKey } from './hash';
import { Address, header } from './layout';
import { mark } from './marks';
import { partitionOfHash } from './partition';
import { lastExpiry, look, PRESENT, readValueAgain, WHEN_NEEDED, WRONG_TYPE } from './read';
import { stampAddressOf } from './stamps';
import { find, homeBucket } from './table';
import { blockOf, replyArea, requestArea, scratchOf } from './threads';

/** What `getStamped` tells beside the value, in the thread's scratch. */
@unmanaged
class Stamped {
  /** Unix time in ms from which on the entry is gone; 0: it does not expire. */
  expiry: f64;
  /** Where the key's stamp stands, and what it was; address 0: the value was written meanwhile and must not be kept. */
  stampAddress: Address;
  stamp: u32;
  partition: Address;
  /** Entries of the partition. */
  entries: u32;
}

/** Where `getStamped` puts what it tells beside the value. */
export function stampedAt(thread: u32): Address {
  return scratchOf(thread);
}

/** `getDirect` for a value that is to be kept. A large one is not. */
export function getStamped(thread: u32, keyWord: KeyWord): i32 {
  const key = requestArea(thread);
  const out = replyArea(thread);
  const limit = out + header().areaBytes;
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  const at = stampAddressOf(hash);
  const stamp = atomic.load<u32>(at);
  const end = readValueAgain(thread, out, limit, hash, key, keyWord, WHEN_NEEDED);
  if (end <= WRONG_TYPE) return lengthOrWhy(end, out);
  const found = look(thread, hash, key, keyWord, false, WHEN_NEEDED);
  const result = changetype<Stamped>(scratchOf(thread));
  result.expiry = <f64>lastExpiry();
  // Unchanged: no write came between value and expiry, so they belong together.
  result.stampAddress = found == PRESENT && atomic.load<u32>(at) == stamp ? at : 0;
  result.stamp = stamp;
  result.partition = changetype<u32>(partition);
  result.entries = partition.entries;
  return <i32>(end - out);
}

/**
 * Marks a key as used whose value was kept. Waits for nobody, so that a hit does not: beside a writer the mark may go
 * astray, which is harmless (table.ts).
 */
export function touchStamped(thread: u32, keyWord: KeyWord): void {
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const slot = find(homeBucket(hash), hash, key, keyWord);
  if (slot == 0) return;
  mark(partitionOfHash(hash), slot);
  sample(thread, hash);
}

/** Counts hits that the host served by itself. */
export function addHits(thread: u32, hits: u32): void {
  blockOf(thread).hits += hits;
}
