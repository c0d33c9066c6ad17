/**
 * Holds docs/PROTOCOL.md to what a node does: the generated parts to the code and to replies of a
 * real node, the example to the executor. `UPDATE_DOCS=1 npx vitest run test/docs` writes the
 * generated parts.
 */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Arena } from '#engine/arena.js';
import { ArenaSet } from '#engine/arena-set.js';
import { ANY_ARGS, COMMANDS, type CommandRow, MAX_KEY_BYTES, SetFlag } from '#engine/commands.js';
import { ERROR_CODES, type ErrorCode } from '#engine/errors.js';
import { FrameExecutor, isFault } from '#engine/frame.js';
import { KERNEL_ERROR_TEXTS } from '#engine/kernel-exports.js';
import { COMMAND_TOO_LARGE_TEXT, LONG_FRAME_COMMANDS_MAX } from '#engine/long-frame.js';
import { createExecutor } from '#engine/routed-frame.js';
import { NO_TOKEN_TEXT, NOAUTH_TEXT } from '#server/hello.js';
import { type SlabringNode, startNode } from '#server/index.js';
import {
  CloseCode,
  COMMANDS_BEFORE_HELLO_MAX,
  MESSAGE_BYTES_BEFORE_HELLO_MAX,
} from '#server/limits.js';
import { NodesInThread } from '../support/cluster-nodes.js';
import { code, readParts, table, updateParts } from '../support/generated.js';
import { slotOf } from '../support/slot-twin.js';
import { type Command, decodeFrame, encodeFrame, Wire, WireError } from '../support/wire.js';

const MIB = 1024 ** 2;
const PAGE = 'docs/PROTOCOL.md';
const TOKEN = 'a secret';

const nodes: SlabringNode[] = [];
afterAll(() => Promise.all(nodes.map((node) => node.close())));

async function start(options: Parameters<typeof startNode>[0] = {}): Promise<SlabringNode> {
  const node = await startNode({ port: 0, memory: '64mb', threads: 1, ...options });
  nodes.push(node);
  return node;
}

const connect = async (node: SlabringNode): Promise<Wire> => await Wire.open(node.urls[0]!);

function commandsPart(): string {
  const rows = Object.entries(COMMANDS).map(([name, row]) => [
    `0x${row.code.toString(16).padStart(2, '0')}`,
    name,
    row.args.join(', '),
    row.summary,
    complexityOf(row),
  ]);
  return table(['code', 'name', 'arguments', 'what it does; the reply', 'time'], rows);
}

function complexityOf(row: CommandRow): string {
  const { complexity, manyKeys, maxArgs } = row;
  return complexity ?? (manyKeys && maxArgs === ANY_ARGS ? 'O(1) for each key' : 'O(1)');
}

const FLAG_MEANINGS: Record<keyof typeof SetFlag, string> = {
  NX: 'store only if the key is absent',
  XX: 'store only if the key is present',
  KEEP_TTL: 'keep the expiry that the entry has',
  GET: 'reply with the old value',
  IF_VERSION: 'store only if the entry has the version given as the fifth argument',
};

function flagsPart(): string {
  const rows = Object.entries(SetFlag).map(([name, bit]) => [
    String(bit),
    name.replace('_', ''),
    FLAG_MEANINGS[name as keyof typeof SetFlag],
  ]);
  return table(['bit', 'name', 'meaning'], rows);
}

const HELLO_MEANINGS: Record<string, string> = {
  version: 'of the protocol',
  server: 'the kind of server',
  software: 'version of the software',
  nodeId: 'chosen at random when the node starts',
  role: 'what the node is in its cluster; without a cluster always this',
  limits: 'what a client must keep to, see [Limits](#limits)',
  cluster: 'this node is in no cluster; otherwise the [view](#clusters)',
};
/** What is shown instead of the value. */
const HELLO_KINDS: Record<string, string> = { nodeId: 'str', limits: 'map', cluster: 'nil' };

