/**
 * Slow twins: the slot of a key bit by bit, and of a command the keys that decide where it runs, by
 * the command table.
 */
import { COMMANDS, type CommandName, type CommandRow } from '#engine/commands.js';
import { integerOf, splitValues } from './fuzz-msgpack.js';
import { itemsOf } from './kernel-wire.js';

const ROWS = Object.values<CommandRow>(COMMANDS);

/** CRC16 as "XMODEM": the rest of the division by x^16 + x^12 + x^5 + 1. */
export function crc16(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) sum = sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1;
    sum &= 0xffff;
  }
  return sum;
}

/** As `keyHashSlot` of a Redis Cluster's specification. */
export function slotOf(key: Uint8Array): number {
  const text = Buffer.from(key).toString('latin1');
  const open = text.indexOf('{');
  const close = open < 0 ? -1 : text.indexOf('}', open + 1);
  const hashed = close > open + 1 ? text.slice(open + 1, close) : text;
  return crc16(Buffer.from(hashed, 'latin1')) % 16_384;
}

/** The bytes of a str or bin, or undefined. */
export function payloadOf(value: Buffer): Buffer | undefined {
  const tag = value[0]!;
  if (tag >= 0xa0 && tag < 0xc0) return value.subarray(1);
  const headerBytes = { 196: 2, 197: 3, 198: 5, 217: 2, 218: 3, 219: 5 }[tag];
  return headerBytes === undefined ? undefined : value.subarray(headerBytes);
}

const isArray = (value: Buffer) =>
  (value[0]! >= 0x90 && value[0]! < 0xa0) || value[0] === 0xdc || value[0] === 0xdd;

function keyOf(value: Buffer | undefined): Buffer[] {
  const key = value && payloadOf(value);
  return key !== undefined && key.length >= 1 && key.length <= 65_535 ? [key] : [];
}

/** What decides where a command runs: its keys, and whether it may write, or waits for others. */
export interface Needs {
  readonly keys: readonly Buffer[];
  readonly write: boolean;
  readonly waits?: boolean;
}

const NOTHING: Needs = { keys: [], write: false };

function rowOf(code: Buffer): CommandRow | undefined {
  const name = payloadOf(code)?.toString('latin1').toUpperCase();
  if (name !== undefined) return COMMANDS[name as CommandName];
  const number = integerOf(code);
  return ROWS.find((row) => BigInt(row.code) === number);
}

/** Of a value where a command should be: nothing where it is wrong, and so answered at once. */
export function needsOf(value: Buffer, isInner = false): Needs {
  if (!isArray(value)) return NOTHING;
  const [code, ...args] = itemsOf(value);
  const row = code && rowOf(code);
  if (!row || args.length < row.minArgs) return NOTHING;
  if (row.maxArgs !== 255 && args.length > row.maxArgs) return NOTHING;
  if (row === (COMMANDS.ATOMIC as CommandRow)) return isInner ? NOTHING : needsOfAtomic(args);
  if (row.firstKey < 0 || keyOf(args[0]).length === 0) return NOTHING;
  if (row.manyKeys === undefined) {
    return { keys: keyOf(args[0]), write: row.write, waits: row.host };
  }
  const { keyStep = 1, lastKey = args.length - 1 } = row;
  const keys: Buffer[] = [];
  for (let i = 0; i <= lastKey && i + keyStep <= args.length; i += keyStep) {
    keys.push(...keyOf(args[i]));
  }
  return { keys, write: row.write };
}

function needsOfAtomic([commands, guards]: readonly Buffer[]): Needs {
  const inner = isArray(commands!) ? itemsOf(commands!) : [];
  const keys = inner.flatMap((command) => needsOf(command, true).keys);
  for (const guard of guards && isArray(guards) ? itemsOf(guards) : []) {
    if (isArray(guard)) keys.push(...keyOf(itemsOf(guard)[0]));
  }
  return { keys, write: true };
}

/**
 * Where the first command of a frame begins that has a key in a slot with none of the services that
 * it needs; undefined: there is none before the frame's end, or before bytes that are no value.
 */
export function elsewhereIn(
  frame: Buffer,
  serviceOf: (slot: number) => number,
  access: number,
): number | undefined {
  let at = 0;
  for (const [index, value] of wholeValues(frame).entries()) {
    if (index > 0) {
      const { keys, write, waits } = needsOf(value);
      if (waits) return at;
      const needed = write ? 1 : access;
      if (keys.some((key) => (serviceOf(slotOf(key)) & needed) === 0)) return at;
    }
    at += value.length;
  }
  return undefined;
}

/** The values of a frame up to where it is broken. */
function wholeValues(frame: Buffer): Buffer[] {
  for (let end = frame.length; end >= 0; end--) {
    const values = splitValues(frame.subarray(0, end));
    if (values) return values;
  }
  return [];
}
