/**
 * Values that do not fit the areas through which a thread and the kernel exchange bytes: the host
 * copies them into pages of the arena and out of them by itself, and the kernel says which pages
 * these are (engine/kernel/draft.ts and large.ts, with the argument why that is sound). No lock is
 * held while bytes are copied.
 */
import { Buffer } from 'node:buffer';
import type { Version } from './api.js';
import { SetFlag } from './commands.js';
import { copyTo } from './copy.js';
import type { Desk } from './desk.js';
import type { SlabringError } from './errors.js';
import type { KernelExports } from './kernel-exports.js';
import { valueEnd } from './msgpack.js';
import { VersionScratch } from './version.js';

const NIL = 0xc0;

/**
 * `peek` leaves no trace, `get` counts as a use, `take` also deletes; a number also gives the key
 * that time to live in ms (0: none; negative: the one it has).
 */
export type ReadMode = 'get' | 'peek' | 'take' | number;

/** Makes the place that a value of so many bytes is copied to; may be asked more than once. */
export type RoomFor = (valueBytes: number) => Buffer;

/** Values above this are written as drafts; those below fit any area. The kernel's LARGE_BYTES. */
export const LARGE_BYTES = 1024 * 1024;
/** Bytes of a value in one page of the arena: all but the head of a piece. */
const PAGE_PAYLOAD = 64 * 1024 - 16;
/** Pages taken, and pages copied between two looks whether the value is still there: 4 MiB. */
const PAGES_AT_ONCE = 64;
/** Reads of a value that was replaced each time, before writers of its partition are held up. */
const FREE_STARTS = 8;

/* Results of the kernel's calls. */
const IS_LARGE = -2;
const IS_KNOWN = -3;
const IS_OUT_OF_MEMORY = -4;
const IS_COLLECTION = -5;
/** The old value does not fit the reply area; nothing was done. */
export const NO_ROOM_FOR_OLD = 2;
/* What `largeOpen` writes to the reply area, in words of 32 bits. */
const OPEN_VALUE_BYTES = 2;
const OPEN_SKIP = 3;
const OPEN_PAGES = 4;

/** What came of a write. */
export interface SetOutcome {
  readonly stored: boolean;
  /** With `SetFlag.GET`: the encoded value that was there, nil where there was none. */
  readonly old: Buffer | undefined;
}

/** An encoded value with its version. */
export interface VersionedBytes {
  readonly bytes: Buffer;
  readonly version: Version;
}

/** A large value as it was read, with the number of its chain. */
interface Found {
  readonly bytes: Buffer;
  readonly chain: number;
}

const inOnePiece: RoomFor = (valueBytes) => Buffer.allocUnsafeSlow(valueBytes);

/**
 * The values of an arena, of any size, by their encoded bytes: those of keys in no namespace, or
 * those of keys in one. Of the latter the keys are given as the kernel has them, beginning with
 * their prefix (engine/kernel/namespaces.ts).
 */
export class LargeValues {
  readonly #desk: Desk;
  readonly #kernel: KernelExports;
  readonly #slot: number;
  /** The reply area. */
  readonly #words: Uint32Array;
  readonly #floats: Float64Array;
  readonly #now: () => number;
  readonly #keyFlag: number;
  readonly #versions: VersionScratch;

  /**
   * @param now the clock, in ms of Unix time
   * @param keyFlag `NAMESPACED_KEY` for keys of namespaces, 0 for others
   */
  constructor(desk: Desk, now: () => number = Date.now, keyFlag = 0) {
    const { kernel, slot, reply } = desk;
    this.#desk = desk;
    this.#kernel = kernel;
    this.#slot = slot;
    this.#now = now;
    this.#keyFlag = keyFlag;
    this.#versions = new VersionScratch(desk.arena);
    this.#words = new Uint32Array(reply.buffer, reply.byteOffset, reply.length >> 2);
    this.#floats = new Float64Array(reply.buffer, reply.byteOffset, 1);
  }

