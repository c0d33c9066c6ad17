/**
 * Commands that wait for their reply, and how a reply becomes what the caller gets.
 */
import { SlabringError } from '../engine/errors.js';
import type { Reading } from '../engine/handles/runner.js';
import type { ReplyReader } from './reader.js';

/** What the caller of a command gets for its reply. */
export const Result = {
  /** The reply as it is; nil is null. */
  RAW: 0,
  /** A value; nil is undefined. */
  VALUE: 1,
  /** The bytes of a bin or str; nil is undefined. */
  BYTES: 2,
  /** `{ value, version }`; nil is undefined. */
  VERSIONED: 3,
  /** A count of at most one, as a boolean. */
  ANY: 4,
  /** Milliseconds left: -1 is Infinity, -2 is undefined. */
  TIME_LEFT: 5,
  /** A value; nil is undefined, and so is a collection. */
  PLAIN_VALUE: 6,
} as const;
export type Result = (typeof Result)[keyof typeof Result];

/** Reads one reply; `reader.failure` says whether it was an error. */
export function readResult(reader: ReplyReader, result: Result): unknown {
  switch (result) {
    case Result.BYTES:
      return reader.payload();
    case Result.VERSIONED:
      return reader.versioned();
    case Result.PLAIN_VALUE:
      return reader.plainValue();
    default:
      return convert(reader.value(), result);
  }
}

function convert(reply: unknown, result: Result): unknown {
  switch (result) {
    case Result.VALUE:
      return reply === null ? undefined : reply;
    case Result.ANY:
      return reply !== 0;
    case Result.TIME_LEFT:
      if (reply === -2) return undefined;
      return reply === -1 ? Number.POSITIVE_INFINITY : reply;
    default:
      return reply;
  }
}

/** One or more consecutive commands of a frame, answered together. */
export interface Pending {
  /** Takes its replies. @throws RangeError when the message is broken */
  settle(reader: ReplyReader): void;
  fail(error: SlabringError): void;
}

/** One command with a promise of its own. */
export class PendingCommand implements Pending {
  readonly #result: Result;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: SlabringError) => void;

  constructor(
    result: Result,
    resolve: (value: unknown) => void,
    reject: (error: SlabringError) => void,
  ) {
    this.#result = result;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  settle(reader: ReplyReader): void {
    const value = readResult(reader, this.#result);
    if (reader.failure === undefined) this.#resolve(value);
    else this.#reject(reader.takeFailure());
  }

  fail(error: SlabringError): void {
    this.#reject(error);
  }
}

/** One command of a handle, with a promise of its own. */
export class PendingReading<T> implements Pending {
  readonly #read: Reading<T>;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: SlabringError) => void;

  constructor(
    read: Reading<T>,
    resolve: (value: unknown) => void,
    reject: (error: SlabringError) => void,
  ) {
    this.#read = read;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  settle(reader: ReplyReader): void {
    try {
      const value = this.#read(reader);
      if (reader.failure === undefined) this.#resolve(value);
      else this.#reject(reader.takeFailure());
    } catch (error) {
      // Anything else is a broken message.
      if (!(error instanceof SlabringError)) throw error;
      this.#reject(error);
    }
  }

  fail(error: SlabringError): void {
    this.#reject(error);
  }
}

/**
 * The results of a call that became many commands, such as `getMany`. The first error rejects the
 * call, but every command ran or not as its own reply says.
 */
export class Gathering {
  readonly results: unknown[];
  readonly result: Result;
  readonly resolve: (results: unknown[]) => void;
  readonly reject: (error: SlabringError) => void;
  #left: number;

  constructor(
    size: number,
    result: Result,
    resolve: (results: unknown[]) => void,
    reject: (error: SlabringError) => void,
  ) {
    this.results = new Array(size).fill(undefined);
    this.result = result;
    this.resolve = resolve;
    this.reject = reject;
    this.#left = size;
  }

  /** `count` results are in. */
  arrived(count: number): void {
    this.#left -= count;
    if (this.#left === 0) this.resolve(this.results);
  }
}

/** The consecutive commands of a `Gathering` that one frame holds. */
export class PendingPart implements Pending {
  readonly gathering: Gathering;
  /** Index of the first result. */
  readonly #offset: number;
  /** How many of them; grows while the frame does. */
  commands = 1;

  constructor(gathering: Gathering, offset: number) {
    this.gathering = gathering;
    this.#offset = offset;
  }

  settle(reader: ReplyReader): void {
    const { results, result } = this.gathering;
    for (let i = 0; i < this.commands; i++) {
      results[this.#offset + i] = readResult(reader, result);
      if (reader.failure !== undefined) this.gathering.reject(reader.takeFailure());
    }
    this.gathering.arrived(this.commands);
  }

  fail(error: SlabringError): void {
    this.gathering.reject(error);
  }
}
