/** Lists: `cache.list(key)` and `client.list(key)`. */
import type { Key } from '../api.js';
import { SlabringError } from '../errors.js';
import { show } from '../units.js';
import { checkCount, checkPositive, checkWhole, NO_ARGUMENTS } from './arguments.js';
import {
  readBoolean,
  readCount,
  readIndex,
  readInserted,
  readNothing,
  readOptional,
  readValues,
} from './replies.js';
import { Handle, type Mode, OtherKey, type Reply } from './runner.js';

/** An end of a list. */
export type ListEnd = 'start' | 'end';

/**
 * A list at a key, named as JavaScript's arrays are. Elements are what `set` takes as values. It
 * comes with the first element that is added and goes with the last that is taken; where there is
 * none, reads find an empty one. Both ends take the same time, however long it is; what is in the
 * midst takes O(log length).
 *
 * A method is one step that no other thread or client sees half of. Errors are SlabringErrors:
 * `WRONGTYPE` when something else is at the key, `OPTION` for wrong arguments, `TOOLARGE` for
 * arguments or results of more than about 1 MiB, and what `set` throws.
 */
export class List<M extends Mode = 'sync'> extends Handle<M> {
  /** Adds elements behind the last one; the length then. */
  push(...elements: unknown[]): Reply<M, number> {
    return elements.length === 0 ? this.length() : this.run('RPUSH', () => elements, readCount);
  }

  /** Adds elements before the first one, in the order given; the length then. */
  unshift(...elements: unknown[]): Reply<M, number> {
    if (elements.length === 0) return this.length();
    // The command puts one before the other.
    return this.run('LPUSH', () => elements.reverse(), readCount);
  }

  /** `push`, if there is a list; the length then, 0 when there is none. */
  pushIfPresent(...elements: unknown[]): Reply<M, number> {
    return elements.length === 0 ? this.length() : this.run('RPUSHX', () => elements, readCount);
  }

  /** `unshift`, if there is a list; the length then, 0 when there is none. */
  unshiftIfPresent(...elements: unknown[]): Reply<M, number> {
    if (elements.length === 0) return this.length();
    return this.run('LPUSHX', () => elements.reverse(), readCount);
  }

  /**
   * Takes the last element; `undefined` when there is none (or it is null). With a count: up to so
   * many, in the order in which they are taken, the last one first.
   */
  pop<T = unknown>(): Reply<M, T | undefined>;
  pop<T = unknown>(count: number): Reply<M, T[]>;
  pop<T>(count?: number): Reply<M, T | undefined> | Reply<M, T[]> {
    if (count === undefined) return this.run('RPOP', NO_ARGUMENTS, readOptional<T>);
    return this.run('RPOP', () => [checkCount(count)], readValues<T>);
  }

  /**
   * Takes the first element; `undefined` when there is none (or it is null). With a count: up to so
   * many, in their order.
   */
  shift<T = unknown>(): Reply<M, T | undefined>;
  shift<T = unknown>(count: number): Reply<M, T[]>;
  shift<T>(count?: number): Reply<M, T | undefined> | Reply<M, T[]> {
    if (count === undefined) return this.run('LPOP', NO_ARGUMENTS, readOptional<T>);
    return this.run('LPOP', () => [checkCount(count)], readValues<T>);
  }

  /** How many elements there are. */
  length(): Reply<M, number> {
    return this.run('LLEN', NO_ARGUMENTS, readCount);
  }

  /**
   * The element at an index, which below 0 counts from the end: -1 is the last one. `undefined`
   * when there is none (or it is null).
   */
  at<T = unknown>(index: number): Reply<M, T | undefined> {
    return this.run('LINDEX', () => [checkWhole(index, 'index')], readOptional<T>);
  }

  /** Replaces the element at an index, as `at` counts; false when there is none. */
  set(index: number, element: unknown): Reply<M, boolean> {
    return this.run('LSET', () => [checkWhole(index, 'index'), element], readBoolean);
  }