  /**
   * Stores an encoded value.
   * @param key 1 to 65,535 bytes, a prefix included
   * @param value one msgpack value, or the parts of one
   * @param ttlMs 0: no expiry
   * @param flags a sum of `SetFlag`s that do not exclude each other
   * @param version counts with `IF_VERSION` only
   * @throws SlabringError `TOOLARGE`, `OOM`; then nothing has changed
   */
  set(
    key: Uint8Array,
    value: Uint8Array | readonly Uint8Array[],
    ttlMs: number,
    flags: number,
    version: Version,
  ): SetOutcome {
    const parts = value instanceof Uint8Array ? [value] : value;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const isDraft = length > LARGE_BYTES;
    const { OLD_IS_KNOWN } = this.#kernel;
    /** The value that is there, if it is too large to come with the outcome. */
    let old: Found | undefined;
    let outcome = NO_ROOM_FOR_OLD;
    try {
      while (isDraft && !this.#draft(key, parts, length, flags, version)) {
        if ((flags & SetFlag.GET) === 0) return { stored: false, old: undefined };
        const found = this.get(key, 'peek');
        if (found !== undefined) return { stored: false, old: found };
        // A key that was there, and is not any more, is none that forbids NX. With a version, too,
        // nothing is ever stored.
        const isNxAlone = (flags & SetFlag.NX) !== 0 && (flags & SetFlag.IF_VERSION) === 0;
        if (!isNxAlone) return { stored: false, old: Buffer.from([NIL]) };
      }
      for (;;) {
        const chain = old === undefined ? 0 : old.chain;
        outcome = isDraft
          ? this.#commit(key, ttlMs, flags, version, chain)
          : this.#setPlainly(key, parts, ttlMs, flags, version, chain);
        if (outcome !== NO_ROOM_FOR_OLD) break;
        old = this.#read(key, inOnePiece);
      }
    } finally {
      this.#kernel.draftAbort(this.#slot);
    }
    if (outcome < 0) throw this.#desk.arena.errorOf(outcome);
    const isKnown = (outcome & OLD_IS_KNOWN.value) !== 0;
    const stored = (outcome & ~OLD_IS_KNOWN.value) === 1;
    if ((flags & SetFlag.GET) === 0) return { stored, old: undefined };
    return { stored, old: isKnown ? old!.bytes : this.#copyReply(valueEnd(this.#desk.reply, 0)) };
  }

  /**
   * The encoded value of the key, in a buffer of its own; undefined when it is absent or expired.
   * @throws SlabringError `OOM` when there is no memory for an expiry
   * @param room where to read a large value to, if not to a new buffer
   * @throws SlabringError `WRONGTYPE` when it is a collection
   */
  get(key: Uint8Array, mode: ReadMode, room: RoomFor = inOnePiece): Buffer | undefined {
    const found = this.#find(key, mode, room);
    if (found === IS_COLLECTION) throw this.#wrongType();
    return found;
  }

  /** `get` by `peek`, which has no value for a collection either. */
  peekPlain(key: Uint8Array): Buffer | undefined {
    const found = this.#find(key, 'peek', inOnePiece);
    return found === IS_COLLECTION ? undefined : found;
  }

  #find(key: Uint8Array, mode: ReadMode, room: RoomFor): Buffer | undefined | typeof IS_COLLECTION {
    for (;;) {
      const keyWord = this.#writeKey(key);
      const length = this.#readPlainly(keyWord, mode);
      if (length >= 0) return this.#copyReply(length, room);
      this.#checkMemory(length);
      if (length === IS_COLLECTION) return IS_COLLECTION;
      if (length !== IS_LARGE) return undefined;
      const found = this.#read(key, room);
      if (found !== undefined && this.#finish(keyWord, mode, found)) return found.bytes;
    }
  }

  /**
   * The encoded value with its version; undefined when the key is absent or expired.
   * @throws SlabringError `WRONGTYPE` when it is a collection, `OOM` when there is no memory for
   * the version
   */
  getVersioned(key: Uint8Array): VersionedBytes | undefined {
    const kernel = this.#kernel;
    let found: Found | undefined;
    for (;;) {
      const keyWord = this.#writeKey(key);
      const chain = found === undefined ? 0 : found.chain;
      const length = kernel.getVersionedDirect(this.#slot, keyWord, chain, this.#now());
      this.#checkMemory(length);
      if (length === IS_COLLECTION) throw this.#wrongType();
      if (length !== IS_LARGE) {
        if (length < 0 && length !== IS_KNOWN) return undefined;
        const version = this.#versions.read();
        return { bytes: length === IS_KNOWN ? found!.bytes : this.#copyReply(length), version };
      }
      found = this.#read(key, inOnePiece);
    }
  }

  /** @throws SlabringError `OOM` when that is what the kernel said */
  #checkMemory(outcome: number): void {
    if (outcome !== IS_OUT_OF_MEMORY) return;
    throw this.#desk.arena.errorOf(-this.#kernel.ERROR_OUT_OF_MEMORY.value);
  }

  #wrongType(): SlabringError {
    return this.#desk.arena.errorOf(-this.#kernel.ERROR_WRONG_TYPE.value);
  }

  /** Writes the key where the kernel takes it from; its word. */
  #writeKey(key: Uint8Array): number {
    this.#desk.request.set(key);
    return key.length | this.#keyFlag;
  }

