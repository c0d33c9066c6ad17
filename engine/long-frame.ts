/**
 * Frames longer than a thread's request area. The host walks over the commands and hands runs of
 * them, each as long as fits, to what executes frames (frame.ts, routed-frame.ts), as one frame
 * with one reply; a SET that does not fit alone is run by the host (large-command.ts).
 *
 *     id, commands | commands | SET of 5 MiB | commands     the frame
 *     begin          goOn       runLarge       goOn
 */
import { Buffer } from 'node:buffer';
import { BROKEN, CommandWalk, endOfMany } from './command-walk.js';
import { copyOf } from './copy.js';
import { Elsewhere } from './elsewhere.js';
import { encodeErrorText } from './error-reply.js';
import { BAD_FRAME_ID, type FrameFault, malformedAt } from './frame-fault.js';
import { kernelError, type LargeCommands, readCommand } from './large-command.js';
import type { ReplyParts } from './reply-parts.js';

/**
 * A frame that fits an area is soon done, whatever it holds. Of a longer one the commands are
 * counted, so that it holds its thread up for little more than what its bytes take to copy.
 */
export const LONG_FRAME_COMMANDS_MAX = 131_072;

/** How a command other than SET is answered that does not fit an area. */
export const COMMAND_TOO_LARGE_TEXT =
  'TOOLARGE the command is longer than this node takes; only the value of a SET may be so long';

/**
 * How the execution of some bytes of a frame ended. undefined: all was done. A number: the offset
 * in them of a command that is not this node's to run; nothing from there on was done.
 */
export type RunEnd = FrameFault | number | undefined;

/** What executes the commands of a long frame. */
export interface LongFrameRunner<C> {
  /** The longest frame. */
  readonly frameBytesMax: number;
  /** Bytes that {@link begin} takes, and one more than {@link goOn} does. */
  readonly areaBytes: number;
  /** Once the replies are longer than this, commands are answered with TOOLARGE. */
  readonly maxReplyBytes: number;
  /** A reply that the other methods add to. */
  newReply(): ReplyParts;
  /** Executes the beginning of a frame: its id, and perhaps commands. */
  begin(bytes: Buffer, reply: ReplyParts, context: C): RunEnd;
  /** Executes further commands of the frame. */
  goOn(bytes: Buffer, reply: ReplyParts, context: C): RunEnd;
  /** Whether a command that writes this key is not this node's to run. */
  isElsewhere(key: Uint8Array): boolean;
  /** Who runs a command with a large value on this key. Counts one. */
  largeCommandsOf(key: Uint8Array): LargeCommands;
}

export function executeLongFrame<C>(
  frame: Uint8Array,
  runner: LongFrameRunner<C>,
  context: C,
): Uint8Array | FrameFault | Elsewhere {
  if (frame.length > runner.frameBytesMax) return tooLong(runner.frameBytesMax);
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  return new LongFrame(bytes, runner, context).execute();
}

/** The result of a frame, the execution of whose bytes has ended so. */
export function endFrame(
  end: RunEnd,
  frame: Uint8Array,
  reply: ReplyParts,
): Uint8Array | FrameFault | Elsewhere {
  if (typeof end !== 'number') return end ?? reply.concat();
  return new Elsewhere(reply.concat(), copyOf(frame.subarray(end)));
}

function tooLong(bytesMax: number): FrameFault {
  return { closeCode: 1009, reason: `a message has at most ${bytesMax} bytes here` };
}

/** The fault of a frame longer than an area that has more than LONG_FRAME_COMMANDS_MAX. */
export function tooManyCommands(areaBytes: number): FrameFault {
  const most = `${LONG_FRAME_COMMANDS_MAX} commands`;
  return { closeCode: 1009, reason: `a message above ${areaBytes} bytes has at most ${most}` };
}

class LongFrame<C> {
  readonly #bytes: Buffer;
  readonly #runner: LongFrameRunner<C>;
  readonly #context: C;
  readonly #reply: ReplyParts;
  readonly #walk = new CommandWalk();
  /** Where the commands begin that were not executed yet. */
  #start = 0;

  constructor(bytes: Buffer, runner: LongFrameRunner<C>, context: C) {
    this.#bytes = bytes;
    this.#runner = runner;
    this.#context = context;
    this.#reply = runner.newReply();
  }

  execute(): Uint8Array | FrameFault | Elsewhere {
    return endFrame(this.#execute(), this.#bytes, this.#reply);
  }

  #execute(): RunEnd {
    const { length } = this.#bytes;
    // One byte of an area is the id of the runs that go on.
    const runBytesMax = this.#runner.areaBytes - 1;
    let at = endOfMany(this.#bytes, 0, 1);
    if (at === BROKEN || at > runBytesMax) return BAD_FRAME_ID;
    for (let commands = 1; at < length; commands++) {
      const end = this.#walk.walk(this.#bytes, at);
      if (end === BROKEN) return this.#run(at) ?? malformedAt(at);
      if (commands > LONG_FRAME_COMMANDS_MAX) return tooManyCommands(this.#runner.areaBytes);
      if (end - this.#start > runBytesMax) {
        const stopped = this.#run(at);
        if (stopped !== undefined) return stopped;
      }
      if (end - at > runBytesMax) {
        if (!this.#runLarge()) return at;
        this.#start = end;
      }
      at = end;
    }
    return this.#run(length);
  }

  /** Has the commands up to `end` executed. */
  #run(end: number): RunEnd {
    const start = this.#start;
    if (start === end) return undefined;
    this.#start = end;
    const bytes = this.#bytes.subarray(start, end);
    if (start === 0) return this.#runner.begin(bytes, this.#reply, this.#context);
    const stopped = this.#runner.goOn(bytes, this.#reply, this.#context);
    return typeof stopped === 'number' ? start + stopped : stopped;
  }

  /**
   * Runs or refuses the command walked over last, for which an area is too small. False: it is not
   * this node's to run.
   */
  #runLarge(): boolean {
    const { maxReplyBytes } = this.#runner;
    const command = readCommand(this.#bytes, this.#walk);
    if (this.#reply.totalBytes > maxReplyBytes) {
      this.#reply.add(kernelError('ERROR_REPLY_TOO_LARGE'));
    } else if (typeof command === 'string') {
      this.#reply.add(kernelError(command));
    } else if (command.name !== 'SET') {
      this.#reply.add(encodeErrorText(COMMAND_TOO_LARGE_TEXT));
    } else {
      if (this.#runner.isElsewhere(command.key)) return false;
      this.#runner.largeCommandsOf(command.key).run(this.#bytes, this.#walk, command, this.#reply);
    }
    return true;
  }
}
