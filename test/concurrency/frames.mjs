/**
 * Request frames and reply frames as bytes, by hand: what the hammer needs of msgpack and nothing
 * more.
 */

/** Builds one request frame after the other in one buffer. */
export class FrameWriter {
  #bytes;
  #end = 0;

  constructor(bytes) {
    this.#bytes = Buffer.alloc(bytes);
  }

  begin() {
    this.#bytes[0] = 1;
    this.#end = 1;
  }

  /** Bytes that still fit. */
  get room() {
    return this.#bytes.length - this.#end;
  }

  /** A command: its code, its key as msgpack, and `args` more arguments, which are to follow. */
  command(code, key, args) {
    this.#bytes[this.#end] = 0x90 + 2 + args;
    this.#bytes[this.#end + 1] = code;
    this.#bytes.set(key, this.#end + 2);
    this.#end += 2 + key.length;
  }

  /** An argument that `write(buffer, at)` writes, returning the end of it. */
  argument(write) {
    this.#end = write(this.#bytes, this.#end);
  }

  /** A whole number from 0 to 2^32 - 1. */
  integer(value) {
    this.#bytes[this.#end] = 0xce;
    this.#bytes.writeUInt32BE(value, this.#end + 1);
    this.#end += 5;
  }

  /** Bytes that are msgpack already. */
  raw(bytes) {
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  nil() {
    this.#bytes[this.#end++] = 0xc0;
  }

  finish() {
    return this.#bytes.subarray(0, this.#end);
  }
}

/** A key as msgpack str. */
export function packKey(key) {
  const { length } = key;
  if (length < 32) return Buffer.concat([Buffer.of(0xa0 + length), key]);
  const header = Buffer.alloc(3, 0xda);
  header.writeUInt16BE(length, 1);
  return Buffer.concat([header, key]);
}

/**
 * The end of the value at `at`: scalars, str, bin, ext and short arrays, which is all that replies
 * hold here.
 */
export function endOf(bytes, at) {
  const tag = bytes[at];
  if (tag < 0x80 || tag >= 0xe0) return at + 1;
  if (tag >= 0x90 && tag < 0xa0) {
    let end = at + 1;
    for (let left = tag - 0x90; left > 0; left--) end = endOf(bytes, end);
    return end;
  }
  if (tag >= 0xa0 && tag < 0xc0) return at + 1 + tag - 0xa0;
  switch (tag) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return at + 1;
    case 0xc4:
      return at + 2 + bytes[at + 1];
    case 0xc5:
      return at + 3 + bytes.readUInt16BE(at + 1);
    case 0xc6:
      return at + 5 + bytes.readUInt32BE(at + 1);
    case 0xc7:
      return at + 3 + bytes[at + 1];
    case 0xcc:
    case 0xd0:
      return at + 2;
    case 0xcd:
    case 0xd1:
      return at + 3;
    case 0xce:
    case 0xd2:
      return at + 5;
    case 0xcf:
    case 0xd3:
      return at + 9;
    default:
      throw new Error(`a reply begins with byte ${tag?.toString(16)}`);
  }
}

/** The integer at `at`, as a number. */
export function integerAt(bytes, at) {
  const tag = bytes[at];
  if (tag < 0x80) return tag;
  if (tag >= 0xe0) return tag - 0x100;
  switch (tag) {
    case 0xcc:
      return bytes[at + 1];
    case 0xcd:
      return bytes.readUInt16BE(at + 1);
    case 0xce:
      return bytes.readUInt32BE(at + 1);
    case 0xcf:
      return Number(bytes.readBigUInt64BE(at + 1));
    case 0xd0:
      return bytes.readInt8(at + 1);
    case 0xd1:
      return bytes.readInt16BE(at + 1);
    case 0xd2:
      return bytes.readInt32BE(at + 1);
    case 0xd3:
      return Number(bytes.readBigInt64BE(at + 1));
    default:
      throw new Error(`no integer but byte ${tag?.toString(16)}`);
  }
}

/** The text of an error reply, or undefined for any other reply. */
export function errorAt(bytes, start, end) {
  const isError = bytes[start] === 0xc7 && bytes[start + 2] === 1;
  return isError ? bytes.toString('utf8', start + 3, end) : undefined;
}
