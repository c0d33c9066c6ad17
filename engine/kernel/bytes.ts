/*
 * Copies and compares by words. Both read up to 15 bytes past the end of what they were asked for, and `copyBytes` writes
 * up to 15 past it: every area that they touch has slack behind it (layout.ts), chunks are followed by chunks or the guard
 * page, and a caller that writes into a chunk uses `copyExact`.
 */
import { Address } from './layout';

/** From here on memory.copy's call is cheaper than a loop of 16-byte steps. */
const LONG_COPY: u32 = 256;

/** Copies `length` bytes; may write up to 15 bytes more. */
@inline
export function copyBytes(target: Address, source: Address, length: u32): void {
  if (length > LONG_COPY) {
    memory.copy(target, source, length);
  } else {
    for (let i: u32 = 0; i < length; i += 16) {
      v128.store(target + i, v128.load(source + i));
    }
  }
}

/** Copies exactly `length` bytes; the two may not overlap. */
@inline
export function copyExact(target: Address, source: Address, length: u32): void {
  if (length > LONG_COPY) {
    memory.copy(target, source, length);
  } else {
    let i: u32 = 0;
    for (; i + 16 <= length; i += 16) v128.store(target + i, v128.load(source + i));
    if (length & 8) {
      store<u64>(target + i, load<u64>(source + i));
      i += 8;
    }
    if (length & 4) {
      store<u32>(target + i, load<u32>(source + i));
      i += 4;
    }
    if (length & 2) {
      store<u16>(target + i, load<u16>(source + i));
      i += 2;
    }
    if (length & 1) store<u8>(target + i, load<u8>(source + i));
  }
}

/** Whether `length` bytes at `a` and `b` are the same; reads up to 7 bytes more. */
@inline
export function equalBytes(a: Address, b: Address, length: u32): bool {
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) {
    if (load<u64>(a + i) != load<u64>(b + i)) return false;
  }
  const rest = (length & 7) << 3;
  if (rest == 0) return true;
  return ((load<u64>(a + i) ^ load<u64>(b + i)) << (64 - <u64>rest)) == 0;
}
