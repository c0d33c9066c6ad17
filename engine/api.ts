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
  ifVersion?: number;
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

/**
 * A value with the version that `ifVersion` compares. A version never comes back for a key, also
 * not after a delete.
 */
export interface Versioned<T = unknown> {
  value: T;
  version: number;
}

/** `ttl()`: milliseconds left, `Infinity` without expiry, `undefined` when the key is absent. */
export type TimeLeft = number | undefined;
