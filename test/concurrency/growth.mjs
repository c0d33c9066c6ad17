/**
 * A table that grows while it is read. One thread inserts keys in order, and removes every seventh
 * again some time later; the others look up keys at random. A key whose insertion had ended before
 * the lookup began must be found, with its value; one whose insertion begins after the lookup ended
 * must not.
 */
import { FrameExecutor, isFault } from '#engine/frame.js';
import { Random } from '../support/fuzz-random.mjs';
import { endOf, errorAt, FrameWriter, packKey } from './frames.mjs';

const STOP = 0;
const BEGUN = 1;
const DONE = 2;
/** How many finders there are. The growing begins when it is FINDERS. */
const READY = 3;
const FINDERS = 2;
/** Of the board, in 32-bit words. */
export const BOARD_WORDS = 4;
const GROUP = 128;
/** A key is removed when this many newer ones stand in the table. */
const REMOVE_AFTER = 3000;
const VALUE_BYTES = 10;

export const isRemoved = (index) => index % 7 === 0;

function keyOf(index) {
  return Buffer.from(`growing:${index}`);
}

/** A value that tells its key: bin of the index and its complement. */
function writeValueOf(index, target, at) {
  target[at] = 0xc4;
  target[at + 1] = 8;
  target.writeUInt32LE(index, at + 2);
  target.writeUInt32LE(~index >>> 0, at + 6);
  return at + VALUE_BYTES;
}

class Frames {
  #executor;
  writer;

  constructor(arena) {
    this.#executor = new FrameExecutor(arena, () => null);
    this.writer = new FrameWriter(arena.request.length);
  }

  /** Runs the frame and calls `see(i, bytes, start, end)` for each reply. */
  run(see) {
    const result = this.#executor.execute(this.writer.finish(), undefined);
    if (isFault(result)) throw new Error(result.reason);
    const bytes = Buffer.from(result.buffer, result.byteOffset, result.byteLength);
    let at = endOf(bytes, 0);
    for (let i = 0; at < bytes.length; i++) {
      const end = endOf(bytes, at);
      const error = errorAt(bytes, at, end);
      if (error !== undefined) throw new Error(`refused: ${error}`);
      see(i, bytes, at, end);
      at = end;
    }
  }
}

/** Inserts keys until the board says stop or there are `most`; how many there are then. */
export function grow(arena, board, most) {
  const words = new Int32Array(board);
  const frames = new Frames(arena);
  for (let ready = 0; ready < FINDERS; ready = Atomics.load(words, READY)) {
    Atomics.wait(words, READY, ready);
  }
  let next = 0;
  while (Atomics.load(words, STOP) === 0 && next < most) {
    const first = next;
    next += GROUP;
    Atomics.store(words, BEGUN, next);
    frames.writer.begin();
    for (let index = first; index < next; index++) {
      frames.writer.command(0x11, packKey(keyOf(index)), 1);
      frames.writer.argument((target, at) => writeValueOf(index, target, at));
    }
    for (let index = first - REMOVE_AFTER; index < next - REMOVE_AFTER; index++) {
      if (index >= 0 && isRemoved(index)) frames.writer.command(0x12, packKey(keyOf(index)), 0);
    }
    frames.run((_, bytes, at) => {
      if (bytes[at] !== 0xc3 && bytes[at] !== 1) throw new Error(`byte ${bytes[at]} in reply`);
    });
    Atomics.store(words, DONE, next);
  }
  return next;
}

/** Looks keys up, one group a call, alternately by frames and by direct calls. */
export class Finder {
  #arena;
  #frames;
  #words;
  #random;
  #turn = 0;
  found = 0;

  constructor(arena, board, seed) {
    this.#arena = arena;
    this.#frames = new Frames(arena);
    this.#words = new Int32Array(board);
    this.#random = new Random(seed);
    Atomics.add(this.#words, READY, 1);
    Atomics.notify(this.#words, READY);
  }

  /** Keys that have been inserted. */
  get done() {
    return Atomics.load(this.#words, DONE);
  }

  get stopped() {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  look() {
    const { done } = this;
    // Half of them among the newest, which stand where the table grows; some that nobody has
    // inserted yet.
    const pick = () => {
      const span = this.#random.chance(0.5) ? Math.min(done, 2000) : done;
      return Math.max(0, done + 200 - this.#random.below(span + 200));
    };
    const indexes = Array.from({ length: GROUP }, pick);
    const answers = this.#turn++ % 2 === 0 ? this.#byFrame(indexes) : this.#byCalls(indexes);
    const begun = Atomics.load(this.#words, BEGUN);
    for (const [i, index] of indexes.entries()) this.#judge(index, answers[i], done, begun);
  }

  /** For each key what its value says, undefined for an absent one. */
  #byFrame(indexes) {
    this.#frames.writer.begin();
    for (const index of indexes) this.#frames.writer.command(0x10, packKey(keyOf(index)), 0);
    const answers = [];
    this.#frames.run((_, bytes, at, end) => answers.push(readIndex(bytes, at, end)));
    return answers;
  }

  #byCalls(indexes) {
    const { kernel, slot, request, reply } = this.#arena;
    const bytes = Buffer.from(reply.buffer, reply.byteOffset, VALUE_BYTES);
    return indexes.map((index) => {
      const key = keyOf(index);
      request.set(key);
      const length = kernel.getDirect(slot, key.length, Date.now());
      return length < 0 ? undefined : readIndex(bytes, 0, length);
    });
  }

  #judge(index, answer, done, begun) {
    if (answer === undefined) {
      if (index < done && !isRemoved(index)) throw new Error(`key ${index} of ${done} is lost`);
      return;
    }
    if (answer !== index) throw new Error(`key ${index} has the value of key ${answer}`);
    if (index >= begun) throw new Error(`key ${index} is there before it was inserted`);
    this.found++;
  }
}

function readIndex(bytes, at, end) {
  if (bytes[at] === 0xc0) return undefined;
  if (end - at !== VALUE_BYTES) throw new Error(`torn value: ${end - at} bytes`);
  const index = bytes.readUInt32LE(at + 2);
  if (bytes.readUInt32LE(at + 6) !== ~index >>> 0) throw new Error('torn value');
  return index;
}
