/*
 * Execution of a request frame: the frame id, then commands, in staged groups:
 *
 *   pass 1  walk over the commands of the group; hash their keys                            (staging.ts)
 *   pass 2  touch the index line of every key
 *   pass 3  touch the entry behind the first matching tag of every key
 *   pass 4  run the commands one after the other, in order, on lines that are in the cache by now
 *
 * What passes 1 to 3 found may be wrong by the time that a command runs: another thread, or a command before it in the
 * group, has written meanwhile. A GET checks that by the partition's version word, a SET, under the lock, by the slot
 * itself (read.ts); else they look the key up anew. So commands of one group on one key need no care.
 */
import { isLogging, touchLog } from './changelog';
import { commandRow, ROW_HOST } from './commands';
import { touchTables } from './collections/ahead';
import { touched } from './bytes';
import { hasKeySlots } from './keyslots';
import { startClock } from './hybridclock';
import { Address, header, NOTHING } from './layout';
import { integerOf, IS_INTEGER, lastInteger, skipValue, writeInteger } from './msgpack';
import { firstElsewhere } from './serving';
import {
  beginGroup,
  GROUP,
  isTouchedAhead,
  partitionOf,
  setHostFrame,
  stage,
  Staged,
  STAGED_BYTES,
  STAGED_ERROR,
} from './staging';
import { ERROR_HOST_COMMANDS, ERROR_REPLY_SIZE, ERROR_TOO_MANY_VALUES, writeError } from './status';
import { entryOf, matchTag, nextBucket, overflowOf, SLOTS, tagOf } from './table';
import { blockOf, replyArea, requestArea, stagingOf, ThreadBlock } from './threads';
import { atomic } from './types/atomic';
import { get, getVersioned, set } from './types/blob';
import { isOfCollections, runCollections } from './types/commands';
import { increment, incrementFloat } from './types/counter';
import {
  exists,
  expire,
  getAndExpire,
  persist,
  remove,
  take,
  timeToLive,
  touch,
} from './types/keys';
import { copy, rename, renameIfAbsent } from './types/move';
import { getRange, length } from './types/range';
import { getAll, setAll, setAllIfAbsent } from './types/several';
import { append, setRange } from './types/string';
import { describe, memoryUsed, typeOf } from './types/inspect';
import { acquire, extend, release } from './types/lease';
import { limitRate } from './types/limit';

/* How exec() ended. */
/** Everything was executed. */
export const EXEC_DONE: i32 = 0;
/** The reply area is full: take it, then call again from `consumed` on. */
export const EXEC_REPLY_FULL: i32 = 1;
/** The command at hand is the host's; `hostCode` and the rest tell which. `consumed` is behind it. */
export const EXEC_HOST_COMMAND: i32 = 2;
/** The bytes from `consumed` on are no whole msgpack value. */
export const EXEC_MALFORMED: i32 = 3;
/** The frame does not begin with an unsigned integer from 1 to 2^32-1. */
export const EXEC_BAD_FRAME_ID: i32 = 4;

/**
 * The reply of the command at hand does not fit a reply area that holds nothing but the frame's id: the host answers it
 * (large.ts). It is told as a host command is, but `consumed` stands before it. Only of a command that replies one
 * value (`repliesOneValue`).
 */
export const EXEC_LARGE_VALUE: i32 = 5;

/**
 * The command at `consumed` is not this node's to run: a key of it is in a slot that the node does not serve. Nothing
 * of it was done, nor of what is behind it.
 */
export const EXEC_ELSEWHERE: i32 = 6;

/** Room that every reply but a value fits in; values ask for theirs. */
const REPLY_MARGIN: u32 = 256;

const GET: u32 = 0x10;
const SET: u32 = 0x11;
const GETV: u32 = 0x18;
const GETRANGE: u32 = 0x1c;
const GETDEL: u32 = 0x1f;
const GETEX: u32 = 0x20;
const MGET: u32 = 0x21;

/**
 * Touched besides an entry's beginning: in the line behind it, or a small entry's end. Chunks of 64 bytes and more make
 * it readable where a page ends; smaller ones read on in the next page, or in the guard pages.
 */
