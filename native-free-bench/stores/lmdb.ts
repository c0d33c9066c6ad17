/**
 * The npm package `lmdb`, a native add-on: the other store that several threads (and processes) can
 * read synchronously. It is set up for speed: no sync to disk, no compression, and the writes of a
 * batch are one transaction.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Store, StoreOptions } from './store.js';

const MIB = 1024 ** 2;
/** LMDB's pages are half empty after random inserts, and every transaction writes new ones. */
const BYTES_PER_ENTRY = 1024;

const ENCODINGS = {
  bytes: 'binary',
  string: 'string',
  object: 'msgpack',
  integer: 'msgpack',
} as const;

export function openLmdb<V>({ kind, entries }: StoreOptions<V>): Store<V> {
  const folder = mkdtempSync(join(tmpdir(), 'slabring-bench-lmdb-'));
  const db = open<V, string>({
    path: join(folder, 'data.mdb'),
    mapSize: 64 * MIB + entries * BYTES_PER_ENTRY,
    encoding: ENCODINGS[kind.name],
    noSync: true,
    compression: false,
    cache: false,
  });
  return {
    get: (key) => db.get(key),
    set: (key, value) => db.putSync(key, value),
    has: (key) => db.doesExist(key),
    delete: (key) => db.removeSync(key),
    increment(key) {
      const sum = ((db.get(key) ?? 0) as number) + 1;
      db.putSync(key, sum as V);
      return sum;
    },
    getMany: (keys) => keys.map((key) => db.get(key)),
    setMany(pairs) {
      for (const [key, value] of pairs) db.putSync(key, value);
    },
    inBatch: (work) => db.transactionSync(work),
    check: () => undefined,
    async close() {
      await db.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
