/**
 * Reads a key as a whole, piece by piece, while others write: what it has told in the end was the
 * key's state at one time.
 *
 * A value of up to 1 MiB is copied at once. A larger one is copied out of its pages, some of them
 * for each piece; that its chain is still the same says that all of it was one value
 * (engine/kernel/large.ts). A collection is read in pages, one short hold of its partition's lock
 * each: all of them with one stamp are one state. Where a writer came in between, the reader begins
 * anew.
 *
 * A key that is written all the time would never be read so, because pieces are asked for over
 * seconds. So the read after PACED_STARTS that came to nothing copies it to this thread's memory in
 * one go, page by page still; and if a writer comes even into that, once more with everybody else
 * kept out of the partition. Of a million members either takes this thread 20 ms (list) to 150 ms
 * (hash). In the last case clients of that one partition wait so long, once: that is what a copy of
 * a hot collection costs. Keys of more than COPIED_BYTES_MAX are given up instead.
 */
import { Buffer } from 'node:buffer';
import type { Arena } from './arena.js';
import { copyOf, copyTo } from './copy.js';
import { dataSection, endSection, givenUpSection, headSection } from './whole-piece.js';

/**
 * A piece has about so many items: to add them takes another node's thread a millisecond or two,
 * which its clients wait.
 */
const PIECE_ITEMS = 2000;
/** And at the most so many bytes of them. */
const PIECE_BYTES = 64 * 1024;
/** Where items are tiny, or many are to go. */
const PIECE_BYTES_MIN = 4 * 1024;
/** A piece of a value, which is only copied. */
const VALUE_PIECE_BYTES = 256 * 1024;
/** Items are read in pages of so many bytes, some tens of microseconds each. */
const PAGE_BYTES = 16 * 1024;
/** Reads piece by piece that a writer came into, before all is read in one go. */
const PACED_STARTS = 2;
/** Then, reads in one go before writers are kept out. */
const QUICK_STARTS = 1;
/** What is copied in one go: as much as the largest value. */
const COPIED_BYTES_MAX = 64 * 1024 * 1024;

const CHUNK_BLOB = 1;
const CHUNK_HASH = 4;
/** Bytes of a value in one page of the arena: all but the head of a piece. */
const PAGE_PAYLOAD = 64 * 1024 - 16;

/* What `readWhole` writes to the reply area: see engine/kernel/whole.ts. */
const STAMP = 0;
const TOMBSTONE = 8;
const EXPIRY = 16;
const KIND = 24;
const COUNT = 28;
const NEXT_CURSOR = 32;
const NEXT_PLACE = 36;
const IS_OVER = 40;
const BYTES = 44;
const TOTAL_BYTES = 48;
const PAGE = 56;

/* And `largeOpen`: see large.ts there. */
const OPEN_CHAIN = 0;
const OPEN_VALUE_BYTES = 8;
const OPEN_SKIP = 12;
const OPEN_PAGES = 16;

/** What the kernel tells of a key with each page of it. */
interface Look {
  readonly stamp: bigint;
  readonly tombstone: bigint;
  readonly expiryMs: number;
  readonly kind: number;
  readonly count: number;
  readonly totalBytes: number;
  readonly isOver: boolean;
  /** Where the next page begins. */
  readonly cursor: number;
  readonly place: number;
}

/** A large value that is being read. */
interface Chain {
  readonly number: number;
  readonly pages: Uint32Array;
  readonly skip: number;
  readonly end: number;
}

export class KeyReader {
  readonly #arena: Arena;
  readonly #key: Uint8Array;
  readonly #now: () => number;
  readonly #view: DataView;
  /** Reads that came to nothing. */
  #starts = 0;
  /** The first look of the read at hand; undefined: it is to begin. */
  #first: Look | undefined;
  /** The last one. */
  #last: Look | undefined;
  #chain: Chain | undefined;
  /** What was copied and is still to be sent, from `#at` on: it belongs to `#first`. */
  #copied: Buffer[] = [];
  #at = 0;
  /** Bytes of the value that were sent. */
  #sent = 0;
  #isOver = false;

  constructor(arena: Arena, key: Uint8Array, now: () => number) {
    const { buffer, byteOffset, length } = arena.reply;
    this.#arena = arena;
    this.#key = copyOf(key);
    this.#now = now;
    this.#view = new DataView(buffer, byteOffset, length);
  }

