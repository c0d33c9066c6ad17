/**
 * Executes request frames (docs/PROTOCOL.md) on an arena: copies a frame into this thread's request
 * area, lets the kernel run it, and puts the reply together where the kernel must stop in between.
 */
import { Packr, Unpackr } from 'msgpackr';
import { AREA_MARGIN_BYTES, type Arena, type ArenaFacts, MAX_VALUE_BYTES } from './arena.js';
import { CommandWalk } from './command-walk.js';
import { COMMANDS, type CommandName } from './commands.js';
import { copyOf, copyTo } from './copy.js';
import { Desk } from './desk.js';
import type { Elsewhere } from './elsewhere.js';
import { encodeError } from './error-reply.js';
import { SlabringError } from './errors.js';
import { BAD_FRAME_ID, type FrameFault, malformedAt } from './frame-fault.js';
import {
  BLOCK_CONSUMED,
  BLOCK_HOST_ARG_COUNT,
  BLOCK_HOST_ARGS,
  BLOCK_HOST_CODE,
  BLOCK_HOST_END,
  BLOCK_REFUSAL,
  BLOCK_REPLY_BYTES,
} from './kernel-exports.js';
import { LargeCommands, readCommand } from './large-command.js';
import { endFrame, executeLongFrame, type LongFrameRunner, type RunEnd } from './long-frame.js';
import { ReplyParts } from './reply-parts.js';

export { Elsewhere } from './elsewhere.js';
export { encodeError } from './error-reply.js';
export { type FrameFault, isFault } from './frame-fault.js';

/**
 * Answers a command that the kernel leaves to the host. Returns the value to reply with; throwing a
 * SlabringError makes an error reply.
 */
export type HostCommands<C> = (name: CommandName, args: unknown[], context: C) => unknown;

export interface FrameLimits {
  /**
   * Once the replies to a frame are longer than this, the rest of its commands are not run but
   * answered with TOOLARGE. Default 64 MiB and 128 KiB.
   */
  maxReplyBytes?: number;
  /**
   * Whether frames are this process's own, which may have keys of namespaces. Default `false`.
   */
  isHosts?: boolean;
  /** The clock, in ms of Unix time, for everything that expires. Default: the machine's. */
  now?: () => number;
}

/**
 * Making a view costs as much as a GET: of small replies, which come in frames of few commands,
 * they are kept.
 */
const KEPT_VIEW_BYTES = 1024;

/** One largest value, and the short replies around it. */
export const DEFAULT_MAX_REPLY_BYTES = MAX_VALUE_BYTES + AREA_MARGIN_BYTES;

/** What executes frames. */
export interface Frames<C> {
  /**
   * Executes one frame. The reply frame is a view that the next call overwrites.
   * A fault may come after commands of the frame have run; none has run by half.
   */
  execute(frame: Uint8Array, context: C): Uint8Array | FrameFault;
  /**
   * {@link execute} of a client's frame on a node of a cluster: ends where a command comes that is
   * not this node's to run. Arenas without `slots` run all.
   * @param access which slots' keys may be read here: of `Access` in slot-table.ts
   */
  executeWhereServed(
    frame: Uint8Array,
    context: C,
    access: number,
  ): Uint8Array | FrameFault | Elsewhere;
}

const NAMES_BY_CODE = new Map<number, CommandName>(
  Object.entries(COMMANDS).map(([name, row]) => [row.code, name as CommandName]),
);

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** The longest frame: one largest value, its key (up to 64 KiB) and the command around them. */
function frameBytesMax({ areaBytes, maxValueBytes }: ArenaFacts): number {
  return Math.max(areaBytes, maxValueBytes + AREA_MARGIN_BYTES);
}

/** Where the commands of a frame begin that is gone on with: behind an id of one byte. */
export const GO_ON_START = 1;

export class FrameExecutor<C> implements Frames<C>, LongFrameRunner<C> {
  readonly areaBytes: number;
  readonly frameBytesMax: number;
  readonly maxReplyBytes: number;
  readonly #arena: Arena;
  readonly #host: HostCommands<C>;
  readonly #now: () => number;
  readonly #isHosts: boolean;
  readonly #done: number;
  readonly #hostCommand: number;
  readonly #largeValue: number;
  readonly #malformed: number;
  readonly #elsewhere: number;
  readonly #views: ReplyViews;
  readonly #large: LargeCommands;
  /** Of the frame at hand: as of `executeWhereServed`; 0: all its commands are run here. */
  #access = 0;

