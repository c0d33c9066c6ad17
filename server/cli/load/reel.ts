/**
 * A reel: request frames prebuilt back to back in one buffer, so that sending some of them is one
 * write of a slice. Beside the bytes it keeps what each command asks for, so that replies can be
 * checked.
 */
import { SCORE, type Shape, writes } from './shape.js';

/** What is asked of a server. */
export interface Workload {
  /** Keys are `key:` and 12 digits, 0 to `keys - 1`. */
  readonly keys: number;
  readonly valueBytes: number;
  /** The share of reads, from 0 (all SET, or what the shape writes with) to 1 (all GET). */
  readonly getShare: number;
  /** Commands in a frame. */
  readonly pipeline: number;
}

/** Writes frames in a server's protocol. */
export interface FrameWriter {
  /** What its commands work on. */
  readonly shape: Shape;
  /** An upper bound of the bytes of a frame. */
  frameBytesMax(commands: number, valueBytes: number): number;
  /** Writes the frame of the reel's commands at `at` in `reel.bytes`; returns where it ends. */
  writeFrame(reel: Reel, frame: number, at: number): number;
}

export class Reel {
  readonly frames: number;
  readonly pipeline: number;
  readonly valueBytes: number;
  /** The key number of every command, frame by frame. */
  readonly keys: Uint32Array;
  /** 1 where the command writes (a SET), 0 where it reads (a GET). */
  readonly sets: Uint8Array;
  readonly bytes: Buffer;
  /** Frame `f` lies at `bytes[offsets[f] .. offsets[f + 1])`. */
  readonly offsets: Float64Array;

  constructor(
    keys: Uint32Array,
    sets: Uint8Array,
    pipeline: number,
    valueBytes: number,
    writer: FrameWriter,
  ) {
    this.keys = keys;
    this.sets = sets;
    this.pipeline = pipeline;
    this.valueBytes = valueBytes;
    this.frames = Math.ceil(keys.length / pipeline);
    const frameBytesMax = writer.frameBytesMax(pipeline, sets.includes(1) ? valueBytes : 0);
    this.bytes = Buffer.allocUnsafe(this.frames * frameBytesMax);
    this.offsets = new Float64Array(this.frames + 1);
    let at = 0;
    for (let frame = 0; frame < this.frames; frame += 1) {
      this.offsets[frame] = at;
      at = writer.writeFrame(this, frame, at);
    }
    this.offsets[this.frames] = at;
    this.bytes = this.bytes.subarray(0, at);
  }

  /** The index of the frame's first command. */
  firstCommand(frame: number): number {
    return frame * this.pipeline;
  }

  /** The index behind the frame's last command (only the last frame of a reel may be shorter). */
  endCommand(frame: number): number {
    return Math.min((frame + 1) * this.pipeline, this.keys.length);
  }
}

/**
 * Commands on a reel of random keys: about as many as a cache of a million keys has keys, so that a
 * reel that runs over and over does not touch a small, warm part of them only. With fewer keys
 * fewer commands do.
 */
const RANDOM_COMMANDS = 1 << 20;
const RANDOM_COMMANDS_PER_KEY = 4;
const RANDOM_COMMANDS_MIN = 1 << 14;
/** ... but no more than fit into this: with large values the reel would not fit into memory. */
const RANDOM_REEL_BYTES = 128 * 2 ** 20;
/** A reel has at least this many frames, so that the frames in flight on a connection differ. */
export const RANDOM_FRAMES_MIN = 16;

/**
 * A reel of random keys in the workload's mix. The same workload gives every server the same
 * commands.
 */
export function randomReel(workload: Workload, writer: FrameWriter): Reel {
  const { keys, valueBytes, getShare, pipeline } = workload;
  const frameBytes = writer.frameBytesMax(pipeline, getShare < 1 ? valueBytes : 0);
  const wanted = Math.min(
    RANDOM_COMMANDS,
    Math.max(RANDOM_COMMANDS_MIN, RANDOM_COMMANDS_PER_KEY * keys),
  );
  const frames = Math.max(
    RANDOM_FRAMES_MIN,
    Math.min(Math.ceil(wanted / pipeline), Math.floor(RANDOM_REEL_BYTES / frameBytes)),
  );
  const commands = frames * pipeline;
  // A member that has its score already is no work: on a reel with scores each one comes twice, so
  // that no score is still there when the reel starts over.
  const drawn = writes(writer.shape, SCORE) ? Math.ceil(commands / 2) : commands;
  const random = new Random(0x5eed);
  const keyOf = new Uint32Array(commands);
  const sets = new Uint8Array(commands);
  for (let command = 0; command < commands; command += 1) {
    keyOf[command] = command < drawn ? random.below(keys) : keyOf[command - drawn]!;
    sets[command] = random.below(1_000_000) < getShare * 1_000_000 ? 0 : 1;
  }
  return new Reel(keyOf, sets, pipeline, valueBytes, writer);
}

