/** Checks arguments of the cache's methods that no type can check. */
import type { CopyOptions, IncrementOptions, Key, TtlOptions } from './api.js';
import { CopyFlag } from './commands.js';
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

/** @throws SlabringError `OPTION` when `method` was given neither text nor bytes */
export function checkData(data: unknown, method: string): void {
  if (typeof data === 'string' || data instanceof Uint8Array) return;
  throw new SlabringError('OPTION', `${method} takes a string or a Uint8Array, not ${show(data)}`);
}

/**
 * The pairs, if that is what they are.
 * @throws SlabringError `OPTION`
 */
export function pairsOf(entries: unknown, method: string): [Key, unknown][] {
  const what = '[key, value] pairs';
  const pairs = [...iterate(entries as Iterable<[Key, unknown]>, method, what)];
  for (const pair of pairs) {
    if (Array.isArray(pair) && pair.length === 2) continue;
    throw new SlabringError('OPTION', `${method} takes ${what}, not ${show(pair)}`);
  }
  return pairs;
}

/**
 * The time to live in ms of entries that `method` makes.
 * @throws SlabringError `OPTION`
 */
export function readTtl(
  options: TtlOptions | undefined,
  method: string,
  defaultTtlMs: number,
): number {
  if (options === undefined) return defaultTtlMs;
  checkOptionNames(options, ['ttl'], method);
  return options.ttl === undefined ? defaultTtlMs : parseDuration(options.ttl, 'ttl');
}

/**
 * The flags of COPY.
 * @throws SlabringError `OPTION`
 */
export function readCopyFlags(options: CopyOptions | undefined): number {
  if (options === undefined) return 0;
  checkOptionNames(options, ['replace'], 'copy');
  const { replace = false } = options;
  if (typeof replace === 'boolean') return replace ? CopyFlag.REPLACE : 0;
  throw new SlabringError('OPTION', `replace must be true or false, not ${show(replace)}`);
}

/**
 * The time to live in ms that `increment` gives an entry it creates.
 * @throws SlabringError `OPTION`
 */
export function readIncrementTtl(
  options: IncrementOptions | undefined,
  defaultTtlMs: number,
): number {
  return readTtl(options, 'increment', defaultTtlMs);
}
