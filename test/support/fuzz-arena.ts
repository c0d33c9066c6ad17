/**
 * A small arena to be fuzzed: the fuzzed thread between two others, keys that must keep their
 * values, and all checks.
 */
import type { Arena } from '#engine/arena.js';
import { ArenaSet, type ArenaSetOptions } from '#engine/arena-set.js';
import { type Frames, type HostCommands, isFault } from '#engine/frame.js';
import { createExecutor } from '#engine/routed-frame.js';
import { shorten } from './fuzz-replies.js';

/**
 * Words at the start of the memory that change: TOUCH_SINK and the page pool
 * (engine/kernel/layout.ts).
 */
const FIXED_HEADER_BYTES = 76;
const TABLES = 0x400;
const PARTITIONS = 0x10000;
/** Behind the last page, read at most (engine/kernel/arena.ts). */
const GUARD_BYTES = 2 * 65_536;
/** The fuzzed thread is the middle one of three. */
const THREADS = 3;
/** What a frame may hold besides one largest value. */
const FRAME_MARGIN_BYTES = 128 * 1024;
/** Little enough that some frames have more replies. */
const MAX_REPLY_BYTES = 300 * 1024;

interface Region {
  what: string;
  bytes: Buffer;
  before: Buffer;
}

export class FuzzArena<C> {
  readonly set: ArenaSet;
  /** The first of several, as a rule the only one. */
  readonly arena: Arena;
  readonly executor: Frames<C>;
  readonly options: Omit<ArenaSetOptions, 'maxThreads'>;
  readonly frameBytesMax: number;
  readonly #neighbours: ArenaSet[];
  readonly #regions: Region[];
  readonly #sentinels = new Map<string, Buffer>();

  /** @param now the clock of everything that expires */
  constructor(
    options: Omit<ArenaSetOptions, 'maxThreads'>,
    host: HostCommands<C>,
    now: () => number = Date.now,
  ) {
    this.options = options;
    const first = ArenaSet.create({ ...options, maxThreads: THREADS });
    this.set = ArenaSet.attach(first.handle);
    this.arena = this.set.arenas[0]!;
    this.#neighbours = [first, ArenaSet.attach(first.handle)];
    this.executor = createExecutor(this.set, host, { maxReplyBytes: MAX_REPLY_BYTES, now });
    const { areaBytes, maxValueBytes } = this.arena.facts;
    this.frameBytesMax = Math.max(areaBytes, maxValueBytes + FRAME_MARGIN_BYTES);
    this.#setSentinels();
    this.#regions = this.set.arenas.flatMap((_, index) => this.#protectedRegions(index));
  }

  /** Everything that no frame of the fuzzed thread may change, but for the heap itself. */
  #protectedRegions(index: number): Region[] {
    const arena = this.set.arenas[index]!;
    const { buffer } = arena.handle.memory;
    const region = (what: string, start: number, end: number): Region => {
      const bytes = Buffer.from(buffer, start, end - start);
      return { what, bytes, before: Buffer.from(bytes) };
    };
    const [first, last] = this.#neighbours.map(({ arenas }) => arenas[index]!) as [Arena, Arena];
    const stride = arena.block.byteOffset - first.block.byteOffset;
    const areasOf = (thread: Arena) => {
      thread.request.fill(0xa5);
      thread.reply.fill(0x5a);
      const start = thread.block.byteOffset;
      return region(`the areas of thread ${thread.slot}`, start, start + stride);
    };
    return [
      region('the header', 0, FIXED_HEADER_BYTES),
      region('the tables', TABLES, PARTITIONS),
      areasOf(first),
      areasOf(last),
      region('the guard pages', buffer.byteLength - GUARD_BYTES, buffer.byteLength),
    ];
  }

  #setSentinels(): void {
    for (const length of [5, 100, 3000, 30_000]) {
      const key = `sentinel of ${length} bytes`;
      const value = Buffer.alloc(length + 5, length);
      value[0] = 0xc6;
      value.writeUInt32BE(length, 1);
      const command = Buffer.concat([Buffer.from([1, 0x93, 0x11]), str(key), value]);
      const reply = this.#execute(command);
      if (reply[1] !== 0xc3) throw new Error(`the sentinel was not stored: ${shorten(reply)}`);
      this.#sentinels.set(key, value);
    }
  }

  #execute(frame: Buffer): Buffer {
    const result = this.executor.execute(frame, undefined as C);
    if (isFault(result)) throw new Error(`refused: ${result.reason}`);
    return Buffer.from(result);
  }

  /** @throws Error naming the first thing that is not as it must be */
  check(): void {
    for (const { what, bytes, before } of this.#regions) {
      if (!bytes.equals(before))
        throw new Error(`${what} have changed: a write outside of its place`);
    }
    const broken = this.set.checkIntegrity();
    if (broken !== undefined) throw new Error(`integrity: ${broken}`);
    for (const [key, value] of this.#sentinels) this.#checkSentinel(key, value);
  }

  #checkSentinel(key: string, value: Buffer): void {
    const reply = this.#execute(Buffer.concat([Buffer.from([1, 0x92, 0x10]), str(key)]));
    const isGone = reply.length === 2 && reply[1] === 0xc0;
    if (isGone && this.options.policy !== 'none') return;
    if (!reply.subarray(1).equals(value)) throw new Error(`${key}: ${shorten(reply)}`);
  }

  close(): void {
    for (const set of [this.set, ...this.#neighbours]) set.close();
  }
}

function str(text: string): Buffer {
  return Buffer.concat([Buffer.from([0xd9, text.length]), Buffer.from(text)]);
}
