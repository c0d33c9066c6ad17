/** Checks arguments of the cache's methods that no type can check. */
import type { IncrementOptions } from './api.js';
import { SlabringError } from './errors.js';
import { checkOptionNames, parseDuration, show } from './units.js';

/**
 * The items, if they are an iterable. Strings are refused too: they are iterable, but each of their
 * characters is hardly meant as a key.
 * @param what what `method` takes an iterable of
 * @throws SlabringError `OPTION`
 */
export function iterate<T>(items: Iterable<T>, method: string, what: string): Iterable<T> {
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return items;
  throw new SlabringError('OPTION', `${method} takes an iterable of ${what}, not ${show(items)}`);
}

/** @throws SlabringError `OPTION` when `method` was given no function */
export function checkFunction(call: unknown, method: string): void {
  if (typeof call === 'function') return;
  throw new SlabringError('OPTION', `${method} takes a function, not ${show(call)}`);
}

/** @throws SlabringError `OPTION` when `method` was given no bytes */
export function checkBytes(value: unknown, method: string): void {
  if (value instanceof Uint8Array) return;
  throw new SlabringError('OPTION', `${method} takes a Uint8Array, not ${show(value)}`);
}

/**
 * The time to live in ms that `increment` gives an entry it creates.
 * @throws SlabringError `OPTION`
 */
export function readIncrementTtl(
  options: IncrementOptions | undefined,
  defaultTtlMs: number,
): number {
  if (options === undefined) return defaultTtlMs;
  checkOptionNames(options, ['ttl'], 'increment');
  return options.ttl === undefined ? defaultTtlMs : parseDuration(options.ttl, 'ttl');
}
