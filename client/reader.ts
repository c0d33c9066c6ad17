/**
 * Reads reply frames: a frame id, then one value per command, back to back. Numbers, text and bytes
 * are read by hand; arrays, maps and extensions are measured here and decoded by `codec.ts`.
 */
import { ERROR_EXT_TYPE } from '../engine/commands.js';
import { errorFromWire, SlabringError } from '../engine/errors.js';
import { unpackValue } from './codec.js';
import { endError, valueEnd } from './value-end.js';

/** Up to this length a loop beats TextDecoder and Buffer (Node 20: by 1.5 to 1 at 8 characters). */
const LOOP_TEXT_BYTES = 12;

const TWO_32 = 2 ** 32;

const decoder = new TextDecoder();

/** Node's Buffer, which decodes short text in half the time of TextDecoder; absent in browsers. */
const NodeBuffer = (globalThis as { Buffer?: typeof Buffer }).Buffer;

const NO_BYTES = new Uint8Array(0);

export class ReplyReader {
  #bytes: Uint8Array = NO_BYTES;
  // Both are made when the first value needs them: most replies of a single command need neither.
  #dataView: DataView | undefined;
  #buffer: Buffer | undefined;
  #position = 0;

  /**
   * Set when the last value read was an error reply, or could not be given to the caller; the value
   * is then undefined. Whoever sees it takes it with `takeFailure`.
   */
  failure: SlabringError | undefined;

  /** Begins to read a message. */
  load(message: Uint8Array): void {
    this.#bytes = message;
    this.#dataView = undefined;
    this.#buffer = undefined;
    this.#position = 0;
    this.failure = undefined;
  }

  /** Lets go of the message. */
  unload(): void {
    this.load(NO_BYTES);
  }

  get atEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  takeFailure(): SlabringError {
    const failure = this.failure!;
    this.failure = undefined;
    return failure;
  }

