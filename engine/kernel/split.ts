/*
 * Splits a frame into sub-frames, one for each arena that has keys in it, in the router's memory (router.ts).
 *
 * A command goes to the arena of its key. One without a key, or a wrong one, goes to where the command before it went:
 * any arena gives it the right answer. A command whose keys are in several arenas is written anew, a part for each,
 * when its row says that each key is done by itself; the replies, counts, are added up. Otherwise it is refused.
 * Sub-frames keep the order of
 * the commands, so each key sees its commands in order.
 */
import { copyLoosely } from './bytes';
import {
  codeOfName,
  commandRow,
  CommandRow,
  isArity,
  isKnown,
  NO_KEY,
  ROW_HOST,
  ROW_KEYS_APART,
  ROW_KEYS_TOGETHER,
  TO_THE_END,
} from './commands';
import { Address } from './layout';
import {
  bytesOf,
  elementsOf,
  integerOf,
  IS_INTEGER,
  lastInteger,
  lastLength,
  namespacedKeyOf,
  skipBlob,
  skipValue,
  writeArrayHead,
  writeInteger,
} from './msgpack';
import { arenaOf, routeHash } from './route';
import {
  ENTRIES,
  FAILED,
  KEY_COUNTS,
  keysOf,
  laneAt,
  LAST_PART,
  MAX_ARENAS,
  ownerOf,
  PART,
  routerHead,
  setOwner,
  USED,
} from './router';
import { isKeyLength } from './staging';
import { ERROR_CROSS_ARENA, ERROR_HOST_COMMANDS } from './status';

/* How splitFrame() ended. In all cases but the first two, the entries are to be executed first. */
/** The whole frame is one arena's, `lane`: no sub-frames were made. */
export const SPLIT_SOLE: i32 = 0;
/** The frame does not begin with an id. */
export const SPLIT_BAD_FRAME_ID: i32 = 1;
/** The end of the frame. */
export const SPLIT_DONE: i32 = 2;
/** As many commands as there are entries for: call again, from `next` on. */
export const SPLIT_MORE: i32 = 3;
/** A command of the host comes next; `hostCode` and the rest tell which. It ends at `hostEnd`. */
export const SPLIT_HOST_COMMAND: i32 = 4;
/** The bytes from `next` on are no whole msgpack value. */
export const SPLIT_MALFORMED: i32 = 5;

const ATOMIC: u32 = 0x03;

/** exec.ts has the same limit. */
const HOST_COMMANDS_PER_FRAME: u32 = 64;
const MAX_FRAME_ID: i64 = 0xffff_ffff;

@inline
function laneOfKey(key: Address, bytes: u32): u32 {
  const head = routerHead();
  return arenaOf(routeHash(key, bytes, head.seed), head.arenas);
}

/** Results of `routeCommand`, beside the numbers of lanes. */
const NO_LANE: u32 = 0x10000;
const IS_HOST: u32 = NO_LANE + 1;
const IS_APART: u32 = NO_LANE + 2;
/** From here on: an error, FAILED + status. */

/** Code and argument count of the command that `routeCommand` looked at. Read right after the call. Not state. */
let commandCode: u32 = 0;
let commandArgCount: u32 = 0;
let commandArgs: Address = 0;

/**
 * Splits the frame of `length` bytes from `start` on. At 0 it begins with its id, and the merged replies with it; any
 * other `start` goes on with a frame.
 */
export function splitFrame(start: u32, length: u32): i32 {
  const head = routerHead();
  const end = head.frame + length;
  let at = head.frame + start;
  if (start == 0) {
    at = skipValue(at, end);
    if (at == 0 || integerOf(head.frame) != IS_INTEGER) return SPLIT_BAD_FRAME_ID;
    const id = lastInteger();
    if (id < 1 || id > MAX_FRAME_ID) return SPLIT_BAD_FRAME_ID;
    head.outBytes = writeInteger(head.out, id) - head.out;
    head.hostLeft = HOST_COMMANDS_PER_FRAME;
  }
  return routeCommands(at, end, start == 0);
}

