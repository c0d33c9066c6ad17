/**
 * What replication does with one arena of a node that is one of several: applies what other nodes'
 * logs tell, and tells of its keys what other nodes ask. engine/kernel/apply.ts and the files that
 * it names argue why nodes come to have the same. Which arena a key belongs to, route.ts tells.
 */
import type { Buffer } from 'node:buffer';
import type { Arena } from './arena.js';
import { copyOf, copyTo } from './copy.js';
import { SlabringError } from './errors.js';
import { BLOCK_REPLY_BYTES } from './kernel-exports.js';

/** What became of a run of records. */
export interface Applied {
  /** Records that changed something. */
  readonly applied: number;
  /** Records that are older than what is here. */
  readonly refused: number;
  /** The highest stamp of them all; 0n: there was none. */
  readonly highestStamp: bigint;
  /** Where records stand whose keys have to be fetched as a whole. */
  readonly missing: readonly number[];
  /** Where records stand for which there was no memory. */
  readonly unstored: readonly number[];
}

/** What there is of a key. */
export interface KeyStamp {
  /** 0n: it is absent. */
  readonly stamp: bigint;
  /** The stamp by which it was deleted elsewhere not long ago; 0n: it was not. */
  readonly tombstone: bigint;
  /** Unix time in ms, 0: it does not expire. */
  readonly expiryMs: number;
  /** What it has, as engine/kernel/entry.ts numbers the kinds; 0: nothing. */
  readonly kind: number;
}

/** A page of what is here, as records. */
export interface RecordPage {
  /** Whole records with stamps, not shared memory; perhaps none. */
  readonly bytes: Buffer;
  /** Where the next page goes on; 0: this was the last one. */
  readonly cursor: number;
}

/* What the kernel writes to the reply area: see apply.ts and replica.ts there. */
const APPLIED = 0;
const REFUSED = 4;
const HIGHEST = 8;
const LEFT = 16;
const OFFSETS = 24;
const NO_MEMORY_BIT = 1;

const STAMP = 0;
const TOMBSTONE = 8;
const EXPIRY = 16;
const ENTRY_KIND = 24;

/* And what a scan does: see scan.ts there. */
const SCAN_END = 4;
const SCAN_RECORDS = 24;
/** A page ends behind so many: some tens of microseconds. */
const PAGE_RECORDS = 1000;
/** The part of a cursor that is a hash. */
const HASHES = 2 ** 32;

const LOW_BITS = 0xffff_ffffn;

export class Replica {
  readonly #arena: Arena;
  readonly #reply: DataView;

  /**
   * @param arena made with the option `node`
   * @throws SlabringError `OPTION` for another one
   */
  constructor(arena: Arena) {
    if (arena.facts.node === undefined) {
      throw new SlabringError('OPTION', 'the arena was not made with the option node');
    }
    const { buffer, byteOffset, length } = arena.reply;
    this.#arena = arena;
    this.#reply = new DataView(buffer, byteOffset, length);
  }

  /** Bytes that one call of `applyRecords` takes at the most. */
  get capacityBytes(): number {
    return this.#arena.request.length;
  }

  /**
   * Applies whole records with stamps, one after the other, as another node's log has them.
   * @throws SlabringError `SYNTAX` where something else stands: what came before it was applied
   */
  applyRecords(bytes: Uint8Array, nowMs: number): Applied {
    if (bytes.length > this.capacityBytes) {
      throw new SlabringError(
        'TOOLARGE',
        `records of ${bytes.length} bytes at once; at most ${this.capacityBytes} are taken`,
      );
    }
    const { kernel, slot, request } = this.#arena;
    copyTo(request, bytes);
    const taken = kernel.applyRecords(slot, bytes.length, nowMs);
    if (taken !== bytes.length) {
      throw new SlabringError('SYNTAX', `there is no record with a stamp at byte ${taken}`);
    }
    const reply = this.#reply;
    const missing: number[] = [];
    const unstored: number[] = [];
    const left = reply.getUint32(LEFT, true);
    for (let i = 0; i < left; i++) {
      const offset = reply.getUint32(OFFSETS + 4 * i, true);
      if (offset & NO_MEMORY_BIT) unstored.push(offset - NO_MEMORY_BIT);
      else missing.push(offset);
    }
    return {
      applied: reply.getUint32(APPLIED, true),
      refused: reply.getUint32(REFUSED, true),
      highestStamp: reply.getBigUint64(HIGHEST, true),
      missing,
      unstored,
    };
  }

  /** What is here of a key, which expires first if it is time. */
  stampOf(key: Uint8Array, nowMs: number): KeyStamp {
    const { kernel, slot, request } = this.#arena;
    copyTo(request, key);
    kernel.stampOf(slot, key.length, nowMs);
    const reply = this.#reply;
    return {
      stamp: reply.getBigUint64(STAMP, true),
      tombstone: reply.getBigUint64(TOMBSTONE, true),
      expiryMs: reply.getFloat64(EXPIRY, true),
      kind: reply.getUint32(ENTRY_KIND, true),
    };
  }

