/**
 * Namespaces as the host sees them: which number a name has, what keys begin with, and clearing.
 * engine/kernel/namespaces.ts draws where that stands and argues why it is sound.
 *
 * With several arenas the first one has the names, and says by its epoch what was cleared. The
 * others follow: before a thread uses a key in one of them, it lets that arena have the first one's
 * epoch, unless it has it. So it does no harm if who cleared the namespace dies before he has told
 * all of them.
 */
import { Buffer } from 'node:buffer';
import type { ArenaSet } from './arena-set.js';
import { SlabringError } from './errors.js';
import { show } from './units.js';

/** What the kernel's epochs and numbers are made of. */
export const NUMBER_SHIFT = 20;
const EPOCH_MASK = (1 << NUMBER_SHIFT) - 1;
const NAME_BYTES = 256;
const MAX_NAME_BYTES = NAME_BYTES - 1;
/** In place of the epoch in which an arena was swept. */
const NOT_SWEPT = -1;

/** An arena's epochs. */
function epochsOf({ kernel, bytes, facts }: ArenaSet['arenas'][number]): Int32Array {
  return new Int32Array(bytes.buffer, kernel.namespaceEpochsAt() >>> 0, facts.maxNamespaces);
}

/** The namespaces of a cache, for one thread. */
export class Spaces {
  readonly #set: ArenaSet;
  /** By arena. */
  readonly #epochs: readonly Int32Array[];
  readonly #names: Buffer;

  constructor(set: ArenaSet) {
    const first = set.arenas[0]!;
    const { maxNamespaces } = first.facts;
    this.#set = set;
    this.#epochs = set.arenas.map(epochsOf);
    const at = first.kernel.namespaceNamesAt() >>> 0;
    this.#names = Buffer.from(first.bytes.buffer, at, maxNamespaces * NAME_BYTES);
  }

