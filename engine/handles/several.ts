/** The arguments of methods on several sets: further keys, and up to how many are counted. */
import type { Key } from '../api.js';
import { checkOptionNames } from '../units.js';
import { checkIterable, checkPositive } from './arguments.js';
import { OtherKey } from './runner.js';

/**
 * Further keys of a command.
 * @throws SlabringError `OPTION` when `keys` is no iterable, or text
 */
export function otherKeys(keys: Iterable<Key>, method: string): OtherKey[] {
  return Array.from(checkIterable(keys, method, 'keys'), (key) => new OtherKey(key));
}

/** What methods take that count. */
export interface SizeOptions {
  /** Counts up to so many, which may take less time; from 1 on. Default: all. */
  limit?: number;
}

/**
 * The arguments of a command that counts what is in several sets.
 * @throws SlabringError `OPTION`
 */
export function sizeArguments(
  keys: Iterable<Key>,
  options: SizeOptions,
  method: string,
): unknown[] {
  checkOptionNames(options, ['limit'], method);
  const { limit } = options;
  const args = otherKeys(keys, method);
  return limit === undefined ? args : [...args, checkPositive(limit, 'limit')];
}
