/**
 * Commands that wait for their reply, and how a reply becomes what the caller gets.
 */
import { SlabringError } from '../engine/errors.js';
import type { Reading } from '../engine/handles/runner.js';
import type { Frame } from './frame.js';
import type { WaitCommand } from './frame-waits.js';
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
  /** An array of values; each nil is undefined. */
  VALUES: 7,
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
    case Result.VALUES:
      return Array.isArray(reply) ? reply.map((value) => value ?? undefined) : reply;
    case Result.TIME_LEFT:
      if (reply === -2) return undefined;
      return reply === -1 ? Number.POSITIVE_INFINITY : reply;
    default:
      return reply;
  }
}

/** One or more consecutive commands of a frame, answered together. */
export interface Pending {
  /** How many commands. */
  readonly commands: number;
  /** What has to be met for them to count; they go to the end of the frame. */
  readonly waits?: readonly WaitCommand[];
  /**
   * Takes its replies, and gives errors to the frame that it was in, which may know what to do.
   * @throws RangeError when the message is broken
   */
  settle(reader: ReplyReader, frame: Frame): void;
  fail(error: SlabringError): void;
  /** What waits for the command at this place alone, or for as few as belong together. */
  part(offset: number): Pending;
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

  get commands(): number {
    return 1;
  }

  settle(reader: ReplyReader, frame: Frame): void {
    const value = readResult(reader, this.#result);
    if (reader.failure === undefined) this.#resolve(value);
    else frame.refuse(this, 0, reader.takeFailure());
  }

  part(): Pending {
    return this;
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

  get commands(): number {
    return 1;
  }

  part(): Pending {
    return this;
  }

  settle(reader: ReplyReader, frame: Frame): void {
    try {
      const value = this.#read(reader);
      if (reader.failure === undefined) this.#resolve(value);
      else frame.refuse(this, 0, reader.takeFailure());
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

/** A write, which counts when its WAITs tell that enough nodes have it. */
export class PendingConfirmed implements Pending {
  readonly waits: readonly WaitCommand[];
  readonly #result: Result | Reading<unknown>;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: SlabringError) => void;

  constructor(
    result: Result | Reading<unknown>,
    waits: readonly WaitCommand[],
    resolve: (value: unknown) => void,
    reject: (error: SlabringError) => void,
  ) {
    this.waits = waits;
    this.#result = result;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get commands(): number {
    return 1;
  }

  settle(reader: ReplyReader, frame: Frame): void {
    const { value, error } = this.#read(reader);
    if (error !== undefined) {
      frame.refuse(this, 0, error);
      return;
    }
    const waits = frame.waits!;
    waits.afterwards(() => {
      const doubt = waits.failureOf(this.waits);
      if (doubt === undefined) {
        this.#resolve(value);
        return;
      }
      const message = `the write was done, but too few nodes are known to have it: ${doubt.message}`;
      const failure = new SlabringError('UNAVAILABLE', message, { cause: doubt });
      frame.refuse(this, 0, doubt, failure);
    });
  }

  fail(error: SlabringError): void {
    this.#reject(error);
  }

  part(): Pending {
    return this;
  }

  #read(reader: ReplyReader): { value?: unknown; error?: SlabringError } {
    const result = this.#result;
    try {
      const value = typeof result === 'function' ? result(reader) : readResult(reader, result);
      return reader.failure === undefined ? { value } : { error: reader.takeFailure() };
    } catch (error) {
      // Anything else is a broken message.
      if (!(error instanceof SlabringError)) throw error;
      return { error };
    }
  }
}