const SMALL_ENTRY_END: u32 = 48;

/** A bit behind a bucket's slots, so that there is a first one. */
const SLOTS_END: i32 = 1 << SLOTS;

/** No address is as small. */
const IS_HOST_COMMAND: Address = 1;

/** A host command takes thousands of times as long as a GET: a frame full of them would stall the thread. */
const HOST_COMMANDS_PER_FRAME: u32 = 64;

const MAX_FRAME_ID: i64 = 0xffff_ffff;

/**
 * Executes the request area's bytes from `start` to `length`. A frame begins at 0 with its id, which opens the reply;
 * any other `start` goes on with a frame that was interrupted, and the reply area is written from its beginning again.
 */
export function exec(thread: u32, start: u32, length: u32, nowMillis: f64): i32 {
  startClock(<i64>nowMillis);
  setHostFrame(false);
  return execFrame(thread, start, length, nowMillis, 0);
}

/**
 * `exec` of a client's frame on a node of a cluster, in an arena with slots: ends before the first command that the
 * node does not serve. `access`: the bits of a slot's service any of which lets commands that only read run; all others
 * need SERVES_ALL.
 */
export function execWhereServed(thread: u32, start: u32, length: u32, nowMillis: f64, access: u32): i32 {
  startClock(<i64>nowMillis);
  setHostFrame(false);
  return execFrame(thread, start, length, nowMillis, hasKeySlots() ? access : 0);
}

/** `exec` of a frame that the host itself has written, whose keys may be those of namespaces. */
export function execHost(thread: u32, start: u32, length: u32, nowMillis: f64): i32 {
  startClock(<i64>nowMillis);
  setHostFrame(true);
  return execFrame(thread, start, length, nowMillis, 0);
}

/** What all of them have in common. */
export function execFrame(thread: u32, start: u32, length: u32, nowMillis: f64, access: u32): i32 {
  const block = blockOf(thread);
  const request = requestArea(thread);
  const end = request + length;
  const nowMs = <i64>nowMillis;
  let at = request + start;
  let out = replyArea(thread);
  if (start == 0) {
    at = skipValue(request, end);
    if (at == 0 || integerOf(request) != IS_INTEGER) return EXEC_BAD_FRAME_ID;
    const id = lastInteger();
    if (id < 1 || id > MAX_FRAME_ID) return EXEC_BAD_FRAME_ID;
    out = writeInteger(out, id);
    block.frames += 1;
    block.hostLeft = HOST_COMMANDS_PER_FRAME;
    block.refusal = 0;
  }
  return execCommands(thread, request, at, end, out, nowMs, access);
}

function execCommands(
  thread: u32,
  request: Address,
  at: Address,
  end: Address,
  out: Address,
  nowMs: i64,
  access: u32,
): i32 {
  const block = blockOf(thread);
  const reply = replyArea(thread);
  const limit = reply + header().areaBytes;
  const empty = out;
  let outcome = EXEC_DONE;
  const first = stagingOf(thread);
  const groupEnd = first + GROUP * STAGED_BYTES;
  while (at < end && outcome == EXEC_DONE) {
    let stagedEnd = first;
    let next = at;
    beginGroup();
    while (stagedEnd < groupEnd && next < end) {
      const behind = stage(changetype<Staged>(stagedEnd), next, end);
      if (behind == 0) {
        outcome = EXEC_MALFORMED;
        break;
      }
      next = behind;
      stagedEnd += STAGED_BYTES;
    }
    if (block.refusal) refuseGroup(first, stagedEnd, block.refusal);
    else if (access) {
      const elsewhere = firstElsewhere(thread, first, stagedEnd, access);
      if (elsewhere != stagedEnd) {
        // What is before it is run first. Then it begins a group, and whatever is wrong behind it is not ours to tell.
        outcome = elsewhere == first ? EXEC_ELSEWHERE : EXEC_DONE;
        stagedEnd = elsewhere;
      }
    }
    touchGroup(first, stagedEnd);
    if (isTouchedAhead()) touchTables(first, stagedEnd);
    if (isLogging()) touchLogs(first, stagedEnd);
    let running = first;
    for (; running < stagedEnd; running += STAGED_BYTES) {
      const command = changetype<Staged>(running);
      let behind: Address = 0;
      if (out + REPLY_MARGIN <= limit) behind = runCommand(thread, command, out, limit, nowMs);
      if (behind == 0 && out == empty && !repliesOneValue(command.code)) {
        behind = writeError(out, command.code == MGET ? ERROR_TOO_MANY_VALUES : ERROR_REPLY_SIZE);
      }
      if (behind == 0) {
        outcome = EXEC_REPLY_FULL;
        if (out == empty) {
          tellHost(block, command, request);
          outcome = EXEC_LARGE_VALUE;
          running += STAGED_BYTES;
        }
        break;
      }
      at = command.end;
      if (behind == IS_HOST_COMMAND) {
        tellHost(block, command, request);
        outcome = EXEC_HOST_COMMAND;
        running += STAGED_BYTES;
        break;
      }
      out = behind;
    }
    block.commands += (running - first) / STAGED_BYTES;
  }
  block.consumed = at - request;
  block.replyBytes = out - reply;
  return outcome;
}

