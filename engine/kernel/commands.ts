/*
 * The command table as the arena holds it: written once by the host from engine/commands.ts, so that arity, key
 * position and names stand in one place. Rows are found by code, names by looking through all of them (people and
 * simple clients send names; fast clients send codes).
 */
import { Address, COMMAND_NAME_BYTES, COMMAND_NAMES, COMMAND_ROWS } from './layout';

export const ROW_KNOWN: u8 = 1;
/** Answered by the host. */
export const ROW_HOST: u8 = 2;
/** All arguments are keys. Several arenas do theirs each, and the counts that they reply are added. */
export const ROW_KEYS_APART: u8 = 4;
/** Several arguments are keys, and must be in one arena. */
export const ROW_KEYS_TOGETHER: u8 = 8;
/** It may change what is stored. */
export const ROW_WRITE: u8 = 16;
/** `maxArgs` of a command with any number of arguments. */
const ANY_ARGS: u32 = 255;
/** `firstKey` of a command without keys. */
export const NO_KEY: u8 = 255;
/** `lastKey` where keys come for as long as there are arguments. */
export const TO_THE_END: u8 = 255;
/** Codes below this may be in the table. */
const CODES: u32 = 256;
/** Codes are below this (a test holds it): a name is looked for no further. Codes from 128 on take two bytes. */
const NAMED_CODES: u32 = 0x90;

@unmanaged
export class CommandRow {
  flags: u8;
  minArgs: u8;
  maxArgs: u8;
  /** Index of the first key among the arguments, or NO_KEY. Only 0 and NO_KEY are staged. */
  firstKey: u8;
  /** Of a command with several keys: arguments from one key to the next, and the last one's index, or TO_THE_END. */
  keyStep: u8;
  lastKey: u8;
  /** Behind keys that come TO_THE_END: up to so many arguments that can be no keys. */
  optionsBehind: u8;
}

const ROW_BYTES: u32 = 8;

@inline
export function commandRow(code: u32): CommandRow {
  return changetype<CommandRow>(COMMAND_ROWS + code * ROW_BYTES);
}

@inline
export function isKnown(code: u32): bool {
  return code < CODES && (commandRow(code).flags & ROW_KNOWN) != 0;
}

@inline
export function isArity(row: CommandRow, argCount: u32): bool {
  const most = <u32>row.maxArgs;
  return argCount >= <u32>row.minArgs && (argCount <= most || most == ANY_ARGS);
}

/** Registers a command; called by the host for each row before the arena is shared. `flags`: of ROW_*. */
export function addCommand(
  code: u32,
  minArgs: u32,
  maxArgs: u32,
  firstKey: i32,
  keyStep: u32,
  lastKey: i32,
  optionsBehind: u32,
  flags: u32,
  name: Address,
  nameBytes: u32,
): void {
  const row = commandRow(code);
  row.flags = ROW_KNOWN | <u8>flags;
  row.minArgs = <u8>minArgs;
  row.maxArgs = <u8>maxArgs;
  row.firstKey = firstKey < 0 ? NO_KEY : <u8>firstKey;
  row.keyStep = <u8>keyStep;
  row.lastKey = lastKey < 0 ? TO_THE_END : <u8>lastKey;
  row.optionsBehind = <u8>optionsBehind;
  const at = COMMAND_NAMES + code * COMMAND_NAME_BYTES;
  memory.fill(at, 0, COMMAND_NAME_BYTES);
  memory.copy(at, name, min<u32>(nameBytes, COMMAND_NAME_BYTES));
}

/** The code of a command's name in any case, or CODES and above when there is none. */
export function codeOfName(name: Address, nameBytes: u32): u32 {
  if (nameBytes == 0 || nameBytes > COMMAND_NAME_BYTES) return CODES;
  let first = load<u8>(name);
  if (first >= 0x61 && first <= 0x7a) first -= 0x20;
  for (let code: u32 = 0; code < NAMED_CODES; code++) {
    if (load<u8>(COMMAND_NAMES + code * COMMAND_NAME_BYTES) != first) continue;
    if (isKnown(code) && nameIs(COMMAND_NAMES + code * COMMAND_NAME_BYTES, name, nameBytes)) return code;
  }
  return CODES;
}

function nameIs(known: Address, name: Address, nameBytes: u32): bool {
  for (let i: u32 = 0; i < nameBytes; i++) {
    let letter = load<u8>(name + i);
    if (letter >= 0x61 && letter <= 0x7a) letter -= 0x20;
    // Behind a shorter name stand zeros, which are no letters.
    if (letter == 0 || letter != load<u8>(known + i)) return false;
  }
  return nameBytes == COMMAND_NAME_BYTES || load<u8>(known + nameBytes) == 0;
}
