/**
 * THE command table: one row per command, append-only. The kernel (which gets it written into the
 * arena at creation), the codecs, the client methods, the docs table and the fuzz inputs all derive
 * from these rows.
 *
 * Wire contract: docs/PROTOCOL.md. A command is `[code, ...arguments]`; codes below 128 take one
 * byte, others two.
 */

import { ADMINISTRATION } from './commands/administration.js';
import { FIELDS } from './commands/fields.js';
import { HASHES } from './commands/hashes.js';
import { LEASES } from './commands/leases.js';
import { LISTS } from './commands/lists.js';
import { ANY_ARGS, type CommandRow } from './commands/row.js';
import { MORE_SETS, SET_SCAN, SETS } from './commands/sets.js';
import { MORE_SORTED, SORTED } from './commands/sorted.js';

export type { CommandRow, ReplyKind } from './commands/row.js';
export { ANY_ARGS };

export const COMMANDS = {
  PING: {
    code: 0x01,
    args: [],
    minArgs: 0,
    maxArgs: 0,
    firstKey: -1,
    write: false,
    host: false,
    reply: 'pong',
    since: 1,
    summary: 'Answers "PONG".',
  },
  HELLO: {
    code: 0x02,
    args: ['options?'],
    minArgs: 0,
    maxArgs: 1,
    firstKey: -1,
    write: false,
    host: true,
    reply: 'map',
    since: 1,
    summary: 'Introduces the client; answers the facts of the server.',
  },
  ATOMIC: {
    code: 0x03,
    args: ['commands', 'guards?'],
    minArgs: 1,
    maxArgs: 2,
    firstKey: -1,
    write: true,
    host: false,
    reply: 'array',
    since: 1,
    complexity: 'that of its commands',
    summary:
      'Runs commands in one step, if each guard, an array of key and version, holds; their replies, or the key of a guard that failed.',
  },
  WAIT: {
    code: 0x04,
    args: ['key', 'concern', 'deadlineMs?'],
    minArgs: 2,
    maxArgs: 3,
    firstKey: 0,
    write: false,
    host: true,
    reply: 'count',
    since: 1,
    complexity: 'O(1), and a round trip to other nodes',
    summary:
      'Waits until so many owners have the writes of the key that came before: concern is "none", "one", "quorum" or "all"; how many have them.',
  },
  GET: {
    code: 0x10,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: false,
    host: false,
    reply: 'value',
    since: 1,
    summary: 'The value of the key, or nil.',
  },
  SET: {
    code: 0x11,
    args: ['key', 'value', 'ttlMs?', 'flags?', 'version?'],
    minArgs: 2,
    maxArgs: 5,
    firstKey: 0,
    write: true,
    // Without flags: a condition that holds once does not hold the second time.
    repeatableArgs: 3,
    host: false,
    reply: 'setResult',
    since: 1,
    summary:
      'Stores the value; true, or false when a condition failed; with flag GET the old value or nil.',
  },
  DEL: {
    code: 0x12,
    args: ['key', '...'],
    minArgs: 1,
    maxArgs: ANY_ARGS,
    firstKey: 0,
    manyKeys: 'apart',
    write: true,
    repeatableArgs: ANY_ARGS,
    host: false,
    reply: 'count',
    since: 1,
    summary: 'Removes keys; the number removed.',
  },
  EXISTS: {
    code: 0x13,
    args: ['key', '...'],
    minArgs: 1,
    maxArgs: ANY_ARGS,
    firstKey: 0,
    manyKeys: 'apart',
    write: false,
    host: false,
    reply: 'count',
    since: 1,
    summary: 'The number of the given keys that are present.',
  },
  EXPIRE: {
    code: 0x14,
    args: ['key', 'ttlMs'],
    minArgs: 2,
    maxArgs: 2,
    firstKey: 0,
    write: true,
    repeatableArgs: 2,
    host: false,
    reply: 'boolean',
    since: 1,
    summary: 'Sets the time to live; true, or false when absent.',
  },
  TTL: {
    code: 0x15,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: false,
    host: false,
    reply: 'ttl',
    since: 1,
    summary: 'Milliseconds left, -1 without expiry, -2 when absent.',
  },
  PERSIST: {
    code: 0x16,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: true,
    repeatableArgs: 1,
    host: false,
    reply: 'boolean',
    since: 1,
    summary: 'Removes the expiry; true when there was one.',
  },
  TOUCH: {
    code: 0x17,
    args: ['key', '...'],
    minArgs: 1,
    maxArgs: ANY_ARGS,
    firstKey: 0,
    manyKeys: 'apart',
    write: false,
    host: false,
    reply: 'count',
    since: 1,
    summary: 'Marks keys as used; the number present.',
  },
  GETV: {
    code: 0x18,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'valueVersion',
    since: 1,
    summary: 'The value and its version, or nil.',
  },
  INCR: {
    code: 0x19,
    args: ['key', 'delta?', 'ttlMs?'],
    minArgs: 1,
    maxArgs: 3,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'integer',
    since: 1,
    summary:
      'Adds delta (1) to an integer value; the new integer. A missing key counts as 0 and gets ttlMs.',
  },
  APPEND: {
    code: 0x1a,
    args: ['key', 'data'],
    minArgs: 2,
    maxArgs: 2,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'count',
    since: 1,
    summary: 'Adds bytes to the end of a str or bin; its length then, in bytes.',
  },
  STRLEN: {
    code: 0x1b,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: false,
    host: false,
    reply: 'count',
    since: 1,
    summary: 'The length of a str or bin in bytes, 0 when absent.',
  },
  GETRANGE: {
    code: 0x1c,
    args: ['key', 'start', 'end'],
    minArgs: 3,
    maxArgs: 3,
    firstKey: 0,
    write: false,
    host: false,
    reply: 'value',
    since: 1,
    summary:
      'The bytes of a str or bin from start to end, end included, as a bin; -1 is the last byte.',
  },
  SETRANGE: {
    code: 0x1d,
    args: ['key', 'offset', 'data'],
    minArgs: 3,
    maxArgs: 3,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'count',
    since: 1,
    summary:
      'Writes bytes into a str or bin from the offset on, behind zeros where it is shorter; its length then.',
  },
  INCRFLOAT: {
    code: 0x1e,
    args: ['key', 'delta', 'ttlMs?'],
    minArgs: 2,
    maxArgs: 3,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'float',
    since: 1,
    summary:
      'Adds delta to a number; the new number, a float. A missing key counts as 0 and gets ttlMs.',
  },
  GETDEL: {
    code: 0x1f,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'value',
    since: 1,
    summary: 'The value of the key, which is removed, or nil.',
  },
  GETEX: {
    code: 0x20,
    args: ['key', 'ttlMs?'],
    minArgs: 1,
    maxArgs: 2,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'value',
    since: 1,
    summary:
      'The value of the key, which gets another time to live (0: none; nil: as it is), or nil.',
  },
  MGET: {
    code: 0x21,
    args: ['key', '...'],
    minArgs: 1,
    maxArgs: ANY_ARGS,
    firstKey: 0,
    manyKeys: 'together',
    write: false,
    host: false,
    reply: 'values',
    since: 1,
    summary: 'The values of the keys as they are at one moment, nil for each absent one: an array.',
  },
  MSET: {
    code: 0x22,
    args: ['key', 'value', '...'],
    minArgs: 2,
    maxArgs: ANY_ARGS,
    firstKey: 0,
    manyKeys: 'together',
    keyStep: 2,
    write: true,
    repeatableArgs: ANY_ARGS,
    host: false,
    reply: 'boolean',
    since: 1,
    summary:
      'Stores all values in one step, or none; true. Behind the last value may stand a ttlMs for all.',
  },
  MSETNX: {
    code: 0x23,
    args: ['key', 'value', '...'],
    minArgs: 2,
    maxArgs: ANY_ARGS,
    firstKey: 0,
    manyKeys: 'together',
    keyStep: 2,
    write: true,
    host: false,
    reply: 'boolean',
    since: 1,
    summary: 'MSET if none of the keys is present; true, or false and nothing is stored.',
  },
  TYPE: {
    code: 0x24,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: false,
    host: false,
    reply: 'type',
    since: 1,
    summary: 'What the key holds: "string", "list", "set", "hash", "zset"; "none" when absent.',
  },
  RENAME: {
    code: 0x25,
    args: ['key', 'newKey'],
    minArgs: 2,
    maxArgs: 2,
    firstKey: 0,
    manyKeys: 'together',
    lastKey: 1,
    write: true,
    host: false,
    reply: 'boolean',
    since: 1,
    summary:
      'Moves value and expiry to newKey, in place of what is there; true. An absent key is an error.',
    complexity: 'O(1); O(size) of a collection',
  },
  RENAMENX: {
    code: 0x26,
    args: ['key', 'newKey'],
    minArgs: 2,
    maxArgs: 2,
    firstKey: 0,
    manyKeys: 'together',
    lastKey: 1,
    write: true,
    host: false,
    reply: 'boolean',
    since: 1,
    summary: 'RENAME if newKey is absent; true, or false and nothing is done.',
    complexity: 'O(1); O(size) of a collection',
  },
  COPY: {
    code: 0x27,
    args: ['key', 'newKey', 'flags?'],
    minArgs: 2,
    maxArgs: 3,
    firstKey: 0,
    manyKeys: 'together',
    lastKey: 1,
    write: true,
    host: false,
    reply: 'boolean',
    since: 1,
    summary:
      'Copies value and expiry to newKey; true, or false when key is absent, or newKey present and flags not 1 REPLACE.',
    complexity: 'O(1); O(size) of a collection',
  },
  ...LEASES,
  ...SET_SCAN,
  ...LISTS,
  ...SETS,
  ...HASHES,
  ...SORTED,
  ...ADMINISTRATION,
  ...FIELDS,
  ...MORE_SETS,
  ...MORE_SORTED,
} as const satisfies Record<string, CommandRow>;

