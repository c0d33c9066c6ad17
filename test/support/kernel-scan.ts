/** Calls the kernel's `scan` and reads what it wrote. */
import type { Arena } from '#engine/arena.js';

/** Offsets in what `scan` writes, and in its records. */
const Scan = { entries: 0, end: 4, word: 8, partition: 16, records: 24 } as const;
const ScanRecord = {
  keyBytes: 0,
  kind: 2,
  hasValue: 3,
  valueBytes: 4,
  expiry: 8,
  key: 16,
} as const;

export interface ScannedEntry {
  readonly key: Buffer;
  readonly kind: number;
  readonly valueBytes: number;
  /** 0: none. */
  readonly expiryMs: number;
  /** Undefined where it was left out. */
  readonly value: Buffer | undefined;
}

export interface Scanned {
  /** 0 at the end. */
  readonly cursor: number;
  readonly entries: readonly ScannedEntry[];
  readonly word: bigint;
  readonly partition: number;
}

/** Where a walk begins, and what a cursor is when it has ended. */
export const START = 0;
/** Keys alone. */
export const NO_VALUES = 0;

export function scan(
  arena: Arena,
  cursor: number,
  count: number,
  maxValueBytes: number,
  nowMs: number,
  prefix = 0,
): Scanned {
  const { kernel, slot, reply } = arena;
  const next = kernel.scan(slot, cursor, count, maxValueBytes, nowMs, prefix);
  const view = new DataView(reply.buffer, reply.byteOffset, reply.byteLength);
  const end = view.getUint32(Scan.end, true);
  const entries: ScannedEntry[] = [];
  let at: number = Scan.records;
  while (at < end) {
    const valueBytes = view.getUint32(at + ScanRecord.valueBytes, true);
    const keyAt = at + ScanRecord.key;
    const valueAt = keyAt + view.getUint16(at + ScanRecord.keyBytes, true);
    const hasValue = view.getUint8(at + ScanRecord.hasValue) === 1;
    const valueEnd = valueAt + (hasValue ? valueBytes : 0);
    entries.push({
      key: Buffer.from(reply.slice(keyAt, valueAt)),
      kind: view.getUint8(at + ScanRecord.kind),
      valueBytes,
      expiryMs: view.getFloat64(at + ScanRecord.expiry, true),
      value: hasValue ? Buffer.from(reply.slice(valueAt, valueEnd)) : undefined,
    });
    at = Math.ceil(valueEnd / 8) * 8;
  }
  const said = view.getUint32(Scan.entries, true);
  if (at !== end || said !== entries.length) {
    throw new Error(`scan says ${said} entries in ${end} bytes, found ${entries.length} in ${at}`);
  }
  const word = view.getBigUint64(Scan.word, true);
  return { cursor: next, entries, word, partition: view.getUint32(Scan.partition, true) };
}
