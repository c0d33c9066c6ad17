/*
 * TYPE, MEMORY, OBJECT: what an entry is. Nothing is marked as used or counted. MEMORY and OBJECT leave an expired
 * entry where it is.
 */
import { keyExpiryOf, ROOT_BUCKETS, ROOT_ITEMS, rootOf } from '../collections/root';
import {
  CHAINED,
  COLLECTION,
  Entry,
  entryAt,
  firstPiece,
  HAS_EXPIRY,
  HAS_VERSION,
  isExpired,
  pieceAt,
  ROOTED,
  valueBytesOf,
  versionAddress,
} from '../entry';
import { mayEvict } from '../eviction/policy';
import { Address } from '../layout';
import { lockToRead, unlock } from '../lock';
import { marksOf } from '../marks';
import { writeInteger, writeNil } from '../msgpack';
import { ABSENT, lastKind, look } from '../read';
import { chunkBytesOf, classOfChunk } from '../slab';
import { partitionOf, Staged } from '../staging';
import { entryOf, find, homeBucket, Slot } from '../table';
import { KIND_NONE, writeKind, writeWord } from './kinds';

/** A slot's share of its segment, on average over the time from one split to the next (table.ts). */
const INDEX_BYTES: u32 = 9;
/** A record in a queue of eviction, or in the wheel of expiry (records.ts). */
const RECORD_BYTES: u32 = 4;

export function typeOf(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const found = look(thread, staged.hash, staged.key, staged.keyWord, false, nowMs);
  return writeKind(out, found == ABSENT ? KIND_NONE : lastKind());
}

/** Of a bucket in a collection's directory (collections/directory.ts). */
const BUCKET_WORD_BYTES: u64 = 4;

/** Bytes of the budget that an entry takes; of a large collection without what its nodes have free. */
function memoryOf(address: Address, entry: Entry): u64 {
  let bytes = <u64>chunkBytesOf(classOfChunk(address)) + INDEX_BYTES;
  if (mayEvict()) bytes += RECORD_BYTES;
  if (entry.flags & HAS_EXPIRY) bytes += RECORD_BYTES;
  if (entry.flags & ROOTED) {
    return bytes + itemBytes(address) + BUCKET_WORD_BYTES * load<u32>(rootOf(address), ROOT_BUCKETS);
  }
  if (!(entry.flags & CHAINED)) return bytes;
  for (let piece = firstPiece(address, entry); piece != 0; piece = pieceAt(piece).next) {
    bytes += chunkBytesOf(classOfChunk(piece));
  }
  return bytes;
}

/** Of a ROOTED collection. */
@inline
function itemBytes(address: Address): u64 {
  return load<u32>(rootOf(address), ROOT_ITEMS);
}

/** MEMORY: the entry's bytes, or nil. */
export function memoryUsed(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return inspect(false, thread, staged, out, nowMs);
}

/** OBJECT: a map of what is known of the entry, or nil. */
export function describe(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  return inspect(true, thread, staged, out, nowMs);
}

/** Under the lock, so that a chain can be walked. It disturbs no reader. */
function inspect(isWhole: bool, thread: u32, staged: Staged, out: Address, nowMs: i64): Address {
  const partition = partitionOf(staged);
  lockToRead(partition, thread);
  const slot = find(homeBucket(staged.hash), staged.hash, staged.key, staged.keyWord);
  let end: Address = 0;
  if (slot != 0) {
    const address = entryOf(slot);
    const entry = entryAt(address);
    if (!isExpired(address, entry, nowMs)) {
      end = isWhole
        ? writeDescription(out, slot, address, entry, nowMs)
        : writeInteger(out, <i64>memoryOf(address, entry));
    }
  }
  unlock(partition);
  return end ? end : writeNil(out);
}

/* Words of the reply, in memory order. */
const TYPE: u64 = 0x65707974; // 'type'
const ENCODING: u64 = 0x676e69646f636e65; // 'encoding'
const BYTES: u64 = 0x7365747962; // 'bytes'
const MEMORY_BYTES: u64 = 0x794279726f6d656d; // 'memoryBy'
const MEMORY_BYTES_REST: u64 = 0x736574; // 'tes'
const TTL_MS: u64 = 0x734d6c7474; // 'ttlMs'
const MARK: u64 = 0x6b72616d; // 'mark'
const VERSION: u64 = 0x6e6f6973726576; // 'version'
const IS_INLINE: u64 = 0x656e696c6e69; // 'inline'
const IS_CHAINED: u64 = 0x64656e69616863; // 'chained'

const IS_PACKED: u64 = 0x64656b636170; // 'packed'
const IS_IN_NODES: u64 = 0x7365646f6e; // 'nodes'

function encodingOf(flags: u32): u64 {
  if (flags & ROOTED) return IS_IN_NODES;
  if (flags & COLLECTION) return IS_PACKED;
  return flags & CHAINED ? IS_CHAINED : IS_INLINE;
}

/** A map of seven: fits REPLY_MARGIN of exec.ts. */
function writeDescription(out: Address, slot: Slot, address: Address, entry: Entry, nowMs: i64): Address {
  const flags = <u32>entry.flags;
  const keyExpiryMs = keyExpiryOf(address);
  store<u8>(out, 0x87);
  let at = writeKind(writeWord(out + 1, TYPE, 0), entry.kind);
  at = writeWord(writeWord(at, ENCODING, 0), encodingOf(flags), 0);
  const bytes = flags & ROOTED ? itemBytes(address) : <u64>valueBytesOf(address, entry);
  at = writeInteger(writeWord(at, BYTES, 0), <i64>bytes);
  at = writeInteger(writeWord(at, MEMORY_BYTES, MEMORY_BYTES_REST), <i64>memoryOf(address, entry));
  at = writeInteger(writeWord(at, TTL_MS, 0), keyExpiryMs ? keyExpiryMs - nowMs : -1);
  at = writeInteger(writeWord(at, MARK, 0), marksOf(slot));
  at = writeWord(at, VERSION, 0);
  return flags & HAS_VERSION ? writeInteger(at, load<i64>(versionAddress(address, flags))) : writeNil(at);
}
