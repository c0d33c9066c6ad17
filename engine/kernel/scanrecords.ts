/*
 * The walk of scan.ts over what other nodes may lack: entries, and tombstones (tombstones.ts), as records of the change
 * log (changelog.ts), so that apply.ts takes them. Of a tombstone it is a LOG_DELETE, with the time at which it is
 * dropped. A value is left out where the log would leave it out; a key never is, though the log has none as long.
 *
 * The reply area is as `scan` leaves it, but for the records.
 */
import {
  LOG_DELETE,
  LOG_HAS_TIME,
  LOG_SET,
  LOG_STAMPED,
  LOG_VALUE_LEFT_OUT,
  MAX_RECORD,
  RECORD_HEAD_BYTES,
} from './changelog';
import { copyBytes } from './bytes';
import { keyExpiryOf } from './collections/root';
import {
  CHAINED,
  CHUNK_TOMBSTONE,
  COLLECTION,
  copyFromChain,
  expiryOf,
  fieldsBytes,
  HAS_EXPIRY,
  LINK_VALUE_BYTES,
  LONG_KEY,
  PENDING,
  versionAddress,
} from './entry';
import { isStamped } from './hybridclock';
import { Address, alignUp, header, MAX_CHUNK } from './layout';
import { pageAddress } from './pages';
import { beginScan, NO_ROOM, scanFrom, TORN } from './scan';

/** An argument of `scanRecords`: what is not newer is left out. Not state. */
let newerThan: u64 = 0;

/**
 * As `scan`, of what has a stamp above the one given by its halves. In an arena without stamps there is nothing.
 */
export function scanRecords(
  thread: u32,
  cursor: f64,
  count: u32,
  nowMs: f64,
  stampHigh: u32,
  stampLow: u32,
): f64 {
  newerThan = isStamped() ? (<u64>stampHigh << 32) | <u64>stampLow : u64.MAX_VALUE;
  beginScan(0, true);
  return scanFrom(thread, cursor, count, MAX_RECORD, nowMs);
}

/** `copyEntry` of scan.ts: may run beside a writer. */
export function copyRecord(address: Address, out: Address, limit: Address, maxValueBytes: u32, nowMs: i64): u32 {
  // Read once: what is checked here must be what is used below.
  const head = load<u64>(address);
  const keyBytes = <u32>head >> 16;
  const isTombstone = (<u32>(head >> 32) & 0xff) == CHUNK_TOMBSTONE;
  const flags = <u32>(head >> 40) & 0xff;
  if ((flags & PENDING) != 0 && !isTombstone) return out;
  const stamp = load<u64>(versionAddress(address, flags));
  if (stamp <= newerThan) return out;
  const dueMs = flags & HAS_EXPIRY ? expiryOf(address) : 0;
  if (dueMs != 0 && dueMs <= nowMs) return out;
  const payload = address + fieldsBytes(flags);
  const link = payload + (flags & LONG_KEY ? 0 : keyBytes);
  const valueBytes = flags & CHAINED ? load<u32>(link, LINK_VALUE_BYTES) : <u32>head & 0xffff;
  const expiryMs = flags & COLLECTION ? keyExpiryOf(address) : dueMs;
  const fields: u32 = RECORD_HEAD_BYTES + (expiryMs != 0 ? 16 : 8);
  const mostBytes = min<u32>(maxValueBytes, MAX_RECORD);
  const fits = valueBytes <= mostBytes && fields + keyBytes + valueBytes <= MAX_RECORD;
  const hasValue = fits && (flags & COLLECTION) == 0 && !isTombstone;
  const end = out + alignUp(fields + keyBytes + (hasValue ? valueBytes : 0), 8);
  if (end > limit) return NO_ROOM;
  const leftOut: u32 = hasValue || isTombstone ? 0 : LOG_VALUE_LEFT_OUT;
  const detail = LOG_STAMPED | (expiryMs != 0 ? LOG_HAS_TIME : 0) | leftOut;
  store<u16>(out, <u16>((end - out) >> 3));
  store<u16>(out, <u16>keyBytes, 2);
  store<u8>(out, <u8>(isTombstone ? LOG_DELETE : LOG_SET), 4);
  store<u8>(out, <u8>detail, 5);
  store<u16>(out, <u16>(hasValue ? valueBytes : 0), 6);
  if (expiryMs != 0) store<i64>(out, expiryMs, RECORD_HEAD_BYTES);
  store<u64>(out + fields - 8, stamp);
  const key = out + fields;
  const low = pageAddress(header().firstPage);
  const high = header().endAddress;
  if (flags & LONG_KEY) {
    if (!copyFromChain(load<u32>(link), 0, keyBytes, key, low, high)) return TORN;
  } else {
    copyBytes(key, payload, keyBytes);
  }
  if (!hasValue) return end;
  if (flags & CHAINED) {
    const skip = flags & LONG_KEY ? keyBytes : 0;
    if (!copyFromChain(load<u32>(link), skip, valueBytes, key + keyBytes, low, high)) return TORN;
  } else {
    if (valueBytes > MAX_CHUNK) return TORN;
    copyBytes(key + keyBytes, payload + keyBytes, valueBytes);
  }
  return end;
}
