/*
 * Building the chain of an entry from a payload that lies in one piece (entry.ts draws chains; draft.ts builds those
 * of values that do not). Everything here runs under the partition's lock.
 */
import { CHUNK_PIECE, entryAt, firstPiece, PAGE_PAYLOAD, PIECE_FIXED_BYTES, pieceAt, setFirstPiece } from './entry';
import { freeChain } from './eviction/removal';
import { Address, LARGE_BYTES, MAX_CHUNK } from './layout';
import { Partition } from './partition';
import { allocate } from './room';
import { chunkBytesOf, classOf, classOfChunk, giveChunk, pageClass } from './slab';

/**
 * Makes the chain of an entry for `keyBytes` (0: the key is inline) and `valueBytes`. False: out of memory. While it
 * grows, its pieces may be moved (vacate.ts), so it hangs on its entry from the start. `value` 0: the caller writes it.
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

/** Copies `length` bytes from byte `skip` on of `a` (of `aBytes`) followed by `b`; 0: what is there stays. */
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
  if (length != 0 && b != 0) memory.copy(target, b + (skip - aBytes), length);
}

/**
 * Makes the chain of an entry in the table longer by so many bytes, which are not written yet. False: out of memory,
 * and it is as it was. The caller makes the entry's length what it is then; it has the chain stay on its side of
 * LARGE_BYTES.
 */
export function growChain(
  partition: Partition,
  address: Address,
  oldBytes: u32,
  moreBytes: u32,
  thread: u32,
  nowMs: i64,
): bool {
  const isLarge = oldBytes > LARGE_BYTES;
  partition.pinnedOld = address;
  partition.chainEnd = lastPieceOf(address);
  let grown = isLarge || widenEnd(partition, moreBytes, thread, nowMs);
  let room: u32 = 0;
  let left: u32 = 0;
  if (grown) {
    const end = partition.chainEnd;
    room = min<u32>(chunkBytesOf(classOfChunk(end)) - PIECE_FIXED_BYTES - pieceAt(end).bytes, moreBytes);
    left = moreBytes - room;
    grown = addPieces(partition, left, isLarge, thread, nowMs);
  }
  // Those that were moved meanwhile are where the entry says.
  const end = pieceEndingAt(address, oldBytes);
  if (grown) {
    pieceAt(end).bytes += room;
  } else {
    const added = pieceAt(end).next;
    pieceAt(end).next = 0;
    freeChain(partition, added);
  }
  partition.pinnedOld = 0;
  partition.chainEnd = 0;
  return grown;
}

function lastPieceOf(address: Address): Address {
  let piece = firstPiece(address, entryAt(address));
  while (pieceAt(piece).next) piece = pieceAt(piece).next;
  return piece;
}

/** The piece with the last of so many bytes of the chain. */
function pieceEndingAt(address: Address, bytes: u32): Address {
  let piece = firstPiece(address, entryAt(address));
  let left = bytes;
  while (pieceAt(piece).bytes < left) {
    left -= pieceAt(piece).bytes;
    piece = pieceAt(piece).next;
  }
  return piece;
}

/**
 * Moves the last piece into a chunk with room for so many bytes more, or the largest one: a chain to which little is
 * added many times shall not become one of little pieces. False: out of memory.
 */
function widenEnd(partition: Partition, moreBytes: u32, thread: u32, nowMs: i64): bool {
  let old = partition.chainEnd;
  const wanted = min<u32>(PIECE_FIXED_BYTES + pieceAt(old).bytes + moreBytes, MAX_CHUNK);
  if (wanted <= chunkBytesOf(classOfChunk(old))) return true;
  const piece = allocate(partition, classOf(wanted), thread, nowMs);
  if (piece == 0) return false;
  old = partition.chainEnd;
  memory.copy(piece, old, PIECE_FIXED_BYTES + pieceAt(old).bytes);
  const previous = pieceAt(old).previous;
  if (entryAt(previous).kind == CHUNK_PIECE) pieceAt(previous).next = piece;
  else setFirstPiece(previous, entryAt(previous), piece);
  partition.chainEnd = piece;
  giveChunk(partition, old);
  return true;
}

/** Adds pieces for so many bytes behind the last one. False: out of memory; some may be there. */
function addPieces(partition: Partition, bytes: u32, isLarge: bool, thread: u32, nowMs: i64): bool {
  const mostBytes = isLarge ? PAGE_PAYLOAD : MAX_CHUNK - PIECE_FIXED_BYTES;
  while (bytes > 0) {
    const part = min<u32>(bytes, mostBytes);
    const sizeClass = isLarge ? pageClass() : classOf(part + PIECE_FIXED_BYTES);
    const piece = allocate(partition, sizeClass, thread, nowMs);
    if (piece == 0) return false;
    const end = partition.chainEnd;
    const fields = pieceAt(piece);
    fields.next = 0;
    fields.kind = CHUNK_PIECE;
    fields.previous = end;
    fields.bytes = part;
    pieceAt(end).next = piece;
    partition.chainEnd = piece;
    bytes -= part;
  }
  return true;
}