/** A reel that sets the keys `first` to `end - 1` once each, in order. */
export function fillReel(
  first: number,
  end: number,
  { valueBytes }: Pick<Workload, 'valueBytes'>,
  pipeline: number,
  writer: FrameWriter,
): Reel {
  const sets = new Uint8Array(end - first).fill(1);
  return new Reel(numbersFrom(first, end), sets, pipeline, valueBytes, writer);
}

/** A reel that gets them. */
export function readReel(
  first: number,
  end: number,
  { valueBytes }: Pick<Workload, 'valueBytes'>,
  pipeline: number,
  writer: FrameWriter,
): Reel {
  const sets = new Uint8Array(end - first);
  return new Reel(numbersFrom(first, end), sets, pipeline, valueBytes, writer);
}

function numbersFrom(first: number, end: number): Uint32Array {
  return Uint32Array.from({ length: end - first }, (_, index) => first + index);
}

export const KEY_BYTES = 16;
const KEY_PREFIX = Buffer.from('key:');
const DIGITS = 12;
const ZERO = 0x30;
const FILLER = 0x76; // 'v'

/** Writes `key:` and the number in 12 digits; returns where it ends. */
export function writeKey(out: Buffer, at: number, key: number): number {
  out[at] = KEY_PREFIX[0]!;
  out[at + 1] = KEY_PREFIX[1]!;
  out[at + 2] = KEY_PREFIX[2]!;
  out[at + 3] = KEY_PREFIX[3]!;
  return writeDigits(out, at + KEY_PREFIX.length, key, DIGITS);
}

/**
 * Writes the value of a key: its 12 digits (fewer in a shorter value), then `v`s; returns where it
 * ends.
 */
export function writeValue(out: Buffer, at: number, key: number, valueBytes: number): number {
  const end = at + valueBytes;
  writeDigits(out, at, key, Math.min(DIGITS, valueBytes));
  if (valueBytes > DIGITS) out.fill(FILLER, at + DIGITS, end);
  return end;
}

/** Whether the value of this key lies at `at`. */
export function isValue(bytes: Buffer, at: number, key: number, valueBytes: number): boolean {
  let rest = key;
  for (let place = at + Math.min(DIGITS, valueBytes) - 1; place >= at; place -= 1) {
    if (bytes[place] !== ZERO + (rest % 10)) return false;
    rest = Math.floor(rest / 10);
  }
  for (let place = at + DIGITS; place < at + valueBytes; place += 1) {
    if (bytes[place] !== FILLER) return false;
  }
  return true;
}

/** Scores are integers of so many digits: short of 2^32, and of one length in every protocol. */
export const SCORE_DIGITS = 9;
const SCORE_MIN = 10 ** (SCORE_DIGITS - 1);

/** The score of a reel's command: as good as drawn, another one wherever the key comes again. */
export function scoreOf(reel: Reel, command: number): number {
  const mixed = Math.imul(reel.keys[command]! ^ Math.imul(command + 1, 0x9e37_79b1), 0x85eb_ca6b);
  return SCORE_MIN + (((mixed ^ (mixed >>> 15)) >>> 0) % (9 * SCORE_MIN));
}

/** Writes the last `digits` digits of a number; returns where they end. */
export function writeDigits(out: Buffer, at: number, number: number, digits: number): number {
  let rest = number;
  for (let place = at + digits - 1; place >= at; place -= 1) {
    out[place] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + digits;
}

/** xorshift32: seeded, so that every server gets the same keys. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A number from 0 to `limit - 1`. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return Math.floor(((state >>> 0) / 2 ** 32) * limit);
  }
}