  /**
   * The namespace of a name, which is made if need be.
   * @throws SlabringError `OPTION` when it is no name, or there are as many as there can be
   */
  open(name: string): Space {
    const { kernel, slot, request, facts } = this.#set.arenas[0]!;
    const bytes = readName(name);
    request.set(bytes);
    const number = kernel.openNamespace(slot, bytes.length);
    if (number > 0) {
      for (const arena of this.#set.arenas) arena.kernel.useNamespace(number);
      return new Space(this.#set, this.#epochs, number);
    }
    throw new SlabringError(
      'OPTION',
      facts.maxNamespaces === 0
        ? 'this cache was opened with maxNamespaces: 0'
        : `all ${facts.maxNamespaces} namespaces are in use; raise maxNamespaces for ${show(name)}`,
    );
  }

  /** All names, by number. */
  names(): string[] {
    const count = this.#set.arenas[0]!.kernel.countNamespaces();
    return Array.from({ length: count }, (_, i) => this.nameOf(i + 1));
  }

  /** The name of a number that some key has. */
  nameOf(number: number): string {
    const at = (number - 1) * NAME_BYTES;
    return this.#names.toString('utf8', at + 1, at + 1 + this.#names[at]!);
  }

  /** For a reader of changes that begins now. */
  watch(): EpochWatch {
    return new EpochWatch(this.#epochs[0]!);
  }
}

/**
 * What a reader of changes knows of the namespaces' epochs. Changes come partition by partition,
 * and the log tells of a clear in only one of them: what came before the clear and what came after
 * are told apart by the epoch in their keys.
 */
export class EpochWatch {
  readonly #present: Int32Array;
  /** By number - 1: the last epoch that was met. */
  readonly #met: Int32Array;

  /** @param present the first arena's, which change meanwhile */
  constructor(present: Int32Array) {
    this.#present = present;
    this.#met = present.map((_, at) => Atomics.load(present, at));
  }

  /**
   * A key with this prefix comes. 0: it is of the epoch that was met last; above 0: of a later one,
   * which is met by that; below 0: of an older one.
   */
  meet(prefix: number): number {
    const at = (prefix >>> NUMBER_SHIFT) - 1;
    // Of the bits that the prefix has, as a number with a sign: no reader is so far behind.
    const later = ((prefix - this.#met[at]!) << (32 - NUMBER_SHIFT)) >> (32 - NUMBER_SHIFT);
    if (later > 0) this.#met[at] = this.#met[at]! + later;
    return later;
  }

  /** The numbers of the namespaces that were cleared since they were met. */
  catchUp(): number[] {
    const cleared: number[] = [];
    for (let at = 0; at < this.#met.length; at++) {
      const present = Atomics.load(this.#present, at);
      if (((present - this.#met[at]!) | 0) <= 0) continue;
      this.#met[at] = present;
      cleared.push(at + 1);
    }
    return cleared;
  }
}

/** @throws SlabringError `OPTION` */
export function checkName(name: string): void {
  readName(name);
}

function readName(name: string): Buffer {
  if (typeof name === 'string') {
    const bytes = Buffer.from(name);
    const isText = bytes.toString() === name;
    if (isText && bytes.length > 0 && bytes.length <= MAX_NAME_BYTES) return bytes;
  }
  throw new SlabringError(
    'OPTION',
    `a namespace's name must be text of 1 to ${MAX_NAME_BYTES} bytes, not ${show(name)}`,
  );
}

/** How many values have a length in bytes from `from` to `to`. */
export interface SizeCount {
  readonly from: number;
  readonly to: number;
  readonly entries: number;
}

/** Counters and sizes of a namespace, all threads together. Read while others write. */
export interface NamespaceStats {
  readonly entries: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits of all reads, 0 to 1; 0 before the first one. */
  readonly hitRatio: number;
  readonly sets: number;
  /** Entries removed one by one; those that `clear` removes are not counted. */
  readonly deletes: number;
  readonly evictions: number;
  readonly expired: number;
  /** The encoded values by size, in powers of two, those of which there are any. */
  readonly sizes: readonly SizeCount[];
}

/** One namespace. */
export class Space {
  readonly number: number;
  readonly #set: ArenaSet;
  readonly #epochs: readonly Int32Array[];
  readonly #first: Int32Array;
  /** Index of its epoch. */
  readonly #at: number;

  constructor(set: ArenaSet, epochs: readonly Int32Array[], number: number) {
    this.number = number;
    this.#set = set;
    this.#epochs = epochs;
    this.#first = epochs[0]!;
    this.#at = number - 1;
  }

  /** How often it was cleared: 32 bits that come round. */
  get epoch(): number {
    return Atomics.load(this.#first, this.#at);
  }

  /** What keys begin with from now on, as 32 bits with a sign. */
  prefix(): number {
    const epoch = Atomics.load(this.#first, this.#at);
    if (this.#epochs.length > 1) this.#follow(epoch);
    return (this.number << NUMBER_SHIFT) | (epoch & EPOCH_MASK);
  }

  /** Removes all its entries: they are gone when this returns, their memory comes back later. */
  clear(): void {
    const { kernel, slot } = this.#set.arenas[0]!;
    const needsSweep = kernel.NAMESPACE_NEEDS_SWEEP.value;
    let swept = NOT_SWEPT;
    // Once in a million times.
    while (kernel.clearNamespace(slot, this.number, swept) === needsSweep) {
      swept = this.epoch >>> 0;
      kernel.sweepNamespaces(slot);
    }
    if (this.#epochs.length > 1) this.#follow(this.epoch);
  }

  stats(): NamespaceStats {
    if (this.#epochs.length > 1) this.#follow(this.epoch);
    const totals: number[] = [];
    for (const { kernel, slot, reply } of this.#set.arenas) {
      const count = kernel.collectNamespace(slot, this.number);
      const values = new Float64Array(reply.buffer, reply.byteOffset, count);
      for (const [i, value] of values.entries()) totals[i] = (totals[i] ?? 0) + value;
    }
    const [entries, bytes, sets, deletes, evictions, expired, hits, misses, ...counts] = totals;
    const sizes: SizeCount[] = [];
    for (const [bits, count] of counts.entries()) {
      if (count === 0) continue;
      sizes.push({ from: bits === 0 ? 0 : 2 ** (bits - 1), to: 2 ** bits - 1, entries: count });
    }
    return {
      entries: entries!,
      bytes: bytes!,
      hits: hits!,
      misses: misses!,
      hitRatio: hits === 0 ? 0 : hits! / (hits! + misses!),
      sets: sets!,
      deletes: deletes!,
      evictions: evictions!,
      expired: expired!,
      sizes,
    };
  }

  /** Lets all other arenas have the first one's epoch. */
  #follow(epoch: number): void {
    for (let index = 1; index < this.#epochs.length; index++) {
      if (Atomics.load(this.#epochs[index]!, this.#at) !== epoch) this.#raise(index, epoch);
    }
  }

  #raise(index: number, epoch: number): void {
    const { kernel, slot } = this.#set.arenas[index]!;
    const needsSweep = kernel.NAMESPACE_NEEDS_SWEEP.value;
    let swept = NOT_SWEPT;
    while (kernel.raiseNamespace(slot, this.number, epoch, swept) === needsSweep) {
      swept = Atomics.load(this.#epochs[index]!, this.#at) >>> 0;
      kernel.sweepNamespaces(slot);
    }
  }
}
