/*
 * APPEND, SETRANGE, STRLEN, GETRANGE: on the bytes that a str or a bin holds, without its head. What is written into a
 * value leaves it the type it has, str or bin, and a new one has the type of what is written. The head is always the
 * shortest there is, so it may become longer with the value.
 */
import { copyBytes } from '../bytes';
import { growChain } from '../chain';
import { noteStored } from '../changelog';
import {
  CHAINED,
  COLLECTION,
  chainSkip,
  describeChain,
  Entry,
  entryAt,
  entryBytes,
  HAS_VERSION,
  isNamespaced,
  lengthOf,
  NAMESPACED,
  valueAddress,
  valueBytesOf,
} from '../entry';
import { sample } from '../eviction/adaptive';
import { Address, header, LARGE_BYTES } from '../layout';
import { lock, unlock } from '../lock';
import { mark } from '../marks';
import {
  bytesOf,
  headBytesOf,
  integerOf,
  IS_INTEGER,
  isStr,
  lastInteger,
  lastLength,
  skipValue,
  writeHead,
  writeInteger,
} from '../msgpack';
import { Partition, partitionOfHash } from '../partition';
import { copyPart, readPart, writePart } from '../parts';
import { findLive } from '../read';
import { beginEntry, CLEARED_ENTRY, finishEntry, NO_ENTRY, whyNoRoom } from '../renewal';
import { resizeInNamespace } from '../rows';
import { chunkBytesOf, classOfChunk } from '../slab';
import { Staged } from '../staging';
import { stampKey } from '../stamps';
import {
  ERROR_DATA,
  ERROR_NOT_BYTES,
  ERROR_OFFSET,
  ERROR_OUT_OF_MEMORY,
  ERROR_VALUE_TOO_LARGE,
  writeError,
} from '../status';
import { nextChain, renewVersion } from '../store';
import { entryOf, Slot } from '../table';
import { scratchOf } from '../threads';
import { expiryOfSlot } from './blob';

/** A head has at most 5 bytes; more are read at once. */
const HEAD_BYTES_READ: u32 = 8;

/* What `readHead` found: bytes before the content, the content's length, and whether it is a str. Not state. */
let headBytes: u32 = 0;
let contentBytes: u32 = 0;
let isText: bool = false;

/** Under the lock: reads the head of the entry's value. False: it is neither a str nor a bin. */
function readHead(address: Address, thread: u32): bool {
  const entry = entryAt(address);
  if (entry.flags & COLLECTION) return false;
  const scratch = scratchOf(thread);
  readPart(address, 0, scratch, min<u32>(HEAD_BYTES_READ, valueBytesOf(address, entry)));
  const content = bytesOf(scratch);
  if (content == 0) return false;
  headBytes = content - scratch;
  contentBytes = lastLength();
  isText = isStr(load<u8>(scratch));
  return true;
}

/** APPEND. */
export function append(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const data = staged.key + lengthOf(staged.keyWord);
  if (bytesOf(data) == 0) return writeError(out, ERROR_DATA);
  return write(thread, staged, data, AT_END, out, nowMs);
}

/** SETRANGE: a gap before the offset is filled with zeros. */
export function setRange(thread: u32, staged: Staged, out: Address, limit: Address, nowMs: i64): Address {
  const at = staged.key + lengthOf(staged.keyWord);
  if (integerOf(at) != IS_INTEGER || lastInteger() < 0) return writeError(out, ERROR_OFFSET);
  const offset = lastInteger();
  const data = skipValue(at, staged.end);
  if (bytesOf(data) == 0) return writeError(out, ERROR_DATA);
  return write(thread, staged, data, offset, out, nowMs);
}

/** For an offset: behind the last byte. */
const AT_END: i64 = -1;

/** Writes the content of `data`, a str or bin, into the key's value; the reply is its new length. */
function write(thread: u32, staged: Staged, data: Address, offset: i64, out: Address, nowMs: i64): Address {
  const partition = partitionOfHash(staged.hash);
  lock(partition, thread);
  const slot = findLive(partition, staged.hash, staged.key, staged.keyWord, nowMs);
  const status = writeHeld(partition, slot, thread, staged, data, offset, nowMs);
  const length = contentBytes;
  unlock(partition);
  return status ? writeError(out, status) : writeInteger(out, length);
}

