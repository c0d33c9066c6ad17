/** The methods of the embedded `Cache` as promises. */
import type {
  Duration,
  IncrementOptions,
  Key,
  SetOptions,
  TimeLeft,
  Versioned,
} from '../engine/api.js';
import { readIncrementTtl } from '../engine/arguments.js';
import { COMMANDS, type CommandName, SetFlag } from '../engine/commands.js';
import { SlabringError } from '../engine/errors.js';
import { checkDelta } from '../engine/handles/arguments.js';
import {
  type AtomicCommand,
  type AtomicOptions,
  type AtomicResult,
  runAtomic,
} from '../engine/handles/atomic.js';
import { Hash } from '../engine/handles/hash.js';
import { List } from '../engine/handles/list.js';
import { Members } from '../engine/handles/members.js';
import type { Runner } from '../engine/handles/runner.js';
import { SortedSet } from '../engine/handles/sorted.js';
import type { Store } from '../engine/handles/store.js';
import { SetArguments } from '../engine/setoptions.js';
import { parseDuration, show } from '../engine/units.js';
import { ClientRunner } from './client-runner.js';
import { needsPacking, packValue } from './codec.js';
import { gather } from './gathering.js';
import { KeyCommands } from './key-commands.js';
import { sendNamed } from './named-command.js';
import type { ClientSettings } from './options.js';
import { Result } from './pending.js';
import type { Router } from './router.js';
import type { Sender } from './sender.js';
import { Session } from './session.js';
import {
  checkSessionOptions,
  isPlain,
  readSessionOptions,
  type SessionOptions,
} from './session-options.js';
import type { FrameWriter } from './writer.js';

/** How long a list of keys one command carries; longer lists become several commands. */
const KEYS_PER_COMMAND = 500;

const GET = COMMANDS.GET.code;
const SET = COMMANDS.SET.code;

/**
 * The commands, sent as the options say that `with` was called with.
 *
 * Every command returns a promise, rejected with a `SlabringError` when it cannot be carried out.
 * Commands of one turn of the event loop leave in one frame, so do not `await` them one by one
 * where they are independent.
 */
export class ClientView extends KeyCommands implements Store<'async'> {
  readonly #router: Router;
  readonly #sender: Sender;
  readonly #settings: ClientSettings;
  readonly #options: SessionOptions;
  readonly #ttlMs: number;
  readonly #setArguments = new SetArguments();
  readonly #runner: Runner<'async'>;

  /** Made by `with`. */
  constructor(router: Router, settings: ClientSettings, options: SessionOptions) {
    const session = readSessionOptions(options, settings.timeoutMs);
    const sender = isPlain(session) ? router : new Session(router, session);
    super(sender, settings.ttlMs);
    if (session.readYourWrites) router.noteOwnWrites();
    this.#router = router;
    this.#sender = sender;
    this.#settings = settings;
    this.#options = options;
    this.#ttlMs = settings.ttlMs;
    this.#runner = new ClientRunner(sender);
  }

  /**
   * The same client with other choices about writes and reads in a cluster; those left out are as
   * they are here. It shares the connections, and ends with the client, which alone has what is
   * about connections.
   * @throws SlabringError `OPTION`
   */
  with(options: SessionOptions): ClientView {
    checkSessionOptions(options);
    return new ClientView(this.#router, this.#settings, { ...this.#options, ...options });
  }

  /**
   * The value, or undefined when the key is absent (or null was stored: use `getVersioned` to
   * tell).
   * @throws SlabringError `WRONGTYPE` when it is a list, set, hash or sorted set
   */
  get<T = unknown>(key: Key): Promise<T | undefined> {
    return this.#one(GET, key, Result.VALUE) as Promise<T | undefined>;
  }

  /**
   * The value as bytes, for values stored by `setBytes` (or strings: their UTF-8).
   * @throws SlabringError `WRONGTYPE` for other values
   */
  getBytes(key: Key): Promise<Uint8Array | undefined> {
    return this.#one(GET, key, Result.BYTES) as Promise<Uint8Array | undefined>;
  }

  /** The value with its version, or undefined when the key is absent. */
  getVersioned<T = unknown>(key: Key): Promise<Versioned<T> | undefined> {
    return this.#one(COMMANDS.GETV.code, key, Result.VERSIONED) as Promise<
      Versioned<T> | undefined
    >;
  }

  /**
   * The values in the order of their keys, undefined for each that is absent, or is a list,
   * set, hash or sorted set.
   */
  async getMany<T = unknown>(keys: Iterable<Key>): Promise<(T | undefined)[]> {
    const list = listOf(keys, 'getMany', 'keys');
    return (await gather(this.#sender, list.length, Result.PLAIN_VALUE, (index) => {
      const key = list[index]!;
      const writer = this.#sender.open(GET, key);
      writer.command(GET, 1);
      writer.key(key);
    })) as (T | undefined)[];
  }

  /** Stores the value; false when a condition in the options did not hold. */
  set(key: Key, value: unknown, options?: SetOptions): Promise<boolean> {
    return this.#set(key, value, options, 0, Result.RAW) as Promise<boolean>;
  }

