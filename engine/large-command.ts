/**
 * Commands that the host runs instead of the kernel, because their bytes or their reply pass the
 * areas of a thread: SET, and those that reply a value or a part of one. They are read and refused
 * as the kernel does it (engine/kernel/staging.ts, types/blob.ts), and run on `LargeValues`.
 */
import { Buffer } from 'node:buffer';
import type { Version } from './api.js';
import type { CommandWalk } from './command-walk.js';
import {
  ANY_ARGS,
  COMMANDS,
  type CommandName,
  MAX_KEY_BYTES,
  NAMESPACED_KEY_EXT_TYPE,
  SetFlag,
} from './commands.js';
import type { Desk } from './desk.js';
import { encodeError, encodeErrorText } from './error-reply.js';
import { KERNEL_ERROR_TEXTS } from './kernel-exports.js';
import { NAMESPACED_KEY, PREFIX_BYTES } from './keys.js';
import { LargeValues, type ReadMode } from './large.js';
import {
  MAX_SCALAR_BYTES,
  readInteger64,
  Tag,
  writeBigInteger,
  writeBinHeader,
  writeInteger,
} from './msgpack.js';
import { rangeOf } from './range.js';
import type { ReplyParts, ValueRoom } from './reply-parts.js';
import { MAX_TTL_MS } from './units.js';

/** What stands in an error reply in `KERNEL_ERROR_TEXTS`, by the kernel's constant. */
type ErrorName =
  | 'ERROR_NOT_A_COMMAND'
  | 'ERROR_UNKNOWN_COMMAND'
  | 'ERROR_ARITY'
  | 'ERROR_KEY'
  | 'ERROR_TTL'
  | 'ERROR_FLAGS'
  | 'ERROR_FLAGS_CONFLICT'
  | 'ERROR_VERSION'
  | 'ERROR_VALUE_TOO_LARGE'
  | 'ERROR_NOT_BYTES'
  | 'ERROR_REPLY_TOO_LARGE'
  | 'ERROR_HOST_COMMANDS';

/** A command that the kernel would stage. */
export interface ReadCommand {
  readonly name: CommandName;
  readonly argCount: number;
  /** Empty for a command without keys. */
  readonly key: Buffer;
  /** Whether the key is a namespace's, and begins with its prefix. */
  readonly isNamespaced: boolean;
}

/** What SET takes besides its key. */
interface SetCommand {
  readonly value: Buffer;
  /** 0: no expiry. */
  readonly ttlMs: number;
  /** A sum of {@link SetFlag}. */
  readonly flags: number;
  /** Counts only with {@link SetFlag.IF_VERSION}. */
  readonly version: Version;
}

const ROWS = new Map<number | string, CommandName>();
for (const name of Object.keys(COMMANDS) as CommandName[]) {
  ROWS.set(name, name).set(COMMANDS[name].code, name);
}
/** Longer names are none; so that no name of some MiB is made a string. */
const NAME_BYTES_MAX = 16;

const NO_KEY_BYTES = new Uint8Array(0) as Buffer;
const NIL = Uint8Array.of(Tag.NIL);
const TRUE = Uint8Array.of(Tag.TRUE);
const FALSE = Uint8Array.of(Tag.FALSE);
/** An array of two: the head of GETV's reply. */
const PAIR = Uint8Array.of(Tag.FIXARRAY | 2);

/** An error reply with one of the kernel's texts. */
export function kernelError(name: ErrorName): Buffer {
  return encodeErrorText(KERNEL_ERROR_TEXTS[name]!);
}

/**
 * Reads the command that `walk` has walked over, as `stage` of the kernel does; or what is wrong
 * with it.
 * @param isHosts whether the key may be that of a namespace
 */
export function readCommand(
  bytes: Buffer,
  walk: CommandWalk,
  isHosts = false,
): ReadCommand | ErrorName {
  const { items, start, ends } = walk;
  if (items === 0) return 'ERROR_NOT_A_COMMAND';
  const text = payloadOf(bytes, start, ends[0]!);
  const number = text === undefined ? integerAt(bytes, start) : undefined;
  if (text === undefined && number === undefined) return 'ERROR_NOT_A_COMMAND';
  const name = text === undefined ? ROWS.get(Number(number)) : nameOf(text);
  if (name === undefined) return 'ERROR_UNKNOWN_COMMAND';
  const { minArgs, maxArgs, firstKey } = COMMANDS[name];
  const argCount = items - 1;
  const isTooMany = (maxArgs as number) !== ANY_ARGS && argCount > maxArgs;
  if (argCount < minArgs || isTooMany) return 'ERROR_ARITY';
  if ((firstKey as number) < 0) return { name, argCount, key: NO_KEY_BYTES, isNamespaced: false };
  const plain = payloadOf(bytes, ends[0]!, ends[1]!);
  const key = plain ?? (isHosts ? namespacedKeyOf(bytes, ends[0]!, ends[1]!) : undefined);
  if (key === undefined || key.length === 0 || key.length > MAX_KEY_BYTES) return 'ERROR_KEY';
  return { name, argCount, key, isNamespaced: plain === undefined };
}