/** Under the lock: a status, or 0 with the new length in `contentBytes`. */
function writeHeld(
  partition: Partition,
  slot: Slot,
  thread: u32,
  staged: Staged,
  data: Address,
  offset: i64,
  nowMs: i64,
): u32 {
  const source = bytesOf(data);
  const sourceBytes = lastLength();
  contentBytes = 0;
  isText = isStr(load<u8>(data));
  if (slot != 0 && !readHead(entryOf(slot), thread)) return ERROR_NOT_BYTES;
  const oldContent = contentBytes;
  // Nothing at some place is nothing; at the end it is an empty value.
  if (sourceBytes == 0 && offset != AT_END) return 0;
  const from = offset == AT_END ? <i64>oldContent : offset;
  const maxBytes = <i64>header().maxValueBytes;
  if (from > maxBytes || from + sourceBytes > maxBytes) return ERROR_VALUE_TOO_LARGE;
  const content = max<u32>(oldContent, <u32>from + sourceBytes);
  const newHead = headBytesOf(isText, content);
  if (newHead + content > <u32>maxBytes) return ERROR_VALUE_TOO_LARGE;
  contentBytes = content;
  if (slot) {
    stampKey(staged.hash);
    sample(thread, staged.hash);
  }
  const status = slot != 0 && staysInPlace(entryOf(slot), newHead + content, newHead)
    ? writeInPlace(partition, slot, thread, staged, source, sourceBytes, <u32>from, oldContent, nowMs)
    : writeAnew(partition, slot, thread, staged, source, sourceBytes, <u32>from, oldContent, nowMs);
  contentBytes = content;
  return status;
}

/** Whether the entry can have a value of so many bytes, with a head of so many, where it stands. */
function staysInPlace(address: Address, valueBytes: u32, newHead: u32): bool {
  const entry = entryAt(address);
  if (entry.flags & CHAINED) {
    // A longer head would move every byte of the chain.
    const skip = chainSkip(entry);
    const wasLarge = skip + valueBytesOf(address, entry) > LARGE_BYTES;
    return newHead == headBytes && wasLarge == skip + valueBytes > LARGE_BYTES;
  }
  const bytes = entryBytes(entry) - entry.valueBytes + valueBytes;
  return bytes <= chunkBytesOf(classOfChunk(address));
}

/** `write` where the entry stands; of a chain, it is made longer first. */
function writeInPlace(
  partition: Partition,
  slot: Slot,
  thread: u32,
  staged: Staged,
  source: Address,
  sourceBytes: u32,
  from: u32,
  oldContent: u32,
  nowMs: i64,
): u32 {
  const address = entryOf(slot);
  const entry = entryAt(address);
  const content = max<u32>(oldContent, from + sourceBytes);
  const newHead = headBytesOf(isText, content);
  const valueBytes = newHead + content;
  const oldBytes = valueBytesOf(address, entry);
  const isChained = (entry.flags & CHAINED) != 0;
  if (isChained && valueBytes > oldBytes) {
    const chainBytes = chainSkip(entry) + oldBytes;
    const grown = growChain(partition, address, chainBytes, valueBytes - oldBytes, thread, nowMs);
    if (!grown) return ERROR_OUT_OF_MEMORY;
  }
  partition.overwriting = address;
  partition.payloadBytes += <u64>valueBytes - <u64>oldBytes;
  if (entry.flags & NAMESPACED) resizeInNamespace(partition, address, valueBytes);
  if (isChained) {
    // Other bytes, another number: who reads its pages meanwhile (large.ts) begins again.
    describeChain(address, entry, staged.hash, valueBytes, nextChain(partition));
  } else {
    entry.valueBytes = <u16>valueBytes;
    const value = valueAddress(address, entry);
    if (newHead != headBytes) memory.copy(value + newHead, value + headBytes, oldContent);
  }
  if (entry.flags & HAS_VERSION) renewVersion(partition, address, entry.flags);
  fill(address, thread, content, source, sourceBytes, from, oldContent);
  partition.overwriting = 0;
  mark(partition, slot);
  noteStored(partition, staged.key, staged.keyWord, address);
  return 0;
}

/** `write` into a new entry. */
function writeAnew(
  partition: Partition,
  slot: Slot,
  thread: u32,
  staged: Staged,
  source: Address,
  sourceBytes: u32,
  from: u32,
  oldContent: u32,
  nowMs: i64,
): u32 {
  const hash = staged.hash;
  const content = max<u32>(oldContent, from + sourceBytes);
  const newHead = headBytesOf(isText, content);
  const expiryMs = slot ? expiryOfSlot(slot) : 0;
  const address = beginEntry(
    partition, slot, hash, staged.key, staged.keyWord, newHead + content, expiryMs, thread, nowMs,
  );
  if (address == CLEARED_ENTRY) return 0;
  if (address == NO_ENTRY) return whyNoRoom(partition, slot);
  if (slot) copyPart(entryOf(slot), headBytes, address, newHead, oldContent);
  fill(address, thread, content, source, sourceBytes, from, oldContent);
  if (!finishEntry(partition, slot, hash, address, expiryMs, thread, nowMs)) return ERROR_OUT_OF_MEMORY;
  noteStored(partition, staged.key, staged.keyWord, address);
  return 0;
}

/** Writes head, gap and data of a value of which the rest is there. */
function fill(
  address: Address,
  thread: u32,
  content: u32,
  source: Address,
  sourceBytes: u32,
  from: u32,
  oldContent: u32,
): void {
  const scratch = scratchOf(thread);
  const newHead = writeHead(scratch, isText, content) - scratch;
  writePart(address, 0, scratch, newHead);
  if (from > oldContent) writePart(address, newHead + oldContent, 0, from - oldContent);
  writePart(address, newHead + from, source, sourceBytes);
}