async function helloPart(): Promise<string> {
  const wire = await connect(await start());
  const [facts] = (await wire.call(['HELLO', { version: 1 }])) as [Record<string, unknown>];
  const rows = Object.entries(facts).map(([name, value]) => [
    code(name),
    HELLO_KINDS[name] ?? code(JSON.stringify(value)),
    HELLO_MEANINGS[name]!,
  ]);
  return table(['name', 'value', 'meaning'], rows);
}

const CODE_MEANINGS: Record<ErrorCode, string> = {
  SYNTAX: 'the command cannot be understood',
  UNKNOWN: 'there is no such command here, or no such key to rename',
  WRONGTYPE: 'the value is not what the command works on',
  OVERFLOW: 'the sum passes 64 bits, or is no finite number',
  TOOLARGE: 'a value, a command, or all replies to a frame are above the limit',
  OOM: 'there is no room, and nothing that may be evicted',
  NOAUTH: 'the node wants its token first',
  DENIED: 'the token is wrong',
  BUSY: 'the frame asks too much of the node',
  MOVED: 'another node has the key, and the client said that it routes',
  CROSSSLOT: 'the keys of the command lie in several arenas, or on several nodes',
  UNAVAILABLE: 'the node of the key did not answer, or too few have a write in time',
  INTERNAL: 'a mistake of ours: please report it',
  TRYAGAIN: 'no node serves the key now, and nothing was done',
};

/** For each text of the kernel some commands, the last of which is answered by it. */
interface Provocation {
  commands: Command[];
  shown: string;
  oneFrame?: boolean;
  maxReplyBytes?: number;
  memoryBytes?: number;
  arenas?: number;
}

