/*
 * Glob patterns as of Redis: * any bytes, ? any one, [abc], [a-z] and [^abc] one of a class, \x x itself. By going back
 * to the last star only, so that no pattern takes longer than its length times the text's. They match what those of
 * SCAN do (engine/glob.ts).
 */
import { Address } from '../layout';

/** As of SCAN. With it, a member of the longest takes a millisecond or two. */
export const MAX_PATTERN_BYTES: u32 = 256;

const STAR: u32 = 0x2a;
const QUESTION: u32 = 0x3f;
const OPEN: u32 = 0x5b;
const CLOSE: u32 = 0x5d;
const CARET: u32 = 0x5e;
const DASH: u32 = 0x2d;
const BACKSLASH: u32 = 0x5c;

/** Bytes of patterns that were looked at, over and over: some nanoseconds each. Not state. */
let work: u32 = 0;

/** To be called before what `workDone` is to tell. */
@inline
export function startWork(): void {
  work = 0;
}

@inline
export function workDone(): u32 {
  return work;
}

/** Where the pattern goes on behind the last one that `matchesOne` looked at. Not state. */
let behind: Address = 0;

export function matchesGlob(pattern: Address, patternBytes: u32, text: Address, bytes: u32): bool {
  const patternEnd = pattern + patternBytes;
  const end = text + bytes;
  let at = pattern;
  let star: Address = 0;
  let starText: Address = 0;
  while (text < end) {
    work += 1;
    if (at < patternEnd && <u32>load<u8>(at) == STAR) {
      star = at + 1;
      starText = text;
      at = star;
    } else if (at < patternEnd && matchesOne(at, patternEnd, load<u8>(text))) {
      at = behind;
      text += 1;
    } else if (star) {
      starText += 1;
      text = starText;
      at = star;
    } else {
      return false;
    }
  }
  while (at < patternEnd && <u32>load<u8>(at) == STAR) at += 1;
  return at == patternEnd;
}

/** Whether what the pattern has at `at`, which is no star, stands for this byte. */
function matchesOne(at: Address, end: Address, byte: u32): bool {
  let wanted = <u32>load<u8>(at);
  behind = at + 1;
  if (wanted == QUESTION) return true;
  if (wanted == OPEN) return matchesClass(at + 1, end, byte);
  if (wanted == BACKSLASH && at + 1 < end) {
    wanted = load<u8>(at, 1);
    behind = at + 2;
  }
  return wanted == byte;
}

/** A class without its end goes to the end of the pattern. */
function matchesClass(start: Address, end: Address, byte: u32): bool {
  let at = start;
  const isNegative = at < end && <u32>load<u8>(at) == CARET;
  if (isNegative) at += 1;
  let found = false;
  while (at < end && <u32>load<u8>(at) != CLOSE) {
    let from = <u32>load<u8>(at);
    if (from == BACKSLASH && at + 1 < end) {
      at += 1;
      from = load<u8>(at);
      if (from == byte) found = true;
      at += 1;
    } else if (at + 2 < end && <u32>load<u8>(at, 1) == DASH) {
      const to = <u32>load<u8>(at, 2);
      if (byte >= min<u32>(from, to) && byte <= max<u32>(from, to)) found = true;
      at += 3;
    } else {
      if (from == byte) found = true;
      at += 1;
    }
  }
  behind = min<u32>(at + 1, end);
  work += behind - start;
  return found != isNegative;
}