  /** Stores bytes as they are; false when a condition in the options did not hold. */
  setBytes(key: Key, bytes: Uint8Array, options?: SetOptions): Promise<boolean> {
    if (!(bytes instanceof Uint8Array)) {
      const message = `setBytes takes a Uint8Array, not ${show(bytes)}`;
      return Promise.reject(new SlabringError('OPTION', message));
    }
    return this.set(key, bytes, options);
  }

  /**
   * Stores each value under its key, all with the same options; for each whether it was stored. The
   * first error rejects the whole call, though other entries may have been stored.
   */
  async setMany(
    entries: Iterable<readonly [Key, unknown]>,
    options?: SetOptions,
  ): Promise<boolean[]> {
    const list = listOf(entries, 'setMany', '[key, value] pairs');
    const args = new SetArguments().read(options, this.#defaultTtlFor(options));
    return (await gather(this.#sender, list.length, Result.RAW, (index) => {
      const entry = list[index]!;
      if (!Array.isArray(entry) || entry.length !== 2) {
        throw new SlabringError('OPTION', `setMany takes [key, value] pairs, not ${show(entry)}`);
      }
      const [key, value] = entry as [Key, unknown];
      const packed = needsPacking(value) ? packValue(value) : undefined;
      writeSet(this.#sender.open(SET, key), key, value, packed, args, args.flags);
    })) as boolean[];
  }

  /**
   * Stores the value and returns the old one, also where a condition did not hold; undefined when
   * there was none.
   */
  swap<T = unknown>(key: Key, value: unknown, options?: SetOptions): Promise<T | undefined> {
    return this.#set(key, value, options, SetFlag.GET, Result.VALUE) as Promise<T | undefined>;
  }

  /** Removes the key; whether it was there. */
  delete(key: Key): Promise<boolean> {
    return this.#one(COMMANDS.DEL.code, key, Result.ANY) as Promise<boolean>;
  }

  /** Removes the keys; how many were there. */
  deleteMany(keys: Iterable<Key>): Promise<number> {
    return this.#count('deleteMany', COMMANDS.DEL.code, keys);
  }

  /** Whether the key is present. */
  has(key: Key): Promise<boolean> {
    return this.#one(COMMANDS.EXISTS.code, key, Result.ANY) as Promise<boolean>;
  }

  /** How many of the keys are present; one given twice counts twice. */
  hasMany(keys: Iterable<Key>): Promise<number> {
    return this.#count('hasMany', COMMANDS.EXISTS.code, keys);
  }

  /** Marks the entry as just used, for eviction; whether it is present. */
  touch(key: Key): Promise<boolean> {
    return this.#one(COMMANDS.TOUCH.code, key, Result.ANY) as Promise<boolean>;
  }

  /** Marks the entries as just used; how many are present. */
  touchMany(keys: Iterable<Key>): Promise<number> {
    return this.#count('touchMany', COMMANDS.TOUCH.code, keys);
  }

  /** Milliseconds left, `Infinity` without expiry, undefined when the key is absent. */
  ttl(key: Key): Promise<TimeLeft> {
    return this.#one(COMMANDS.TTL.code, key, Result.TIME_LEFT) as Promise<TimeLeft>;
  }

  /** Sets the time to live, 0 for none; whether the key is present. */
  expire(key: Key, ttl: Duration): Promise<boolean> {
    try {
      const ttlMs = parseDuration(ttl, 'ttl');
      const writer = this.#sender.open(COMMANDS.EXPIRE.code, key);
      writer.command(COMMANDS.EXPIRE.code, 2);
      writer.key(key);
      writer.integer(ttlMs);
    } catch (error) {
      return this.#sender.abandon(error);
    }
    return this.#sender.commit(Result.RAW) as Promise<boolean>;
  }

  /** Removes the expiry; whether there was one. */
  persist(key: Key): Promise<boolean> {
    return this.#one(COMMANDS.PERSIST.code, key, Result.RAW) as Promise<boolean>;
  }

  /**
   * Adds `delta` to the integer stored, 0 when the key is absent, and returns the sum: a bigint
   * when a number could not hold it exactly.
   * @throws SlabringError `WRONGTYPE` when the value is no integer, `OVERFLOW` when the sum passes
   *   64 bits
   */
  increment(
    key: Key,
    delta: number | bigint = 1,
    options?: IncrementOptions,
  ): Promise<number | bigint> {
    try {
      const ttlMs = readIncrementTtl(options, this.#ttlMs);
      checkDelta(delta);
      const writer = this.#sender.open(COMMANDS.INCR.code, key);
      writer.command(COMMANDS.INCR.code, ttlMs === 0 ? 2 : 3);
      writer.key(key);
      writer.value(delta);
      if (ttlMs !== 0) writer.integer(ttlMs);
    } catch (error) {
      return this.#sender.abandon(error);
    }
    return this.#sender.commit(Result.RAW) as Promise<number | bigint>;
  }

  /**
   * Runs commands on any keys in one step, if all guards hold: nobody sees some of them done and
   * others not, or does anything in between.
   *
   * Commands are arrays of a name and its arguments as docs/PROTOCOL.md tells them. All that can be
   * told before is: then none runs. One that fails when it runs, such as an INCR of text, has its
   * error for a reply, and the others run all the same.
   * @throws SlabringError `OPTION`, `SYNTAX`, `TOOLARGE`; `CROSSSLOT` when the keys are in several
   * arenas. Nothing was done then
   */
  atomic(commands: Iterable<AtomicCommand>, options?: AtomicOptions): Promise<AtomicResult> {
    return runAtomic<'async'>(this.#runner, commands, options);
  }

  /** The list at the key, to work with; it need not be there yet. */
  list(key: Key): List<'async'> {
    return new List(this.#runner, key);
  }

  /** The set at the key, by its members, to work with; it need not be there yet. */
  members(key: Key): Members<'async'> {
    return new Members(this.#runner, key);
  }

  /** The hash at the key, to work with; it need not be there yet. */
  hash(key: Key): Hash<'async'> {
    return new Hash(this.#runner, key);
  }

  /** The sorted set at the key, to work with; it need not be there yet. */
  sorted(key: Key): SortedSet<'async'> {
    return new SortedSet(this.#runner, key);
  }

  /**
   * Sends any command of the protocol by name; resolves to its reply as it is on the wire, nil
   * being null. An argument that is undefined goes as nil, "as if absent".
   *
   * In a cluster, a command goes to the node of its keys, and one without a key to the node that
   * the client is connected to for the view. Of those with several keys, DEL, EXISTS, TOUCH and
   * MGET are asked of each node for its own.
   * @throws SlabringError `CROSSSLOT` when another command has keys on several nodes
   */
  send(command: CommandName, ...args: unknown[]): Promise<unknown> {
    return sendNamed(this.#sender, command, args);
  }

  /** A command whose only argument is a key. */
  #one(code: number, key: Key, result: Result): Promise<unknown> {
    try {
      const writer = this.#sender.open(code, key);
      writer.command(code, 1);
      writer.key(key);
    } catch (error) {
      return this.#sender.abandon(error);
    }
    return this.#sender.commit(result);
  }

  /** On the wire, KEEPTTL excludes a time to live. */
  #defaultTtlFor(options: SetOptions | undefined): number {
    return options?.keepTtl === true ? 0 : this.#ttlMs;
  }

  #set(
    key: Key,
    value: unknown,
    options: SetOptions | undefined,
    flags: number,
    result: Result,
  ): Promise<unknown> {
    try {
      const packed = needsPacking(value) ? packValue(value) : undefined;
      const args = this.#setArguments.read(options, this.#defaultTtlFor(options));
      writeSet(this.#sender.open(SET, key), key, value, packed, args, args.flags | flags);
    } catch (error) {
      return this.#sender.abandon(error);
    }
    return this.#sender.commit(result);
  }

  /** A command that counts keys, cut into several where there are many, or several nodes. */
  async #count(method: string, code: number, keys: Iterable<Key>): Promise<number> {
    const list = listOf(keys, method, 'keys');
    const parts = this.#sender.split(list)?.map((part) => part.map((index) => list[index]!));
    const chunks = (parts ?? [list]).flatMap(chunksOf);
    const counts = await gather(this.#sender, chunks.length, Result.RAW, (index) => {
      const chunk = chunks[index]!;
      const writer = this.#sender.open(code, chunk[0], parts && chunk.slice(1));
      writer.command(code, chunk.length);
      for (const key of chunk) writer.key(key);
    });
    return (counts as number[]).reduce((sum, count) => sum + count, 0);
  }
}

function chunksOf(keys: readonly Key[]): Key[][] {
  const chunks: Key[][] = [];
  for (let at = 0; at < keys.length; at += KEYS_PER_COMMAND) {
    chunks.push(keys.slice(at, at + KEYS_PER_COMMAND));
  }
  return chunks;
}

/** `packed` are the bytes of a value that needs packing. */
function writeSet(
  writer: FrameWriter,
  key: Key,
  value: unknown,
  packed: Uint8Array | undefined,
  args: SetArguments,
  flags: number,
): void {
  const { ttlMs, version } = args;
  // Optional arguments end with the last one that says something.
  const versioned = (flags & SetFlag.IF_VERSION) !== 0;
  writer.command(SET, versioned ? 5 : flags !== 0 ? 4 : ttlMs !== 0 ? 3 : 2);
  writer.key(key);
  if (packed === undefined) writer.value(value);
  else writer.packed(packed);
  if (flags === 0 && ttlMs === 0) return;
  writer.integer(ttlMs);
  if (flags === 0) return;
  writer.integer(flags);
  if (versioned) writer.value(version);
}

/**
 * @throws SlabringError `OPTION` also for a string: it is iterable, but its characters were not
 * meant as keys
 */
function listOf<T>(items: Iterable<T>, method: string, what: string): readonly T[] {
  if (Array.isArray(items)) return items;
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return [...items];
  throw new SlabringError('OPTION', `${method} takes an iterable of ${what}, not ${show(items)}`);
}
