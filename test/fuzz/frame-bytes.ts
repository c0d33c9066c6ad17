/**
 * Any bytes as a request frame: it is answered with one whole reply per command, or refused for a
 * reason of the protocol, and nothing happens outside of the thread's own areas and the heap.
 */
import { ArenaCommands } from '#engine/arena-commands.js';
import { type FrameFault, isFault } from '#engine/frame.js';
import { LONG_FRAME_COMMANDS_MAX } from '#engine/long-frame.js';
import { FuzzArena } from '../support/fuzz-arena.js';
import { hostileFrame, hostileLongFrame } from '../support/fuzz-frames.js';
import { splitValues } from '../support/fuzz-msgpack.js';
import type { Random } from '../support/fuzz-random.mjs';
import {
  checkReplies,
  errorCode,
  type Judged,
  judgeFrame,
  shorten,
} from '../support/fuzz-replies.js';
import type { Fuzzer, FuzzTarget } from './registry.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Some that refuse when full, and some that have to evict; of one, two and three arenas. */
const ARENAS = [
  { memoryBytes: 8192 * KIB, partitions: 4, policy: 'none', maxValueBytes: 96 * KIB },
  { memoryBytes: 640 * KIB, partitions: 1, policy: 'clock', maxValueBytes: 96 * KIB },
  { memoryBytes: 8192 * KIB, partitions: 2, policy: 'none', maxValueBytes: 96 * KIB, arenas: 3 },
  { memoryBytes: 1280 * KIB, partitions: 1, policy: 'clock', maxValueBytes: 96 * KIB, arenas: 2 },
] as const;

/** Of these, a frame may be longer than the request area of 1 MiB and 128 KiB. */
const LARGE_ARENAS = [
  { memoryBytes: 24 * MIB, partitions: 2, policy: 'none', maxValueBytes: 2 * MIB },
  { memoryBytes: 8 * MIB, partitions: 1, policy: 'clock', maxValueBytes: 2 * MIB },
  { memoryBytes: 16 * MIB, partitions: 1, policy: 'clock', maxValueBytes: 2 * MIB, arenas: 2 },
] as const;

/** Of the longest frames whose commands are not counted. */
const AREA_BYTES_MAX = 1152 * KIB;

type Options = ConstructorParameters<typeof FuzzArena>[0];

const CANARIES = {
  'a command is not answered': /\d+ replies to \d+ commands/,
  'a frame throws': /boom/,
  'a broken frame is answered': /was answered, not refused/,
  'a whole frame is refused': /was refused with 1007/,
  'a command fails': /INTERNAL .* command/,
  'a neighbour is written to': /the areas of thread 2 have changed/,
  'an entry is written to': /sentinel of 3000 bytes|integrity/,
};

class FrameBytes implements FuzzTarget {
  readonly #targets: readonly FuzzArena<undefined>[];
  readonly #makeFrame: (random: Random) => Buffer;
  readonly #canary: string | undefined;

  constructor(arenas: readonly Options[], makeFrame: (random: Random) => Buffer, canary?: string) {
    this.#targets = arenas.map((options) => {
      const target: FuzzArena<undefined> = new FuzzArena(options, (name, args) =>
        name === 'HELLO' ? args.length : commands.answer(name, args),
      );
      const commands = new ArenaCommands(target.set);
      return target;
    });
    this.#makeFrame = makeFrame;
    this.#canary = canary;
  }

  round(random: Random): void {
    const target = random.pick(this.#targets);
    const frame = this.#makeFrame(random);
    let result: Uint8Array | FrameFault;
    try {
      result = this.#sabotage(target, frame, target.executor.execute(frame, undefined));
    } catch (error) {
      throw new Error(`${error} at frame ${shorten(frame)}`, { cause: error });
    }
    try {
      judge(frame, result, target.frameBytesMax);
    } catch (error) {
      throw new Error(`${(error as Error).message}, frame ${shorten(frame)}`, { cause: error });
    }
  }

  checkAll(): void {
    for (const target of this.#targets) target.check();
  }

  close(): void {
    for (const target of this.#targets) target.close();
  }

  /** Does what the canary says that the target does wrong. */
  #sabotage(
    { arena, set }: FuzzArena<undefined>,
    frame: Buffer,
    result: Uint8Array | FrameFault,
  ): Uint8Array | FrameFault {
    const { bytes } = arena;
    switch (this.#canary) {
      case 'a command is not answered': {
        if (isFault(result)) return result;
        const values = splitValues(Buffer.from(result))!;
        return values.length > 2 ? Buffer.concat(values.slice(0, -1)) : result;
      }
      case 'a frame throws':
        if (frame.length > 100) throw new Error('boom');
        return result;
      case 'a broken frame is answered':
        return isFault(result) ? Buffer.of(1) : result;
      case 'a whole frame is refused':
        return frame.length > 100 ? { closeCode: 1007, reason: 'too long' } : result;
      case 'a command fails': {
        if (isFault(result)) return result;
        const error = Buffer.concat([Buffer.from([0xc7, 10, 1]), Buffer.from('INTERNAL x')]);
        const values = splitValues(Buffer.from(result))!;
        return Buffer.concat(values.map((value) => (value[0] === 0xc0 ? error : value)));
      }
      case 'a neighbour is written to':
        bytes[arena.reply.byteOffset + arena.reply.length + 5000]! ^= 1;
        return result;
      case 'an entry is written to': {
        for (const { bytes: all } of set.arenas) {
          const at = Buffer.from(all.buffer).lastIndexOf('sentinel of 3000 bytes');
          if (at >= 0) all[at + 100] = 1;
        }
        return result;
      }
      default:
        return result;
    }
  }
}

/** @throws Error when this is no right answer to the frame */
function judge(frame: Buffer, result: Uint8Array | FrameFault, frameBytesMax: number): void {
  const request = judgeFrame(frame);
  if (isFault(result)) {
    judgeFault(request, frame, result, frameBytesMax);
    return;
  }
  if (frame.length > frameBytesMax || request.isBroken) {
    throw new Error(`${shorten(Buffer.from(result))} was answered, not refused`);
  }
  const replies = checkReplies(request, Buffer.from(result));
  for (const [i, reply] of replies.entries()) {
    const command = request.commands[i]!;
    if (errorCode(reply) === 'INTERNAL') {
      throw new Error(`INTERNAL in reply to command ${shorten(command)}`);
    }
  }
}

function judgeFault(
  request: Judged,
  frame: Buffer,
  { closeCode, reason }: FrameFault,
  frameBytesMax: number,
): void {
  const isTooMany =
    frame.length > AREA_BYTES_MAX && request.commands.length > LONG_FRAME_COMMANDS_MAX;
  const isTooMuch = frame.length > frameBytesMax || isTooMany;
  const isRight = closeCode === (isTooMuch ? 1009 : 1007) && (isTooMuch || request.isBroken);
  if (!isRight) throw new Error(`it was refused with ${closeCode} ${reason}`);
  // A close frame holds a reason of 123 bytes.
  if (reason === '' || Buffer.byteLength(reason) > 123) throw new Error(`reason '${reason}'`);
}

export const frameBytes: Fuzzer = {
  name: 'frame bytes',
  smokeRounds: 500,
  canaries: CANARIES,
  open: (canary) => new FrameBytes(ARENAS, hostileFrame, canary),
};

export const longFrameBytes: Fuzzer = {
  name: 'bytes of long frames',
  smokeRounds: 100,
  canaries: CANARIES,
  open: (canary) => new FrameBytes(LARGE_ARENAS, hostileLongFrame, canary),
};
