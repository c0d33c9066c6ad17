/*
 * Pass one over a command: where it ends, what it is, which key it is about, and that key's hash. A command that is
 * wrong gets an error for a code, so that handlers may rely on arity and on their first key.
 *
 * A group of GROUP commands is staged before the first one runs. Between staging and running, the index lines and then
 * the entries of all of them are touched (exec.ts), so that their cache misses overlap instead of queueing up.
 */
import { mayTouchAhead } from './collections/ahead';
import { codeOfName, commandRow, isArity, isKnown, NO_KEY } from './commands';
import { KeyWord, lengthOf, NAMESPACED_KEY } from './entry';
import { hashKeyInline } from './hash';
import { Address, NOTHING } from './layout';
import { readWord } from './lock';
import {
  bytesOf,
  elementsOf,
  integerOf,
  IS_INTEGER,
  lastInteger,
  lastLength,
  namespacedKeyOf,
  skipBlob,
  skipTtl,
  skipValue,
} from './msgpack';
import { Partition, partitionOfHash } from './partition';
import { ERROR_ARITY, ERROR_KEY, ERROR_NOT_A_COMMAND, ERROR_UNKNOWN_COMMAND } from './status';
import { homeBucketIn, Slot } from './table';
import { innerStagingOf, otherStagingOf } from './threads';

@unmanaged
export class Staged {
  /** The command's code; STAGED_ERROR + status when it cannot run. */
  code: u32;
  argCount: u32;
  /** The first argument; the command's end when it has none. */
  args: Address;
  end: Address;
  /** The first key's bytes; 0: the command has no key. */
  key: Address;
  /** The key's length, and whether it is of a namespace (entry.ts). */
  keyWord: KeyWord;
  hash: u32;
  partition: Address;
  /** The partition's word when `bucket` was looked up; what follows holds while it does. Nothing for a short SET. */
  word: u64;
  /** Where the lookup begins. */
  bucket: Address;
  /** The first slot with the key's tag (0: none), and the entry in it. Set by pass three. */
  slot: Slot;
  entry: Address;
  /** What else is touched before the command runs (collections/ahead.ts). */
  ahead: Address;
}

/** The bucket of a command without a key: readable, and no tag in it matches. */
export const NO_BUCKET: Address = NOTHING & ~63;

/** Codes from here on are errors. */
export const STAGED_ERROR: u32 = 0x10000;

export const STAGED_BYTES: u32 = 64;
/**
 * Commands in flight at once: enough to cover a memory's latency, few enough for the caches. Measured: 16 to 48 are
 * alike.
 */
export const GROUP: u32 = 32;

const MAX_KEY_BYTES: u32 = 65535;

/* Code and argument count as one word. */
const GET: u64 = 0x10;
const SET: u64 = 0x11;
const ONE_ARG: u64 = 1 << 32;
const TWO_ARGS: u64 = 2 << 32;
const THREE_ARGS: u64 = 3 << 32;

/* How they begin, in memory order: array header, code, 0xa0 for a key of up to 31 bytes. */
const GET_HEAD: u32 = 0xa01092;
const SET_HEAD: u32 = 0xa01193;
const SET_TTL_HEAD: u32 = 0xa01194;

@inline
export function isKeyLength(bytes: u32): bool {
  return bytes - 1 < MAX_KEY_BYTES;
}

/**
 * Fills in everything that follows from the key. `word`: whether the partition's word will be asked for. It is in a
 * line that other threads change with each of their writes, and a SET needs it for no more than its lock.
 */
@inline
export function stageKey(staged: Staged, key: Address, keyWord: KeyWord, word: bool): void {
  const hash = hashKeyInline(key, lengthOf(keyWord));
  const partition = partitionOfHash(hash);
  staged.key = key;
  staged.keyWord = keyWord;
  staged.hash = hash;
  staged.partition = changetype<u32>(partition);
  if (word) staged.word = readWord(partition);
  staged.bucket = homeBucketIn(partition, hash);
  staged.slot = 0;
}

/** For the second key of a command. */
@inline
export function otherStaged(thread: u32): Staged {
  const staged = changetype<Staged>(otherStagingOf(thread));
  staged.code = 0;
  return staged;
}

/** For a command inside of another one. */
@inline
export function innerStaged(thread: u32): Staged {
  return changetype<Staged>(innerStagingOf(thread));
}

@inline
export function partitionOf(staged: Staged): Partition {
  return changetype<Partition>(staged.partition);
}

