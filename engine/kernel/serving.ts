/*
 * Which commands of a client this node of a cluster runs: those all of whose keys are in slots that it serves
 * (keyslots.ts). Such keys may be in several slots: what counts is that one node has them all. A command without keys,
 * or with something wrong about it, is run here, and answered as ever. The host's only command with a key, WAIT, is
 * never run here: it takes its time, so that whoever has other nodes run commands has it answered, too.
 *
 * A frame for one arena is looked at group by group, between staging and running (exec.ts). One for several arenas is
 * looked at as a whole, in the first arena, before the router splits it: the table is there, the same for all threads,
 * and a frame that is cut off where another node comes in is split and run as any other. The table may change between
 * a look at it and the running of the commands, in the middle of a frame too: a node that gives slots away must let
 * what has begun end first.
 */
import {
  commandRow,
  CommandRow,
  ROW_HOST,
  ROW_KEYS_APART,
  ROW_KEYS_TOGETHER,
  ROW_WRITE,
  TO_THE_END,
} from './commands';
import { KeyWord, lengthOf } from './entry';
import {
  blockBefore,
  bracesIn,
  foldTwo,
  hasKeySlots,
  keySlot,
  lastBlock,
  lowersOf,
  serviceOf,
  serviceOfFour,
  SERVES_ALL,
  shortBlock,
  uppersOf,
} from './keyslots';
import { Address } from './layout';
import { elementsOf, lastLength, skipBlob, skipValue } from './msgpack';
import {
  innerStaged,
  keyOf,
  lastKeyWord,
  otherStaged,
  setHostFrame,
  stage,
  Staged,
  STAGED_BYTES,
  STAGED_ERROR,
} from './staging';
import { requestArea } from './threads';

const ATOMIC: u32 = 0x03;
const MANY_KEYS: u32 = <u32>(ROW_KEYS_APART | ROW_KEYS_TOGETHER);
/** Commands that take more than a look at their first key. */
const NOT_SIMPLE: u32 = MANY_KEYS | ROW_HOST;

/* As in split.ts. */
const GET_HEAD: u32 = 0xa01092;
const SET_HEAD: u32 = 0xa01193;

/**
 * The first one of a group's commands that is not run here; `end`: all are. `access`: as of `execWhereServed`. Four at
 * a time, as long as they are what a cache lives on: one key of up to 32 bytes each, without a tag.
 */
export function firstElsewhere(thread: u32, first: Address, end: Address, access: u32): Address {
  let at = first;
  for (; at + 4 * STAGED_BYTES <= end; at += 4 * STAGED_BYTES) {
    if (areFourServed(at)) continue;
    for (let one = at; one < at + 4 * STAGED_BYTES; one += STAGED_BYTES) {
      if (!isCommandServed(thread, changetype<Staged>(one), access)) return one;
    }
  }
  for (; at < end; at += STAGED_BYTES) {
    if (!isCommandServed(thread, changetype<Staged>(at), access)) return at;
  }
  return end;
}

/** Whether four commands are surely run here. False: it takes a closer look. */
@inline
function areFourServed(at: Address): bool {
  const a = changetype<Staged>(at);
  const b = changetype<Staged>(at + STAGED_BYTES);
  const c = changetype<Staged>(at + 2 * STAGED_BYTES);
  const d = changetype<Staged>(at + 3 * STAGED_BYTES);
  // No key has length 0 here, and one of a namespace a huge one.
  const longest = (a.keyWord - 1) | (b.keyWord - 1) | (c.keyWord - 1) | (d.keyWord - 1);
  if (longest >= 32 || (flagsOf(a) | flagsOf(b) | flagsOf(c) | flagsOf(d)) & NOT_SIMPLE) return false;
  if (longest >= 16) return areFourLongServed(a, b, c, d);
  const blockA = shortBlock(a.key, a.keyWord);
  const blockB = shortBlock(b.key, b.keyWord);
  const blockC = shortBlock(c.key, c.keyWord);
  const blockD = shortBlock(d.key, d.keyWord);
  if (v128.any_true(bracesInFour(blockA, blockB, blockC, blockD))) return false;
  const ab = foldTwo(uppersOf(blockA, blockB), lowersOf(blockA, blockB));
  const cd = foldTwo(uppersOf(blockC, blockD), lowersOf(blockC, blockD));
  return (serviceOfFour(ab, cd) & SERVES_ALL) != 0;
}

/** Likewise of keys of up to 32 bytes. */
function areFourLongServed(a: Staged, b: Staged, c: Staged, d: Staged): bool {
  let blockA = blockBefore(a.key, a.keyWord);
  let blockB = blockBefore(b.key, b.keyWord);
  let blockC = blockBefore(c.key, c.keyWord);
  let blockD = blockBefore(d.key, d.keyWord);
  const braces = bracesInFour(blockA, blockB, blockC, blockD);
  let ab = foldTwo(uppersOf(blockA, blockB), lowersOf(blockA, blockB));
  let cd = foldTwo(uppersOf(blockC, blockD), lowersOf(blockC, blockD));
  blockA = lastBlock(a.key, a.keyWord);
  blockB = lastBlock(b.key, b.keyWord);
  blockC = lastBlock(c.key, c.keyWord);
  blockD = lastBlock(d.key, d.keyWord);
  if (v128.any_true(v128.or(braces, bracesInFour(blockA, blockB, blockC, blockD)))) return false;
  ab = foldTwo(foldTwo(ab, uppersOf(blockA, blockB)), lowersOf(blockA, blockB));
  cd = foldTwo(foldTwo(cd, uppersOf(blockC, blockD)), lowersOf(blockC, blockD));
  return (serviceOfFour(ab, cd) & SERVES_ALL) != 0;
}