const PROVOKED_BY: Record<string, Provocation> = {
  ERROR_NOT_A_COMMAND: { commands: ['PING' as unknown as Command], shown: '"PING"' },
  ERROR_UNKNOWN_COMMAND: { commands: [['FLY']], shown: '["FLY"]' },
  ERROR_ARITY: { commands: [['GET']], shown: '["GET"]' },
  ERROR_KEY: { commands: [['GET', '']], shown: '["GET", ""]' },
  ERROR_TTL: { commands: [['EXPIRE', 'k', -1]], shown: '["EXPIRE", "k", -1]' },
  ERROR_FLAGS: { commands: [['SET', 'k', 1, null, 32]], shown: '["SET", "k", 1, nil, 32]' },
  ERROR_FLAGS_CONFLICT: { commands: [['SET', 'k', 1, null, 3]], shown: '["SET", "k", 1, nil, 3]' },
  ERROR_VERSION: { commands: [['SET', 'k', 1, null, 16]], shown: '["SET", "k", 1, nil, 16]' },
  ERROR_VALUE_TOO_LARGE: {
    commands: [['SET', 'k', 'x'.repeat(2000)]],
    shown: 'a value of more than `maxValueBytes`',
  },
  ERROR_OUT_OF_MEMORY: {
    commands: Array.from({ length: 400 }, (_, i) => ['SET', `big${i}`, 'x'.repeat(990)] as const),
    shown: 'a full cache with the policy `none`',
  },
  ERROR_NOT_AN_INTEGER: {
    commands: [
      ['SET', 'k', 'text'],
      ['INCR', 'k'],
    ],
    shown: '["INCR", "k"] when "k" holds "text"',
  },
  ERROR_DELTA: { commands: [['INCR', 'k', 0.5]], shown: '["INCR", "k", 0.5]' },
  ERROR_OVERFLOW: {
    commands: [
      ['SET', 'k', 2n ** 63n - 1n],
      ['INCR', 'k'],
    ],
    shown: '["INCR", "k"] when "k" holds 2^63 - 1',
  },
  ERROR_ENTRIES_FULL: {
    commands: Array.from({ length: 1001 }, (_, i) => ['SET', `k${i}`, i] as const),
    shown: 'a cache of `maxEntries` with the policy `none`',
  },
  ERROR_HOST_COMMANDS: {
    commands: Array.from({ length: 65 }, () => ['HELLO'] as const),
    shown: 'the 65th HELLO of a frame',
    oneFrame: true,
  },
  ERROR_OWNER: { commands: [['LOCK', 'k', '', 1000]], shown: '["LOCK", "k", "", 1000]' },
  ERROR_LEASE_TTL: { commands: [['LOCK', 'k', 'me', 0]], shown: '["LOCK", "k", "me", 0]' },
  ERROR_NOT_A_LEASE: {
    commands: [
      ['SET', 'k', 'text'],
      ['LOCK', 'k', 'me', 1000],
    ],
    shown: '["LOCK", "k", "me", 1000] when "k" holds "text"',
  },
  ERROR_CAPACITY: { commands: [['LIMIT', 'k', 0, 1]], shown: '["LIMIT", "k", 0, 1]' },
  ERROR_RATE: { commands: [['LIMIT', 'k', 10, 0]], shown: '["LIMIT", "k", 10, 0]' },
  ERROR_NOT_A_LIMIT: {
    commands: [
      ['SET', 'k', 'text'],
      ['LIMIT', 'k', 10, 1],
    ],
    shown: '["LIMIT", "k", 10, 1] when "k" holds "text"',
  },
  ERROR_REPLY_TOO_LARGE: {
    commands: [['HELLO'], ['GET', 'k']],
    shown: 'what comes after 64 MiB and 128 KiB of replies in a frame',
    oneFrame: true,
    maxReplyBytes: 1,
  },
  ERROR_NOT_BYTES: {
    commands: [
      ['SET', 'k', 5],
      ['APPEND', 'k', 'x'],
    ],
    shown: '["APPEND", "k", "x"] when "k" holds 5',
  },
  ERROR_DATA: { commands: [['APPEND', 'k', 5]], shown: '["APPEND", "k", 5]' },
  ERROR_RANGE: { commands: [['GETRANGE', 'k', 0, 'x']], shown: '["GETRANGE", "k", 0, "x"]' },
  ERROR_OFFSET: { commands: [['SETRANGE', 'k', -1, 'x']], shown: '["SETRANGE", "k", -1, "x"]' },
  ERROR_NOT_A_NUMBER: {
    commands: [
      ['SET', 'k', 'text'],
      ['INCRFLOAT', 'k', 0.5],
    ],
    shown: '["INCRFLOAT", "k", 0.5] when "k" holds "text"',
  },
  ERROR_NUMBER_DELTA: { commands: [['INCRFLOAT', 'k', '1']], shown: '["INCRFLOAT", "k", "1"]' },
  ERROR_NOT_FINITE: {
    commands: [
      ['SET', 'k', 1.7e308],
      ['INCRFLOAT', 'k', 1.7e308],
    ],
    shown: '["INCRFLOAT", "k", 1.7e308] when "k" holds 1.7e308',
  },
  ERROR_TOO_MANY_VALUES: {
    commands: [
      ['SET', 'k', 'x'.repeat(990)],
      ['MGET', ...Array<string>(200).fill('k')],
    ],
    shown: 'an MGET of more than 1 MiB',
  },
  ERROR_NO_SUCH_KEY: { commands: [['RENAME', 'k', 'q']], shown: '["RENAME", "k", "q"]' },
  ERROR_SAME_KEY: { commands: [['COPY', 'k', 'k']], shown: '["COPY", "k", "k"]' },
  ERROR_COPY_FLAGS: { commands: [['COPY', 'k', 'q', 2]], shown: '["COPY", "k", "q", 2]' },
  ERROR_CROSS_ARENA: {
    commands: [['MGET', ...Array.from({ length: 40 }, (_, i) => `k${i}`)]],
    shown: 'an MGET of many keys without a common tag on a node of more than 3,840 MiB',
    arenas: 2,
  },
  ERROR_WRONG_TYPE: {
    commands: [
      ['SET', 'k', 'text'],
      ['RPUSH', 'k', 1],
    ],
    shown: '["RPUSH", "k", 1] when "k" holds "text"; ["GET", "k"] when it holds a list',
  },
  ERROR_MEMBER: { commands: [['SADD', 'k', null]], shown: '["SADD", "k", nil]' },
  ERROR_COLLECTION_KEY: {
    commands: [['RPUSH', 'k'.repeat(2049), 1]],
    shown: 'an RPUSH to a longer key',
  },
  ERROR_COUNT: { commands: [['LPOP', 'k', -1]], shown: '["LPOP", "k", -1]' },
  ERROR_INDEX: { commands: [['LINDEX', 'k', 'x']], shown: '["LINDEX", "k", "x"]' },
  ERROR_PAIRS: { commands: [['HSET', 'k', 'f', 1, 'g']], shown: '["HSET", "k", "f", 1, "g"]' },
  ERROR_FIELD_TTL: {
    commands: [['HEXPIRE', 'k', null, 0, 'f']],
    shown: '["HEXPIRE", "k", nil, 0, "f"]',
  },
  ERROR_EXPIRE_CONDITION: {
    commands: [['HEXPIRE', 'k', 1000, 3, 'f']],
    shown: '["HEXPIRE", "k", 1000, 3, "f"]',
  },
  ERROR_HSETEX_FLAGS: {
    commands: [['HSETEX', 'k', 1000, 4, 'f', 1]],
    shown: '["HSETEX", "k", 1000, 4, "f", 1]',
  },
  ERROR_WHERE: {
    commands: [['LINSERT', 'k', 'NEAR', 1, 2]],
    shown: '["LINSERT", "k", "NEAR", 1, 2]',
  },
  ERROR_SIDE: {
    commands: [['LMOVE', 'k', 'q', 'UP', 'LEFT']],
    shown: '["LMOVE", "k", "q", "UP", "LEFT"]',
  },
  ERROR_LPOS: { commands: [['LPOS', 'k', 1, 0]], shown: '["LPOS", "k", 1, 0]' },
  ERROR_CURSOR: { commands: [['SSCAN', 'k', -1]], shown: '["SSCAN", "k", -1]' },
  ERROR_MATCH: { commands: [['SSCAN', 'k', 0, null, 1]], shown: '["SSCAN", "k", 0, nil, 1]' },
  ERROR_SCORE: {
    commands: [['ZADD', 'k', null, 'x', 'a']],
    shown: '["ZADD", "k", nil, "x", "a"]',
  },
  ERROR_ZADD_FLAGS: { commands: [['ZADD', 'k', 3, 1, 'a']], shown: '["ZADD", "k", 3, 1, "a"]' },
  ERROR_ZRANGE: { commands: [['ZRANGE', 'k', 'a', 'b']], shown: '["ZRANGE", "k", "a", "b"]' },
  ERROR_SCORE_PAIRS: {
    commands: [['ZADD', 'k', null, 1, 'a', 2]],
    shown: '["ZADD", "k", nil, 1, "a", 2]',
  },
  ERROR_AGGREGATE: { commands: [['ZUNION', 'k', 'q', 3]], shown: '["ZUNION", "k", "q", 3]' },
  ERROR_WEIGHTS: {
    commands: [['ZUNION', 'k', 'q', null, [1]]],
    shown: '["ZUNION", "k", "q", nil, [1]]',
  },
  ERROR_NOT_A_SCORE: {
    commands: [
      ['ZADD', 'k', null, Number.POSITIVE_INFINITY, 'a'],
      ['ZINCRBY', 'k', Number.NEGATIVE_INFINITY, 'a'],
    ],
    shown: 'a ZINCRBY of minus infinity to a score of infinity',
  },
  ERROR_ATOMIC: { commands: [['ATOMIC', [['HELLO']]]], shown: 'an ATOMIC of HELLO' },
  ERROR_GUARD: {
    commands: [['ATOMIC', [['PING']], [['k', -1]]]],
    shown: 'a guard whose version is negative',
  },
  ERROR_REPLY_SIZE: {
    commands: [
      ...Array.from({ length: 200 }, () => ['RPUSH', 'k', 'x'.repeat(990)] as const),
      ['LRANGE', 'k', 0, -1],
    ],
    shown: 'an LRANGE of more than 1 MiB',
    memoryBytes: MIB,
  },
};

