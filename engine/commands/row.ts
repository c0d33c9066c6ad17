/** What a row of the command table (engine/commands.ts) is. */

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
  | 'float'
  | 'values'
  | 'array'
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
   * Of a command with several keys: what happens when they lie in several arenas. `apart`, only
   * where all arguments are keys: each arena does its own, and the counts that they reply are
   * added. `together`: it is refused with CROSSSLOT; a {tag} that the keys have in common puts them
   * in one arena.
   */
  readonly manyKeys?: 'apart' | 'together';
  /** Then: arguments from one key to the next, 1 if absent. A key has as many behind it. */
  readonly keyStep?: number;
  /** Then: index of the last key among the arguments; absent: keys come to the end. */
  readonly lastKey?: number;
  /** Then, where keys come to the end: up to so many arguments behind them that are no str or bin. */
  readonly optionsBehind?: number;
  /** May change the arena (and so is refused on a read-only replica, counted as a write, ...). */
  readonly write: boolean;
  /**
   * A write that leaves what it leaves when it is run twice, if it has at most so many arguments:
   * it may be asked for again where nobody knows whether it was run. What it replies is then of the
   * second time. Absent: it is not such a one.
   */
  readonly repeatableArgs?: number;
  /** Answered by the host in TypeScript, not by the kernel. */
  readonly host: boolean;
  readonly reply: ReplyKind;
  readonly summary: string;
  /** How its time grows; absent: it does not. */
  readonly complexity?: string;
  /** Since which protocol version. */
  readonly since: number;
}

/** `maxArgs` of a command that takes any number of arguments. */
export const ANY_ARGS = 255;

/** A row of a command whose only key, if it has one, is its first argument. */
function row(
  code: number,
  args: string,
  firstKey: number,
  write: boolean,
  reply: ReplyKind,
  summary: string,
  complexity?: string,
): CommandRow {
  const names = args === '' ? [] : args.split(', ');
  const isAny = names.includes('...');
  return {
    code,
    args: names,
    minArgs: names.filter((name) => !name.endsWith('?') && name !== '...').length,
    maxArgs: isAny ? ANY_ARGS : names.length,
    firstKey,
    write,
    host: firstKey < 0,
    reply,
    summary,
    ...(complexity !== undefined && { complexity }),
    since: 1,
  };
}

/** A row of a command that reads what is at its key. @param args their names, with ', ' between */
export function reads(
  code: number,
  args: string,
  reply: ReplyKind,
  summary: string,
  complexity?: string,
): CommandRow {
  return row(code, args, 0, false, reply, summary, complexity);
}

/** A row of a command that may change what is at its key. Parameters as of {@link reads}. */
export function writes(
  code: number,
  args: string,
  reply: ReplyKind,
  summary: string,
  complexity?: string,
): CommandRow {
  return row(code, args, 0, true, reply, summary, complexity);
}

/** A write that may be run twice. Parameters as of {@link reads}. */
export function repeats(
  code: number,
  args: string,
  reply: ReplyKind,
  summary: string,
  complexity?: string,
): CommandRow {
  const one = writes(code, args, reply, summary, complexity);
  return { ...one, repeatableArgs: one.maxArgs };
}

/**
 * A row of a command about all keys, of whichever arena: the host's. Parameters as of
 * {@link reads}.
 */
export function ofAllKeys(
  code: number,
  args: string,
  write: boolean,
  reply: ReplyKind,
  summary: string,
  complexity?: string,
): CommandRow {
  return row(code, args, -1, write, reply, summary, complexity);
}
