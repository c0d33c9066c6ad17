/** The calls with many keys: their commands go to the kernel in frames, as a client's do. */
import { Buffer } from 'node:buffer';
import type { Key } from './api.js';
import type { ArenaSet } from './arena-set.js';
import { Batch, type FrameRange } from './batch.js';
import { encodedParts, packValue } from './codec.js';
import { COMMANDS, type CommandName, SetFlag } from './commands.js';
import type { Desk } from './desk.js';
import { SlabringError } from './errors.js';
import { type Frames, isFault } from './frame.js';
import { LARGE_BYTES } from './large.js';
import { ReplyReader } from './reply.js';
import { createExecutor } from './routed-frame.js';
import type { SetArguments } from './setoptions.js';
import type { Space } from './space.js';
import type { Structures } from './structures.js';
import { show } from './units.js';

/** What the keys of a call are keys of. */
export interface ManyKeys {
  /** Their namespace; undefined: none. */
  readonly space: Space | undefined;
  /** Where a key belongs, to be written. */
  deskToWrite(key: Key): Desk;
  /** In a cluster: throws `MOVED` for a key that is not this member's. */
  readonly check: ((key: Key, isWrite: boolean) => void) | undefined;
}

/** A value that goes into no frame: it is stored before frame number `frame`. */
interface LargeSet {
  readonly frame: number;
  readonly key: Buffer;
  readonly bytes: Buffer;
}

export class Many {
  readonly #executor: Frames<undefined>;
  readonly #maxValueBytes: number;
  readonly #areaBytes: number;
  readonly #checkOpen: () => void;
  readonly #structures: Structures | undefined;

  /** @param checkOpen throws when the cache has been closed; called after all code of the caller */
  constructor(arenas: ArenaSet, checkOpen: () => void, structures: Structures | undefined) {
    this.#structures = structures;
    this.#maxValueBytes = arenas.facts.maxValueBytes;
    this.#areaBytes = arenas.facts.areaBytes;
    this.#checkOpen = checkOpen;
    this.#executor = createExecutor<undefined>(arenas, refuseHostCommand, {
      // The caller asked for the values of these keys; how many bytes that is, is his to know.
      maxReplyBytes: Infinity,
      // Looked up at each call, as the other methods do: the two clocks must be one.
      now: () => Date.now(),
      isHosts: true,
    });
  }

  /**
   * The value of each key, `undefined` for an absent one, or a collection.
   * @param readNull reads a key again whose value is absent or null: a frame says nil for both
   */
  get<T>(
    keys: readonly Key[],
    readNull: (key: Key) => T | undefined,
    of: ManyKeys,
  ): (T | undefined)[] {
    const values = this.#run(this.#batchOf('GET', keys, of), of, true) as (T | null)[];
    return values.map((value, i) => (value === null ? readNull(keys[i]!) : value));
  }

  /** The sum of the replies to one command for each key, which are counts. */
  sumForKeys(name: CommandName, keys: Iterable<Key>, of: ManyKeys): number {
    const counts = this.#run(this.#batchOf(name, keys, of), of) as number[];
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** One command for each key. */
  #batchOf(name: CommandName, keys: Iterable<Key>, of: ManyKeys): Batch {
    const batch = new Batch();
    const { code, write } = COMMANDS[name];
    for (const key of keys) {
      of.check?.(key, write);
      batch.begin(code, key, 1, of.space !== undefined);
    }
    return batch;
  }

  /** For each pair whether it was stored. */
  set(entries: Iterable<unknown>, args: SetArguments, of: ManyKeys): boolean[] {
    const batch = new Batch();
    const larges: LargeSet[] = [];
    const mostBytes = Math.min(this.#maxValueBytes, LARGE_BYTES);
    // What the kernel has a short way for.
    const count = args.flags !== 0 ? 5 : args.ttlMs === 0 ? 2 : 3;
    for (const entry of entries) {
      if (!Array.isArray(entry) || entry.length !== 2) {
        throw new SlabringError('OPTION', `setMany takes [key, value] pairs, not ${show(entry)}`);
      }
      const [key, value] = entry as [Key, unknown];
      const packed = packValue(value, this.#structures);
      of.check?.(key, true);
      batch.begin(COMMANDS.SET.code, key, count, of.space !== undefined);
      if (!batch.value(value, packed, mostBytes)) {
        const bytes = Buffer.concat(encodedParts(value, packed, this.#maxValueBytes));
        larges.push({ frame: batch.frames().length, key: Buffer.from(key as Uint8Array), bytes });
        continue;
      }
      if (count > 2) batch.integer(args.ttlMs);
      if (count <= 3) continue;
      batch.integer(args.flags);
      if (args.flags & SetFlag.IF_VERSION) batch.integer(args.version);
      else batch.nil();
    }
    return this.#run(batch, of, false, larges, args) as boolean[];
  }

  /**
   * Runs a batch of one command whose keys and values are one step.
   * @throws SlabringError `TOOLARGE` when they are too long for that
   */
  runOne(batch: Batch, of: ManyKeys): ReplyReader {
    this.#checkOpen();
    if (of.space !== undefined) batch.setPrefix(of.space.prefix());
    const [{ start, end }] = batch.frames() as [FrameRange];
    if (end - start > this.#areaBytes) {
      throw new SlabringError(
        'TOOLARGE',
        `the keys and values of this call may have ${this.#areaBytes} bytes together`,
      );
    }
    const result = this.#executor.execute(batch.bytes.subarray(start, end), undefined);
    if (isFault(result)) throw new SlabringError('INTERNAL', result.reason);
    return new ReplyReader(result, this.#structures);
  }

  /**
   * Runs the commands of a batch; their replies. An error among them is thrown when all have run.
   * @param isPlain collections have no value: nil, and no error
   */
  #run(
    batch: Batch,
    of: ManyKeys,
    isPlain = false,
    larges: readonly LargeSet[] = [],
    args?: SetArguments,
  ): unknown[] {
    this.#checkOpen();
    if (of.space !== undefined) batch.setPrefix(of.space.prefix());
    const replies: unknown[] = [];
    let failed: unknown;
    let large = 0;
    const frames = batch.frames();
    for (let frame = 0; ; frame++) {
      for (; larges[large]?.frame === frame; large++) {
        try {
          const { key, bytes } = larges[large]!;
          const { ttlMs, flags, version } = args!;
          const desk = of.deskToWrite(key);
          const word = desk.writeKey(key);
          replies.push(desk.storeLarge(word, [bytes], ttlMs, flags, version).stored);
        } catch (error) {
          failed ??= error;
        }
      }
      if (frame === frames.length) break;
      const { start, end, commands } = frames[frame]!;
      const result = this.#executor.execute(batch.bytes.subarray(start, end), undefined);
      if (isFault(result)) throw new SlabringError('INTERNAL', result.reason);
      const reader = new ReplyReader(result, this.#structures);
      for (let i = 0; i < commands; i++) {
        try {
          replies.push(isPlain ? reader.nextPlain() : reader.next());
        } catch (error) {
          failed ??= error;
        }
      }
    }
    if (failed !== undefined) throw failed;
    return replies;
  }
}

/** The batch writes no command that the kernel leaves to a host. */
function refuseHostCommand(name: CommandName): never {
  throw new SlabringError('INTERNAL', `${name} has no meaning for an embedded cache`);
}
