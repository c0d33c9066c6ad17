/*
 * Small integers instead of exceptions. Their texts (`CODE message`, engine/errors.ts) are written into the arena at
 * its creation, so that every thread's error replies are copies. Append only: the numbers are the arena's layout.
 */
import { copyBytes } from './bytes';
import { Address, ERROR_TEXT_BYTES, ERROR_TEXTS } from './layout';

export const ERROR_NOT_A_COMMAND: u32 = 1;
export const ERROR_UNKNOWN_COMMAND: u32 = 2;
export const ERROR_ARITY: u32 = 3;
export const ERROR_KEY: u32 = 4;
export const ERROR_TTL: u32 = 5;
export const ERROR_FLAGS: u32 = 6;
export const ERROR_FLAGS_CONFLICT: u32 = 7;
export const ERROR_VERSION: u32 = 8;
export const ERROR_VALUE_TOO_LARGE: u32 = 9;
export const ERROR_OUT_OF_MEMORY: u32 = 10;
export const ERROR_NOT_AN_INTEGER: u32 = 11;
export const ERROR_DELTA: u32 = 12;
export const ERROR_OVERFLOW: u32 = 13;
export const ERROR_ENTRIES_FULL: u32 = 14;
export const ERROR_HOST_COMMANDS: u32 = 15;
export const ERROR_REPLY_TOO_LARGE: u32 = 16;
export const ERROR_CROSS_ARENA: u32 = 17;
export const ERROR_AGGREGATE: u32 = 38;
export const ERROR_WEIGHTS: u32 = 39;
export const ERROR_WRONG_TYPE: u32 = 40;
export const ERROR_MEMBER: u32 = 41;
export const ERROR_COLLECTION_KEY: u32 = 42;
export const ERROR_COUNT: u32 = 43;
export const ERROR_INDEX: u32 = 44;
export const ERROR_PAIRS: u32 = 45;
export const ERROR_REPLY_SIZE: u32 = 46;
export const ERROR_WHERE: u32 = 47;
export const ERROR_SIDE: u32 = 48;
export const ERROR_LPOS: u32 = 49;
export const ERROR_CURSOR: u32 = 50;
export const ERROR_SCORE: u32 = 52;
export const ERROR_ZADD_FLAGS: u32 = 53;
export const ERROR_ZRANGE: u32 = 54;
export const ERROR_SCORE_PAIRS: u32 = 55;
export const ERROR_MATCH: u32 = 56;
export const ERROR_NOT_A_SCORE: u32 = 57;
export const ERROR_ATOMIC: u32 = 58;
export const ERROR_GUARD: u32 = 59;
export const ERROR_FIELD_TTL: u32 = 60;
export const ERROR_EXPIRE_CONDITION: u32 = 61;
export const ERROR_HSETEX_FLAGS: u32 = 62;

export const ERROR_NOT_BYTES: u32 = 18;
export const ERROR_DATA: u32 = 19;
export const ERROR_RANGE: u32 = 20;
export const ERROR_OFFSET: u32 = 21;
export const ERROR_NOT_A_NUMBER: u32 = 22;
export const ERROR_NUMBER_DELTA: u32 = 23;
export const ERROR_NOT_FINITE: u32 = 24;
export const ERROR_TOO_MANY_VALUES: u32 = 25;
export const ERROR_NO_SUCH_KEY: u32 = 26;
export const ERROR_SAME_KEY: u32 = 27;
export const ERROR_COPY_FLAGS: u32 = 28;
export const ERROR_OWNER: u32 = 29;
export const ERROR_LEASE_TTL: u32 = 30;
export const ERROR_NOT_A_LEASE: u32 = 31;
export const ERROR_CAPACITY: u32 = 32;
export const ERROR_RATE: u32 = 33;
export const ERROR_NOT_A_LIMIT: u32 = 34;

/** Writes an error reply, ext type 1 with the status's text; the address behind it. */
export function writeError(out: Address, status: u32): Address {
  const text = ERROR_TEXTS + status * ERROR_TEXT_BYTES;
  const bytes = <u32>load<u8>(text);
  store<u8>(out, 0xc7);
  store<u8>(out, <u8>bytes, 1);
  store<u8>(out, 1, 2);
  copyBytes(out + 3, text + 1, bytes);
  return out + 3 + bytes;
}
