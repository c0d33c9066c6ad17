/** Reads the replies of a reply frame. */
import { Buffer } from 'node:buffer';
import { readValue } from './codec.js';
import { ERROR_EXT_TYPE } from './commands.js';
import { errorFromWire } from './errors.js';
import { Tag, valueEnd } from './msgpack.js';

/**
 * The reply that begins at `start` and ends at `end`, as a value; nil as null.
 * @throws SlabringError the one that the reply is
 */
export function readReply(bytes: Buffer, start: number, end: number): unknown {
  const headerBytes = extensionHeaderBytes(bytes[start]!);
  if (headerBytes > 0 && bytes.readInt8(start + headerBytes - 1) === ERROR_EXT_TYPE) {
    throw errorFromWire(bytes.toString('utf8', start + headerBytes, end));
  }
  return readValue(bytes, start, end);
}

export class ReplyReader {
  readonly #bytes: Buffer;
  #at: number;

  /** @param frame a reply frame; a view will do, it is read before the next command runs */
  constructor(frame: Uint8Array) {
    this.#bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    this.#at = valueEnd(this.#bytes, 0);
  }

  /**
   * The next reply.
   * @throws SlabringError the one that the reply is; the reader then stands at the reply after it
   */
  next(): unknown {
    const start = this.#at;
    this.#at = valueEnd(this.#bytes, start);
    return readReply(this.#bytes, start, this.#at);
  }
}

/**
 * Bytes before the payload of an extension, of which the last is its type; 0 for any other value.
 */
function extensionHeaderBytes(tag: number): number {
  if (tag >= Tag.FIXEXT1 && tag <= Tag.FIXEXT16) return 2;
  if (tag === Tag.EXT8) return 3;
  if (tag === Tag.EXT16) return 4;
  return tag === Tag.EXT32 ? 6 : 0;
}