/** A cache of its own for each, so small that it is soon full. */
function lastReply(provocation: Provocation): unknown {
  const { commands, oneFrame, maxReplyBytes, memoryBytes = 512 * 1024, arenas = 1 } = provocation;
  const set = ArenaSet.create({
    memoryBytes: memoryBytes * arenas,
    arenas,
    partitions: 1,
    policy: 'none',
    maxEntries: 1000,
    maxValueBytes: 1000,
    maxThreads: 1,
  });
  const limits = maxReplyBytes === undefined ? {} : { maxReplyBytes };
  const executor = createExecutor<undefined>(set, () => null, limits);
  let last: unknown;
  for (const frame of oneFrame ? [commands] : commands.map((command) => [command])) {
    const result = executor.execute(encodeFrame(1, ...frame), undefined);
    last = isFault(result) ? result : decodeFrame(Buffer.from(result)).replies.at(-1);
  }
  return last;
}

function kernelMessages(): string[][] {
  return Object.entries(KERNEL_ERROR_TEXTS).map(([name, text]) => {
    const provocation = PROVOKED_BY[name]!;
    const { shown } = provocation;
    expect(lastReply(provocation)).toEqual(new WireError(text));
    return [code(text), shown.replace(/^\[.*?\]|^".*"$|(?<=; )\[.*?\]/g, code)];
  });
}

