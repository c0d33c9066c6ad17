/** RENAME and COPY of collections, which are built anew beside what is at the new key. */
import { beforeEach, describe, expect, it } from 'vitest';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { Bench, MIB } from '../support/kernel-memory.js';
import {
  command,
  error,
  integer,
  type Name,
  str,
  TRUE,
  type Wire,
} from '../support/kernel-wire.js';

const errorOf = (name: string): Wire => error(KERNEL_ERROR_TEXTS[name]!);
const NAMES = ['COPY', 'RENAME'] as const;
const MAKERS = { list: 'RPUSH', set: 'SADD', hash: 'HSET', zset: 'ZADD' } as const;

describe.each(NAMES)('%s', (name) => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench({ memoryBytes: 16 * MIB, policy: 'none', partitions: 2 });
  });

  const run = (which: Name, ...args: Wire[]): Wire => {
    const reply = bench.one(command(which, ...args));
    expect(bench.arena.checkIntegrity()).toBeUndefined();
    return reply;
  };
  const move = (to: Wire): Wire =>
    run(name, str('from'), to, ...(name === 'COPY' ? [integer(1)] : []));

  /** A collection of so many items at `from`. */
  function make(type: keyof typeof MAKERS, items: number): void {
    for (let i = 0; i < items; i++) {
      const item = {
        list: [integer(i)],
        set: [integer(i)],
        hash: [integer(i), str('value')],
        zset: [integer(0), integer(i), integer(i)],
      }[type];
      bench.one(command(MAKERS[type], str('from'), ...item));
    }
  }

  // Its new field for the expiry cost the entry the mark that it was not the key's yet.
  it.each(Object.keys(MAKERS) as (keyof typeof MAKERS)[])(
    'of a %s with an expiry takes the place of what is at the new key',
    (type) => {
      make(type, 300);
      run('EXPIRE', str('from'), integer(60_000));
      run('SET', str('to'), str('old'));
      expect(move(str('to'))).toEqual(TRUE);
      expect(bench.arena.stats().entries).toBe(name === 'COPY' ? 2 : 1);
      expect(run('TTL', str('to'))).toEqual(integer(60_000));
      expect(run('TYPE', str('to'))).toEqual(str(type));
      expect(run('DEL', str('to'))).toEqual(integer(1));
      expect(run('EXISTS', str('to'))).toEqual(integer(0));
    },
  );

  // The bytes of its chain were taken for items.
  it.each([2049, 8185, 65_535])('refuses a key of %i bytes', (length) => {
    make('hash', 300);
    const before = bench.arena.stats();
    const refused = errorOf('ERROR_COLLECTION_KEY');
    expect(move(str('k'.repeat(length)))).toEqual(refused);
    const { entries, payloadBytes } = bench.arena.stats();
    expect([entries, payloadBytes]).toEqual([before.entries, before.payloadBytes]);
    expect(run('TYPE', str('from'))).toEqual(str('hash'));
  });
});
