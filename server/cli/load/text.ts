/**
 * The two text protocols that redis and memcached speak, for the loader. Neither has frame ids or
 * lengths of whole replies; but every key is set before it is measured, so the exact bytes of each
 * reply are known, and so is their number.
 */
import {
  LoadError,
  type LoadProtocol,
  OLDEST,
  quote,
  type ReplyHead,
  type Tally,
  unasked,
} from './protocol.js';
import { isValue, type Reel, writeKey, writeValue } from './reel.js';

/** The fixed texts of a protocol around keys and values of one length. */
interface Phrases {
  /** A GET is `get[0]`, the key, `get[1]`. */
  readonly get: readonly [Buffer, Buffer];
  /** A SET is `set[0]`, the key, `set[1]`, the value, `set[2]`. */
  readonly set: readonly [Buffer, Buffer, Buffer];
  /** A hit is `hit[0]`, the value, `hit[1]`. */
  readonly hit: readonly [Buffer, Buffer];
  readonly stored: Buffer;
}

/** Keys are `key:` and 12 digits. */
const KEY_LENGTH = 16;

/** RESP, as redis and valkey speak it. */
export function respProtocol(valueBytes: number): LoadProtocol {
  return new TextProtocol(
    phrases(
      [`*2\r\n$3\r\nGET\r\n$${KEY_LENGTH}\r\n`, '\r\n'],
      [`*3\r\n$3\r\nSET\r\n$${KEY_LENGTH}\r\n`, `\r\n$${valueBytes}\r\n`, '\r\n'],
      [`$${valueBytes}\r\n`, '\r\n'],
      '+OK\r\n',
    ),
    valueBytes,
  );
}

/** memcached's meta commands (1.6 and later), the leanest that it has over TCP. */
export function memcachedProtocol(valueBytes: number): LoadProtocol {
  return new TextProtocol(
    phrases(
      ['mg ', ' v\r\n'],
      ['ms ', ` ${valueBytes}\r\n`, '\r\n'],
      [`VA ${valueBytes}\r\n`, '\r\n'],
      'HD\r\n',
    ),
    valueBytes,
  );
}

function phrases(
  get: readonly [string, string],
  set: readonly [string, string, string],
  hit: readonly [string, string],
  stored: string,
): Phrases {
  return {
    get: [Buffer.from(get[0]), Buffer.from(get[1])],
    set: [Buffer.from(set[0]), Buffer.from(set[1]), Buffer.from(set[2])],
    hit: [Buffer.from(hit[0]), Buffer.from(hit[1])],
    stored: Buffer.from(stored),
  };
}

class TextProtocol implements LoadProtocol {
  readonly greeting = undefined;
  readonly #phrases: Phrases;
  readonly #hitBytes: number;
  /** The length of each frame's reply, per reel. */
  readonly #replyBytes = new WeakMap<Reel, Float64Array>();

  constructor(texts: Phrases, valueBytes: number) {
    this.#phrases = texts;
    this.#hitBytes = texts.hit[0].length + valueBytes + texts.hit[1].length;
  }

  readGreeting(): number {
    return 0;
  }

  frameBytesMax(commands: number, valueBytes: number): number {
    const { get, set } = this.#phrases;
    const getBytes = get[0].length + KEY_LENGTH + get[1].length;
    const setBytes = set[0].length + KEY_LENGTH + set[1].length + valueBytes + set[2].length;
    return commands * Math.max(getBytes, setBytes);
  }

  writeFrame(reel: Reel, frame: number, start: number): number {
    const { get, set } = this.#phrases;
    const out = reel.bytes;
    let at = start;
    const last = reel.endCommand(frame);
    for (let command = reel.firstCommand(frame); command < last; command += 1) {
      const key = reel.keys[command]!;
      const [before, behind] = reel.sets[command] === 1 ? set : get;
      at += before.copy(out, at);
      at = writeKey(out, at, key);
      at += behind.copy(out, at);
      if (reel.sets[command] === 1) {
        at = writeValue(out, at, key, reel.valueBytes);
        at += set[2].copy(out, at);
      }
    }
    return at;
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
    const first =
      reel.sets[reel.firstCommand(oldest)] === 1 ? this.#phrases.stored : this.#phrases.hit[0];
    // An error, a missing key or a reply of another length shows here, at the latest when the next
    // frame's reply is due.
    if (!startsWith(bytes, at, first, end)) {
      throw new LoadError(`unexpected reply: ${quote(bytes, at, end)}`);
    }
    if (end - at < first.length) return false;
    head.frame = OLDEST;
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
    const { hit, stored } = this.#phrases;
    let at = start;
    const last = reel.endCommand(frame);
    for (let command = reel.firstCommand(frame); command < last; command += 1) {
      tally.checked += 1;
      tally.gets += 1 - reel.sets[command]!;
      if (reel.sets[command] === 1) {
        if (!startsWith(bytes, at, stored, end)) {
          throw new LoadError(`unexpected reply to SET: ${quote(bytes, at, end)}`);
        }
        at += stored.length;
      } else {
        const value = at + hit[0].length;
        const behind = value + reel.valueBytes;
        const right =
          startsWith(bytes, at, hit[0], end) &&
          isValue(bytes, value, reel.keys[command]!, reel.valueBytes) &&
          startsWith(bytes, behind, hit[1], end);
        if (!right) {
          throw new LoadError(
            `wrong value for key ${reel.keys[command]}: ${quote(bytes, at, end)}`,
          );
        }
        at = behind + hit[1].length;
      }
    }
  }

  #lengths(reel: Reel): Float64Array {
    let lengths = this.#replyBytes.get(reel);
    if (lengths === undefined) {
      lengths = new Float64Array(reel.frames);
      for (let command = 0; command < reel.keys.length; command += 1) {
        const bytes = reel.sets[command] === 1 ? this.#phrases.stored.length : this.#hitBytes;
        lengths[Math.floor(command / reel.pipeline)]! += bytes;
      }
      this.#replyBytes.set(reel, lengths);
    }
    return lengths;
  }
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