  constructor(arena: Arena, host: HostCommands<C>, limits: FrameLimits = {}) {
    const { kernel, facts } = arena;
    this.areaBytes = facts.areaBytes;
    this.frameBytesMax = frameBytesMax(facts);
    this.maxReplyBytes = limits.maxReplyBytes ?? DEFAULT_MAX_REPLY_BYTES;
    this.#arena = arena;
    this.#host = host;
    this.#now = limits.now ?? Date.now;
    this.#isHosts = limits.isHosts ?? false;
    this.#done = kernel.EXEC_DONE.value;
    this.#hostCommand = kernel.EXEC_HOST_COMMAND.value;
    this.#largeValue = kernel.EXEC_LARGE_VALUE.value;
    this.#malformed = kernel.EXEC_MALFORMED.value;
    this.#elsewhere = kernel.EXEC_ELSEWHERE.value;
    this.#views = new ReplyViews(arena.reply);
    this.#large = new LargeCommands(new Desk(arena), this.#now);
  }

  execute(frame: Uint8Array, context: C): Uint8Array | FrameFault {
    // Without an access nothing is elsewhere.
    return this.#execute(frame, context) as Uint8Array | FrameFault;
  }

  executeWhereServed(
    frame: Uint8Array,
    context: C,
    access: number,
  ): Uint8Array | FrameFault | Elsewhere {
    this.#access = access;
    try {
      return this.#execute(frame, context);
    } finally {
      this.#access = 0;
    }
  }