/** Writes the commands into sub-frames, and an entry for each. `isWhole`: they are all commands of the frame. */
function routeCommands(start: Address, end: Address, isWhole: bool): i32 {
  const head = routerHead();
  const frame = head.frame;
  for (let i: u32 = 0; i < head.usedCount; i++) {
    const used = laneAt(<u32>load<u8>(USED + i));
    used.cursor = used.start + 1;
  }
  head.usedCount = 0;
  head.merged = 0;
  head.sum = 0;
  head.failed = 0;
  let at = start;
  let entries: u32 = 0;
  let lane: u32 = 0;
  // As long as all commands go to one arena, nothing is copied: there may be no need to.
  let isSole = true;
  let sole: u32 = 0;
  let outcome = SPLIT_DONE;
  while (at < end) {
    // The two commands that a cache lives on, as in staging.ts.
    const word = load<u32>(at);
    const kind = word & 0xe0ffff;
    const keyBytes = (word >> 16) & 31;
    let next: Address;
    if ((kind == 0xa01092 || kind == 0xa01193) && keyBytes != 0) {
      next = at + 3 + keyBytes;
      if (kind == 0xa01193) next = skipBlob(next, end);
      else if (next > end) next = 0;
      if (next != 0) lane = laneOfKey(at + 3, keyBytes);
    } else {
      next = skipValue(at, end);
      const route = next == 0 ? NO_LANE : routeCommand(at, next, false);
      if (route < NO_LANE) {
        lane = route;
      } else if (route == IS_HOST && head.hostLeft > 0) {
        head.hostLeft -= 1;
        head.hostCode = commandCode;
        head.hostArgs = commandArgs - frame;
        head.hostArgCount = commandArgCount;
        head.hostEnd = next - frame;
        outcome = SPLIT_HOST_COMMAND;
        break;
      } else if (route != NO_LANE) {
        // A command may need an entry for each arena.
        if (entries + head.arenas > ENTRIES) {
          outcome = SPLIT_MORE;
          break;
        }
        if (isSole) copyToLane(sole, start, at);
        isSole = false;
        if (route == IS_APART) {
          entries = writeParts(entries);
        } else {
          setOwner(entries, route == IS_HOST ? FAILED + ERROR_HOST_COMMANDS : route);
          entries += 1;
        }
        at = next;
        continue;
      }
    }
    if (next == 0) {
      outcome = SPLIT_MALFORMED;
      break;
    }
    if (entries == ENTRIES) {
      outcome = SPLIT_MORE;
      break;
    }
    if (isSole) {
      if (at == start) {
        sole = lane;
      } else if (lane != sole) {
        copyToLane(sole, start, at);
        isSole = false;
      }
    }
    if (!isSole) copyToLane(lane, at, next);
    setOwner(entries, lane);
    entries += 1;
    at = next;
  }
  head.entries = entries;
  head.next = at - frame;
  if (!isSole) return outcome;
  const isHostAlone = outcome == SPLIT_HOST_COMMAND && entries == 0 && frame + head.hostEnd == end;
  if (isWhole && (outcome == SPLIT_DONE || outcome == SPLIT_MALFORMED || isHostAlone)) {
    head.lane = sole;
    return SPLIT_SOLE;
  }
  if (entries > 0) copyToLane(sole, start, at);
  return outcome;
}

/** Appends to a sub-frame. It takes no more than the frame: what is left out is never shorter than what is added. */
@inline
function copyToLane(index: u32, from: Address, to: Address): void {
  if (to == from) return;
  const lane = laneAt(index);
  const cursor = lane.cursor;
  if (cursor == lane.start + 1) use(index);
  copyLoosely(cursor, from, to - from);
  lane.cursor = cursor + (to - from);
}

function use(index: u32): void {
  const head = routerHead();
  store<u8>(USED + head.usedCount, <u8>index);
  head.usedCount += 1;
}

/**
 * Where a command goes that is no plain GET or SET: a lane; NO_LANE: any; IS_HOST; IS_APART; FAILED + status.
 * `isInner`: it is one of ATOMIC's.
 */
function routeCommand(at: Address, end: Address, isInner: bool): u32 {
  const first = elementsOf(at);
  if (first == 0 || lastLength() == 0) return NO_LANE;
  const argCount = lastLength() - 1;
  const name = bytesOf(first);
  let code: u32;
  if (name) {
    code = codeOfName(name, lastLength());
  } else {
    if (integerOf(first) != IS_INTEGER) return NO_LANE;
    const number = lastInteger();
    if (number < 0 || number > 0xffff_ffff) return NO_LANE;
    code = <u32>number;
  }
  if (!isKnown(code)) return NO_LANE;
  const row = commandRow(code);
  if (!isArity(row, argCount)) return NO_LANE;
  commandCode = code;
  commandArgCount = argCount;
  commandArgs = skipValue(first, end);
  // One whose key is none an arena refuses, as any other.
  if (row.flags & ROW_HOST) return row.firstKey != NO_KEY && laneAtKey(commandArgs) == NO_LANE ? NO_LANE : IS_HOST;
  // An arena refuses what is in each other.
  if (code == ATOMIC) return isInner ? NO_LANE : routeAtomic(end);
  if (row.firstKey == NO_KEY) return NO_LANE;
  if (row.flags & ROW_KEYS_TOGETHER) return routeTogether(row, end);
  const lane = laneAtKey(commandArgs);
  if (lane == NO_LANE || argCount == 1 || !(row.flags & ROW_KEYS_APART)) return lane;
  // Of keys of namespaces there is one: the host sends no others.
  return bytesOf(commandArgs) == 0 ? lane : routeKeys(lane);
}

