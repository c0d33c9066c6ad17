/**
 * Values to msgpack and back, for everything that `writer.ts` and `reader.ts` do not do by hand: arrays, objects, dates.
 * The only file of the client that knows msgpackr. The settings are those of the embedded cache: what one stored, the
 * other reads.
 */
import { Packr, Unpackr } from 'msgpackr';
import { SlabringError } from '../engine/errors.js';
import { show } from '../engine/units.js';

const SETTINGS = {
  // Records are compact, but only msgpackr can read them.
  useRecords: false,
  mapsAsObjects: true,
  // The shortest map header, as every other library writes it.
  variableMapSize: true,
  // A number where a double holds the integer exactly, else a bigint. (The declarations of msgpackr lack 'auto'.)
  int64AsType: 'auto' as 'number',
  // Bytes inside a value are copies: a view would keep the whole frame in memory.
  copyBuffers: true,
};

const packr = new Packr(SETTINGS);
const unpackr = new Unpackr(SETTINGS);

/**
 * The msgpack bytes of an object or array.
 * @throws SlabringError `OPTION` when it holds something that msgpack cannot say
 */
export function packObject(value: object): Uint8Array {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw new SlabringError('OPTION', `bytes must be given as a Uint8Array, not ${show(value)}`);
  }
  try {
    return packr.pack(value);
  } catch (cause) {
    throw new SlabringError('OPTION', `the value cannot be encoded: ${(cause as Error).message}`, {
      cause,
    });
  }
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
