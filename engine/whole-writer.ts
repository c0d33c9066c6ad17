/**
 * Makes a key what it is on another node, of the pieces that a `KeyReader` there has told
 * (whole-reader.ts), with exactly the stamp that it has there. Nobody sees anything of it before
 * `finish`, which is one step: a collection is built beside what is at the key
 * (engine/kernel/whole.ts), the bytes of a value wait here.
 *
 * What was begun and not finished is gone at the latest UNFINISHED_MS after its last piece.
 *
 * A piece holds this thread up for 1 to 3 ms (2,000 members of a set), and others in its partition
 * for a tenth of that at a time. The end of a collection takes some microseconds; that of a value
 * of 64 MiB, which is copied to its pages then, 10 ms.
 */
import { randomInt } from 'node:crypto';
import type { Arena } from './arena.js';
import { copyOf, copyTo } from './copy.js';
import { SlabringError } from './errors.js';
import { DELETED, LOG_DELETE, writeRecord } from './log-record.js';
import type { Replica } from './replica.js';
import {
  malformed,
  readEnd,
  readHead,
  Section,
  sectionsOf,
  type WholeEnd,
  type WholeHead,
} from './whole-piece.js';

/**
 * What became of a key that came as a whole.
 *
 * - `stored`: it is here as it is there, or was already
 * - `newer`: what is here is newer, and stays
 * - `absent`: there is nothing there, and no deletion is known; nothing was changed
 * - `incomplete`: what was read there was no single state, or what was built of it is gone,
 *   evicted or dropped for a newer write; nothing was changed
 * - `no memory`: nothing was changed
 */
export type Outcome = 'stored' | 'newer' | 'absent' | 'incomplete' | 'no memory';

/** Longer than any pause between two pieces after which their reader is still there. */
const UNFINISHED_MS = 60_000;
/** What is built is known by a number from 1 on and below this: engine/kernel/tombstones.ts. */
const HALVES_END = 2 ** 32;
/** Longer values are written as drafts: the kernel's LARGE_BYTES. */
const LARGE_BYTES = 1024 * 1024;
/** Bytes of a value in one page of the arena, and pages taken at a time: see large.ts. */
const PAGE_PAYLOAD = 64 * 1024 - 16;
const PAGES_AT_ONCE = 64;
const CHUNK_BLOB = 1;

export class KeyWriter {
  readonly #arena: Arena;
  readonly #replica: Replica;
  readonly #key: Uint8Array;
  readonly #now: () => number;
  #head: WholeHead | undefined;
  #end: WholeEnd | undefined;
  /** Why the rest is of no use. */
  #failure: Outcome | undefined;
  /** Of what is being built; 0: nothing is. */
  #half = 0;
  /** Of a value: its bytes, as far as they came. */
  #value: Buffer = Buffer.alloc(0);
  #valueBytes = 0;
  /** The beginning of an item that goes on in the next section. */
  #rest: Buffer[] = [];

  constructor(arena: Arena, replica: Replica, key: Uint8Array, now: () => number) {
    this.#arena = arena;
    this.#replica = replica;
    this.#key = copyOf(key);
    this.#now = now;
  }

  /**
   * Takes the next piece.
   * @throws SlabringError `SYNTAX` when it is none; then nothing is built any more
   */
  write(piece: Uint8Array): void {
    try {
      for (const { type, more, body } of sectionsOf(piece)) {
        if (type === Section.HEAD) this.#begin(readHead(body));
        else if (type === Section.DATA) this.#add(body, more);
        else if (type === Section.END) this.#end = readEnd(body);
        else if (type === Section.GIVEN_UP) this.#fail('incomplete');
        else throw malformed(`has a section of type ${type}`);
      }
    } catch (error) {
      this.#fail('incomplete');
      throw error;
    }
  }

