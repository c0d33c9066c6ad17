/** Options of the methods of hashes about fields that expire, as the commands take them. */
import type { Duration } from '../api.js';
import { SlabringError } from '../errors.js';
import { checkOptionNames, parseDuration, show } from '../units.js';

/** How fields are set. */
export interface FieldOptions {
  /** Time to live. Absent, or 0: they do not expire. */
  ttl?: Duration;
  /** Each keeps the expiry that it has; a new one has none. Not together with `ttl`. */
  keepTtl?: boolean;
  /** Only if none of them is there. */
  ifAbsent?: boolean;
  /** Only if all of them are there. */
  ifPresent?: boolean;
}

/** When a field gets another expiry. One without an expiry counts as one that expires after all. */
export interface ExpireOptions {
  /** Only when it has no expiry. */
  ifNone?: boolean;
  /** Only when it has one. */
  ifAny?: boolean;
  /** Only when it expires later then. */
  ifLater?: boolean;
  /** Only when it expires earlier then. */
  ifEarlier?: boolean;
}

/* Flags of HSETEX. */
const IF_ABSENT = 1;
const IF_PRESENT = 2;
const KEEP_TTL = 4;
/* Conditions of HEXPIRE. */
const IF_NONE = 1;
const IF_ANY = 2;
const IF_LATER = 4;
const IF_EARLIER = 8;

/**
 * The TTL and the flags of HSETEX.
 * @throws SlabringError `OPTION`
 */
export function fieldArguments(options: FieldOptions, method: string): unknown[] {
  checkOptionNames(options, ['ttl', 'keepTtl', 'ifAbsent', 'ifPresent'], `${method} of a hash`);
  const { ttl, keepTtl, ifAbsent, ifPresent } = options;
  const flags =
    flagOf(ifAbsent, 'ifAbsent', IF_ABSENT) |
    flagOf(ifPresent, 'ifPresent', IF_PRESENT) |
    flagOf(keepTtl, 'keepTtl', KEEP_TTL);
  if (ttl !== undefined && flags & KEEP_TTL) throw conflict('ttl and keepTtl');
  if (flags & IF_ABSENT && flags & IF_PRESENT) throw conflict('ifAbsent and ifPresent');
  return [ttl === undefined ? null : parseDuration(ttl, 'ttl'), flags];
}

/**
 * The TTL and the condition of HEXPIRE.
 * @throws SlabringError `OPTION`
 */
export function expireArguments(ttl: Duration, options: ExpireOptions, method: string): unknown[] {
  const known = ['ifNone', 'ifAny', 'ifLater', 'ifEarlier'];
  checkOptionNames(options, known, `${method} of a hash`);
  const { ifNone, ifAny, ifLater, ifEarlier } = options;
  const flags =
    flagOf(ifNone, 'ifNone', IF_NONE) |
    flagOf(ifAny, 'ifAny', IF_ANY) |
    flagOf(ifLater, 'ifLater', IF_LATER) |
    flagOf(ifEarlier, 'ifEarlier', IF_EARLIER);
  if (flags & IF_NONE && flags !== IF_NONE) throw conflict('ifNone and the other conditions');
  if (flags & IF_LATER && flags & IF_EARLIER) throw conflict('ifLater and ifEarlier');
  const ttlMs = parseDuration(ttl, 'ttl');
  if (ttlMs > 0) return [ttlMs, flags];
  // Redis removes the field then; elsewhere here 0 means that there is no expiry.
  const instead = 'persist takes an expiry away, and delete a field';
  throw new SlabringError('OPTION', `ttl must be more than 0, not ${show(ttl)}: ${instead}`);
}

function flagOf(value: boolean | undefined, option: string, flag: number): number {
  if (value === undefined || value === false) return 0;
  if (value === true) return flag;
  throw new SlabringError('OPTION', `${option} must be true or false, not ${show(value)}`);
}

function conflict(options: string): SlabringError {
  return new SlabringError('OPTION', `${options} exclude each other`);
}