export type CommandName = keyof typeof COMMANDS;

/**
 * What a key holds, as TYPE names it, by the kind of its chunk. engine/kernel/types/kinds.ts has
 * the same names.
 */
export const KEY_TYPES = ['none', 'string', 'list', 'set', 'hash', 'zset'] as const;

/** SET flags; add them up. `IF_VERSION` needs the `version` argument. */
export const SetFlag = { NX: 1, XX: 2, KEEP_TTL: 4, GET: 8, IF_VERSION: 16 } as const;

/** Flags of COPY. */
export const CopyFlag = { REPLACE: 1 } as const;

/** The msgpack extension type of an error reply; its payload is UTF-8 `CODE message`. */
export const ERROR_EXT_TYPE = 1;

/**
 * The msgpack extension type of a namespace's key: four bytes of prefix, then the key. The host's
 * own frames have such keys, a client's may not. engine/kernel/msgpack.ts has the same number.
 */
export const NAMESPACED_KEY_EXT_TYPE = 3;

/** The protocol's WebSocket subprotocol and version. */
export const SUBPROTOCOL = 'slabring.1';
export const PROTOCOL_VERSION = 1;
export const DEFAULT_PORT = 7707;

/** Keys are 1 to this many bytes (the entry header holds the length in 16 bits). */
export const MAX_KEY_BYTES = 65_535;