function longMessages(): string[][] {
  const arena = Arena.create({
    memoryBytes: 8 * MIB,
    policy: 'none',
    maxValueBytes: 2 * MIB,
    maxThreads: 1,
  });
  const executor = new FrameExecutor<undefined>(arena, () => null);
  const frame = encodeFrame(1, ['EXISTS', ...Array<string>(20).fill('x'.repeat(65_535))]);
  const reply = executor.execute(frame, undefined) as Uint8Array;
  const [error] = decodeFrame(Buffer.from(reply)).replies;
  expect(error).toEqual(new WireError(COMMAND_TOO_LARGE_TEXT));
  return [[code(COMMAND_TOO_LARGE_TEXT), 'an EXISTS of some MiB of keys']];
}

async function helloMessages(): Promise<string[][]> {
  const open = await connect(await start());
  const closed = await connect(await start({ token: TOKEN }));
  const said = [
    [await open.call(['HELLO', 'me']), '["HELLO", "me"]'],
    [await open.call(['HELLO', { version: 2 }]), '["HELLO", {"version": 2}]'],
    [await open.call(['HELLO', { routes: 1 }]), '["HELLO", {"routes": 1}]'],
    [await closed.call(['GET', 'k']), 'any command before HELLO on a node with a token'],
    [await closed.call(['HELLO', { token: 'guess' }]), '["HELLO", {"token": "guess"}]'],
  ] as const;
  return said.map(([[error], shown]) => [
    code((error as WireError).text),
    shown.startsWith('[') ? code(shown) : shown,
  ]);
}

/** Of a node in a cluster, and of one that is in none. */
async function clusterMessages(): Promise<string[][]> {
  const alone = await connect(await start());
  const cluster = new NodesInThread();
  cluster.owners[slotOf(Buffer.from('lost'))] = -1;
  cluster.serve();
  const client = cluster.nodes[0]!.connect();
  const call = async (...commands: Command[]) =>
    decodeFrame(await client.call(encodeFrame(1, ...commands))).replies.slice(-1);
  const said = [
    [await call(['SINTER', 'from', 'to']), '["SINTER", "from", "to"]', ' on several nodes'],
    [await call(['GET', 'lost']), '["GET", "lost"]', ' while no node serves the slot'],
    [
      (await call(['HELLO', { routes: true }])) && (await call(['GET', 'from'])),
      '["GET", "from"]',
      ' of a client that routes, on another node',
    ],
    [
      await call(...Array.from({ length: 16_385 }, () => ['WAIT', 'to', 'none'] as const)),
      '["WAIT", "to", "none"]',
      ' for the 16,385th time in a frame, or in its 65th row',
    ],
    [await alone.call(['WAIT', 'k', 'one']), '["WAIT", "k", "one"]', ' on a node in no cluster'],
    [await alone.call(['WAIT', 'k', 'two']), '["WAIT", "k", "two"]', ''],
    [await alone.call(['WAIT', 'k', 'all', 0]), '["WAIT", "k", "all", 0]', ''],
  ] as const;
  cluster.close();
  return said.map(([[error], shown, when]) => [
    code((error as WireError).text),
    code(shown) + when,
  ]);
}

