/**
 * Record structures: objects with the same keys are stored as a number for the keys and the values.
 * The keys themselves lie in the arena once, in a region that is never evicted or cleared, where
 * every thread reads them and adds to them. Drawn in bytes from its start:
 *
 *   +0     end      u32                     where the next structure may be written
 *   +4     cells    u32 x MAX_STRUCTURES    by number: where the structure stands, 0: nowhere yet
 *   +4100  texts    u32 length, then that many bytes: the keys as JSON; aligned to 4 bytes
 *
 * Nothing here is ever changed but `end`, which only grows, and cells, which are set once. A thread
 * takes room by compare-and-swap of `end`, writes the keys there, and then makes them structure
 * number n by compare-and-swap of cell n from 0. Whoever finds a cell set finds the bytes, because
 * the compare-and-swap comes after them. Two threads that want one number: the second one sees it,
 * and encodes its value anew. So there is no lock, and a thread that dies leaves some bytes that
 * nobody uses.
 *
 * A value is written as an extension of msgpack of type RECORD_EXT_TYPE with the records inside:
 * to the kernel it is one value like any other.
 */
import { Buffer } from 'node:buffer';
import { type Options, Packr } from 'msgpackr';
import type { Arena } from './arena.js';
import type { Packed } from './codec.js';
import {
  containerHeaderBytes,
  flatBytes,
  itemsOf,
  Tag,
  writeUint16,
  writeUint32,
} from './msgpack.js';
import { PACKR_OPTIONS } from './packr-options.js';

/** Bytes of the region. */
export const STRUCTURE_BYTES = 64 * 1024;
/** Numbers below 32 take one byte in a value, others two. */
export const MAX_STRUCTURES = 1024;
const CELLS = 1;
const FIRST_TEXT = 4 + 4 * MAX_STRUCTURES;

export const RECORD_EXT_TYPE = 2;
/** The most bytes of an extension's header. */
const HEADER_BYTES = 6;

/** An object with more keys is one of its kind, as a rule: a dictionary. */
const MOST_KEYS = 64;
const MOST_KEY_CHARS = 1024;
/**
 * Sets of keys that were seen once. The second time one becomes a structure: a dictionary, whose
 * keys are data, does not come twice.
 */
const MOST_SEEN = 1000;
/** msgpackr remembers every path of keys it walked. After so many that led nowhere it forgets. */
const MOST_STRAYS = 2000;

/** Where records begin in msgpackr's encoding, and those of two bytes. */
const FIRST_RECORD = 0x40;
const FIRST_LONG_RECORD = 0x60;
const SHORT_RECORDS = FIRST_LONG_RECORD - FIRST_RECORD;

type Keys = readonly string[];

/** The structures of an arena, if it has them, for one thread. */
export function openStructures(arena: Arena): Structures | undefined {
  if (arena.facts.structureBytes === 0) return undefined;
  return new Structures(arena.bytes.buffer, arena.kernel.structuresAt() >>> 0);
}

/** The structures of an arena, as one thread knows them. */
export class Structures {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  readonly #packr: Packr;
  /** What was read of the region, by number. msgpackr keeps its readers in them. */
  readonly #known: string[][] = [];
  readonly #seen = new Set<string>();
  #strays = 0;
  /** Times that msgpackr asked for the structures. */
  #loads = 0;

