/**
 * THE command table: one row per command, append-only. The kernel (which gets it written into the
 * arena at creation), the codecs, the client methods, the docs table and the fuzz inputs all derive
 * from these rows.
 *
 * Wire contract: docs/PROTOCOL.md. A command is `[code, ...arguments]`; codes below 128 take one
 * byte.
 */

/** What a reply means; the client and the docs read it, the kernel does not. */
export type ReplyKind =
  | 'pong'
  | 'map'
  | 'value'
  | 'setResult'
  | 'count'
  | 'boolean'
  | 'ttl'
  | 'valueVersion'
  | 'integer'
  | 'type'
  | 'page'
  | 'key'
  | 'fence'
  | 'limit'
  | 'description';

export interface CommandRow {
  /** The number on the wire; never reused. */
  readonly code: number;
  /** Argument names as the docs print them; `?` marks an optional one, `...` one that repeats. */
  readonly args: readonly string[];
  /** Number of arguments after the code. `maxArgs` of 255 means "any number". */
  readonly minArgs: number;
  readonly maxArgs: number;
  /** Index of the first key among the arguments, or -1. */
  readonly firstKey: number;
  /**
   * Of a command all of whose arguments are keys: what happens when they lie in several arenas.
   * `apart`: each arena does its own, and the counts that they reply are added. `together`: it is
   * refused with CROSSSLOT; a {tag} that the keys have in common puts them in one arena.
   */
  readonly manyKeys?: 'apart' | 'together';
  /** May change the arena (and so is refused on a read-only replica, counted as a write, ...). */
  readonly write: boolean;
  /** Answered by the host in TypeScript, not by the kernel. */
  readonly host: boolean;
  readonly reply: ReplyKind;
  readonly summary: string;
  /** Since which protocol version. */
  readonly since: number;
}

/** `maxArgs` of a command that takes any number of arguments. */
export const ANY_ARGS = 255;

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
  SCAN: {
    code: 0x28,
    args: ['cursor', 'options?'],
    minArgs: 1,
    maxArgs: 2,
    firstKey: -1,
    write: false,
    host: true,
    reply: 'page',
    since: 1,
    summary:
      'Some keys, from a cursor on (0 at first); the next cursor (0: that was all) and the keys.',
  },
  RANDOMKEY: {
    code: 0x29,
    args: [],
    minArgs: 0,
    maxArgs: 0,
    firstKey: -1,
    write: false,
    host: true,
    reply: 'key',
    since: 1,
    summary: 'Any key, or nil when there is none.',
  },
  LOCK: {
    code: 0x2a,
    args: ['key', 'owner', 'ttlMs'],
    minArgs: 3,
    maxArgs: 3,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'fence',
    since: 1,
    summary:
      'Takes the lease; its fence, a number that only grows, or nil while another owner has it.',
  },
  UNLOCK: {
    code: 0x2b,
    args: ['key', 'owner'],
    minArgs: 2,
    maxArgs: 2,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'boolean',
    since: 1,
    summary: 'Gives the lease up; true when the owner had it.',
  },
  EXTEND: {
    code: 0x2c,
    args: ['key', 'owner', 'ttlMs'],
    minArgs: 3,
    maxArgs: 3,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'boolean',
    since: 1,
    summary: 'Makes the lease last ttlMs from now on; true when the owner has it.',
  },
  LIMIT: {
    code: 0x2d,
    args: ['key', 'capacity', 'refillPerSecond', 'cost?'],
    minArgs: 3,
    maxArgs: 4,
    firstKey: 0,
    write: true,
    host: false,
    reply: 'limit',
    since: 1,
    summary:
      'Takes cost (1) tokens from a bucket that refills; whether it could, tokens left, two waits.',
  },
  DBSIZE: {
    code: 0x70,
    args: [],
    minArgs: 0,
    maxArgs: 0,
    firstKey: -1,
    write: false,
    host: true,
    reply: 'count',
    since: 1,
    summary: 'The number of entries.',
  },
  FLUSH: {
    code: 0x71,
    args: [],
    minArgs: 0,
    maxArgs: 0,
    firstKey: -1,
    write: true,
    host: true,
    reply: 'boolean',
    since: 1,
    summary: 'Removes all entries; true.',
  },
  MEMORY: {
    code: 0x72,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: false,
    host: false,
    reply: 'integer',
    since: 1,
    summary: 'Bytes of memory that the entry takes, or nil.',
  },
  OBJECT: {
    code: 0x73,
    args: ['key'],
    minArgs: 1,
    maxArgs: 1,
    firstKey: 0,
    write: false,
    host: false,
    reply: 'description',
    since: 1,
    summary: 'What is known of the entry, as a map, or nil. Does not count as a use of it.',
  },
} as const satisfies Record<string, CommandRow>;

export type CommandName = keyof typeof COMMANDS;

/**
 * What a key holds, as TYPE names it, by the kind of its chunk. engine/kernel/types/kinds.ts has
 * the same names.
 */
export const KEY_TYPES = ['none', 'string', 'list', 'set', 'hash', 'zset'] as const;

/** SET flags; add them up. `IF_VERSION` needs the `version` argument. */
export const SetFlag = { NX: 1, XX: 2, KEEP_TTL: 4, GET: 8, IF_VERSION: 16 } as const;

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