/** Whether the reply to a command may be a value, or a part of one, and nothing beside it that takes room. */
function repliesOneValue(code: u32): bool {
  if (code == GET || code == SET || code == GETV) return true;
  return code == GETRANGE || code == GETDEL || code == GETEX;
}

function tellHost(block: ThreadBlock, command: Staged, request: Address): void {
  block.hostCode = command.code;
  block.hostArgs = command.args - request;
  block.hostArgCount = command.argCount;
  block.hostEnd = command.end - request;
}

/** Counts a command of a frame that the host ran by itself, because its bytes did not fit the request area. */
export function countCommand(thread: u32): void {
  blockOf(thread).commands += 1;
}

function refuseGroup(first: Address, end: Address, status: u32): void {
  for (let at = first; at < end; at += STAGED_BYTES) changetype<Staged>(at).code = STAGED_ERROR + status;
}

/**
 * Passes two and three. The loops that miss the caches are as short as can be: the CPU overlaps as many misses as fit
 * its reorder buffer, so every instruction in them costs parallelism. A command without a key or a match touches
 * NOTHING. Entries are not aligned to cache lines: without the second touch, a GET of a small one took 1.4 times as
 * long at a million keys.
 */
@inline
export function touchGroup(first: Address, end: Address): void {
  let sum: u32 = 0;
  for (let at = first; at < end; at += STAGED_BYTES) {
    sum += load<u32>(changetype<Staged>(at).bucket);
  }
  for (let at = first; at < end; at += STAGED_BYTES) {
    const command = changetype<Staged>(at);
    let bucket = command.bucket;
    let bits = matchTag(bucket, tagOf(command.hash));
    // One key in thirty. Without this, each of them would wait for its misses alone when it is looked for in earnest.
    if (popcnt(bits) != 1) {
      if (bits != 0) {
        const second = entryOf(bucket + <u32>ctz(bits & (bits - 1)));
        sum += load<u32>(second) + load<u32>(second, SMALL_ENTRY_END);
      } else if (overflowOf(bucket)) {
        bucket = nextBucket(bucket);
        bits = matchTag(bucket, tagOf(command.hash));
      }
    }
    const slot = bucket + <u32>ctz(bits | SLOTS_END);
    command.slot = bits ? slot : 0;
    command.entry = bits ? entryOf(slot) : NOTHING;
  }
  for (let at = first; at < end; at += STAGED_BYTES) {
    const entry = changetype<Staged>(at).entry;
    sum += load<u32>(entry) + load<u32>(entry, SMALL_ENTRY_END);
  }
  touched(sum);
}

/**
 * Touches where the log's records of a group's writes will go. One by one, these misses took longer than the rest of
 * the write. As above they overlap in a loop that does nothing else.
 */
