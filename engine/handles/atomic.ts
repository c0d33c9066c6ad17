/** Commands in one step (ATOMIC): what `atomic` takes, and what it comes to. */
import type { Key, Version } from '../api.js';
import { ANY_ARGS, COMMANDS, type CommandName, type CommandRow } from '../commands.js';
import { SlabringError } from '../errors.js';
import { checkOptionNames, isVersion, show } from '../units.js';
import { checkIterable } from './arguments.js';
import { ArrayHead, type Mode, OtherKey, type Reading, type Reply, type Runner } from './runner.js';

/** Commands that cannot be part of a step: those of the node itself, and a step. */
export const NOT_IN_STEPS = [
  ...(['ATOMIC', 'HELLO', 'SCAN', 'RANDOMKEY', 'DBSIZE', 'FLUSH', 'WAIT'] as const),
] as const satisfies readonly CommandName[];

export type AtomicCommandName = Exclude<CommandName, (typeof NOT_IN_STEPS)[number]>;

/**
 * A command by its name, with the arguments that docs/PROTOCOL.md tells: keys as everywhere, values
 * as `set` takes them, times to live in milliseconds, null for what is left out.
 */
export type AtomicCommand = readonly [command: AtomicCommandName, ...args: unknown[]];

/** What must be so for the commands to run. */
export interface Guard {
  readonly key: Key;
  /** That `getVersioned` told; undefined: the key must be absent. */
  readonly version: Version | undefined;
}

export interface AtomicOptions {
  /** Looked at in the same step, before the first command. */
  guards?: Iterable<Guard>;
}

/** Either all commands ran, or none because of a guard. */
export type AtomicResult =
  | {
      readonly done: true;
      /**
       * The reply to each command as docs/PROTOCOL.md tells it, nil as null. That of one that
       * failed is its SlabringError; the others ran all the same.
       */
      readonly replies: unknown[];
    }
  | {
      readonly done: false;
      /** The key of the first guard that did not hold. Nothing was done. */
      readonly failedKey: Key;
    };

/** The kernel's (engine/kernel/types/atomic.ts). */
const MAX_COMMANDS = 1024;

/**
 * Runs the commands in one step.
 * @throws SlabringError `OPTION`, `CROSSSLOT`, `TOOLARGE`, and `SYNTAX` where a command's arguments
 * cannot be understood. Nothing was done then
 */
export function runAtomic<M extends Mode>(
  runner: Runner<M>,
  commands: Iterable<AtomicCommand>,
  options: AtomicOptions | undefined,
): Reply<M, AtomicResult> {
  const guards: Guard[] = [];
  const args = () => {
    const list: unknown[] = [];
    addCommands(commands, list);
    checkOptionNames(options ?? {}, ['guards'], 'atomic');
    addGuards(options?.guards ?? [], list, guards);
    return list;
  };
  return runner.runKeyless('ATOMIC', 2, args, readerFor(guards));
}

function addCommands(commands: Iterable<AtomicCommand>, list: unknown[]): void {
  const all = [...checkIterable(commands, 'atomic', '[command, ...arguments]')];
  if (all.length === 0 || all.length > MAX_COMMANDS) {
    const most = `atomic takes 1 to ${MAX_COMMANDS} commands`;
    throw new SlabringError('OPTION', `${most}, not ${all.length}`);
  }
  list.push(new ArrayHead(all.length));
  for (const command of all) {
    const [name, ...args] = checkCommand(command);
    const row: CommandRow = COMMANDS[name];
    if (args.length < row.minArgs || (row.maxArgs < ANY_ARGS && args.length > row.maxArgs)) {
      const takes = `${name} takes ${row.args.join(', ') || 'none'}`;
      throw new SlabringError('SYNTAX', `wrong number of arguments, ${args.length}: ${takes}`);
    }
    list.push(new ArrayHead(1 + args.length), row.code);
    for (const [i, arg] of args.entries()) {
      if (isKey(row, i, args)) list.push(new OtherKey(arg as Key));
      // The weights of a ZUNION: no value of a key, which might be stored in another form.
      else if (row.optionsBehind && Array.isArray(arg))
        list.push(new ArrayHead(arg.length), ...arg);
      else list.push(arg);
    }
  }
}

/** @throws SlabringError `OPTION` when it is none that may be in a step */
function checkCommand(command: unknown): AtomicCommand {
  if (!Array.isArray(command)) {
    const allowed = 'atomic takes [command, ...arguments]';
    throw new SlabringError('OPTION', `${allowed}, not ${show(command)}`);
  }
  const [name] = command as unknown[];
  const isName = (text: unknown) => typeof text === 'string' && Object.hasOwn(COMMANDS, text);
  if (!isName(name)) {
    const upper = typeof name === 'string' ? name.toUpperCase() : '';
    const hint = isName(upper) ? `did you mean '${upper}'?` : 'docs/PROTOCOL.md lists them';
    throw new SlabringError('OPTION', `atomic knows no command ${show(name)}; ${hint}`);
  }
  if ((NOT_IN_STEPS as readonly unknown[]).includes(name)) {
    const allowed = 'atomic takes no command of the node itself';
    throw new SlabringError('OPTION', `${allowed}, such as ${show(name)}`);
  }
  return command as unknown as AtomicCommand;
}

/**
 * Whether an argument is a key. What stands alone behind the pairs of MSET is none, nor are options
 * behind other keys.
 */
export function isKey(row: CommandRow, index: number, args: readonly unknown[]): boolean {
  if (row.manyKeys === undefined) return index === row.firstKey;
  const count = args.length;
  const { optionsBehind = 0 } = row;
  if (index > 0 && index >= count - optionsBehind && !isText(args[index])) return false;
  const { keyStep = 1, lastKey = count - 1 } = row;
  const isAlone = keyStep > 1 && index === count - 1;
  return index <= lastKey && index % keyStep === 0 && !isAlone;
}

const isText = (value: unknown): boolean =>
  typeof value === 'string' || value instanceof Uint8Array;

function addGuards(guards: Iterable<Guard>, list: unknown[], checked: Guard[]): void {
  checked.push(...checkIterable(guards, 'atomic', 'guards'));
  list.push(new ArrayHead(checked.length));
  for (const guard of checked) {
    checkOptionNames(guard, ['key', 'version'], 'a guard');
    const { key, version } = guard;
    if (version !== undefined && !isVersion(version)) {
      const allowed = 'a version of getVersioned, or undefined for a key that must be absent';
      throw new SlabringError('OPTION', `version must be ${allowed}, not ${show(version)}`);
    }
    list.push(new ArrayHead(2), new OtherKey(key), version ?? null);
  }
}

function readerFor(guards: readonly Guard[]): Reading<AtomicResult> {
  return (reply) => {
    const failed = reply.key();
    if (failed !== undefined) return { done: false, failedKey: keyOf(guards, failed) };
    const count = reply.items() ?? 0;
    const replies: unknown[] = [];
    for (let i = 0; i < count; i++) replies.push(reply.reply());
    return { done: true, replies };
  };
}

const encoder = new TextEncoder();

/** The key with these bytes as the caller gave it. */
function keyOf(guards: readonly Guard[], bytes: Uint8Array): Key {
  const found = guards.find(({ key }) => {
    const own = typeof key === 'string' ? encoder.encode(key) : key;
    return own.length === bytes.length && own.every((byte, i) => byte === bytes[i]);
  });
  return found?.key ?? bytes;
}
