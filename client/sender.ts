/** What the methods of a client send their commands through. */
import type { Key } from '../engine/api.js';
import type { Reading } from '../engine/handles/runner.js';
import type { Gatherer } from './gathering.js';
import type { Result } from './pending.js';
import type { Pipeline } from './pipeline.js';
import type { FrameWriter } from './writer.js';

/** A node that keys are asked of one by one, and how it is told from others. */
export interface Stop {
  /** Keeps its number as long as the client lives. */
  readonly number: number;
  readonly pipeline: Pipeline;
  /** Whether this node runs the commands on the key: others may have copies of it. */
  has(key: Key): boolean;
}

export interface Sender extends Gatherer {
  /**
   * The writer for one more command. Follow it by `commit`, or `abandon` when writing fails; no
   * code of the caller may run in between, because it might call a command.
   * @param key of which the command is; absent: any node may run it
   * @param others further keys, which must be on the same node
   * @throws SlabringError `CLOSED`, `QUEUEFULL`, `CROSSSLOT`
   */
  open(code: number, key?: Key, others?: readonly Key[]): FrameWriter;
  /** Completes the command just written; a function makes the result of its reply. */
  commit(result: Result | Reading<unknown>): Promise<unknown>;
  /** Takes the present command back and makes its error a rejection. */
  abandon(error: unknown): Promise<never>;
  /** The indexes of the keys, those on one node together; undefined: all are on one. */
  split(keys: readonly Key[]): readonly (readonly number[])[] | undefined;
  /** All live nodes by number; one where there is no cluster. */
  stops(): readonly Stop[];
  /** How many nodes have each entry, in the mean. */
  readonly copies: number;
}