  /** All pieces are there. */
  finish(): Outcome {
    const head = this.#head;
    const end = this.#end;
    if (this.#failure !== undefined) return this.#failure;
    if (head === undefined || end === undefined) return this.#fail('incomplete');
    if (head.kind === 0) return this.#delete(end.stamp);
    if (head.kind !== CHUNK_BLOB) return this.#settle(end);
    if (this.#valueBytes !== head.bytes) return this.#fail('incomplete');
    return head.bytes > LARGE_BYTES ? this.#commit(end) : this.#store(end);
  }

  /** Nothing more comes: what was built is dropped. */
  abandon(): void {
    this.#fail('incomplete');
  }

  #begin(head: WholeHead): void {
    this.#drop();
    this.#failure = undefined;
    this.#end = undefined;
    this.#head = head;
    const here = this.#replica.stampOf(this.#key, this.#now());
    // The end of a value may tell a newer stamp; that is worth a look the next time only.
    if (head.stamp !== 0n && (here.stamp >= head.stamp || here.tombstone >= head.stamp)) {
      const isSame = head.kind === 0 ? here.tombstone === head.stamp : here.stamp === head.stamp;
      this.#fail(isSame ? 'stored' : 'newer');
    } else if (head.kind === CHUNK_BLOB) {
      const isTooLarge = head.bytes > this.#arena.facts.maxValueBytes;
      if (isTooLarge) this.#fail('no memory');
      else this.#value = Buffer.allocUnsafeSlow(head.bytes);
    } else if (head.kind !== 0) {
      this.#beginHalf(head.kind);
    }
  }

  #beginHalf(kind: number): void {
    const { kernel, slot } = this.#arena;
    const now = this.#now();
    this.#half = randomInt(1, HALVES_END);
    const keyBytes = this.#writeKey();
    const half = this.#half;
    this.#heed(kernel.beginWhole(slot, keyBytes, kind, half, now + UNFINISHED_MS, now));
  }

