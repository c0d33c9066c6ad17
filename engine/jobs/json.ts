/** Values as JSON, where nothing of them is lost by that. */
import type { Buffer } from 'node:buffer';
import { SlabringError } from '../errors.js';
import { show } from '../units.js';

/**
 * The value as JSON.
 * @param key the entry's, for the error
 * @throws SlabringError `WRONGTYPE` for a value that JSON.parse would not give back
 */
export function toJson(value: unknown, key: Buffer): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, name: string) {
    // As it is, before anybody's toJSON.
    const part = this[name];
    if (!isJson(part)) {
      throw new SlabringError(
        'WRONGTYPE',
        `the value of ${show(key.toString())} holds ${show(part)}, ` +
          'which JSON has no form for: use msgpack',
      );
    }
    return part;
  });
}

function isJson(part: unknown): boolean {
  if (typeof part === 'number') return Number.isFinite(part);
  if (typeof part === 'string' || typeof part === 'boolean' || part === null) return true;
  if (typeof part !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(part);
  return Array.isArray(part) || prototype === Object.prototype || prototype === null;
}