  constructor(buffer: ArrayBufferLike, address: number) {
    this.#words = new Int32Array(buffer, address, STRUCTURE_BYTES / 4);
    this.#bytes = Buffer.from(buffer as ArrayBuffer, address, STRUCTURE_BYTES);
    this.#packr = new Packr({
      ...PACKR_OPTIONS,
      useRecords: true,
      maxSharedStructures: MAX_STRUCTURES,
      // An object without a structure of all threads is a plain map.
      maxOwnStructures: 0,
      getStructures: () => {
        this.#loads++;
        return this.#load();
      },
      saveStructures: (structures: string[][]) => this.#save(structures),
      shouldShareStructure: (keys: string[]) => this.#isWorthOne(keys),
    } as Options);
  }

  /** How many structures there are. */
  get count(): number {
    return this.#load().length;
  }

  /** Packs a value; the result holds until the next call. */
  pack(value: unknown, mode: number): Packed & { hasRecords: true } {
    const bytes = this.#packr.pack(value, mode) as Buffer & Partial<Packed>;
    if (this.#strays > MOST_STRAYS) this.#forgetPaths();
    // A value with a new structure comes back as just its bytes.
    const { start = 0, end = bytes.length } = bytes;
    return { bytes, start, end, hasRecords: true };
  }

  /** The value in the bytes, which are all of it. */
  unpack(bytes: Buffer, length: number): unknown {
    const loads = this.#loads;
    const value: unknown = this.#packr.unpack(bytes, length);
    // msgpackr met a structure that it did not know, and read the rest of the value from a copy of
    // the bytes, which is no Buffer: nor are then the byte arrays in the value.
    return loads === this.#loads ? value : this.#packr.unpack(bytes, length);
  }

  /** `valueEnd` (msgpack.ts) of a value with records. */
  valueEnd(bytes: Buffer, at: number): number {
    let left = 1;
    while (left > 0) {
      const tag = bytes[at];
      if (tag === undefined) throw new RangeError('the bytes end inside a value');
      left--;
      if (tag >= FIRST_RECORD && tag < Tag.FIXMAP) {
        const number = recordNumber(tag, bytes[at + 1]);
        at += tag < FIRST_LONG_RECORD ? 1 : 2;
        left += this.#keysOf(number).length;
      } else if (tag < FIRST_RECORD || tag >= Tag.NEGATIVE_FIXINT) {
        at += 1;
      } else if (tag >= Tag.FIXSTR && tag < Tag.NIL) {
        at += 1 + (tag - Tag.FIXSTR);
      } else {
        const flat = tag >= Tag.NIL ? flatBytes(tag, bytes, at) : 0;
        const items = flat > 0 ? 0 : itemsOf(tag, bytes, at);
        if (items < 0) throw new RangeError(`0x${tag.toString(16)} begins no value`);
        at += flat > 0 ? flat : containerHeaderBytes(tag);
        left += items;
      }
    }
    if (at > bytes.length) throw new RangeError('the bytes end inside a value');
    return at;
  }

  #keysOf(number: number): Keys {
    const keys = this.#known[number] ?? this.#load()[number];
    if (keys === undefined) throw new RangeError(`there is no structure ${number}`);
    return keys;
  }

  /** All structures there are. msgpackr changes the array, but not what is in it. */
  #load(): string[][] {
    const known = this.#known;
    while (known.length < MAX_STRUCTURES) {
      const keys = this.#readCell(known.length);
      if (keys === undefined) break;
      known.push(keys);
    }
    return known.slice();
  }

  #readCell(number: number): string[] | undefined {
    const at = Atomics.load(this.#words, CELLS + number);
    if (at === 0) return undefined;
    const length = this.#words[at >> 2]!;
    return JSON.parse(this.#bytes.toString('utf8', at + 4, at + 4 + length)) as string[];
  }

  /** Adds what msgpackr has added; false: another thread was faster, load and encode again. */
  #save(structures: string[][]): boolean {
    for (let number = this.#known.length; number < structures.length; number++) {
      const keys = structures[number]!;
      if (!this.#add(number, keys)) return false;
      this.#known.push(keys);
    }
    return true;
  }

  #add(number: number, keys: Keys): boolean {
    const text = Buffer.from(JSON.stringify(keys));
    const at = this.#take(4 + text.length);
    // No room any more, though there was some: `isWorthOne` says no from now on.
    if (at === 0) return false;
    this.#words[at >> 2] = text.length;
    this.#bytes.set(text, at + 4);
    return Atomics.compareExchange(this.#words, CELLS + number, 0, at) === 0;
  }

  /** Takes room for so many bytes; 0: there is none. */
  #take(bytes: number): number {
    for (;;) {
      const end = Atomics.load(this.#words, 0);
      const at = end || FIRST_TEXT;
      const next = (at + bytes + 3) & ~3;
      if (next > STRUCTURE_BYTES) return 0;
      if (Atomics.compareExchange(this.#words, 0, end, next) === end) return at;
    }
  }

  /** Whether objects with these keys, which have no structure, shall have one. */
  #isWorthOne(keys: string[]): boolean {
    this.#strays++;
    if (keys.length === 0 || keys.length > MOST_KEYS) return false;
    const text = JSON.stringify(keys);
    if (text.length > MOST_KEY_CHARS) return false;
    if (!this.#seen.has(text)) {
      if (this.#seen.size >= MOST_SEEN) this.#seen.clear();
      this.#seen.add(text);
      return false;
    }
    const end = Atomics.load(this.#words, 0) || FIRST_TEXT;
    if (end + 4 + Buffer.byteLength(text) + 3 > STRUCTURE_BYTES) return false;
    this.#seen.delete(text);
    return true;
  }

  #forgetPaths(): void {
    this.#strays = 0;
    const { structures } = this.#packr as unknown as { structures: { transitions: unknown } };
    structures.transitions = null;
  }
}

function recordNumber(tag: number, second: number | undefined): number {
  if (tag < FIRST_LONG_RECORD) return tag - FIRST_RECORD;
  return SHORT_RECORDS + (tag - FIRST_LONG_RECORD) + ((second ?? 0) << 5);
}

/** Bytes of the header of an extension with a payload of so many. */
export function recordHeaderBytes(length: number): number {
  if (length < 0x100) return 3;
  return length < 0x10000 ? 4 : HEADER_BYTES;
}

/** Writes the header of an extension with records; returns its end. */
export function writeRecordHeader(length: number, bytes: Buffer, at: number): number {
  let end = at + 2;
  if (length < 0x100) {
    bytes[at] = Tag.EXT8;
    bytes[at + 1] = length;
  } else if (length < 0x10000) {
    bytes[at] = Tag.EXT16;
    end = writeUint16(length, bytes, at + 1);
  } else {
    bytes[at] = Tag.EXT32;
    end = writeUint32(length, bytes, at + 1);
  }
  bytes[end] = RECORD_EXT_TYPE;
  return end + 1;
}

/** Where the records begin in the value at `start`; 0: it has none. */
export function recordStart(tag: number, bytes: Buffer, start: number): number {
  const header = tag === Tag.EXT8 ? 3 : tag === Tag.EXT16 ? 4 : tag === Tag.EXT32 ? 6 : 0;
  return header > 0 && bytes[start + header - 1] === RECORD_EXT_TYPE ? start + header : 0;
}
