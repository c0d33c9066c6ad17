/**
 * What a cache and a namespace can do besides storing values: leases, rate limits, and looking at
 * the keys there are.
 */
import { randomInt } from 'node:crypto';
import type {
  Duration,
  Key,
  KeyDescription,
  KeyScanOptions,
  KeyType,
  LimitOptions,
  LimitResult,
  ScanPage,
} from './api.js';
import {
  checkOwner,
  readCursor,
  readDescription,
  readLeaseTtl,
  readLimit,
  readLimitOptions,
  readScanOptions,
  readTypeName,
  type WireDescription,
  type WireLimit,
} from './keyoptions.js';
import { deskIn, desksIn, deskToWriteIn, type SharedParts } from './keyspace.js';
import { prefixOf, randomKey, scanPage } from './scan-page.js';
import type { Single } from './single.js';
import type { Space } from './space.js';
import { StringKeys } from './string-keys.js';
import type { FoundKey } from './walk.js';

export abstract class FullKeyspace extends StringKeys {
  readonly #single: Single;

  constructor(shared: SharedParts, defaultTtlMs: number, space?: Space) {
    super(shared, defaultTtlMs, space);
    this.#single = shared.single;
  }

  /** What the key holds, or `undefined` when it is absent. Does not count as a use of it. */
  type(key: Key): KeyType | undefined {
    return readTypeName(this.#single.begin(deskIn(this, key), 'TYPE', key, 1).finish());
  }

  /**
   * Keys, page by page, in no order that means anything: those that match the options.
   *
   * This thread and others may write meanwhile. A key that is there during the whole walk is
   * returned exactly once. One that comes or goes meanwhile is returned once or not at all, and may
   * be gone by the time that it is returned (`keys` looks again). The walk ends when its namespace
   * is cleared. Nothing is marked as used.
   * @throws SlabringError `OPTION`
   */
  scan(options?: KeyScanOptions): Generator<FoundKey, void, undefined> {
    readScanOptions(options);
    return this.#scan({ ...options });
  }

  *#scan(options: KeyScanOptions): Generator<FoundKey, void, undefined> {
    const desk = desksIn(this)[0]!;
    const prefix = prefixOf(desk);
    let cursor = 0;
    do {
      const page = this.scanPage(cursor, options);
      for (const key of page.keys) {
        // The namespace was cleared. Its keys, written again, are elsewhere, and might come twice.
        if (prefixOf(desk) !== prefix) return;
        yield key;
      }
      cursor = page.cursor;
    } while (cursor !== 0);
  }

  /**
   * A page of `scan`, from a cursor on, which is 0 at first: for whoever walks over all keys a page
   * at a time, perhaps in different threads. A page takes less than a millisecond or so.
   * @throws SlabringError `OPTION`
   */
  scanPage(cursor: number, options?: KeyScanOptions): ScanPage<FoundKey> {
    return scanPage(desksIn(this), readCursor(cursor), readScanOptions(options));
  }

  /** A key, each as likely as any other; `undefined` when there is none. */
  randomKey(): FoundKey | undefined {
    return randomKey(desksIn(this), randomInt);
  }

  /**
   * Takes the lease of that name, which no other owner can take before it is released or `ttl` is
   * over. Returns its fence, or `undefined` while another owner has it. An owner that has it gets
   * it anew, for `ttl` from now on, with a new fence.
   *
   * A holder that is held up does not notice that its lease is over. So hand the fence to what the
   * lease protects, and have that refuse fences below the largest one it has seen: each fence of a
   * key is larger than all before.
   * @param owner text or bytes of 1 to 128 bytes that nobody else uses, such as a `randomUUID()`
   * @throws SlabringError `OPTION`; `WRONGTYPE` when the key holds something else; `OOM`
   */
  acquireLease(key: Key, owner: Key, ttl: Duration): number | undefined {
    checkOwner(owner);
    const ttlMs = readLeaseTtl(ttl);
    const frame = this.#single.begin(deskToWriteIn(this, key), 'LOCK', key, 3);
    return (frame.bytes(owner).integer(ttlMs).finish() as number | null) ?? undefined;
  }

  /**
   * Gives the lease up; false when the owner did not have it any more.
   * @throws SlabringError `OPTION`; `WRONGTYPE` when the key holds something else
   */
  releaseLease(key: Key, owner: Key): boolean {
    checkOwner(owner);
    const frame = this.#single.begin(deskToWriteIn(this, key), 'UNLOCK', key, 2);
    return frame.bytes(owner).finish() as boolean;
  }

  /**
   * Makes the lease last for `ttl` from now on; false when the owner does not have it any more. The
   * fence stays.
   * @throws SlabringError as `acquireLease`
   */
  extendLease(key: Key, owner: Key, ttl: Duration): boolean {
    checkOwner(owner);
    const ttlMs = readLeaseTtl(ttl);
    const frame = this.#single.begin(deskToWriteIn(this, key), 'EXTEND', key, 3);
    return frame.bytes(owner).integer(ttlMs).finish() as boolean;
  }

  /**
   * Takes `cost` tokens from the key's bucket, or none when there are too few. A bucket is full at
   * first, and fills at a constant rate; from any moment on, no more is allowed than `capacity` and
   * what came in since. It needs no care: one that is full takes no memory.
   * @throws SlabringError `OPTION`; `WRONGTYPE` when the key holds something else; `OOM`
   */
  limit(key: Key, options: LimitOptions): LimitResult {
    const { capacity, refillPerSecond, cost } = readLimitOptions(options);
    const frame = this.#single.begin(deskToWriteIn(this, key), 'LIMIT', key, 4);
    const reply = frame.integer(capacity).float(refillPerSecond).integer(cost).finish();
    return readLimit(reply as WireLimit);
  }

  /**
   * Bytes of the memory budget that the entry takes: its chunks, and its share of the index and of
   * what eviction and expiry keep. `undefined` when the key is absent. Does not count as a use.
   */
  memoryUsage(key: Key): number | undefined {
    const frame = this.#single.begin(deskIn(this, key), 'MEMORY', key, 1);
    return (frame.finish() as number | null) ?? undefined;
  }

  /**
   * What is known of the entry besides its value; `undefined` when the key is absent. Does not
   * count as a use.
   */
  describe(key: Key): KeyDescription | undefined {
    const reply = this.#single.begin(deskIn(this, key), 'OBJECT', key, 1).finish();
    return readDescription(reply as WireDescription | null);
  }
}
