/**
 * Values to msgpack and back, for everything that `writer.ts` and `reader.ts` do not do by hand:
 * arrays, objects, dates. The only file of the client that knows msgpackr. The settings are those
 * of the embedded cache: what one stored, the other reads.
 */
import { Packr, RESET_BUFFER_MODE, Unpackr } from 'msgpackr';
import { SlabringError } from '../engine/errors.js';
import { valueEnd } from './value-end.js';

const SETTINGS = {
  // Records are compact, but only msgpackr can read them.
  useRecords: false,
  mapsAsObjects: true,
  // The shortest map header, as every other library writes it.
  variableMapSize: true,
  // Typed arrays and large bigints as extensions; without it msgpackr writes garbage for a
  // Float64Array. With it, it writes Set, RegExp and Error as two msgpack values, which
  // `packValue` therefore refuses.
  moreTypes: true,
  // A number where a double holds the integer exactly, else a bigint. (The declarations of msgpackr
  // lack 'auto'.)
  int64AsType: 'auto' as 'number',
  // Bytes inside a value are copies: a view would keep the whole frame in memory.
  copyBuffers: true,
  writeFunction: () => {
    throw new Error('it holds a function');
  },
};

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

const packr = new Packr(SETTINGS);
const unpackr = new Unpackr(SETTINGS);

/** Whether a value is one that `FrameWriter.value` leaves to `packValue`. */
export function needsPacking(value: unknown): value is object | bigint {
  if (typeof value === 'object') return value !== null && !(value instanceof Uint8Array);
  return typeof value === 'bigint' && (value < INT64_MIN || value > UINT64_MAX);
}

/**
 * The msgpack bytes of an object, an array, or a bigint of more than 64 bits; valid until the next
 * call. Runs code of the value, such as `toJSON` and getters.
 * @throws SlabringError `OPTION` when it holds something that msgpack cannot say
 */
export function packValue(value: object | bigint): Uint8Array {
  let packed: Uint8Array;
  try {
    packed = packr.pack(value, RESET_BUFFER_MODE);
    // One value must stay one, whatever extensions the application has given msgpackr.
    if (valueEnd(packed, 0) !== packed.length)
      throw new Error('it holds a Set, a RegExp or an Error');
  } catch (cause) {
    const { message } = cause as Error;
    const text = /call stack/.test(message)
      ? 'it contains itself, or is nested too deeply'
      : message;
    throw new SlabringError('OPTION', `the value cannot be encoded: ${text}`, { cause });
  }
  return packed;
}

/**
 * The value whose msgpack bytes are `[start, end)` of `bytes`.
 * @throws SlabringError `WRONGTYPE` when it is, or holds, an extension type that is not known here
 */
export function unpackValue(bytes: Uint8Array, start: number, end: number): unknown {
  try {
    return unpackr.unpack(bytes, { start, end });
  } catch (cause) {
    throw new SlabringError(
      'WRONGTYPE',
      `the value cannot be decoded: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
