/*
 * The entry points of embedding: one command without a frame. The key lies at the start of the request area, a value
 * right behind it; a value that was read lies at the start of the reply area. A key's length comes as its word
 * (entry.ts), with which a key of a namespace tells that it is one.
 */
import { KeyWord, lengthOf } from './entry';
import { hashKey } from './hash';
import { startClock } from './hybridclock';
import { Address, header } from './layout';
import { ABSENT, look, NO_ROOM, peekValue, readValueAgain, WRONG_TYPE } from './read';
import { Staged, stageKey } from './staging';
import { replyArea, requestArea, stagingOf } from './threads';
import { setValue, versionGiven } from './types/blob';
import { EXPIRE_FAILED, expireKey, removeKey, takeKey } from './types/keys';

/** The value does not fit the reply area: it is read in parts (large.ts), and nothing was done. */
const IS_LARGE: i32 = -2;

/** The value is a collection. The numbers between are those of large.ts. */
const IS_COLLECTION: i32 = -5;

@inline
export function lengthOrWhy(end: Address, out: Address): i32 {
  if (end > WRONG_TYPE) return <i32>(end - out);
  if (end == WRONG_TYPE) return IS_COLLECTION;
  return end == NO_ROOM ? IS_LARGE : -1;
}

/**
 * Length of the key's value, -1 when it is absent, IS_LARGE. `nowMs` of -1: the clock is read when needed (read.ts).
 */
export function getDirect(thread: u32, keyWord: KeyWord, nowMs: f64): i32 {
  const key = requestArea(thread);
  const out = replyArea(thread);
  const limit = out + header().areaBytes;
  const end = readValueAgain(thread, out, limit, hashKey(key, lengthOf(keyWord)), key, keyWord, <i64>nowMs);
  return lengthOrWhy(end, out);
}

/** `getDirect` that leaves no trace: nothing is marked as used or counted. */
export function peekDirect(thread: u32, keyWord: KeyWord, nowMs: f64): i32 {
  const key = requestArea(thread);
  const out = replyArea(thread);
  const limit = out + header().areaBytes;
  const end = peekValue(thread, out, limit, hashKey(key, lengthOf(keyWord)), key, keyWord, <i64>nowMs);
  return lengthOrWhy(end, out);
}

/** `getDirect` that removes the key. */
export function takeDirect(thread: u32, keyWord: KeyWord, nowMs: f64): i32 {
  startClock(<i64>nowMs);
  const key = requestArea(thread);
  const out = replyArea(thread);
  const limit = out + header().areaBytes;
  const end = takeKey(thread, hashKey(key, lengthOf(keyWord)), key, keyWord, out, limit, <i64>nowMs);
  return lengthOrWhy(end, out);
}

/** There is no memory for an expiry, and nothing was done. */
const IS_OUT_OF_MEMORY: i32 = -4;

/** `getDirect` that gives the key another expiry (0: none; negative: the one it has); IS_OUT_OF_MEMORY. */
export function expireDirect(thread: u32, keyWord: KeyWord, ttlMs: f64, nowMs: f64): i32 {
  startClock(<i64>nowMs);
  const key = requestArea(thread);
  const out = replyArea(thread);
  const limit = out + header().areaBytes;
  const hash = hashKey(key, lengthOf(keyWord));
  const end = expireKey(thread, hash, key, keyWord, <i64>ttlMs, out, limit, <i64>nowMs);
  return end == EXPIRE_FAILED ? IS_OUT_OF_MEMORY : lengthOrWhy(end, out);
}

/** 1 stored, 0 a condition failed, negative: minus an error status. With SET_GET the old value is in the reply area. */
export function setDirect(
  thread: u32,
  keyWord: KeyWord,
  valueBytes: u32,
  ttlMs: f64,
  flags: u32,
  version: f64,
  nowMs: f64,
): i32 {
  startClock(<i64>nowMs);
  const key = requestArea(thread);
  const out = replyArea(thread);
  const limit = out + header().areaBytes;
  const staged = changetype<Staged>(stagingOf(thread));
  stageKey(staged, key, keyWord, false);
  const value = key + lengthOf(keyWord);
  const wanted = versionGiven(thread, version);
  return setValue(thread, staged, value, valueBytes, <i64>ttlMs, flags, wanted, out, limit, <i64>nowMs);
}

export function deleteDirect(thread: u32, keyWord: KeyWord, nowMs: f64): i32 {
  startClock(<i64>nowMs);
  const key = requestArea(thread);
  return <i32>removeKey(thread, hashKey(key, lengthOf(keyWord)), key, keyWord, <i64>nowMs);
}

export function hasDirect(thread: u32, keyWord: KeyWord, nowMs: f64): i32 {
  const key = requestArea(thread);
  return <i32>(look(thread, hashKey(key, lengthOf(keyWord)), key, keyWord, false, <i64>nowMs) != ABSENT);
}
