/** Error replies as the host writes them; the kernel writes its own (engine/kernel/status.ts). */
import { Buffer } from 'node:buffer';
import { ERROR_EXT_TYPE } from './commands.js';
import { SlabringError } from './errors.js';

/** The longest payload whose length fits one byte. */
const MAX_ERROR_BYTES = 255;

/** An error reply: ext type 1, `CODE message`. Anything but a SlabringError is INTERNAL. */
export function encodeError(error: unknown): Buffer {
  const code = error instanceof SlabringError ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  return encodeErrorText(`${code} ${message}`);
}

/** An error reply of this text, `CODE message`. */
export function encodeErrorText(message: string): Buffer {
  const text = Buffer.from(message);
  let length = Math.min(text.length, MAX_ERROR_BYTES);
  // Cut between characters: what continues one begins with the bits 10.
  while (length < text.length && (text[length]! & 0xc0) === 0x80) length--;
  const head = Buffer.from([0xc7, length, ERROR_EXT_TYPE]);
  return Buffer.concat([head, text.subarray(0, length)]);
}
