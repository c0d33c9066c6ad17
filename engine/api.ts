/**
 * The types that the embedded `Cache` (synchronous) and the network `Client` (promises) share, so
 * that a method of the same name means the same in both. Imports nothing: the client bundles for
 * browsers carry this file as it is.
 */

/**
 * A key: 1 to 65,535 bytes. A string is its UTF-8 bytes, so `'a'` and `Uint8Array.of(97)` are one
 * key.
 */
export type Key = string | Uint8Array;

/** A time to live: milliseconds, or text such as `'250ms'`, `'5s'`, `'10m'`, `'2h'`, `'7d'`. */
export type Duration = number | string;

/** A size in bytes, or text such as `'64kb'`, `'512mb'`, `'1gb'` (powers of 1,024). */
export type ByteSize = number | string;

/** Options of `set`, `setBytes`, `swap` and (applied to every entry) `setMany`. */
export interface SetOptions {
  /** Time to live. Absent: the default of the cache or client. 0: the entry does not expire. */
  ttl?: Duration;
  /** Store only when the key is absent. */
  ifAbsent?: boolean;
  /** Store only when the key is present. */
  ifPresent?: boolean;
  /** Keep the expiry that the entry has; a new entry has none. Not together with `ttl`. */
  keepTtl?: boolean;
  /** Store only when the entry's version (see `getVersioned`) is this one. */
  ifVersion?: Version;
}

/** Options of `increment`. */
export interface IncrementOptions {
  /**
   * Time to live given to the entry when it is created by this call; an existing entry keeps its
   * own.
   */
  ttl?: Duration;
}

/** Options of `incrementFloat`, `setAll` and `setAllIfAbsent`. */
export interface TtlOptions {
  /**
   * Time to live of the entries made. Absent: the default of the cache or client. 0: they do not
   * expire.
   */
  ttl?: Duration;
}

/** Options of `copy`. */
export interface CopyOptions {
  /** Put the copy in place of the value that the new key has. Default `false`. */
  replace?: boolean;
}

/** A version of a value: a bigint where it is more than a number holds, as in a cluster. */
export type Version = number | bigint;

/**
 * A value with the version that `ifVersion` compares. A version never comes back for a key, also
 * not after a delete.
 */
export interface Versioned<T = unknown> {
  value: T;
  version: Version;
}

/** `ttl()`: milliseconds left, `Infinity` without expiry, `undefined` when the key is absent. */
export type TimeLeft = number | undefined;

/** What a key holds. */
export type KeyType = 'string' | 'list' | 'set' | 'hash' | 'zset';

/** Options of `scan` and `scanPage`. */
export interface KeyScanOptions {
  /**
   * Only keys that match: `*` any bytes, `?` one byte, `[a-z]` and `[^x]` one of some, `\\` before
   * a character that is meant as it is. At most 256 bytes.
   */
  match?: Key;
  /** How many keys to look at for a page, matching or not. A hint; default 100, at most 1,000. */
  count?: number;
  /** Only keys that hold this. */
  type?: KeyType;
}

/** A page of `scanPage`. */
export interface ScanPage<K = Key> {
  /** For the next page; 0: this was the last one. */
  cursor: number;
  /** Perhaps none, though more are to come. */
  keys: K[];
}

/** Options of `limit`. */
export interface LimitOptions {
  /** Tokens that the bucket holds: 1 to 1,000,000,000. */
  capacity: number;
  /** Tokens that come in a second, at a constant rate: above 0, also 0.1. */
  refillPerSecond: number;
  /** Tokens that the call takes if there are as many. Default 1; 0 only looks. */
  cost?: number;
}

/** What `limit` says. */
export interface LimitResult {
  /** Whether the tokens were there, and were taken. */
  allowed: boolean;
  /** Whole tokens that are left. */
  remaining: number;
  /** Until the call would be allowed; 0 when it was, `Infinity` where it costs more than fit. */
  retryAfterMs: number;
  /** Until the bucket is full again. */
  fullAfterMs: number;
}

/** What `describe` says of an entry. */
export interface KeyDescription {
  type: KeyType;
  /**
   * `inline`: the value lies in one chunk of memory; `chained`: in several. Of a collection,
   * `packed`: it lies in one chunk; `nodes`: it has grown beyond that.
   */
  encoding: 'inline' | 'chained' | 'packed' | 'nodes';
  /** Of the value as msgpack, or of what the collection holds. */
  bytes: number;
  /** What the entry takes in all: see `memoryUsage`. */
  memoryBytes: number;
  ttlMs: TimeLeft;
  /** What eviction knows of its use, 0 to 3; what that means is the policy's business. */
  mark: number;
  /** As `getVersioned` gives it, if it was ever asked for. */
  version: Version | undefined;
}
