/**
 * What the commands of a load work on: strings under many keys, or one collection. One row for
 * each, so that protocols, fills and reports need no cases of their own.
 */
import type { CommandName } from '../../../engine/commands.js';

/** The words of a command that are drawn for each one anew. */
export const KEY = Symbol('key');
export const VALUE = Symbol('value');
export const SCORE = Symbol('score');
export type Drawn = typeof KEY | typeof VALUE | typeof SCORE;

/** A command and its arguments; null is an optional one that is left out. */
export interface Operation {
  readonly name: CommandName;
  readonly words: readonly (string | number | null | Drawn)[];
}

export interface Shape {
  /** What the keys are, for the head of a report. */
  readonly noun: string;
  /** Answered by the value that was written under the key. */
  readonly read: Operation | undefined;
  readonly write: Operation;
  /**
   * A write is answered by an integer from the first to the second, and reads and writes do not
   * come in one reel; undefined: by the protocol's "done".
   */
  readonly answer: readonly [least: number, most: number] | undefined;
  /** Follows the commands of each frame, answered by "done"; it does not count as an operation. */
  readonly behind: Operation | undefined;
  /** Whether every key is written once before it is measured. */
  readonly filled: boolean;
}

/**
 * A list that is only pushed to would take some hundred MB in a round, and more the faster the
 * server: so it is cut to this length behind every frame, as one does that keeps the latest of
 * something. Few, so that it is reached at once and all rounds are alike.
 */
export const LIST_LENGTH = 1_000;
export const LIST_LENGTH_TEXT = LIST_LENGTH.toLocaleString('en');

/** How many are new. */
const ADDED = [0, 1] as const;
const FILLED = { answer: undefined, behind: undefined, filled: true } as const;

export const SHAPES = {
  strings: {
    ...FILLED,
    noun: 'keys of 16 bytes',
    read: { name: 'GET', words: [KEY] },
    write: { name: 'SET', words: [KEY, VALUE] },
  },
  hash: {
    ...FILLED,
    noun: 'fields of 16 bytes in one hash',
    read: { name: 'HGET', words: ['bench:hash', KEY] },
    write: { name: 'HSET', words: ['bench:hash', KEY, VALUE] },
    answer: ADDED,
  },
  set: {
    ...FILLED,
    noun: 'members of 16 bytes in one set',
    read: undefined,
    write: { name: 'SADD', words: ['bench:set', KEY] },
    answer: ADDED,
  },
  sortedSet: {
    ...FILLED,
    noun: 'members of 16 bytes in one sorted set',
    read: undefined,
    write: { name: 'ZADD', words: ['bench:zset', null, SCORE, KEY] },
    answer: ADDED,
  },
  list: {
    noun: `different elements for one list, cut to ${LIST_LENGTH_TEXT} behind each frame`,
    read: undefined,
    write: { name: 'LPUSH', words: ['bench:list', VALUE] },
    answer: [1, Number.POSITIVE_INFINITY],
    behind: { name: 'LTRIM', words: ['bench:list', 0, LIST_LENGTH - 1] },
    filled: false,
  },
} as const satisfies Record<string, Shape>;

/** Whether the shape's writes hold a word of this kind. */
export function writes(shape: Shape, word: Drawn): boolean {
  return shape.write.words.includes(word);
}