/** Reads the arguments of a SET behind its key, as the kernel does; or what is wrong with them. */
function readSet(bytes: Buffer, walk: CommandWalk, argCount: number): SetCommand | ErrorName {
  const { ends } = walk;
  const [, keyEnd, valueEnd, ttlEnd, flagsEnd] = ends;
  let ttlMs = 0;
  let flags = 0;
  let version: Version | undefined;
  if (argCount > 2) {
    const read = optionalAt(bytes, valueEnd!);
    if (read === undefined || read < 0 || read > MAX_TTL_MS) return 'ERROR_TTL';
    ttlMs = read;
  }
  if (argCount > 3) {
    const read = optionalAt(bytes, ttlEnd!);
    if (read === undefined || read < 0 || read > ALL_FLAGS) return 'ERROR_FLAGS';
    flags = read;
  }
  if (argCount > 4 && bytes[flagsEnd!] !== Tag.NIL) {
    version = versionAt(bytes, flagsEnd!);
    if (version === undefined) return 'ERROR_VERSION';
  }
  const { NX, XX, KEEP_TTL, IF_VERSION } = SetFlag;
  const isBoth = (flags & (NX | XX)) === (NX | XX);
  if (isBoth || (flags & KEEP_TTL && ttlMs > 0)) return 'ERROR_FLAGS_CONFLICT';
  if (((flags & IF_VERSION) !== 0) !== (version !== undefined)) return 'ERROR_VERSION';
  return { value: bytes.subarray(keyEnd, valueEnd), ttlMs, flags, version: version ?? 0 };
}

/** A version at an argument: all 64 bits count. */
function versionAt(bytes: Buffer, at: number): Version | undefined {
  const isLong = bytes[at] === Tag.UINT64 || bytes[at] === Tag.INT64;
  const version = isLong ? readInteger64(true, bytes, at + 1) : integerAt(bytes, at);
  return version === undefined || version < 0 ? undefined : version;
}

/** All flags of SET. */
const ALL_FLAGS = Object.values(SetFlag).reduce((sum, flag) => sum + flag, 0);

/** Commands on the large values of one arena. */
export class LargeCommands {
  readonly #values: LargeValues;
  readonly #namespaced: LargeValues;
  readonly #maxValueBytes: number;

  /** @param now the clock, in ms of Unix time */
  constructor(desk: Desk, now: () => number) {
    this.#values = new LargeValues(desk, now);
    this.#namespaced = new LargeValues(desk, now, NAMESPACED_KEY);
    this.#maxValueBytes = desk.arena.facts.maxValueBytes;
  }

  /**
   * Runs a command, and adds its reply.
   * @param bytes what `walk` has walked over, and `command` was read from
   */
  run(bytes: Buffer, walk: CommandWalk, command: ReadCommand, reply: ReplyParts): void {
    try {
      if (command.name === 'SET') this.#set(bytes, walk, command, reply);
      else if (command.name === 'GETV') this.#getVersioned(command, reply);
      else if (command.name === 'GETRANGE') this.#getRange(bytes, walk, command, reply);
      else this.#get(command, modeOf(bytes, walk, command), reply);
    } catch (error) {
      reply.add(encodeError(error));
    }
  }

  #set(bytes: Buffer, walk: CommandWalk, command: ReadCommand, reply: ReplyParts): void {
    const set = readSet(bytes, walk, command.argCount);
    if (typeof set === 'string') {
      reply.add(kernelError(set));
    } else if (set.value.length > this.#maxValueBytes) {
      reply.add(kernelError('ERROR_VALUE_TOO_LARGE'));
    } else {
      const { value, ttlMs, flags, version } = set;
      const { stored, old } = this.#valuesOf(command).set(
        command.key,
        value,
        ttlMs,
        flags,
        version,
      );
      if (flags & SetFlag.GET) reply.add(old ?? NIL);
      else reply.add(stored ? TRUE : FALSE);
    }
  }

  #get(command: ReadCommand, mode: ReadMode, reply: ReplyParts): void {
    let room: ValueRoom | undefined;
    const value = this.#valuesOf(command).get(command.key, mode, (valueBytes) => {
      room = reply.roomFor(valueBytes);
      return room.whole.subarray(room.start, room.start + valueBytes);
    });
    if (value === undefined) reply.add(NIL);
    else reply.addValue(room!, value.length);
  }

  /** The kernel has read the arguments, and found the range too long for the reply area. */
  #getRange(bytes: Buffer, walk: CommandWalk, command: ReadCommand, reply: ReplyParts): void {
    const value = this.#valuesOf(command).get(command.key, 'get');
    const content = value && payloadOf(value, 0, value.length);
    if (value !== undefined && content === undefined) {
      reply.add(kernelError('ERROR_NOT_BYTES'));
      return;
    }
    const start = integerAt(bytes, walk.ends[1]!)!;
    const end = integerAt(bytes, walk.ends[2]!)!;
    const part = rangeOf(content ?? NO_KEY_BYTES, start, end);
    const head = Buffer.alloc(MAX_SCALAR_BYTES);
    reply.add(head.subarray(0, writeBinHeader(part.length, head, 0)));
    reply.add(part);
  }

  #getVersioned(command: ReadCommand, reply: ReplyParts): void {
    const found = this.#valuesOf(command).getVersioned(command.key);
    if (found === undefined) {
      reply.add(NIL);
      return;
    }
    const version = Buffer.alloc(MAX_SCALAR_BYTES);
    const end =
      typeof found.version === 'number'
        ? writeInteger(found.version, version, 0)
        : writeBigInteger(found.version, version, 0);
    reply.add(PAIR);
    reply.add(found.bytes);
    reply.add(version.subarray(0, end));
  }

  #valuesOf({ isNamespaced }: ReadCommand): LargeValues {
    return isNamespaced ? this.#namespaced : this.#values;
  }
}