  /**
   * Gives a key exactly this stamp: what it has is what has that stamp elsewhere.
   * @returns false: it is absent
   */
  setStamp(key: Uint8Array, stamp: bigint, nowMs: number): boolean {
    const { kernel, slot, request } = this.#arena;
    copyTo(request, key);
    const [high, low] = halvesOf(stamp);
    return kernel.setStamp(slot, key.length, high, low, nowMs) !== 0;
  }

  /**
   * Executes a frame of the host, as `kernel.exec` does, all of whose writes get this stamp and are
   * not told to other nodes: to make a key anew that was fetched. So that nothing newer is
   * overwritten, it should be an ATOMIC with a guard of the stamp that `stampOf` told. Where a
   * reply is an error, the key may be half made: then it must get a low stamp, by `setStamp`.
   * @returns the bytes of the reply, which the next call overwrites
   * @throws SlabringError `SYNTAX` unless the kernel executed all of it
   */
  execute(frame: Uint8Array, stamp: bigint, nowMs: number): Uint8Array {
    const { kernel, slot, request, reply, block } = this.#arena;
    copyTo(request, frame);
    const [high, low] = halvesOf(stamp);
    const outcome = kernel.execRemote(slot, 0, frame.length, nowMs, high, low);
    if (outcome !== kernel.EXEC_DONE.value) {
      throw new SlabringError('SYNTAX', `the kernel did not execute the frame: ${outcome}`);
    }
    return reply.subarray(0, block[BLOCK_REPLY_BYTES]);
  }

  /**
   * A page of what is here, tombstones too, as records that `applyRecords` takes elsewhere.
   * @param cursor 0, or that of the page before. What is written meanwhile may be told of or not.
   * @param newerThan only what has a higher stamp: what was written since some time in ms has one
   *   above that time << 22. Stamps of two partitions say less of what came first.
   */
  scanRecords(cursor: number, nowMs: number, newerThan = 0n): RecordPage {
    const { kernel, slot, reply } = this.#arena;
    const [high, low] = halvesOf(newerThan);
    const next = kernel.scanRecords(slot, cursor, PAGE_RECORDS, nowMs, high, low);
    const end = this.#reply.getUint32(SCAN_END, true);
    return { bytes: copyOf(reply.subarray(SCAN_RECORDS, end)), cursor: next };
  }

  /**
   * Adds a page of the entries that are not newer than a stamp to the digests of their slots
   * (slot-table.ts).
   * @param cursor as of `scanRecords`
   * @returns where the next page goes on; 0: this was the last one
   */
  addDigests(cursor: number, nowMs: number, notNewerThan: bigint): number {
    const { kernel, slot } = this.#arena;
    const next = kernel.scanRecords(slot, cursor, PAGE_RECORDS, nowMs, 0, 0);
    const end = this.#reply.getUint32(SCAN_END, true);
    kernel.digestRecords(slot, SCAN_RECORDS, end, ...halvesOf(notNewerThan));
    return next;
  }

  /** The partition of a key, and the number of the next record in its change log. */
  logPositionOf(key: Uint8Array): { partition: number; next: number } {
    const { kernel, slot, request, reply } = this.#arena;
    copyTo(request, key);
    const partition = kernel.partitionOfKey(slot, key.length);
    const at = kernel.logNextAddress(partition) >>> 2;
    const words = new Uint32Array(reply.buffer);
    return { partition, next: 2 ** 32 * words[at + 1]! + Atomics.load(words, at) };
  }

  /** `scanRecords` of one partition of the arena only; 0 as the first cursor. */
  scanPartition(partition: number, cursor: number, nowMs: number, newerThan = 0n): RecordPage {
    const hashes = HASHES / this.#arena.facts.partitions;
    const page = this.scanRecords(cursor || partition * hashes, nowMs, newerThan);
    const isOver = Math.floor((page.cursor % HASHES) / hashes) !== partition;
    return page.cursor === 0 || isOver ? { bytes: page.bytes, cursor: 0 } : page;
  }

  /** Lets all later writes here have higher stamps than this one. */
  raiseClock(stamp: bigint): void {
    this.#arena.kernel.raiseClock(...halvesOf(stamp));
  }

  /** The highest stamp that there was here. */
  clock(): bigint {
    this.#arena.kernel.readClock(this.#arena.slot);
    return this.#reply.getBigUint64(0, true);
  }
}

/** A stamp as the kernel takes it. */
function halvesOf(stamp: bigint): [high: number, low: number] {
  return [Number(stamp >> 32n), Number(stamp & LOW_BITS)];
}
