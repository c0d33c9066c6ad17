/** The options of a node: defaults on machines of all sizes, and what is refused. */
import { expect, test } from 'vitest';
import { defaultMemoryBytes, type NodeOptions, readNodeOptions } from '#server/options.js';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const machine = { cores: 4, memoryBytes: 8 * GIB };

test('chooses defaults from the machine', () => {
  expect(readNodeOptions({}, machine)).toEqual({
    serve: {
      host: '127.0.0.1',
      port: 7707,
      unix: undefined,
      threads: 4,
      frontEnd: 'auto',
      tokenDigest: undefined,
      allowOrigins: [],
      maxMessageBytes: 64 * MIB + 128 * 1024,
      maxBacklogBytes: 16 * MIB,
    },
    arena: {
      memoryBytes: 2 * GIB,
      policy: 'adaptive',
      maxValueBytes: 64 * MIB,
      maxThreads: 5,
      maxNamespaces: 0,
      packedItems: 128,
      packedBytes: 2048,
      stamps: false,
      structures: false,
    },
    importPath: undefined,
  });
});

test('keeps within an arena on large machines, and useful on small ones', () => {
  const memoryOf = (memoryBytes: number) => defaultMemoryBytes({ cores: 1, memoryBytes });
  expect([512 * GIB, 8 * GIB, 512 * MIB, 64 * MIB].map(memoryOf)).toEqual([
    3 * GIB,
    2 * GIB,
    128 * MIB,
    64 * MIB,
  ]);
  const threadsOf = (cores: number) => readNodeOptions({}, { ...machine, cores }).serve.threads;
  expect([1, 2, 16, 192].map(threadsOf)).toEqual([1, 2, 16, 16]);
});

test('takes no larger values than the memory has room for, and messages for them', () => {
  const limitsOf = (options: NodeOptions) => {
    const { arena, serve } = readNodeOptions(options, machine);
    return [arena.maxValueBytes, serve.maxMessageBytes - 128 * 1024];
  };
  expect(limitsOf({ memory: '16mb' })).toEqual([8 * MIB, 8 * MIB]);
  expect(limitsOf({ memory: '16mb', arenas: 4 })).toEqual([2 * MIB, 2 * MIB]);
  expect(limitsOf({ memory: '12gb' })).toEqual([64 * MIB, 64 * MIB]);
  expect(limitsOf({ memory: '12gb', maxValue: '3mb' })).toEqual([3 * MIB, 3 * MIB]);
});

test('takes what it is given', () => {
  const { serve, arena, importPath } = readNodeOptions(
    {
      port: 0,
      host: '::1',
      unix: '/tmp/cache.sock',
      memory: '1gb',
      threads: 63,
      policy: 'none',
      partitions: 8,
      maxEntries: 1000,
      packedItems: 0,
      packedBytes: '1kb',
      maxValue: '64kb',
      token: 'secret',
      allowOrigins: ['https://app.example', '*'],
      maxMessage: '128kb',
      maxBacklog: '1mb',
      import: 'entries.ndjson',
      frontEnd: 'ws',
    },
    machine,
  );
  expect(arena).toEqual({
    memoryBytes: GIB,
    policy: 'none',
    partitions: 8,
    maxEntries: 1000,
    maxValueBytes: 65_536,
    maxThreads: 64,
    maxNamespaces: 0,
    packedItems: 0,
    packedBytes: 1024,
    stamps: false,
    structures: false,
  });
  expect(serve).toMatchObject({ port: 0, host: '::1', maxMessageBytes: 131_072, frontEnd: 'ws' });
  expect(serve.tokenDigest).toHaveLength(32);
  expect(importPath).toBe('entries.ndjson');
});

test.each<[NodeOptions | Record<string, unknown>, string]>([
  [{ prt: 1 }, "startNode has no option 'prt'; did you mean 'port'?"],
  [{ port: 65_536 }, 'port must be a whole number from 0 to 65535, not 65536'],
  [{ port: '7707' }, "port must be a whole number from 0 to 65535, not '7707'"],
  [{ host: '' }, 'host must be an address or name'],
  [{ host: 'http://localhost' }, 'host must be an address or name'],
  [{ unix: `/tmp/${'x'.repeat(200)}` }, 'unix must be a path of 1 to '],
  [{ unix: '' }, 'unix must be a path of 1 to '],
  [{ memory: 'lots' }, 'memory must be '],
  [{ memory: '300gb' }, 'memory must be '],
  [{ threads: 0 }, 'threads must be a whole number from 1 to 63, not 0'],
  [{ threads: 64 }, 'threads must be a whole number from 1 to 63, not 64'],
  [{ threads: 1.5 }, 'threads must be a whole number from 1 to 63, not 1.5'],
  [{ policy: 'lru2' }, 'policy must be '],
  [{ partitions: 3 }, 'partitions must be a power of two'],
  [{ packedItems: 1025 }, 'packedItems must be a whole number from 0 to 1024, not 1025'],
  [{ packedBytes: 4097 }, 'packedBytes must be from 0 to 4096 bytes, not 4097'],
  [{ maxEntries: 0 }, 'maxEntries must be a whole number from 1 '],
  [{ maxValue: '65mb' }, 'maxValue must be '],
  [{ token: '' }, 'token must be a text of at least one character'],
  [{ allowOrigins: ['app.example'] }, "allowOrigins must be origins such as 'https://"],
  [{ allowOrigins: ['https://app.example/'] }, "allowOrigins must be origins such as 'https://"],
  [{ allowOrigins: '*' }, "allowOrigins must be origins such as 'https://"],
  [{ maxMessage: '64kb' }, 'maxMessage must be from 131072 to 67239936 bytes'],
  [{ maxMessage: '65mb' }, 'maxMessage must be from 131072 to 67239936 bytes'],
  [{ maxMessage: '2mb', maxValue: '1mb' }, 'maxMessage must be from 131072 to 1179648 bytes'],
  [{ maxBacklog: 0 }, 'maxBacklog must be from 65536 to 1073741824 bytes, not 0'],
  [{ import: '' }, "import must be the path of a file, not ''"],
  [{ frontEnd: 'http' }, "frontEnd must be 'auto', 'uws' or 'ws', not 'http'"],
])('refuses %j', (options, message) => {
  expect(() => readNodeOptions(options as NodeOptions, machine)).toThrow(message);
});

test('never shows the token in an error', () => {
  const read = () => readNodeOptions({ token: 12345 as unknown as string }, machine);
  expect(read).toThrow(/^token must be/);
  expect(read).not.toThrow('12345');
});