async function codesPart(): Promise<string> {
  const meanings = ERROR_CODES.map((name) => [code(name), CODE_MEANINGS[name]]);
  const messages = [...kernelMessages(), ...longMessages(), ...(await helloMessages())];
  messages.push(...(await clusterMessages()));
  return [
    table(['code', 'meaning'], meanings),
    'The messages of version 1, and what brings them up:\n',
    table(['message', 'for example'], messages),
  ].join('\n');
}

async function limitsPart(): Promise<string> {
  const wire = await connect(await start({ memory: '256mb' }));
  const [facts] = (await wire.call(['HELLO'])) as [{ limits: Record<string, number> }];
  const { maxKeyBytes, maxValueBytes, maxMessageBytes, maxBacklogBytes } = facts.limits;
  expect(maxKeyBytes).toBe(MAX_KEY_BYTES);
  const bytes = (count: number | undefined) => count!.toLocaleString('en-US');
  return table(
    ['name in HELLO', 'bytes', 'what'],
    [
      [code('maxKeyBytes'), bytes(maxKeyBytes), 'a key, fixed'],
      [
        code('maxValueBytes'),
        bytes(maxValueBytes),
        'a value as msgpack; `--max-value` lowers it, and so does a small `--memory`',
      ],
      [
        code('maxMessageBytes'),
        bytes(maxMessageBytes),
        'a frame: one largest value and 128 KiB; `--max-message` lowers it',
      ],
      [
        code('maxBacklogBytes'),
        bytes(maxBacklogBytes),
        'frames that wait while a client does not read, or one frame; `--max-backlog`',
      ],
    ],
  );
}

/** Does something to a connection; how the node closes it. */
async function closeAfter(
  node: SlabringNode,
  act: (wire: Wire) => void | Promise<void>,
): Promise<readonly [number, string]> {
  const wire = await connect(node);
  await act(wire);
  const { code: closeCode, reason } = await wire.closed;
  return [closeCode, reason];
}