/** How a command that replies a value reads it. Its arguments are right: the kernel has read them. */
function modeOf(bytes: Buffer, walk: CommandWalk, { name, argCount }: ReadCommand): ReadMode {
  if (name === 'GETDEL') return 'take';
  if (name !== 'GETEX') return 'get';
  const at = walk.ends[1]!;
  return argCount === 1 || bytes[at] === Tag.NIL ? KEEP_EXPIRY : integerAt(bytes, at)!;
}

/** For a time to live: the expiry stays as it is. */
const KEEP_EXPIRY = -1;

function nameOf(text: Buffer): CommandName | undefined {
  if (text.length > NAME_BYTES_MAX) return undefined;
  // Only ASCII has two cases for the kernel.
  const name = text.toString('latin1').replace(/[a-z]/g, (letter) => letter.toUpperCase());
  return ROWS.get(name);
}

/** The bytes of the str or bin from `at` to `end`; undefined for any other type. */
export function payloadOf(bytes: Buffer, at: number, end: number): Buffer | undefined {
  const tag = bytes[at]!;
  const isFixed = tag >= Tag.FIXSTR && tag < Tag.NIL;
  const isLong = (tag >= Tag.BIN8 && tag <= Tag.BIN32) || (tag >= Tag.STR8 && tag <= Tag.STR32);
  if (!isFixed && !isLong) return undefined;
  const first = tag >= Tag.STR8 ? Tag.STR8 : Tag.BIN8;
  const headerBytes = isFixed ? 1 : 1 + (1 << (tag - first));
  return bytes.subarray(at + headerBytes, end);
}

/** The payload of the extension that a namespace's key is; undefined for any other value. */
function namespacedKeyOf(bytes: Buffer, at: number, end: number): Buffer | undefined {
  const headerBytes = bytes[at] === Tag.EXT8 ? 3 : 4;
  if (bytes[at] !== Tag.EXT8 && bytes[at] !== Tag.EXT16) return undefined;
  if (bytes[at + headerBytes - 1] !== NAMESPACED_KEY_EXT_TYPE) return undefined;
  const key = bytes.subarray(at + headerBytes, end);
  return key.length > PREFIX_BYTES ? key : undefined;
}

/**
 * The integer at `at`, rounded where a double cannot hold it; undefined for any other type and, as
 * in the kernel, for unsigned integers from 2^63 on.
 */
export function integerAt(bytes: Buffer, at: number): number | undefined {
  const tag = bytes[at]!;
  if (tag < Tag.FIXMAP) return tag;
  if (tag >= Tag.NEGATIVE_FIXINT) return tag - 0x100;
  switch (tag) {
    case Tag.UINT8:
      return bytes[at + 1]!;
    case Tag.UINT16:
      return bytes.readUInt16BE(at + 1);
    case Tag.UINT32:
      return bytes.readUInt32BE(at + 1);
    case Tag.UINT64:
      return bytes[at + 1]! >= 0x80 ? undefined : Number(readInteger64(false, bytes, at + 1));
    case Tag.INT8:
      return bytes.readInt8(at + 1);
    case Tag.INT16:
      return bytes.readInt16BE(at + 1);
    case Tag.INT32:
      return bytes.readInt32BE(at + 1);
    case Tag.INT64:
      return Number(readInteger64(true, bytes, at + 1));
    default:
      return undefined;
  }
}

/** An optional integer: nil counts as 0. */
function optionalAt(bytes: Buffer, at: number): number | undefined {
  return bytes[at] === Tag.NIL ? 0 : integerAt(bytes, at);
}