  #copyReply(length: number, room: RoomFor = inOnePiece): Buffer {
    const bytes = room(length);
    copyTo(bytes, this.#desk.reply.subarray(0, length));
    return bytes.length === length ? bytes : bytes.subarray(0, length);
  }

  /** Makes a draft of the value; false when a condition is not met, and then there is none. */
  #draft(
    key: Uint8Array,
    parts: readonly Uint8Array[],
    length: number,
    flags: number,
    version: Version,
  ): boolean {
    const kernel = this.#kernel;
    const keyWord = this.#writeKey(key);
    const now = this.#now();
    const wanted = this.#versions.argumentOf(version);
    const begun = kernel.draftBegin(this.#slot, keyWord, length, flags, wanted, now);
    if (begun < 0) throw this.#desk.arena.errorOf(begun);
    if (begun === 0) return false;
    const payload = begun === kernel.DRAFT_WITH_KEY.value ? [key, ...parts] : parts;
    const memory = this.#desk.arena.bytes;
    let pages: Uint32Array = new Uint32Array(0);
    let page = 0;
    let room = 0;
    for (const part of payload) {
      for (let at = 0; at < part.length; ) {
        if (room === 0) {
          if (page === pages.length) {
            pages = this.#growDraft();
            page = 0;
          }
          page++;
          room = PAGE_PAYLOAD;
        }
        const bytes = Math.min(room, part.length - at);
        copyTo(memory, part.subarray(at, at + bytes), pages[page - 1]! + PAGE_PAYLOAD - room);
        at += bytes;
        room -= bytes;
      }
    }
    return true;
  }

  /** Takes more pages for the draft: where their payloads go. */
  #growDraft(): Uint32Array {
    const taken = this.#kernel.draftGrow(this.#slot, PAGES_AT_ONCE, this.#now());
    if (taken < 0) throw this.#desk.arena.errorOf(taken);
    return this.#words.slice(0, taken);
  }

  #commit(
    key: Uint8Array,
    ttlMs: number,
    flags: number,
    version: Version,
    knownOld: number,
  ): number {
    const keyWord = this.#writeKey(key);
    const now = this.#now();
    const wanted = this.#versions.argumentOf(version);
    return this.#kernel.draftCommit(this.#slot, keyWord, ttlMs, flags, wanted, knownOld, now);
  }

  #setPlainly(
    key: Uint8Array,
    parts: readonly Uint8Array[],
    ttlMs: number,
    flags: number,
    version: Version,
    knownOld: number,
  ): number {
    const { request } = this.#desk;
    const keyWord = this.#writeKey(key);
    let end = key.length;
    for (const part of parts) {
      copyTo(request, part, end);
      end += part.length;
    }
    const length = end - key.length;
    const now = this.#now();
    const { setKnowing } = this.#kernel;
    const wanted = this.#versions.argumentOf(version);
    return setKnowing(this.#slot, keyWord, length, ttlMs, flags, wanted, knownOld, now);
  }

  /** Reads a value that fits the reply area: its length, or why there is none. */
  #readPlainly(keyWord: number, mode: ReadMode): number {
    const kernel = this.#kernel;
    const now = this.#now();
    if (mode === 'get') return kernel.getDirect(this.#slot, keyWord, now);
    if (mode === 'peek') return kernel.peekDirect(this.#slot, keyWord, now);
    if (mode === 'take') return kernel.takeDirect(this.#slot, keyWord, now);
    return kernel.expireDirect(this.#slot, keyWord, mode, now);
  }

  /**
   * What a read of this mode does beside reading; false: the value was replaced meanwhile. The key
   * stands in the request area.
   */
  #finish(keyWord: number, mode: ReadMode, { chain }: Found): boolean {
    const kernel = this.#kernel;
    if (mode === 'take') {
      return kernel.largeRemove(this.#slot, keyWord, chain, this.#now()) === 1;
    }
    if (typeof mode === 'number') {
      const outcome = kernel.largeExpire(this.#slot, keyWord, chain, mode, this.#now());
      this.#checkMemory(outcome);
      return outcome === 1;
    }
    if (mode === 'get') kernel.largeUsed(this.#slot, keyWord);
    return true;
  }

  /**
   * Reads the value of the key, which it has as a whole at the end, if it is a large one;
   * undefined: it is not. The key stands in the request area afterwards.
   */
  #read(key: Uint8Array, room: RoomFor): Found | undefined {
    const kernel = this.#kernel;
    const keyWord = this.#writeKey(key);
    let place: Buffer | undefined;
    // Once more to the same place where it will do: memory that was written is copied to faster.
    const samePlace: RoomFor = (valueBytes) => {
      if (place?.length !== valueBytes) place = room(valueBytes);
      return place;
    };
    for (let start = 0; ; start++) {
      // Who is overtaken by writers of this very key again and again makes them wait, once.
      const isHeld = start >= FREE_STARTS;
      if (isHeld) kernel.largeHold(this.#slot, keyWord);
      try {
        const found = this.#readOnce(keyWord, samePlace);
        if (found !== 'replaced') return found;
      } finally {
        if (isHeld) kernel.largeRelease(this.#slot, keyWord);
      }
    }
  }

  #readOnce(keyWord: number, room: RoomFor): Found | undefined | 'replaced' {
    const kernel = this.#kernel;
    const count = kernel.largeOpen(this.#slot, keyWord, this.#now());
    if (count === 0) return undefined;
    if (count < 0) return 'replaced';
    const words = this.#words;
    const chain = this.#floats[0]!;
    const length = words[OPEN_VALUE_BYTES]!;
    const pages = words.slice(OPEN_PAGES, OPEN_PAGES + count);
    let skip = words[OPEN_SKIP]!;
    const bytes = room(length);
    const memory = this.#desk.arena.bytes;
    let at = 0;
    for (let page = 0; page < count; page++) {
      const inPage = Math.min(PAGE_PAYLOAD, skip + length - at);
      const skipped = Math.min(skip, inPage);
      const from = pages[page]!;
      copyTo(bytes, memory.subarray(from + skipped, from + inPage), at);
      at += inPage - skipped;
      skip -= skipped;
      const isLook = (page + 1) % PAGES_AT_ONCE === 0 || page + 1 === count;
      if (isLook && !kernel.largeIsStill(this.#slot, keyWord, chain)) return 'replaced';
    }
    return { bytes: bytes.length === length ? bytes : bytes.subarray(0, length), chain };
  }
}
