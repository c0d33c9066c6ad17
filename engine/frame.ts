/**
 * Executes request frames (docs/PROTOCOL.md) on an arena: copies a frame into this thread's request
 * area, lets the kernel run it, and puts the reply together where the kernel must stop in between.
 */
import { Packr, Unpackr } from 'msgpackr';
import type { Arena } from './arena.js';
import { COMMANDS, type CommandName, ERROR_EXT_TYPE } from './commands.js';
import { SlabringError } from './errors.js';
import {
  BLOCK_CONSUMED,
  BLOCK_HOST_ARG_COUNT,
  BLOCK_HOST_ARGS,
  BLOCK_HOST_CODE,
  BLOCK_HOST_END,
  BLOCK_REFUSAL,
  BLOCK_REPLY_BYTES,
} from './kernel-exports.js';

/** Why a connection must be closed, and with which WebSocket close code. */
export interface FrameFault {
  readonly closeCode: 1007 | 1009;
  readonly reason: string;
}

/**
 * Answers a command that the kernel leaves to the host. Returns the value to reply with; throwing a
 * SlabringError makes an error reply.
 */
export type HostCommands<C> = (name: CommandName, args: unknown[], context: C) => unknown;

export interface FrameLimits {
  /**
   * Once the replies to a frame are longer than this, the rest of its commands are not run but
   * answered with TOOLARGE. Default 64 MiB.
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

export const DEFAULT_MAX_REPLY_BYTES = 64 * 1024 * 1024;

/** What executes frames. */
export interface Frames<C> {
  /**
   * Executes one frame. The reply frame is a view that the next call overwrites.
   * A fault may come after commands of the frame have run; none has run by half.
   */
  execute(frame: Uint8Array, context: C): Uint8Array | FrameFault;
}

export const BAD_FRAME_ID: FrameFault = {
  closeCode: 1007,
  reason: 'a frame begins with an id from 1 to 4294967295',
};

/** The fault of a frame whose bytes from `at` on are not msgpack. */
export function malformedAt(at: number): FrameFault {
  return { closeCode: 1007, reason: `bytes from ${at} on are no whole msgpack value` };
}

export function isFault(result: Uint8Array | FrameFault): result is FrameFault {
  return !(result instanceof Uint8Array);
}

const NAMES_BY_CODE = new Map<number, CommandName>(
  Object.entries(COMMANDS).map(([name, row]) => [row.code, name as CommandName]),
);

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export class FrameExecutor<C> implements Frames<C> {
  readonly #arena: Arena;
  readonly #host: HostCommands<C>;
  readonly #maxReplyBytes: number;
  readonly #now: () => number;
  readonly #isHosts: boolean;
  readonly #done: number;
  readonly #hostCommand: number;
  readonly #malformed: number;
  readonly #tooLarge: FrameFault;
  readonly #views: ReplyViews;

  constructor(arena: Arena, host: HostCommands<C>, limits: FrameLimits = {}) {
    const { kernel } = arena;
    this.#arena = arena;
    this.#host = host;
    this.#maxReplyBytes = limits.maxReplyBytes ?? DEFAULT_MAX_REPLY_BYTES;
    this.#now = limits.now ?? Date.now;
    this.#isHosts = limits.isHosts ?? false;
    this.#done = kernel.EXEC_DONE.value;
    this.#hostCommand = kernel.EXEC_HOST_COMMAND.value;
    this.#malformed = kernel.EXEC_MALFORMED.value;
    this.#views = new ReplyViews(arena.reply);
    this.#tooLarge = {
      closeCode: 1009,
      reason: `a message has at most ${arena.facts.areaBytes} bytes here`,
    };
  }

  execute(frame: Uint8Array, context: C): Uint8Array | FrameFault {
    const { kernel, slot, request, block } = this.#arena;
    if (frame.length > request.length) return this.#tooLarge;
    request.set(frame);
    const now = this.#now();
    const outcome = this.#isHosts
      ? kernel.execHost(slot, 0, frame.length, now)
      : kernel.exec(slot, 0, frame.length, now);
    if (outcome === this.#done) return this.#views.of(block[BLOCK_REPLY_BYTES]!);
    return this.#executeOn(outcome, frame.length, context);
  }

  /** The rest of a frame that the kernel did not run in one go. */
  #executeOn(first: number, length: number, context: C): Uint8Array | FrameFault {
    const { kernel, slot, reply, block } = this.#arena;
    const parts: Uint8Array[] = [];
    let total = 0;
    const add = (part: Uint8Array): void => {
      parts.push(part);
      total += part.length;
    };
    let outcome = first;
    for (;;) {
      if (outcome === kernel.EXEC_BAD_FRAME_ID.value) {
        return BAD_FRAME_ID;
      }
      if (outcome === this.#malformed) {
        return malformedAt(block[BLOCK_CONSUMED]!);
      }
      add(reply.slice(0, block[BLOCK_REPLY_BYTES]));
      if (outcome === this.#hostCommand) add(this.#runHostCommand(context));
      if (outcome === this.#done || block[BLOCK_CONSUMED] === length) break;
      if (total > this.#maxReplyBytes) {
        block[BLOCK_REFUSAL] = kernel.ERROR_REPLY_TOO_LARGE.value;
      }
      const consumed = block[BLOCK_CONSUMED]!;
      outcome = this.#isHosts
        ? kernel.execHost(slot, consumed, length, this.#now())
        : kernel.exec(slot, consumed, length, this.#now());
    }
    return Buffer.concat(parts, total);
  }

  #runHostCommand(context: C): Uint8Array {
    const { request, block } = this.#arena;
    const args = request.slice(block[BLOCK_HOST_ARGS], block[BLOCK_HOST_END]);
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
    const values = argCount === 0 ? [] : (unpackr.unpackMultiple(Buffer.from(args)) as unknown[]);
    return packr.pack(host(name, values, context));
  } catch (error) {
    return encodeError(error);
  }
}

/** The longest payload whose length fits one byte. */
const MAX_ERROR_BYTES = 255;

/** An error reply: ext type 1, `CODE message`. Anything but a SlabringError is INTERNAL. */
export function encodeError(error: unknown): Uint8Array {
  const code = error instanceof SlabringError ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  const text = Buffer.from(`${code} ${message}`);
  let length = Math.min(text.length, MAX_ERROR_BYTES);
  // Cut between characters: what continues one begins with the bits 10.
  while (length < text.length && (text[length]! & 0xc0) === 0x80) length--;
  const head = Buffer.from([0xc7, length, ERROR_EXT_TYPE]);
  return Buffer.concat([head, text.subarray(0, length)]);
}
