/** Reads the beginning of a command that a `FrameWriter` wrote: what it is, and of which key. */
import { COMMANDS } from '../engine/commands.js';
import { slotOf } from '../engine/slots.js';
import { valueEnd } from './value-end.js';

const ATOMIC = COMMANDS.ATOMIC.code;

export interface CommandHead {
  readonly code: number;
  /** How many arguments it has. */
  readonly argCount: number;
  /** Of its first key; undefined: it has none. */
  readonly slot: number | undefined;
}

export function readHead(bytes: Uint8Array): CommandHead {
  const codeAt = itemsAt(bytes, 0);
  const argCount = itemCount(bytes) - 1;
  const code = bytes[codeAt] === 0xcc ? bytes[codeAt + 1]! : bytes[codeAt]!;
  const at = valueEnd(bytes, codeAt);
  // The first key of the commands in one step is that of the first of them.
  const slot =
    code === ATOMIC ? readHead(bytes.subarray(itemsAt(bytes, at))).slot : slotAt(bytes, at);
  return { code, argCount, slot };
}

/** Where the items of an array begin. */
function itemsAt(bytes: Uint8Array, at: number): number {
  const tag = bytes[at];
  return at + (tag === 0xdc ? 3 : tag === 0xdd ? 5 : 1);
}

/** How many items the array has that the bytes begin with. */
function itemCount(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = view.getUint8(0);
  return tag === 0xdc ? view.getUint16(1) : tag === 0xdd ? view.getUint32(1) : tag & 0x0f;
}

/** The slot of the str or bin at this place. */
function slotAt(bytes: Uint8Array, at: number): number | undefined {
  const tag = bytes[at];
  if (tag === undefined) return undefined;
  const isShort = tag >= 0xa0 && tag < 0xc0;
  const width = isShort ? 0 : WIDTHS[tag];
  if (width === undefined) return undefined;
  return slotOf(bytes.subarray(at + 1 + width, valueEnd(bytes, at)));
}

/** Bytes of the length behind the tag of a bin or str. */
const WIDTHS: Readonly<Record<number, number>> = {
  ...{ 196: 1, 197: 2, 198: 4 },
  ...{ 217: 1, 218: 2, 219: 4 },
};
