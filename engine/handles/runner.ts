/**
 * What the handles of lists, sets, hashes and sorted sets work on, so that each of their methods is
 * written once: the cache runs its command at once, the client sends it.
 */
import type { Key } from '../api.js';
import type { CommandName } from '../commands.js';
import { type ScanOptions, scanArguments } from './arguments.js';
import { type Page, readPage } from './replies.js';

/** How results come: `'sync'` from the cache, at once; `'async'` from a client, as promises. */
export type Mode = 'sync' | 'async';

/** A result of the type `T`, as it comes in this mode. */
export type Reply<M extends Mode, T> = M extends 'sync' ? T : Promise<T>;

/** What is gone over one by one: for `for`, or in a client for `for await`. */
export type Walk<M extends Mode, T> = M extends 'sync'
  ? Generator<T, void, undefined>
  : AsyncGenerator<T, void, undefined>;

/** A reply, read from its beginning to its end. */
export interface ReplySource {
  /** The next value; nil is null. */
  value(): unknown;
  /**
   * Begins an array or a map: how many values are to be read then, two for each pair of a map;
   * undefined: it is nil, and read.
   */
  items(): number | undefined;
  /** The next value as the reply to a command: an error is one, and is not thrown. */
  reply(): unknown;
  /**
   * The bytes of a key that is the whole reply, without what tells its namespace; undefined: it is
   * something else, and is not read.
   */
  key(): Uint8Array | undefined;
}

/**
 * Makes the result of a reply, which it reads to the end.
 * @throws SlabringError when what was read cannot be the result; not before all is read
 */
export type Reading<T> = (reply: ReplySource) => T;

/** A key among the arguments of a command. */
export class OtherKey {
  readonly key: Key;

  constructor(key: Key) {
    this.key = key;
  }
}

/** Among the arguments of a command: that many of those behind it are an array. */
export class ArrayHead {
  readonly length: number;

  constructor(length: number) {
    this.length = length;
  }
}

/** How many arguments these make: an array is one, and has no others in it. */
export function countArguments(args: readonly unknown[]): number {
  let count = args.length;
  for (const arg of args) if (arg instanceof ArrayHead) count -= arg.length;
  return count;
}

export interface Runner<M extends Mode> {
  /**
   * Runs a command on a key.
   * @param args makes what comes behind the key: values as `set` takes them, {@link OtherKey}s, and
   * {@link ArrayHead}s before numbers. What it throws is the call's error
   * @param nothing what the call comes to where there are no arguments; absent: the command runs
   */
  run<T>(
    command: CommandName,
    key: Key,
    args: () => readonly unknown[],
    read: Reading<T>,
    nothing?: T,
  ): Reply<M, T>;

  /**
   * Runs a command that has no key of its own, but may have some in arrays.
   * @param count its arguments, an array counting as one
   * @param args makes all that they consist of, with {@link ArrayHead}s before what is in arrays
   */
  runKeyless<T>(
    command: CommandName,
    count: number,
    args: () => readonly unknown[],
    read: Reading<T>,
  ): Reply<M, T>;

  /**
   * The items of one page after the other.
   * @param page the one at a cursor, 0 at first; it is asked for when those before are used up
   */
  walk<T>(page: (cursor: number) => Reply<M, Page<T>>): Walk<M, T>;
}

/** Items of a page of a walk, where a caller asks for none: a frame for each would take long. */
const WALK_COUNT = 100;

/** What is at a key, as one type of collection. */
export abstract class Handle<M extends Mode> {
  /** The key that all methods work on. */
  readonly key: Key;
  readonly #runner: Runner<M>;

  constructor(runner: Runner<M>, key: Key) {
    this.#runner = runner;
    this.key = key;
  }

  /** `Runner.run` on the key. */
  protected run<T>(
    command: CommandName,
    args: () => readonly unknown[],
    read: Reading<T>,
    nothing?: T,
  ): Reply<M, T> {
    return this.#runner.run(command, this.key, args, read, nothing);
  }

  /** A walk by a command that tells a page. Wrong options are refused at once. */
  protected walk<T>(
    command: CommandName,
    options: ScanOptions,
    readItems: Reading<T[]>,
  ): Walk<M, T> {
    scanArguments(0, options);
    const asked = { count: WALK_COUNT, ...options };
    const args = (cursor: number) => scanArguments(cursor, asked);
    return this.#runner.walk((cursor) =>
      this.run(command, () => args(cursor), readPage(readItems)),
    );
  }

  /** `run` of a command whose result is stored at another key, its first; this one comes next. */
  protected runInto<T>(
    command: CommandName,
    target: Key,
    args: () => readonly unknown[],
    read: Reading<T>,
  ): Reply<M, T> {
    const behind = () => [new OtherKey(this.key), ...args()];
    return this.#runner.run(command, target, behind, read);
  }
}
