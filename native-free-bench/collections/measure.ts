/** What commands on collections take, by the size of the collection, and what a member takes. */

import { Buffer } from 'node:buffer';
import { Packr } from 'msgpackr';
import { Arena } from '../../engine/arena.js';
import { COMMANDS, type CommandName } from '../../engine/commands.js';
import { random } from '../fixture.js';
import { type Spread, spreadOf } from '../statistics.js';

/** Commands in a frame, as of the load that the figures are compared with. */
export const FRAME_COMMANDS = 64;
const VALUE = 'v'.repeat(32);
/** Members in the order in which they are added; 16 bytes each, as are elements. */
const memberAt = (number: number): string => `member:${String(number).padStart(9, '0')}`;

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** A key with a collection of so many members, and what is timed on it. */
interface Kind {
  readonly name: string;
  readonly key: string;
  readonly add: (number: number) => [CommandName, ...unknown[]];
  readonly timed: readonly {
    readonly name: string;
    readonly ask: (any: () => number) => [CommandName, ...unknown[]];
  }[];
}

export const KINDS: readonly Kind[] = [
  {
    name: 'list',
    key: 'l',
    add: (number) => ['RPUSH', 'l', memberAt(number)],
    timed: [
      { name: 'LPUSH', ask: (any) => ['LPUSH', 'l', memberAt(any())] },
      { name: 'LPOP', ask: () => ['LPOP', 'l'] },
      { name: 'RPUSH', ask: (any) => ['RPUSH', 'l', memberAt(any())] },
      { name: 'RPOP', ask: () => ['RPOP', 'l'] },
      { name: 'LINDEX', ask: (any) => ['LINDEX', 'l', any()] },
    ],
  },
  {
    name: 'set',
    key: 's',
    add: (number) => ['SADD', 's', memberAt(number)],
    timed: [
      { name: 'SISMEMBER', ask: (any) => ['SISMEMBER', 's', memberAt(any())] },
      { name: 'SADD, there', ask: (any) => ['SADD', 's', memberAt(any())] },
      { name: 'SREM', ask: (any) => ['SREM', 's', memberAt(any())] },
      { name: 'SADD', ask: (any) => ['SADD', 's', memberAt(any())] },
    ],
  },
  {
    name: 'hash',
    key: 'h',
    add: (number) => ['HSET', 'h', memberAt(number), VALUE],
    timed: [
      { name: 'HGET', ask: (any) => ['HGET', 'h', memberAt(any())] },
      { name: 'HSET, there', ask: (any) => ['HSET', 'h', memberAt(any()), VALUE] },
      { name: 'HDEL', ask: (any) => ['HDEL', 'h', memberAt(any())] },
      { name: 'HSET', ask: (any) => ['HSET', 'h', memberAt(any()), VALUE] },
    ],
  },
  {
    name: 'sorted set',
    key: 'z',
    add: (number) => ['ZADD', 'z', null, (number * 7919) % 1_000_003, memberAt(number)],
    timed: [
      { name: 'ZSCORE', ask: (any) => ['ZSCORE', 'z', memberAt(any())] },
      { name: 'ZRANK', ask: (any) => ['ZRANK', 'z', memberAt(any())] },
      { name: 'ZADD, there', ask: (any) => ['ZADD', 'z', null, any(), memberAt(any())] },
    ],
  },
];

/** What one command takes on collections of one size. */
export interface CollectionRow {
  readonly command: string;
  readonly members: number;
  readonly ns: Spread;
}

/** An arena that executes frames, as the server has it execute them. */
export class Bed {
  readonly #arena: Arena;

  constructor(members: number) {
    this.#arena = Arena.create({
      ...{ memoryBytes: 64 * 2 ** 20 + 250 * members, policy: 'none', partitions: 16 },
      ...{ maxThreads: 1, maxValueBytes: 2 ** 20 },
    });
  }

  /** Bytes of chunks in use. */
  get bytes(): number {
    return this.#arena.stats().chunkBytes;
  }

  /** Runs the frames; nanoseconds for each command. */
  time(frames: readonly Buffer[]): number {
    const { kernel, slot, request } = this.#arena;
    const start = process.hrtime.bigint();
    for (const frame of frames) {
      request.set(frame);
      const outcome = kernel.exec(slot, 0, frame.length, Date.now());
      if (outcome !== kernel.EXEC_DONE.value) throw new Error(`exec came back with ${outcome}`);
    }
    return Number(process.hrtime.bigint() - start) / (frames.length * FRAME_COMMANDS);
  }

  /** Fills a collection; bytes of memory that each member takes. */
  fill(kind: Kind, members: number): number {
    const before = this.bytes;
    for (let first = 0; first < members; first += FRAME_COMMANDS) {
      const count = Math.min(FRAME_COMMANDS, members - first);
      this.time([frameOf(Array.from({ length: count }, (_, i) => kind.add(first + i)))]);
    }
    return (this.bytes - before) / members;
  }

  close(): void {
    this.#arena.close();
  }
}

function frameOf(commands: readonly [CommandName, ...unknown[]][]): Buffer {
  const packed = commands.map(([name, ...args]) =>
    Buffer.from(packr.pack([COMMANDS[name].code, ...args])),
  );
  return Buffer.concat([Buffer.of(1), ...packed]);
}

/** Times the commands of a kind on a collection of so many members, in rounds. */
export function measureKind(
  kind: Kind,
  members: number,
  plan: { readonly rounds: number; readonly commands: number },
): { readonly rows: CollectionRow[]; readonly bytesPerMember: number } {
  const bed = new Bed(members);
  const bytesPerMember = bed.fill(kind, members);
  const draw = random(members);
  const any = (): number => draw() % members;
  const times = new Map<string, number[]>();
  // The first round is not counted: the kernel is still being compiled.
  for (let round = -1; round < plan.rounds; round++) {
    for (const { name, ask } of kind.timed) {
      const frames = Array.from({ length: Math.ceil(plan.commands / FRAME_COMMANDS) }, () =>
        frameOf(Array.from({ length: FRAME_COMMANDS }, () => ask(any))),
      );
      const ns = bed.time(frames);
      if (round >= 0) times.set(name, [...(times.get(name) ?? []), ns]);
    }
    // What was removed is there again for the next round.
    if (members < plan.commands) bed.fill(kind, kind.name === 'list' ? 0 : members);
  }
  bed.close();
  const rows = [...times].map(([command, ns]) => ({ command, members, ns: spreadOf(ns) }));
  return { rows, bytesPerMember };
}
