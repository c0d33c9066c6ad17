/*
 * Copies and compares by words. A copy touches no byte outside its two ranges: at the end of an entry, one byte more
 * may be another cache line, and that is a miss of a tenth of a microsecond.
 */
import { Address, NOTHING } from './layout';

/** From here on memory.copy's call is cheaper than a loop of 16-byte steps. */
const LONG_COPY: u32 = 256;

/**
 * Copies `length` bytes between ranges that do not overlap. Up to 64 bytes without a loop, as words that may overlap
 * each other: each turn of a loop asks whether the thread shall stop.
 */
@inline
export function copyBytes(target: Address, source: Address, length: u32): void {
  if (length < 16) {
    copyShort(target, source, length);
  } else if (length > 64) {
    copyLong(target, source, length);
  } else {
    const last = length - 16;
    const head = v128.load(source);
    const tail = v128.load(source + last);
    if (length > 32) {
      const second = v128.load(source, 16);
      const third = v128.load(source + last - 16);
      v128.store(target, second, 16);
      v128.store(target + last - 16, third);
    }
    v128.store(target, head);
    v128.store(target + last, tail);
  }
}

function copyLong(target: Address, source: Address, length: u32): void {
  if (length > LONG_COPY) {
    memory.copy(target, source, length);
    return;
  }
  const last = length - 16;
  for (let i: u32 = 0; i < last; i += 16) v128.store(target + i, v128.load(source + i));
  v128.store(target + last, v128.load(source + last));
}

/** Up to 15 bytes, as two words that may overlap. */
@inline
function copyShort(target: Address, source: Address, length: u32): void {
  if (length >= 8) {
    const last = length - 8;
    const tail = load<u64>(source + last);
    store<u64>(target, load<u64>(source));
    store<u64>(target + last, tail);
  } else if (length >= 4) {
    const last = length - 4;
    const tail = load<u32>(source + last);
    store<u32>(target, load<u32>(source));
    store<u32>(target + last, tail);
  } else if (length) {
    const last = length - 1;
    const middle = length >> 1;
    const half = load<u8>(source + middle);
    const tail = load<u8>(source + last);
    store<u8>(target, load<u8>(source));
    store<u8>(target + middle, half);
    store<u8>(target + last, tail);
  }
}

/** Whether `length` bytes at `a` and `b` are the same; may read up to 7 bytes more. */
@inline
export function equalBytes(a: Address, b: Address, length: u32): bool {
  // What most keys are: 8 to 32 bytes, as two words that may overlap.
  if (length - 8 > 24) return equalLoop(a, b, length);
  if (length < 16) {
    const end = length - 8;
    return ((load<u64>(a) ^ load<u64>(b)) | (load<u64>(a + end) ^ load<u64>(b + end))) == 0;
  }
  const last = length - 16;
  const head = v128.xor(v128.load(a), v128.load(b));
  const tail = v128.xor(v128.load(a + last), v128.load(b + last));
  return !v128.any_true(v128.or(head, tail));
}

function equalLoop(a: Address, b: Address, length: u32): bool {
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) {
    if (load<u64>(a + i) != load<u64>(b + i)) return false;
  }
  const rest = (length & 7) << 3;
  if (rest == 0) return true;
  return ((load<u64>(a + i) ^ load<u64>(b + i)) << (64 - <u64>rest)) == 0;
}

/**
 * To be called with the sum of loads made only to warm the caches, so that no compiler drops them. It practically never
 * stores: all threads would store to one line.
 */
@inline
export function touched(sum: u32): void {
  if (sum == 0x9e3779b1) store<u32>(NOTHING, sum);
}

/** Copies; up to 64 bytes in whole steps, which write up to 63 bytes more. */
@inline
export function copyLoosely(target: Address, source: Address, bytes: u32): void {
  if (bytes > 64) {
    copyBytes(target, source, bytes);
    return;
  }
  v128.store(target, v128.load(source));
  v128.store(target, v128.load(source, 16), 16);
  if (bytes > 32) {
    v128.store(target, v128.load(source, 32), 32);
    v128.store(target, v128.load(source, 48), 48);
  }
}
