/**
 * Writes keys into shared memory, and reads them again. A lookup spends more time here than on the
 * border to WebAssembly, so writing is the first of the hot loops. Measured on Node 20, ns a key of
 * 8 / 16 / 24 / 32 characters: loop of bytes 22 / 45 / 70 / 97, loop of words 20 / 37 / 55 / 75,
 * Buffer's write 75 at any of these lengths.
 */
import { Buffer } from 'node:buffer';
import { endianness } from 'node:os';
import type { Key } from './api.js';
import { readAscii } from './codec.js';
import { MAX_KEY_BYTES } from './commands.js';
import { SlabringError } from './errors.js';
import { show } from './units.js';

/**
 * Up to this many characters the loop beats a call into Node's C++. Words are written as
 * little-endian machines do.
 */
const LOOP_KEY_CHARS = endianness() === 'LE' ? 32 : 0;

/** What a namespace's key begins with, in the kernel (engine/kernel/namespaces.ts). */
export const PREFIX_BYTES = 4;
export const MAX_NAMESPACED_KEY_BYTES = MAX_KEY_BYTES - PREFIX_BYTES;
/** Of a key's word (engine/kernel/entry.ts): it is a namespace's; the rest is its length. */
export const NAMESPACED_KEY = 1 << 28;

/** The length of a key, given its word. */
export function lengthOfWord(word: number): number {
  return word & MAX_KEY_BYTES;
}

/** @throws SlabringError `OPTION` when a key of so many bytes is too long for a namespace */
export function checkNamespacedKey(length: number): void {
  if (length <= MAX_NAMESPACED_KEY_BYTES) return;
  throw new SlabringError(
    'OPTION',
    `a key of a namespace must have 1 to ${MAX_NAMESPACED_KEY_BYTES} bytes, not ${length}`,
  );
}

/** A place that keys are written to, always at its start. */
export class KeyArea {
  readonly bytes: Buffer;
  readonly words: Int32Array;

  /** @param bytes aligned to 4 bytes, and at least {@link MAX_KEY_BYTES} long */
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, LOOP_KEY_CHARS / 4);
  }
}

/**
 * Writes the key at the start of the area and returns its length in bytes.
 * @throws SlabringError `OPTION` when the key is neither a string nor a Uint8Array, or has no or
 * too many bytes
 */
export function writeKey(key: Key, area: KeyArea): number {
  if (typeof key === 'string' && key.length <= LOOP_KEY_CHARS && key.length > 0) {
    return writeShortKey(key, area.bytes, area.words) ? key.length : writeLongKey(key, area.bytes);
  }
  return writeLongKey(key, area.bytes);
}

/**
 * Four characters at a time; false when one is not ASCII, and then what was written means nothing.
 */
function writeShortKey(key: string, bytes: Uint8Array, words: Int32Array): boolean {
  const length = key.length;
  const whole = length & ~3;
  let seen = 0;
  let i = 0;
  for (; i < whole; i += 4) {
    const a = key.charCodeAt(i);
    const b = key.charCodeAt(i + 1);
    const c = key.charCodeAt(i + 2);
    const d = key.charCodeAt(i + 3);
    seen |= a | b | c | d;
    words[i >> 2] = a | (b << 8) | (c << 16) | (d << 24);
  }
  for (; i < length; i++) {
    const code = key.charCodeAt(i);
    seen |= code;
    bytes[i] = code;
  }
  return seen < 0x80;
}

function writeLongKey(key: Key, bytes: Buffer): number {
  const length = keyBytes(key);
  if (typeof key === 'string') bytes.write(key, 0);
  else bytes.set(key);
  return length;
}

/**
 * The length of a key in bytes, checked.
 * @throws SlabringError `OPTION`
 */
export function keyBytes(key: Key): number {
  if (typeof key !== 'string' && !(key instanceof Uint8Array)) {
    throw new SlabringError('OPTION', `a key must be a string or a Uint8Array, not ${show(key)}`);
  }
  // The length in characters says enough about a string that is much too long.
  const characters = key.length;
  const tooLong = characters > MAX_KEY_BYTES;
  const length = typeof key === 'string' && !tooLong ? Buffer.byteLength(key) : characters;
  if (length < 1 || length > MAX_KEY_BYTES) {
    const found = tooLong && typeof key === 'string' ? `${characters} characters` : `${length}`;
    throw new SlabringError('OPTION', `a key must have 1 to ${MAX_KEY_BYTES} bytes, not ${found}`);
  }
  return length;
}

/** From here on V8 joins pieces of text lazily, so that the first use of a key would pay for it. */
const MOST_JOINED_CHARS = 12;
/** What Node reads in place of bytes that are no UTF-8; a key may also hold it itself. */
const REPLACEMENT = '\ufffd';

/**
 * A key as it was given: text where its bytes are UTF-8, a Buffer of its own where they are not.
 * @param bytes not shared memory, and not changed by anybody else
 */
export function readKey(bytes: Buffer, start: number, end: number): string | Buffer {
  if (end - start <= MOST_JOINED_CHARS) {
    const text = readAscii(bytes, start, end);
    if (text !== undefined) return text;
  }
  const text = bytes.toString(undefined, start, end);
  if (!text.includes(REPLACEMENT)) return text;
  const key = Buffer.from(bytes.subarray(start, end));
  return Buffer.from(text).equals(key) ? text : key;
}
