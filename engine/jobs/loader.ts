/**
 * Stores the entries that an import job reads, in frames of many, and tells where in the file an
 * entry stands that the cache refuses.
 */
import { Buffer } from 'node:buffer';
import type { Key } from '../api.js';
import type { ArenaSet } from '../arena-set.js';
import { Batch } from '../batch.js';
import { type Packed, packValue } from '../codec.js';
import { COMMANDS } from '../commands.js';
import { SlabringError } from '../errors.js';
import { type Frames, isFault } from '../frame.js';
import { Tag } from '../msgpack.js';
import { ReplyReader } from '../reply.js';
import { createExecutor } from '../routed-frame.js';
import { openStructures, type Structures } from '../structures.js';
import { type Place, PlacedError } from './faults.js';

/** Entries stored at once: two frames of the batch. */
const GROUP = 512;
/** Of large values less are. */
const GROUP_BYTES = 256 * 1024;

/** SET without flags: key, value, time to live. */
const SET_ARGS = 3;

export class Loader {
  readonly #executor: Frames<undefined>;
  readonly #maxValueBytes: number;
  readonly #structures: Structures | undefined;
  readonly #batch = new Batch();
  readonly #placeOf: (at: number) => Pick<Place, 'byte' | 'line'>;
  /** Where the entries of the batch stand. */
  readonly #places: number[] = [];
  #stored = 0;

  /**
   * @param placeOf a place in the file by what {@link add} was told: bytes or lines, whichever the
   *   caller has at hand
   */
  constructor(arenas: ArenaSet, placeOf: (at: number) => Pick<Place, 'byte' | 'line'>) {
    this.#placeOf = placeOf;
    this.#maxValueBytes = arenas.facts.maxValueBytes;
    this.#structures = openStructures(arenas.arenas[0]!);
    this.#executor = createExecutor<undefined>(arenas, refuseHostCommand, {
      maxReplyBytes: Infinity,
    });
  }

  /** Entries stored since {@link reset}. */
  get stored(): number {
    return this.#stored;
  }

  /** Whether objects are encoded with the cache's record structures. */
  get hasStructures(): boolean {
    return this.#structures !== undefined;
  }

  /** Begins to count anew. */
  reset(): void {
    this.#stored = 0;
  }

  /** Whether it is time to {@link flush}. */
  get isFull(): boolean {
    return this.#places.length >= GROUP || this.#batch.length >= GROUP_BYTES;
  }

  /**
   * Adds an entry; it is stored by {@link flush}.
   * @param at where it stands
   * @throws SlabringError when key or value cannot be stored; nothing was added then
   */
  add(key: Key, value: unknown, ttlMs: number, at: number): void {
    this.#add(key, value, packValue(value, this.#structures), ttlMs, at);
  }

  /** {@link add} of a value that is msgpack already. */
  addPacked(key: Key, value: Packed, ttlMs: number, at: number): void {
    this.#add(key, undefined, value, ttlMs, at);
  }

  /**
   * Stores what was added.
   * @throws PlacedError with the first entry that was refused; the others are stored
   */
  flush(): void {
    let first = 0;
    let refused: { readonly entry: number; readonly error: unknown } | undefined;
    for (const { start, end, commands } of this.#batch.frames()) {
      const reply = this.#executor.execute(this.#batch.bytes.subarray(start, end), undefined);
      if (isFault(reply)) throw new SlabringError('INTERNAL', reply.reason);
      if (areAllStored(reply, commands)) {
        this.#stored += commands;
      } else {
        const reader = new ReplyReader(reply);
        for (let entry = first; entry < first + commands; entry++) {
          try {
            reader.next();
            this.#stored++;
          } catch (error) {
            refused ??= { entry, error };
          }
        }
      }
      first += commands;
    }
    const at = refused && this.#places[refused.entry]!;
    this.#batch.clear();
    this.#places.length = 0;
    if (at !== undefined) throw this.errorAt(at, refused!.error);
  }

  /** An error at a place, with what has been stored by now. */
  errorAt(at: number, error: unknown): PlacedError {
    return new PlacedError(error, { ...this.#placeOf(at), entries: this.#stored });
  }

  #add(key: Key, value: unknown, packed: Packed | undefined, ttlMs: number, at: number): void {
    this.#batch.begin(COMMANDS.SET.code, key, SET_ARGS);
    try {
      this.#batch.value(value, packed, this.#maxValueBytes);
    } catch (error) {
      this.#batch.cancel();
      throw error;
    }
    this.#batch.integer(ttlMs);
    this.#places.push(at);
  }
}

/** Whether a reply frame, with its id of one byte, says true and nothing else. */
function areAllStored(reply: Uint8Array, commands: number): boolean {
  if (reply.length !== 1 + commands) return false;
  for (let i = 1; i < reply.length; i++) if (reply[i] !== Tag.TRUE) return false;
  return true;
}

/** The batch writes no command that the kernel leaves to a host. */
function refuseHostCommand(name: string): never {
  throw new SlabringError('INTERNAL', `${name} has no meaning for an embedded cache`);
}

/** msgpack in a buffer, as {@link Loader.addPacked} takes it. One is reused. */
export function packedView(): Packed {
  return { bytes: Buffer.alloc(0), start: 0, end: 0, hasRecords: false };
}