/** Stages the command at `at`; the address behind it, or 0 when the bytes up to `end` are no whole msgpack value. */
@inline
export function stage(staged: Staged, at: Address, end: Address): Address {
  // What a cache lives on, with a key of 1 to 31 bytes: [0x10, key], [0x11, key, value] and [0x11, key, value, ttl].
  const head = load<u32>(at);
  const kind = head & 0xe0ffff;
  const keyBytes = (head >> 16) & 31;
  if ((kind == GET_HEAD || kind == SET_HEAD || kind == SET_TTL_HEAD) && keyBytes != 0) {
    let next = at + 3 + keyBytes;
    let command = GET | ONE_ARG;
    if (kind == GET_HEAD) {
      if (next > end) next = 0;
    } else {
      next = skipBlob(next, end);
      command = SET | TWO_ARGS;
      if (kind == SET_TTL_HEAD && next != 0) {
        next = skipTtl(next, end);
        command = SET | THREE_ARGS;
      }
    }
    if (next == 0) return 0;
    store<u64>(changetype<usize>(staged), command);
    staged.args = at + 2;
    staged.end = next;
    stageKey(staged, at + 3, keyBytes, kind == GET_HEAD);
    return next;
  }
  const next = stageShort(staged, at, end);
  return next ? next : stageAny(staged, at, end);
}

/* A short array, a code below 128, and a key of up to 31 bytes, in memory order. */
const SHORT_MASK: u32 = 0xe080f0;
const SHORT_HEAD: u32 = 0xa00090;

/** Stages any other command as fast clients write it: of up to 14 arguments, the first one a short key. 0: not so. */
function stageShort(staged: Staged, at: Address, end: Address): Address {
  const head = load<u32>(at);
  const keyBytes = (head >> 16) & 31;
  const argCount = (head & 15) - 1;
  const code = (head >> 8) & 0xff;
  // An empty array has a huge number of arguments here.
  if ((head & SHORT_MASK) != SHORT_HEAD || keyBytes == 0 || argCount - 1 > 13 || !isKnown(code)) return 0;
  const row = commandRow(code);
  if (row.firstKey != 0 || !isArity(row, argCount)) return 0;
  let next = at + 3 + keyBytes;
  for (let i: u32 = 1; i < argCount; i++) {
    const byte = <u32>load<u8>(next);
    if (next >= end) return 0;
    if (byte < 0x80) next += 1;
    else if (byte >= 0xa0 && byte < 0xc0) next += 1 + (byte & 31);
    else next = skipBlob(next, end);
    if (next == 0) return 0;
  }
  if (next > end) return 0;
  staged.code = code;
  staged.argCount = argCount;
  staged.args = at + 2;
  staged.end = next;
  isAhead = isAhead || mayTouchAhead(code);
  stageKey(staged, at + 3, keyBytes, true);
  return next;
}

function stageAny(staged: Staged, at: Address, end: Address): Address {
  const next = skipValue(at, end);
  if (next == 0) return 0;
  staged.end = next;
  staged.key = 0;
  staged.keyWord = 0;
  staged.bucket = NO_BUCKET;
  staged.hash = 0;
  staged.args = next;
  staged.argCount = 0;
  const error = readCommand(staged, at);
  if (error) staged.code = STAGED_ERROR + error;
  return next;
}

/** Whether the frame at hand is the host's own. An argument of `exec`, as it were: set at its start. Not state. */
let isHostFrame: bool = false;

/** Says whose the frame is that is staged next: keys of namespaces are taken from the host only. */
@inline
export function setHostFrame(isHosts: bool): void {
  isHostFrame = isHosts;
}

@inline
export function isFrameOfHost(): bool {
  return isHostFrame;
}

/** Whether one of the commands staged since this was set to false may be about a member of a table. Not state. */
let isAhead: bool = false;

/** To be called before a group is staged. */
@inline
export function beginGroup(): void {
  isAhead = false;
}

@inline
export function isTouchedAhead(): bool {
  return isAhead;
}

function stageNamespacedKey(staged: Staged): u32 {
  const key = namespacedKeyOf(staged.args);
  if (key == 0) return ERROR_KEY;
  stageKey(staged, key, NAMESPACED_KEY | lastLength(), true);
  return 0;
}

/** The word of the key that `keyOf` found. Read right after the call. Not state. */
let foundKeyWord: KeyWord = 0;

@inline
export function lastKeyWord(): KeyWord {
  return foundKeyWord;
}

/**
 * The first byte of the key at `at`, an argument behind the first one; its word in `lastKeyWord()`. 0: it is no key.
 */
export function keyOf(at: Address): Address {
  let key = bytesOf(at);
  if (key) {
    if (!isKeyLength(lastLength())) return 0;
    foundKeyWord = lastLength();
    return key;
  }
  if (!isHostFrame) return 0;
  key = namespacedKeyOf(at);
  if (key) foundKeyWord = NAMESPACED_KEY | lastLength();
  return key;
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
  isAhead = isAhead || mayTouchAhead(code);
  staged.argCount = argCount;
  staged.args = skipValue(first, staged.end);
  const row = commandRow(code);
  if (!isArity(row, argCount)) return ERROR_ARITY;
  if (row.firstKey == NO_KEY) return 0;
  const key = bytesOf(staged.args);
  if (key == 0) return isHostFrame ? stageNamespacedKey(staged) : ERROR_KEY;
  if (!isKeyLength(lastLength())) return ERROR_KEY;
  stageKey(staged, key, lastLength(), true);
  return 0;
}
