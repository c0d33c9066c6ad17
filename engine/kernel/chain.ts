/*
 * Building the chain of an entry from a payload that lies in one piece (entry.ts draws chains; draft.ts builds those
 * of values that do not). Everything here runs under the partition's lock.
 */
import { CHUNK_PIECE, entryAt, firstPiece, PAGE_PAYLOAD, PIECE_FIXED_BYTES, pieceAt, setFirstPiece } from './entry';
import { freeChain } from './eviction/removal';
import { Address, LARGE_BYTES, MAX_CHUNK } from './layout';
import { Partition } from './partition';
import { allocate } from './room';
import { classOf, pageClass } from './slab';

/**
 * Makes the chain of an entry for `keyBytes` (0: the key is inline) and `valueBytes`. False: out of memory. While it
 * grows, its pieces may be moved (vacate.ts), so it hangs on its entry from the start.
 */
export function buildChain(
  partition: Partition,
  address: Address,
  key: Address,
  keyBytes: u32,
  value: Address,
  valueBytes: u32,
  thread: u32,
  nowMs: i64,
): bool {
  const entry = entryAt(address);
  setFirstPiece(address, entry, 0);
  partition.chainEnd = 0;
  const total = keyBytes + valueBytes;
  const isLarge = total > LARGE_BYTES;
  const mostBytes = isLarge ? PAGE_PAYLOAD : MAX_CHUNK - PIECE_FIXED_BYTES;
  let done: u32 = 0;
  while (done < total) {
    const bytes = min<u32>(total - done, mostBytes);
    const sizeClass = isLarge ? pageClass() : classOf(bytes + PIECE_FIXED_BYTES);
    const piece = allocate(partition, sizeClass, thread, nowMs);
    if (piece == 0) break;
    const end = partition.chainEnd;
    const fields = pieceAt(piece);
    fields.next = 0;
    fields.kind = CHUNK_PIECE;
    fields.previous = end ? end : address;
    fields.bytes = bytes;
    copyTwo(piece + PIECE_FIXED_BYTES, done, bytes, key, keyBytes, value);
    if (end) pieceAt(end).next = piece;
    else setFirstPiece(address, entry, piece);
    partition.chainEnd = piece;
    done += bytes;
  }
  partition.chainEnd = 0;
  if (done == total) return true;
  freeChain(partition, firstPiece(address, entry));
  return false;
}

/** Copies `length` bytes from byte `skip` on of `a` (of `aBytes`) followed by `b`. */
function copyTwo(
  target: Address,
  skip: u32,
  length: u32,
  a: Address,
  aBytes: u32,
  b: Address,
): void {
  if (skip < aBytes) {
    const part = min<u32>(aBytes - skip, length);
    memory.copy(target, a + skip, part);
    target += part;
    length -= part;
    skip = aBytes;
  }
  if (length) memory.copy(target, b + (skip - aBytes), length);
}