  /** The next piece, the caller's to keep; undefined behind the last one. */
  next(): Uint8Array | undefined {
    if (this.#isOver) return undefined;
    const sections: Buffer[] = [];
    let bytes = 0;
    do {
      for (const section of this.#step()) {
        sections.push(section);
        bytes += section.length;
      }
    } while (!this.#isOver && bytes < this.#pieceBytes());
    return sections.length === 1 ? sections[0] : Buffer.concat(sections);
  }

  #isOfItems(): boolean {
    return this.#first !== undefined && this.#first.kind > CHUNK_BLOB;
  }

  /** What a piece has of the key, about. */
  #pieceBytes(): number {
    if (!this.#isOfItems()) return VALUE_PIECE_BYTES;
    const { count, totalBytes } = this.#first!;
    const bytes = (PIECE_ITEMS * totalBytes) / Math.max(1, count);
    return Math.min(PIECE_BYTES, Math.max(PIECE_BYTES_MIN, bytes));
  }

  /** Goes on a little; what is to be sent. */
  #step(): Buffer[] {
    if (this.#first === undefined) return this.#begin();
    if (this.#copied.length > 0) return [this.#takeCopied()];
    if (this.#chain !== undefined) return this.#goOnInChain(this.#chain);
    if (this.#last!.isOver) return [this.#end(this.#last!)];
    return this.#goOnInItems(this.#last!);
  }

  #begin(): Buffer[] {
    this.#copied = [];
    this.#chain = undefined;
    this.#sent = 0;
    if (this.#starts >= PACED_STARTS) return this.#beginInOneGo();
    const look = this.#look(0, 0, false);
    if (!this.#open(look)) return this.#beginAnew();
    const content = this.#pageOf();
    if (content.length > 0) this.#copied = [content];
    return [this.#headOf(look)];
  }

  /** Makes it the first look; false: what it told of was gone a moment later. */
  #open(look: Look): boolean {
    this.#first = look;
    this.#last = look;
    this.#at = 0;
    if (look.kind !== CHUNK_BLOB || look.isOver) return true;
    this.#chain = this.#openChain();
    return this.#chain !== undefined && this.#chain.end - this.#chain.skip === look.totalBytes;
  }

  #headOf({ kind, stamp, tombstone, totalBytes }: Look): Buffer {
    const bytes = kind === CHUNK_BLOB ? totalBytes : 0;
    return headSection({ kind, bytes, stamp: kind === 0 ? tombstone : stamp });
  }

  #end({ kind, stamp, tombstone, expiryMs }: Look): Buffer {
    this.#isOver = true;
    return endSection({ stamp: kind === 0 ? tombstone : stamp, expiryMs });
  }

  #beginAnew(): Buffer[] {
    this.#starts++;
    this.#first = undefined;
    // So that the caller's loop ends, however hot the key is.
    return this.#starts > PACED_STARTS + QUICK_STARTS ? [this.#giveUp()] : [];
  }

  #giveUp(): Buffer {
    this.#isOver = true;
    return givenUpSection();
  }

  /** Copies everything, in the end while nobody else can write. */
  #beginInOneGo(): Buffer[] {
    const { kernel, slot, request } = this.#arena;
    const isHeld = this.#starts >= PACED_STARTS + QUICK_STARTS;
    copyTo(request, this.#key);
    if (isHeld) kernel.largeHold(slot, this.#key.length);
    try {
      return this.#copyAll(isHeld);
    } finally {
      copyTo(request, this.#key);
      if (isHeld) kernel.largeRelease(slot, this.#key.length);
    }
  }

  #copyAll(isHeld: boolean): Buffer[] {
    const first = this.#look(0, 0, isHeld);
    if (first.totalBytes > COPIED_BYTES_MAX) return [this.#giveUp()];
    if (!this.#open(first)) return this.#beginAnew();
    const copied = [this.#pageOf()];
    let look = first;
    if (this.#chain !== undefined) {
      const { skip, end, number } = this.#chain;
      copied.push(this.#copyChain(this.#chain, end - skip));
      look = { ...this.#look(0, 0, isHeld), isOver: true };
      if (!this.#isStill(number)) return this.#beginAnew();
      this.#chain = undefined;
    }
    while (!look.isOver) {
      const last = look;
      look = this.#look(last.cursor, last.place, isHeld);
      if (!this.#isNext(last, look)) return this.#beginAnew();
      copied.push(this.#pageOf());
    }
    this.#last = look;
    this.#copied = copied.filter((content) => content.length > 0);
    return [this.#headOf(first)];
  }

  /** A part of what was copied. */
  #takeCopied(): Buffer {
    const content = this.#copied[0]!;
    // A page is a little longer than it should be, and best left whole.
    const most = this.#isOfItems() ? 2 * PIECE_BYTES : VALUE_PIECE_BYTES;
    const end = Math.min(this.#at + most, content.length);
    const section = dataSection(content.subarray(this.#at, end), end < content.length);
    this.#at = end;
    if (end === content.length) {
      this.#copied.shift();
      this.#at = 0;
    }
    return section;
  }

  #goOnInItems(last: Look): Buffer[] {
    const look = this.#look(last.cursor, last.place, false);
    if (!this.#isNext(last, look)) return this.#beginAnew();
    const content = this.#pageOf();
    this.#last = look;
    if (content.length > 2 * PIECE_BYTES) {
      this.#copied = [content];
      return [];
    }
    return content.length === 0 ? [] : [dataSection(content, false)];
  }

  /** Whether a page is of the same state as the one before, and behind it. */
  #isNext(last: Look, look: Look): boolean {
    if (look.stamp !== last.stamp) return false;
    // In the midst of a bucket, a field that expired has moved those behind it.
    const isInBucket = last.place !== 0 && look.kind === CHUNK_HASH;
    return !isInBucket || look.count === last.count;
  }

  #look(cursor: number, place: number, isHeld: boolean): Look {
    const { kernel, slot, request } = this.#arena;
    copyTo(request, this.#key);
    const { length } = this.#key;
    kernel.readWhole(slot, length, cursor, place, PAGE_BYTES, isHeld ? 1 : 0, this.#now());
    const view = this.#view;
    return {
      stamp: view.getBigUint64(STAMP, true),
      tombstone: view.getBigUint64(TOMBSTONE, true),
      expiryMs: view.getFloat64(EXPIRY, true),
      kind: view.getUint32(KIND, true),
      count: view.getUint32(COUNT, true),
      totalBytes: view.getUint32(TOTAL_BYTES, true),
      isOver: view.getUint32(IS_OVER, true) !== 0,
      cursor: view.getUint32(NEXT_CURSOR, true),
      place: view.getUint32(NEXT_PLACE, true),
    };
  }

  /** A copy of what came with the last look. */
  #pageOf(): Buffer {
    // A chain that was opened since stands there now.
    if (this.#chain !== undefined) return Buffer.alloc(0);
    return copyOf(this.#arena.reply.subarray(PAGE, PAGE + this.#view.getUint32(BYTES, true)));
  }

  /** The chain of the key's large value; undefined: it has none by now. The key is in its place. */
  #openChain(): Chain | undefined {
    const { kernel, slot } = this.#arena;
    const count = kernel.largeOpen(slot, this.#key.length, this.#now());
    if (count <= 0) return undefined;
    const view = this.#view;
    const skip = view.getUint32(OPEN_SKIP, true);
    return {
      number: view.getFloat64(OPEN_CHAIN, true),
      pages: Uint32Array.from({ length: count }, (_, i) =>
        view.getUint32(OPEN_PAGES + 4 * i, true),
      ),
      skip,
      end: skip + view.getUint32(OPEN_VALUE_BYTES, true),
    };
  }

  /** Whether the key has the chain with this number all the time since it was opened. */
  #isStill(number: number): boolean {
    const { kernel, slot, request } = this.#arena;
    copyTo(request, this.#key);
    return Boolean(kernel.largeIsStill(slot, this.#key.length, number));
  }

  #goOnInChain(chain: Chain): Buffer[] {
    const content = this.#copyChain(chain, VALUE_PIECE_BYTES);
    if (!this.#isStill(chain.number)) return this.#beginAnew();
    if (chain.skip + this.#sent < chain.end) return [dataSection(content, true)];
    // Its expiry, and with that its stamp, may be others by now; the value is not.
    const look = this.#look(0, 0, false);
    if (!this.#isStill(chain.number)) return this.#beginAnew();
    this.#chain = undefined;
    this.#last = { ...look, isOver: true };
    return [dataSection(content, false)];
  }

  /** The next bytes of the value; what is said of them by `largeIsStill` is to be heeded. */
  #copyChain({ pages, skip, end }: Chain, bytesMax: number): Buffer {
    const start = skip + this.#sent;
    const stop = Math.min(end, start + bytesMax);
    const content = Buffer.allocUnsafeSlow(stop - start);
    const memory = this.#arena.bytes;
    for (let at = start; at < stop; ) {
      const inPage = at % PAGE_PAYLOAD;
      const from = pages[Math.floor(at / PAGE_PAYLOAD)]! + inPage;
      const bytes = Math.min(PAGE_PAYLOAD - inPage, stop - at);
      copyTo(content, memory.subarray(from, from + bytes), at - start);
      at += bytes;
    }
    this.#sent = stop - skip;
    return content;
  }
}