  #execute(frame: Uint8Array, context: C): Uint8Array | FrameFault | Elsewhere {
    const { request, block } = this.#arena;
    if (frame.length > request.length) return executeLongFrame(frame, this, context);
    copyTo(request, frame);
    const outcome = this.#exec(0, frame.length);
    if (outcome === this.#done) return this.#views.of(block[BLOCK_REPLY_BYTES]!);
    const reply = new ReplyParts();
    return endFrame(this.#finish(outcome, frame, 0, reply, context), frame, reply);
  }

  newReply(): ReplyParts {
    return new ReplyParts();
  }

  begin(bytes: Uint8Array, reply: ReplyParts, context: C): RunEnd {
    return this.#run(bytes, 0, reply, context);
  }

  goOn(bytes: Uint8Array, reply: ReplyParts, context: C): RunEnd {
    const { kernel, block } = this.#arena;
    if (reply.totalBytes > this.maxReplyBytes) {
      block[BLOCK_REFUSAL] = kernel.ERROR_REPLY_TOO_LARGE.value;
    }
    return this.#run(bytes, GO_ON_START, reply, context);
  }

  largeCommandsOf(): LargeCommands {
    const { kernel, slot } = this.#arena;
    kernel.countCommand(slot);
    return this.#large;
  }

  isElsewhere(key: Uint8Array): boolean {
    const { kernel, slot, request } = this.#arena;
    if (this.#access === 0) return false;
    copyTo(request, key);
    return kernel.isKeyServed(slot, key.length) === 0;
  }

  #run(bytes: Uint8Array, start: number, reply: ReplyParts, context: C): RunEnd {
    copyTo(this.#arena.request, bytes, start);
    const outcome = this.#exec(start, start + bytes.length);
    return this.#finish(outcome, bytes, start, reply, context);
  }

  /** Executes the rest of what the kernel did not run in one go: `bytes`, which stand at `start`. */
  #finish(first: number, bytes: Uint8Array, start: number, parts: ReplyParts, context: C): RunEnd {
    const { kernel, reply, block } = this.#arena;
    const length = start + bytes.length;
    let outcome = first;
    for (;;) {
      if (outcome === kernel.EXEC_BAD_FRAME_ID.value) return BAD_FRAME_ID;
      let consumed = block[BLOCK_CONSUMED]!;
      if (outcome === this.#malformed) {
        block[BLOCK_REFUSAL] = 0;
        return malformedAt(consumed);
      }
      parts.add(copyOf(reply.subarray(0, block[BLOCK_REPLY_BYTES])));
      if (outcome === this.#elsewhere) {
        block[BLOCK_REFUSAL] = 0;
        return consumed - start;
      }
      if (outcome === this.#hostCommand) parts.add(this.#runHostCommand(context));
      if (outcome === this.#largeValue) consumed = this.runLarge(bytes, start, parts);
      if (outcome === this.#done || consumed === length) break;
      if (parts.totalBytes > this.maxReplyBytes) {
        block[BLOCK_REFUSAL] = kernel.ERROR_REPLY_TOO_LARGE.value;
      }
      outcome = this.#exec(consumed, length);
    }
    // A frame for several arenas goes on in this one without beginning there.
    block[BLOCK_REFUSAL] = 0;
    return undefined;
  }

  /**
   * Runs the command whose reply was too large for the reply area; where it ends in the request
   * area. `bytes` stand there from `start` on, and those behind the command stay: key and value are
   * written to the beginning of the area, and the command is longer than they are.
   */
  runLarge(bytes: Uint8Array, start: number, parts: ReplyParts): number {
    const { block } = this.#arena;
    const end = block[BLOCK_HOST_END]!;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const walk = new CommandWalk();
    walk.walk(buffer, block[BLOCK_CONSUMED]! - start);
    const command = readCommand(buffer, walk, this.#isHosts);
    if (typeof command === 'string') {
      throw new SlabringError('INTERNAL', `the kernel left a command to the host: ${command}`);
    }
    this.#large.run(buffer, walk, command, parts);
    return end;
  }

  /** Has the kernel execute what stands in the request area from `start` to `length`. */
  #exec(start: number, length: number): number {
    const { kernel, slot } = this.#arena;
    if (this.#access !== 0) {
      return kernel.execWhereServed(slot, start, length, this.#now(), this.#access);
    }
    return this.#isHosts
      ? kernel.execHost(slot, start, length, this.#now())
      : kernel.exec(slot, start, length, this.#now());
  }

  #runHostCommand(context: C): Uint8Array {
    const { request, block } = this.#arena;
    const args = copyOf(request.subarray(block[BLOCK_HOST_ARGS], block[BLOCK_HOST_END]));
    const count = block[BLOCK_HOST_ARG_COUNT]!;
    return answerHostCommand(this.#host, block[BLOCK_HOST_CODE]!, count, args, context);
  }
}

/** Views of the first bytes of a reply area. */
export class ReplyViews {
  readonly #area: Uint8Array;
  /** By length. */
  readonly #kept: (Uint8Array | undefined)[] = [];

  constructor(area: Uint8Array) {
    this.#area = area;
  }

  of(bytes: number): Uint8Array {
    if (bytes > KEPT_VIEW_BYTES) return this.#area.subarray(0, bytes);
    return this.#kept[bytes] ?? this.#keep(bytes);
  }

  #keep(bytes: number): Uint8Array {
    const view = this.#area.subarray(0, bytes);
    this.#kept[bytes] = view;
    return view;
  }
}

/**
 * The host's reply to a command, or its error, as bytes.
 * @param args outside of shared memory: what the host keeps of the arguments must not change
 */
export function answerHostCommand<C>(
  host: HostCommands<C>,
  code: number,
  argCount: number,
  args: Uint8Array,
  context: C,
): Uint8Array {
  const name = NAMES_BY_CODE.get(code);
  try {
    if (!name) throw new SlabringError('INTERNAL', `command ${code} has no name`);
    return packr.pack(host(name, argCount === 0 ? [] : readArguments(args), context));
  } catch (error) {
    return encodeError(error);
  }
}

/** @throws SlabringError `SYNTAX` */
function readArguments(args: Uint8Array): unknown[] {
  try {
    return unpackr.unpackMultiple(Buffer.from(args)) as unknown[];
  } catch (cause) {
    // Such as an extension that is none, which only who looks inside can tell.
    throw new SlabringError('SYNTAX', 'the arguments cannot be decoded', { cause });
  }
}
