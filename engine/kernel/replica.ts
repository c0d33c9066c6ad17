/*
 * What the host has of another node by other ways than its log (apply.ts), of keys that it fetched as a whole: it gets
 * the stamp that it has there, and is logged as REMOTE.
 */
import { noteSet } from './changelog';
import { keyExpiryOf } from './collections/root';
import { commitDraft } from './draft';
import { entryAt, KeyWord, lengthOf } from './entry';
import { execFrame } from './exec';
import { hashKey } from './hash';
import { giveStamp, isStamped, raiseTo, restamp, stampAt, startClock } from './hybridclock';
import { LARGE_BYTES } from './layout';
import { lock, unlock } from './lock';
import { partitionOfHash } from './partition';
import { findLive } from './read';
import { setHostFrame } from './staging';
import { entryOf } from './table';
import { replyArea, requestArea } from './threads';
import { tombstoneOf } from './tombstones';

/** From here on all that is written gets this stamp, given by its halves: it. */
export function beginRemote(stampHigh: u32, stampLow: u32, nowMs: i64): u64 {
  const stamp = (<u64>stampHigh << 32) | <u64>stampLow;
  startClock(nowMs);
  raiseTo(stamp);
  giveStamp(stamp);
  return stamp;
}

/**
 * `execHost` of what the host got from another node: all that the frame writes gets this stamp, given by its halves,
 * and is logged as REMOTE. For a key that was fetched as a whole.
 */
export function execRemote(
  thread: u32,
  start: u32,
  length: u32,
  nowMillis: f64,
  stampHigh: u32,
  stampLow: u32,
): i32 {
  beginRemote(stampHigh, stampLow, <i64>nowMillis);
  setHostFrame(true);
  const outcome = execFrame(thread, start, length, nowMillis, 0);
  giveStamp(0);
  return outcome;
}

/** `draftCommit` likewise; 0: what is here of the key is as new. */
export function draftCommitRemote(
  thread: u32,
  keyWord: KeyWord,
  ttlMs: f64,
  nowMillis: f64,
  stampHigh: u32,
  stampLow: u32,
): i32 {
  beginRemote(stampHigh, stampLow, <i64>nowMillis);
  const outcome = commitDraft(thread, keyWord, ttlMs, 0, 0, 0, <i64>nowMillis);
  giveStamp(0);
  return outcome;
}

/* What `stampOf` writes to the reply area. */
const STAMP_OF_ENTRY: u32 = 0;
const STAMP_OF_TOMBSTONE: u32 = 8;
const EXPIRY_OF_ENTRY: u32 = 16;
const KIND_OF_ENTRY: u32 = 24;

/**
 * Writes to the reply area what is here of the key at the start of the request area: u64 its stamp (0: it is absent),
 * u64 the stamp of its tombstone (0: it has none), f64 when it expires (0: it does not), u32 its kind.
 */
export function stampOf(thread: u32, keyWord: KeyWord, nowMillis: f64): void {
  const key = requestArea(thread);
  const out = replyArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  memory.fill(out, 0, KIND_OF_ENTRY + 4);
  if (!isStamped()) return;
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, <i64>nowMillis);
  store<u64>(out, tombstoneOf(partition, hash, key, keyWord), STAMP_OF_TOMBSTONE);
  if (slot) {
    const address = entryOf(slot);
    store<u64>(out, stampAt(address), STAMP_OF_ENTRY);
    store<f64>(out, <f64>keyExpiryOf(address), EXPIRY_OF_ENTRY);
    store<u32>(out, entryAt(address).kind, KIND_OF_ENTRY);
  }
  unlock(partition);
}

/**
 * Gives the key at the start of the request area exactly this stamp, by its halves: what is here is by now what has it
 * elsewhere. False: the key is absent.
 */
export function setStamp(thread: u32, keyWord: KeyWord, stampHigh: u32, stampLow: u32, nowMillis: f64): bool {
  if (!isStamped()) return false;
  beginRemote(stampHigh, stampLow, <i64>nowMillis);
  const key = requestArea(thread);
  const hash = hashKey(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  lock(partition, thread);
  const slot = findLive(partition, hash, key, keyWord, <i64>nowMillis);
  if (slot) {
    const address = entryOf(slot);
    restamp(partition, address);
    noteSet(partition, key, keyWord, key, LARGE_BYTES, keyExpiryOf(address));
  }
  unlock(partition);
  giveStamp(0);
  return slot != 0;
}
