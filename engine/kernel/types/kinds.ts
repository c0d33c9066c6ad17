/*
 * The names of what an entry holds, by the kind of its chunk (entry.ts). engine/commands.ts has the same ones in the
 * same order, which a test holds.
 */
import { CHUNK_BLOB, CHUNK_HASH, CHUNK_LIST, CHUNK_SET, CHUNK_ZSET } from '../entry';
import { Address } from '../layout';

/** Of a key that is absent. */
export const KIND_NONE: u32 = 0;

/* In memory order: the first letter in the lowest byte. */
const NONE: u64 = 0x656e6f6e; // 'none'
const STRING: u64 = 0x676e69727473; // 'string'
const LIST: u64 = 0x7473696c; // 'list'
const SET: u64 = 0x746573; // 'set'
const HASH: u64 = 0x68736168; // 'hash'
const ZSET: u64 = 0x7465737a; // 'zset'

function nameOf(kind: u32): u64 {
  switch (kind) {
    case CHUNK_BLOB:
      return STRING;
    case CHUNK_LIST:
      return LIST;
    case CHUNK_SET:
      return SET;
    case CHUNK_HASH:
      return HASH;
    case CHUNK_ZSET:
      return ZSET;
    default:
      return NONE;
  }
}

/** Writes the name of a kind as a str; the address behind it. */
@inline
export function writeKind(out: Address, kind: u32): Address {
  return writeWord(out, nameOf(kind), 0);
}

/** Writes a str of 1 to 16 letters, which are given in memory order; the address behind it. */
export function writeWord(out: Address, first: u64, rest: u64): Address {
  const bytes = rest ? 16 - (<u32>clz(rest) >> 3) : 8 - (<u32>clz(first) >> 3);
  store<u8>(out, <u8>(0xa0 | bytes));
  store<u64>(out, first, 1);
  store<u64>(out, rest, 9);
  return out + 1 + bytes;
}
