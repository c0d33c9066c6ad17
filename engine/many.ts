/** The calls with many keys: their commands go to the kernel in frames, as a client's do. */
import type { Key } from './api.js';
import type { ArenaSet } from './arena-set.js';
import { Batch } from './batch.js';
import { packValue } from './codec.js';
import { COMMANDS, type CommandName, SetFlag } from './commands.js';
import { SlabringError } from './errors.js';
import { type Frames, isFault } from './frame.js';
import { ReplyReader } from './reply.js';
import { createExecutor } from './routed-frame.js';
import type { SetArguments } from './setoptions.js';
import type { Space } from './space.js';
import type { Structures } from './structures.js';
import { show } from './units.js';

export class Many {
  readonly #executor: Frames<undefined>;
  readonly #maxValueBytes: number;
  readonly #checkOpen: () => void;
  readonly #structures: Structures | undefined;

  /** @param checkOpen throws when the cache has been closed; called after all code of the caller */
  constructor(arenas: ArenaSet, checkOpen: () => void, structures: Structures | undefined) {
    this.#structures = structures;
    this.#maxValueBytes = arenas.facts.maxValueBytes;
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
   * The value of each key, `undefined` for an absent one; with `space`, of that namespace.
   * @param readNull reads a key again whose value is absent or null: a frame says nil for both
   */
  get<T>(
    keys: readonly Key[],
    readNull: (key: Key) => T | undefined,
    space?: Space,
  ): (T | undefined)[] {
    const values = this.forKeys('GET', keys, space) as (T | null)[];
    return values.map((value, i) => (value === null ? readNull(keys[i]!) : value));
  }

  /** The replies to one command for each key; with `space`, of that namespace. */
  forKeys(name: CommandName, keys: Iterable<Key>, space?: Space): unknown[] {
    const batch = new Batch();
    const { code } = COMMANDS[name];
    for (const key of keys) batch.begin(code, key, 1, space !== undefined);
    return this.#run(batch, space);
  }

  /** The sum of the replies to one command for each key, which are counts. */
  sumForKeys(name: CommandName, keys: Iterable<Key>, space?: Space): number {
    return (this.forKeys(name, keys, space) as number[]).reduce((sum, count) => sum + count, 0);
  }

  /** For each pair whether it was stored. */
  set(entries: Iterable<unknown>, args: SetArguments, space?: Space): boolean[] {
    const batch = new Batch();
    for (const entry of entries) {
      if (!Array.isArray(entry) || entry.length !== 2) {
        throw new SlabringError('OPTION', `setMany takes [key, value] pairs, not ${show(entry)}`);
      }
      const [key, value] = entry as [Key, unknown];
      const packed = packValue(value, this.#structures);
      batch.begin(COMMANDS.SET.code, key, 5, space !== undefined);
      batch.value(value, packed, this.#maxValueBytes);
      batch.integer(args.ttlMs);
      batch.integer(args.flags);
      if (args.flags & SetFlag.IF_VERSION) batch.integer(args.version);
      else batch.nil();
    }
    return this.#run(batch, space) as boolean[];
  }

  /**
   * Runs the commands of a batch; their replies. An error among them is thrown when all have run.
   */
  #run(batch: Batch, space: Space | undefined): unknown[] {
    this.#checkOpen();
    if (space !== undefined) batch.setPrefix(space.prefix());
    const replies: unknown[] = [];
    let failed: unknown;
    for (const { start, end, commands } of batch.frames()) {
      const result = this.#executor.execute(batch.bytes.subarray(start, end), undefined);
      if (isFault(result)) throw new SlabringError('INTERNAL', result.reason);
      const reader = new ReplyReader(result, this.#structures);
      for (let i = 0; i < commands; i++) {
        try {
          replies.push(reader.next());
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
