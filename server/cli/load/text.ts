/**
 * The two text protocols that redis and memcached speak, for the loader. Neither has frame ids or
 * lengths of whole replies; but every key is set before it is measured, so the exact bytes of each
 * reply are known, and so is their number. Integers may have any length: where they are answered,
 * lines are counted.
 */
import {
  LoadError,
  type LoadProtocol,
  OLDEST,
  quote,
  type ReplyHead,
  type Tally,
  unasked,
  unexpected,
} from './protocol.js';
import {
  isValue,
  KEY_BYTES,
  type Reel,
  SCORE_DIGITS,
  scoreOf,
  writeDigits,
  writeKey,
  writeValue,
} from './reel.js';
import { type Drawn, KEY, type Operation, SHAPES, type Shape, VALUE } from './shape.js';
import { type Encoding, type Template, Templates } from './template.js';

/** What a protocol answers to reads and writes of values of one length. */
interface Phrases {
  /** A hit is `hit[0]`, the value, `hit[1]`. */
  readonly hit: readonly [Buffer, Buffer];
  readonly done: Buffer;
}

const NEWLINE = 10;
const COLON = 0x3a;
const MINUS = 0x2d;

/** RESP, as redis and valkey speak it. */
export function respProtocol(valueBytes: number, shape: Shape = SHAPES.strings): LoadProtocol {
  const word = (length: number, text: Drawn | string): Template =>
    typeof text === 'string'
      ? [Buffer.from(`$${length}\r\n${text}\r\n`)]
      : [Buffer.from(`$${length}\r\n`), text, Buffer.from('\r\n')];
  const encode = ({ name, words }: Operation): Template => {
    const parts = [name, ...words.filter((part) => part !== null)];
    return [
      Buffer.from(`*${parts.length}\r\n`),
      ...parts.flatMap((part) =>
        typeof part === 'symbol'
          ? word(drawnBytes(part, valueBytes), part)
          : word(`${part}`.length, `${part}`),
      ),
    ];
  };
  const hit = [Buffer.from(`$${valueBytes}\r\n`), Buffer.from('\r\n')] as const;
  return new TextProtocol(shape, encode, { hit, done: Buffer.from('+OK\r\n') }, valueBytes);
}

/** memcached's meta commands (1.6 and later), the leanest that it has over TCP. */
export function memcachedProtocol(valueBytes: number): LoadProtocol {
  const encode = ({ name }: Operation): Template =>
    name === 'GET'
      ? [Buffer.from('mg '), KEY, Buffer.from(' v\r\n')]
      : [Buffer.from('ms '), KEY, Buffer.from(` ${valueBytes}\r\n`), VALUE, Buffer.from('\r\n')];
  const hit = [Buffer.from(`VA ${valueBytes}\r\n`), Buffer.from('\r\n')] as const;
  const phrases = { hit, done: Buffer.from('HD\r\n') };
  return new TextProtocol(SHAPES.strings, encode, phrases, valueBytes);
}

function drawnBytes(word: Drawn, valueBytes: number): number {
  if (word === KEY) return KEY_BYTES;
  return word === VALUE ? valueBytes : SCORE_DIGITS;
}

function writeDrawn(word: Drawn, reel: Reel, command: number, at: number): number {
  const key = reel.keys[command]!;
  if (word === KEY) return writeKey(reel.bytes, at, key);
  if (word === VALUE) return writeValue(reel.bytes, at, key, reel.valueBytes);
  return writeDigits(reel.bytes, at, scoreOf(reel, command), SCORE_DIGITS);
}

class TextProtocol implements LoadProtocol {
  readonly greeting = undefined;
  readonly shape: Shape;
  readonly #templates: Templates;
  readonly #phrases: Phrases;
  readonly #hitBytes: number;
  /** The length of each frame's reply, per reel. */
  readonly #replyBytes = new WeakMap<Reel, Float64Array>();

  constructor(shape: Shape, template: Encoding['template'], phrases: Phrases, valueBytes: number) {
    this.shape = shape;
    this.#templates = new Templates(shape, { template, bytesMax: drawnBytes, write: writeDrawn });
    this.#phrases = phrases;
    this.#hitBytes = phrases.hit[0].length + valueBytes + phrases.hit[1].length;
  }

  readGreeting(): number {
    return 0;
  }

  frameBytesMax(commands: number, valueBytes: number): number {
    return this.#templates.bytesMax(commands, valueBytes);
  }

  writeFrame(reel: Reel, frame: number, at: number): number {
    return this.#templates.write(reel, frame, at);
  }

