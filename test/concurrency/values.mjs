/**
 * Values that carry their own checksum, so that whoever reads one can tell whether it is whole: a
 * mixture of two values, a value of another key, or a piece of one never passes.
 *
 *   msgpack bin header, then
 *   +0   key        u32   the number of the key it was written for
 *   +4   writer     u32   the thread that wrote it
 *   +8   sequence   u32   the writer's count
 *   +12  length     u32   of all of this, the msgpack header not included
 *   +16  pattern          16 bytes of the three numbers, repeated
 *   -4   checksum   u32   XXH32 of everything before
 */
import xxhash from 'xxhash-wasm';

const { h32Raw } = await xxhash();

const FIXED_BYTES = 16;
const PATTERN_BYTES = 16;
const CHECKSUM_BYTES = 4;
/** The shortest value, without its msgpack header. */
export const MIN_VALUE_BYTES = FIXED_BYTES + CHECKSUM_BYTES;

/** Writes a value of `length` bytes and its msgpack header to `target` at `at`; the end of it. */
export function writeValue(target, at, key, writer, sequence, length) {
  const start = writeBinHeader(target, at, length);
  const end = start + length;
  target.writeUInt32LE(key, start);
  target.writeUInt32LE(writer, start + 4);
  target.writeUInt32LE(sequence, start + 8);
  target.writeUInt32LE(length, start + 12);
  const pattern = Buffer.alloc(PATTERN_BYTES);
  pattern.writeUInt32LE(Math.imul(key + 1, 0x9e3779b1) >>> 0, 0);
  pattern.writeUInt32LE(Math.imul(writer + 1, 0x85ebca77) >>> 0, 4);
  pattern.writeUInt32LE(Math.imul(sequence + 1, 0xc2b2ae3d) >>> 0, 8);
  pattern.writeUInt32LE(sequence, 12);
  if (length > MIN_VALUE_BYTES) target.fill(pattern, start + FIXED_BYTES, end - CHECKSUM_BYTES);
  const checked = target.subarray(start, end - CHECKSUM_BYTES);
  target.writeUInt32LE(h32Raw(checked), end - CHECKSUM_BYTES);
  return end;
}

function writeBinHeader(target, at, length) {
  if (length < 0x100) {
    target[at] = 0xc4;
    target[at + 1] = length;
    return at + 2;
  }
  if (length < 0x10000) {
    target[at] = 0xc5;
    target.writeUInt16BE(length, at + 1);
    return at + 3;
  }
  target[at] = 0xc6;
  target.writeUInt32BE(length, at + 1);
  return at + 5;
}

/**
 * The writer and sequence of the value that lies in `bytes` from `start` to `end`.
 * @throws Error when it is not a whole value of this key
 */
export function checkValue(bytes, start, end, key) {
  const header = bytes[start] === 0xc4 ? 2 : bytes[start] === 0xc5 ? 3 : 5;
  const isBin = bytes[start] >= 0xc4 && bytes[start] <= 0xc6;
  const length = end - start - header;
  const refuse = (what) => {
    const shown = bytes.subarray(start, Math.min(end, start + 24)).toString('hex');
    throw new Error(`torn value of key ${key}, ${end - start} bytes: ${what} (${shown}...)`);
  };
  if (!isBin || length < MIN_VALUE_BYTES) refuse('not a value of ours');
  const at = start + header;
  if (bytes.readUInt32LE(at + 12) !== length) refuse('its length is another one');
  const checked = bytes.subarray(at, end - CHECKSUM_BYTES);
  if (bytes.readUInt32LE(end - CHECKSUM_BYTES) !== h32Raw(checked)) refuse('wrong checksum');
  if (bytes.readUInt32LE(at) !== key) refuse(`it is of key ${bytes.readUInt32LE(at)}`);
  return { writer: bytes.readUInt32LE(at + 4), sequence: bytes.readUInt32LE(at + 8) };
}
