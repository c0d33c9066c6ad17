/** The keys of a command, as the kernel finds them (engine/kernel/serving.ts). */
import type { Buffer } from 'node:buffer';
import { CommandWalk, endOfMany } from '../../../engine/command-walk.js';
import { COMMANDS, type CommandRow, MAX_KEY_BYTES } from '../../../engine/commands.js';
import { payloadOf, type ReadCommand, readCommand } from '../../../engine/large-command.js';
import { containerHeaderBytes, itemsOf, Tag } from '../../../engine/msgpack.js';
import { slotOf } from '../../../engine/slots.js';

export interface Key {
  readonly slot: number;
  /** Where the str or bin begins and ends. */
  readonly start: number;
  readonly end: number;
}

/** Of ATOMIC's commands, one after the other. */
const innerWalk = new CommandWalk();

/**
 * The keys of a command, those of ATOMIC's commands and guards included; what stands in the place
 * of a key and is none is left out.
 * @param bytes what `walk` has walked over, and `command` was read from
 */
export function keysOf(bytes: Buffer, walk: CommandWalk, command: ReadCommand): Key[] {
  const keys: Key[] = [];
  if (command.name === 'ATOMIC') addOfAtomic(bytes, walk, keys);
  else if (command.key.length > 0) addOfCommand(bytes, walk, command, keys);
  return keys;
}

/** The slots of those keys. */
export function slotsOf(bytes: Buffer, walk: CommandWalk, command: ReadCommand): number[] {
  const isOfOne = hasOneKey(command);
  return isOfOne ? [slotOf(command.key)] : keysOf(bytes, walk, command).map(({ slot }) => slot);
}

/** Whether the command is on one key: most are. */
export function hasOneKey({ name, argCount, key }: ReadCommand): boolean {
  const { manyKeys }: CommandRow = COMMANDS[name];
  return key.length > 0 && (manyKeys === undefined || argCount === 1);
}

function addOfCommand(bytes: Buffer, walk: CommandWalk, command: ReadCommand, keys: Key[]): void {
  const row: CommandRow = COMMANDS[command.name];
  const { argCount } = command;
  const step = row.keyStep ?? 1;
  const last = row.manyKeys === undefined ? 0 : (row.lastKey ?? argCount - 1);
  let at = walk.ends[0]!;
  // What has too few arguments behind it is no key.
  for (let i = 0; i <= last && i + step <= argCount; i += step) {
    const end = endOfMany(bytes, at, 1);
    addKey(bytes, at, end, keys);
    at = step === 1 ? end : endOfMany(bytes, end, step - 1);
  }
}

function addKey(bytes: Buffer, start: number, end: number, keys: Key[]): void {
  const key = payloadOf(bytes, start, end);
  if (key === undefined || key.length === 0 || key.length > MAX_KEY_BYTES) return;
  keys.push({ slot: slotOf(key), start, end });
}

function addOfAtomic(bytes: Buffer, walk: CommandWalk, keys: Key[]): void {
  eachItem(bytes, walk.ends[0]!, (at) => {
    const end = innerWalk.walk(bytes, at);
    const command = readCommand(bytes, innerWalk);
    if (typeof command !== 'string' && command.key.length > 0) {
      addOfCommand(bytes, innerWalk, command, keys);
    }
    return end;
  });
  if (walk.items < 3) return;
  eachItem(bytes, walk.ends[1]!, (at) => {
    const end = endOfMany(bytes, at, 1);
    const tag = bytes[at]!;
    if (isArray(tag) && itemsOf(tag, bytes, at) > 0) {
      const key = at + containerHeaderBytes(tag);
      addKey(bytes, key, endOfMany(bytes, key, 1), keys);
    }
    return end;
  });
}

/** Calls `visit` with the beginning of each item of an array; it returns the end. */
function eachItem(bytes: Buffer, at: number, visit: (at: number) => number): void {
  const tag = bytes[at]!;
  if (!isArray(tag)) return;
  let next = at + containerHeaderBytes(tag);
  for (let left = itemsOf(tag, bytes, at); left > 0; left--) next = visit(next);
}

function isArray(tag: number): boolean {
  return (tag >= Tag.FIXARRAY && tag < Tag.FIXSTR) || tag === Tag.ARRAY16 || tag === Tag.ARRAY32;
}
