/** The results of many commands for one promise. */
import type { SlabringError } from '../engine/errors.js';
import type { Frame } from './frame.js';
import { type Pending, type Result, readResult } from './pending.js';
import type { ReplyReader } from './reader.js';

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

  /** One result is in. */
  place(index: number, value: unknown): void {
    this.results[index] = value;
    this.arrived(1);
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

  /** Whether the result of this index is the next one. */
  reaches(gathering: Gathering, index: number): boolean {
    return this.gathering === gathering && this.#offset + this.commands === index;
  }

  settle(reader: ReplyReader, frame: Frame): void {
    const { results, result } = this.gathering;
    let arrived = 0;
    for (let i = 0; i < this.commands; i++) {
      const value = readResult(reader, result);
      if (reader.failure === undefined) {
        results[this.#offset + i] = value;
        arrived++;
      } else {
        frame.refuse(this, i, reader.takeFailure());
      }
    }
    this.gathering.arrived(arrived);
  }

  part(offset: number): Pending {
    if (this.commands === 1) return this;
    return new PendingPart(this.gathering, this.#offset + offset);
  }

  fail(error: SlabringError): void {
    this.gathering.reject(error);
  }
}

/** Where the commands of a `Gathering` go: one pipeline, or for each the one of its node. */
export interface Gatherer {
  /** Completes the command just written. */
  commitPart(gathering: Gathering, index: number): void;
  /** Takes back what was written of the present command. */
  rollback(): void;
}

/**
 * One promise for the results of `count` commands. `write(index)` must open a command and write it.
 * When it throws, the promise is rejected, and the commands before it are sent.
 */
export function gather(
  gatherer: Gatherer,
  count: number,
  result: Result,
  write: (index: number) => void,
): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const gathering = new Gathering(count, result, resolve, reject);
    try {
      for (let i = 0; i < count; i++) {
        write(i);
        gatherer.commitPart(gathering, i);
      }
    } catch (error) {
      gatherer.rollback();
      reject(error);
    }
    if (count === 0) resolve([]);
  });
}