/** Where ATOMIC goes: the keys of its commands and guards must be in one arena. */
function routeAtomic(end: Address): u32 {
  const argCount = commandArgCount;
  const commands = elementsOf(commandArgs);
  const behind = skipValue(commandArgs, end);
  let lane: u32 = NO_LANE;
  let at = commands;
  for (let left = commands ? lastLength() : 0; left > 0; left--) {
    const next = skipValue(at, behind);
    const found = routeCommand(at, next, true);
    at = next;
    if (found == IS_APART || found == FAILED + ERROR_CROSS_ARENA) return FAILED + ERROR_CROSS_ARENA;
    if (found >= NO_LANE) continue;
    if (lane < NO_LANE && lane != found) return FAILED + ERROR_CROSS_ARENA;
    lane = found;
  }
  at = argCount > 1 ? elementsOf(behind) : 0;
  for (let left = at ? lastLength() : 0; left > 0; left--) {
    const key = elementsOf(at);
    const found = key ? laneAtKey(key) : NO_LANE;
    at = skipValue(at, end);
    if (found == NO_LANE) continue;
    if (lane < NO_LANE && lane != found) return FAILED + ERROR_CROSS_ARENA;
    lane = found;
  }
  return lane;
}

/** Where the key at an address belongs, one of a namespace without its prefix. NO_LANE: it is no key. */
function laneAtKey(at: Address): u32 {
  let key = bytesOf(at);
  if (key) return isKeyLength(lastLength()) ? laneOfKey(key, lastLength()) : NO_LANE;
  key = namespacedKeyOf(at);
  return key == 0 ? NO_LANE : laneOfKey(key + 4, lastLength() - 4);
}

/** Where a command goes whose keys must be in one arena. */
function routeTogether(row: CommandRow, end: Address): u32 {
  const step = <u32>row.keyStep;
  const last = row.lastKey == TO_THE_END ? commandArgCount - 1 : <u32>row.lastKey;
  let at = commandArgs;
  let lane: u32 = NO_LANE;
  let isCross = false;
  // What has too few arguments behind it is no key.
  for (let i: u32 = 0; i <= last && i + step <= commandArgCount; i += step) {
    const laneHere = laneAtKey(at);
    if (laneHere == NO_LANE) {
      // Options come behind the keys. Or a wrong key: any arena refuses the whole command.
      if (i + <u32>row.optionsBehind >= commandArgCount) break;
      return NO_LANE;
    }
    if (lane == NO_LANE) lane = laneHere;
    isCross = isCross || laneHere != lane;
    for (let skipped: u32 = 0; skipped < step; skipped++) at = skipValue(at, end);
  }
  return isCross ? FAILED + ERROR_CROSS_ARENA : lane;
}

/** Where a command goes all of whose arguments are keys, each of which is done by itself. */
function routeKeys(firstLane: u32): u32 {
  memory.fill(KEY_COUNTS, 0, MAX_ARENAS << 2);
  let isOneLane = true;
  let at = commandArgs;
  for (let i: u32 = 0; i < commandArgCount; i++) {
    const key = bytesOf(at);
    const keyBytes = lastLength();
    // A wrong key: any arena refuses the whole command.
    if (key == 0 || !isKeyLength(keyBytes)) return NO_LANE;
    const lane = laneOfKey(key, keyBytes);
    isOneLane = isOneLane && lane == firstLane;
    store<u32>(KEY_COUNTS + (lane << 2), keysOf(lane) + 1);
    at = key + keyBytes;
  }
  return isOneLane ? firstLane : IS_APART;
}

/** Writes the parts of the command whose keys `routeKeys` counted, and their entries; how many there are then. */
function writeParts(entries: u32): u32 {
  const arenas = routerHead().arenas;
  for (let index: u32 = 0; index < arenas; index++) {
    const keys = keysOf(index);
    if (keys == 0) continue;
    const lane = laneAt(index);
    if (lane.cursor == lane.start + 1) use(index);
    lane.cursor = writePartHead(lane.cursor, keys);
    setOwner(entries, PART | index);
    entries += 1;
  }
  setOwner(entries - 1, ownerOf(entries - 1) | LAST_PART);
  let at = commandArgs;
  for (let i: u32 = 0; i < commandArgCount; i++) {
    const key = bytesOf(at);
    const keyBytes = lastLength();
    copyToLane(laneOfKey(key, keyBytes), at, key + keyBytes);
    at = key + keyBytes;
  }
  return entries;
}

/** The beginning of a command of so many arguments; its code is below 128. */
function writePartHead(at: Address, args: u32): Address {
  const code = writeArrayHead(at, args + 1);
  store<u8>(code, <u8>commandCode);
  return code + 1;
}
