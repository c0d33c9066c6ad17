/*
 * Pass one over a command: where it ends, what it is, which key it is about, and that key's hash. What is wrong with a
 * command stands in `error`, so that handlers may rely on arity and on their first key.
 *
 * A group of GROUP commands is staged before the first one runs. Between staging and running, the index lines and then the
 * entries of all of them are touched (exec.ts), so that their cache misses overlap instead of queueing up.
 */
import { codeOfName, commandRow, isArity, isKnown, NO_KEY } from './commands';
import { hashKey } from './hash';
import { Address } from './layout';
import { bytesOf, elementsOf, integerOf, IS_INTEGER, lastInteger, lastLength, skipValue } from './msgpack';
import { ERROR_ARITY, ERROR_KEY, ERROR_NOT_A_COMMAND, ERROR_UNKNOWN_COMMAND } from './status';
import { homeBucket } from './table';

@unmanaged
export class Staged {
  /** The first argument; the command's end when it has none. */
  args: Address;
  argCount: u32;
  code: u32;
  /** A status when the command cannot run, else 0. */
  error: u32;
  end: Address;
  /** The first key's bytes; 0: the command has no key. */
  key: Address;
  keyBytes: u32;
  hash: u32;
  /** Where the lookup will begin, as of staging: only to be touched, for a split may move it. */
  bucket: Address;
}

export const STAGED_BYTES: u32 = 64;
/** Commands in flight at once: enough to cover a memory's latency, few enough for the caches. Measured: 16 to 48 are alike. */
export const GROUP: u32 = 32;

const MAX_KEY_BYTES: u32 = 65535;

const GET: u32 = 0x10;
const SET: u32 = 0x11;

@inline
export function isKeyLength(bytes: u32): bool {
  return bytes - 1 < MAX_KEY_BYTES;
}

@inline
function stageKey(staged: Staged, key: Address, keyBytes: u32): void {
  const hash = hashKey(key, keyBytes);
  staged.key = key;
  staged.keyBytes = keyBytes;
  staged.hash = hash;
  staged.bucket = homeBucket(hash);
}

/** Stages the command at `at`; the address behind it, or 0 when the bytes up to `end` are no whole msgpack value. */
@inline
export function stage(staged: Staged, at: Address, end: Address): Address {
  // The two commands that a cache lives on, with a key of 1 to 31 bytes: [0x10, key] and [0x11, key, value].
  const head = load<u32>(at);
  const keyBytes = (head >> 16) & 31;
  if ((head & 0xe0ffff) == 0xa01092 && keyBytes != 0) {
    const next = at + 3 + keyBytes;
    if (next > end) return 0;
    staged.args = at + 2;
    staged.argCount = 1;
    staged.code = GET;
    staged.error = 0;
    staged.end = next;
    stageKey(staged, at + 3, keyBytes);
    return next;
  }
  if ((head & 0xe0ffff) == 0xa01193 && keyBytes != 0) {
    const next = skipValue(at + 3 + keyBytes, end);
    if (next == 0) return 0;
    staged.args = at + 2;
    staged.argCount = 2;
    staged.code = SET;
    staged.error = 0;
    staged.end = next;
    stageKey(staged, at + 3, keyBytes);
    return next;
  }
  return stageAny(staged, at, end);
}

function stageAny(staged: Staged, at: Address, end: Address): Address {
  const next = skipValue(at, end);
  if (next == 0) return 0;
  staged.end = next;
  staged.key = 0;
  staged.args = next;
  staged.argCount = 0;
  staged.code = 0;
  staged.error = readCommand(staged, at);
  return next;
}

/** Reads a whole command; what is wrong with it, or 0. */
function readCommand(staged: Staged, at: Address): u32 {
  const first = elementsOf(at);
  if (first == 0 || lastLength() == 0) return ERROR_NOT_A_COMMAND;
  const argCount = lastLength() - 1;
  const name = bytesOf(first);
  let code: u32;
  if (name) {
    code = codeOfName(name, lastLength());
  } else {
    if (integerOf(first) != IS_INTEGER) return ERROR_NOT_A_COMMAND;
    const number = lastInteger();
    if (number < 0 || number > 0xffff_ffff) return ERROR_UNKNOWN_COMMAND;
    code = <u32>number;
  }
  if (!isKnown(code)) return ERROR_UNKNOWN_COMMAND;
  staged.code = code;
  staged.argCount = argCount;
  staged.args = skipValue(first, staged.end);
  const row = commandRow(code);
  if (!isArity(row, argCount)) return ERROR_ARITY;
  if (row.firstKey == NO_KEY) return 0;
  const key = bytesOf(staged.args);
  if (key == 0 || !isKeyLength(lastLength())) return ERROR_KEY;
  stageKey(staged, key, lastLength());
  return 0;
}
