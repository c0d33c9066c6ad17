import { describe, expect, it } from 'vitest';
import { type CacheOptions, readCacheOptions } from '#engine/config.js';
import { SlabringError } from '#engine/errors.js';

const MB = 1024 ** 2;

describe('readCacheOptions', () => {
  it('has a default for everything', () => {
    expect(readCacheOptions()).toEqual({
      arena: {
        memoryBytes: 64 * MB,
        policy: 'adaptive',
        maxValueBytes: 32 * MB,
        maxThreads: 64,
        maxNamespaces: 16,
        packedItems: 128,
        packedBytes: 2048,
        stamps: false,
        structures: false,
      },
      defaultTtlMs: 0,
      decoded: undefined,
    });
  });

  it.each([
    [{ memory: '1mb' }, MB / 2],
    [{ memory: '127mb' }, 63.5 * MB],
    [{ memory: '128mb' }, 64 * MB],
    [{ memory: '100gb' }, 64 * MB],
    [{ memory: '200mb', arenas: 4 }, 25 * MB],
    [{ memory: '1mb', maxValue: '64mb' }, 64 * MB],
  ])('takes values of up to half of an arena by default: %j', (options, bytes) => {
    expect(readCacheOptions(options as CacheOptions).arena.maxValueBytes).toBe(bytes);
  });

  it('reads what is given', () => {
    const options: Required<Omit<CacheOptions, 'cluster'>> = {
      memory: '512mb',
      policy: 'none',
      partitions: 16,
      maxEntries: 1000,
      maxValue: '64kb',
      maxThreads: 3,
      maxNamespaces: 0,
      packedItems: 0,
      packedBytes: '1kb',
      arenas: 2,
      ttl: '5s',
      decoded: { entries: 5 },
      structures: true,
    };
    expect(readCacheOptions(options)).toEqual({
      arena: {
        memoryBytes: 512 * MB,
        policy: 'none',
        partitions: 16,
        maxEntries: 1000,
        maxValueBytes: 65_536,
        maxThreads: 3,
        maxNamespaces: 0,
        packedItems: 0,
        packedBytes: 1024,
        stamps: true,
        structures: true,
        arenas: 2,
      },
      defaultTtlMs: 5000,
      decoded: { entries: 5, freeze: true },
    });
  });

  it('takes undefined as absent, but not null', () => {
    const options = { memory: undefined, partitions: undefined, ttl: undefined };
    expect(readCacheOptions(options as unknown as CacheOptions)).toEqual(readCacheOptions());
  });

  it.each([
    [{ memory: 'much' }, /^memory must be .* not 'much'$/],
    [{ memory: 0 }, /^memory must be from 1 byte to 240gb, not 0$/],
    [{ memory: '241gb' }, /^memory must be from 1 byte to 240gb, not '241gb'$/],
    [{ arenas: 0 }, /^arenas must be a whole number from 1 to 64, not 0$/],
    [
      { policy: 'lru2' },
      /^policy must be 'adaptive', 's3fifo', 'clock', 'lru', 'lfu' or 'none', not 'lru2'$/,
    ],
    [{ policy: null }, /^policy must be 'adaptive', .* or 'none', not null$/],
    [{ partitions: 3 }, /^partitions must be a power of two from 1 to 256, not 3$/],
    [{ partitions: 2048 }, /^partitions must be a whole number from 1 to 256, not 2048$/],
    [{ partitions: '4' }, /^partitions must be a whole number from 1 to 256, not '4'$/],
    [{ maxEntries: 0 }, /^maxEntries must be a whole number from 1/],
    [{ maxEntries: 1.5 }, /^maxEntries must be a whole number from 1 .* not 1.5$/],
    [{ maxValue: '65mb' }, /^maxValue must be from 1 byte to 64mb, not '65mb'$/],
    [{ maxValue: 0 }, /^maxValue must be from 1 byte to 64mb, not 0$/],
    [{ packedItems: 1025 }, /^packedItems must be a whole number from 0 to 1024, not 1025$/],
    [{ packedItems: '9' }, /^packedItems must be a whole number from 0 to 1024, not '9'$/],
    [{ packedBytes: '5kb' }, /^packedBytes must be from 0 to 4096 bytes, not '5kb'$/],
    [{ packedBytes: 'few' }, /^packedBytes must be .* not 'few'$/],
    [{ maxThreads: 1000 }, /^maxThreads must be a whole number from 1 to 64, not 1000$/],
    [{ ttl: -1 }, /^ttl must be milliseconds from 0 to .* not -1$/],
    [{ ttl: 'soon' }, /^ttl must be milliseconds from 0 to .* not 'soon'$/],
    [{ memmory: '1gb' }, /^openCache has no option 'memmory'; did you mean 'memory'\?$/],
    [{ max: 500 }, /^openCache has no option 'max'; did you mean 'maxEntries'\?$/],
    [{ stdTTL: 5 }, /^openCache has no option 'stdTTL'; did you mean 'ttl'\?$/],
    [{ size: 5 }, /^openCache has no option 'size'; it takes memory, policy, partitions, /],
    ['64mb', /^openCache takes an object of options, not '64mb'$/],
    [null, /^openCache takes an object of options, not null$/],
  ])('refuses %j', (options, message) => {
    const read = () => readCacheOptions(options as unknown as CacheOptions);
    expect(read).toThrow(SlabringError);
    expect(read).toThrow(message);
    try {
      read();
    } catch (error) {
      expect((error as SlabringError).code).toBe('OPTION');
    }
  });

  const provider = {
    arenas: { slots: true, node: 5, tombstoneMs: 1000 },
    threads: 2,
    join: () => {
      throw new Error('nobody shall');
    },
  } as const;

  it('makes of a member what its cluster asks for', () => {
    const { arena } = readCacheOptions({ cluster: provider, maxThreads: 3 });
    expect(arena).toMatchObject({ maxNamespaces: 0, maxThreads: 5, slots: true, node: 5 });
    expect(readCacheOptions({ cluster: provider }).arena.maxThreads).toBe(64);
  });

  it.each([
    [{ maxNamespaces: 16 }, 'maxNamespaces must be 0 in a cluster'],
    [{ structures: true }, 'structures must be false in a cluster'],
    [{ decoded: true }, 'decoded must be false in a cluster'],
    [{ decoded: { entries: 5 } }, 'decoded must be false in a cluster'],
    [{ cluster: { name: 'shop' } as never }, 'cluster must be what clusterMember()'],
    [{ cluster: null as never }, 'cluster must be what clusterMember()'],
  ] as [CacheOptions, string][])('refuses to a member what it cannot have: %j', (given, text) => {
    expect(() => readCacheOptions({ cluster: provider, ...given })).toThrow(text);
  });
});