export function touchLogs(first: Address, end: Address): void {
  let sum: u32 = 0;
  for (let at = first; at < end; at += STAGED_BYTES) {
    const command = changetype<Staged>(at);
    if (command.code != GET && command.key != 0) sum += touchLog(partitionOf(command));
  }
  touched(sum);
}

/** Runs a command; the address behind its reply, 0: it does not fit, IS_HOST_COMMAND: it is not the kernel's. */
@inline
function runCommand(thread: u32, command: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (command.code == GET) return get(thread, command, out, limit, nowMs);
  if (command.code == SET) return set(thread, command, out, limit, nowMs);
  return runOther(thread, command, out, limit, nowMs);
}

/** `runCommand` for ATOMIC, in whose commands it cannot be inlined. */
export function runInner(thread: u32, command: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (command.code == GET) return get(thread, command, out, limit, nowMs);
  if (command.code == SET) return set(thread, command, out, limit, nowMs);
  return runOther(thread, command, out, limit, nowMs);
}

/** Runs any command but GET and SET; IS_HOST_COMMAND when it is not the kernel's. */
function runOther(thread: u32, command: Staged, out: Address, limit: Address, nowMs: i64): Address {
  if (isOfCollections(command.code)) return runCollections(thread, command, out, limit, nowMs);
  if (command.code >= STAGED_ERROR) return writeError(out, command.code - STAGED_ERROR);
  if (commandRow(command.code).flags & ROW_HOST) {
    const block = blockOf(thread);
    if (block.hostLeft == 0) return writeError(out, ERROR_HOST_COMMANDS);
    block.hostLeft -= 1;
    return IS_HOST_COMMAND;
  }
  switch (command.code) {
    case 0x01:
      return ping(out);
    case 0x03:
      return atomic(thread, command, out, limit, nowMs);
    case 0x12:
      return remove(thread, command, out, limit, nowMs);
    case 0x13:
      return exists(thread, command, out, limit, nowMs);
    case 0x14:
      return expire(thread, command, out, limit, nowMs);
    case 0x15:
      return timeToLive(thread, command, out, limit, nowMs);
    case 0x16:
      return persist(thread, command, out, limit, nowMs);
    case 0x17:
      return touch(thread, command, out, limit, nowMs);
    case 0x18:
      return getVersioned(thread, command, out, limit, nowMs);
    case 0x19:
      return increment(thread, command, out, limit, nowMs);
    case 0x1a:
      return append(thread, command, out, limit, nowMs);
    case 0x1b:
      return length(thread, command, out, limit, nowMs);
    case 0x1c:
      return getRange(thread, command, out, limit, nowMs);
    case 0x1d:
      return setRange(thread, command, out, limit, nowMs);
    case 0x1e:
      return incrementFloat(thread, command, out, limit, nowMs);
    case 0x1f:
      return take(thread, command, out, limit, nowMs);
    case 0x20:
      return getAndExpire(thread, command, out, limit, nowMs);
    case 0x21:
      return getAll(thread, command, out, limit, nowMs);
    case 0x22:
      return setAll(thread, command, out, limit, nowMs);
    case 0x23:
      return setAllIfAbsent(thread, command, out, limit, nowMs);
    case 0x25:
      return rename(thread, command, out, limit, nowMs);
    case 0x26:
      return renameIfAbsent(thread, command, out, limit, nowMs);
    case 0x27:
      return copy(thread, command, out, limit, nowMs);
    case 0x24:
      return typeOf(thread, command, out, limit, nowMs);
    case 0x2a:
      return acquire(thread, command, out, limit, nowMs);
    case 0x2b:
      return release(thread, command, out, limit, nowMs);
    case 0x2c:
      return extend(thread, command, out, limit, nowMs);
    case 0x2d:
      return limitRate(thread, command, out, limit, nowMs);
    case 0x72:
      return memoryUsed(thread, command, out, limit, nowMs);
    case 0x73:
      return describe(thread, command, out, limit, nowMs);
    default:
      return runCollections(thread, command, out, limit, nowMs);
  }
}

@inline
function ping(out: Address): Address {
  store<u8>(out, 0xa4);
  store<u32>(out, 0x474e4f50, 1); // 'PONG' in memory order
  return out + 5;
}