async function closesPart(): Promise<string> {
  const node = await start({ maxBacklog: '64kb', maxValue: '2mb' });
  const secret = await start({ token: TOKEN });
  const setter = await connect(node);
  await setter.call(['SET', 'big', 'x'.repeat(MIB - 5)]);
  await setter.close();
  const getBig: Command = ['GET', 'big'];
  const rows: [readonly [number, string], string][] = [
    [await closeAfter(node, (wire) => wire.sendRaw('PING')), 'a text message'],
    [
      await closeAfter(node, (wire) => wire.sendRaw(Buffer.of(0, 0x91, 1))),
      'a frame that does not begin with an id',
    ],
    [
      await closeAfter(node, (wire) => wire.sendRaw(Buffer.of(1, 0x92, 0x10))),
      'bytes that are no msgpack, or end inside a value',
    ],
    [
      await closeAfter(secret, (wire) => {
        const pings = Array<Command>(COMMANDS_BEFORE_HELLO_MAX + 1).fill(['PING']);
        wire.sendRaw(encodeFrame(1, ...pings));
      }),
      `more than ${COMMANDS_BEFORE_HELLO_MAX} commands in one frame before HELLO`,
    ],
    [
      await closeAfter(node, (wire) => wire.sendRaw(Buffer.alloc(2 * MIB + 128 * 1024 + 1))),
      'a message above the limit',
    ],
    [
      await closeAfter(secret, (wire) => {
        wire.sendRaw(Buffer.alloc(MESSAGE_BYTES_BEFORE_HELLO_MAX + 1));
      }),
      'the same before `HELLO` on a node with a token, where it is lower',
    ],
    [
      await closeAfter(node, (wire) => {
        const nils = Buffer.alloc(LONG_FRAME_COMMANDS_MAX + 1, 0xc0);
        wire.sendRaw(Buffer.concat([encodeFrame(1, ['SET', 'k', Buffer.alloc(1.5 * MIB)]), nils]));
      }),
      'more commands than that in a frame that is longer than that',
    ],
    // What closes it comes only after ten seconds: test/unit/session.test.ts.
    [
      [CloseCode.NO_TOKEN, NO_TOKEN_TEXT],
      'the node wants its token, and the client does not show it in time',
    ],
    [
      await closeAfter(node, (wire) => {
        wire.pause();
        for (let id = 1; id <= 32; id++) wire.sendRaw(encodeFrame(id, getBig));
        for (let id = 33; id <= 1032; id++) wire.sendRaw(encodeFrame(id, ['PING']));
        wire.resume();
      }),
      'frames above `maxBacklogBytes` while replies are not read',
    ],
    [
      await closeAfter(node, () => node.close()),
      'the node stops; it has answered what it received',
    ],
  ];
  expect(rows[3]![0][1]).toBe(NOAUTH_TEXT);
  return table(
    ['code', 'reason, for example', 'when'],
    rows
      .sort(([[left]], [[right]]) => left - right)
      .map(([[closeCode, reason], when]) => [String(closeCode), code(reason), when]),
  );
}

describe('the generated part', () => {
  const parts: Record<string, () => string | Promise<string>> = {
    commands: commandsPart,
    flags: flagsPart,
    hello: helloPart,
    codes: codesPart,
    limits: limitsPart,
    closes: closesPart,
  };

  it.each(Object.entries(parts))('%s says what the code does', async (name, make) => {
    const made = await make();
    updateParts(PAGE, { [name]: made });
    expect(readParts(PAGE).get(name)).toBe(made);
  });

  it('is one of these', () => {
    expect([...readParts(PAGE).keys()].sort()).toEqual(Object.keys(parts).sort());
  });
});

describe('the example', () => {
  /** The bytes of a `hex` block: each line has some, then two blanks and what they are. */
  function bytesOf(name: string): Buffer {
    const block = new RegExp(`\`\`\`hex ${name}\\n([\\s\\S]*?)\`\`\``).exec(
      readFileSync(PAGE, 'utf8'),
    )![1]!;
    const hex = block.split('\n').map((line) => line.trim().split(/\s{2,}/)[0]!);
    return Buffer.from(hex.join('').replaceAll(' ', ''), 'hex');
  }

  it('is answered as it says, byte for byte', () => {
    const arena = Arena.create({
      memoryBytes: 4 * MIB,
      policy: 'clock',
      maxValueBytes: 1000,
      maxThreads: 1,
    });
    const executor = new FrameExecutor<undefined>(arena, () => null);
    const reply = executor.execute(bytesOf('request'), undefined);
    expect(isFault(reply)).toBe(false);
    expect(Buffer.from(reply as Uint8Array).toString('hex')).toBe(bytesOf('reply').toString('hex'));
  });

  it('reads as the comments beside the bytes say', () => {
    expect(decodeFrame(bytesOf('request'))).toEqual({
      id: 7,
      replies: [
        [17, 'greeting', 'hello'],
        [16, 'greeting'],
        ['TTL ', Buffer.from('k')],
        [16, 'k'],
      ],
    });
    const error = new WireError(KERNEL_ERROR_TEXTS.ERROR_UNKNOWN_COMMAND!);
    expect(decodeFrame(bytesOf('reply'))).toEqual({ id: 7, replies: [true, 'hello', error, null] });
  });
});