@inline
function bracesInFour(a: v128, b: v128, c: v128, d: v128): v128 {
  return v128.or(v128.or(bracesIn(a), bracesIn(b)), v128.or(bracesIn(c), bracesIn(d)));
}

@inline
function flagsOf(staged: Staged): u32 {
  return <u32>commandRow(staged.code).flags;
}

function isCommandServed(thread: u32, staged: Staged, access: u32): bool {
  if (staged.key == 0) return staged.code != ATOMIC || isAtomicServed(thread, staged);
  const row = commandRow(staged.code);
  if (row.flags & ROW_HOST) return false;
  return areKeysServed(staged, row, row.flags & ROW_WRITE ? SERVES_ALL : access);
}

/** Whether all keys of a command that has any are served. */
@inline
function areKeysServed(staged: Staged, row: CommandRow, needed: u32): bool {
  if (!(serviceOf(keySlot(staged.key, lengthOf(staged.keyWord))) & needed)) return false;
  return !(<u32>row.flags & MANY_KEYS) || staged.argCount == 1 || areAllServed(staged, row, needed);
}

/** Likewise of a command with several keys. */
function areAllServed(staged: Staged, row: CommandRow, needed: u32): bool {
  const step = <u32>row.keyStep;
  const last = row.lastKey == TO_THE_END ? staged.argCount - 1 : <u32>row.lastKey;
  let at = staged.args;
  // What has too few arguments behind it is no key.
  for (let i: u32 = 0; i <= last && i + step <= staged.argCount; i += step) {
    // An option behind the keys has no slot; nor has a wrong key, whose command does nothing but say so.
    if (!isServed(at, needed)) return false;
    for (let skipped: u32 = 0; skipped < step; skipped++) at = skipValue(at, staged.end);
  }
  return true;
}

/** Whether the key at an address is served; so is what is no key. */
function isServed(at: Address, needed: u32): bool {
  const key = keyOf(at);
  return key == 0 || (serviceOf(keySlot(key, lengthOf(lastKeyWord()))) & needed) != 0;
}

/** Whether all keys of ATOMIC's commands and guards are served. It may write, so all of it must be. */
function isAtomicServed(thread: u32, staged: Staged): bool {
  const inner = innerStaged(thread);
  const behind = skipValue(staged.args, staged.end);
  let at = elementsOf(staged.args);
  for (let left = at ? lastLength() : 0; left > 0; left--) {
    at = stage(inner, at, behind);
    if (inner.code >= STAGED_ERROR || inner.key == 0) continue;
    if (!areKeysServed(inner, commandRow(inner.code), SERVES_ALL)) return false;
  }
  at = staged.argCount > 1 ? elementsOf(behind) : 0;
  for (let left = at ? lastLength() : 0; left > 0; left--) {
    const key = elementsOf(at);
    if (key != 0 && !isServed(key, SERVES_ALL)) return false;
    at = skipValue(at, staged.end);
  }
  return true;
}

/**
 * Offset of the first command, of those from `start` to `length` in the request area, that is not run here; `length`:
 * there is none before the end, or before bytes that are no command. At 0 stands a frame's id.
 */
export function findElsewhere(thread: u32, start: u32, length: u32, access: u32): u32 {
  if (!hasKeySlots()) return length;
  setHostFrame(false);
  const request = requestArea(thread);
  const end = request + length;
  // Not the inner one: ATOMIC's commands are staged there.
  const staged = otherStaged(thread);
  let at = request + start;
  if (start == 0) at = skipValue(at, end);
  while (at != 0 && at < end) {
    const word = load<u32>(at);
    const kind = word & 0xe0ffff;
    const keyBytes = (word >> 16) & 31;
    let next: Address;
    if ((kind == GET_HEAD || kind == SET_HEAD) && keyBytes != 0) {
      next = at + 3 + keyBytes;
      if (kind == SET_HEAD) next = skipBlob(next, end);
      if (next == 0 || next > end) break;
      if (!(serviceOf(keySlot(at + 3, keyBytes)) & (kind == SET_HEAD ? SERVES_ALL : access))) return at - request;
    } else {
      next = stage(staged, at, end);
      if (next == 0) break;
      if (!isCommandServed(thread, staged, access)) return at - request;
    }
    at = next;
  }
  return length;
}

/** Whether a command that writes the key at the start of the request area is run here. */
export function isKeyServed(thread: u32, keyWord: KeyWord): bool {
  return !hasKeySlots() || (serviceOf(keySlot(requestArea(thread), lengthOf(keyWord))) & SERVES_ALL) != 0;
}