  /**
   * The index of the first element that equals this one, -1 when there is none. Elements are equal
   * when they are stored as the same bytes: text, numbers and bytes always, objects with the same
   * keys in the same order, but for a cache with `structures`.
   */
  indexOf(element: unknown): Reply<M, number> {
    return this.run('LPOS', () => [element], readIndex);
  }

  /** The index of the last element that equals this one (see `indexOf`), -1 when there is none. */
  lastIndexOf(element: unknown): Reply<M, number> {
    return this.run('LPOS', () => [element, LAST], readIndex);
  }

  /** The indexes of all elements that equal this one (see `indexOf`), or of up to `count`. */
  indexesOf(element: unknown, count?: number): Reply<M, number[]> {
    // 0 asks for all, and nobody asks for none.
    const args = () => [element, null, count === undefined ? 0 : checkPositive(count)];
    return this.run('LPOS', args, readValues<number>);
  }

  /**
   * Puts an element before the first one that equals `pivot` (see `indexOf`); the length then, or
   * `undefined` when there is no such one.
   */
  insertBefore(pivot: unknown, element: unknown): Reply<M, number | undefined> {
    return this.run('LINSERT', () => ['BEFORE', pivot, element], readInserted);
  }

  /** `insertBefore`, but behind it. */
  insertAfter(pivot: unknown, element: unknown): Reply<M, number | undefined> {
    return this.run('LINSERT', () => ['AFTER', pivot, element], readInserted);
  }

  /**
   * Removes the elements that equal this one (see `indexOf`); how many there were. With a count: up
   * to so many from the first one on, below 0 from the last one.
   */
  remove(element: unknown, count?: number): Reply<M, number> {
    const args = () => [count === undefined ? 0 : checkNotZero(count), element];
    return this.run('LREM', args, readCount);
  }

  /**
   * Takes an element from one end and puts it at an end of the list at another key, or of the same
   * one; returns it, or `undefined` when there is none (or it is null). By default from the start
   * of this one to the end of that one: a queue hands over to the next.
   * @throws SlabringError `CROSSSLOT` when the keys are in several arenas: a common {tag} puts them
   * in one
   */
  moveTo<T = unknown>(
    key: Key,
    from: ListEnd = 'start',
    to: ListEnd = 'end',
  ): Reply<M, T | undefined> {
    const args = () => [new OtherKey(key), sideOf(from, 'from'), sideOf(to, 'to')];
    return this.run('LMOVE', args, readOptional<T>);
  }

  /**
   * The elements from `start` up to `end`, which is not among them, as `Array.prototype.slice` has
   * it: indexes below 0 count from the end, and without `end` it goes to the end.
   */
  slice<T = unknown>(start = 0, end?: number): Reply<M, T[]> {
    return this.run('LRANGE', () => rangeOf(start, end), readValues<T>);
  }

  /** Removes all elements but those that `slice` with the same arguments returns. */
  trim(start: number, end?: number): Reply<M, void> {
    return this.run('LTRIM', () => rangeOf(start, end), readNothing);
  }
}

/** For LPOS: the first from the end. */
const LAST = -1;

function sideOf(end: ListEnd, name: string): string {
  if (end === 'start') return 'LEFT';
  if (end === 'end') return 'RIGHT';
  throw new SlabringError('OPTION', `${name} must be 'start' or 'end', not ${show(end)}`);
}

function checkNotZero(count: number): number {
  if (count !== 0) return checkWhole(count, 'count');
  throw new SlabringError('OPTION', 'count must not be 0; without a count all are removed');
}

/** A range whose end is not in it, as commands have ranges: with the last index in it. */
function rangeOf(start: number, end: number | undefined): readonly [number, number] {
  const first = checkWhole(start, 'start');
  if (end === undefined) return [first, -1];
  const last = checkWhole(end, 'end') - 1;
  // An end of 0 comes before all elements, where -1 would be the last one.
  return end === 0 ? [1, 0] : [first, last];
}