  readHead(
    bytes: Buffer,
    at: number,
    end: number,
    reel: Reel | undefined,
    oldest: number,
    head: ReplyHead,
  ): boolean {
    if (reel === undefined) throw unasked();
    head.frame = OLDEST;
    const isWrite = reel.sets[reel.firstCommand(oldest)] === 1;
    if (isWrite && this.shape.answer !== undefined) {
      const commands = reel.endCommand(oldest) - reel.firstCommand(oldest);
      const lines = commands + (this.shape.behind === undefined ? 0 : 1);
      head.bytes = endOfLines(bytes, at, end, lines) - at;
      return head.bytes > 0;
    }
    const first = isWrite ? this.#phrases.done : this.#phrases.hit[0];
    // An error, a missing key or a reply of another length shows here, at the latest when the next
    // frame's reply is due.
    if (!startsWith(bytes, at, first, end)) {
      throw new LoadError(`unexpected reply: ${quote(bytes, at, end)}`);
    }
    if (end - at < first.length) return false;
    head.bytes = this.#lengths(reel)[oldest]!;
    return true;
  }

  checkReply(
    bytes: Buffer,
    start: number,
    end: number,
    reel: Reel,
    frame: number,
    tally: Tally,
  ): void {
    const { answer, behind, write } = this.shape;
    let at = start;
    const last = reel.endCommand(frame);
    for (let command = reel.firstCommand(frame); command < last; command += 1) {
      tally.checked += 1;
      tally.gets += 1 - reel.sets[command]!;
      if (reel.sets[command] === 0) at = this.#checkHit(bytes, at, end, reel, command);
      else if (answer === undefined) at = this.#checkDone(bytes, at, end, write);
      else if (bytes[at] === MINUS) at = tallyError(bytes, at, end, tally);
      else at = checkInteger(bytes, at, end, answer, write);
    }
    if (behind === undefined) return;
    if (bytes[at] === MINUS) tallyError(bytes, at, end, tally);
    else this.#checkDone(bytes, at, end, behind);
  }

  #checkHit(bytes: Buffer, at: number, end: number, reel: Reel, command: number): number {
    const { hit } = this.#phrases;
    const value = at + hit[0].length;
    const behind = value + reel.valueBytes;
    const key = reel.keys[command]!;
    const right =
      startsWith(bytes, at, hit[0], end) &&
      isValue(bytes, value, key, reel.valueBytes) &&
      startsWith(bytes, behind, hit[1], end);
    if (!right) throw new LoadError(`wrong value for key ${key}: ${quote(bytes, at, end)}`);
    return behind + hit[1].length;
  }

  #checkDone(bytes: Buffer, at: number, end: number, operation: Operation): number {
    const { done } = this.#phrases;
    if (!startsWith(bytes, at, done, end)) throw unexpected(bytes, at, end, operation);
    return at + done.length;
  }

  #lengths(reel: Reel): Float64Array {
    let lengths = this.#replyBytes.get(reel);
    if (lengths === undefined) {
      lengths = new Float64Array(reel.frames);
      for (let command = 0; command < reel.keys.length; command += 1) {
        const bytes = reel.sets[command] === 1 ? this.#phrases.done.length : this.#hitBytes;
        lengths[Math.floor(command / reel.pipeline)]! += bytes;
      }
      this.#replyBytes.set(reel, lengths);
    }
    return lengths;
  }
}

/** Where so many lines end; `start` when they are not all there yet. */
function endOfLines(bytes: Buffer, start: number, end: number, lines: number): number {
  let left = lines;
  for (let at = start; at < end; at += 1) {
    if (bytes[at] !== NEWLINE) continue;
    left -= 1;
    if (left === 0) return at + 1;
  }
  return start;
}

/** Counts the error on the line at `at`; returns where it ends. */
function tallyError(bytes: Buffer, at: number, end: number, tally: Tally): number {
  const next = endOfLines(bytes, at, end, 1);
  tally.errors += 1;
  tally.firstError ??= bytes.toString('utf8', at + 1, next).trimEnd();
  return next;
}

/** Checks that the line at `at` is an integer of this range; returns where it ends. */
function checkInteger(
  bytes: Buffer,
  at: number,
  end: number,
  [least, most]: readonly [least: number, most: number],
  operation: Operation,
): number {
  const next = endOfLines(bytes, at, end, 1);
  const digits = bytes.toString('latin1', at + 1, next);
  const integer = bytes[at] === COLON && /^\d+\r\n$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(integer >= least && integer <= most)) throw unexpected(bytes, at, end, operation);
  return next;
}

/**
 * Whether the text lies at `at`; of a text that reaches beyond `end`, whether its beginning does.
 */
function startsWith(bytes: Buffer, at: number, text: Buffer, end: number): boolean {
  const length = Math.min(text.length, end - at);
  for (let index = 0; index < length; index += 1) {
    if (bytes[at + index] !== text[index]) return false;
  }
  return true;
}