  #add(body: Buffer, more: boolean): void {
    if (this.#failure !== undefined) return;
    if (this.#head === undefined || this.#end !== undefined) throw malformed('has no head');
    if (this.#head.kind === CHUNK_BLOB) {
      if (this.#valueBytes + body.length > this.#value.length) throw malformed('is too long');
      copyTo(this.#value, body, this.#valueBytes);
      this.#valueBytes += body.length;
      return;
    }
    const isAlone = this.#rest.length === 0;
    if (more || !isAlone) this.#rest.push(more ? copyOf(body) : body);
    if (more) return;
    const items = isAlone ? body : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#pour(items);
  }

  /** Adds items to what is built, a short hold of the lock after the other. */
  #pour(items: Buffer): void {
    const { kernel, slot, request } = this.#arena;
    const keyBytes = this.#writeKey();
    const end = keyBytes + items.length;
    if (end > request.length) throw malformed('has an item that is too long');
    copyTo(request, items, keyBytes);
    const half = this.#half;
    for (let at = keyBytes; at < end && this.#failure === undefined; ) {
      const now = this.#now();
      const until = now + UNFINISHED_MS;
      at = this.#heed(kernel.pourWhole(slot, keyBytes, half, at, end, until, now));
    }
  }

  #settle({ stamp, expiryMs }: WholeEnd): Outcome {
    const { kernel, slot } = this.#arena;
    const keyBytes = this.#writeKey();
    const [high, low] = halvesOf(stamp);
    const half = this.#half;
    // In any case there is no half any more.
    this.#half = 0;
    const now = this.#now();
    this.#heed(kernel.settleWhole(slot, keyBytes, half, expiryMs, high, low, now));
    return this.#ended();
  }

  #store({ stamp, expiryMs }: WholeEnd): Outcome {
    const { kernel, slot, request } = this.#arena;
    const keyBytes = this.#writeKey();
    copyTo(request, this.#value, keyBytes);
    const [high, low] = halvesOf(stamp);
    const bytes = this.#valueBytes;
    this.#heed(kernel.storeWhole(slot, keyBytes, bytes, expiryMs, high, low, this.#now()));
    return this.#ended();
  }

  /** Stores a large value. */
  #commit({ stamp, expiryMs }: WholeEnd): Outcome {
    const { kernel, slot } = this.#arena;
    const now = this.#now();
    // It has expired; storing it for a moment takes away what is older.
    const ttlMs = expiryMs === 0 ? 0 : Math.max(1, expiryMs - now);
    const [high, low] = halvesOf(stamp);
    try {
      if (!this.#draft(now)) return this.#fail('no memory');
      const keyBytes = this.#writeKey();
      const done = kernel.draftCommitRemote(slot, keyBytes, ttlMs, now, high, low);
      if (done < 0) this.#fail('no memory');
      if (done === 0) this.#fail('newer');
    } finally {
      kernel.draftAbort(slot);
    }
    return this.#ended();
  }

  /** Copies the value into pages that are this thread's draft; false: there are none. */
  #draft(now: number): boolean {
    const { kernel, slot, reply, bytes: memory } = this.#arena;
    const value = this.#value;
    const begun = kernel.draftBegin(slot, this.#writeKey(), value.length, 0, 0, now);
    if (begun <= 0) return false;
    const isWithKey = begun === kernel.DRAFT_WITH_KEY.value;
    const parts: readonly Uint8Array[] = isWithKey ? [this.#key, value] : [value];
    const pages = new Uint32Array(reply.buffer, reply.byteOffset, PAGES_AT_ONCE);
    let taken = 0;
    let page = 0;
    let room = 0;
    for (const part of parts) {
      for (let at = 0; at < part.length; ) {
        if (room === 0) {
          page++;
          if (page >= taken) {
            page = 0;
            taken = kernel.draftGrow(slot, PAGES_AT_ONCE, now);
            if (taken < 0) return false;
          }
          room = PAGE_PAYLOAD;
        }
        const bytes = Math.min(room, part.length - at);
        copyTo(memory, part.subarray(at, at + bytes), pages[page]! + PAGE_PAYLOAD - room);
        at += bytes;
        room -= bytes;
      }
    }
    return true;
  }

  /** There is nothing at the key there; 0n: and it is not known why. */
  #delete(stamp: bigint): Outcome {
    if (stamp === 0n) return 'absent';
    const record = writeRecord({ kind: LOG_DELETE, key: this.#key, stamp, detail: DELETED });
    const { refused, unstored } = this.#replica.applyRecords(record, this.#now());
    if (unstored.length > 0) return 'no memory';
    return refused > 0 ? 'newer' : 'stored';
  }

  /** The outcome of what was done in the end; nothing is held any more. */
  #ended(): Outcome {
    this.#value = Buffer.alloc(0);
    return this.#failure ?? 'stored';
  }

  /** Takes what the kernel says of a step: a number from 0 on is returned. */
  #heed(outcome: number): number {
    const { WHOLE_OLD, WHOLE_NO_MEMORY, WHOLE_LOST } = this.#arena.kernel;
    if (outcome >= 0) return outcome;
    this.#half = 0;
    if (outcome === WHOLE_OLD.value) this.#fail('newer');
    else if (outcome === WHOLE_NO_MEMORY.value) this.#fail('no memory');
    else if (outcome === WHOLE_LOST.value) this.#fail('incomplete');
    else throw malformed('has items that are none');
    return outcome;
  }

  #fail(outcome: Outcome): Outcome {
    this.#drop();
    this.#failure = outcome;
    return outcome;
  }

  /** Forgets what came so far. */
  #drop(): void {
    const { kernel, slot } = this.#arena;
    if (this.#half !== 0) kernel.dropWhole(slot, this.#writeKey(), this.#half);
    this.#half = 0;
    this.#value = Buffer.alloc(0);
    this.#valueBytes = 0;
    this.#rest = [];
  }

  /** Writes the key where the kernel takes it from; its length. */
  #writeKey(): number {
    copyTo(this.#arena.request, this.#key);
    return this.#key.length;
  }
}

/** A stamp as the kernel takes it. */
function halvesOf(stamp: bigint): [high: number, low: number] {
  if (stamp < 0n || stamp >= 2n ** 64n) throw new SlabringError('INTERNAL', `stamp ${stamp}`);
  return [Number(stamp >> 32n), Number(stamp & 0xffff_ffffn)];
}
