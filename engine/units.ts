/**
 * Reads options as people write them: sizes, durations, names. Imports only errors: the client uses
 * it too.
 */
import type { ByteSize, Duration, Version } from './api.js';
import { SlabringError } from './errors.js';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1024,
  mb: 1024 ** 2,
  gb: 1024 ** 3,
  tb: 1024 ** 4,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The longest time to live: 100 years. Longer ones are almost always a unit mistake. */
export const MAX_TTL_MS = 100 * 365 * 86_400_000;

function readUnit(
  text: unknown,
  units: Readonly<Record<string, number>>,
  bare: string,
): number | undefined {
  if (typeof text !== 'string') return undefined;
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const factor = match && units[(match[2] || bare).toLowerCase()];
  return match && factor ? Number(match[1]) * factor : undefined;
}

/**
 * Bytes of `'512mb'` or `536870912`. `option` names what is being read, for the error.
 * @throws SlabringError `OPTION`
 */
export function parseByteSize(size: ByteSize, option: string): number {
  const bytes = typeof size === 'number' ? size : readUnit(size, SIZE_UNITS, 'b');
  if (bytes === undefined || !Number.isFinite(bytes) || bytes < 0) {
    throw new SlabringError(
      'OPTION',
      `${option} must be a number of bytes or text such as '512mb' or '1gb', not ${show(size)}`,
    );
  }
  return Math.floor(bytes);
}

/** Durations already read: a program writes the same few texts in call after call. */
const knownDurations = new Map<string, number>();
/** More texts than this were not written by hand; they are read anew each time. */
const MAX_KNOWN_DURATIONS = 256;

/**
 * Whole milliseconds of `'5s'` or `5000`; anything between 0 and 1 ms counts as 1, and `Infinity`
 * as 0, which is no expiry. `option` names what is being read.
 * @throws SlabringError `OPTION`
 */
export function parseDuration(duration: Duration, option: string): number {
  if (typeof duration === 'number') return checkDuration(duration, duration, option);
  const known = knownDurations.get(duration);
  if (known !== undefined) return known;
  const ms = checkDuration(readUnit(duration, DURATION_UNITS, 'ms'), duration, option);
  if (knownDurations.size < MAX_KNOWN_DURATIONS) knownDurations.set(duration, ms);
  return ms;
}

function checkDuration(ms: number | undefined, given: Duration, option: string): number {
  // What `ttl` returns for an entry without expiry.
  if (ms === Number.POSITIVE_INFINITY) return 0;
  if (ms === undefined || !(ms >= 0) || ms > MAX_TTL_MS) {
    throw new SlabringError(
      'OPTION',
      `${option} must be milliseconds from 0 to ${MAX_TTL_MS} or text such as ` +
        `'250ms', '5s', '10m', '2h' or '7d', not ${show(given)}`,
    );
  }
  return Math.ceil(ms);
}

/**
 * Refuses what is no options object, and option names that nobody reads: a misspelt option must not
 * silently become a default. `owner` is who takes the options, as the message says it
 * (`openCache`); `otherNames`: what other libraries call which of them.
 * @throws SlabringError `OPTION`
 */
export function checkOptionNames(
  options: unknown,
  known: readonly string[],
  owner: string,
  otherNames: ReadonlyMap<string, string> = NO_OTHER_NAMES,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new SlabringError('OPTION', `${owner} takes an object of options, not ${show(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const near = otherNames.get(name) ?? nearestName(name, known);
    const hint = near ? `did you mean '${near}'?` : `it takes ${known.join(', ')}`;
    throw new SlabringError('OPTION', `${owner} has no option ${show(name)}; ${hint}`);
  }
}

const NO_OTHER_NAMES: ReadonlyMap<string, string> = new Map();

/**
 * The known name that was probably meant: at most two edits away, upper and lower case being the
 * same.
 */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  let best: string | undefined;
  let bestEdits = 3;
  for (const candidate of known) {
    const edits = editDistance(lower, candidate.toLowerCase());
    // A short name is two edits away from almost anything.
    if (edits < bestEdits && edits < candidate.length / 2) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** Levenshtein distance, one row at a time. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}

/** A value as an error message shows it: short and quoted. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return `'${value.length > 60 ? `${value.slice(0, 57)}...` : value}'`;
  if (typeof value === 'bigint') return showBigint(value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return showObject(value);
  return String(value);
}

/** Writing out the digits of a number of megabytes, which a client may send, takes seconds. */
function showBigint(value: bigint): string {
  const fits = BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value;
  return fits ? `${value}n` : 'a bigint of more than 64 bits';
}

function showObject(value: object): string {
  const name: unknown = value.constructor?.name;
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object';
  // A Uint8Array and a URL are spoken with a consonant.
  const named = `${/^[aeio]/i.test(name) ? 'an' : 'a'} ${name}`;
  if (!(value instanceof Uint8Array)) return named;
  return `${named} of ${value.length === 1 ? '1 byte' : `${value.length} bytes`}`;
}

/** No version of an entry is as large. */
const VERSIONS_END = 2n ** 64n;

/** Whether this is a version as `getVersioned` tells one. */
export function isVersion(version: unknown): version is Version {
  if (typeof version === 'bigint') return version >= 0n && version < VERSIONS_END;
  return Number.isSafeInteger(version) && (version as number) >= 0;
}