  /** @throws RangeError when the message does not begin with one */
  frameId(): number {
    const id = this.value();
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) {
      throw new RangeError('the message does not begin with a frame id');
    }
    return id;
  }

  /**
   * The next reply, whatever it is; see `failure` for an error.
   * @throws RangeError when the bytes are not msgpack or end too soon
   */
  value(): unknown {
    const tag = this.#bytes[this.#position];
    if (tag === undefined) throw endError();
    if (tag < 0x80) {
      this.#position++;
      return tag;
    }
    if (tag >= 0xe0) {
      this.#position++;
      return tag - 0x100;
    }
    if (tag >= 0xa0 && tag < 0xc0) return this.#text(1, tag & 0x1f);
    if (tag < 0xa0) return this.#container();
    return this.#tagged(tag);
  }

  /**
   * The bytes of a bin or str, copied; undefined for nil; any other value fails with `WRONGTYPE`.
   */
  payload(): Uint8Array | undefined {
    const tag = this.#bytes[this.#position];
    if (tag === undefined) throw endError();
    if (tag >= 0xa0 && tag < 0xc0) return this.#copy(1, tag & 0x1f);
    if (tag === 0xc4 || tag === 0xd9) return this.#copy(2, this.#byteAt(this.#position + 1));
    if (tag === 0xc5 || tag === 0xda) {
      return this.#copy(3, this.#view.getUint16(this.#position + 1));
    }
    if (tag === 0xc6 || tag === 0xdb) {
      return this.#copy(5, this.#view.getUint32(this.#position + 1));
    }
    const value = this.value();
    if (value !== null && this.failure === undefined) {
      this.failure = new SlabringError('WRONGTYPE', 'the value is neither bytes nor text');
    }
    return undefined;
  }

  /**
   * Begins an array or a map: how many values follow, two for each pair; undefined for nil and for
   * an error, see `failure`.
   * @throws RangeError when it is something else, or the bytes end too soon
   */
  items(): number | undefined {
    const at = this.#position;
    const tag = this.#byteAt(at);
    if (tag >= 0x80 && tag < 0xa0) {
      this.#position = at + 1;
      return tag < 0x90 ? 2 * (tag & 0x0f) : tag & 0x0f;
    }
    if (tag >= 0xdc && tag <= 0xdf) {
      const isLong = (tag & 1) === 1;
      const count = isLong ? this.#view.getUint32(at + 1) : this.#view.getUint16(at + 1);
      this.#position = at + (isLong ? 5 : 3);
      return tag >= 0xde ? 2 * count : count;
    }
    const value = this.value();
    if (value === null || this.failure !== undefined) return undefined;
    throw new RangeError('the reply is neither an array nor a map');
  }

  /** The next value of a reply; an error as such, which then is no `failure`. */
  reply(): unknown {
    const value = this.value();
    return this.failure === undefined ? value : this.takeFailure();
  }

  /** The bytes of a bin or str; undefined: it is something else, and is not read. */
  key(): Uint8Array | undefined {
    const tag = this.#byteAt(this.#position);
    const isText = (tag >= 0xa0 && tag < 0xc0) || (tag >= 0xd9 && tag <= 0xdb);
    return isText || (tag >= 0xc4 && tag <= 0xc6) ? this.payload() : undefined;
  }

  /** The reply of GET, or undefined for nil, and where it is the error that it is a collection. */
  plainValue(): unknown {
    const start = this.#position;
    const value = this.value();
    if (this.failure?.code === 'WRONGTYPE' && this.#errorReply(start, this.#position)) {
      this.failure = undefined;
    }
    return value ?? undefined;
  }

  /** The reply of GETV, `[value, version]`, or undefined for nil. */
  versioned(): { value: unknown; version: number | bigint } | undefined {
    if (this.#bytes[this.#position] !== 0x92) {
      const value = this.value();
      if (value === null || this.failure !== undefined) return undefined;
      throw new RangeError('the reply is no pair of value and version');
    }
    this.#position++;
    const value = this.value();
    const version = this.value();
    if (typeof version !== 'number' && typeof version !== 'bigint')
      throw new RangeError('the version of a value is no number');
    return { value, version };
  }

  get #view(): DataView {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    this.#dataView ??= new DataView(buffer, byteOffset, byteLength);
    return this.#dataView;
  }

  #tagged(tag: number): unknown {
    const at = this.#position + 1;
    switch (tag) {
      case 0xc0:
        this.#position = at;
        return null;
      case 0xc2:
      case 0xc3:
        this.#position = at;
        return tag === 0xc3;
      case 0xc4:
        return this.#copy(2, this.#byteAt(at));
      case 0xd9:
        return this.#text(2, this.#byteAt(at));
      default:
        return this.#wide(tag, this.#view, at);
    }
  }

  #byteAt(at: number): number {
    const byte = this.#bytes[at];
    if (byte === undefined) throw endError();
    return byte;
  }

  /** Values with more than one byte of number or length behind the tag. */
  #wide(tag: number, view: DataView, at: number): unknown {
    switch (tag) {
      case 0xc5:
        return this.#copy(3, view.getUint16(at));
      case 0xc6:
        return this.#copy(5, view.getUint32(at));
      case 0xca:
        this.#position = at + 4;
        return view.getFloat32(at);
      case 0xcb:
        this.#position = at + 8;
        return view.getFloat64(at);
      case 0xcc:
        this.#position = at + 1;
        return view.getUint8(at);
      case 0xcd:
        this.#position = at + 2;
        return view.getUint16(at);
      case 0xce:
        this.#position = at + 4;
        return view.getUint32(at);
      case 0xcf:
        this.#position = at + 8;
        return narrow(view.getUint32(at), view.getUint32(at + 4), view, at, false);
      case 0xd0:
        this.#position = at + 1;
        return view.getInt8(at);
      case 0xd1:
        this.#position = at + 2;
        return view.getInt16(at);
      case 0xd2:
        this.#position = at + 4;
        return view.getInt32(at);
      case 0xd3:
        this.#position = at + 8;
        return narrow(view.getInt32(at), view.getUint32(at + 4), view, at, true);
      case 0xda:
        return this.#text(3, view.getUint16(at));
      case 0xdb:
        return this.#text(5, view.getUint32(at));
      default:
        return this.#container();
    }
  }

  /** The str of `length` bytes behind a header of `header` bytes. */
  #text(header: number, length: number): string {
    const start = this.#take(header, length);
    const bytes = this.#bytes;
    const end = start + length;
    if (length <= LOOP_TEXT_BYTES) {
      const units = new Array<number>(length);
      let seen = 0;
      for (let i = 0; i < length; i++) {
        const unit = bytes[start + i]!;
        seen |= unit;
        units[i] = unit;
      }
      if (seen < 0x80) return String.fromCharCode.apply(undefined, units);
    }
    if (NodeBuffer === undefined) return decoder.decode(bytes.subarray(start, end));
    this.#buffer ??= NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.#buffer.toString('utf8', start, end);
  }

  /** A copy, because a view would keep the whole frame in memory. */
  #copy(header: number, length: number): Uint8Array {
    const start = this.#take(header, length);
    return this.#bytes.slice(start, start + length);
  }

  /** Moves past a header and its payload, and returns where the payload starts. */
  #take(header: number, length: number): number {
    const start = this.#position + header;
    if (start + length > this.#bytes.length) throw endError();
    this.#position = start + length;
    return start;
  }

  /** An array, a map or an extension. */
  #container(): unknown {
    const start = this.#position;
    const end = valueEnd(this.#bytes, start);
    this.#position = end;
    const error = this.#errorReply(start, end);
    if (error !== undefined) {
      this.failure = error;
      return undefined;
    }
    try {
      return unpackValue(this.#bytes, start, end);
    } catch (failure) {
      this.failure = failure as SlabringError;
      return undefined;
    }
  }

  /** The error that the value `[start, end)` is, if it is one. */
  #errorReply(start: number, end: number): SlabringError | undefined {
    const tag = this.#bytes[start]!;
    let typeAt: number;
    if (tag >= 0xd4 && tag <= 0xd8) typeAt = start + 1;
    else if (tag >= 0xc7 && tag <= 0xc9) typeAt = start + 1 + (1 << (tag - 0xc7));
    else return undefined;
    if (this.#bytes[typeAt] !== ERROR_EXT_TYPE) return undefined;
    return errorFromWire(decoder.decode(this.#bytes.subarray(typeAt + 1, end)));
  }
}

/** The 64-bit integer at `at`: a number where that is exact, else a bigint. */
function narrow(
  high: number,
  low: number,
  view: DataView,
  at: number,
  signed: boolean,
): number | bigint {
  const value = high * TWO_32 + low;
  if (Number.isSafeInteger(value)) return value;
  return signed ? view.getBigInt64(at) : view.getBigUint64(at);
}
